package allocation_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/allocation"
	"github.com/shelfwire/shelfwire/internal/allocation/allocationtest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// whole are the rules of a pool that set nothing.
var whole = allocation.Rules{Prefer: record.FewestOutlets, SingleOutlet: true, SplitOrders: true, SplitLines: true}

func rules(change func(r *allocation.Rules)) allocation.Rules {
	r := whole
	change(&r)
	return r
}

func byPriority(r *allocation.Rules) { r.Prefer = record.PriorityFirst }

func line(id string, sku int, need stock.Quantity) allocation.Line {
	return allocation.Line{ID: id, SKU: sku, Need: need}
}

// served writes a decision as "line: outlet units, outlet units; …", what waits last.
func served(r *allocation.Request, d allocation.Decision) string {
	var lines []string
	for i, l := range r.Lines {
		var parts []string
		for _, t := range d.Takes {
			if t.Line == i {
				parts = append(parts, fmt.Sprintf("%s %d", r.Outlets[t.Outlet].ID, t.Quantity))
			}
		}
		if d.Waiting[i] > 0 {
			parts = append(parts, fmt.Sprintf("waits %d", d.Waiting[i]))
		}
		lines = append(lines, l.ID+": "+strings.Join(parts, ", "))
	}
	return strings.Join(lines, "; ")
}

// TestGolden is DESIGN's table.
func TestGolden(t *testing.T) {
	three := []allocation.Outlet{montreal, sherbrooke, laval}
	two := three[:2]
	for _, tt := range []struct {
		name              string
		shirts, hats, sho stock.Quantity
		outlets           []allocation.Outlet
		rules             allocation.Rules
		want, rule        string
	}{
		{"1", 2, 1, 1, three, whole, "shirts: MTL 2; hats: MTL 1; shoes: MTL 1", "one_outlet"},
		{"2", 1, 5, 0, two, whole, "shirts: MTL 1; hats: SHE 5", "whole_lines"},
		{"2b", 1, 5, 0, three, whole, "shirts: LAV 1; hats: LAV 5", "one_outlet"},
		{"2 prefer priority, all three", 1, 5, 0, three, rules(byPriority), "shirts: MTL 1; hats: SHE 5", "whole_lines"},
		{"3", 0, 5, 2, three, whole, "hats: SHE 5; shoes: SHE 2", "one_outlet"},
		{"4", 1, 12, 2, two, whole, "shirts: MTL 1; hats: MTL 3, SHE 9; shoes: MTL 2", "cut_lines"},
		{"4b", 1, 12, 2, three, whole, "shirts: LAV 1; hats: MTL 2, LAV 10; shoes: LAV 2", "cut_lines"},
		{"5", 17, 6, 6, three, whole, "shirts: MTL 2, LAV 15; hats: LAV 6; shoes: LAV 6", "cut_lines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &allocation.Request{Outlets: tt.outlets, Rules: tt.rules}
			for _, l := range []allocation.Line{line("shirts", shirt, tt.shirts), line("hats", hat, tt.hats), line("shoes", shoes, tt.sho)} {
				if l.Need > 0 {
					r.Lines = append(r.Lines, l)
				}
			}
			d := allocation.Decide(r)
			t.Logf("%d shirts, %d hats, %d shoes over %s → %s (%s, %d steps)", tt.shirts, tt.hats, tt.sho, names(tt.outlets), served(r, d), d.Rule, d.Steps)
			if got := served(r, d); got != tt.want || d.Rule != tt.rule || !d.Exact {
				t.Errorf("Decide() = %s by %s, exact %t; want %s by %s", got, d.Rule, d.Exact, tt.want, tt.rule)
			}
		})
	}
}

func names(outlets []allocation.Outlet) string {
	var ids []string
	for _, o := range outlets {
		ids = append(ids, o.ID)
	}
	return strings.Join(ids, ", ")
}

