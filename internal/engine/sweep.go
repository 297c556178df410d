package engine

import (
	"maps"
	"slices"

	"github.com/shelfwire/shelfwire/internal/record"
)

// sweepStep is how many SKUs one entry of a sweep goes through.
const sweepStep = 100

// A sweep is an edit that concerns many SKUs on its way through them, a step an entry. What it has not reached yet is worked
// out anew whenever something else touches it.
type sweep struct {
	kind   sweepKind
	of     string // the channel, outlet or component
	cursor string // the last SKU that was done
	again  bool   // it has changed since: once more when it is through
}

// A sweepKind says what is done with each SKU.
type sweepKind uint8

const (
	sweepOffers  sweepKind = iota + 1 // work out its offers, and serve who waits
	sweepCounts                       // and say its counts anew, if the outlet has any
	sweepKits                         // work out the offers of the component's kits
	sweepRefresh                      // say the offers and open orders of the channel again, "" for all and the counts too
)

// begin starts a sweep and takes its first step: most pools are through with that.
func (a *applying) begin(kind sweepKind, of string) {
	p := a.pool
	if i := slices.IndexFunc(p.sweeps, func(w sweep) bool { return w.kind == kind && w.of == of }); i >= 0 {
		p.sweeps = slices.Delete(p.sweeps, i, i+1) // the new one does all that the old one had left
	}
	w := sweep{kind: kind, of: of}
	if !a.step(&w) {
		p.sweeps = append(p.sweeps, w)
	}
	a.changes.sweeping(p)
}

// goOn takes a step of the sweep that has waited longest.
func (a *applying) goOn() {
	p := a.pool
	if len(p.sweeps) == 0 {
		return
	}
	w := p.sweeps[0]
	p.sweeps = slices.Delete(p.sweeps, 0, 1)
	if done := a.step(&w); !done || w.again {
		if done {
			w.cursor, w.again = "", false
		}
		p.sweeps = append(p.sweeps, w)
	}
	a.changes.sweeping(p)
}

// next returns the SKUs of the sweep's next step.
func (p *pool) next(w *sweep) []string {
	if w.kind == sweepKits {
		kits := p.partOf[w.of]
		i, found := slices.BinarySearch(kits, w.cursor)
		if found {
			i++
		}
		return kits[i:min(len(kits), i+sweepStep)]
	}
	return p.index.after(w.cursor, sweepStep)
}

// step does the next SKUs and reports whether they were the last.
func (a *applying) step(w *sweep) bool {
	ids := a.pool.next(w)
	for _, id := range ids {
		a.sweepOne(w, a.pool.sku(id))
		w.cursor = id
	}
	return len(ids) < sweepStep
}

func (a *applying) sweepOne(w *sweep, s *sku) {
	p := a.pool
	switch w.kind {
	case sweepCounts:
		a.queueAllAgain(s)
		if slices.ContainsFunc(s.levels, func(l level) bool { return p.outletOf(&l).def.Outlet == w.of && !l.empty() }) {
			p.count(s)
		}
		s.freed = true
	case sweepOffers:
		a.queueAllAgain(s)
		s.freed = true
	case sweepRefresh:
		if w.of == "" && s.version != 0 {
			p.count(s)
		}
		for _, key := range s.openOrders() {
			if o := p.orderAt(key); o != nil && (w.of == "" || w.of == o.channel) && o.firstOpen() == s.id {
				a.stamp(o)
			}
		}
		for i := range s.offers {
			if o := &s.offers[i]; w.of == "" || w.of == o.at.channel {
				o.counters = o.version != 0
			}
		}
	}
	p.touch(s)
}

// openOrders returns the orders to which units of the SKU are promised or that wait for some, each once, by key.
func (s *sku) openOrders() []string {
	keys := make([]string, 0, len(s.promises)+len(s.waiting))
	for i := range s.promises {
		keys = append(keys, s.promises[i].order)
	}
	for i := range s.waiting {
		keys = append(keys, s.waiting[i].order)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// firstOpen returns the first of the SKUs of which units are promised to the order or that it waits for: a sweep says the order
// again when it comes by there.
func (o *order) firstOpen() string {
	first := ""
	for i := range o.lines {
		l := &o.lines[i]
		if l.waiting == 0 && l.promised() == 0 {
			continue
		}
		for _, pt := range l.parts() {
			if first == "" || pt.sku < first {
				first = pt.sku
			}
		}
	}
	return first
}

// touchKits touches the kits that the SKU is part of: what may be shown of them hangs on it. Many of them are swept.
func (a *applying) touchKits(s *sku) {
	p := a.pool
	kits := p.partOf[s.id]
	if len(kits) <= sweepStep {
		for _, id := range kits {
			p.touch(p.sku(id))
		}
		return
	}
	a.changes.sweeping(p)
	for i := range p.sweeps {
		if w := &p.sweeps[i]; w.kind == sweepKits && w.of == s.id {
			w.again = true
			return
		}
	}
	p.sweeps = append(p.sweeps, sweep{kind: sweepKits, of: s.id})
}

// refresh says everything again, of the pool or of one channel.
func (a *applying) refresh(r *record.Refresh) {
	if _, known := a.pool.channels[r.Channel]; !known && r.Channel != "" {
		a.reject(classRefused, "channel", "channel \""+r.Channel+"\" is not declared")
		return
	}
	for _, id := range slices.Sorted(maps.Keys(a.pool.channels)) {
		if r.Channel == "" || r.Channel == id {
			a.changes.channelState(record.ChannelState{Channel: a.pool.channels[id].def, Version: a.version})
		}
	}
	a.begin(sweepRefresh, r.Channel)
}

func (p *pool) packSweeps(out *packer) {
	out.b = append(out.b, rowLayout)
	out.uint(uint64(len(p.sweeps)))
	for _, w := range p.sweeps {
		out.uint(uint64(w.kind))
		out.text(w.of)
		out.text(w.cursor)
		out.bool(w.again)
	}
}

func (p *pool) loadSweeps(u *unpacker) {
	u.layout()
	for range u.count() {
		p.sweeps = append(p.sweeps, sweep{kind: sweepKind(u.uint()), of: u.text(), cursor: u.text(), again: u.bool()})
	}
}
