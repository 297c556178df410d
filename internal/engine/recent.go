package engine

import (
	"slices"
	"strings"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// recentMost is how many seconds with movements one outlet keeps of a SKU. A shelf that is busier keeps the newest ones.
const recentMost = 1024

// A recent is what one outlet remembers of a SKU's movements, so that a count that was taken a while ago does not erase what
// was sold since. Times are whole seconds: what happened in the second of a count is part of it.
type recent struct {
	outlet  *outlet
	counted second // of the last count; 0: never counted. What happened by then is in it
	floor   second // what happened by then is not in deltas any more: an older count cannot be taken
	deltas  int32  // how many of the SKU's deltas are this outlet's
}

// A delta is what one second changed. It is made of halves so that it takes 12 bytes and not 16.
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

// recentAt returns what the outlet remembers of the SKU, making an empty one if there is none, and where its deltas begin. The
// pointer holds until the next call.
func (s *sku) recentAt(o *outlet) (r *recent, from int) {
	for i := range s.recent {
		if s.recent[i].outlet == o {
			return &s.recent[i], from
		}
		from += int(s.recent[i].deltas)
	}
	i, _ := slices.BinarySearchFunc(s.recent, o.def.Outlet, func(r recent, id string) int {
		return strings.Compare(r.outlet.def.Outlet, id)
	})
	s.recent = slices.Insert(s.recent, i, recent{outlet: o})
	from = 0
	for j := range i {
		from += int(s.recent[j].deltas)
	}
	return &s.recent[i], from
}

// remembers returns what the outlet remembers of the SKU, and its deltas, without making anything.
func (s *sku) remembers(o *outlet) (recent, []delta) {
	from := 0
	for i := range s.recent {
		r := &s.recent[i]
		if r.outlet == o {
			return *r, s.deltas[from : from+int(r.deltas)]
		}
		from += int(r.deltas)
	}
	return recent{outlet: o}, nil
}

// countedAfter reports whether a count has been taken at the moment or later: what happened then is part of it.
func (s *sku) countedAfter(o *outlet, at stock.Instant) bool {
	r, _ := s.remembers(o)
	return r.counted != 0 && secondOf(at) <= r.counted
}

// remember adds a change, and forgets what fell out of the window.
func (s *sku) remember(o *outlet, at second, units stock.Quantity, horizon second) {
	r, from := s.recentAt(o)
	s.forget(r, from, horizon)
	if at <= r.floor {
		return
	}
	i := from + int(r.deltas)
	for i > from && s.deltas[i-1].at > at { // most come in order
		i--
	}
	if i > from && s.deltas[i-1].at == at {
		s.deltas[i-1] = newDelta(at, s.deltas[i-1].units()+units)
		return
	}
	s.deltas = slices.Insert(s.deltas, i, newDelta(at, units))
	if r.deltas++; r.deltas > recentMost {
		s.forget(r, from, s.deltas[from].at)
	}
}

// forget drops what happened by the floor; the outlet's deltas begin at from.
func (s *sku) forget(r *recent, from int, floor second) {
	r.floor = max(r.floor, floor)
	n := 0
	for n < int(r.deltas) && s.deltas[from+n].at <= r.floor {
		n++
	}
	if n > 0 {
		s.deltas = slices.Delete(s.deltas, from, from+n)
		r.deltas -= int32(n)
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

func (s *sku) packRecent(p *packer) {
	p.b = append(p.b, rowLayout)
	p.uint(uint64(len(s.recent)))
	from := 0
	for i := range s.recent {
		r := &s.recent[i]
		p.text(r.outlet.def.Outlet)
		p.uint(uint64(r.counted))
		p.uint(uint64(r.floor))
		p.uint(uint64(r.deltas))
		last := r.floor
		for _, d := range s.deltas[from : from+int(r.deltas)] {
			p.uint(uint64(d.at - last))
			p.qty(d.units())
			last = d.at
		}
		from += int(r.deltas)
	}
}

func (p *pool) loadRecent(s *sku, key RowKey, value []byte) error {
	u := unpacker{b: value}
	u.layout()
	for range u.count() {
		o, known := p.outlets[u.text()]
		if !known {
			u.fail()
			break
		}
		r := recent{outlet: o, counted: u.second(), floor: u.second()}
		last := r.floor
		for range u.count() {
			last += u.second()
			s.deltas = append(s.deltas, newDelta(last, u.qty()))
			r.deltas++
		}
		s.recent = append(s.recent, r)
	}
	return u.done(key)
}

func (u *unpacker) second() second { return second(u.uint()) }
