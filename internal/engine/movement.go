package engine

import (
	"fmt"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// movement adds to or takes from the shelf. Facts may precede their catalogue: an outlet nobody declared counts from now
// on, and is not sold.
func (a *applying) movement(m *record.Movement) {
	if !a.pool.fresh(a.version, m, a.changes) {
		return
	}
	o, known := a.pool.outlet(m.Outlet)
	if !known {
		a.undeclared(m.Outlet)
	}
	a.shift(a.pool.sku(m.SKU), o, m.Kind.Delta(m.Quantity))
}

// undeclared records that an outlet exists from now on because a fact has named it.
func (a *applying) undeclared(outletID string) {
	a.flag(classUndeclared, "outlet", fmt.Sprintf("outlet %q is not declared: it counts and is not sold", outletID))
	a.changes.pools = append(a.changes.pools, poolChange{a.pool, outletRow(outletID)})
}

// shift changes on hand by delta at one outlet. The shelf is right where it disagrees with us, so a negative count stands and
// is flagged.
func (a *applying) shift(s *sku, o *outlet, delta stock.Quantity) {
	a.pool.note(s)
	l := s.level(o)
	l.onHand += delta
	if delta > 0 {
		s.freed = true
	}
	a.pool.count(s)
	if l.onHand < 0 && delta < 0 {
		a.flag(classNegative, "quantity", fmt.Sprintf("on hand of %q at %q is %d", s.id, o.def.Outlet, l.onHand))
	}
}

// availability fills a with the SKU's present counts. A channel's own outlets are listed, but stay out of the totals.
func (s *sku) availability(pool string, a *record.Availability) {
	*a = record.Availability{
		Pool: pool, SKU: s.id, Version: s.version, ChangedAt: s.changedAt, OnOrder: s.onOrder, Times: s.times, Outlets: a.Outlets[:0],
	}
	for i := range s.levels {
		l := &s.levels[i]
		if !l.outlet.def.ChannelOwned {
			a.OnHand += l.onHand
			a.Reserved += l.reserved
		}
		if l.onHand != 0 || l.reserved != 0 {
			a.Outlets = append(a.Outlets, record.OutletLevel{
				Outlet: l.outlet.def.Outlet, OnHand: l.onHand, Reserved: l.reserved, Undeclared: !l.outlet.declared,
			})
		}
	}
	a.Available = a.OnHand - s.onOrder
	a.Backordered = max(0, s.onOrder-a.OnHand)
}
