package engine

import "github.com/shelfwire/shelfwire/internal/record"

// lookMost is how many entries Look takes at a time: what they need stays in the processor's caches until they are applied.
const lookMost = 64

// Look looks at the rows that the movements among the first of the entries are about, and returns how many entries these are. It
// changes nothing. A fold waits for memory more than it computes: rows that are looked at together come together, those that are
// looked at as their entries are applied come one after the other.
func (s *State) Look(entries []record.JournalEntry) int {
	entries = entries[:min(len(entries), lookMost)]
	var skus [lookMost]*sku
	n := 0
	for i := range entries {
		m := entries[i].Event.Movement
		if m == nil {
			continue
		}
		if p, ok := s.pools[m.Pool]; !ok {
			continue
		} else if x, ok := p.skus[m.SKU]; ok {
			skus[n] = x
			n++
		}
	}
	for _, x := range skus[:n] {
		if len(x.levels) > 0 {
			s.looked += x.levels[0].outlet
		}
		if len(x.deltas) > 0 {
			s.looked += x.deltas[0].high
		}
	}
	return len(entries)
}
