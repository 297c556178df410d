package allocation

import (
	"slices"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// solveUnsplit is solve for a pool that does not split orders: the lines that name no outlet come from one, each as far as it
// goes. It is the one that serves most lines whole, then most units; then the criteria of Decide tell two of them apart.
func (d *Decider) solveUnsplit() {
	var served share
	d.kept = d.kept[:0]
	for j := range d.m {
		if !d.step() {
			d.exact = false
			break
		}
		s := d.handOut(j)
		d.path = d.shareOut(d.path[:0])
		if j == 0 || s.more(served) || !served.more(s) && d.preferred() {
			served = s
			d.kept = append(d.kept[:0], d.take...)
			d.best = append(d.best[:0], d.path...)
		}
		d.clear()
	}
	copy(d.take, d.kept)
}

// handOut gives every line in order what it can have, those that name no outlet at j, and returns what of the need that is.
func (d *Decider) handOut(j int) share {
	var s share
	for i := range d.n {
		at := d.at(i, j)
		if at < 0 {
			continue
		}
		q := d.roomNow(i, at)
		d.move(i, at, q)
		if s.units += q; q == d.req.Lines[i].Need {
			s.whole++
		}
	}
	return s
}

// more compares what is served, wherever it comes from.
func (s share) more(o share) bool {
	return s.whole > o.whole || s.whole == o.whole && s.units > o.units
}

// at returns the outlet of line i, where the lines that name none are at j; −1 where it is unknown.
func (d *Decider) at(i, j int) int {
	if d.req.Lines[i].Outlet == "" {
		return j
	}
	return slices.IndexFunc(d.roomOf(i), func(room stock.Quantity) bool { return room > 0 })
}

// shareOut appends what each outlet serves, best first.
func (d *Decider) shareOut(shares []share) []share {
	for k := range d.m {
		s := share{outlet: k}
		for i := range d.n {
			if q := d.taken(i, k); q > 0 {
				s.whole++
				s.units += q
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

// preferred reports whether the answer is better than the one that was kept, which serves as much.
func (d *Decider) preferred() bool {
	if !d.priority() {
		if d.req.Rules.SingleOutlet && len(d.path) != len(d.best) {
			return len(d.path) < len(d.best)
		}
		for k := range min(len(d.path), len(d.best)) {
			if d.path[k] != d.best[k] {
				return d.path[k].better(d.best[k])
			}
		}
	}
	return slices.Compare(d.take, d.kept) > 0
}
