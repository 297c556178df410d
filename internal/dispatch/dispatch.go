// Package dispatch decides what a channel is to be sent and when. It is pure: time is an argument, nothing is sent here.
//
// A channel lowers its own level when it sells, before anybody else knows. Per listing the package therefore keeps bounds on
//
//	B = the channel's level + the channel's true net sales
//
// which an own sale leaves alone, and from which the level that is to be expected follows. A listing is due when what is
// wanted there differs from what is expected. The rule's holes and their tests are in ledger_test.go.
//
// The caller owns each [Listing], feeds it offers, marks and outcomes in the order they happened, and asks [Listing.Decide]
// after every one of them, and again at the moment of sending.
package dispatch

import (
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// An Access is what a channel lets one do with its levels.
type Access uint8

// The kinds of channel.
const (
	Blind     Access = iota // it takes plain sets and tells no level
	Readable                // it tells its level and takes plain sets: it is read, then set
	Comparing               // it tells its level and takes a set on condition of the present one
)

// Settings are what the rule must know of a channel.
type Settings struct {
	Access Access
	Lowers bool // it lowers its own level when it sells
	// Settle is how long after a request's deadline the request may still land.
	Settle time.Duration
	// ReadLag is how much older than a read's start the level may be that it tells.
	ReadLag time.Duration
	// Keys is how long the channel remembers an idempotency key; 0: it knows none, and no request is ever sent twice.
	Keys time.Duration
}

// Due returns when a change may be sent that began at first and moved on at last: after quiet without another change, and never
// later than longest after the first.
func Due(first, last stock.Instant, quiet, longest time.Duration) stock.Instant {
	return min(last.Add(quiet), first.Add(longest))
}
