package record

import "github.com/shelfwire/shelfwire/internal/stock"

// An Availability is the counts of one SKU of one pool after the entry at Version. Outlets are sorted by id; those with
// nothing on hand and nothing reserved are left out. Channel-owned outlets are listed but not in the totals.
type Availability struct {
	Pool, SKU                                         string
	Version                                           stock.Version
	ChangedAt                                         stock.Instant // journal time of the change
	OnHand, OnOrder, Reserved, Available, Backordered stock.Quantity
	Outlets                                           []OutletLevel
	Times                                             Times
}

// An OutletLevel is what one outlet holds of a SKU and has promised.
type OutletLevel struct {
	Outlet           string
	OnHand, Reserved stock.Quantity
	Undeclared       bool // named by a movement, not by the catalogue
}

// Times are the moments a change has passed, so that lateness can be put on a hop: when it happened (of the newest entry
// that made the change), when its input record was written, when ingest journalled it. Emission is the record's own timestamp.
type Times struct{ Occurred, Origin, Entry stock.Instant }

// An Allocation is the state of one order after the entry at Version. Lines are sorted by id.
type Allocation struct {
	Pool, Channel, OrderID string
	State                  OrderStatus
	Version                stock.Version
	ChangedAt              stock.Instant
	UpdatedAt              stock.Instant // of the snapshot it follows
	FulfilledBy            Fulfiller
	Lines                  []AllocationLine
	Decision               Decision
	Times                  Times
}

// An AllocationLine is one line with where its units come from. Per line: Σ Allocations.Quantity − Σ Allocations.Fulfilled
// + Waiting = Ordered − Fulfilled, of the units still ordered. Allocations are sorted by outlet.
type AllocationLine struct {
	LineID, SKU                 string
	Ordered, Waiting, Fulfilled stock.Quantity
	Allocations                 []LineAllocation
	Held                        bool // the channel's item is not known: nothing is allocated
}

// A LineAllocation is the part of a line that one outlet serves: units promised in all and of those despatched.
type LineAllocation struct {
	Outlet              string
	Quantity, Fulfilled stock.Quantity
}

// A Decision says how an order was allocated and why.
type Decision struct {
	Rule       string // e.g. one_outlet, whole_lines, cut_lines, waiting, none
	Exact      bool   // false where the search gave up its step budget
	Candidates []Candidate
}

// A Candidate is an outlet that could have served, and what it lacked.
type Candidate struct {
	Outlet string
	Lacks  []Lack
}

// A Lack is how many units of a line's SKU an outlet did not have.
type Lack struct {
	LineID   string
	Quantity stock.Quantity
}

// OfferRecord is what the offers topic carries: exactly one part is set.
type OfferRecord struct {
	Offer        *Offer
	ChannelState *ChannelState
	Mark         *ChannelMark
}

// An Offer is the quantity that a channel may show for a listing (at one of its locations, where it has several).
type Offer struct {
	Pool, Channel, Account, SKU, Location string
	Version                               stock.Version
	ChangedAt                             stock.Instant
	Quantity                              stock.Quantity
	Sold, Released                        stock.Quantity // only grow; see DESIGN §5
	Reason                                string         // e.g. in_stock, sold_out, not_opted_in, before_publication, deleted, untracked, below_floor
	Inputs                                OfferInputs
	ChannelIDs                            Dict
	Stopped                               bool // the listing is not offered: this is its last offer
	Times                                 Times
}

// OfferInputs are the numbers an offer was computed from:
// Quantity = max(0, min(Cap, (Σ Available − Waiting − Buffer) × Percent / 100)), 0 below Floor.
type OfferInputs struct {
	Outlets []OfferOutlet
	Waiting stock.Quantity
	Buffer  stock.Quantity
	Percent int32
	Cap     *stock.Quantity
	Floor   stock.Quantity
}

// An OfferOutlet is one outlet's part: Available = max(0, OnHand − Reserved − SafetyStock).
type OfferOutlet struct {
	Outlet                                   string
	OnHand, Reserved, SafetyStock, Available stock.Quantity
}

// A ChannelState is what the publisher must know of a channel.
type ChannelState struct {
	Channel Channel
	Version stock.Version
}

// A ChannelMark is a poller's mark in its place among the channel's offers.
type ChannelMark struct {
	Pool, Channel, Account string
	OrdersUntil            stock.Instant
	Version                stock.Version
}

// A ShipmentNotice is what a channel is to be told about a despatch.
type ShipmentNotice struct {
	Pool, Channel, Account, OrderID, FulfilmentID, Outlet string
	ShippedAt                                             stock.Instant
	Carrier, Tracking                                     string
	Lines                                                 []FulfilmentLine
	Version                                               stock.Version
}

// A CommunicationState is what came of telling a channel something.
type CommunicationState uint8

// The states of a communication. Attempted is written before the request leaves; of one attempt exactly one of
// Acknowledged, CommunicationRejected or Unknown follows, and an Unknown may later be resolved by another outcome with the same key.
const (
	Attempted CommunicationState = iota + 1
	Acknowledged
	CommunicationRejected
	Unknown
	Observed
	Held
	Quarantined
)

// A CommunicationKind is what was asked of the channel.
type CommunicationKind uint8

// What was asked: set a level, set it if it is still the compare value, read it, or take note of a despatch.
const (
	SetLevel CommunicationKind = iota + 1
	CompareAndSet
	ReadLevel
	ConfirmShipment
)

// A Communication is one step of telling a channel an offer or a despatch: an attempt, its outcome, or an observation. Of a despatch
// it names the order and the fulfilment instead of a listing; OfferVersion is the notice's, Quantity its units.
type Communication struct {
	Pool, Channel, Account, SKU, Location string
	OrderID, FulfilmentID                 string // of a despatch
	Kind                                  CommunicationKind
	State                                 CommunicationState
	Attempt                               int32  // 1, 2, … for one IdempotencyKey
	IdempotencyKey                        string // stable over every retry of the same value
	OfferVersion                          stock.Version
	Quantity                              stock.Quantity  // the level asked for
	Compare                               *stock.Quantity // the level it must still have; nil: unconditional
	Expected                              *stock.Quantity // the level the ledger expected before the request; nil: unknown
	Level                                 *stock.Quantity // the level read or answered; nil: none
	Sold, Released                        stock.Quantity  // the counters the value was computed from
	Sequence                              int64           // the owner's fence when it was written
	RequestID, ReplyID                    string
	ReplyClass                            string        // ok, stale, throttled, refused, unauthorised, server_error, timeout, connection, pending
	Reply                                 string        // what the channel said, shortened
	Reason                                string        // why it was sent or held: sell_out, decrease, raise, drift, replay …
	Command                               string        // the command it answers, "" for none
	OfferedAt                             stock.Instant // journal time of the offer
	OccurredAt                            stock.Instant // when the fact behind the offer happened
	AttemptedAt                           stock.Instant
	RepliedAt                             stock.Instant
}

// A Rejection is an input that was not applied, kept with why and where it came from.
type Rejection struct {
	Class      string // malformed, refused, late, duplicate, undeclared, negative, too_large, …
	Reason     string
	Field      string // the field at fault, "" where none is
	Topic      string // where it came from, without prefix; "http" for the HTTP interface
	Partition  int32
	Offset     int64
	Index      int32  // row of a batch over HTTP
	Pool       string // "" where it could not be read
	Version    stock.Version
	Ordinal    int32 // of several rejections of one journal entry
	RejectedAt stock.Instant
	Applied    bool   // the event was applied all the same (negative, undeclared): this is a flag
	Value      []byte // the bytes as they came
}
