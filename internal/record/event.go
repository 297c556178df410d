// Package record holds the domain form of every record that travels through a pipeline: the events that come in, the
// journal entry that orders them, and what goes out. It is the shared vocabulary of the pure packages and the stages;
// package codec turns it into bytes and back. It decides nothing.
//
// Strings are ids as the retailer wrote them. A zero [stock.Instant] means "not given".
package record

import (
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// An EventKind says which of an Event's parts is set.
type EventKind uint8

// The kinds of event, in the order of the contract. Tick is written by the pipeline itself and never accepted from outside.
const (
	KindMovement EventKind = iota + 1
	KindOrder
	KindFulfilment
	KindMark
	KindOutlet
	KindKit
	KindListing
	KindChannel
	KindPool
	KindDecline
	KindReassign
	KindRefresh
	KindTick
)

// An Event is one fact from outside: exactly one part is set.
type Event struct {
	Movement   *Movement
	Order      *Order
	Fulfilment *Fulfilment
	Mark       *Mark
	Outlet     *Outlet
	Kit        *Kit
	Listing    *Listing
	Channel    *Channel
	Pool       *Pool
	Decline    *Decline
	Reassign   *Reassign
	Refresh    *Refresh
	Tick       *Tick
}

// Kind returns which part is set, 0 if none is.
func (e *Event) Kind() EventKind {
	switch {
	case e.Movement != nil:
		return KindMovement
	case e.Order != nil:
		return KindOrder
	case e.Fulfilment != nil:
		return KindFulfilment
	case e.Mark != nil:
		return KindMark
	case e.Outlet != nil:
		return KindOutlet
	case e.Kit != nil:
		return KindKit
	case e.Listing != nil:
		return KindListing
	case e.Channel != nil:
		return KindChannel
	case e.Pool != nil:
		return KindPool
	case e.Decline != nil:
		return KindDecline
	case e.Reassign != nil:
		return KindReassign
	case e.Refresh != nil:
		return KindRefresh
	case e.Tick != nil:
		return KindTick
	}
	return 0
}

// PoolID returns the pool the event belongs to, "" if no part is set.
func (e *Event) PoolID() string {
	switch e.Kind() {
	case KindMovement:
		return e.Movement.Pool
	case KindOrder:
		return e.Order.Pool
	case KindFulfilment:
		return e.Fulfilment.Pool
	case KindMark:
		return e.Mark.Pool
	case KindOutlet:
		return e.Outlet.Pool
	case KindKit:
		return e.Kit.Pool
	case KindListing:
		return e.Listing.Pool
	case KindChannel:
		return e.Channel.Pool
	case KindPool:
		return e.Pool.Pool
	case KindDecline:
		return e.Decline.Pool
	case KindReassign:
		return e.Reassign.Pool
	case KindRefresh:
		return e.Refresh.Pool
	case KindTick:
		return e.Tick.Pool
	}
	return ""
}

// A Movement changed on hand at one outlet. Quantity is > 0, but for an adjustment (≠ 0) and a count (≥ 0).
// A sender de-duplicates by (Source, Epoch, Sequence), or by EventID.
type Movement struct {
	Pool, Outlet, SKU string
	Kind              stock.MovementKind
	Quantity          stock.Quantity
	OccurredAt        stock.Instant
	EventID           string
	Source            string
	Epoch, Sequence   int64
	Reason            string
	Counterpart       string // the outlet a transfer goes to
}

// An OrderStatus is where an order stands at its channel.
type OrderStatus uint8

// The life of an order. PartiallyShipped is never given by a channel's snapshot; it is what an allocation record says of
// an open order that is fulfilled in part.
const (
	Pending OrderStatus = iota + 1
	Open
	Shipped
	Cancelled
	Archived
	PartiallyShipped
)

// A Fulfiller says who despatches an order.
type Fulfiller uint8

// Who despatches: the merchant from the pool's outlets, or the channel from its own.
const (
	ByMerchant Fulfiller = iota + 1
	ByChannel
)

// An Order is a full snapshot of a channel's customer order. Snapshots are ordered by (UpdatedAt, ReadAt).
type Order struct {
	Pool, Channel, OrderID string
	Status                 OrderStatus
	PlacedAt               stock.Instant
	UpdatedAt              stock.Instant
	ReadAt                 stock.Instant // 0: the journal's entry time
	FulfilledBy            Fulfiller
	ExpiresAt              stock.Instant
	ShipTo                 ShipTo
	Payment                Payment
	Lines                  []OrderLine
}

// ShipTo carries what allocation may need to know of the destination, and nothing personal.
type ShipTo struct{ Country, PostalCode string }

// Payment is what the channel says of the payment; Amount is a decimal as written.
type Payment struct{ State, Amount, Currency string }

// An OrderLine asks for units of a SKU, or of the channel's own Item. Fulfilled is what the channel reports, in total.
type OrderLine struct {
	LineID, SKU, Item   string
	Quantity, Fulfilled stock.Quantity
	Outlet, Location    string
}

// A Fulfilment is a despatch of some lines of an order from an outlet.
type Fulfilment struct {
	Pool, Channel, OrderID, FulfilmentID string
	ReportedBy                           Reporter
	Outlet                               string
	ShippedAt                            stock.Instant
	Carrier, Tracking                    string
	Lines                                []FulfilmentLine
}

// A Reporter says who told us of a despatch.
type Reporter uint8

// Who reports a despatch.
const (
	Warehouse Reporter = iota + 1
	ChannelReport
)

// A FulfilmentLine is the part of an order line that was despatched; Quantity > 0.
type FulfilmentLine struct {
	LineID   string
	Quantity stock.Quantity
}

// A Mark says that every order of the channel changed before OrdersUntil (exclusive) has been sent ahead of it.
type Mark struct {
	Pool, Channel string
	OrdersUntil   stock.Instant
}

// An Outlet is a place that holds stock. The lowest Priority comes first.
type Outlet struct {
	Pool, Outlet, Name         string
	Priority                   int32
	SellsOnline, FulfilsOrders bool
	SafetyStock                stock.Quantity
	ChannelOwned, Deleted      bool
}

// A Kit is a SKU sold as a set of components.
type Kit struct {
	Pool, SKU  string
	Components []Component
	Deleted    bool
}

// A Component is what one unit of a kit needs of one SKU; Quantity > 0.
type Component struct {
	SKU      string
	Quantity stock.Quantity
}

// A Listing is one SKU on one channel.
type Listing struct {
	Pool, Channel, SKU string
	OptedIn, Tracked   bool
	FulfilledBy        Fulfiller
	ChannelIDs         Dict // what the channel calls it, by kind of id
	Title              string
	Policies           []Policy // dated; where none is in force the channel's apply
	PublishAt          stock.Instant
	Deleted            bool
}

// A Policy says how much of what is available a channel may show, from From (inclusive) to To (exclusive); 0 is open.
type Policy struct {
	From, To stock.Instant
	Buffer   stock.Quantity
	Cap      *stock.Quantity // nil: no cap
	Percent  int32           // 0…100
	Floor    stock.Quantity
}

// A Channel is where things are sold. Account is what its rate limits count, by default the channel itself.
type Channel struct {
	Pool, Channel, Vendor    string
	Outlets                  []string
	Locations                []Location
	Account                  string
	RouteOrders              bool
	DefaultOutlet, OwnOutlet string
	LowersOwnLevel, Deleted  bool
	Flows                    Flows
	CountStatuses            CountStatuses
	LoweringStatuses         []OrderStatus
	Publish                  Publish
	Policies                 []Policy
	WhenStopped              WhenStopped
	Carriers                 Dict // how the channel calls a carrier, by how fulfilments do
}

// A Product is what a channel has on sale under an item of its own.
type Product struct {
	Item, SKU, Title string
	NotEligible      string // why the channel would not sell it; "": it would
}

// AccountID returns the account that owns the channel's rate limits: Account, or "pool/channel" where none is given.
func (c *Channel) AccountID() string {
	if c.Account != "" {
		return c.Account
	}
	return c.Pool + "/" + c.Channel
}

// A Location is one of a channel's own stock locations with the outlets behind it.
type Location struct {
	Location string
	Outlets  []string
}

// Flows switches what is exchanged with a channel.
type Flows struct{ Stock, Orders, ShipmentsOut, ShipmentsIn, Payments bool }

// CountStatuses says in which statuses an order counts, by who fulfils it.
type CountStatuses struct{ Merchant, Channel []OrderStatus }

// Publish holds a channel's publishing settings.
type Publish struct {
	Quiet         time.Duration // debounce: send after no change for this long …
	LongestWait   time.Duration // … and never later than this after the first change
	LowMark       stock.Quantity
	Settle        time.Duration // how long after a request's deadline it may still land
	VisibilityLag time.Duration
	Grace         time.Duration
	CorrectDrift  bool
}

// WhenStopped says what becomes of a listing that stops being offered.
type WhenStopped uint8

// What to do with a stopped listing: tell the channel 0, or leave the channel as it is.
const (
	StopZero WhenStopped = iota + 1
	StopLeave
)

// Pool holds a pool's settings.
type Pool struct {
	Pool                                  string
	Ruleset                               int32
	Prefer                                Preference
	ReleaseOn                             Release
	FulfilmentLowersOnHand                bool
	CountWindow                           time.Duration
	SingleOutlet, SplitOrders, SplitLines bool
	ShipComplete                          bool
}

// A Preference is what allocation prefers among outlets that can serve.
type Preference uint8

// What allocation prefers.
const (
	FewestOutlets Preference = iota + 1
	PriorityFirst
)

// A Release says when a cancelled order gives its units back.
type Release uint8

// When units are released.
const (
	OnCancel Release = iota + 1
	OnArchive
)

// A Decline is an outlet's refusal to serve part of a line (a short pick).
type Decline struct {
	Pool, EventID, Channel, OrderID, LineID, Outlet string
	Quantity                                        stock.Quantity
	Reason                                          string
}

// A Reassign is a person's decision to serve part of a line from another outlet.
type Reassign struct {
	Pool, EventID, Channel, OrderID, LineID, From, To string
	Quantity                                          stock.Quantity
}

// A Refresh asks for every row of a pool, or of one channel of it, to be emitted again.
type Refresh struct{ Pool, Channel string }

// A Tick moves journal time when nothing else does.
type Tick struct{ Pool string }
