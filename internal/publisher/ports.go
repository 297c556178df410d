package publisher

import (
	"context"
	"errors"
	"time"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Log gives the offers topic to read. It is safe for concurrent use.
type Log interface {
	Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error)
	// TopicID returns the id that the topic got when it was created.
	TopicID(ctx context.Context, t stream.Topic) (string, error)
	Bounds(ctx context.Context, p stream.Partition) (stream.Bounds, error)
}

// Outputs takes communications. It is safe for concurrent use.
type Outputs interface {
	// Produce writes the messages and returns when every one is acknowledged. Messages of one partition keep their order.
	// After an error any of them may have been written, or may yet be.
	Produce(ctx context.Context, messages []stream.Message) error
}

// ErrFenced is returned by a ToldStore for a sequence that is not the stored one: another owner has taken the partition.
var ErrFenced = errors.New("another owner has taken the partition")

// A ToldStore keeps the told state of offers partitions. It is safe for concurrent use.
type ToldStore interface {
	// Take makes the caller the partition's owner: it raises the stored sequence by one, and to least at the least, so that every
	// Save of an earlier owner fails from now on, and returns the whole state. With the clock as least, sequences rise also over a
	// state that was lost: they order what the owners say, whenever it is written. Sequences stay below 2⁵³.
	Take(ctx context.Context, partition int32, least int64) (Told, error)

	// Save writes the rows and the position and raises the sequence from sequence by one, in one atomic step. It returns an
	// error that wraps ErrFenced, with nothing written, where the stored sequence is another. After any other error the outcome
	// is unknown: the caller takes the partition again.
	Save(ctx context.Context, partition int32, sequence int64, p ToldPosition, rows []ToldRow) error
}

// A Told is the stored state of one offers partition.
type Told struct {
	Sequence int64 // the owner's, for its first Save
	ToldPosition
	Rows []ToldRow
}

// A ToldPosition says how much of the offers partition the rows have taken in. The zero value: nothing.
type ToldPosition struct {
	TopicID string
	Offset  int64 // the next offer to take
}

// A ToldRow is one row of the told state: the channel's own (Listing ""), what is known of its orders (Listing "orders"), or a
// listing's. Keys are joined ids.
type ToldRow struct {
	Channel string // stream.JoinKey(pool, channel)
	Listing string // stream.JoinKey(sku, location), which holds a '/', or a name without one
	Value   []byte
}

// Traits are what a connector says of its channel.
type Traits struct {
	Access    dispatch.Access
	BatchRows int // rows of one request, ≥ 1
	ReadRows  int // items of one Read; 0: as many as BatchRows
	// StaleSpoils says that one stale row has its whole request turned away, so what is sold out goes without others.
	StaleSpoils bool
	// KeysLast is how long the channel remembers an idempotency key; 0: it knows none, and no request is sent to it twice.
	KeysLast time.Duration
	// ReadLag is how much older than a read's start the level may be that it tells.
	ReadLag time.Duration
	// Settle is how long after a request's deadline it may still land; the catalogue's settle, where that is longer.
	Settle time.Duration
	// RequestsPerSecond and Burst are what its account may do until the channel says otherwise ([Allowance]).
	RequestsPerSecond int
	Burst             int
	Timeout           time.Duration // of one request, from the fence on
	Bulk              Bulk          // the zero value: it has no other way for many rows

	// OrdersEvery is how often its orders may be read, where that is less often than the stage would; VisibilityLag is the longest time
	// between it lowering a level and showing the order, the catalogue's where that is longer.
	OrdersEvery, VisibilityLag time.Duration
	// ItemsAreSKUs says that it calls a listing by the SKU where the catalogue does not give it another name.
	ItemsAreSKUs bool
}

// A Bulk is a channel's own way for many rows, which takes its time: one is under way at once, beside the ordinary requests, and
// only decreases and raises go by it, never a sell-out.
type Bulk struct {
	From    int           // so many rows that wait make a bulk, > BatchRows; 0: there is none
	Rows    int           // rows of one bulk, ≥ From
	Timeout time.Duration // of one, from the fence on
}

// A Connector speaks one channel's protocol. It is safe for concurrent use, keeps nothing that is not in its configuration, and
// never retries by itself. A request under a key that the channel has seen must have the answer of the first.
type Connector interface {
	Traits() Traits
	// Set sets the rows' levels under the key. The replies are those of the rows, in their order. An error is about the request
	// as a whole: a [*RequestError], where nothing was applied or it says that nobody knows; after any other error nobody knows.
	Set(ctx context.Context, key string, rows []Row) (Reply, error)
	// Read returns the items' levels, in their order.
	Read(ctx context.Context, items []Item) (Reading, error)
}

// An Allowance is what the account may do from now on, in the channel's own units (requests, points).
type Allowance struct {
	Now       int     // so much at once
	Most      int     // so much at once after a rest, ≥ 1
	PerSecond float64 // so much is earned back, > 0
	Cost      int     // what must be there for a request like the one it answers, ≥ 1
}

