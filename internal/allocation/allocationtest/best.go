// Package allocationtest decides small requests a second time, by looking at every answer there is. It shares no code with
// package allocation but the request, and is written from the objective alone.
package allocationtest

import (
	"slices"

	"github.com/shelfwire/shelfwire/internal/allocation"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Best returns the best answer to the request: what each line takes of each outlet, and in how many cuts. It takes time and
// memory for every answer there is: a handful of lines, units and outlets is what it is for.
func Best(r *allocation.Request) (takes [][]stock.Quantity, cuts int) {
	b := &bruteForce{r: r}
	b.zero()
	b.each(0, 0)

	for _, answers := range b.kinds() {
		target := b.most(answers)
		for i := range r.Lines {
			if r.Rules.ShipComplete && target[i] < r.Lines[i].Need {
				target = make([]stock.Quantity, len(r.Lines))
			}
		}
		for _, t := range b.all {
			if startsWith(t, target) && answers(t) && (takes == nil || b.moreServed(t, takes) || !b.moreServed(takes, t) && b.better(t, takes)) {
				takes = t
			}
		}
	}
	return takes, cutsOf(takes)
}

// kinds returns the answers that may be given, as sets of which the one that serves most is to be taken: one set, or where
// orders are not split, one for each outlet from which all the lines come that name none.
func (b *bruteForce) kinds() []func([][]stock.Quantity) bool {
	switch {
	case !b.r.Rules.SplitOrders && len(b.r.Outlets) > 0:
	case !b.r.Rules.SplitLines:
		return []func([][]stock.Quantity) bool{func(t [][]stock.Quantity) bool { return cutsOf(t) == 0 }}
	default:
		return []func([][]stock.Quantity) bool{func([][]stock.Quantity) bool { return true }}
	}
	var kinds []func([][]stock.Quantity) bool
	for at := range b.r.Outlets {
		kinds = append(kinds, func(t [][]stock.Quantity) bool {
			for i := range t {
				for j, q := range t[i] {
					if q > 0 && b.r.Lines[i].Outlet == "" && j != at {
						return false
					}
				}
			}
			return true
		})
	}
	return kinds
}

// moreServed compares the lines that are served whole, then the units.
func (b *bruteForce) moreServed(x, y [][]stock.Quantity) bool {
	count := func(t [][]stock.Quantity) (whole int, units stock.Quantity) {
		for i := range t {
			units += sum(t[i])
			if sum(t[i]) == b.r.Lines[i].Need {
				whole++
			}
		}
		return whole, units
	}
	wx, ux := count(x)
	wy, uy := count(y)
	return wx > wy || wx == wy && ux > uy
}

type bruteForce struct {
	r    *allocation.Request
	all  [][][]stock.Quantity
	take [][]stock.Quantity
	free [][]stock.Quantity
}

func (b *bruteForce) zero() {
	for range b.r.Lines {
		b.take = append(b.take, make([]stock.Quantity, len(b.r.Outlets)))
	}
	for _, o := range b.r.Outlets {
		b.free = append(b.free, slices.Clone(o.Free))
	}
}

func (b *bruteForce) each(i, j int) {
	if i == len(b.r.Lines) {
		t := make([][]stock.Quantity, 0, len(b.r.Lines))
		flat := make([]stock.Quantity, 0, len(b.r.Lines)*len(b.r.Outlets))
		for _, row := range b.take {
			flat = append(flat, row...)
			t = append(t, flat[len(flat)-len(row):])
		}
		b.all = append(b.all, t)
		return
	}
	if j == len(b.r.Outlets) {
		b.each(i+1, 0)
		return
	}
	l := b.r.Lines[i]
	parts := l.Kit
	if len(parts) == 0 {
		parts = []allocation.Part{{SKU: l.SKU, Quantity: 1}}
	}
	id := b.r.Outlets[j].ID
	took := stock.Quantity(0)
	for {
		b.each(i, j+1)
		ok := sum(b.take[i]) < l.Need && (l.Outlet == "" || l.Outlet == id) && !slices.Contains(l.Excluded, id)
		for _, p := range parts {
			ok = ok && b.free[j][p.SKU] >= p.Quantity
		}
		if !ok {
			break
		}
		for _, p := range parts {
			b.free[j][p.SKU] -= p.Quantity
		}
		b.take[i][j]++
		took++
	}
	b.take[i][j] = 0
	for _, p := range parts {
		b.free[j][p.SKU] += took * p.Quantity
	}
}

// most returns what the lines get at most, the first first, in the answers that are ok.
func (b *bruteForce) most(ok func([][]stock.Quantity) bool) []stock.Quantity {
	most := make([]stock.Quantity, len(b.r.Lines))
	for _, t := range b.all {
		if ok(t) {
			for i := range t {
				if q := sum(t[i]); q != most[i] {
					if q > most[i] {
						for k := i; k < len(t); k++ {
							most[k] = sum(t[k])
						}
					}
					break
				}
			}
		}
	}
	return most
}

func startsWith(t [][]stock.Quantity, target []stock.Quantity) bool {
	for i, q := range target {
		if sum(t[i]) != q {
			return false
		}
	}
	return true
}

func sum(qs []stock.Quantity) (s stock.Quantity) {
	for _, q := range qs {
		s += q
	}
	return s
}

func cutsOf(t [][]stock.Quantity) (cuts int) {
	for _, row := range t {
		used := 0
		for _, q := range row {
			if q > 0 {
				used++
			}
		}
		cuts += max(0, used-1)
	}
	return cuts
}

// better compares two answers that serve the same units.
func (b *bruteForce) better(x, y [][]stock.Quantity) bool {
	if cx, cy := cutsOf(x), cutsOf(y); cx != cy {
		return cx < cy
	}
	if b.r.Rules.Prefer != record.PriorityFirst {
		ox, oy := outletsOf(x), outletsOf(y)
		if b.r.Rules.SingleOutlet && len(ox) != len(oy) {
			return len(ox) < len(oy)
		}
		for k := range min(len(ox), len(oy)) {
			if c := slices.Compare(ox[k][:], oy[k][:]); c != 0 {
				return c > 0
			}
		}
	}
	for i := range x {
		if c := slices.Compare(x[i], y[i]); c != 0 {
			return c > 0
		}
	}
	return false
}

// outletsOf returns whole lines, units and −priority of each outlet used, best first.
func outletsOf(t [][]stock.Quantity) (outlets [][3]int) {
	if len(t) == 0 {
		return nil
	}
	for j := range t[0] {
		o := [3]int{0, 0, -j}
		for i := range t {
			if t[i][j] > 0 {
				o[1] += int(t[i][j])
				if t[i][j] == sum(t[i]) {
					o[0]++
				}
			}
		}
		if o[1] > 0 {
			outlets = append(outlets, o)
		}
	}
	slices.SortFunc(outlets, func(a, b [3]int) int { return -slices.Compare(a[:], b[:]) })
	return outlets
}
