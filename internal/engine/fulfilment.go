package engine

import (
	"fmt"
	"slices"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// fulfilment applies a report of a despatch. One that comes before its order waits for it: only the order says which SKUs
// its lines are, and where a line names the channel's own item only a listing says it.
func (a *applying) fulfilment(in *record.Fulfilment) {
	p := a.pool
	o, _ := p.order(in.Channel, in.OrderID)
	if o == nil && in.ShippedAt < p.clock.Add(-closedFor) {
		a.reject(classLate, "shipped_at", fmt.Sprintf("order %q of channel %q is not known: it may have been closed and forgotten", in.OrderID, in.Channel))
		return
	}
	if o == nil {
		o = p.beginOrder(in.Channel, in.OrderID)
		o.early = true
	}
	if slices.ContainsFunc(o.fulfilments, func(f fulfilment) bool { return f.id == in.FulfilmentID }) {
		a.reject(classDuplicate, "fulfilment_id", fmt.Sprintf("fulfilment %q of %s was seen before", in.FulfilmentID, a.describe(o)))
		return
	}
	if o.early || o.holds(in) {
		kept := *in
		kept.Lines = slices.Clone(in.Lines)
		o.fulfilments = append(o.fulfilments, fulfilment{id: in.FulfilmentID, early: &kept})
		a.changes.order(p, o)
		o.last = p.clock
		a.scheduleOrder(o)
		return
	}
	if !a.despatchReport(o, in) {
		return
	}
	o.fulfilments = append(o.fulfilments, fulfilment{id: in.FulfilmentID})
	a.askAgain(o)
	a.stamp(o)
}

// applyEarly applies the despatches that were reported before anybody could say what their lines were.
func (a *applying) applyEarly(o *order) {
	for i := range o.fulfilments {
		if in := o.fulfilments[i].early; in != nil && !o.holds(in) {
			o.fulfilments[i].early = nil
			a.despatchReport(o, in)
		}
	}
}

// despatchReport takes what was reported off the shelf, or refuses all of it and says why.
func (a *applying) despatchReport(o *order, in *record.Fulfilment) bool {
	for i, fl := range in.Lines {
		field := fmt.Sprintf("fulfilment.lines[%d]", i)
		l := o.line(fl.LineID)
		if l == nil {
			a.reject(classRefused, field+".line_id", fmt.Sprintf("%s has no line %q", a.describe(o), fl.LineID))
			return false
		}
		reported := l.byWarehouse
		for _, other := range in.Lines[:i+1] {
			if other.LineID == fl.LineID {
				reported += other.Quantity
			}
		}
		if most := max(l.ordered, l.fulfilled); in.ReportedBy != record.ChannelReport && reported > most {
			a.reject(classRefused, field+".quantity",
				fmt.Sprintf("line %q of %s would have %d despatched of %d ordered", fl.LineID, a.describe(o), reported, most))
			return false
		}
	}
	for _, fl := range in.Lines {
		l := o.line(fl.LineID)
		if in.ReportedBy == record.ChannelReport {
			l.byReports = min(l.byReports+fl.Quantity, max(l.ordered, l.byReports))
		} else {
			l.byWarehouse += fl.Quantity
		}
		if o.fulfilledBy == record.ByChannel {
			a.channelDespatch(o, l, in.ShippedAt)
		} else if units := l.unshipped(); units > 0 {
			a.despatch(o, l, in.Outlet, units, in.ShippedAt)
		}
	}
	if ch, ok := a.pool.channels[o.channel]; ok && in.ReportedBy == record.Warehouse && ch.def.Flows.ShipmentsOut {
		a.changes.shipment(record.ShipmentNotice{
			Pool: a.pool.id, Channel: o.channel, Account: ch.account, OrderID: o.id, FulfilmentID: in.FulfilmentID,
			Outlet: in.Outlet, ShippedAt: in.ShippedAt, Carrier: in.Carrier, Tracking: in.Tracking,
			Lines: slices.Clone(in.Lines), Version: a.version,
		})
	}
	return true
}

// despatch takes units of the line off the shelf they left from. The promise at that outlet is kept first, then the newest
// elsewhere is moved there, then what still waits. Without an outlet the units leave from where they were promised; where
// nothing was, from the channel's default outlet, which is flagged. They left at the moment at, as far as anybody knows.
func (a *applying) despatch(o *order, l *line, outletID string, units stock.Quantity, at stock.Instant) {
	l.fulfilled += units
	left, onOrder := units, stock.Quantity(0)
	for i := range l.allocations {
		if al := &l.allocations[i]; al.outlet == outletID && al.open() > 0 {
			n := min(left, al.open())
			al.fulfilled += n
			a.unreserve(o, l, a.pool.outlets[outletID], n)
			a.takeOff(l, outletID, n, at)
			left, onOrder = left-n, onOrder+n
		}
	}
	moved := stock.Quantity(0) // promised elsewhere, or to nobody
	for i := len(l.allocations) - 1; i >= 0 && left > moved; i-- {
		al := &l.allocations[i]
		n := min(left-moved, al.open())
		if n == 0 {
			continue
		}
		onOrder += n
		a.unreserve(o, l, a.pool.outlets[al.outlet], n)
		if outletID == "" {
			al.fulfilled += n
			a.takeOff(l, al.outlet, n, at)
			left -= n
			continue
		}
		moved += n
		if al.quantity -= n; al.quantity == 0 {
			l.allocations = slices.Delete(l.allocations, i, i+1)
		}
	}
	if w := min(left-moved, l.waiting); w > 0 {
		a.unawait(o, l, w)
		onOrder += w
	}
	if onOrder > 0 {
		a.demand(l, -onOrder)
	}
	if left == 0 {
		return
	}
	from := outletID
	if from == "" {
		from = a.pool.defaultOutlet(o.channel)
		a.flag(classNoOutlet, "fulfilment.outlet",
			fmt.Sprintf("%d of line %q of %s left without an outlet: taken from %q", left, l.id, a.describe(o), from))
		if from == "" {
			return
		}
	}
	a.takeOff(l, from, left, at)
	l.promise(from, left)
	for i := range l.allocations {
		if l.allocations[i].outlet == from {
			l.allocations[i].fulfilled += left
		}
	}
}

// defaultOutlet is where units left from that nobody said it of: the channel's default outlet, else its best one.
func (p *pool) defaultOutlet(channelID string) string {
	if ch, ok := p.channels[channelID]; ok && ch.def.DefaultOutlet != "" {
		return ch.def.DefaultOutlet
	}
	if candidates := p.candidates(channelID, nil, nil); len(candidates) > 0 {
		return candidates[0].def.Outlet
	}
	return ""
}

// takeOff lowers on hand for a despatch, unless the warehouse sends a movement of its own for it.
func (a *applying) takeOff(l *line, outletID string, units stock.Quantity, at stock.Instant) {
	if units == 0 || !a.pool.settings.FulfilmentLowersOnHand {
		return
	}
	for _, pt := range l.parts() {
		a.leave(pt.sku, outletID, units*pt.per, at)
	}
}

// leave lowers on hand by what left at the moment, unless the shelf was counted since: then it is counted without them.
func (a *applying) leave(id, outletID string, units stock.Quantity, at stock.Instant) {
	s, ou := a.pool.sku(id), a.place(outletID)
	if s.countedAfter(ou, at) {
		a.flag(classLate, "shipped_at", a.inTheCount(s, ou))
		return
	}
	a.shift(s, ou, -units, at)
}

// channelDespatch moves what the channel despatched out of its own outlet, which is all that such an order does. A kit lies
// there as the kit.
func (a *applying) channelDespatch(o *order, l *line, at stock.Instant) {
	ch, ok := a.pool.channels[o.channel]
	units := l.despatched() - l.fulfilled
	if !ok || ch.def.OwnOutlet == "" || units <= 0 {
		return
	}
	l.fulfilled += units
	a.leave(l.sku, ch.def.OwnOutlet, units, at)
}
