// Package offer turns what is available into the quantity that a channel may show. It is arithmetic on integers: it
// keeps no state, and the caller brings the numbers and the moment.
package offer

import (
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The reasons an offer carries: why its quantity is what it is, or why the listing is not offered.
const (
	InStock     = "in_stock"
	SoldOut     = "sold_out"
	BelowFloor  = "below_floor"
	Capped      = "capped"
	NotOptedIn  = "not_opted_in"
	Untracked   = "untracked"
	Deleted     = "deleted"
	NotYet      = "before_publication"
	ByChannel   = "fulfilled_by_channel"
	ChannelGone = "channel_deleted"
	NoLocation  = "location_removed"
)

// PolicyAt returns the policy in force at the moment at: the first of listing's rows that covers it, else the first of
// channel's, else the policy that shows everything. A row covers From ≤ at < To; 0 leaves a bound open.
func PolicyAt(listing, channel []record.Policy, at stock.Instant) record.Policy {
	for _, policies := range [2][]record.Policy{listing, channel} {
		for _, p := range policies {
			if (p.From == 0 || p.From <= at) && (p.To == 0 || at < p.To) {
				return p
			}
		}
	}
	return record.Policy{Percent: 100}
}

// Quantity returns what may be shown and why: (available − waiting − buffer) × percent / 100 rounded down, at most the cap,
// never below 0, and 0 where it would be below the floor. available is the sum over the outlets that count, each ≥ 0.
func Quantity(available, waiting stock.Quantity, p record.Policy) (stock.Quantity, string) {
	q := available - waiting - p.Buffer
	if q > 0 {
		// Split so that a large quantity × percent cannot overflow.
		q = q/100*stock.Quantity(p.Percent) + q%100*stock.Quantity(p.Percent)/100
	}
	if q <= 0 {
		return 0, SoldOut
	}
	reason := InStock
	if p.Cap != nil && q > *p.Cap {
		q, reason = *p.Cap, Capped
	}
	if q < p.Floor {
		return 0, BelowFloor
	}
	return q, reason
}

// Terms are what a listing says of whether it is offered.
type Terms struct {
	OptedIn, Tracked, Deleted bool
	FulfilledBy               record.Fulfiller
	PublishAt                 stock.Instant
}

// TermsOf returns the listing's terms.
func TermsOf(l *record.Listing) Terms {
	return Terms{OptedIn: l.OptedIn, Tracked: l.Tracked, Deleted: l.Deleted, FulfilledBy: l.FulfilledBy, PublishAt: l.PublishAt}
}

// Stopped returns why a listing with these terms is not offered at the moment at, "" if it is. c is its channel.
func Stopped(l *Terms, c *record.Channel, at stock.Instant) string {
	switch {
	case l.Deleted:
		return Deleted
	case c.Deleted:
		return ChannelGone
	case !l.OptedIn:
		return NotOptedIn
	case !l.Tracked:
		return Untracked
	case l.FulfilledBy == record.ByChannel:
		return ByChannel
	case l.PublishAt > at:
		return NotYet
	}
	return ""
}
