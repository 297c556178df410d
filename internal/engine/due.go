package engine

import (
	"cmp"
	"container/heap"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// dueMost is how many due rows one entry handles.
const dueMost = 500

// A dueIndex knows what waits for a moment of journal time: at most one moment per id.
type dueIndex struct {
	at    map[string]stock.Instant
	queue dueQueue // holds also what has been put off or called off since, until its moment comes
}

// A dueID is something that is due at a moment. Ids are those of the rows of TableDue: a kind, a slash and what it is.
type dueID struct {
	at stock.Instant
	id string
}

// The kinds of due rows.
const (
	dueOrder   = "order"   // a hold expires; a closed order is forgotten
	dueSKU     = "sku"     // a listing of it is published, or another of its policies applies
	dueChannel = "channel" // another of its policies applies
)

func newDueIndex() dueIndex { return dueIndex{at: map[string]stock.Instant{}} }

// set puts the id's moment, 0 for none.
func (d *dueIndex) set(id string, at stock.Instant) {
	if at == 0 {
		delete(d.at, id)
		return
	}
	d.at[id] = at
	heap.Push(&d.queue, dueID{at, id})
	if len(d.queue) > 2*len(d.at)+1024 { // mostly what is not due any more
		d.queue = d.queue[:0]
		for id, at := range d.at {
			d.queue = append(d.queue, dueID{at, id})
		}
		heap.Init(&d.queue)
	}
}

// next returns the earliest of what is due by now.
func (d *dueIndex) next(now stock.Instant) (dueID, bool) {
	for len(d.queue) > 0 && d.queue[0].at <= now {
		if first := d.queue[0]; d.at[first.id] == first.at {
			return first, true
		}
		heap.Pop(&d.queue)
	}
	return dueID{}, false
}

// first calls f with what an entry at the moment now would handle, in order.
func (d *dueIndex) first(now stock.Instant, f func(kind, id string)) {
	var found []dueID
	for len(found) < dueMost {
		n, ok := d.next(now)
		if !ok {
			break
		}
		heap.Pop(&d.queue)
		// What was put off and back again is in the queue twice.
		if len(found) > 0 && found[len(found)-1] == n {
			continue
		}
		found = append(found, n)
	}
	for _, n := range found {
		heap.Push(&d.queue, n)
		kind, id, _ := strings.Cut(n.id, "/")
		f(kind, id)
	}
}

// A dueQueue is a heap by moment, then by id.
type dueQueue []dueID

func (q dueQueue) Len() int      { return len(q) }
func (q dueQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q dueQueue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].at, q[j].at), strings.Compare(q[i].id, q[j].id)) < 0
}
func (q *dueQueue) Push(x any) { *q = append(*q, x.(dueID)) }
func (q *dueQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// schedule sets when something is due, 0 for never.
func (a *applying) schedule(kind, id string, at stock.Instant) {
	p := a.pool
	p.key = append(append(append(p.key[:0], kind...), '/'), id...)
	if p.due.at[string(p.key)] == at {
		return
	}
	id = string(p.key)
	p.due.set(id, at)
	a.changes.due(p, id)
}

// handleDue handles what has become due by journal time.
func (a *applying) handleDue() {
	p := a.pool
	for range dueMost {
		n, ok := p.due.next(p.clock)
		if !ok {
			break
		}
		kind, id, _ := strings.Cut(n.id, "/")
		a.schedule(kind, id, 0)
		switch kind {
		case dueOrder:
			a.orderDue(p.orderAt(id))
		case dueSKU:
			s := p.sku(id)
			p.touch(s)
			a.scheduleSKU(s)
		case dueChannel:
			if ch, ok := p.channels[id]; ok {
				a.schedule(dueChannel, id, nextPolicy(ch.def.Policies, p.clock, 0))
				a.begin(sweepOffers, id)
			}
		}
	}
}

// ruleExpired is what a decision says of a hold that has given everything back.
const ruleExpired = "expired"

// How long a closed order is remembered, in journal time, and a despatch that waits for its order.
const closedFor = 60 * 24 * time.Hour

// orderDue releases a hold that has expired, or forgets an order of which nothing has been heard for long.
func (a *applying) orderDue(o *order) {
	switch {
	case o == nil:
	case o.quiet(a.pool.clock) && o.last.Add(closedFor) <= a.pool.clock:
		if o.early {
			for _, f := range o.fulfilments {
				a.reject(classRefused, "order_id", fmt.Sprintf("despatch %q of %s has waited 60 days for its order", f.id, a.describe(o)))
			}
		}
		o.gone = true
		a.changes.order(a.pool, o)
		a.pool.orders.replace(o, &order{key: o.key, absent: true})
	case o.expired(a.pool.clock) && o.open():
		for i := range o.lines {
			a.target(o, &o.lines[i])
		}
		o.decision = record.Decision{Rule: ruleExpired, Exact: true}
		a.stamp(o)
	default:
		a.scheduleOrder(o)
	}
}

// scheduleOrder sets when the order is due next.
func (a *applying) scheduleOrder(o *order) {
	var at stock.Instant
	switch {
	case o.quiet(a.pool.clock):
		at = o.last.Add(closedFor)
	case o.status == record.Pending:
		at = o.expiresAt
	}
	a.schedule(dueOrder, o.key, at)
}

// scheduleSKU sets when another offer of the SKU may be due, though nothing happens to it.
func (a *applying) scheduleSKU(s *sku) {
	var at stock.Instant
	for i := range s.listings {
		l := &s.listings[i]
		if l.terms.Deleted {
			continue
		}
		at = nextPolicy(l.policies, a.pool.clock, at)
		if publish := l.terms.PublishAt; publish > a.pool.clock && (at == 0 || publish < at) {
			at = publish
		}
	}
	a.schedule(dueSKU, s.id, at)
}

// nextPolicy returns the first moment after now at which another of the policies may apply, or than if that is earlier; 0: never.
func nextPolicy(policies []record.Policy, now, than stock.Instant) stock.Instant {
	for i := range policies {
		for _, at := range [2]stock.Instant{policies[i].From, policies[i].To} {
			if at > now && (than == 0 || at < than) {
				than = at
			}
		}
	}
	return than
}

// NextDue returns the earliest moment by now at which something of the pool is due, and whether there is one.
func (s *State) NextDue(pool string, now stock.Instant) (stock.Instant, bool) {
	p, ok := s.pool(pool)
	if !ok {
		return 0, false
	}
	n, ok := p.due.next(now)
	return n.at, ok
}

// Pools returns the pools that are in memory, by id.
func (s *State) Pools() []string { return slices.Sorted(maps.Keys(s.pools)) }

// Clock returns the pool's journal time, 0 if the pool is not in memory or has no entry yet.
func (s *State) Clock(pool string) stock.Instant {
	if p, ok := s.pool(pool); ok {
		return p.clock
	}
	return 0
}

// Waiting reports what a tick would do for the pool: backlog, that work is left over from entries that were folded; due, that
// something has become due by now. Whoever owns the pool writes ticks to the journal for as long as there is a backlog, and
// where something is due that no entry has reached.
func (s *State) Waiting(pool string, now stock.Instant) (backlog, due bool) {
	p, ok := s.pool(pool)
	if !ok {
		return false, false
	}
	_, left := p.due.next(p.clock)
	_, due = p.due.next(now)
	return left || len(p.sweeps) > 0, due
}
