package engine

import (
	"slices"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// lowers reports whether the channel has lowered its own level for an order of this status.
func (a *applying) lowers(channelID string, status record.OrderStatus) bool {
	ch, ok := a.pool.channels[channelID]
	if !ok {
		return status == record.Pending || status == record.Open || status == record.Shipped
	}
	return slices.Contains(ch.def.LoweringStatuses, status)
}

// ledger moves the listing's sold and released counters by what the newest snapshot says of the line. They count what the
// channel's own level went through, whatever the pool's policies count.
func (a *applying) ledger(o *order, l *line) {
	if o.fulfilledBy == record.ByChannel || l.sku == "" {
		return
	}
	net := l.sold - l.released
	switch {
	case o.status == record.Cancelled:
		if l.sold < l.ordered { // first seen cancelled: it was sold and given back in between
			a.addCounters(l, l.ordered-l.sold, 0)
		}
		net = l.sold - l.released
		if kept := min(net, l.despatched()); kept < net {
			a.addCounters(l, 0, net-kept)
		}
	case a.lowers(o.channel, o.status):
		if l.ordered > net {
			a.addCounters(l, l.ordered-net, 0)
		} else if l.ordered < net {
			a.addCounters(l, 0, net-l.ordered)
		}
	}
}

func (a *applying) releaseCounters(l *line) {
	if net := l.sold - l.released; net > 0 {
		a.addCounters(l, 0, net)
	}
}

func (a *applying) addCounters(l *line, sold, released stock.Quantity) {
	l.sold += sold
	l.released += released
	s := a.pool.sku(l.sku)
	of := s.offer(l.at)
	of.sold += sold
	of.released += released
	of.counters = true
	a.changes.row(a.pool, s, s.offersRow())
	a.pool.note(s)
	a.pool.touch(s)
}

// locationOf returns the channel location whose level an order line lowered: the one it names, else the channel's first.
func (a *applying) locationOf(channelID, location string) string {
	ch, ok := a.pool.channels[channelID]
	if !ok || len(ch.def.Locations) == 0 {
		return ""
	}
	if location != "" && hasLocation(&ch.def, location) {
		return location
	}
	return ch.def.Locations[0].Location
}
