package allocation

import (
	"slices"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A problem is a request worked out: what each line can have where, and what it shall get. Tables of lines by outlets are
// indexed by line·outlets + outlet.
type problem struct {
	req     *Request
	n, m    int // lines and outlets of the request
	skus    int
	steps   int
	exact   bool
	left    []stock.Quantity // outlet·skus + SKU: what is free and not taken
	room    []stock.Quantity // what the line could have of the outlet if it were alone, up to its need
	want    []stock.Quantity // by line: what it shall get; 0 for lines that are out
	least   []int            // by line: the fewest outlets that could serve what it wants, if it were alone
	family  []int            // by line: the first of the lines it shares an SKU with, directly or through others
	shares  []bool           // by line: whether it shares one at all
	twin    []int            // by line: the line before it that differs in its id alone; −1 where there is none
	asked   []stock.Quantity // by SKU: what lines that share it still want
	scarce  []stock.Quantity // the largest of some quantities, most first
	take    []stock.Quantity // the answer
	kept    []stock.Quantity // the best answer so far, where several are looked at whole
	members []int
	among   []int // outlets
	whole   bool  // no line is cut: it wants what one outlet has
}

// begin sets the tables up for the request, without looking for anything.
func (d *Decider) begin(r *Request) {
	d.req, d.n, d.m = r, len(r.Lines), len(r.Outlets)
	d.steps, d.exact, d.found = 0, true, false
	d.take = zeroed(d.take, d.n*d.m)
}

func (d *Decider) taken(i, j int) stock.Quantity { return d.take[i*d.m+j] }
func (d *Decider) freeAt(j int) []stock.Quantity { return d.left[j*d.skus : (j+1)*d.skus] }
func (d *Decider) move(i, j int, q stock.Quantity) {
	d.take[i*d.m+j] += q
	d.req.Lines[i].use(d.freeAt(j), q)
}
func (d *Decider) roomOf(i int) []stock.Quantity { return d.room[i*d.m : (i+1)*d.m] }
func (d *Decider) spent() bool                   { return d.steps >= StepBudget }
func (d *Decider) priority() bool                { return d.req.Rules.Prefer == record.PriorityFirst }
func (d *Decider) splitLines() bool              { return d.req.Rules.SplitLines && d.req.Rules.SplitOrders }

// step takes one step; it reports false once there is none left.
func (d *Decider) step() bool {
	if d.steps >= StepBudget {
		return false
	}
	d.steps++
	return true
}

// roomNow returns what the line could have of the outlet beside what is taken.
func (d *Decider) roomNow(i, j int) stock.Quantity {
	q := d.room[i*d.m+j]
	if q == 0 || !d.shares[i] {
		return q
	}
	return min(q, d.req.Lines[i].fits(d.freeAt(j)))
}

// solve fills take.
func (d *Decider) solve(r *Request) {
	d.measure(r)
	d.relate()
	if !r.Rules.SplitOrders {
		d.solveUnsplit()
		return
	}
	d.whole = !r.Rules.SplitLines
	d.reduce()
	d.spread()
}

// spread finds the outlets for what the lines want.
func (d *Decider) spread() {
	d.count()
	d.pair()
	if d.exact {
		if d.priority() {
			d.byPriority()
		} else {
			d.byOutlet()
		}
	}
	if !d.exact && !d.found {
		d.greedy()
	}
}

// measure works out what each line could have where.
func (d *Decider) measure(r *Request) {
	d.skus = 0
	for j := range r.Outlets {
		d.skus = max(d.skus, len(r.Outlets[j].Free))
	}
	d.left = zeroed(d.left, d.m*d.skus)
	d.room = zeroed(d.room, d.n*d.m)
	d.want = zeroed(d.want, d.n)
	d.least = zeroed(d.least, d.n)
	for j := range r.Outlets {
		free := d.freeAt(j)
		for s, q := range r.Outlets[j].Free {
			free[s] = max(0, q)
		}
		for i := range r.Lines {
			if l := &r.Lines[i]; l.Need > 0 && l.allows(r.Outlets[j].ID) {
				d.room[i*d.m+j] = min(l.Need, l.fits(free))
			}
		}
	}
}

// relate finds the families of lines that share SKUs. Lines that want nothing yet are part of it, lines without need are not.
func (d *Decider) relate() {
	d.family = zeroed(d.family, d.n)
	d.shares = zeroed(d.shares, d.n)
	d.twin = zeroed(d.twin, d.n)
	for i := range d.n {
		d.family[i], d.twin[i] = i, -1
		if d.req.Lines[i].Need == 0 {
			continue
		}
		for k := range i {
			if d.family[k] != d.family[i] && d.req.Lines[k].Need > 0 && d.req.Lines[i].meets(&d.req.Lines[k]) {
				first, other := min(d.family[k], d.family[i]), max(d.family[k], d.family[i])
				for x := range i + 1 {
					if d.family[x] == other {
						d.family[x] = first
					}
				}
			}
		}
	}
	for i := range d.n {
		if d.family[i] != i {
			d.shares[i], d.shares[d.family[i]] = true, true
		}
	}
}

// meets reports whether the lines have an SKU in common.
func (l *Line) meets(o *Line) bool {
	if len(l.Kit) == 0 && len(o.Kit) == 0 {
		return l.SKU == o.SKU
	}
	if len(l.Kit) == 0 {
		return o.meets(l)
	}
	for _, p := range l.Kit {
		if len(o.Kit) == 0 && p.SKU == o.SKU {
			return true
		}
		for _, x := range o.Kit {
			if x.SKU == p.SKU {
				return true
			}
		}
	}
	return false
}

// reduce sets what each line wants: as much of its need as there is, or as one outlet has where lines must not be cut, the
// first lines first.
func (d *Decider) reduce() {
	for i := range d.n {
		if d.family[i] == i {
			d.reduceFamily(i)
		}
	}
}

func (d *Decider) reduceFamily(first int) {
	if !d.shares[first] {
		d.want[first] = d.most(first)
		return
	}
	d.members = d.members[:0]
	for i := first; i < d.n; i++ {
		if d.family[i] != first {
			continue
		}
		d.want[i] = d.most(i)
		if d.want[i] == 0 {
			continue
		}
		d.members = append(d.members, i)
		if d.want[i] = d.together(i, d.want[i]); d.want[i] == 0 {
			d.members = d.members[:len(d.members)-1]
		}
	}
}

// most returns what the line gets if it is alone.
func (d *Decider) most(i int) stock.Quantity {
	var all, one stock.Quantity
	for _, q := range d.roomOf(i) {
		all += q
		one = max(one, q)
	}
	if d.whole {
		return one
	}
	return min(all, d.req.Lines[i].Need)
}

// together returns how much of up to q units the last of the members gets beside what the others want.
func (d *Decider) together(i int, q stock.Quantity) stock.Quantity {
	low, high := stock.Quantity(0), q // low fits, more than high does not
	cuts := anyCuts
	if d.whole {
		cuts = 0
	} else if d.alike() {
		high = 0
		for j := range d.m {
			if d.room[i*d.m+j] > 0 {
				high += d.freeAt(j)[d.req.Lines[i].SKU]
			}
		}
		for _, k := range d.members[:len(d.members)-1] {
			high -= d.want[k]
		}
		high = min(high, q)
		low = high
	}
	for low < high {
		d.want[i] = low + (high-low+1)/2
		if high == q && low == 0 {
			d.want[i] = q // nearly always all of it
		}
		switch d.place(d.members, cuts) {
		case placed:
			low = d.want[i]
			d.clear()
		case impossible:
			high = d.want[i] - 1
		case outOfSteps:
			d.exact = false
			return q // greedy gives what it can of it
		}
	}
	return low
}

// alike reports whether the members are plain lines of one SKU with the same outlets: then the units just add up.
func (d *Decider) alike() bool {
	first := d.members[0]
	for _, i := range d.members {
		if l := &d.req.Lines[i]; len(l.Kit) > 0 || l.SKU != d.req.Lines[first].SKU {
			return false
		}
		for j := range d.m {
			if (d.room[i*d.m+j] > 0) != (d.room[first*d.m+j] > 0) {
				return false
			}
		}
	}
	return true
}

// clear takes the answer back.
func (d *Decider) clear() {
	for i := range d.n {
		for j := range d.m {
			if q := d.take[i*d.m+j]; q > 0 {
				d.move(i, j, -q)
			}
		}
	}
}

// count works out the fewest outlets of each line that wants something, and caps its room at that. Families are worked out
// again: a line that wants nothing shares nothing.
func (d *Decider) count() {
	for i := range d.n {
		if d.shares[i] {
			d.shares[i] = false
			for k := range d.n {
				d.shares[i] = d.shares[i] || k != i && d.want[i] > 0 && d.want[k] > 0 && d.family[k] == d.family[i]
			}
		}
		d.least[i] = 0
		if d.want[i] == 0 {
			continue
		}
		d.scarce = d.scarce[:0]
		room := d.roomOf(i)
		top := stock.Quantity(0)
		for j := range room {
			room[j] = min(room[j], d.want[i])
			top = max(top, room[j])
		}
		if top == d.want[i] {
			d.least[i] = 1
			continue
		}
		d.scarce = append(d.scarce, room...)
		slices.SortFunc(d.scarce, func(a, b stock.Quantity) int { return compare(b, a) })
		for sum := stock.Quantity(0); sum < d.want[i] && d.least[i] < d.m; d.least[i]++ {
			sum += d.scarce[d.least[i]]
		}
	}
}

// pair finds the lines that differ in their ids alone: it is enough to look at answers in which the first of them takes more
// of the better outlets.
func (d *Decider) pair() {
	for i := range d.n {
		l := &d.req.Lines[i]
		for k := i - 1; k >= 0 && d.shares[i] && len(l.Kit) == 0 && d.twin[i] < 0; k-- {
			o := &d.req.Lines[k]
			if len(o.Kit) == 0 && o.SKU == l.SKU && d.want[k] == d.want[i] && slices.Equal(d.roomOf(k), d.roomOf(i)) {
				d.twin[i] = k
			}
		}
	}
}

// fewest returns how many of the outlets it takes at least to have what lines of the group want of an SKU they share.
func (d *Decider) fewest(group []int, wants []stock.Quantity, outlets []int) int {
	d.asked = zeroed(d.asked, d.skus)
	for _, i := range group {
		if d.shares[i] && wants[i] > 0 {
			d.req.Lines[i].use(d.asked, -wants[i])
		}
	}
	least := 0
	for s, q := range d.asked {
		if q == 0 {
			continue
		}
		d.scarce = d.scarce[:0]
		for _, j := range outlets {
			d.scarce = append(d.scarce, d.freeAt(j)[s])
		}
		slices.SortFunc(d.scarce, func(a, b stock.Quantity) int { return compare(b, a) })
		n := 0
		for q > 0 && n < len(d.scarce) {
			q -= d.scarce[n]
			n++
		}
		if q > 0 {
			return len(outlets) + 1
		}
		least = max(least, n)
	}
	return least
}

func compare(a, b stock.Quantity) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// zeroed returns n zero values, in the memory of s where that is large enough.
func zeroed[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}
