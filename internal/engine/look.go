package engine

import "github.com/shelfwire/shelfwire/internal/record"

// lookMost is how many entries Look takes at a time: what they need stays in the processor's caches until they are applied.
const lookMost = 64

// A looking is a row that Look is on its way to.
type looking struct {
	pool *pool
	id   string
	hash uint64
	row  *sku
}

// Look looks at the rows that the movements and orders among the first of the entries are about, and returns how many entries these
// are. It changes nothing. A fold waits for memory more than it computes: rows that are looked at together come together, those that
// are looked at as their entries are applied come one after the other.
func (s *State) Look(entries []record.JournalEntry) int {
	entries = entries[:min(len(entries), lookMost)]
	s.look = s.look[:0]
	for i := range entries {
		switch e := &entries[i].Event; {
		case e.Movement != nil:
			if p, ok := s.pools[e.Movement.Pool]; ok {
				s.look = append(s.look, looking{pool: p, id: e.Movement.SKU, hash: hashSKU(e.Movement.SKU)})
			}
		case e.Order != nil:
			if p, ok := s.pools[e.Order.Pool]; ok {
				for k := range e.Order.Lines {
					id := e.Order.Lines[k].SKU
					s.look = append(s.look, looking{pool: p, id: id, hash: hashSKU(id)})
				}
			}
		}
	}
	// Step by step for all of them: where a step leads to is known when the one before has come.
	for i := range s.look {
		x := &s.look[i]
		x.row = x.pool.skus.first(x.hash)
	}
	for i := range s.look {
		if x := s.look[i].row; x != nil {
			s.looked += int32(x.slot) + int32(len(x.id)) + int32(len(x.listings))
		}
	}
	for i := range s.look {
		if x := s.look[i].row; x != nil {
			s.lookAt(x)
		}
	}
	for i := range s.look {
		if x := s.look[i].row; x != nil {
			for k := range x.listings {
				if l := &x.listings[k]; len(l.offers) > 0 {
					s.looked += l.offers[0].slot
				}
			}
		}
	}
	return len(entries)
}

// lookAt looks at what the row itself leads to.
func (s *State) lookAt(x *sku) {
	s.looked += int32(x.id[0])
	for i := 0; i < len(x.levels); i += 2 { // two are a line of the cache
		s.looked += x.levels[i].outlet
	}
	if n := len(x.deltas); n > 0 {
		s.looked += x.deltas[n-1].high
	}
	if n := len(x.promises); n > 0 {
		s.looked += int32(x.promises[n-1].units)
	}
	for i := range x.listings {
		s.looked += int32(len(x.listings[i].offers))
	}
}