// check compares a decision with brute force, and checks what must always hold.
func check(t *testing.T, d *allocation.Decider, r *allocation.Request) {
	t.Helper()
	got := d.Decide(r)
	consistent(t, r, got)
	first(t, r, got)
	want, _ := allocationtest.Best(r)
	table := make([][]stock.Quantity, len(r.Lines))
	for i := range table {
		table[i] = make([]stock.Quantity, len(r.Outlets))
	}
	for _, x := range got.Takes {
		table[x.Line][x.Outlet] += x.Quantity
	}
	if !got.Exact {
		t.Fatalf("Decide(%+v) is not exact after %d steps", r, got.Steps)
	}
	for i := range table {
		if !slices.Equal(table[i], want[i]) {
			t.Fatalf("Decide(%+v)\n = %v\nwant %v", r, table, want)
		}
	}
}

// first checks that the best outlet alone gives the same decision wherever it settles the matter, and there only.
func first(t *testing.T, r *allocation.Request, want allocation.Decision) {
	t.Helper()
	if len(r.Outlets) == 0 {
		return
	}
	alone := *r
	alone.Outlets = r.Outlets[:1]
	var d allocation.Decider
	got, ok := d.DecideFirst(&alone)
	settles := r.Rules.SingleOutlet && r.Rules.Prefer != record.PriorityFirst && len(want.Candidates) == 1 && len(want.Candidates[0].Lacks) == 0
	if ok != settles || ok && !reflect.DeepEqual(got, want) {
		t.Fatalf("DecideFirst(%+v)\n = %+v, %v\nwant %+v, %v", &alone, got, ok, want, settles)
	}
}

// consistent checks what holds for every decision.
func consistent(t *testing.T, r *allocation.Request, d allocation.Decision) {
	t.Helper()
	if d.Steps > allocation.StepBudget {
		t.Fatalf("%d steps, the budget is %d", d.Steps, allocation.StepBudget)
	}
	given := make([]stock.Quantity, len(r.Lines))
	used := make([][]stock.Quantity, len(r.Outlets))
	for j := range used {
		used[j] = make([]stock.Quantity, len(r.Outlets[j].Free))
	}
	for k, x := range d.Takes {
		if k > 0 && (x.Line < d.Takes[k-1].Line || x.Line == d.Takes[k-1].Line && x.Outlet <= d.Takes[k-1].Outlet) {
			t.Fatalf("takes are out of order: %v", d.Takes)
		}
		l := r.Lines[x.Line]
		if id := r.Outlets[x.Outlet].ID; x.Quantity <= 0 || l.Outlet != "" && l.Outlet != id || slices.Contains(l.Excluded, id) {
			t.Fatalf("take %v of line %+v at %s", x, l, id)
		}
		given[x.Line] += x.Quantity
		if len(l.Kit) == 0 {
			used[x.Outlet][l.SKU] += x.Quantity
		}
		for _, p := range l.Kit {
			used[x.Outlet][p.SKU] += x.Quantity * p.Quantity
		}
	}
	for i, l := range r.Lines {
		if given[i]+d.Waiting[i] != l.Need || d.Waiting[i] < 0 {
			t.Fatalf("line %s: %d given, %d waiting, %d needed", l.ID, given[i], d.Waiting[i], l.Need)
		}
		if r.Rules.ShipComplete && d.Waiting[i] > 0 && len(d.Takes) > 0 {
			t.Fatalf("line %s waits while others are served", l.ID)
		}
	}
	for j, o := range r.Outlets {
		for s, q := range used[j] {
			if q > max(0, o.Free[s]) {
				t.Fatalf("%s gives %d of SKU %d, %d are free: %v", o.ID, q, s, o.Free[s], d.Takes)
			}
		}
	}
}

// TestExhaustive compares with brute force for every stock and order of up to 3 outlets × 3 lines × 3 units, lines of one SKU
// among them. More of an SKU than the order asks for is as good as what it asks for (TestMoreThanAskedFor), so stock goes up to that. By
// default every 97th case is tried; EXHAUSTIVE=1 tries all.
func TestExhaustive(t *testing.T) {
	stride := 97
	if os.Getenv("EXHAUSTIVE") != "" {
		stride = 1
	}
	for _, skus := range [][]int{{0, 1, 2}, {0, 0, 1}, {0, 1, 0}, {0, 1, 1}, {0, 0, 0}} {
		for first := range 4 {
			t.Run(fmt.Sprintf("SKUs %v, %d of the first", skus, first), func(t *testing.T) {
				t.Parallel()
				t.Logf("%d cases, every %d. tried", exhaust(t, skus, first, stride), stride)
			})
		}
	}
}

