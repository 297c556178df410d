package engine

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// An order is the row of one channel's order. version 0: only an early despatch has named it so far.
type order struct {
	key         string // OrderID(channel, id)
	channel, id string
	version     stock.Version // of its last change
	updatedAt   stock.Instant
	readAt      stock.Instant
	placedAt    stock.Instant
	expiresAt   stock.Instant // of a hold; 0: never
	last        stock.Instant // journal time at which something was heard of it
	lines       []line        // by id
	decision    record.Decision
	fulfilments []fulfilment // in the order they came
	status      record.OrderStatus
	fulfilledBy record.Fulfiller
	early       bool  // the fulfilments wait for the order's first snapshot
	counted     bool  // it has been in a status that counts at its channel
	undecided   bool  // the decision is about something else than what waits now; only while an entry is applied
	gone        bool  // forgotten: its row goes
	absent      bool  // nothing but the knowledge that there is no such order
	used        bool  // since the last Evict
	slot        int32 // 1 + the index of its change in the Changes of the run; 0: the run has not changed it
}

// A fulfilment is a despatch that was reported, kept by id so that a second report of it changes nothing.
type fulfilment struct {
	id    string
	early *record.Fulfilment // the report itself, while it waits for its order
}

func (o *order) rowID() string { return o.key }

func (o *order) line(id string) *line {
	i, found := sort.Find(len(o.lines), func(i int) int { return strings.Compare(id, o.lines[i].id) })
	if !found {
		return nil
	}
	return &o.lines[i]
}

// order compares a snapshot with what is stored and applies the difference: new quantity is allocated or waits, smaller
// quantity and a cancel give back, and what the channel says was despatched leaves the shelf.
func (a *applying) order(in *record.Order) {
	p := a.pool
	readAt := in.ReadAt
	if readAt == 0 {
		readAt = a.entry.EntryTime
	}
	o, _ := p.order(in.Channel, in.OrderID)
	if o != nil && !o.early && (in.UpdatedAt < o.updatedAt || in.UpdatedAt == o.updatedAt && readAt <= o.readAt) {
		return
	}
	first := o == nil || o.early
	if o == nil && in.UpdatedAt < p.clock.Add(-closedFor) {
		a.reject(classLate, "updated_at", fmt.Sprintf("order %q of channel %q is older than 60 days and not known: it may have been closed and forgotten",
			in.OrderID, in.Channel))
		return
	}
	if first && !a.counts(in) && !a.lowers(in.Channel, in.Status) {
		return // a status that this channel's orders do not count in, of an order nobody has seen
	}
	if i, id := a.tooMuch(o, in); i >= 0 {
		a.reject(classRefused, fmt.Sprintf("order.lines[%d].quantity", i), fmt.Sprintf("with this order more than %d of %q would be on order", maxOnHand, id))
		return
	}
	if o == nil {
		o = p.beginOrder(in.Channel, in.OrderID)
	}
	before := ""
	if !first {
		before = o.fingerprint()
	}
	o.status, o.updatedAt, o.readAt, o.placedAt, o.fulfilledBy = in.Status, in.UpdatedAt, readAt, in.PlacedAt, in.FulfilledBy
	o.expiresAt = in.ExpiresAt
	a.changes.order(p, o)

	a.mergeLines(o, in)
	o.early = false
	a.applyEarly(o)
	for i := range o.lines {
		a.ledger(o, &o.lines[i]) // after the early despatches: what has left was not cancelled
	}
	o.counted = o.counted || a.counts(in)
	for i := range o.lines {
		a.target(o, &o.lines[i])
	}
	switch expired := o.expired(p.clock); {
	case expired:
		o.decision = record.Decision{Rule: ruleExpired, Exact: true}
	case o.decision.Rule == ruleExpired:
		o.decision = record.Decision{} // paid after all: it is decided anew
	}
	a.allocate(o)
	a.queueNew(o)
	if first || o.fingerprint() != before {
		a.stamp(o)
		return
	}
	o.last = p.clock
	a.scheduleOrder(o)
}

