package engine

import "github.com/shelfwire/shelfwire/internal/record"

// lookMost is how many entries Look takes at a time: what they need stays in the processor's caches until they are applied.
const lookMost = 64

// Look looks at the rows that the movements and orders among the first of the entries are about, and returns how many entries these
// are. It changes nothing. A fold waits for memory more than it computes: rows that are looked at together come together, those that
// are looked at as their entries are applied come one after the other.
func (s *State) Look(entries []record.JournalEntry) int {
	entries = entries[:min(len(entries), lookMost)]
	var moved [lookMost]*sku
	var ordered [4 * lookMost]*sku
	movements, orders := moved[:0], ordered[:0]
	look := func(skus []*sku, pool, id string) []*sku {
		if p, ok := s.pools[pool]; ok {
			if x := p.find(id); x != nil {
				skus = append(skus, x)
			}
		}
		return skus
	}
	for i := range entries {
		switch e := &entries[i].Event; {
		case e.Movement != nil:
			movements = look(movements, e.Movement.Pool, e.Movement.SKU)
		case e.Order != nil:
			for k := range e.Order.Lines {
				orders = look(orders, e.Order.Pool, e.Order.Lines[k].SKU)
			}
		}
	}
	s.lookAt(movements)
	s.lookAt(orders)
	for _, x := range orders {
		if n := len(x.promises); n > 0 {
			s.looked += int32(x.promises[n-1].units)
		}
	}
	return len(entries)
}

// lookAt looks at the SKUs' rows, step by step for all of them: where a step leads to is known when the one before has come.
func (s *State) lookAt(skus []*sku) {
	for _, x := range skus {
		if len(x.levels) > 0 {
			s.looked += x.levels[0].outlet
		}
		if len(x.deltas) > 0 {
			s.looked += x.deltas[0].high
		}
		for i := range x.listings {
			s.looked += int32(len(x.listings[i].offers))
		}
	}
	for _, x := range skus {
		for i := range x.listings {
			if l := &x.listings[i]; len(l.offers) > 0 {
				s.looked += l.offers[0].slot
			}
		}
	}
}
