package engine

import (
	"slices"

	"github.com/shelfwire/shelfwire/internal/allocation"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A question is what package allocation is asked of an order, one after the other in the same memory.
type question struct {
	request allocation.Request
	lines   []*line   // those of the request
	outlets []*outlet // likewise
	decider allocation.Decider

	able   [][]*outlet       // by line: those that may serve it
	skus   []*sku            // by their index in the request; nil: nobody has any
	free   []stock.Quantity  // of all outlets, by outlet and SKU
	parts  []allocation.Part // of all kits
	column []int             // by outlet.index: 1 + its index in outlets, 0 for one that is not asked
}

// decide decides what waits of the order; asked is false if nothing does. The decision holds until the next one.
func (q *question) decide(p *pool, o *order) (d allocation.Decision, asked bool) {
	if !q.ask(p, o) {
		return d, false
	}
	if len(q.outlets) > 1 { // mostly the best of them has everything, and nobody need look at what all the others have
		q.best()
		if d, settled := q.decider.DecideFirst(&q.request); settled {
			return d, true
		}
	}
	q.stock(len(p.outlets))
	return q.decider.Decide(&q.request), true
}

// ask puts the lines of the order that wait into the request, and reports whether any does.
func (q *question) ask(p *pool, o *order) bool {
	q.lines, q.able, q.skus, q.parts = q.lines[:0], q.able[:0], q.skus[:0], q.parts[:0]
	q.request.Lines, q.request.Rules = q.request.Lines[:0], allocation.RulesOf(&p.settings)
	waits := false
	for i := range o.lines {
		l := &o.lines[i]
		waits = waits || l.waiting > 0
		switch held := l.ordered - l.despatched(); {
		case l.waiting > 0:
			q.line(p, l, l.waiting)
			q.able = append(q.able, p.candidates(o.channel, p.only(o, l), l.declined()))
		case l.sku == "" && held > 0 && q.request.Rules.ShipComplete: // nobody knows yet what it takes to make the order complete
			q.line(p, l, held)
			q.able = append(q.able, nil)
		}
	}
	if !waits {
		return false
	}
	q.candidates()
	return true
}

// line adds units of the line.
func (q *question) line(p *pool, l *line, units stock.Quantity) {
	out := allocation.Line{ID: l.id, Need: units, Outlet: l.outlet()}
	switch {
	case l.sku == "":
		out.SKU = q.index(nil)
	case l.kit() == nil:
		out.SKU = q.index(p.sku(l.sku))
	default:
		from := len(q.parts)
		for _, pt := range l.kit() {
			q.parts = append(q.parts, allocation.Part{SKU: q.index(p.sku(pt.sku)), Quantity: pt.per})
		}
		out.Kit = q.parts[from:len(q.parts):len(q.parts)]
	}
	q.lines = append(q.lines, l)
	q.request.Lines = append(q.request.Lines, out)
}

func (q *question) index(s *sku) int {
	i := slices.Index(q.skus, s)
	if i < 0 {
		i = len(q.skus)
		q.skus = append(q.skus, s)
	}
	return i
}

// candidates gathers the outlets that may serve any of the lines, and tells each line which of them may not serve it.
func (q *question) candidates() {
	q.outlets = append(q.outlets[:0], q.able[0]...)
	for _, able := range q.able[1:] {
		if !slices.Equal(q.outlets, able) {
			q.outlets = append(q.outlets, able...)
			slices.SortFunc(q.outlets, byPriority)
			q.outlets = slices.Compact(q.outlets)
		}
	}
	for i, able := range q.able {
		if len(able) == len(q.outlets) {
			continue
		}
		l := &q.request.Lines[i]
		for _, o := range q.outlets {
			if !slices.Contains(able, o) {
				l.Excluded = append(l.Excluded, o.def.Outlet)
			}
		}
	}
}

// lay makes room for what is free of the SKUs at the outlets.
func (q *question) lay(outlets []*outlet) {
	n := len(q.skus)
	q.free = append(q.free[:0], make([]stock.Quantity, len(outlets)*n)...)
	q.request.Outlets = q.request.Outlets[:0]
	for j, o := range outlets {
		q.request.Outlets = append(q.request.Outlets, allocation.Outlet{ID: o.def.Outlet, Free: q.free[j*n : (j+1)*n]})
	}
}

// best fills in what the best outlet has free of the SKUs, and leaves the others out.
func (q *question) best() {
	q.lay(q.outlets[:1])
	for i, s := range q.skus {
		if s != nil {
			l, _ := s.at(q.outlets[0])
			q.free[i] = l.free()
		}
	}
}

// stock fills in what the outlets, of so many in the pool, have free of the SKUs.
func (q *question) stock(outlets int) {
	q.lay(q.outlets)
	q.column = append(q.column[:0], make([]int, outlets)...)
	for j, o := range q.outlets {
		q.column[o.index] = 1 + j
	}
	n := len(q.skus)
	for i, s := range q.skus {
		if s == nil {
			continue
		}
		for k := range s.levels {
			if at := q.column[s.levels[k].outlet]; at > 0 {
				q.free[(at-1)*n+i] = s.levels[k].free()
			}
		}
	}
}