// tooMuch returns the first line, and which SKU of it, of which the order would bring more on order than sums over SKUs can bear; −1
// for none. It takes all lines for lines of that SKU, which makes no difference where anybody counts things.
func (a *applying) tooMuch(o *order, in *record.Order) (line int, sku string) {
	if in.Status != record.Open && in.Status != record.Pending {
		return -1, "" // it gives back
	}
	var sum stock.Quantity
	if o != nil {
		for i := range o.lines {
			l := &o.lines[i]
			for _, pt := range l.parts() {
				sum -= (l.waiting + l.promised()) * pt.per
			}
		}
	}
	for i := range in.Lines {
		l := &in.Lines[i]
		id := a.pool.skuOf(o, in.Channel, l)
		kit := a.pool.kitOf(id)
		if kit == nil {
			sum += l.Quantity
		}
		for _, pt := range kit {
			sum += l.Quantity * pt.per // at most 10¹⁵: a quantity is at most 10⁹, a kit takes at most 10⁶ of each
		}
		for _, pt := range kit {
			if a.pool.sku(pt.sku).onOrder+sum > maxOnHand {
				return i, pt.sku
			}
		}
		if kit == nil && id != "" && a.pool.sku(id).onOrder+sum > maxOnHand {
			return i, id
		}
	}
	return -1, ""
}

// quiet reports whether nothing is to be expected of the order any more but word of it.
func (o *order) quiet(now stock.Instant) bool {
	return o.early || o.closed() || o.expired(now) && !o.open()
}

// closed reports whether everything has left or been given back.
func (o *order) closed() bool {
	switch o.state() {
	case record.Shipped, record.Cancelled, record.Archived:
		return !o.open()
	}
	return false
}

// open reports whether units wait or are promised.
func (o *order) open() bool {
	for i := range o.lines {
		if l := &o.lines[i]; l.waiting > 0 || l.promised() > 0 {
			return true
		}
	}
	return false
}

// expired reports whether the order is a hold whose time is over.
func (o *order) expired(now stock.Instant) bool {
	return o.status == record.Pending && o.expiresAt != 0 && o.expiresAt <= now
}

// stamp marks the order's outputs as changed by this entry.
func (a *applying) stamp(o *order) {
	o.version, o.last = a.version, a.pool.clock
	a.queueAgain(o)
	a.changes.stamp(a.pool, o, a.times())
	a.scheduleOrder(o)
}

// fingerprint sums up what an allocation record shows of the order, to tell whether a snapshot changed anything.
func (o *order) fingerprint() string {
	var p packer
	p.uint(uint64(o.status))
	p.uint(uint64(o.fulfilledBy))
	for i := range o.lines {
		o.lines[i].pack(&p)
	}
	return string(p.b)
}

// counts reports whether an order of this status counts at its channel.
func (a *applying) counts(in *record.Order) bool {
	ch, ok := a.pool.channels[in.Channel]
	if !ok {
		return in.Status != record.Shipped && in.Status != record.Archived
	}
	statuses := ch.def.CountStatuses.Merchant
	if in.FulfilledBy == record.ByChannel {
		statuses = ch.def.CountStatuses.Channel
	}
	return slices.Contains(statuses, in.Status)
}

