package engine

import (
	"cmp"
	"errors"
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

// The tables of a pool's state. TablePool, TableSeen and TableDue are loaded whole, the others row by row.
const (
	TablePool     Table = iota + 1 // settings, outlets, channels, origin and source marks, the clock
	TableSeen                      // remembered event ids
	TableStock                     // one row a SKU; its value is the public JSON with the private part under "_"
	TableListings                  // one row a SKU: its listings, and its last offers while it has no row of TableStock
	TableOrders                    // one row an order, id = stream.JoinKey(channel, order id)
	TableRecent                    // one row a SKU: its last counts and recent movements
	TablePromises                  // one row a SKU: which order lines its outlets owe units
	TableItems                     // one row a channel's own id of something, id = stream.JoinKey(channel, item)
	TableDue                       // what waits for a moment of journal time
)

// The names of the tables, as they stand in keys of the store, in snapshots and in messages.
var tableNames = [...]string{
	TablePool: "pool", TableSeen: "seen", TableStock: "stock", TableListings: "listings", TableOrders: "orders",
	TableRecent: "recent", TablePromises: "promises", TableItems: "items", TableDue: "due",
}

// String returns the table's name.
func (t Table) String() string {
	if int(t) < len(tableNames) && tableNames[t] != "" {
		return tableNames[t]
	}
	return "unknown"
}

// ParseTable undoes [Table.String]; ok is false for a name that is no table's.
func ParseTable(name string) (t Table, ok bool) {
	for i, n := range tableNames {
		if n != "" && n == name {
			return Table(i), true
		}
	}
	return 0, false
}

// A RowKey names one state row.
type RowKey struct {
	Table Table
	Pool  string
	ID    string
}

// CompareRowKeys orders keys by table, pool and id.
func CompareRowKeys(a, b RowKey) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Pool, b.Pool), cmp.Compare(a.ID, b.ID))
}

// A RowWrite is the new value of a row; a nil Value deletes it.
type RowWrite struct {
	RowKey
	Value []byte
}

// A State is the rows of the pools of one journal partition that are in memory. It is used by one goroutine.
type State struct {
	pools  map[string]*pool
	last   memo[string, pool]
	runs   uint64    // how many have begun
	look   []looking // scratch of Look
	orders []looking // likewise
	rows   []*sku    // likewise
	looked int32     // what the looks have returned
}

// NewState returns an empty state, which holds no pool.
func NewState() *State { return &State{pools: map[string]*pool{}} }

// pool returns the pool, if it was loaded.
func (s *State) pool(id string) (p *pool, ok bool) { return s.last.find(s.pools, id) }

// HasPool reports whether the pool's tables that are loaded whole have been, with LoadPool.
func (s *State) HasPool(id string) bool { _, ok := s.pool(id); return ok }
