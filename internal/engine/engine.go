package engine

import (
	"errors"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

var (
	// ErrInvariant is returned for a state that the engine cannot have made: the partition must stop.
	ErrInvariant = errors.New("broken invariant")
	// ErrUnknownRuleset is returned for an entry that asks for rules this program does not have: the partition must stop.
	ErrUnknownRuleset = errors.New("unknown ruleset")
	// ErrGap is returned for an entry whose predecessor from the same origin never arrived: the partition must stop.
	ErrGap = errors.New("gap in an origin")
)

// A Table is a family of state rows.
type Table uint8

// The tables of a pool's state. TablePool and TableSeen are loaded whole, the others row by row.
const (
	TablePool     Table = iota + 1 // settings, outlets, channels, origin and source marks, the clock
	TableSeen                      // remembered event ids
	TableStock                     // one row a SKU; its value is the public JSON with the private part under "_"
	TableListings                  // one row a SKU: its listings with their last offers
	TableOrders                    // one row an order, id = stream.JoinKey(channel, order id)
)

// A RowKey names one state row.
type RowKey struct {
	Table Table
	Pool  string
	ID    string
}

// A RowWrite is the new value of a row; a nil Value deletes it.
type RowWrite struct {
	RowKey
	Value []byte
}

// A State is the rows of the pools of one journal partition that are in memory. It is used by one goroutine.
type State struct {
	pools map[string]*pool
}

// NewState returns an empty state, which holds no pool.
func NewState() *State { return &State{pools: map[string]*pool{}} }

// HasPool reports whether the pool's TablePool and TableSeen have been loaded with LoadPool.
func (s *State) HasPool(id string) bool { _, ok := s.pools[id]; return ok }

// LoadPool makes the pool known with every stored row of its TablePool and TableSeen (none for a new pool). It keeps no
// slice. It returns an error that wraps ErrInvariant for a row that does not decode.
func (s *State) LoadPool(id string, rows []RowWrite) error { panic("soon") }

// Load puts one stored row of the other tables into memory; a nil value says that the row does not exist. A row that is
// already in memory is left as it is, since memory is never older than the store.
func (s *State) Load(key RowKey, value []byte) error { panic("soon") }

// Missing appends to keys the rows that Apply would need for e and that are not in memory. It is called again after they
// were loaded, until it appends nothing: which orders an entry needs may follow from a stock row. The entry's pool must
// have been loaded.
func (s *State) Missing(keys []RowKey, e *record.JournalEntry) []RowKey { panic("soon") }

// Apply folds the entry with version v into the state and adds what changed to c.
//
// Apply is pure: equal rows and an equal entry give equal results, on any machine and for ever (per ruleset). It keeps
// none of the slices of e, but may keep its strings. An entry that cannot be applied leaves every row as it was and adds a rejection to c, never an error; the
// error is ErrInvariant, ErrUnknownRuleset or ErrGap, and the caller must stop the partition and drop the state.
func (s *State) Apply(v stock.Version, e *record.JournalEntry, c *Changes) error { panic("soon") }

// Changes collects what a run of entries changed: which rows, and which outputs are due. The zero value is ready.
type Changes struct{}

// Reset empties c and keeps its memory.
func (c *Changes) Reset() { panic("soon") }

// EachRow calls f with every changed row's present value, ordered by (table, pool, id). The value is valid during the call.
func (s *State) EachRow(c *Changes, f func(RowWrite)) { panic("soon") }

// EachAvailability calls f with the present counts of every SKU that changed, ordered by (pool, SKU). a is valid during the call.
func (s *State) EachAvailability(c *Changes, f func(a *record.Availability)) { panic("soon") }

// EachAllocation calls f with every order that changed, ordered by (pool, channel, order). a is valid during the call.
func (s *State) EachAllocation(c *Changes, f func(a *record.Allocation)) { panic("soon") }

// EachOffer calls f with every changed listing's newest offer and every changed channel's state, ordered by key. o is valid
// during the call. Marks come apart: they must be written after the offers are acknowledged.
func (s *State) EachOffer(c *Changes, f func(o *record.OfferRecord)) { panic("soon") }

// Marks returns the marks of the run in journal order.
func (c *Changes) Marks() []record.ChannelMark { panic("soon") }

// Shipments returns the shipment notices of the run in journal order.
func (c *Changes) Shipments() []record.ShipmentNotice { panic("soon") }

// Rejections returns the rejections of the run in journal order, with Version and Ordinal set.
func (c *Changes) Rejections() []record.Rejection { panic("soon") }

// Refused says why the engine does not take this kind of event yet, "" if it does. Ingest asks before it journals.
func Refused(e *record.Event) string { panic("soon") }

type pool struct{}
