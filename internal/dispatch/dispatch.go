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

// Settings are what the rule must know of a channel.
type Settings struct {
	CompareAndSet bool // it takes a set on condition of the present level, and can be read; else it is blind
	Lowers        bool // it lowers its own level when it sells
	// Settle is how long after a request's deadline the request may still land.
	Settle time.Duration
}

// Unbounded stands for ±∞ in a listing's bounds. It is far from every sum of quantities and far from overflow.
const Unbounded stock.Quantity = 1 << 60

// A Listing is what is known of one SKU at one location of one channel. Its fields are durable: the caller stores it after each
// change and before what the change leads to. The zero value is not usable: see [First].
type Listing struct {
	// The newest offer: what may be shown, and the counters of what the channel has sold and given back.
	Version        stock.Version  `json:"v"`
	Quantity       stock.Quantity `json:"q"`
	Sold, Released stock.Quantity `json:",omitempty"`

	Lo, Hi stock.Quantity // bounds of B
	Loose  bool           `json:",omitempty"` // Hi is a guess until a mark closes it

	Seen *Observation `json:",omitempty"` // the newest known level
	Look bool         `json:",omitempty"` // a read is wanted
	Open *Attempt     `json:",omitempty"` // a request without an outcome
	Old  *Attempt     `json:",omitempty"` // an open request that a zero overtook

	// Since is when a blind listing began to wait for a mark (0: it does not), MarkPassed whether one has come.
	Since      stock.Instant `json:",omitempty"`
	MarkPassed bool          `json:",omitempty"`
}

// An Observation is a known level, with the counters as of when the request that told it left.
type Observation struct {
	Level, Sold, Released stock.Quantity
	At                    stock.Instant // of the reply
}

// An Attempt is a request that may have changed the level. Sold and Released are the counters its value was computed from,
// never those at its reply.
type Attempt struct {
	Value          stock.Quantity
	Base           *stock.Quantity `json:",omitempty"` // the level it compares with; nil: unconditional
	Sold, Released stock.Quantity
	Version        stock.Version // of the offer it tells
	Sent           stock.Instant // when it was first written down
	Deadline       stock.Instant // after which it is not sent any more, of the newest try
	Key            string        // idempotency key, the same for every try
	Tries          int32         // how often it was sent, ≥ 1
}

// First returns a listing of which nothing is known but its first offer: the channel's level is to be read before anything is
// sent, and left as it is until a mark.
func First(version stock.Version, quantity, sold, released stock.Quantity) Listing {
	return Listing{
		Version: version, Quantity: quantity, Sold: sold, Released: released, Lo: -Unbounded, Hi: Unbounded, Look: true,
	}
}

// counters returns what the channel has sold and given back, as far as its level follows them: not at all where it does not
// lower its own level.
func (l *Listing) counters(s Settings) (sold, released stock.Quantity) {
	if !s.Lowers {
		return 0, 0
	}
	return l.Sold, l.Released
}

func (l *Listing) net(s Settings) stock.Quantity {
	sold, released := l.counters(s)
	return sold - released
}

// Offer takes a newer offer. Nothing waits for it: only sending is debounced.
func (l *Listing) Offer(s Settings, version stock.Version, quantity, sold, released stock.Quantity) {
	if s.Lowers {
		l.lower(released - l.Released)
	}
	l.Version, l.Quantity, l.Sold, l.Released = version, quantity, sold, released
}

// lower takes units from the lower bound: a cancel that the channel may not have restocked.
func (l *Listing) lower(units stock.Quantity) {
	if l.Lo > -Unbounded {
		l.Lo -= units
	}
}

// Mark says that every order that changed before until (exclusive) has been folded. What was observed before it can hide no
// sale any more. It reports whether somebody else must have changed the level: what was observed fits nothing that we know.
func (l *Listing) Mark(until stock.Instant) (drifted bool) {
	if l.Since != 0 && l.Since < until {
		l.MarkPassed = true
	}
	if l.Seen != nil && l.Seen.At < until {
		drifted = l.close()
		l.MarkPassed = true
	}
	return drifted
}

