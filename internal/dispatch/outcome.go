package dispatch

import "github.com/shelfwire/shelfwire/internal/stock"

// Begin records that the action is about to be sent, before it is.
func (l *Listing) Begin(s Settings, a Action, key string, now, deadline stock.Instant) {
	if l.Open != nil {
		l.Old = l.Open
	}
	sold, released := l.counters(s)
	l.Open = &Attempt{
		Value: a.Value, Base: a.Base, Sold: sold, Released: released, Version: l.Version, Sent: now, Deadline: deadline, Key: key, Tries: 1,
	}
	l.Fresh = 0
}

// MayRetry reports whether the open attempt may be sent again, to be answered by deadline: the channel must still know its key
// then, or it would take it for another request.
func (l *Listing) MayRetry(s Settings, deadline stock.Instant) bool {
	return s.Keys > 0 && deadline <= l.Open.Sent.Add(s.Keys)
}

// Retry records that the open attempt is about to be sent again, the same bytes under the same key.
func (l *Listing) Retry(deadline stock.Instant) {
	l.Open.Tries++
	l.Open.Deadline = deadline
}

// Applied records that the open attempt succeeded; now is the time of the reply.
func (l *Listing) Applied(s Settings, now stock.Instant) {
	at := l.Open
	l.Open, l.Handled = nil, now
	switch {
	case !s.Lowers:
		l.Lo, l.Hi, l.Look, l.Seen = at.Value, at.Value, false, nil
		l.Since, l.MarkPassed = 0, false
		return
	case at.Base != nil:
		l.shift(at.Value-*at.Base, at.Value-*at.Base)
		l.Loose = l.Loose || s.Access != Comparing
	default:
		l.setUnread(s, at)
	}
	l.Seen = &Observation{at.Value, at.Sold, at.Released, now}
	if l.Old != nil { // the request that this zero overtook may land on it yet
		l.Seen = nil
		l.Look = l.Look || s.Access == Readable // or the zero would be sent again and again, as that of a level that nobody knows
	}
}

// setUnread bounds what a plain set led to that was sent without knowing the level.
func (l *Listing) setUnread(s Settings, at *Attempt) {
	net := at.Sold - at.Released
	l.Lo = at.Value + net - (l.Released - at.Released)
	l.Loose = true
	if s.Access == Readable {
		l.Hi = max(l.Hi, l.Lo)
		return
	}
	l.Hi = at.Value + net
	if at.Tries > 1 {
		// Some try landed, nobody knows which: sales between the first and the last may lie on either side of it.
		l.Hi = at.Value + net + (l.Sold - at.Sold)
	}
	l.Since, l.MarkPassed, l.Look = 0, false, false
}

// shift moves the bounds, where they are known.
func (l *Listing) shift(lo, hi stock.Quantity) {
	if l.Lo > -Unbounded {
		l.Lo += lo
	}
	if l.Hi < Unbounded {
		l.Hi += hi
	}
}

// Stale records that the open attempt was refused at now because the level is another: it changed nothing, and the level is read.
func (l *Listing) Stale(now stock.Instant) { l.Open, l.Look, l.Handled = nil, true, now }

// Refused records that the open attempt was refused and changed nothing.
func (l *Listing) Refused() { l.Open = nil }

// GiveUp settles, at now, an attempt whose outcome nobody will learn. It may be called when its deadline and the settle time have
// passed, or when the channel has said that it is done with the request but not what became of this row.
func (l *Listing) GiveUp(s Settings, now stock.Instant) {
	at := l.Open
	l.Open = nil
	if at.Base != nil {
		delta := at.Value - *at.Base
		l.shift(min(0, delta), max(0, delta))
		l.Loose = l.Loose || s.Access != Comparing
	} else {
		l.admit(s, at, at.Sold-at.Released)
	}
	l.Seen, l.Look, l.Handled = nil, true, now
}

// admit widens the bounds for a plain set that may have landed; top is the net sales that the upper bound counts with.
func (l *Listing) admit(s Settings, at *Attempt, top stock.Quantity) {
	_, released := l.counters(s)
	l.Lo = min(l.Lo, at.Value+at.Sold-at.Released-(released-at.Released))
	l.Hi = max(l.Hi, at.Value+top)
	l.Loose = true
}

// SettleOld settles the attempt that a zero overtook, once it cannot land any more and nothing else is open. The caller
// sees to it that no read is under way either, whose level may be from before. It reports whether it did.
func (l *Listing) SettleOld(s Settings, now stock.Instant) bool {
	if l.Old == nil || l.Open != nil || now < l.Old.Deadline.Add(s.Settle) {
		return false
	}
	l.admit(s, l.Old, l.net(s))
	l.Old, l.Seen, l.Look, l.Handled = nil, nil, true, now
	return true
}

// Observed records that a read told level; sold and released are what [Listing.Counters] said when the request left, now is the
// time of the reply.
func (l *Listing) Observed(s Settings, level, sold, released stock.Quantity, now stock.Instant) {
	l.Look, l.Fresh = false, now
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
	open, old, floor := l.Open, l.Old, l.Floor
	*l = First(l.Version, l.Quantity, l.Sold, l.Released)
	l.Open, l.Old, l.Floor = open, old, floor
}
