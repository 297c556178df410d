package engine

import (
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// LoadNew makes everything that the entry needs known as new. It is for a fold that began with the journal's first entry and keeps
// all of its rows in memory: what is missing there does not exist.
func (s *State) LoadNew(e *record.JournalEntry) error {
	if pool := e.Event.PoolID(); !s.HasPool(pool) {
		if err := s.LoadPool(pool, nil); err != nil {
			return err
		}
	}
	for keys := s.Missing(nil, e); len(keys) > 0; keys = s.Missing(keys[:0], e) {
		for _, k := range keys {
			if err := s.Load(k, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// NextDue returns the earliest moment by now at which something of the pool is due, and whether there is one.
func (s *State) NextDue(pool string, now stock.Instant) (stock.Instant, bool) {
	p, ok := s.pools[pool]
	if !ok {
		return 0, false
	}
	n, ok := p.due.next(now)
	return n.at, ok
}
