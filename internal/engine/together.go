package engine

import "slices"

// only returns the outlets that may serve what waits of the line, by id; none for any of the channel's. It is the one the line
// names; and where the pool does not split orders, or lines, whoever serves the rest already, as long as one of these can be
// asked at all.
func (p *pool) only(o *order, l *line) []string {
	if outlet := l.outlet(); outlet != "" {
		return []string{outlet}
	}
	if p.settings.SplitOrders && p.settings.SplitLines {
		return nil
	}
	var ids []string
	for i := range o.lines {
		other := &o.lines[i]
		if !p.together(l, other) {
			continue
		}
		for _, al := range other.allocations {
			if ou, known := p.outlets[al.outlet]; known && ou.fulfils() && !slices.Contains(l.declined(), al.outlet) {
				ids = append(ids, al.outlet)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// together reports whether two lines of one order, or one and itself, must come from one outlet.
func (p *pool) together(l, other *line) bool {
	if !p.settings.SplitOrders {
		return l.outlet() == "" && other.outlet() == "" || l == other
	}
	return !p.settings.SplitLines && l == other
}

// keepTogether takes back what else was promised to lines that must come from one outlet with this one, which has lost units:
// all of it is decided again as one. What has left stays where it left from.
func (a *applying) keepTogether(o *order, l *line) {
	for i := range o.lines {
		other := &o.lines[i]
		if !a.pool.together(l, other) {
			continue
		}
		for j := len(other.allocations) - 1; j >= 0; j-- {
			al := other.allocations[j]
			if units := al.open(); units > 0 {
				a.giveBack(o, other, al.outlet, units)
				a.awaitAgain(o, other, units)
			}
		}
	}
}

// queueAgain makes the queues say how the order's lines wait, where that has changed with the order's promises.
func (a *applying) queueAgain(o *order) {
	if a.pool.settings.SplitOrders && a.pool.settings.SplitLines {
		return
	}
	a.requeue(o)
}

// queueAllAgain makes the queue say how everybody in it waits, after an edit of what the pool's rules or its outlets are.
func (a *applying) queueAllAgain(s *sku) {
	for i := range s.waiting {
		if o := a.pool.orderAt(s.waiting[i].order); o != nil {
			a.requeue(o)
		}
	}
}

func (a *applying) requeue(o *order) {
	for i := range o.lines {
		l := &o.lines[i]
		if l.waiting == 0 {
			continue
		}
		only := a.pool.only(o, l)
		for _, pt := range l.parts() {
			s := a.pool.sku(pt.sku)
			for k := range s.waiting {
				if w := &s.waiting[k]; w.order == o.key && w.line == l.id && !slices.Equal(w.only, only) {
					w.only = only
					a.pool.count(s)
				}
			}
		}
	}
}
