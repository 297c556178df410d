package engine

import (
	"slices"
	"strings"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Missing appends to keys the rows that Apply would need for e and that are not in memory. It is called again after they
// were loaded, until it appends nothing: which orders an entry needs may follow from a stock row. The entry's pool must
// have been loaded. The same key may be appended twice.
func (s *State) Missing(keys []RowKey, e *record.JournalEntry) []RowKey {
	p, ok := s.pools[e.Event.PoolID()]
	if !ok {
		return keys
	}
	m := missing{pool: p, keys: keys}
	switch e.Event.Kind() {
	case record.KindMovement:
		in := e.Event.Movement
		x := m.sku(in.SKU)
		if x == nil {
			break
		}
		delta := in.Kind.Delta(in.Quantity)
		if in.Kind == stock.Count || in.Kind == stock.Transfer || delta > 0 {
			m.waiters(x)
		}
		if o, ok := p.outlets[in.Outlet]; ok {
			onHand := x.at(o).onHand + delta
			if in.Kind == stock.Count {
				known := x.remembers(o)
				onHand = in.Quantity + known.since(secondOf(in.OccurredAt))
			}
			m.losers(x, o, onHand)
		}
	case record.KindOrder:
		o, held := m.order(OrderID(e.Event.Order.Channel, e.Event.Order.OrderID))
		if !held {
			break
		}
		m.linesOf(o)
		var units stock.Quantity
		var skus []string
		for _, l := range e.Event.Order.Lines {
			if l.SKU == "" {
				m.item(ItemID(e.Event.Order.Channel, l.Item))
			}
			skus = append(skus, p.skuOf(o, e.Event.Order.Channel, &l))
			m.skuAndWaiters(skus[len(skus)-1])
			units += l.Fulfilled
			if e.Event.Order.Status == record.Shipped {
				units += l.Quantity
			}
		}
		m.leaving(e.Event.Order.Channel, o, skus, units, "")
	case record.KindFulfilment:
		if o, held := m.order(OrderID(e.Event.Fulfilment.Channel, e.Event.Fulfilment.OrderID)); held {
			m.linesOf(o)
			var units stock.Quantity
			for _, l := range e.Event.Fulfilment.Lines {
				units += l.Quantity
			}
			m.leaving(e.Event.Fulfilment.Channel, o, nil, units, e.Event.Fulfilment.Outlet)
		}
	case record.KindDecline:
		if o, held := m.order(OrderID(e.Event.Decline.Channel, e.Event.Decline.OrderID)); held {
			m.linesOf(o)
		}
	case record.KindReassign:
		if o, held := m.order(OrderID(e.Event.Reassign.Channel, e.Event.Reassign.OrderID)); held {
			m.linesOf(o)
		}
	case record.KindListing:
		m.listing(e.Event.Listing)
	case record.KindOutlet, record.KindChannel:
		for _, id := range p.index.all() {
			m.skuAndWaiters(id)
		}
	}
	return m.keys
}

type missing struct {
	pool *pool
	keys []RowKey
}

// sku returns the row, or asks for the parts of it that are not in memory and returns nil.
func (m *missing) sku(id string) *sku {
	if id == "" {
		return nil // of a line that is held
	}
	x, held := m.pool.held(id)
	if held {
		return x
	}
	if x == nil || !x.hasStock {
		m.keys = append(m.keys, RowKey{TableStock, m.pool.id, id})
	}
	if x == nil || !x.hasListings {
		m.keys = append(m.keys, RowKey{TableListings, m.pool.id, id})
	}
	if x == nil || !x.hasRecent {
		m.keys = append(m.keys, RowKey{TableRecent, m.pool.id, id})
	}
	if x == nil || !x.hasPromises {
		m.keys = append(m.keys, RowKey{TablePromises, m.pool.id, id})
	}
	return nil
}

// order returns the order (nil: there is none), or asks for it.
func (m *missing) order(key string) (o *order, held bool) {
	o, held = m.pool.orders[key]
	if !held {
		m.keys = append(m.keys, RowKey{TableOrders, m.pool.id, key})
	}
	return o, held
}

// item returns the item (nil: there is none), or asks for it.
func (m *missing) item(id string) (it *item, held bool) {
	it, held = m.pool.items[id]
	if !held {
		m.keys = append(m.keys, RowKey{TableItems, m.pool.id, id})
	}
	return it, held
}

// listing asks for the items that the listing carries or has carried, and for the orders that are held for these.
func (m *missing) listing(def *record.Listing) {
	x := m.sku(def.SKU)
	if x == nil {
		return
	}
	m.waiters(x)
	names := itemsOf(def)
	if i, ok := slices.BinarySearchFunc(x.listings, def.Channel, func(l listing, id string) int { return strings.Compare(l.channel, id) }); ok && x.listings[i].declared {
		names = append(names, itemsOf(&x.listings[i].def)...)
	}
	for _, name := range names {
		it, held := m.item(ItemID(def.Channel, name))
		if !held || it == nil || len(it.held) == 0 {
			continue
		}
		for _, id := range it.skus {
			m.skuAndWaiters(id)
		}
		for _, key := range it.held {
			if o, held := m.order(key); held && o != nil {
				m.linesOf(o)
				m.leaving(o.channel, o, append([]string{def.SKU}, it.skus...), 0, "")
			}
		}
	}
}

func (m *missing) linesOf(o *order) {
	if o == nil {
		return
	}
	for i := range o.lines {
		m.skuAndWaiters(o.lines[i].sku)
	}
}

func (m *missing) skuAndWaiters(id string) {
	if x := m.sku(id); x != nil {
		m.waiters(x)
	}
}

// waiters asks for the orders that wait for the SKU and for the SKUs of all their lines, since they are served whole. Serving
// them frees nothing, so nobody else is needed.
func (m *missing) waiters(x *sku) {
	for _, w := range x.waiting {
		o, held := m.order(w.order)
		if !held || o == nil {
			continue
		}
		for i := range o.lines {
			m.sku(o.lines[i].sku)
		}
	}
}

// leaving asks for whoever may lose a promise when units of the order leave: more than what is promised to it where they leave
// from. It asks for too many rather than too few.
func (m *missing) leaving(channelID string, o *order, skus []string, units stock.Quantity, outletID string) {
	from := []string{outletID, m.pool.defaultOutlet(channelID)}
	if ch, ok := m.pool.channels[channelID]; ok {
		from = append(from, ch.def.OwnOutlet)
	}
	if o != nil {
		for i := range o.lines {
			l := &o.lines[i]
			skus = append(skus, l.sku)
			units += l.unshipped()
			for _, al := range l.allocations {
				from = append(from, al.outlet)
			}
		}
		for i := range o.fulfilments {
			if early := o.fulfilments[i].early; early != nil {
				from = append(from, early.Outlet)
				for _, l := range early.Lines {
					units += l.Quantity
				}
			}
		}
	}
	if units == 0 {
		return
	}
	for _, id := range skus {
		x, held := m.pool.held(id)
		if !held {
			continue // asked for already
		}
		for i := range x.levels {
			if l := &x.levels[i]; slices.Contains(from, l.outlet.def.Outlet) {
				m.losers(x, l.outlet, l.onHand-units)
			}
		}
	}
}

// losers asks for the orders whose promises go when the outlet has only so many units on hand, and for the SKUs of all their
// lines, since they are decided again.
func (m *missing) losers(x *sku, o *outlet, onHand stock.Quantity) {
	l := x.at(o)
	x.newest(o, l.short(onHand), func(pr promise, _ stock.Quantity) {
		loser, held := m.order(pr.order)
		if !held || loser == nil {
			return
		}
		for i := range loser.lines {
			m.sku(loser.lines[i].sku)
		}
	})
}
