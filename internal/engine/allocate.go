package engine

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// allocate looks for outlets for whatever of the order waits. It reports whether anything was promised.
func (a *applying) allocate(o *order) bool {
	anew := o.undecided || o.decision.Rule == ""
	o.undecided = false
	if o.status != record.Pending && o.status != record.Open {
		return false
	}
	served := a.decide(o, anew)
	// Where orders are not split, every outlet that has begun to serve one may serve the rest.
	for again := served && !a.pool.settings.SplitOrders; again; {
		again = a.decide(o, false)
	}
	return served
}

// decide asks about all that waits of the order at once and promises what the answer is. An order that goes on waiting keeps what
// was said of it when it began to, unless it is to be said anew: its record changes with its units only.
func (a *applying) decide(o *order, anew bool) bool {
	q := &a.pool.question
	d, asked := q.decide(a.pool, o)
	if !asked {
		return false
	}
	if len(d.Takes) > 0 || anew {
		o.decision = record.Decision{Rule: d.Rule, Exact: d.Exact, Candidates: d.Candidates}
	}
	room := make([]allocated, len(d.Takes)) // for all lines in one piece
	for takes := d.Takes; len(takes) > 0; {
		of, n, units := takes[0].Line, 0, stock.Quantity(0)
		for ; n < len(takes) && takes[n].Line == of; n++ {
			units += takes[n].Quantity
		}
		l := q.lines[of]
		a.unawait(o, l, units)
		if l.allocations == nil {
			l.allocations, room = room[:0:n], room[n:]
		}
		for _, t := range takes[:n] {
			from := q.outlets[t.Outlet]
			l.promise(from.def.Outlet, t.Quantity)
			a.reserve(o, l, from, t.Quantity)
		}
		takes = takes[n:]
	}
	return len(d.Takes) > 0
}

// promise adds units to the line's allocation at the outlet.
func (l *line) promise(outletID string, units stock.Quantity) {
	for i := range l.allocations {
		if l.allocations[i].outlet == outletID {
			l.allocations[i].quantity += units
			return
		}
	}
	l.allocations = append(l.allocations, allocated{outlet: outletID, quantity: units})
}

// askAgain has what waits of the order looked at again, though nothing became free: other outlets may serve it now.
func (a *applying) askAgain(o *order) {
	for i := range o.lines {
		l := &o.lines[i]
		if l.waiting == 0 {
			continue
		}
		for _, pt := range l.parts() {
			s := a.pool.sku(pt.sku)
			s.freed = true
			a.pool.touch(s)
		}
	}
}

// serveWaiting gives what became free of the touched SKUs to the orders that wait for them, first come first served over all
// of them: an order that waits for two SKUs must not pass one that has waited longer for one of these.
func (a *applying) serveWaiting() {
	orders := slices.Clone(a.again)
	for _, s := range a.pool.touched {
		if s.freed && len(s.waiting) > 0 && s.anyFree() {
			for _, w := range s.waiting {
				if o := a.pool.orderAt(w.order); o != nil {
					orders = append(orders, o)
				}
			}
		}
		s.freed = false
	}
	slices.SortFunc(orders, func(x, y *order) int {
		if c := cmp.Compare(x.waitsSince(), y.waitsSince()); c != 0 {
			return c
		}
		return strings.Compare(x.key, y.key)
	})
	for _, o := range slices.Compact(orders) {
		lost := slices.Contains(a.again, o)
		if lost {
			o.undecided = true // say what came of it
		}
		if (lost || a.anyFreeFor(o)) && a.allocate(o) || lost {
			a.stamp(o)
		}
	}
}

// anyFreeFor reports whether anything at all is free of what the order waits for: a long queue is passed over quickly once
// everything is given away.
func (a *applying) anyFreeFor(o *order) bool {
	for i := range o.lines {
		l := &o.lines[i]
		if l.waiting == 0 {
			continue
		}
		for _, pt := range l.parts() {
			if a.pool.sku(pt.sku).anyFree() {
				return true
			}
		}
	}
	return false
}

// waitsSince returns the version of the entry since which the first of its waiting lines waits.
func (o *order) waitsSince() stock.Version {
	since := stock.Version(math.MaxUint64)
	for i := range o.lines {
		if l := &o.lines[i]; l.waiting > 0 {
			since = min(since, l.since)
		}
	}
	return since
}

func (s *sku) anyFree() bool {
	for i := range s.levels {
		if s.levels[i].free() > 0 {
			return true
		}
	}
	return false
}
