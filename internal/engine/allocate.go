package engine

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/shelfwire/shelfwire/internal/allocation"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// allocate looks for outlets for whatever of the order waits: lines that the same outlets may serve together. It reports
// whether anything was promised.
func (a *applying) allocate(o *order) bool {
	if o.status != record.Pending && o.status != record.Open {
		return false
	}
	served := false
	groups := make([]*line, 0, 1) // the first line of each
	for i := range o.lines {
		if l := &o.lines[i]; l.waiting > 0 && !slices.ContainsFunc(groups, l.servedLike) {
			groups = append(groups, l)
		}
	}
	for _, first := range groups {
		var lines []*line
		for i := range o.lines {
			if l := &o.lines[i]; l.waiting > 0 && l.servedLike(first) {
				lines = append(lines, l)
			}
		}
		takes, decision := a.choose(o, lines)
		// An order that goes on waiting keeps what was said of it when it began to: its record changes with its units only.
		if len(takes) > 0 || o.decision.Rule == "" {
			o.decision = decision
		}
		for _, t := range takes {
			a.unawait(o, t.line, t.units)
			t.line.promise(t.from.def.Outlet, t.units)
			a.reserve(o, t.line, t.from, t.units)
			served = true
		}
	}
	return served
}

// servedLike reports whether the same outlets may serve the two lines.
func (l *line) servedLike(other *line) bool {
	return l.outlet == other.outlet && slices.Equal(l.declined, other.declined)
}

// A take is units of a line that an outlet is to serve; units > 0.
type take struct {
	line  *line
	from  *outlet
	units stock.Quantity
}

// choose decides where what waits of the lines comes from, and says why. The lines are of one order, by id, and served alike.
// It is all that the engine asks of package allocation.
func (a *applying) choose(o *order, lines []*line) ([]take, record.Decision) {
	var needs []allocation.Need
	var skus []*sku
	for _, l := range lines {
		for _, pt := range l.parts() {
			s := a.pool.sku(pt.sku)
			at := slices.Index(skus, s)
			if at < 0 {
				at = len(skus)
				skus = append(skus, s)
			}
			needs = append(needs, allocation.Need{LineID: l.id, SKU: at, Quantity: l.waiting * pt.per})
		}
	}
	candidates := a.pool.candidates(o.channel, lines[0].outlet, lines[0].declined)
	outlets := make([]allocation.Outlet, len(candidates))
	for i, ou := range candidates {
		outlets[i] = allocation.Outlet{ID: ou.def.Outlet, Free: make([]stock.Quantity, len(skus))}
		for j, s := range skus {
			at := s.at(ou)
			outlets[i].Free[j] = at.free()
		}
	}
	result := allocation.OneOutlet(needs, outlets)
	decision := record.Decision{Rule: result.Rule, Exact: result.Exact, Candidates: result.Candidates}
	if result.Chosen < 0 {
		return nil, decision
	}
	takes := make([]take, 0, len(lines))
	for _, l := range lines {
		takes = append(takes, take{l, candidates[result.Chosen], l.waiting})
	}
	return takes, decision
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

// serveWaiting gives what became free of the touched SKUs to the orders that wait for them, first come first served over all
// of them: an order that waits for two SKUs must not pass one that has waited longer for one of these.
func (a *applying) serveWaiting() {
	orders := slices.Clone(a.again)
	for _, s := range a.pool.touched {
		if s.freed && len(s.waiting) > 0 && s.anyFree() {
			for _, w := range s.waiting {
				if o := a.pool.orders[w.order]; o != nil {
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
			o.decision = record.Decision{} // it is over: say what came of it
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
