package engine

import (
	"slices"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// What a SKU remembers of its movements is part of its stock row while it is little, so that a movement of most SKUs writes one row
// and not two. Storefronts read the stock row: what is more has a row of its own.
const (
	nearDeltas  = 16
	nearOutlets = 8
)

// recentMost is how many seconds with movements one outlet keeps of a SKU. A shelf that is busier keeps the newest ones.
const recentMost = 1024

// A delta is what one second changed at one outlet, remembered so that a count that was taken a while ago does not erase what was
// sold since. Times are whole seconds: what happened in the second of a count is part of it. It is made of halves so that it takes
// 12 bytes and not 16.
type delta struct {
	at   second
	low  uint32
	high int32
}

func (d delta) units() stock.Quantity { return stock.Quantity(d.high)<<32 | stock.Quantity(d.low) }

func newDelta(at second, units stock.Quantity) delta {
	return delta{at, uint32(units & 0xffff_ffff), int32(units >> 32)}
}

// A second is an instant in whole seconds, cut to what fits: it orders as the instants do, up to the year 2106.
type second uint32

func secondOf(i stock.Instant) second {
	return second(min(max(0, int64(i)/1_000_000), 1<<32-1))
}

func (t second) instant() stock.Instant { return stock.Instant(t) * 1_000_000 }

// horizon is the second before which a count comes too late.
func (p *pool) horizon() second { return secondOf(p.clock.Add(-p.settings.CountWindow)) }

// countedAfter reports whether a count has been taken at the moment or later: what happened then is part of it.
func (s *sku) countedAfter(o *outlet, at stock.Instant) bool {
	l, _ := s.at(o)
	return l.counted != 0 && secondOf(at) <= l.counted
}

// remember adds a change to what the outlet remembers, whose deltas begin at from, and forgets what fell out of the window.
func (s *sku) remember(l *level, from int, at second, units stock.Quantity, horizon second) {
	s.forget(l, from, horizon)
	if at <= l.floor {
		return
	}
	i := from + int(l.deltas)
	for i > from && s.deltas[i-1].at > at { // most come in order
		i--
	}
	if i > from && s.deltas[i-1].at == at {
		s.deltas[i-1] = newDelta(at, s.deltas[i-1].units()+units)
		return
	}
	s.deltas = slices.Insert(s.deltas, i, newDelta(at, units))
	if l.deltas++; l.deltas > recentMost {
		s.forget(l, from, s.deltas[from].at)
	}
}

// forget drops what happened by the floor; the outlet's deltas begin at from.
func (s *sku) forget(l *level, from int, floor second) {
	l.floor = max(l.floor, floor)
	n := 0
	for n < int(l.deltas) && s.deltas[from+n].at <= l.floor {
		n++
	}
	if n > 0 {
		s.deltas = slices.Delete(s.deltas, from, from+n)
		l.deltas -= int32(n)
	}
}

// since sums what happened after the moment.
func since(deltas []delta, at second) stock.Quantity {
	var sum stock.Quantity
	for i := len(deltas) - 1; i >= 0 && deltas[i].at > at; i-- {
		sum += deltas[i].units()
	}
	return sum
}

// remembered notes that what the SKU remembers of its movements has changed.
func (a *applying) remembered(s *sku) {
	before := s.apart
	s.apart = len(s.deltas) > nearDeltas || s.moved() > nearOutlets
	switch {
	case s.apart && before:
		a.changes.row(a.pool, s, recentRow)
	case s.apart || before:
		a.changes.row(a.pool, s, stockRow|recentRow)
	default:
		a.changes.row(a.pool, s, stockRow)
	}
}

// moved returns how many outlets remember something.
func (s *sku) moved() int {
	moved := 0
	for i := range s.levels {
		if s.levels[i].moved() {
			moved++
		}
	}
	return moved
}

// packRecent writes what the SKU remembers. Outlets move together more often than not, so each is told by what is different from the one
// before. named says that every outlet is named; where it is not, the row has listed those that are not empty, and they are counted
// instead, each from the one before.
func (p *pool) packRecent(s *sku, out *packer, named bool) {
	out.uint(uint64(s.moved()))
	deltas := s.deltas
	var last level
	var lastStep second
	step := uint64(1)
	for i := range s.levels {
		l := &s.levels[i]
		listed := !named && !l.empty()
		if l.moved() {
			switch {
			case listed:
				out.uint(step)
				step = 0
			default:
				if !named {
					out.uint(0)
				}
				out.text(p.outletOf(l).def.Outlet)
			}
			out.int(int64(l.counted) - int64(last.counted))
			out.int(int64(l.floor) - int64(last.floor))
			out.uint(uint64(l.deltas))
			at := l.floor
			for k, d := range deltas[:l.deltas] {
				if k == 0 {
					out.int(int64(d.at-at) - int64(lastStep))
					lastStep = d.at - at
				} else {
					out.uint(uint64(d.at - at))
				}
				out.qty(d.units())
				at = d.at
			}
			deltas = deltas[l.deltas:]
			last = *l
		}
		if listed {
			step++
		}
	}
}

// readRecent reads what packRecent wrote. Where outlets are not named, the levels are those that the row lists.
func (p *pool) readRecent(s *sku, u *unpacker, named bool) {
	var last level
	var lastStep second
	next := 0 // of the levels that the row lists: where to count from
	for range u.count() {
		step := uint64(0)
		if !named {
			step = u.uint()
		}
		var o *outlet
		if step > 0 {
			if step > uint64(len(s.levels)-next) {
				u.fail()
				return
			}
			next += int(step)
			o = p.outletOf(&s.levels[next-1])
		} else if known, ok := p.outlets[u.text()]; ok {
			o = known
		} else {
			u.fail()
			return
		}
		before := len(s.levels)
		l, from := p.level(s, o)
		next += len(s.levels) - before // one that is empty stands among the others now
		l.counted, l.floor, l.deltas = u.after(last.counted), u.after(last.floor), int32(u.count())
		at := l.floor
		for i := range int(l.deltas) {
			if i == 0 {
				lastStep = u.after(lastStep)
				at += lastStep
			} else {
				at += u.second()
			}
			s.deltas = slices.Insert(s.deltas, from+i, newDelta(at, u.qty()))
		}
		last = *l
	}
}

// after reads a second by what it is different from another.
func (u *unpacker) after(t second) second { return second(int64(t) + u.int()) }

func (u *unpacker) second() second { return second(u.uint()) }
