package allocation_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/allocation"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// large makes an order of 50 lines over 20 outlets of which each has a line whole, in part or not at all.
func large(r *rand.Rand, whole, part float64, lines, outlets int) *allocation.Request {
	q := &allocation.Request{Rules: allocation.Rules{SingleOutlet: true, SplitOrders: true, SplitLines: true}}
	for i := range lines {
		q.Lines = append(q.Lines, line(strconv.Itoa(i), i, stock.Quantity(2+r.IntN(8))))
	}
	for j := range outlets {
		o := allocation.Outlet{ID: "outlet-" + strconv.Itoa(j), Free: make([]stock.Quantity, lines)}
		for i, l := range q.Lines {
			switch p := r.Float64(); {
			case p < whole:
				o.Free[i] = l.Need + stock.Quantity(r.IntN(5))
			case p < whole+part:
				o.Free[i] = 1 + stock.Quantity(r.IntN(int(l.Need)-1))
			}
		}
		q.Outlets = append(q.Outlets, o)
	}
	return q
}

// shareSKUs makes the lines share that many SKUs.
func shareSKUs(q *allocation.Request, skus int) *allocation.Request {
	for i := range q.Lines {
		q.Lines[i].SKU %= skus
	}
	return q
}

// adversarial are the shapes that a set cover search likes least, and those that leave a choice of quantities.
func adversarial(r *rand.Rand) map[string]*allocation.Request {
	cases := map[string]*allocation.Request{
		"each line at three outlets":   large(r, 0, 0, 50, 20),
		"each line at half of them":    large(r, 0, 0, 50, 20),
		"each outlet lacks one":        large(r, 1, 0, 50, 20),
		"everything must be cut":       large(r, 0, 1, 50, 20),
		"most must be cut":             large(r, 0.05, 0.9, 50, 20),
		"half must be cut":             large(r, 0.04, 0.5, 50, 20),
		"all alike":                    large(r, 0, 0, 50, 20),
		"one SKU on all lines":         shareSKUs(large(r, 0.3, 0.3, 50, 20), 1),
		"five SKUs":                    shareSKUs(large(r, 0.3, 0.3, 50, 20), 5),
		"pairs":                        shareSKUs(large(r, 0.3, 0.3, 50, 20), 25),
		"huge quantities of one SKU":   shareSKUs(large(r, 0.3, 0.3, 50, 20), 1),
		"200 outlets":                  large(r, 0.2, 0.2, 50, 200),
		"200 outlets, all must be cut": large(r, 0, 0.5, 50, 200),
	}
	for i, l := range cases["each line at three outlets"].Lines {
		for _, j := range r.Perm(20)[:3] {
			cases["each line at three outlets"].Outlets[j].Free[i] = l.Need
		}
	}
	for i, l := range cases["each line at half of them"].Lines {
		for _, j := range r.Perm(20)[:10] {
			cases["each line at half of them"].Outlets[j].Free[i] = l.Need
		}
	}
	for j, o := range cases["each outlet lacks one"].Outlets {
		o.Free[j] = 0
	}
	for _, o := range cases["all alike"].Outlets {
		for i := range o.Free {
			o.Free[i] = stock.Quantity(i % 3)
		}
	}
	q := cases["huge quantities of one SKU"]
	for i := range q.Lines {
		q.Lines[i].Need *= 10_000_001
	}
	for _, o := range q.Outlets {
		o.Free[0] = o.Free[0]*9_999_999 + 77
	}
	return cases
}

// TestStepBudget: no order takes more steps than there are, and every answer is a valid one.
func TestStepBudget(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	var d allocation.Decider
	for range 3 {
		cases := adversarial(r)
		for _, name := range slices.Sorted(maps.Keys(cases)) {
			for _, rules := range []allocation.Rules{
				whole, rules(byPriority), rules(func(r *allocation.Rules) { r.SingleOutlet = false }),
				rules(func(r *allocation.Rules) { r.SplitLines = false }), rules(func(r *allocation.Rules) { r.SplitOrders = false }),
			} {
				q := cases[name]
				q.Rules = rules
				got := d.Decide(q)
				consistent(t, q, got)
				t.Logf("%-30s %5d steps, exact %-5t %-11s %+v", name, got.Steps, got.Exact, got.Rule, rules)
			}
		}
	}
	for range 300 {
		q := large(r, r.Float64(), r.Float64()/2, 50, 20)
		if r.IntN(2) == 0 {
			shareSKUs(q, 1+r.IntN(49))
		}
		consistent(t, q, d.Decide(q))
	}
}

// small makes three-line orders over ten outlets: one outlet can serve, or nobody alone.
func small(r *rand.Rand, split bool) *allocation.Request {
	q := &allocation.Request{Rules: whole}
	for i := range 3 {
		q.Lines = append(q.Lines, line(strconv.Itoa(i), i, stock.Quantity(1+r.IntN(3))))
	}
	for j := range 10 {
		o := allocation.Outlet{ID: strconv.Itoa(j), Free: make([]stock.Quantity, 3)}
		for i := range 3 {
			o.Free[i] = stock.Quantity(r.IntN(6))
		}
		if split {
			o.Free[r.IntN(3)] = 0
		}
		q.Outlets = append(q.Outlets, o)
	}
	return q
}

func benchmark(b *testing.B, qs []*allocation.Request) {
	var d allocation.Decider
	took := make([]time.Duration, 0, 1<<16)
	inexact, steps, n := 0, 0, 0
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		got := d.Decide(qs[n%len(qs)])
		if x := time.Since(start); len(took) < cap(took) {
			took = append(took, x)
		}
		if n++; !got.Exact {
			inexact++
		}
		steps = max(steps, got.Steps)
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "decisions/s")
	b.ReportMetric(float64(inexact)/float64(n), "inexact")
	b.ReportMetric(float64(steps), "steps-max")
}

func BenchmarkOneOutlet(b *testing.B) {
	benchmark(b, many(1000, func(r *rand.Rand) *allocation.Request { return small(r, false) }))
}
func BenchmarkSplitNeeded(b *testing.B) {
	benchmark(b, many(1000, func(r *rand.Rand) *allocation.Request { return small(r, true) }))
}

func BenchmarkLarge(b *testing.B) {
	benchmark(b, many(400, func(r *rand.Rand) *allocation.Request { return large(r, 0.1+r.Float64()*0.8, 0.1, 50, 20) }))
}

func BenchmarkAdversarial(b *testing.B) {
	r := rand.New(rand.NewPCG(8, 8))
	var qs []*allocation.Request
	for range 8 {
		cases := adversarial(r)
		for _, name := range []string{"each line at three outlets", "each line at half of them", "half must be cut", "most must be cut", "everything must be cut", "five SKUs", "pairs"} {
			qs = append(qs, cases[name])
		}
	}
	benchmark(b, qs)
}

func many(n int, one func(*rand.Rand) *allocation.Request) []*allocation.Request {
	r := rand.New(rand.NewPCG(7, 7))
	qs := make([]*allocation.Request, n)
	for i := range qs {
		qs[i] = one(r)
	}
	return qs
}
