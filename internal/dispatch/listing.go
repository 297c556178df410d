package dispatch

import "github.com/shelfwire/shelfwire/internal/stock"

// Unbounded stands for ±∞ in a listing's bounds. It is far from every sum of quantities and far from overflow.
const Unbounded stock.Quantity = 1 << 60

// A Listing is what is known of one SKU at one location of one channel. Its fields are durable: the caller stores it after each
// change and before what the change leads to. The zero value is not usable: see [First].
type Listing struct {
	// The newest offer: what may be shown, and the counters of what the channel has sold and given back.
	Version        stock.Version
	Quantity       stock.Quantity
	Sold, Released stock.Quantity
	Floor          stock.Quantity // instead of less than this, 0 is shown

	Lo, Hi stock.Quantity // bounds of B
	Loose  bool           // Hi is a guess until a mark closes it

	Seen *Observation // the newest known level
	Look bool         // a read is wanted
	Open *Attempt     // a request without an outcome
	Old  *Attempt     // an open request that a zero overtook

	// Handled is when the channel last answered a set, and Earlier the counters before the newest changes, the oldest first: both
	// are for channels whose reads are late.
	Handled stock.Instant
	Earlier []Counters
	Fresh   stock.Instant // in memory only: when the level was read, with nothing sent since; 0: it was not

	// Since is when a blind listing began to wait for a mark (0: it does not), MarkPassed whether one has come.
	Since      stock.Instant
	MarkPassed bool
}

// An Observation is a known level, with the counters as of when the request that told it left.
type Observation struct {
	Level, Sold, Released stock.Quantity
	At                    stock.Instant // of the reply
}

// Counters are what a channel had sold and given back, as far as it was folded, until a moment.
type Counters struct {
	Sold, Released stock.Quantity
	Until          stock.Instant
}

// An Attempt is a request that may have changed the level. Sold and Released are the counters its value was computed from,
// never those at its reply.
type Attempt struct {
	Value          stock.Quantity
	Base           *stock.Quantity // the level it compares with, or that a read told before it; nil: neither
	Sold, Released stock.Quantity
	Version        stock.Version // of the offer it tells
	Sent           stock.Instant // when it was first written down
	Deadline       stock.Instant // after which it is not sent any more, of the newest try
	Key            string        // idempotency key, the same for every try
	Tries          int32         // how often it was sent, ≥ 1

	// Abandoned says that it is not sent again, though nobody knows what came of it. In memory only: whoever restores the listing says so
	// again.
	Abandoned bool
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

// Offer takes a newer offer at the moment now. Nothing waits for it: only sending is debounced.
func (l *Listing) Offer(s Settings, now stock.Instant, version stock.Version, quantity, sold, released stock.Quantity) {
	if s.Lowers {
		l.lower(released - l.Released)
	}
	if s.ReadLag > 0 && (sold != l.Sold || released != l.Released) {
		l.Earlier = remember(l.Earlier, Counters{l.Sold, l.Released, now}, now.Add(-s.ReadLag))
	}
	l.Version, l.Quantity, l.Sold, l.Released = version, quantity, sold, released
}

// maxEarlier bounds the counters that are remembered of one listing.
const maxEarlier = 16

// remember appends c and drops what held until from at the latest. Of too many the oldest is taken to have held longer: that is on
// the safe side, since it makes more sales possible that a level does not show.
func remember(earlier []Counters, c Counters, from stock.Instant) []Counters {
	kept := make([]Counters, 0, min(len(earlier)+1, maxEarlier))
	for _, e := range append(earlier, c) {
		switch {
		case e.Until <= from:
		case len(kept) == maxEarlier:
			kept[0].Until = kept[1].Until
			kept = append(kept[:1], kept[2:]...)
			kept = append(kept, e)
		default:
			kept = append(kept, e)
		}
	}
	return kept
}

// Counters returns what the level of a read that leaves at the moment now is to be counted with: the present counters, or, where
// the channel may tell an older level, those of that time.
func (l *Listing) Counters(s Settings, now stock.Instant) (sold, released stock.Quantity) {
	if s.ReadLag > 0 {
		for _, e := range l.Earlier {
			if e.Until > now.Add(-s.ReadLag) {
				return e.Sold, e.Released
			}
		}
	}
	return l.Sold, l.Released
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