// A Reading is what a channel tells of some levels.
type Reading struct {
	Levels    []Level
	Allowance *Allowance // nil: it did not say
	// Failed is why it was broken off, where some levels had been read by then; nil: it was not.
	Failed *RequestError
}

// A Level is one level. Where Quantity is nil, it is none to be set, and Reason says why: the channel does not know the item, or
// would not sell it. Unread: it was broken off before.
type Level struct {
	Quantity *stock.Quantity
	Reason   string
	Unread   bool
}

// An OrderSource is a connector that tells its channel's orders as well.
type OrderSource interface {
	// Orders returns a page of the orders that changed from since on and before until, whatever their status; page is the former
	// page's Next, "" for the first. An order may come twice, and one that changed at a bound may be left out. Pool, Channel and
	// ReadAt are the caller's to set. Every order is whole, and holds nothing personal. Its errors are as those of Set.
	Orders(ctx context.Context, since, until stock.Instant, page string) (OrderPage, error)
}

// An OrderFetcher is a connector that tells one order by its id, as the channel's orders are told: as snapshots in the order in which
// they are to be taken in, or none where the channel has no such order.
type OrderFetcher interface {
	Order(ctx context.Context, id string) ([]record.Order, error)
}

// A CatalogueSource is a connector that tells what its channel has on sale.
type CatalogueSource interface {
	// Products returns a page of it, in any order; page is the former page's Next, "" for the first. Its errors are as those of Read.
	Products(ctx context.Context, page string) (ProductPage, error)
	// ItemName returns the channel id by which a listing names its item; "": an item is called by its SKU, or by the channel id item.
	ItemName() string
}

// A ProductPage is a part of what a channel has on sale.
type ProductPage struct {
	Products []record.Product
	Next     string // of the next page; "": there is none
	Total    int    // how many there are in all; 0: it did not say
}

// An OrderPage is a part of a channel's orders.
type OrderPage struct {
	Orders    []record.Order
	Next      string     // of the next page; "": there is none
	Allowance *Allowance // nil: it did not say
}

// An Item names a listing to its channel.
type Item struct{ SKU, Location, ChannelItem string }

// A Row is one level to set. All of it is stored with the attempt, so that another try has the same bytes.
type Row struct {
	Item
	Quantity stock.Quantity
	Compare  *stock.Quantity // nil: unconditional, as every row is where the channel compares nothing
	Version  stock.Version   // of the offer
	At       stock.Instant   // when the attempt was first written down
}

// A Reply is a channel's answer to a Set.
type Reply struct {
	ID        string // the channel's own id of the request, "" where it gives none
	Rows      []RowReply
	Allowance *Allowance // nil: it did not say
	// Failed is why the request was broken off, where some of its rows had been sent by then; nil: it was not.
	Failed *RequestError
}

// A RowReply is what became of one row.
type RowReply struct {
	Outcome Outcome
	Level   *stock.Quantity // the level after it, where the channel says
	Reason  string
}

// An Outcome is what became of a row.
type Outcome uint8

// The outcomes of a row.
const (
	RowApplied Outcome = iota + 1
	RowStale           // refused: the level was not the compare value
	RowRefused         // refused for another reason that will not go away by itself
	RowUnsure          // the channel is done with the request and does not say what became of this row
	RowPending         // taken in, to be applied later, or sent and not answered: nobody knows until it cannot land any more
	RowUnsent          // not sent: it is decided anew
)

// Class sums up an answer, as communications carry it.
type Class string

// The classes of answers.
const (
	OK           Class = "ok"
	Stale        Class = "stale"
	Throttled    Class = "throttled"
	Refused      Class = "refused"
	Unauthorised Class = "unauthorised"
	ServerError  Class = "server_error"
	Timeout      Class = "timeout"
	Connection   Class = "connection"
	Pending      Class = "pending" // of a row that is to be applied later
)

// unknown reports whether nobody knows if a request of this class changed something.
func (c Class) unknown() bool { return c == ServerError || c == Timeout || c == Connection }

// A RequestError is a request that failed as a whole. Throttled, Refused and Unauthorised changed nothing; of the others nobody
// knows.
type RequestError struct {
	Class      Class
	RetryAfter time.Duration // what the channel asked for; 0: nothing
	Reason     string        // what it said, shortened; never a secret
	// WholeChannel says that it is no row's fault: the address or the credentials are wrong, and every request would fail so.
	WholeChannel bool
	// Apart says, of Throttled, that it holds for this kind of request only: the others go on.
	Apart     bool
	Allowance *Allowance // nil: it did not say
}

func (e *RequestError) Error() string { return string(e.Class) + ": " + e.Reason }

// ErrNoEndpoint is returned by Deps.Connect for a channel that nobody has configured an end point for.
var ErrNoEndpoint = errors.New("no end point is configured for the channel")

// Connect returns the connector of a channel, or ErrNoEndpoint.
type Connect func(c *record.Channel) (Connector, error)
