package engine

import (
	"slices"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// target brings the line to what the order's status asks for: despatches what the channel says was, gives back what is no
// longer wanted, and lets new units wait until allocate finds them an outlet; what it leaves queueNew queues.
func (a *applying) target(o *order, l *line) {
	if l.sku == "" {
		return
	}
	if o.fulfilledBy == record.ByChannel {
		if open := l.promised() + l.waiting; open > 0 { // it was the merchant's before
			a.release(o, l, open)
		}
		a.channelDespatch(o, l, o.updatedAt)
		return
	}
	if !o.counted {
		return
	}
	if units := l.unshipped(); units > 0 {
		a.despatch(o, l, "", units, o.updatedAt)
	}
	wanted := l.ordered
	switch {
	case o.status == record.Archived,
		o.status == record.Cancelled && a.pool.settings.ReleaseOn == record.OnCancel,
		o.status == record.Shipped,
		o.expired(a.pool.clock):
		wanted = l.fulfilled
	}
	open := l.promised() + l.waiting
	switch need := wanted - l.fulfilled - open; {
	case need > 0:
		o.undecided = true
		a.demand(l, need)
		if l.waiting > 0 {
			a.await(o, l, need, l.since)
			break
		}
		l.waiting, l.since = need, a.version
	case need < 0:
		a.release(o, l, min(-need, open)) // less is wanted than has left already: nothing but what is open comes back
	}
}

// demand moves the units on order of what the line takes.
func (a *applying) demand(l *line, delta stock.Quantity) {
	for _, pt := range l.parts() {
		s := a.pool.sku(pt.sku)
		a.pool.note(s)
		s.onOrder += delta * pt.per
		a.pool.count(s)
	}
}

// await puts units of the line into the queue of what it takes, or adds them to where it stands there already.
func (a *applying) await(o *order, l *line, units stock.Quantity, since stock.Version) {
	l.since = since
	l.waiting += units
	a.queue(o, l)
}

// queueNew puts into the queues what waits since this entry, of which allocate has mostly left nothing.
func (a *applying) queueNew(o *order) {
	for i := range o.lines {
		if l := &o.lines[i]; l.waiting > 0 && l.since == a.version {
			a.queue(o, l)
		}
	}
}

// queue makes the queues of what the line takes say how it waits.
func (a *applying) queue(o *order, l *line) {
	for _, pt := range l.parts() {
		s := a.pool.sku(pt.sku)
		a.pool.count(s)
		i := slices.IndexFunc(s.waiting, func(w waiting) bool { return w.order == o.key && w.line == l.id })
		switch {
		case l.waiting == 0 && i >= 0:
			s.waiting = slices.Delete(s.waiting, i, i+1)
		case l.waiting == 0:
		case i < 0:
			s.waiting = append(s.waiting, waiting{
				order: o.key, line: l.id, channel: o.channel, only: a.pool.only(o, l), declined: l.declined(), quantity: l.waiting * pt.per,
			})
		default:
			s.waiting[i].quantity, s.waiting[i].only, s.waiting[i].declined = l.waiting*pt.per, a.pool.only(o, l), l.declined()
		}
	}
}

// unawait takes units of the line out of the queue.
func (a *applying) unawait(o *order, l *line, units stock.Quantity) {
	l.waiting -= units
	a.queue(o, l)
}

// release gives units of the line back: those that wait first, then the newest promises.
func (a *applying) release(o *order, l *line, units stock.Quantity) {
	a.demand(l, -units)
	if w := min(units, l.waiting); w > 0 {
		a.unawait(o, l, w)
		units -= w
	}
	for i := len(l.allocations) - 1; i >= 0 && units > 0; i-- {
		al := &l.allocations[i]
		back := min(units, al.open())
		if back == 0 {
			continue
		}
		units -= back
		a.giveBack(o, l, al.outlet, back)
	}
}
