package engine

import (
	"fmt"
	"slices"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// maxPerKit bounds what one kit may need of a component, so that no number of kits ordered leaves an int64.
const maxPerKit stock.Quantity = 1_000_000

// A part is what one unit of a line needs of one SKU.
type part struct {
	sku string
	per stock.Quantity
}

// parts returns what one unit of the line takes off the shelves: its SKU, or the components of a kit as they were when the
// line was first read. None for a line that is held.
func (l *line) parts() []part {
	switch {
	case l.sku == "":
		return nil
	case l.kit() != nil:
		return l.kit()
	}
	return []part{{l.sku, 1}}
}

// per returns what one unit of the line takes of the SKU.
func (l *line) per(sku string) stock.Quantity {
	for _, pt := range l.parts() {
		if pt.sku == sku {
			return pt.per
		}
	}
	return 1
}

// kitOf returns the components of a kit by SKU, nil for what is none. The result is shared: nobody changes it.
func (p *pool) kitOf(sku string) []part { return p.kits[sku] }

// appendTakes appends the SKUs with the components of those that are kits.
func (p *pool) appendTakes(takes []part, skus ...string) []part {
	for _, id := range skus {
		takes = append(append(takes, part{id, 1}), p.kits[id]...)
	}
	return takes
}

// kit declares what a kit is made of. Kits are one level deep. Lines that are open keep the kit as it was.
func (a *applying) kit(def *record.Kit) {
	if reason := a.pool.badKit(def); reason != "" {
		a.reject(classRefused, "components", reason)
		return
	}
	var parts []part // none of one that is deleted
	for _, c := range keptComponents(def) {
		parts = append(parts, part{c.SKU, c.Quantity})
	}
	a.pool.setKit(def.SKU, parts)
	a.changes.pools = append(a.changes.pools, poolChange{a.pool, kitRow(def.SKU)})
	a.pool.touch(a.pool.sku(def.SKU))
}

// badKit says why there can be no such kit, "" if there can.
func (p *pool) badKit(def *record.Kit) string {
	if def.Deleted {
		return ""
	}
	if of := p.partOf[def.SKU]; len(of) > 0 {
		return fmt.Sprintf("%q is a component of kit %q: kits are one level deep", def.SKU, of[0])
	}
	if len(def.Components) == 0 {
		return "a kit is made of something"
	}
	for i, c := range def.Components {
		switch {
		case c.SKU == def.SKU:
			return fmt.Sprintf("kit %q would be made of itself", def.SKU)
		case p.kits[c.SKU] != nil:
			return fmt.Sprintf("component %q is a kit: kits are one level deep", c.SKU)
		case c.Quantity > maxPerKit:
			return fmt.Sprintf("a kit takes at most %d of %q", maxPerKit, c.SKU)
		case slices.ContainsFunc(def.Components[:i], func(d record.Component) bool { return d.SKU == c.SKU }):
			return fmt.Sprintf("component %q is named twice", c.SKU)
		}
	}
	return ""
}

// setKit puts the kit in place of what it was; nil parts: it is none any more.
func (p *pool) setKit(sku string, parts []part) {
	for _, pt := range p.kits[sku] {
		p.partOf[pt.sku] = slices.DeleteFunc(p.partOf[pt.sku], func(s string) bool { return s == sku })
		if len(p.partOf[pt.sku]) == 0 {
			delete(p.partOf, pt.sku)
		}
	}
	if parts == nil {
		delete(p.kits, sku)
		return
	}
	p.kits[sku] = parts
	for _, pt := range parts {
		i, _ := slices.BinarySearch(p.partOf[pt.sku], sku)
		p.partOf[pt.sku] = slices.Insert(p.partOf[pt.sku], i, sku)
	}
}

// kitAt returns what an outlet has of a kit, in kits: by the component of which there is least beyond what is promised and kept
// back, the first of these.
func (p *pool) kitAt(kit []part, o *outlet) record.OfferOutlet {
	var least record.OfferOutlet
	for i, pt := range kit {
		l, _ := p.sku(pt.sku).at(o)
		onHand, free := max(0, l.onHand)/pt.per, l.free()/pt.per
		available := max(0, l.free()-o.def.SafetyStock) / pt.per
		if i == 0 || available < least.Available {
			least = record.OfferOutlet{
				Outlet: o.def.Outlet, OnHand: onHand, Reserved: onHand - free, SafetyStock: free - available, Available: available,
			}
		}
	}
	return least
}

// kitsAvailable sums what the outlets could serve of a kit. into, where given, collects each outlet's part, in the order of the
// outlets' ids.
func (p *pool) kitsAvailable(kit []part, outlets outletSet, into *[]record.OfferOutlet) stock.Quantity {
	var sum stock.Quantity
	first := p.sku(kit[0].sku) // an outlet that has none of it has no kit
	for i := range first.levels {
		l := &first.levels[i]
		if l.empty() || !outlets.has(l.outlet) {
			continue
		}
		at := p.kitAt(kit, p.outletOf(l))
		sum += at.Available
		if into != nil {
			*into = append(*into, at)
		}
	}
	return sum
}

// kitsWaiting sums the kits that could not be served beside the orders that wait for components and that only outlets of this
// set could serve: an order takes at most as many kits' components as it waits for of the one it needs most of.
func (a *applying) kitsWaiting(kit []part, outlets outletSet) stock.Quantity {
	var sum stock.Quantity
	for i, pt := range kit {
		for _, w := range a.pool.sku(pt.sku).waiting {
			if !a.onlyFrom(&w, outlets) {
				continue
			}
			most, counted := kitsOf(w.quantity, pt.per), false
			for j, other := range kit {
				if j == i {
					continue
				}
				for _, v := range a.pool.sku(other.sku).waiting {
					if v.order == w.order && v.line == w.line {
						most = max(most, kitsOf(v.quantity, other.per))
						counted = counted || j < i
					}
				}
			}
			if !counted {
				sum += most
			}
		}
	}
	return sum
}

// kitsOf returns how many kits it takes to hold so many units of a component.
func kitsOf(units, per stock.Quantity) stock.Quantity { return (units + per - 1) / per }