func (l *Listing) close() (drifted bool) {
	o := l.Seen
	at := o.Level + o.Sold - o.Released
	a, b := at-(l.Released-o.Released), at+(l.Sold-o.Sold)
	l.Seen = nil
	l.Lo = max(l.Lo, a)
	if l.Loose {
		l.Hi = b
	} else {
		l.Hi = min(l.Hi, b)
	}
	if l.Lo > l.Hi {
		drifted = !l.Loose
		l.Lo, l.Hi = a, b
	}
	l.Loose = false
	return drifted
}

// Drifted reports whether a level that was just read is one that neither we nor the channel's own sales can have led to: it is
// too high, or, where the channel does not lower its own level, another. That it is too low shows at a mark only.
func (l *Listing) Drifted(s Settings, level stock.Quantity) bool {
	if l.Hi == Unbounded {
		return false
	}
	return level > l.Hi-l.net(s) || !s.Lowers && level != l.Hi
}

// Expected returns the level the channel is expected to have, ok false where that is not known.
func (l *Listing) Expected(s Settings) (level stock.Quantity, ok bool) {
	switch {
	case l.Seen != nil:
		return min(l.Seen.Level, l.Hi-l.net(s)), true
	case l.Lo == l.Hi:
		return l.Hi - l.net(s), true
	}
	return 0, false
}

// want returns the level that is wanted where the level is l.
func (l *Listing) want(s Settings, level stock.Quantity) stock.Quantity {
	q := l.Quantity
	if q == 0 {
		return min(level, 0)
	}
	if l.Hi == Unbounded {
		return level
	}
	right := max(0, q-max(0, l.Hi-l.net(s)-level)) // right whatever is unfolded
	most := max(0, q-max(0, l.Lo-l.net(s)-level))  // the most that can be right
	if right <= level && level <= most || right == 0 && level <= 0 {
		return level
	}
	return right
}

// A Kind is what is to be done about a listing.
type Kind uint8

// The kinds of action. Wait is a blind listing that is due but may only be sent after a mark.
const (
	Nothing Kind = iota
	Wait
	Read
	Set
	CompareAndSet
)

// An Action is what is to be done now. Base is the level that a CompareAndSet compares with.
type Action struct {
	Kind  Kind
	Value stock.Quantity
	Base  stock.Quantity
}

// Decide returns what is to be done about the listing at the moment now. An open attempt blocks everything, but for a zero on
// a channel that takes plain sets. Decide records when a blind listing begins to wait for a mark, so it changes l.
func (l *Listing) Decide(s Settings, now stock.Instant) Action {
	if l.Open != nil {
		if !s.CompareAndSet && l.Old == nil && l.Quantity == 0 && l.Open.Value > 0 {
			return Action{Kind: Set}
		}
		return Action{}
	}
	if s.CompareAndSet {
		return l.decideCompare(s)
	}
	return l.decideBlind(s, now)
}

func (l *Listing) decideCompare(s Settings) Action {
	if l.Look {
		return Action{Kind: Read}
	}
	level, ok := l.Expected(s)
	if !ok {
		return Action{Kind: Read}
	}
	value := l.want(s, level)
	if value == level {
		return Action{}
	}
	return Action{Kind: CompareAndSet, Value: value, Base: level}
}

func (l *Listing) decideBlind(s Settings, now stock.Instant) Action {
	expected := l.Hi - l.net(s)
	switch {
	case l.Lo == l.Hi && (l.Quantity == expected || l.Quantity == 0 && expected <= 0) && !l.Look:
		l.Since, l.MarkPassed = 0, false
		return Action{}
	case l.Quantity == 0 && expected > 0, l.Hi < Unbounded && l.Quantity < expected, l.MarkPassed, !s.Lowers:
		return Action{Kind: Set, Value: l.Quantity}
	}
	if l.Since == 0 {
		l.Since = now
	}
	return Action{Kind: Wait}
}

// Begin records that the action is about to be sent, before it is.
func (l *Listing) Begin(s Settings, a Action, key string, now, deadline stock.Instant) {
	if l.Open != nil {
		l.Old = l.Open
	}
	sold, released := l.counters(s)
	l.Open = &Attempt{
		Value: a.Value, Sold: sold, Released: released, Version: l.Version, Sent: now, Deadline: deadline, Key: key, Tries: 1,
	}
	if a.Kind == CompareAndSet {
		base := a.Base
		l.Open.Base = &base
	}
}

