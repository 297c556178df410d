package allocation

import (
	"math/bits"
	"slices"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// maxSpots is how many outlets the search looks at: sets of them are bits of a word.
const maxSpots = 64

// A share is what one outlet serves of an order. Shares are compared as DESIGN says outlets are: whole lines, then units,
// then priority.
type share struct {
	whole  int
	units  stock.Quantity
	outlet int
}

func (s share) better(o share) bool {
	switch {
	case s.whole != o.whole:
		return s.whole > o.whole
	case s.units != o.units:
		return s.units > o.units
	}
	return s.outlet < o.outlet
}

// A sequence is the search for the best allocation, outlet by outlet, best first. Whichever outlet is the best of the answer, what it
// serves is settled by the comparison: all the whole lines it can take, for moving one there from a later outlet would be better,
// and then all the units. So the search picks the best outlet, gives it its lines, and goes on with what is left; only lines that
// must be cut, and lines that share an SKU, leave a choice. A branch ends where what is left needs more outlets or more cuts than
// there may be, and where it is behind the best answer so far.
type sequence struct {
	spots   []int    // the outlets looked at, by priority; bits count them
	full    []uint64 // by line: spots that have all it wants
	some    []uint64 // by line: spots that have any of it
	above   []uint64 // by spot: better spots that have at least as much of everything
	byRoom  []int    // line·spots…: spots by room for the line, most first
	sharing []int    // the lines that share an SKU
	limit   bool     // the number of outlets counts
	cuts    int      // that there may be, in all
	spare   []int    // by line: outlets beyond its fewest that its family's cuts allow

	rest    []stock.Quantity // by line: wanted and not served yet
	touched []int            // by line: outlets that serve it
	path    []share          // from the best outlet on
	best    []share
	answer  []stock.Quantity // take of the best
	offered []stock.Quantity // take of the next
	found   bool
	options []share // depth·spots…
	rests   []share // depth·(lines+1)…: most that the lines from there on can add to a share
}

// byOutlet looks for the best answer under the number of outlets and the comparison outlet by outlet.
func (d *Decider) byOutlet() {
	d.found = false
	most := d.budgetCuts()
	if !d.exact || !d.survey(most) {
		d.exact = false
		return
	}
	all := uint64(1)<<len(d.spots) - 1
	if len(d.spots) == maxSpots {
		all = ^uint64(0)
	}
	least := 0
	d.prepare()
	for i := range d.n {
		least = max(least, d.least[i])
	}
	if least == 0 {
		d.found = true // nobody has anything
		return
	}
	d.limit = d.req.Rules.SingleOutlet
	if !d.limit {
		least = len(d.spots)
	}
	for outlets := least; outlets <= len(d.spots) && !d.found && !d.spent(); outlets++ {
		if !d.limit || d.enough(all, outlets) && d.coverable(all, outlets) {
			d.next(0, outlets, all)
		}
	}
	if d.spent() {
		d.exact = false
	}
	if d.found {
		d.clear()
		copy(d.take, d.answer)
	} else {
		d.clear()
		d.exact = false
	}
}

// prepare readies the search.
func (d *Decider) prepare() {
	s := len(d.spots)
	d.rest = append(d.rest[:0], d.want...)
	d.touched = zeroed(d.touched, d.n)
	d.path = zeroed(d.path, s)
	d.options = zeroed(d.options, (s+1)*s)
	d.rests = zeroed(d.rests, (s+1)*(d.n+1))
	d.answer = zeroed(d.answer, d.n*d.m)
	d.best = d.best[:0]
	d.sharing = d.sharing[:0]
	for i, shares := range d.shares {
		if shares && d.want[i] > 0 {
			d.sharing = append(d.sharing, i)
		}
	}
}

// next picks the outlet at that depth of the sequence among the spots, so many of which may still be used.
func (d *Decider) next(depth, outlets int, spots uint64) {
	if d.done() {
		d.offer(depth)
		return
	}
	if outlets == 0 {
		return
	}
	s := len(d.spots)
	options := d.options[depth*s : depth*s : (depth+1)*s]
	for set := spots; set != 0; set &= set - 1 {
		b := bits.TrailingZeros64(set)
		if !d.step() {
			return
		}
		if bits.OnesCount64(d.above[b]&spots) >= outlets {
			continue // some spot above it would be left over, and would be better
		}
		o := share{outlet: d.spots[b]}
		for i, rest := range d.rest {
			if rest == 0 {
				continue
			}
			q := min(rest, d.roomNow(i, o.outlet))
			o.units += q
			if q == d.want[i] {
				o.whole++
			}
		}
		if o.units == 0 {
			continue
		}
		at := len(options)
		options = append(options, o)
		for at > 0 && o.better(options[at-1]) {
			options[at] = options[at-1]
			at--
		}
		options[at] = o
	}
	for _, o := range options {
		if d.spent() || d.behind(depth, o) {
			return // the ones after it are worse
		}
		b, _ := slices.BinarySearch(d.spots, o.outlet)
		d.prospects(depth, o.outlet)
		d.fill(depth, outlets-1, spots&^(1<<b), 0, share{outlet: o.outlet})
	}
}

// done reports whether nothing is left to serve.
func (d *Decider) done() bool {
	for _, q := range d.rest {
		if q > 0 {
			return false
		}
	}
	return true
}

// prospects works out the most that the lines from each on can add at the outlet.
func (d *Decider) prospects(depth, j int) {
	rests := d.rests[depth*(d.n+1) : (depth+1)*(d.n+1)]
	rests[d.n] = share{outlet: j}
	for i := d.n - 1; i >= 0; i-- {
		rests[i] = rests[i+1]
		if d.rest[i] == 0 {
			continue
		}
		q := min(d.rest[i], d.roomNow(i, j))
		rests[i].units += q
		if q == d.want[i] {
			rests[i].whole++
		}
	}
}

// fill gives the outlet of s, which already serves what s says, its part of the lines from i on, and then goes on to the next
// outlet.
func (d *Decider) fill(depth, outlets int, spots uint64, i int, s share) {
	for ; i < d.n; i++ {
		if d.rest[i] == 0 {
			continue
		}
		q := min(d.rest[i], d.roomNow(i, s.outlet))
		switch {
		case q == 0:
			continue
		case d.shares[i]:
			q = d.notBeforeTwin(depth, i, s.outlet, q)
			if q < d.rest[i] || !d.ample(i, s.outlet) {
				d.choose(depth, outlets, spots, i, q, 0, s)
				return
			}
		case q < d.rest[i]:
			// It takes part in the line, which costs no cut too many, or leaves it to others.
			if d.touched[i]+1+d.needs(i, d.rest[i]-q, spots) <= d.least[i] {
				d.choose(depth, outlets, spots, i, q, q, s)
			}
			if d.behind(depth, s.plus(d.rests[depth*(d.n+1)+i+1])) || d.touched[i]+d.needs(i, d.rest[i], spots) > d.least[i] {
				return
			}
			continue
		}
		// All that is left of a line is better here than later.
		d.takeHere(i, s.outlet, q)
		if s.units += q; q == d.want[i] {
			s.whole++
		}
		d.fill(depth, outlets, spots, i+1, s)
		d.untake(i, s.outlet, q)
		return
	}
	if s.units == 0 || depth > 0 && s.better(d.path[depth-1]) || d.behind(depth, s) || !d.step() || !d.affordable(spots) {
		return
	}
	if d.limit && (!d.enough(spots, outlets) || !d.coverable(spots, outlets)) {
		return
	}
	d.path[depth] = s
	d.next(depth+1, outlets, spots)
}

// choose tries every quantity of line i from most down to least at the outlet (0, if least is 0).
func (d *Decider) choose(depth, outlets int, spots uint64, i int, most, least stock.Quantity, s share) {
	for q := most; q >= least; q-- {
		used := d.touched[i]
		if q > 0 {
			used++
		}
		if q < d.rest[i] && used+d.needs(i, d.rest[i]-q, spots) > d.least[i]+d.spare[i] {
			continue
		}
		t := s
		if t.units += q; q == d.want[i] {
			t.whole++
		}
		if d.behind(depth, t.plus(d.rests[depth*(d.n+1)+i+1])) || !d.step() {
			return
		}
		if q > 0 {
			d.takeHere(i, s.outlet, q)
		}
		d.fill(depth, outlets, spots, i+1, t)
		if q > 0 {
			d.untake(i, s.outlet, q)
		}
	}
}

// ample reports whether the outlet has enough for line i and all after it that share an SKU with it.
func (d *Decider) ample(i, j int) bool {
	d.asked = append(d.asked[:0], d.freeAt(j)...)
	for k := i; k < d.n; k++ {
		if d.rest[k] > 0 && d.family[k] == d.family[i] && d.room[k*d.m+j] > 0 {
			d.req.Lines[k].use(d.asked, d.rest[k])
		}
	}
	l := &d.req.Lines[i]
	if len(l.Kit) == 0 {
		return d.asked[l.SKU] >= 0
	}
	for _, p := range l.Kit {
		if d.asked[p.SKU] < 0 {
			return false
		}
	}
	return true
}

// notBeforeTwin returns how many of q units the line may take at the outlet, so that it takes no more of the first outlet where
// it differs from its twin.
func (d *Decider) notBeforeTwin(depth, i, j int, q stock.Quantity) stock.Quantity {
	k := d.twin[i]
	if k < 0 {
		return q
	}
	for _, s := range d.path[:depth] {
		if d.taken(i, s.outlet) != d.taken(k, s.outlet) {
			return q
		}
	}
	return min(q, d.taken(k, j))
}

// enough reports whether so many of the spots could have what lines that share SKUs still want.
func (d *Decider) enough(spots uint64, outlets int) bool {
	d.among = d.among[:0]
	for set := spots; set != 0; set &= set - 1 {
		d.among = append(d.among, d.spots[bits.TrailingZeros64(set)])
	}
	return d.fewest(d.sharing, d.rest, d.among) <= outlets
}

func (s share) plus(o share) share {
	return share{whole: s.whole + o.whole, units: s.units + o.units, outlet: s.outlet}
}

func (d *Decider) takeHere(i, j int, q stock.Quantity) {
	d.move(i, j, q)
	d.rest[i] -= q
	d.touched[i]++
}

func (d *Decider) untake(i, j int, q stock.Quantity) {
	d.move(i, j, -q)
	d.rest[i] += q
	d.touched[i]--
}

// behind reports whether the best answer has a better share at that depth, all before being equal.
func (d *Decider) behind(depth int, s share) bool {
	if !d.found {
		return false
	}
	for k := range depth {
		if d.best[k] != d.path[k] {
			return false // ahead: what is behind is never gone on with
		}
	}
	return depth >= len(d.best) || d.best[depth].better(s)
}

// offer makes what is taken the answer if it is better than the best so far.
func (d *Decider) offer(depth int) {
	d.offered = append(d.offered[:0], d.take...)
	for i := range d.n { // among twins, the first takes most of the best outlet
		for k := i; d.twin[k] >= 0; k = d.twin[k] {
			a, b := d.offered[d.twin[k]*d.m:][:d.m], d.offered[k*d.m:][:d.m]
			if slices.Compare(a, b) >= 0 {
				break
			}
			for j := range a {
				a[j], b[j] = b[j], a[j]
			}
		}
	}
	if !d.found || !slices.Equal(d.best, d.path[:depth]) || slices.Compare(d.offered, d.answer) > 0 {
		d.found = true
		d.best = append(d.best[:0], d.path[:depth]...)
		copy(d.answer, d.offered)
	}
}

// needs returns the fewest of the spots that could serve so many units of the line.
func (d *Decider) needs(i int, units stock.Quantity, spots uint64) int {
	if units == 0 {
		return 0
	}
	if units == d.want[i] && d.full[i]&spots != 0 {
		return 1
	}
	s := len(d.spots)
	used := 0
	for _, b := range d.byRoom[i*s : (i+1)*s] {
		if spots&(1<<b) == 0 {
			continue
		}
		used++
		if units -= d.room[i*d.m+d.spots[b]]; units <= 0 {
			return used
		}
	}
	return s + 1
}

// affordable reports whether the spots could serve the rest without a cut too many.
func (d *Decider) affordable(spots uint64) bool {
	cuts := 0
	for i, want := range d.want {
		if want > 0 {
			n := d.needs(i, d.rest[i], spots)
			if n > len(d.spots) {
				return false
			}
			cuts += d.touched[i] + n - 1
		}
	}
	return cuts <= d.cuts
}
