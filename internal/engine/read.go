package engine

import "github.com/shelfwire/shelfwire/internal/record"

// Availability sets a to the present counts of a SKU whose TableStock row has been loaded, and reports whether anything was
// ever counted for it. a keeps nothing of the state.
func (s *State) Availability(pool, sku string, a *record.Availability) bool {
	p, ok := s.pools[pool]
	if !ok {
		return false
	}
	x, ok := p.skus[sku]
	if !ok || x.version == 0 {
		return false
	}
	x.availability(pool, a)
	return true
}

// Allocation sets a to the present state of an order whose TableOrders row has been loaded, and reports whether the order is
// known: of one that was only despatched so far there is a row but no allocation. a may share slices with the state.
func (s *State) Allocation(pool, channel, id string, a *record.Allocation) bool {
	p, ok := s.pools[pool]
	if !ok {
		return false
	}
	o := p.orders[OrderID(channel, id)]
	if o == nil || o.status == 0 {
		return false
	}
	o.allocation(pool, a)
	return true
}
