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
	p, ok := s.pool(e.Event.PoolID())
	if !ok {
		return keys
	}
	m := missing{pool: p, keys: keys}
	m.due(max(p.clock, e.EntryTime))
	if len(p.sweeps) > 0 {
		m.step(p.sweeps[0])
	}
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
			l, deltas := x.at(o)
			onHand := l.onHand + delta
			if in.Kind == stock.Count {
				onHand = in.Quantity + since(deltas, secondOf(in.OccurredAt))
			}
			m.losers(x, o, onHand)
		}
	case record.KindOrder:
		o, held := m.orderOf(e.Event.Order.Channel, e.Event.Order.OrderID)
		if !held {
			break
		}
		m.linesOf(o)
		m.snapshot(o, e.Event.Order)
	case record.KindFulfilment:
		if o, held := m.orderOf(e.Event.Fulfilment.Channel, e.Event.Fulfilment.OrderID); held {
			m.linesOf(o)
			var units stock.Quantity
			for _, l := range e.Event.Fulfilment.Lines {
				units += l.Quantity
			}
			m.leaving(e.Event.Fulfilment.Channel, o, nil, units, e.Event.Fulfilment.Outlet)
		}
	case record.KindDecline:
		if o, held := m.orderOf(e.Event.Decline.Channel, e.Event.Decline.OrderID); held {
			m.linesOf(o)
		}
	case record.KindReassign:
		if o, held := m.orderOf(e.Event.Reassign.Channel, e.Event.Reassign.OrderID); held {
			m.linesOf(o)
		}
	case record.KindKit:
		m.sku(e.Event.Kit.SKU)
		for _, c := range e.Event.Kit.Components {
			m.sku(c.SKU)
		}
	case record.KindListing:
		m.listing(e.Event.Listing)
	case record.KindOutlet, record.KindChannel, record.KindPool:
		m.step(sweep{kind: sweepOffers})
	case record.KindRefresh:
		m.step(sweep{kind: sweepRefresh, of: e.Event.Refresh.Channel})
	}
	return m.keys
}

// due asks for what an entry at the moment now handles before its event.
func (m *missing) due(now stock.Instant) {
	m.pool.due.first(now, func(kind, id string) {
		switch kind {
		case dueOrder:
			if o, held := m.order(id); held {
				m.linesOf(o)
			}
		case dueSKU:
			m.sku(id)
		case dueChannel:
			m.step(sweep{kind: sweepOffers})
		}
	})
}

// step asks for the SKUs of a sweep's next step.
func (m *missing) step(w sweep) {
	for _, id := range m.pool.next(&w) {
		x := m.sku(id)
		if x == nil {
			continue
		}
		m.waiters(x)
		if w.kind == sweepRefresh {
			m.owed(x)
		}
	}
}

type missing struct {
	pool *pool
	keys []RowKey
}

// sku returns the row, or asks for it. Where kits hang on it, it asks for their rows too, and for those of their components:
// what may be shown of a kit is worked out whenever one of these changes.
func (m *missing) sku(id string) *sku {
	x := m.row(id)
	if len(m.pool.kits) == 0 {
		return x
	}
	m.partsOf(id)
	kits := m.pool.partOf[id]
	if len(kits) > sweepStep {
		return x // they are swept
	}
	for _, kit := range kits {
		m.row(kit)
		m.partsOf(kit)
	}
	return x
}

func (m *missing) partsOf(kit string) {
	for _, pt := range m.pool.kits[kit] {
		m.row(pt.sku)
	}
}

// row returns the row, or asks for the parts of it that are not in memory and returns nil. A SKU that the pool's index does not
// have is new: nothing of it can be stored.
func (m *missing) row(id string) *sku {
	if id == "" {
		return nil // of a line that is held
	}
	x, held := m.pool.held(id)
	if held {
		x.used = true
		return x
	}
	if x == nil && !m.pool.index.has(id) {
		x = m.pool.sku(id)
		x.loaded = allRows
		return x
	}
	for _, t := range skuTables {
		if x == nil || x.loaded&t.row == 0 {
			m.keys = append(m.keys, RowKey{t.table, m.pool.id, id})
		}
	}
	return nil
}

// order returns the order (nil: there is none), or asks for it.
func (m *missing) order(key string) (o *order, held bool) {
	o, held = m.pool.orderRow(key)
	if !held {
		m.keys = append(m.keys, RowKey{TableOrders, m.pool.id, key})
	} else if o != nil {
		o.used = true
	}
	return o, held
}

// orderOf is order by the order's ids.
func (m *missing) orderOf(channel, id string) (o *order, held bool) {
	if o, held = m.pool.order(channel, id); !held {
		m.keys = append(m.keys, RowKey{TableOrders, m.pool.id, string(m.pool.key)})
	} else if o != nil {
		o.used = true
	}
	return o, held
}

