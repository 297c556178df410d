package engine

import (
	"fmt"
	"slices"
	"strings"

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

// reserve promises the outlet's stock for units of the line.
func (a *applying) reserve(o *order, l *line, at *outlet, units stock.Quantity) {
	for _, pt := range l.parts() {
		s := a.pool.sku(pt.sku)
		shelf, _ := a.level(s, at)
		shelf.reserved += units * pt.per
		s.promises = append(s.promises, promise{o.key, l.id, at, units * pt.per})
		a.changes.row(a.pool, s, promisesRow)
		a.pool.count(s)
	}
}

// unreserve takes the outlet's promises for units of the line back, the newest first.
func (a *applying) unreserve(o *order, l *line, at *outlet, units stock.Quantity) {
	for _, pt := range l.parts() {
		s := a.pool.sku(pt.sku)
		shelf, _ := a.level(s, at)
		shelf.reserved -= units * pt.per
		s.freed = true
		a.changes.row(a.pool, s, promisesRow)
		a.pool.count(s)
		s.withdraw(promise{o.key, l.id, at, units * pt.per})
	}
}

// withdraw takes units off the newest promises of the same line at the same outlet.
func (s *sku) withdraw(back promise) {
	for i := len(s.promises) - 1; i >= 0 && back.units > 0; i-- {
		pr := &s.promises[i]
		if pr.outlet != back.outlet || pr.line != back.line || pr.order != back.order {
			continue
		}
		n := min(back.units, pr.units)
		back.units -= n
		if pr.units -= n; pr.units == 0 {
			s.promises = slices.Delete(s.promises, i, i+1)
		}
	}
}

// short returns by how many units the outlet has promised more than there is, if on hand were so many.
func (l *level) short(onHand stock.Quantity) stock.Quantity {
	return max(0, l.reserved-max(0, onHand))
}

// short reports whether any outlet has promised more than there is.
func (s *sku) short() bool {
	for i := range s.levels {
		if l := &s.levels[i]; l.short(l.onHand) > 0 {
			return true
		}
	}
	return false
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
	var less []*sku
	for _, s := range a.pool.touched {
		if s.less && s.short() {
			less = append(less, s)
		}
		s.less = false
	}
	slices.SortFunc(less, func(x, y *sku) int { return strings.Compare(x.id, y.id) })
	for _, s := range less {
		for j := range s.levels {
			l := &s.levels[j]
			for a.broken == nil {
				units := l.short(l.onHand)
				if units == 0 {
					break
				}
				a.lose(s, a.pool.outletOf(l), units)
			}
		}
	}
}

// lose takes up to so many units of the newest promise of the SKU at the outlet back, and with it the whole kit.
func (a *applying) lose(s *sku, at *outlet, units stock.Quantity) {
	var pr promise
	for i := range s.promises {
		if s.promises[i].outlet == at {
			pr = s.promises[i]
		}
	}
	o := a.pool.orderAt(pr.order)
	var l *line
	if o != nil {
		l = o.line(pr.line)
	}
	if l == nil || !l.owedBy(at.def.Outlet) {
		a.broken = fmt.Errorf("%q at %q is promised to line %q of order %q, which does not say so: %w",
			s.id, at.def.Outlet, pr.line, pr.order, ErrInvariant)
		return
	}
	kits := kitsOf(min(units, pr.units), l.per(s.id))
	a.giveBack(o, l, at.def.Outlet, kits)
	a.awaitAgain(o, l, kits)
	a.keepTogether(o, l)
}

func (l *line) owedBy(outletID string) bool {
	return slices.ContainsFunc(l.allocations, func(al allocated) bool { return al.outlet == outletID })
}

// giveBack takes units of the line's allocation at the outlet back.
func (a *applying) giveBack(o *order, l *line, outletID string, units stock.Quantity) {
	i := slices.IndexFunc(l.allocations, func(al allocated) bool { return al.outlet == outletID })
	al := &l.allocations[i]
	al.quantity -= units
	a.unreserve(o, l, a.pool.outlets[outletID], units)
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
