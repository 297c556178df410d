package dispatch

import (
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// freshFor is how long a read serves the set that follows it on a channel without compare-and-set: what is sold in between is put
// back by the set, so it is short.
const freshFor = 5 * time.Second

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
	if right < l.Floor {
		return 0
	}
	return right
}

// A Kind is what is to be done about a listing.
type Kind uint8

// The kinds of action. Wait is a listing that is due but may not be sent or read yet: a blind one before a mark, one whose level
// would be told too old.
const (
	Nothing Kind = iota
	Wait
	Read
	Set
	CompareAndSet
)

// An Action is what is to be done now.
type Action struct {
	Kind  Kind
	Value stock.Quantity
	// Base is the level that a CompareAndSet compares with, or that a Set was told by a read; nil: the Set is of an unknown level.
	Base *stock.Quantity
	// At is when a Wait ends; 0: with the next mark.
	At stock.Instant
}

// Decide returns what is to be done about the listing at the moment now. An open attempt blocks everything, but for a zero on
// a channel that takes plain sets, which may also be the second one, where the first is lost. Decide records when a blind listing
// begins to wait for a mark, so it changes l.
func (l *Listing) Decide(s Settings, now stock.Instant) Action {
	if l.Open != nil {
		if s.Access != Comparing && l.Old == nil && l.Quantity == 0 && (l.Open.Value > 0 || l.Open.Abandoned) {
			return Action{Kind: Set}
		}
		return Action{}
	}
	if s.Access == Blind {
		return l.decideBlind(s, now)
	}
	if l.Look {
		return l.read(s, now)
	}
	level, ok := l.Expected(s)
	if !ok {
		if s.Access == Readable && l.Quantity == 0 && l.Hi-l.net(s) > 0 {
			return Action{Kind: Set}
		}
		return l.read(s, now)
	}
	value := l.want(s, level)
	switch {
	case value == level:
		return Action{}
	case s.Access == Comparing:
		return Action{Kind: CompareAndSet, Value: value, Base: &level}
	case value == 0:
		return Action{Kind: Set} // whatever the level is, and so without a base
	case !l.fresh(now):
		return l.read(s, now)
	}
	return Action{Kind: Set, Value: value, Base: &level}
}

// fresh reports whether the level was read just now, with nothing sent since.
func (l *Listing) fresh(now stock.Instant) bool { return l.Fresh != 0 && now < l.Fresh.Add(freshFor) }

// read asks for the level, once it cannot be older any more than what the channel last did for us.
func (l *Listing) read(s Settings, now stock.Instant) Action {
	if at := l.Handled.Add(s.ReadLag); s.ReadLag > 0 && l.Handled != 0 && now < at {
		return Action{Kind: Wait, At: at}
	}
	return Action{Kind: Read}
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
