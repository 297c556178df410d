package allocation

import "github.com/shelfwire/shelfwire/internal/stock"

// What came of an attempt to place lines.
type placement uint8

const (
	placed placement = iota
	impossible
	outOfSteps
)

// anyCuts allows as many cuts as it takes.
const anyCuts = -1

// A placing is an attempt to give every one of some lines, which share SKUs, all it wants.
type placing struct {
	group []int
	later []int // by position: cuts that the lines behind it need at least
}

// place gives the lines of the group what they want with at most that many cuts. Of all ways, it takes the one that gives
// the first line most from the first outlet, and so on: that is the order in which it tries. The units are left in take
// where it succeeds.
func (d *Decider) place(group []int, cuts int) placement {
	p := &d.placing
	p.group = group
	p.later = zeroed(p.later, len(group)+1)
	for at := len(group) - 1; at >= 0 && cuts != anyCuts; at-- {
		p.later[at] = p.later[at+1] + max(0, d.least[group[at]]-1)
	}
	if cuts != anyCuts && p.later[0] > cuts {
		return impossible
	}
	return d.placeLine(0, cuts)
}

func (d *Decider) placeLine(at, cuts int) placement {
	p := &d.placing
	if at == len(p.group) {
		return placed
	}
	for _, i := range p.group[at:] {
		if !d.reachable(i, 0, d.want[i], cuts == 0 && p.later[0] == 0) {
			return impossible
		}
	}
	return d.placeUnits(at, 0, 0, d.want[p.group[at]], cuts, d.twin[p.group[at]] >= 0)
}

// reachable reports whether the outlets from j on have room for so many units of the line, in one of them if whole is set.
func (d *Decider) reachable(i, j int, units stock.Quantity, whole bool) bool {
	var sum stock.Quantity
	for ; j < d.m; j++ {
		q := d.roomNow(i, j)
		if q >= units {
			return true
		}
		if sum += q; sum >= units && !whole {
			return true
		}
	}
	return false
}

// placeUnits places the rest of the line at position at over the outlets from j on, used of them having been used already. Even
// says that it has a twin and takes what that one does from the outlets before: then it does not take more from the next.
func (d *Decider) placeUnits(at, j, used int, rest stock.Quantity, cuts int, even bool) placement {
	p := &d.placing
	i := p.group[at]
	whole := cuts != anyCuts && used == cuts-p.later[at+1] // no further cut: the next outlet must take it all
	for ; j < d.m; j++ {
		if !d.step() {
			return outOfSteps
		}
		if !d.reachable(i, j, rest, whole) {
			return impossible
		}
		most, twins := min(rest, d.roomNow(i, j)), stock.Quantity(0)
		if even {
			twins = d.taken(d.twin[i], j)
			most = min(most, twins)
		}
		for q := most; q > 0; q-- {
			if whole && q < rest {
				break
			}
			if q < most && !d.step() {
				return outOfSteps
			}
			d.move(i, j, q)
			var got placement
			switch {
			case q < rest:
				got = d.placeUnits(at, j+1, used+1, rest-q, cuts, even && q == twins)
			case cuts == anyCuts:
				got = d.placeLine(at+1, cuts)
			default:
				got = d.placeLine(at+1, cuts-used)
			}
			if got == placed {
				return placed
			}
			d.move(i, j, -q)
			if got == outOfSteps {
				return outOfSteps
			}
		}
		even = even && twins == 0
	}
	return impossible
}

// leastCuts places the lines of a family with as few cuts as can be, and returns how many that took.
func (d *Decider) leastCuts(group []int) (int, placement) {
	cuts := 0
	for _, i := range group {
		cuts += d.least[i] - 1
	}
	d.among = d.among[:0]
	for j := range d.m {
		d.among = append(d.among, j)
	}
	cuts = max(cuts, d.fewest(group, d.want, d.among)-len(group))
	for ; cuts <= len(group)*d.m; cuts++ {
		if got := d.place(group, cuts); got != impossible {
			return cuts, got
		}
	}
	return 0, impossible
}

// byPriority gives each line to the best outlets it fits in, line by line.
func (d *Decider) byPriority() {
	for i := range d.n {
		switch {
		case d.want[i] == 0:
		case !d.shares[i]:
			d.oneByPriority(i)
		case d.firstOfFamily(i):
			if _, got := d.leastCuts(d.group(i)); got != placed {
				d.exact, d.found = false, false
				d.clear()
				return
			}
		}
	}
}

// firstOfFamily reports whether the line is the first of its family that wants something.
func (d *Decider) firstOfFamily(i int) bool {
	for k := range i {
		if d.family[k] == d.family[i] && d.want[k] > 0 {
			return false
		}
	}
	return true
}

// group returns the lines of i's family that want something.
func (d *Decider) group(i int) []int {
	d.members = d.members[:0]
	for k := range d.n {
		if d.family[k] == d.family[i] && d.want[k] > 0 {
			d.members = append(d.members, k)
		}
	}
	return d.members
}

// oneByPriority places a line that shares nothing over as few outlets as can be, as much as can be at the best of them.
func (d *Decider) oneByPriority(i int) {
	rest := d.want[i]
	room := d.roomOf(i)
	for j, more := 0, d.least[i]-1; j < d.m && rest > 0; j++ {
		if q := min(rest, room[j]); q > 0 && d.topSum(room[j+1:], more) >= rest-q {
			d.move(i, j, q)
			rest -= q
			more--
		}
	}
}

// topSum adds up the n largest.
func (d *Decider) topSum(room []stock.Quantity, n int) stock.Quantity {
	d.scarce = d.scarce[:0]
	var sum stock.Quantity
	for _, q := range room {
		at := len(d.scarce)
		for at > 0 && d.scarce[at-1] < q {
			at--
		}
		if at >= n {
			continue
		}
		if len(d.scarce) < n {
			d.scarce = append(d.scarce, 0)
		} else {
			sum -= d.scarce[n-1]
		}
		copy(d.scarce[at+1:], d.scarce[at:])
		d.scarce[at] = q
		sum += q
	}
	return sum
}
