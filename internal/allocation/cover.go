package allocation

import (
	"math/bits"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// A cover is the question whether so many outlets could serve what is left of every line, each line looked at alone. A no
// ends a branch of the search; for lines that share nothing, a yes holds as well.
type cover struct {
	open  []int    // lines of which something is left
	allow []int    // by position: outlets the line may still have
	all   []uint64 // by position: spots that can take part
	gone  uint64   // spots that are not there to choose
}

// coverable reports whether n of the spots could serve what is left. Out of steps, it says yes.
func (d *Decider) coverable(spots uint64, n int) bool {
	c := &d.cover
	c.open, c.allow, c.all = c.open[:0], c.allow[:0], c.all[:0]
	c.gone = ^spots
	for i, rest := range d.rest {
		if rest == 0 {
			continue
		}
		allow := d.least[i] + d.spare[i] - d.touched[i]
		all := d.some[i]
		if allow <= 1 {
			all = d.full[i]
			if rest < d.want[i] {
				all = 0
				for set := d.some[i] & spots; set != 0; set &= set - 1 {
					if b := bits.TrailingZeros64(set); d.room[i*d.m+d.spots[b]] >= rest {
						all |= 1 << b
					}
				}
			}
		}
		c.open, c.allow, c.all = append(c.open, i), append(c.allow, allow), append(c.all, all)
	}
	return d.coverRest(0, spots, n)
}

// coverRest reports whether the chosen spots and n more of the free ones could serve all lines.
func (d *Decider) coverRest(chosen, free uint64, n int) bool {
	if !d.step() {
		return true
	}
	c := &d.cover
	var branch, apart uint64
	fewest, needed := maxSpots+1, 0
	for at, i := range c.open {
		can := c.all[at] & free
		if c.allow[at] <= 1 {
			if c.all[at]&chosen != 0 {
				continue
			}
		} else {
			if !d.step() {
				return true
			}
			rest := d.rest[i]
			if d.topRoom(i, chosen, c.allow[at], rest) {
				continue
			}
			if !d.topRoom(i, chosen|free, c.allow[at], rest) {
				return false
			}
		}
		if can == 0 {
			return false
		}
		if can&apart == 0 { // no spot serves this line and one of those counted before
			apart |= can
			needed++
		}
		if x := bits.OnesCount64(can); x < fewest {
			branch, fewest = can, x
		}
	}
	if fewest > maxSpots {
		return true
	}
	if needed > n {
		return false
	}
	// A spot is chosen only after those that are above it: they would do as well.
	for ; branch != 0; branch &= branch - 1 {
		b := bits.TrailingZeros64(branch)
		if d.above[b]&^(chosen|c.gone) == 0 && d.coverRest(chosen|1<<b, free&^(1<<b), n-1) {
			return true
		}
		free &^= 1 << b
	}
	return false
}

// topRoom reports whether the n best of the spots have room for so many units of the line.
func (d *Decider) topRoom(i int, spots uint64, n int, units stock.Quantity) bool {
	s := len(d.spots)
	for _, b := range d.byRoom[i*s : (i+1)*s] {
		if units <= 0 || n == 0 {
			break
		}
		if spots&(1<<b) != 0 {
			units -= d.room[i*d.m+d.spots[b]]
			n--
		}
	}
	return units <= 0
}