// mergeLines brings the stored lines up to the snapshot: quantities as ordered now, 0 for a line that is no longer there.
// A line whose SKU changed is another line: the old one is given back first.
func (a *applying) mergeLines(o *order, in *record.Order) {
	for i := range o.lines {
		o.lines[i].ordered = 0
	}
	if o.lines == nil { // few lines join an order later
		o.lines = make([]line, 0, len(in.Lines))
	}
	var at *spot // of the line before: mostly of all
	for k := range in.Lines {
		l := &in.Lines[k]
		if location := a.locationOf(o.channel, l.Location); at == nil || at.location != location {
			at = a.pool.spot(o.channel, location)
		}
		stored := o.line(l.LineID)
		sku, item := a.pool.skuOf(o, o.channel, l), ""
		if l.SKU == "" {
			item = l.Item
		}
		held := stored != nil && stored.sku == "" && stored.item() == item
		if stored != nil && (stored.sku != sku || sku == "" && stored.item() != item) {
			if stored.sku != "" {
				a.release(o, stored, stored.promised()+stored.waiting)
				a.releaseCounters(stored)
			}
			*stored = line{id: l.LineID, sku: sku, at: at}
			stored.setKit(a.pool.kitOf(sku))
		}
		if stored == nil {
			stored = o.addLine(l.LineID)
			stored.sku, stored.at = sku, at
			stored.setKit(a.pool.kitOf(sku))
		}
		if stored.setItem(item); sku == "" && !held {
			a.hold(o, stored)
		}
		if stored.at != at { // its counters go along: each location's level is a level of its own
			net := stored.sold - stored.released
			a.releaseCounters(stored)
			if stored.at = at; net > 0 {
				a.addCounters(stored, net, 0)
			}
		}
		if stored.outlet() != l.Outlet {
			stored.setOutlet(l.Outlet)
			if stored.waiting > 0 {
				a.queue(o, stored)
				o.undecided = true
			}
		}
		stored.ordered = l.Quantity
		stored.byChannel = max(stored.byChannel, l.Fulfilled)
		if in.Status == record.Shipped {
			stored.byChannel = max(stored.byChannel, l.Quantity)
		}
	}
}

// addLine makes a line of an id that the order does not have. The pointer holds until the next call.
func (o *order) addLine(id string) *line {
	o.lines = append(o.lines, line{id: id})
	i := len(o.lines) - 1
	for ; i > 0 && o.lines[i-1].id > id; i-- { // most come in order
		o.lines[i-1], o.lines[i] = o.lines[i], o.lines[i-1]
	}
	return &o.lines[i]
}

// allocation fills r with what the order's record says but for when it changed, in the memory that r has.
func (o *order) allocation(pool string, r *record.Allocation) {
	*r = record.Allocation{
		Pool: pool, Channel: o.channel, OrderID: o.id, State: o.state(), Version: o.version, FulfilledBy: o.fulfilledBy, Decision: o.decision,
		Lines: r.Lines[:0],
	}
	for i := range o.lines {
		l := &o.lines[i]
		out := record.AllocationLine{LineID: l.id, SKU: l.sku, Ordered: l.ordered, Waiting: l.waiting, Fulfilled: l.fulfilled, Held: l.sku == ""}
		if len(l.allocations) > 0 && i < cap(r.Lines) {
			out.Allocations = r.Lines[:i+1][i].Allocations[:0]
		}
		for _, al := range l.allocations {
			out.Allocations = append(out.Allocations, record.LineAllocation{Outlet: al.outlet, Quantity: al.quantity, Fulfilled: al.fulfilled})
		}
		slices.SortFunc(out.Allocations, func(a, b record.LineAllocation) int { return strings.Compare(a.Outlet, b.Outlet) })
		r.Lines = append(r.Lines, out)
	}
}

// state is the order's status, but for an open order of which something was despatched.
func (o *order) state() record.OrderStatus {
	if o.status != record.Open && o.status != record.Pending {
		return o.status
	}
	shipped, left := false, false
	for i := range o.lines {
		l := &o.lines[i]
		shipped = shipped || l.fulfilled > 0
		left = left || l.waiting > 0 || l.promised() > 0
	}
	switch {
	case shipped && left:
		return record.PartiallyShipped
	case shipped:
		return record.Shipped
	}
	return o.status
}

func (a *applying) describe(o *order) string {
	return fmt.Sprintf("order %q of channel %q", o.id, o.channel)
}
