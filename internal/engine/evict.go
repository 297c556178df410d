package engine

// Held returns how many rows of the tables that are loaded row by row are in memory: SKUs, orders and items.
func (s *State) Held() int {
	n := 0
	for _, p := range s.pools {
		n += p.skus.rows + p.orders.rows + len(p.items)
	}
	return n
}

// evictShare is 1 over the part of the rows that were used which goes at a time, where those that were not used are too few.
const evictShare = 4

// Evict lets go of rows until at most keep are held: of all that no entry has asked for since the last Evict, then of others, by their
// id. They are loaded again when they are needed.
//
// Every row must be stored as it is in memory, and no Changes may hold one: the caller has committed all that it has applied, and
// called Reset since.
func (s *State) Evict(keep int) {
	for _, p := range s.pools {
		p.evict(func(_ string, used *bool) bool {
			was := *used
			*used = false
			return was
		})
	}
	for share := uint32(0); share < evictShare && s.Held() > keep; share++ {
		for _, p := range s.pools {
			p.evict(func(id string, _ *bool) bool { return shareOf(id) != share })
		}
	}
}

// evict lets go of the rows that stays does not want, and of what is known not to exist.
func (p *pool) evict(stays func(id string, used *bool) bool) {
	p.skus.keep(func(x *sku) bool { return stays(x.id, &x.used) })
	p.orders.keep(func(o *order) bool { return !o.absent && stays(o.key, &o.used) })
	for id, it := range p.items {
		if it == nil || !stays(id, &it.used) {
			delete(p.items, id)
		}
	}
}

// shareOf puts an id into one of the shares, the same on any machine.
func shareOf(id string) uint32 {
	h := uint32(2166136261)
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return h >> 16 % evictShare
}
