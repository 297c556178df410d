package engine

import (
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Availability sets a to the present counts of a SKU whose TableStock row has been loaded, and reports whether anything was
// ever counted for it. When that changed is not known any more. a keeps nothing of the state.
func (s *State) Availability(pool, sku string, a *record.Availability) bool {
	p, ok := s.pool(pool)
	if !ok {
		return false
	}
	x := p.skus.find(sku)
	if x == nil || x.version == 0 {
		return false
	}
	p.availability(x, a)
	return true
}

// Allocation sets a to the present state of an order whose TableOrders row has been loaded, and reports whether the order is
// known: of one that was only despatched so far there is a row but no allocation. When it changed and by what is not in a: no row
// keeps it. a may share slices with the state.
func (s *State) Allocation(pool, channel, id string, a *record.Allocation) bool {
	return s.AllocationAt(RowKey{TableOrders, pool, OrderID(channel, id)}, a)
}

// AllocationAt is [State.Allocation] of an order that is named by its row.
func (s *State) AllocationAt(row RowKey, a *record.Allocation) bool {
	p, ok := s.pool(row.Pool)
	if !ok {
		return false
	}
	o := p.orderAt(row.ID)
	if o == nil || o.status == 0 {
		return false
	}
	o.allocation(row.Pool, a)
	return true
}

// An OrderDetail is what an order's row keeps beyond the allocation record. Lines are sorted by id, as in the record.
type OrderDetail struct {
	ExpiresAt stock.Instant // of a pending order: when its hold ends; 0: never
	Lines     []LineDetail
	Settings  record.Pool // of the pool, as they are now: the decision may be older
}

// A LineDetail is what is kept of a line beyond its allocation.
type LineDetail struct {
	LineID       string
	Item         string             // the channel's own id, where that is all the channel says
	Outlet       string             // the only one that may serve it, "" for any
	Declined     []string           // the outlets that would not, by id
	Kit          []record.Component // what one unit was made of when the order came; none for what is no kit
	WaitingSince stock.Version      // of the entry since which units wait; 0: none do
}

// Detail returns what is kept of an order beyond [State.Allocation]; it is empty for an order that is not known. It may share slices
// with the state.
func (s *State) Detail(pool, channel, id string) OrderDetail {
	var d OrderDetail
	p, ok := s.pool(pool)
	if !ok {
		return d
	}
	o := p.orderAt(OrderID(channel, id))
	if o == nil {
		return d
	}
	d.Settings = p.settings
	if o.status == record.Pending {
		d.ExpiresAt = o.expiresAt
	}
	for i := range o.lines {
		l := &o.lines[i]
		line := LineDetail{LineID: l.id, Outlet: l.outlet(), Declined: l.declined()}
		if l.sku == "" {
			line.Item = l.item()
		}
		for _, pt := range l.kit() {
			line.Kit = append(line.Kit, record.Component{SKU: pt.sku, Quantity: pt.per})
		}
		if l.waiting > 0 {
			line.WaitingSince = l.since
		}
		d.Lines = append(d.Lines, line)
	}
	return d
}
