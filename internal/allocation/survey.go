package allocation

import "slices"

// budgetCuts works out how many cuts there must be, and returns the most outlets that can serve lines which are cut or share
// an SKU.
func (d *Decider) budgetCuts() int {
	d.cuts = 0
	d.spare = zeroed(d.spare, d.n)
	most := 0
	for i := range d.n {
		if d.want[i] == 0 {
			continue
		}
		if d.least[i] > 1 || d.shares[i] {
			most += d.least[i]
		}
		if !d.shares[i] {
			d.cuts += d.least[i] - 1
			continue
		}
		if !d.firstOfFamily(i) {
			continue
		}
		group := d.group(i)
		cuts, got := d.leastCuts(group)
		if got != placed {
			d.exact = false
			return 0
		}
		d.clear()
		d.cuts += cuts
		spare := cuts
		for _, k := range group {
			spare -= d.least[k] - 1
		}
		for _, k := range group {
			d.spare[k] = spare
		}
		most += spare
	}
	return most
}

// survey picks the outlets to look at and notes what they have. It reports false where they are too many.
func (d *Decider) survey(most int) bool {
	d.spots = d.spots[:0]
	for j := range d.m {
		if !d.has(j) {
			continue
		}
		// An outlet with enough better ones above it, each with at least as much of everything, is never used: one of them
		// serves no line that is cut or shares an SKU, so it could take over all that this one serves.
		over := 0
		for _, k := range d.spots {
			if d.covers(k, j) {
				over++
			}
		}
		if over <= most {
			d.spots = append(d.spots, j)
		}
	}
	s := len(d.spots)
	if s > maxSpots {
		return false
	}
	d.full, d.some = zeroed(d.full, d.n), zeroed(d.some, d.n)
	d.above = zeroed(d.above, s)
	d.byRoom = zeroed(d.byRoom, d.n*s)
	for b, j := range d.spots {
		for a, k := range d.spots[:b] {
			if d.covers(k, j) {
				d.above[b] |= 1 << a
			}
		}
	}
	for i := range d.n {
		if d.want[i] == 0 {
			continue
		}
		room := d.roomOf(i)
		order := d.byRoom[i*s : (i+1)*s]
		for b, j := range d.spots {
			order[b] = b
			if room[j] > 0 {
				d.some[i] |= 1 << b
			}
			if room[j] >= d.want[i] {
				d.full[i] |= 1 << b
			}
		}
		if d.least[i] > 1 || d.shares[i] {
			slices.SortStableFunc(order, func(a, b int) int { return compare(room[d.spots[b]], room[d.spots[a]]) })
		}
	}
	return true
}

// has reports whether the outlet has anything for the order.
func (d *Decider) has(j int) bool {
	for i := range d.n {
		if d.want[i] > 0 && d.room[i*d.m+j] > 0 {
			return true
		}
	}
	return false
}

// covers reports whether outlet k has at least what j has, of everything that counts.
func (d *Decider) covers(k, j int) bool {
	for i := range d.n {
		if d.want[i] == 0 {
			continue
		}
		if d.room[i*d.m+k] < d.room[i*d.m+j] {
			return false
		}
		if d.shares[i] && d.room[i*d.m+j] > 0 && !d.stocks(&d.req.Lines[i], k, j) {
			return false
		}
	}
	return true
}

// stocks reports whether outlet k has at least as much as j of all SKUs of the line.
func (d *Decider) stocks(l *Line, k, j int) bool {
	if len(l.Kit) == 0 {
		return d.freeAt(k)[l.SKU] >= d.freeAt(j)[l.SKU]
	}
	for _, p := range l.Kit {
		if d.freeAt(k)[p.SKU] < d.freeAt(j)[p.SKU] {
			return false
		}
	}
	return true
}
