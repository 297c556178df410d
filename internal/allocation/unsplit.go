package allocation

import "slices"

// solveUnsplit is solve for a pool that does not split orders: the lines that name no outlet come from one, or wait. A line that
// there is too little of in all is reduced first, so that it does not keep the others waiting.
func (d *Decider) solveUnsplit() {
	d.reduce()
	chosen := -1
	for j := range d.m {
		if !d.serves(j) {
			continue
		}
		d.path = d.sharesFrom(d.path[:0], j)
		if chosen < 0 || d.preferred() {
			chosen = j
			d.best = append(d.best[:0], d.path...)
		}
		if d.priority() {
			break
		}
	}
	for i := range d.n {
		if d.req.Lines[i].Outlet != "" {
			continue
		}
		for j := range d.m {
			if j != chosen {
				d.room[i*d.m+j] = 0
			}
		}
	}
	if chosen < 0 {
		d.reduce() // more may be there for the lines that name their outlet
	}
	d.spread()
}

// serves reports whether the lines that name no outlet all fit in this one, beside the others at theirs.
func (d *Decider) serves(j int) bool {
	fits := true
	for i, want := range d.want {
		if at := d.at(i, j); want > 0 && fits {
			if fits = at >= 0 && d.roomNow(i, at) >= want; fits {
				d.move(i, at, want)
			}
		}
	}
	d.clear()
	return fits
}

// at returns the outlet of line i, where the lines that name none are at j; −1 where it is unknown.
func (d *Decider) at(i, j int) int {
	if d.req.Lines[i].Outlet == "" {
		return j
	}
	for k := range d.m {
		if d.room[i*d.m+k] > 0 {
			return k
		}
	}
	return -1
}

// sharesFrom appends what each outlet serves, best first, where the lines that name none are at j.
func (d *Decider) sharesFrom(shares []share, j int) []share {
	for k := range d.m {
		s := share{outlet: k}
		for i, want := range d.want {
			if want > 0 && d.at(i, j) == k {
				s.whole++
				s.units += want
			}
		}
		if s.whole > 0 {
			shares = append(shares, s)
		}
	}
	slices.SortFunc(shares, func(a, b share) int {
		if a.better(b) {
			return -1
		}
		return 1
	})
	return shares
}

// preferred reports whether the path is better than the best. No two of them differ in the last tie alone: lines that name no
// outlet are at another one.
func (d *Decider) preferred() bool {
	path := d.path
	if d.req.Rules.SingleOutlet && len(path) != len(d.best) {
		return len(path) < len(d.best)
	}
	for k := range min(len(path), len(d.best)) {
		if path[k] != d.best[k] {
			return path[k].better(d.best[k])
		}
	}
	return false
}
