// Package auditview is the page that shows what every channel was told, when, why that number, and what came of it. It only
// reads, and asks the history alone.
package auditview

import (
	"context"
	"time"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Queries answers what the page asks of the history. Every answer is of what is stored by then; the history is behind the
// pipeline by a second or so. An implementation is safe for concurrent use, and no result shares memory with another. What
// does not exist gives empty results, never an error.
type Queries interface {
	// Pools returns every pool that anything is known of, by id.
	Pools(ctx context.Context) ([]string, error)
	// Channels returns the channels of a pool, by id, deleted ones included.
	Channels(ctx context.Context, pool string) ([]ChannelRow, error)
	// LowersOwnLevel reports whether a channel lowers its own level when it sells, as [ChannelRow] says; true where its settings are
	// not stored, as that is what a channel does unless it says otherwise.
	LowersOwnLevel(ctx context.Context, pool, channel string) (bool, error)
	// Totals returns the sums over a pool.
	Totals(ctx context.Context, pool string) (Totals, error)
	// Stock returns a page of the communicated-stock table, by SKU.
	Stock(ctx context.Context, f StockFilter) ([]StockRow, error)
	// Told returns the communications of a listing at all of its locations, newest first.
	Told(ctx context.Context, f ToldFilter) ([]ToldRow, error)
	// Offers returns the newest limit offers of a listing at all of its locations, oldest first, for a chart.
	Offers(ctx context.Context, pool, channel, sku string, limit int) ([]record.Offer, error)
	// Failures returns the listings that are not as they should be, by what came last of telling them: held or quarantined, or
	// rejected or unknown with no level read since; and the despatches that were told, or should have been, and are not acknowledged.
	// Newest first ([NewestFailures]), of all pools where pool is "".
	Failures(ctx context.Context, pool string, limit int) ([]Told, error)
	// Rejections returns the newest inputs that were not applied or were flagged, of all pools where pool is "".
	Rejections(ctx context.Context, pool string, limit int) ([]record.Rejection, error)
}

// A ChannelRow is one channel with what its newest state says.
type ChannelRow struct {
	Channel, Vendor, Account string
	Deleted                  bool
	LowersOwnLevel           bool // it lowers its own level when it sells, so that a sale there needs no telling
	// Listings is how many SKUs (by location) have an offer that is not stopped, Failing how many of all are in Failures.
	Listings, Failing int64
	// OrdersUntil is until when every order of the channel is known, as its newest mark says; 0: there was never one.
	OrdersUntil stock.Instant
}

// silentAfter is how far a channel's orders may be behind before it counts as silent: channels that are read seldom are behind by minutes.
const silentAfter = 10 * time.Minute

// Silent reports whether at now nothing was heard of the channel's orders for long, though once there was something: what it sold since
// OrdersUntil is not known.
func (c *ChannelRow) Silent(now stock.Instant) bool {
	return !c.Deleted && c.OrdersUntil != 0 && now > c.OrdersUntil.Add(silentAfter)
}

// Totals are sums over the newest rows of a pool.
type Totals struct {
	SKUs                                    int64
	OnHand, OnOrder, Available, Backordered stock.Quantity
	Listings, Failing                       int64         // as in [ChannelRow], over every channel
	Communications                          int64         // requests and observations ever recorded, not their attempts
	LastEntry                               stock.Instant // entry time of the newest journal entry that is stored
	LastCommunication                       stock.Instant // when the newest communication was recorded
}

// A StockFilter chooses a page of the communicated-stock table.
type StockFilter struct {
	Pool   string
	Search string // SKUs that contain this, whatever the case of its ASCII letters; "" for all
	After  string // SKUs greater than this, by bytes; "" from the first
	Limit  int    // most rows; > 0
}

// A StockRow is one SKU with what its channels were told. A SKU that is only offered and was never moved has zeros and
// version 0.
type StockRow struct {
	SKU                                     string
	OnHand, OnOrder, Available, Backordered stock.Quantity
	Version                                 stock.Version
	ChangedAt                               stock.Instant  // journal time
	Channels                                []ChannelStock // by channel, then location
}

// A ChannelStock is one SKU at one location of one channel.
type ChannelStock struct {
	Channel, Location string
	Offer             OfferNow
	Told              ToldNow
	// State is what came of the newest communication, 0 where there is none; Failing that it is one of Failures.
	State   record.CommunicationState
	StateAt stock.Instant // when it was recorded
	Failing bool
	// Observed is the level that was read last at the channel; nil where none was read.
	Observed   *stock.Quantity
	ObservedAt stock.Instant
}

// OfferNow is the newest offer of a listing; Version 0 where there is none.
type OfferNow struct {
	Quantity       stock.Quantity
	Sold, Released stock.Quantity // the channel's counters, as in [record.Offer]
	Version        stock.Version
	ChangedAt      stock.Instant
	Reason         string
	Stopped        bool
}

// ToldNow is the quantity that a channel acknowledged last; Version and At are 0 where it never did.
type ToldNow struct {
	Quantity       stock.Quantity
	Sold, Released stock.Quantity // the counters that it was computed from, as in [record.Communication]
	Version        stock.Version  // of the offer that it was computed from
	At             stock.Instant  // when the channel replied
}

// A ToldFilter chooses communications of one listing.
type ToldFilter struct {
	Pool, Channel, SKU string
	Before             int64 // only those with an Offset below this; ≤ 0 from the newest
	Limit              int   // most rows; > 0
}

// Told is one communication in its place. All communications of a channel are in one partition, so Offset orders them.
type Told struct {
	record.Communication
	Offset     int64
	RecordedAt stock.Instant // when it was written to the log
}

// A ToldRow is a communication with the offer it was computed from.
type ToldRow struct {
	Told
	Offer *record.Offer // the offer of its OfferVersion, with every number it was computed from; nil where it is not stored
}