// exhaust tries every stride-th of the stocks and orders of three lines of these SKUs, the first of which needs first units. It returns
// how many there are.
func exhaust(t *testing.T, skus []int, first, stride int) (cases int) {
	t.Helper()
	var d allocation.Decider
	kinds := slices.Max(skus) + 1
	for others := range 16 {
		needs := first | others<<2
		r := &allocation.Request{Rules: whole}
		asked := make([]int, kinds)
		for i, sku := range skus {
			need := needs >> (2 * i) & 3
			r.Lines = append(r.Lines, line(string(rune('1'+i)), sku, stock.Quantity(need)))
			asked[sku] += need
		}
		for _, id := range []string{"A", "B", "C"} {
			r.Outlets = append(r.Outlets, allocation.Outlet{ID: id, Free: make([]stock.Quantity, kinds)})
		}
		for more := true; more; { // an odometer over the stock
			if cases%stride == 0 {
				check(t, &d, r)
			}
			cases++
			more = false
			for x := 0; x < 3*kinds && !more; x++ {
				free := &r.Outlets[x/kinds].Free[x%kinds]
				if *free++; *free <= stock.Quantity(min(3, asked[x%kinds])) {
					more = true
				} else {
					*free = 0
				}
			}
		}
	}
	return cases
}

// arbitrary makes a request of everything a request can have.
func arbitrary(r *rand.Rand, outlets, lines, units int) *allocation.Request {
	kinds := 1 + r.IntN(lines+1)
	q := &allocation.Request{Rules: whole}
	if r.IntN(2) == 0 {
		q.Rules = allocation.Rules{
			Prefer: record.Preference(1 + r.IntN(2)), SingleOutlet: r.IntN(3) > 0, SplitOrders: r.IntN(3) > 0,
			SplitLines: r.IntN(3) > 0, ShipComplete: r.IntN(4) == 0,
		}
	}
	for j := range 1 + r.IntN(outlets) {
		o := allocation.Outlet{ID: string(rune('A' + j))}
		for range kinds {
			o.Free = append(o.Free, stock.Quantity(r.IntN(units+1)))
		}
		q.Outlets = append(q.Outlets, o)
	}
	for i := range 1 + r.IntN(lines) {
		l := line(string(rune('1'+i)), r.IntN(kinds), stock.Quantity(r.IntN(units+1)))
		if r.IntN(4) == 0 {
			for _, sku := range r.Perm(kinds)[:1+r.IntN(min(kinds, 3))] {
				l.Kit = append(l.Kit, allocation.Part{SKU: sku, Quantity: stock.Quantity(1 + r.IntN(2))})
			}
		}
		if r.IntN(6) == 0 {
			l.Outlet = q.Outlets[r.IntN(len(q.Outlets))].ID
		}
		if r.IntN(6) == 0 {
			l.Excluded = append(l.Excluded, q.Outlets[r.IntN(len(q.Outlets))].ID)
		}
		q.Lines = append(q.Lines, l)
	}
	return q
}

// TestArbitrary compares with brute force under all rules, with kits, pinned lines and declined ones.
func TestArbitrary(t *testing.T) {
	n := 4_000
	if os.Getenv("EXHAUSTIVE") != "" {
		n = 400_000
	}
	var d allocation.Decider
	r := rand.New(rand.NewPCG(4, 4))
	for range n {
		check(t, &d, arbitrary(r, 3, 4, 3))
	}
	for range n / 10 {
		check(t, &d, arbitrary(r, 5, 3, 4))
		check(t, &d, arbitrary(r, 7, 2, 2)) // so many outlets that some are left out from the start
	}
}

