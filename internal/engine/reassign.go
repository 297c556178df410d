package engine

import (
	"fmt"
	"slices"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// ruleReassigned is what a decision says that a person has taken.
const ruleReassigned = "reassigned"

// decline takes units back from an outlet that does not find them. The line is decided again without that outlet, now and
// later: nobody asks it for them twice.
func (a *applying) decline(d *record.Decline) {
	id := stream.JoinKey("decline", "", d.EventID)
	o, l := a.promisedLine(id, d.EventID, d.Channel, d.OrderID, d.LineID, d.Outlet, d.Quantity)
	if l == nil {
		return
	}
	a.pool.remember(id, a.version, a.changes)
	if i, found := slices.BinarySearch(l.declined(), d.Outlet); !found {
		l.specially().declined = slices.Insert(slices.Clip(l.declined()), i, d.Outlet)
		a.queue(o, l)
	}
	a.giveBack(o, l, d.Outlet, d.Quantity)
	a.awaitAgain(o, l, d.Quantity)
	a.keepTogether(o, l)
}

// reassign moves units of a line to the outlet that a person names. They know better than the rules which outlets may serve
// it, but they cannot promise what is not there.
func (a *applying) reassign(r *record.Reassign) {
	id := stream.JoinKey("reassign", "", r.EventID)
	o, l := a.promisedLine(id, r.EventID, r.Channel, r.OrderID, r.LineID, r.From, r.Quantity)
	if l == nil {
		return
	}
	to, known := a.pool.outlets[r.To]
	switch {
	case r.From == r.To:
		a.reject(classRefused, "to", fmt.Sprintf("the units are at %q already", r.To))
		return
	case !known || !to.fulfils():
		a.reject(classRefused, "to", fmt.Sprintf("outlet %q does not fulfil orders", r.To))
		return
	}
	for _, pt := range l.parts() {
		if at, _ := a.pool.sku(pt.sku).at(to); at.free() < r.Quantity*pt.per {
			a.reject(classRefused, "quantity", fmt.Sprintf("%q has %d of %q free, not %d", r.To, at.free(), pt.sku, r.Quantity*pt.per))
			return
		}
	}
	a.pool.remember(id, a.version, a.changes)
	a.giveBack(o, l, r.From, r.Quantity)
	l.promise(r.To, r.Quantity)
	a.reserve(o, l, to, r.Quantity)
	o.decision = record.Decision{Rule: ruleReassigned, Exact: true}
	a.askAgain(o)
	a.stamp(o)
}

// promisedLine returns the order and its line where the outlet owes the line at least so many units, else rejects the event
// and returns nil. id is what the event is remembered by.
func (a *applying) promisedLine(id, eventID, channelID, orderID, lineID, outletID string, units stock.Quantity) (*order, *line) {
	if _, twice := a.pool.seen.ids[id]; twice {
		a.reject(classDuplicate, "event_id", fmt.Sprintf("event_id %q was seen before", eventID))
		return nil, nil
	}
	o := a.pool.orderAt(OrderID(channelID, orderID))
	if o == nil || o.early {
		a.reject(classRefused, "order_id", fmt.Sprintf("order %q of channel %q is not known", orderID, channelID))
		return nil, nil
	}
	l := o.line(lineID)
	if l == nil {
		a.reject(classRefused, "line_id", fmt.Sprintf("%s has no line %q", a.describe(o), lineID))
		return nil, nil
	}
	var open stock.Quantity
	for i := range l.allocations {
		if al := &l.allocations[i]; al.outlet == outletID {
			open = al.open()
		}
	}
	if open < units {
		a.reject(classRefused, "quantity", fmt.Sprintf("%q owes line %q of %s %d, not %d", outletID, lineID, a.describe(o), open, units))
		return nil, nil
	}
	return o, l
}