// snapshot asks for what the order's lines take, and for who may lose a promise by what has left.
func (m *missing) snapshot(o *order, in *record.Order) {
	p := m.pool
	var units stock.Quantity
	takes := p.takes[:0]
	for i := range in.Lines {
		l := &in.Lines[i]
		if l.SKU == "" {
			m.item(ItemID(in.Channel, l.Item))
		}
		takes = p.appendTakes(takes, p.skuOf(o, in.Channel, l))
		units += l.Fulfilled
		if in.Status == record.Shipped {
			units += l.Quantity
		}
	}
	for i := range takes {
		m.skuAndWaiters(takes[i].sku)
	}
	p.takes = takes
	m.leaving(in.Channel, o, takes, units, "")
}

// item returns the item (nil: there is none), or asks for it.
func (m *missing) item(id string) (it *item, held bool) {
	it, held = m.pool.items[id]
	if !held {
		m.keys = append(m.keys, RowKey{TableItems, m.pool.id, id})
	} else if it != nil {
		it.used = true
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
	if i, found := x.findListing(def.Channel); found {
		names = append(names, x.listings[i].items()...)
	}
	for _, name := range names {
		it, held := m.item(ItemID(def.Channel, name))
		if !held || it == nil || len(it.held) == 0 {
			continue
		}
		takes := m.pool.appendTakes(nil, append([]string{def.SKU}, it.skus...)...)
		for _, pt := range takes {
			m.skuAndWaiters(pt.sku)
		}
		for _, key := range it.held {
			if o, held := m.order(key); held && o != nil {
				m.linesOf(o)
				m.leaving(o.channel, o, slices.Clone(takes), 0, "")
			}
		}
	}
}

func (m *missing) linesOf(o *order) {
	if o == nil {
		return
	}
	for i := range o.lines {
		l := &o.lines[i]
		m.sku(l.sku)
		for _, pt := range l.parts() {
			m.skuAndWaiters(pt.sku)
		}
	}
}

// line asks for what the line takes, and for its listing.
func (m *missing) line(l *line) {
	m.sku(l.sku)
	for _, pt := range l.kit() {
		m.sku(pt.sku)
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
			m.line(&o.lines[i])
		}
	}
}

// owed asks for the orders to which units of the SKU are promised, and for the SKUs of all their lines.
func (m *missing) owed(x *sku) {
	for i := range x.promises {
		if o, held := m.order(x.promises[i].order); held && o != nil {
			for k := range o.lines {
				m.line(&o.lines[k])
			}
		}
	}
}

// leaving asks for whoever may lose a promise when units of the order leave: more than what is promised to it where they leave
// from. It asks for too many rather than too few.
func (m *missing) leaving(channelID string, o *order, takes []part, units stock.Quantity, outletID string) {
	from := []string{outletID}
	if o != nil {
		for i := range o.lines {
			l := &o.lines[i]
			takes = append(append(takes, part{l.sku, 1}), l.kit()...)
			units += max(0, l.despatched()-l.fulfilled)
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
	from = append(from, m.pool.defaultOutlet(channelID))
	if ch, ok := m.pool.channels[channelID]; ok {
		from = append(from, ch.def.OwnOutlet)
	}
	slices.SortFunc(takes, func(a, b part) int { return strings.Compare(a.sku, b.sku) })
	for i := 0; i < len(takes); {
		id, per := takes[i].sku, stock.Quantity(0)
		for ; i < len(takes) && takes[i].sku == id; i++ {
			per += takes[i].per
		}
		x, held := m.pool.held(id)
		if !held {
			continue // asked for already
		}
		for i := range x.levels {
			l := &x.levels[i]
			if o := m.pool.outletOf(l); slices.Contains(from, o.def.Outlet) {
				m.losers(x, o, l.onHand-units*per)
			}
		}
	}
}

// losers asks for the orders whose promises go when the outlet has only so many units on hand, and for the SKUs of all their
// lines, since they are decided again.
func (m *missing) losers(x *sku, o *outlet, onHand stock.Quantity) {
	l, _ := x.at(o)
	x.newest(o, l.short(onHand), func(pr promise, _ stock.Quantity) {
		loser, held := m.order(pr.order)
		if !held || loser == nil {
			return
		}
		for i := range loser.lines {
			l := &loser.lines[i]
			m.line(l)
			if l.id == pr.line || !m.pool.settings.SplitOrders { // the kit's other components become free, or what must not be split
				for _, pt := range l.parts() {
					m.skuAndWaiters(pt.sku)
				}
			}
		}
	})
}