// Retry records that the open attempt is about to be sent again, the same bytes under the same key.
func (l *Listing) Retry(deadline stock.Instant) {
	l.Open.Tries++
	l.Open.Deadline = deadline
}

// Applied records that the open attempt succeeded; now is the time of the reply.
func (l *Listing) Applied(s Settings, now stock.Instant) {
	at := l.Open
	l.Open = nil
	if !s.Lowers {
		l.Lo, l.Hi, l.Look, l.Seen = at.Value, at.Value, false, nil
		l.Since, l.MarkPassed = 0, false
		return
	}
	if at.Base != nil {
		l.shift(at.Value - *at.Base)
		l.Seen = &Observation{at.Value, at.Sold, at.Released, now}
		return
	}
	net := at.Sold - at.Released
	l.Lo = at.Value + net - (l.Released - at.Released)
	l.Hi = at.Value + net
	if at.Tries > 1 {
		// Some try landed, nobody knows which: sales between the first and the last may lie on either side of it.
		l.Hi = at.Value + net + (l.Sold - at.Sold)
	}
	l.Loose = true
	l.Since, l.MarkPassed, l.Look = 0, false, false
	l.Seen = &Observation{at.Value, at.Sold, at.Released, now}
	if l.Old != nil { // the request that this zero overtook may land on it yet
		l.Seen = nil
	}
}

func (l *Listing) shift(delta stock.Quantity) {
	if l.Lo > -Unbounded {
		l.Lo += delta
	}
	if l.Hi < Unbounded {
		l.Hi += delta
	}
}

// Stale records that the open attempt was refused because the level is another: it changed nothing, and the level is read.
func (l *Listing) Stale() { l.Open, l.Look = nil, true }

// Refused records that the open attempt was refused and changed nothing.
func (l *Listing) Refused() { l.Open = nil }

// GiveUp settles an attempt whose outcome nobody will learn. It may be called when its deadline and the settle time have passed.
func (l *Listing) GiveUp(s Settings) {
	at := l.Open
	l.Open = nil
	if at.Base != nil {
		delta := at.Value - *at.Base
		if l.Lo > -Unbounded {
			l.Lo += min(0, delta)
		}
		if l.Hi < Unbounded {
			l.Hi += max(0, delta)
		}
	} else {
		l.admit(s, at, at.Sold-at.Released)
	}
	l.Seen, l.Look = nil, true
}

// admit widens the bounds for a plain set that may have landed; top is the net sales that the upper bound counts with.
func (l *Listing) admit(s Settings, at *Attempt, top stock.Quantity) {
	_, released := l.counters(s)
	l.Lo = min(l.Lo, at.Value+at.Sold-at.Released-(released-at.Released))
	l.Hi = max(l.Hi, at.Value+top)
	l.Loose = true
}

// SettleOld settles the attempt that a zero overtook, once it cannot land any more and nothing else is open. It reports whether
// it did.
func (l *Listing) SettleOld(s Settings, now stock.Instant) bool {
	if l.Old == nil || l.Open != nil || now < l.Old.Deadline.Add(s.Settle) {
		return false
	}
	l.admit(s, l.Old, l.net(s))
	l.Old, l.Seen, l.Look = nil, nil, true
	return true
}

// Observed records that a read told level; sold and released are the listing's counters as of when the request left, now is the
// time of the reply.
func (l *Listing) Observed(s Settings, level, sold, released stock.Quantity, now stock.Instant) {
	l.Look = false
	if !s.Lowers {
		l.Lo, l.Hi, l.Seen = level, level, nil
		return
	}
	l.Hi = max(l.Hi, level+sold-released)
	l.Seen = &Observation{level, sold, released, now}
}

// Forget drops everything but the offer and the requests under way: what was known of the level does not hold any more. It is to be
// read.
func (l *Listing) Forget() {
	open, old := l.Open, l.Old
	*l = First(l.Version, l.Quantity, l.Sold, l.Released)
	l.Open, l.Old = open, old
}

// Due returns when a change may be sent that began at first and moved on at last: after quiet without another change, and never
// later than longest after the first.
func Due(first, last stock.Instant, quiet, longest time.Duration) stock.Instant {
	return min(last.Add(quiet), first.Add(longest))
}