// TestMoreThanAskedFor: what an outlet has beyond the order changes nothing.
func TestMoreThanAskedFor(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 20_000 {
		q := arbitrary(r, 4, 4, 4)
		asked := map[int]stock.Quantity{}
		for _, l := range q.Lines {
			if len(l.Kit) == 0 {
				asked[l.SKU] += l.Need
			}
			for _, p := range l.Kit {
				asked[p.SKU] += l.Need * p.Quantity
			}
		}
		less := *q
		less.Outlets = nil
		for _, o := range q.Outlets {
			free := slices.Clone(o.Free)
			for s := range free {
				free[s] = min(free[s], asked[s])
			}
			less.Outlets = append(less.Outlets, allocation.Outlet{ID: o.ID, Free: free})
		}
		a, b := allocation.Decide(q), allocation.Decide(&less)
		if !reflect.DeepEqual(a.Takes, b.Takes) {
			t.Fatalf("Decide(%+v) = %v, with no more than is asked for %v", q, a.Takes, b.Takes)
		}
	}
}

// TestRules shows each switch, and what a line may ask for. Stock: A 3 hats, 1 scarf · B 2 hats · C 2 hats, 1 scarf, 1 glove.
func TestRules(t *testing.T) {
	const hat, scarf, glove = 0, 1, 2
	outlets := []allocation.Outlet{
		{ID: "A", Free: []stock.Quantity{3, 1, 0}}, {ID: "B", Free: []stock.Quantity{2, 0, 0}}, {ID: "C", Free: []stock.Quantity{2, 1, 1}},
	}
	at := func(outlet string, l allocation.Line) allocation.Line { l.Outlet = outlet; return l }
	not := func(outlet string, l allocation.Line) allocation.Line { l.Excluded = []string{outlet}; return l }
	kit := func(need stock.Quantity, parts ...allocation.Part) allocation.Line {
		return allocation.Line{ID: "kit", Need: need, Kit: parts}
	}
	noSplit := rules(func(r *allocation.Rules) { r.SplitOrders = false })
	noCut := rules(func(r *allocation.Rules) { r.SplitLines = false })
	complete := rules(func(r *allocation.Rules) { r.ShipComplete = true })
	for _, tt := range []struct {
		name       string
		rules      allocation.Rules
		lines      []allocation.Line
		want, rule string
	}{
		{"nothing is asked for", whole, []allocation.Line{line("h", hat, 0)}, "h: ", "none"},
		{"one outlet, though another comes first", whole, []allocation.Line{line("h", hat, 2), line("g", glove, 1)}, "h: C 2; g: C 1", "one_outlet"},
		{"priority first: each line at the first that has it", rules(byPriority), []allocation.Line{line("h", hat, 2), line("g", glove, 1)}, "h: A 2; g: C 1", "whole_lines"},
		{"priority first: a line that nobody has whole is cut once", rules(byPriority), []allocation.Line{line("h", hat, 5)}, "h: A 3, B 2", "cut_lines"},
		{"the rule that one outlet should serve is off", rules(func(r *allocation.Rules) { r.SingleOutlet = false }), []allocation.Line{line("h", hat, 2), line("g", glove, 1)}, "h: C 2; g: C 1", "whole_lines"},
		{"whole lines over two outlets", whole, []allocation.Line{line("h", hat, 3), line("g", glove, 1)}, "h: A 3; g: C 1", "whole_lines"},
		{"orders are not split: the outlet that serves most, the rest waits", noSplit, []allocation.Line{line("h", hat, 3), line("g", glove, 1)}, "h: C 2, waits 1; g: C 1", "reduced"},
		{"orders are not split: what nobody has does not keep the rest waiting", noSplit, []allocation.Line{line("h", hat, 2), line("g", glove, 4)}, "h: C 2; g: C 1, waits 3", "reduced"},
		{"orders are not split: a line that names its outlet is apart", noSplit, []allocation.Line{at("B", line("h", hat, 1)), line("g", glove, 1)}, "h: B 1; g: C 1", "whole_lines"},
		{"a line is cut, as little as possible", whole, []allocation.Line{line("h", hat, 4)}, "h: A 3, B 1", "cut_lines"},
		{"lines are not cut: what one outlet has, the rest waits", noCut, []allocation.Line{line("h", hat, 4), line("s", scarf, 1)}, "h: A 3, waits 1; s: A 1", "reduced"},
		{"lines are not cut: the first goes first to the outlet with most", noCut, []allocation.Line{line("h", hat, 7), line("i", hat, 3)}, "h: A 3, waits 4; i: B 2, waits 1", "reduced"},
		{"short in total: what is there is served, the rest waits", whole, []allocation.Line{line("h", hat, 9)}, "h: A 3, B 2, C 2, waits 2", "reduced"},
		{"the first line goes first where two share too little", whole, []allocation.Line{line("1", scarf, 1), line("2", scarf, 2)}, "1: A 1; 2: C 1, waits 1", "reduced"},
		{"ship complete: one unit short, all of it waits", complete, []allocation.Line{line("h", hat, 1), line("g", glove, 2)}, "h: waits 1; g: waits 2", "waiting"},
		{"ship complete: all is there", complete, []allocation.Line{line("h", hat, 7)}, "h: A 3, B 2, C 2", "cut_lines"},
		{"click and collect", whole, []allocation.Line{at("B", line("h", hat, 1))}, "h: B 1", "one_outlet"},
		{"click and collect draws the rest of the order to its outlet", whole, []allocation.Line{at("C", line("h", hat, 1)), line("s", scarf, 1)}, "h: C 1; s: C 1", "one_outlet"},
		{"click and collect takes no stock from elsewhere", whole, []allocation.Line{at("B", line("h", hat, 3))}, "h: B 2, waits 1", "reduced"},
		{"an outlet that is no candidate", whole, []allocation.Line{at("Z", line("h", hat, 3))}, "h: waits 3", "waiting"},
		{"a declined line goes elsewhere", whole, []allocation.Line{not("A", line("h", hat, 2))}, "h: B 2", "one_outlet"},
		{"a declined line waits where nobody else has it", whole, []allocation.Line{not("C", line("g", glove, 1))}, "g: waits 1", "waiting"},
		{"the parts of a kit come from one outlet", whole, []allocation.Line{kit(1, allocation.Part{SKU: hat, Quantity: 2}, allocation.Part{SKU: glove, Quantity: 1})}, "kit: C 1", "one_outlet"},
		{"nobody has all parts of the kit", whole, []allocation.Line{kit(1, allocation.Part{SKU: hat, Quantity: 3}, allocation.Part{SKU: glove, Quantity: 1})}, "kit: waits 1", "waiting"},
		{"two kits, each from one outlet", whole, []allocation.Line{kit(2, allocation.Part{SKU: hat, Quantity: 1}, allocation.Part{SKU: scarf, Quantity: 1})}, "kit: A 1, C 1", "cut_lines"},
		{"a kit and its part as a line of its own share", whole, []allocation.Line{kit(1, allocation.Part{SKU: hat, Quantity: 1}, allocation.Part{SKU: scarf, Quantity: 1}), line("s", scarf, 1)}, "kit: A 1; s: C 1", "whole_lines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &allocation.Request{Lines: tt.lines, Outlets: outlets, Rules: tt.rules}
			d := allocation.Decide(r)
			consistent(t, r, d)
			if got := served(r, d); got != tt.want || d.Rule != tt.rule || !d.Exact {
				t.Errorf("Decide() = %s by %s, exact %t; want %s by %s", got, d.Rule, d.Exact, tt.want, tt.rule)
			}
		})
	}
}

// TestCandidates: the reasons say what each outlet lacked to serve alone, up to the one that did.
func TestCandidates(t *testing.T) {
	r := &allocation.Request{
		Lines:   []allocation.Line{line("1", hat, 5), {ID: "2", SKU: shirt, Need: 1, Excluded: []string{"MTL"}}},
		Outlets: []allocation.Outlet{montreal, sherbrooke, laval, {ID: "QUE", Free: []stock.Quantity{9, 9, 9}}}, Rules: whole,
	}
	want := []record.Candidate{
		{Outlet: "MTL", Lacks: []record.Lack{{LineID: "1", Quantity: 2}, {LineID: "2", Quantity: 1}}},
		{Outlet: "SHE", Lacks: []record.Lack{{LineID: "2", Quantity: 1}}},
		{Outlet: "LAV"},
	}
	if got := allocation.Decide(r).Candidates; !reflect.DeepEqual(got, want) {
		t.Errorf("Candidates = %+v, want %+v", got, want)
	}
	r.Outlets = r.Outlets[:2]
	if got := allocation.Decide(r).Candidates; !reflect.DeepEqual(got, want[:2]) {
		t.Errorf("nobody serves alone: Candidates = %+v, want %+v", got, want[:2])
	}
}
