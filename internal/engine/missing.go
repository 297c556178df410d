package engine

import (
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
		if x := m.sku(in.SKU); x != nil && (in.Kind == stock.Transfer || in.Kind.Delta(in.Quantity) > 0) {
			m.waiters(x)
		}
	case record.KindOrder:
		o, held := m.order(OrderID(e.Event.Order.Channel, e.Event.Order.OrderID))
		if !held {
			break
		}
		m.linesOf(o)
		for _, l := range e.Event.Order.Lines {
			m.skuAndWaiters(l.SKU)
		}
	case record.KindFulfilment:
		if o, held := m.order(OrderID(e.Event.Fulfilment.Channel, e.Event.Fulfilment.OrderID)); held {
			m.linesOf(o)
		}
	case record.KindListing:
		m.skuAndWaiters(e.Event.Listing.SKU)
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
