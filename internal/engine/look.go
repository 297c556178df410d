package engine

import (
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// lookMost is how many entries Look takes at a time: what they need stays in the processor's caches until they are applied.
const lookMost = 64

// A looking is where Look expects a row.
type looking struct {
	pool *pool
	hash uint64
}

// Look looks at the rows that the movements and orders among the first of the entries are about, and returns how many entries these
// are. It changes nothing. A fold waits for memory more than it computes: rows that are looked at together come together, those that
// are looked at as their entries are applied come one after the other.
func (s *State) Look(entries []record.JournalEntry) int {
	n := s.find(entries)
	s.looked += lookAt(s.rows)
	return n
}

// Glance is [State.Look] for whoever only asks what is missing: what only Apply looks at would have left the caches again by then.
func (s *State) Glance(entries []record.JournalEntry) int {
	n := s.find(entries)
	s.looked += glanceAt(s.rows)
	return n
}

// find puts the SKUs that Look takes at a time into s.rows, looks at the orders, and returns of how many entries they are.
func (s *State) find(entries []record.JournalEntry) int {
	entries = entries[:min(len(entries), lookMost)]
	s.look, s.orders = s.look[:0], s.orders[:0]
	for i := range entries {
		switch e := &entries[i].Event; {
		case e.Movement != nil:
			if p, ok := s.pool(e.Movement.Pool); ok {
				s.look = append(s.look, looking{p, hashID(e.Movement.SKU)})
			}
		case e.Order != nil:
			if p, ok := s.pool(e.Order.Pool); ok {
				p.key = stream.AppendKey(p.key[:0], e.Order.Channel, e.Order.OrderID)
				s.orders = append(s.orders, looking{p, hashID(p.key)})
				for k := range e.Order.Lines {
					s.look = append(s.look, looking{p, hashID(e.Order.Lines[k].SKU)})
				}
			}
		}
	}
	// Step by step for all of them: where a step leads to is known when the one before has come.
	s.rows = s.rows[:0]
	for i := range s.look {
		x := &s.look[i]
		s.rows = append(s.rows, x.pool.skus.first(x.hash))
	}
	for i := range s.orders {
		x := &s.orders[i]
		if o := x.pool.orders.first(x.hash); o != nil {
			s.looked += int32(len(o.lines))
		}
	}
	return len(entries)
}

// glanceAt looks at the rows (nil: none) and their levels. What it returns says nothing: with it, no look can be left out.
func glanceAt(rows []*sku) (seen int32) {
	for _, x := range rows {
		if x != nil {
			seen += x.slot + int32(len(x.id)+len(x.listings)) // its first and its last line of the cache, and one between
		}
	}
	for _, x := range rows {
		if x == nil {
			continue
		}
		if x.id != "" {
			seen += int32(x.id[0])
		}
		for i := 0; i < len(x.levels); i += 2 { // two are a line of the cache
			seen += x.levels[i].outlet
		}
	}
	return seen
}

// lookAt looks at the rows and all that they lead to.
func lookAt(rows []*sku) (seen int32) {
	seen = glanceAt(rows)
	for _, x := range rows {
		if x == nil {
			continue
		}
		seen += lookAtDeltas(x)
		if n := len(x.promises); n > 0 {
			seen += int32(x.promises[n-1].units)
		}
		for i := range x.listings {
			l := &x.listings[i]
			seen += int32(len(l.channel) + len(l.ids)) // its lines of the cache
		}
		for i := range x.offers {
			seen += x.offers[i].slot
		}
	}
	return seen
}

// lookAtDeltas looks at what the SKU remembers of its movements, where that is little.
func lookAtDeltas(x *sku) (seen int32) {
	for i := len(x.deltas) - 1; i >= max(0, len(x.deltas)-nearDeltas); i -= 5 { // five are a line of the cache
		seen += x.deltas[i].high
	}
	return seen
}

// lookAtPacked is lookAt for whoever is about to pack the rows.
func lookAtPacked(rows []*sku) (seen int32) {
	seen = glanceAt(rows)
	for _, x := range rows {
		seen += lookAtDeltas(x)
		for i := range x.offers {
			seen += x.offers[i].slot
		}
		if n := len(x.promises); n > 0 && x.changed&promisesRow != 0 {
			seen += int32(x.promises[n-1].units)
		}
		if x.changed&listingsRow == 0 {
			continue
		}
		for i := range x.listings {
			if packed := x.listings[i].packed; len(packed) > 0 {
				seen += int32(packed[0])
			}
		}
	}
	return seen
}

// lookAtOffers looks at what records of offers lead to.
func lookAtOffers(offers []offerChange) (seen int32) {
	for i := range offers {
		if x := offers[i].sku; x != nil {
			seen += int32(len(x.levels))
		}
		if ids := offers[i].ChannelIDs; len(ids) > 0 {
			seen += int32(len(ids[0].Value))
		}
	}
	for i := range offers {
		if id := offers[i].SKU; id != "" {
			seen += int32(id[0])
		}
		if x := offers[i].sku; x != nil {
			for k := 0; k < len(x.levels); k += 2 {
				seen += x.levels[k].outlet
			}
		}
		if ids := offers[i].ChannelIDs; len(ids) > 0 && ids[0].Value != "" {
			seen += int32(ids[0].Value[0])
		}
	}
	return seen
}
