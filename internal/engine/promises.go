package engine

import (
	"slices"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// A promise is units of a SKU that one outlet owes one order line. A SKU's promises are kept in the order in which they were
// decided, so that the newest can be taken back when its shelf turns out to hold less. They are a row of their own: only
// orders write it.
type promise struct {
	order, line string
	outlet      *outlet
	units       stock.Quantity
}

// reserve promises units of the SKU at the outlet to the line.
func (a *applying) reserve(s *sku, o *outlet, order, line string, units stock.Quantity) {
	s.level(o).reserved += units
	s.promises = append(s.promises, promise{order, line, o, units})
	a.changes.promise(a.pool, s)
	a.pool.count(s)
}

// unreserve takes units of the line's promises at the outlet back, the newest first.
func (a *applying) unreserve(s *sku, o *outlet, order, line string, units stock.Quantity) {
	s.level(o).reserved -= units
	s.freed = true
	a.changes.promise(a.pool, s)
	a.pool.count(s)
	for i := len(s.promises) - 1; i >= 0 && units > 0; i-- {
		pr := &s.promises[i]
		if pr.outlet != o || pr.line != line || pr.order != order {
			continue
		}
		n := min(units, pr.units)
		units -= n
		if pr.units -= n; pr.units == 0 {
			s.promises = slices.Delete(s.promises, i, i+1)
		}
	}
}

// short returns by how many units the outlet has promised more than there is, if on hand were so many.
func (l *level) short(onHand stock.Quantity) stock.Quantity {
	return max(0, l.reserved-max(0, onHand))
}

// newest calls f with the SKU's newest promises at the outlet that together make up the units, and how many of each.
func (s *sku) newest(o *outlet, units stock.Quantity, f func(pr promise, n stock.Quantity)) {
	for i := len(s.promises) - 1; i >= 0 && units > 0; i-- {
		if pr := s.promises[i]; pr.outlet == o {
			n := min(units, pr.units)
			units -= n
			f(pr, n)
		}
	}
}

// decideAgain takes the newest promises back wherever the entry left less on hand than is promised. Their lines wait again,
// in the place in which they waited before, and serveWaiting looks for other outlets.
func (a *applying) decideAgain() {
	for i := 0; i < len(a.pool.touched); i++ {
		s := a.pool.touched[i]
		if !s.less {
			continue
		}
		s.less = false
		for j := range s.levels {
			l := &s.levels[j]
			units := l.short(l.onHand)
			if units == 0 {
				continue
			}
			var lost []promise
			s.newest(l.outlet, units, func(pr promise, n stock.Quantity) {
				pr.units = n
				lost = append(lost, pr)
			})
			for _, pr := range lost {
				a.lose(pr)
			}
		}
	}
}

// lose takes a promise back.
func (a *applying) lose(pr promise) {
	o := a.pool.orders[pr.order]
	l := o.line(pr.line)
	a.giveBack(o, l, pr.outlet.def.Outlet, pr.units)
	a.awaitAgain(o, l, pr.units)
}

// giveBack takes units of the line's allocation at the outlet back.
func (a *applying) giveBack(o *order, l *line, outletID string, units stock.Quantity) {
	i := slices.IndexFunc(l.allocations, func(al allocated) bool { return al.outlet == outletID })
	al := &l.allocations[i]
	al.quantity -= units
	a.unreserve(a.pool.sku(l.sku), a.pool.outlets[outletID], o.key, l.id, units)
	if al.quantity == 0 {
		l.allocations = slices.Delete(l.allocations, i, i+1)
	}
}

// awaitAgain lets units wait that had been promised, as long as they have waited before, and has their order decided again.
func (a *applying) awaitAgain(o *order, l *line, units stock.Quantity) {
	a.await(o, l, units, l.since)
	a.decideOrder(o)
}

// decideOrder has the order decided when the entry has been applied, whether anything became free or not.
func (a *applying) decideOrder(o *order) {
	if !slices.Contains(a.again, o) {
		a.again = append(a.again, o)
	}
}

func (s *sku) packPromises(p *packer) {
	p.b = append(p.b, rowLayout)
	p.uint(uint64(len(s.promises)))
	for _, pr := range s.promises {
		p.text(pr.order)
		p.text(pr.line)
		p.text(pr.outlet.def.Outlet)
		p.qty(pr.units)
	}
}

func (p *pool) loadPromises(s *sku, key RowKey, value []byte) error {
	u := unpacker{b: value}
	u.layout()
	for range u.count() {
		pr := promise{order: u.text(), line: u.text()}
		o, known := p.outlets[u.text()]
		if !known {
			u.fail()
			break
		}
		pr.outlet, pr.units = o, u.qty()
		s.promises = append(s.promises, pr)
	}
	return u.done(key)
}
