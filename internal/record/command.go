package record

import "github.com/shelfwire/shelfwire/internal/stock"

// A CommandKind is what a person asks of a channel's owner.
type CommandKind uint8

// What can be asked: to read every level, record what has drifted and correct it; to tell the offers now; to take up again what was
// put aside; to read the channel's orders now; to read one order.
const (
	CommandSync CommandKind = iota + 1
	CommandPush
	CommandRetry
	CommandOrders
	CommandFetch
)

// A Command is what a person asks of a channel's owner, and, with Done, that it was done. What came of it on the way are
// communications that name its ID.
type Command struct {
	ID            string
	Pool, Channel string
	Kind          CommandKind
	SKU           string        // only this one; "": every one
	ObserveOnly   bool          // of sync: nothing is corrected for it
	Since         stock.Instant // of orders: from when on they are read again; 0: what is new
	OrderID       string        // of fetch
	IssuedAt      stock.Instant
	AnswerBy      stock.Instant // until when the answer is waited for; 0: it is not known
	Done          *CommandDone
}

// CommandDone is what the owner answers.
type CommandDone struct {
	Count   int64  // of the listings and despatches, or the orders, that it was about
	Drifted int64  // of those, levels that somebody else had changed
	Failed  int64  // of those, listings that are put aside, and despatches that the channel does not take
	Reason  string // why it could not be done; "": it was
	// Waiting counts the listings that are told by themselves after AnswerBy, WaitsUntil at the latest: the answer says so rather than to
	// come too late. WaitsFor is why.
	Waiting    int64
	WaitsUntil stock.Instant
	WaitsFor   string
}
