package allocation

import "github.com/shelfwire/shelfwire/internal/stock"

// greedy is the answer where the search ran out of steps before it found one: whole lines first, at the outlet that serves
// most of them, then the lines that nobody took whole, each from the outlets with most of it.
func (d *Decider) greedy() {
	d.clear()
	d.rest = append(d.rest[:0], d.want...)
	if d.priority() {
		d.greedyWhole()
	} else {
		for d.greedyBest() {
		}
	}
	for i := range d.n {
		for d.rest[i] > 0 && d.greedyPart(i) && d.splitLines() {
		}
	}
}

// greedyWhole gives each line to the first outlet that can take it whole.
func (d *Decider) greedyWhole() {
	for i := range d.n {
		for j := range d.m {
			if d.rest[i] > 0 && d.roomNow(i, j) >= d.rest[i] {
				d.move(i, j, d.rest[i])
				d.rest[i] = 0
			}
		}
	}
}

// greedyBest gives one outlet all the whole lines that it can take, in order. It reports false where no outlet takes any.
func (d *Decider) greedyBest() bool {
	best := share{}
	for j := range d.m {
		s := share{outlet: j}
		for i, rest := range d.rest {
			if rest > 0 && d.roomNow(i, j) >= rest {
				s.whole++
				s.units += rest
				d.move(i, j, rest)
			}
		}
		for i, rest := range d.rest { // an outlet is asked once at most, so what it serves of these lines is what was just taken
			if q := d.taken(i, j); rest > 0 && q > 0 {
				d.move(i, j, -q)
			}
		}
		if s.whole > 0 && (best.whole == 0 || s.better(best)) {
			best = s
		}
	}
	if best.whole == 0 {
		return false
	}
	for i, rest := range d.rest {
		if rest > 0 && d.roomNow(i, best.outlet) >= rest {
			d.move(i, best.outlet, rest)
			d.rest[i] = 0
		}
	}
	return true
}

// greedyPart gives the line what the outlet with most of it has.
func (d *Decider) greedyPart(i int) bool {
	best, q := 0, stock.Quantity(0)
	for j := range d.m {
		if here := min(d.rest[i], d.roomNow(i, j)); here > q && d.taken(i, j) == 0 {
			best, q = j, here
		}
	}
	if q == 0 {
		return false
	}
	d.move(i, best, q)
	d.rest[i] -= q
	return true
}
