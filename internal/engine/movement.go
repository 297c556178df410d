package engine

import (
	"fmt"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// maxOnHand bounds what movements may bring a shelf to, so that no sum over shelves can leave an int64.
const maxOnHand stock.Quantity = 1_000_000_000_000_000

// movement adds to or takes from the shelf, or says what is on it. Facts may precede their catalogue: an outlet nobody
// declared counts from now on, and is not sold.
func (a *applying) movement(m *record.Movement) {
	if !a.pool.fresh(a.version, m, a.changes) {
		return
	}
	s := a.pool.sku(m.SKU)
	if m.Kind == stock.Count {
		a.counted(s, m)
		return
	}
	if m.Kind == stock.Transfer {
		a.transfer(s, m)
		return
	}
	delta := m.Kind.Delta(m.Quantity)
	o, known := a.pool.outlets[m.Outlet]
	switch {
	case !known:
		o = a.place(m.Outlet)
	case s.countedAfter(o, m.OccurredAt):
		a.reject(classLate, "occurred_at", a.inTheCount(s, o))
		return
	case !a.fits(s, o, delta):
		return
	}
	a.shift(s, o, delta, m.OccurredAt)
}

// transfer moves units from one outlet to another. Where one of the two was counted since, only the other changes: the count
// has seen its end of it.
func (a *applying) transfer(s *sku, m *record.Movement) {
	if m.Counterpart == "" || m.Counterpart == m.Outlet {
		a.reject(classRefused, "counterpart", fmt.Sprintf("a transfer leads from one outlet to another, not from %q to %q", m.Outlet, m.Counterpart))
		return
	}
	type end struct {
		id    string
		delta stock.Quantity
		late  bool
	}
	ends := [2]end{{id: m.Outlet, delta: -m.Quantity}, {id: m.Counterpart, delta: m.Quantity}}
	for i := range ends {
		e := &ends[i]
		if o, known := a.pool.outlets[e.id]; known {
			if e.late = s.countedAfter(o, m.OccurredAt); !e.late && !a.fits(s, o, e.delta) {
				return
			}
		}
	}
	if ends[0].late && ends[1].late {
		a.reject(classLate, "occurred_at", a.inTheCount(s, a.pool.outlets[m.Outlet]))
		return
	}
	for _, e := range ends {
		o := a.place(e.id)
		if e.late {
			a.flag(classLate, "occurred_at", a.inTheCount(s, o))
			continue
		}
		a.shift(s, o, e.delta, m.OccurredAt)
	}
}

// counted sets on hand to what was counted and what has happened since. A count that is older than another, or from before
// what is remembered, cannot be told from one that is wrong.
func (a *applying) counted(s *sku, m *record.Movement) {
	at, horizon := secondOf(m.OccurredAt), a.pool.horizon()
	var known level
	if o, ok := a.pool.outlets[m.Outlet]; ok {
		known, _ = s.at(o)
	}
	switch {
	case at < known.counted:
		a.reject(classLate, "occurred_at", fmt.Sprintf("%q at %q was counted later, at %v", m.SKU, m.Outlet, known.counted.instant()))
		return
	case at < horizon, at < known.floor:
		a.reject(classLate, "occurred_at", fmt.Sprintf("the count is older than %v: what happened since is not remembered any more",
			max(horizon, known.floor).instant()))
		return
	}
	o := a.place(m.Outlet)
	l, from := a.level(s, o)
	l.counted = at
	s.forget(l, from, max(at, horizon))
	a.remembered(s)
	was := l.onHand
	l.onHand = m.Quantity + since(s.deltas[from:from+int(l.deltas)], at)
	a.pool.note(s)
	if l.onHand == was && s.version != 0 {
		return
	}
	if l.onHand > was {
		s.freed = true
	} else {
		s.less = true
	}
	a.pool.count(s)
	a.flagNegative(s, l)
}

// place returns the outlet of that id. One that nobody has heard of exists from now on because a fact has named it.
func (a *applying) place(id string) *outlet {
	o, known := a.pool.outlet(id)
	if !known {
		a.flag(classUndeclared, "outlet", fmt.Sprintf("outlet %q is not declared: it counts and is not sold", id))
		a.changes.pools = append(a.changes.pools, poolChange{a.pool, outletRow(id)})
	}
	return o
}

// fits refuses a movement that would bring the shelf to a number nobody can mean.
func (a *applying) fits(s *sku, o *outlet, delta stock.Quantity) bool {
	if at, _ := s.at(o); at.onHand+delta > maxOnHand || at.onHand+delta < -maxOnHand {
		a.reject(classRefused, "quantity", fmt.Sprintf("on hand of %q at %q would be %d: more than %d is not counted",
			s.id, o.def.Outlet, at.onHand+delta, maxOnHand))
		return false
	}
	return true
}

// inTheCount says why something changes nothing any more.
func (a *applying) inTheCount(s *sku, o *outlet) string {
	l, _ := s.at(o)
	return fmt.Sprintf("%q at %q was counted after this, at %v", s.id, o.def.Outlet, l.counted.instant())
}

// shift changes on hand by delta at one outlet. The shelf is right where it disagrees with us, so a negative count stands and
// is flagged. The caller has made sure that nobody has counted the shelf since.
func (a *applying) shift(s *sku, o *outlet, delta stock.Quantity, at stock.Instant) {
	a.pool.note(s)
	l, from := a.level(s, o)
	s.remember(l, from, secondOf(at), delta, a.pool.horizon())
	a.remembered(s)
	l.onHand += delta
	if delta > 0 {
		s.freed = true
	}
	a.pool.count(s)
	if delta < 0 {
		s.less = true
		a.flagNegative(s, l)
	}
}

// level returns the SKU's level at the outlet, to be changed, and where its deltas begin, as [pool.level] does. What the run says of
// the SKU's offers is completed before.
func (a *applying) level(s *sku, o *outlet) (l *level, from int) {
	a.changes.levelsChange(s)
	return a.pool.level(s, o)
}

func (a *applying) flagNegative(s *sku, l *level) {
	if l.onHand < 0 {
		a.flag(classNegative, "quantity", fmt.Sprintf("on hand of %q at %q is %d", s.id, a.pool.outletOf(l).def.Outlet, l.onHand))
	}
}

// availability fills a with the SKU's present counts. A channel's own outlets are listed, but stay out of the totals.
func (p *pool) availability(s *sku, a *record.Availability) {
	*a = record.Availability{Pool: p.id, SKU: s.id, Version: s.version, OnOrder: s.onOrder, Outlets: a.Outlets[:0]}
	for i := range s.levels {
		l := &s.levels[i]
		o := p.outletOf(l)
		if !o.def.ChannelOwned {
			a.OnHand += l.onHand
			a.Reserved += l.reserved
		}
		if !l.empty() {
			a.Outlets = append(a.Outlets, record.OutletLevel{Outlet: o.def.Outlet, OnHand: l.onHand, Reserved: l.reserved, Undeclared: !o.declared})
		}
	}
	a.Available = a.OnHand - s.onOrder
	a.Backordered = max(0, s.onOrder-a.OnHand)
}
