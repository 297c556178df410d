package allocation_test

import (
	"slices"

	"github.com/shelfwire/shelfwire/internal/allocation"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// brute decides a small request by looking at every answer there is. It shares no code with the package, and is written from
// the objective alone.
func brute(r *allocation.Request) (takes [][]stock.Quantity, cuts int) {
	b := &bruteForce{r: r}
	b.zero()
	b.each(0, 0)

	var target []stock.Quantity
	pinned := func(i int) bool { return r.Lines[i].Outlet != "" }
	together := func(t [][]stock.Quantity) bool { // all lines that name no outlet at one
		at := -1
		for i := range t {
			for j, q := range t[i] {
				if q > 0 && !pinned(i) {
					if at >= 0 && at != j {
						return false
					}
					at = j
				}
			}
		}
		return true
	}
	whole := func(t [][]stock.Quantity) bool { return cutsOf(t) == 0 }
	anything := func([][]stock.Quantity) bool { return true }

	allowed := anything
	switch {
	case !r.Rules.SplitOrders:
		allowed = together
		target = b.most(anything)
		if !b.reaches(target, together) {
			target = b.most(func(t [][]stock.Quantity) bool {
				for i := range t {
					if sum(t[i]) > 0 && !pinned(i) {
						return false
					}
				}
				return true
			})
		}
	case !r.Rules.SplitLines:
		allowed = whole
		for i := range r.Lines { // line by line: what there is beside the ones before, if that needs no cut
			q := stock.Quantity(0)
			for _, t := range b.all {
				if startsWith(t, target) {
					q = max(q, sum(t[i]))
				}
			}
			next := append(slices.Clone(target), q)
			ok := false
			for _, t := range b.all {
				if startsWith(t, next) && cutsOf(t[:i+1]) == 0 {
					ok = true
				}
			}
			if !ok {
				next[i] = 0
			}
			target = next
		}
	default:
		target = b.most(anything)
	}
	for i := range r.Lines {
		if r.Rules.ShipComplete && target[i] < r.Lines[i].Need {
			target = make([]stock.Quantity, len(r.Lines))
		}
	}
	for _, t := range b.all {
		if startsWith(t, target) && allowed(t) && (takes == nil || b.better(t, takes)) {
			takes = t
		}
	}
	return takes, cutsOf(takes)
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
		var t [][]stock.Quantity
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

func (b *bruteForce) reaches(target []stock.Quantity, ok func([][]stock.Quantity) bool) bool {
	for _, t := range b.all {
		if startsWith(t, target) && ok(t) {
			return true
		}
	}
	return false
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
