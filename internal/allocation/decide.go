package allocation

import (
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// More rules that a decision can have fired.
const (
	RuleWholeLines = "whole_lines" // lines are spread over outlets, none is cut
	RuleCutLines   = "cut_lines"   // at least one line comes from several outlets
	RuleReduced    = "reduced"     // part is served, the rest waits
)

// StepBudget is how many steps one decision may take before it settles for the best it has. A step looks at one outlet, or at
// one quantity of one line, and costs time linear in the lines. It is part of the ruleset, as is what counts as a step: another
// budget is another answer.
const StepBudget = 8_000

// A Request is an order's open need, and the outlets that may serve it.
type Request struct {
	Lines   []Line   // sorted by id: the first goes first where stock is short, and where nothing else tells two answers apart
	Outlets []Outlet // sorted by priority, best first
	Rules   Rules
}

// A Line is units of an order line that nobody has promised yet. Lines of one SKU share what is free of it.
type Line struct {
	ID   string
	Need stock.Quantity // in units of the line, kits for a kit; ≥ 0
	SKU  int            // index of the line's SKU in Outlet.Free, unless it is a kit
	// Kit lists what one unit of the line is made of, each SKU once; empty for a plain SKU. All parts of one kit come from one
	// outlet. A pool that lets them come from several asks with one plain line a part.
	Kit      []Part
	Outlet   string   // id of the only outlet that may serve the line (click and collect); "" for any
	Excluded []string // ids of outlets that may not, having declined it
}

// A Part is Quantity > 0 units of a SKU in one kit.
type Part struct {
	SKU      int
	Quantity stock.Quantity
}

// Rules are a pool's switches, one for each step of an allocation.
type Rules struct {
	Prefer       record.Preference // PriorityFirst sets neither the number of outlets nor what each serves against priority
	SingleOutlet bool              // few outlets are better than many; ignored with PriorityFirst, which means false
	SplitOrders  bool              // lines may come from several outlets; if not, all that name no outlet come from one
	SplitLines   bool              // a line may come from several outlets; false wherever SplitOrders is
	ShipComplete bool              // everything is served, or nothing
}

// RulesOf returns the rules in the pool's settings.
func RulesOf(p *record.Pool) Rules {
	return Rules{Prefer: p.Prefer, SingleOutlet: p.SingleOutlet, SplitOrders: p.SplitOrders, SplitLines: p.SplitLines, ShipComplete: p.ShipComplete}
}

// A Take is Quantity > 0 units of a line from an outlet, both by their index in the request.
type Take struct {
	Line, Outlet int
	Quantity     stock.Quantity
}

// A Decision says which outlet serves what, and why. Per line, the takes and what waits add up to the need. Candidates stays as it is
// and may be shared: nobody changes it. Takes and Waiting are the decider's and hold until it decides again.
type Decision struct {
	Takes   []Take           // sorted by line, then by outlet
	Waiting []stock.Quantity // by line
	Rule    string
	Exact   bool // false where the step budget ran out: valid, but perhaps not the best
	Steps   int  // of the step budget, ≤ StepBudget
	// Candidates says what each outlet lacked to serve the whole order alone, handing what is free to the lines in order. The
	// list ends with the first that lacks nothing, where that one serves alone.
	Candidates []record.Candidate
}

// Decide decides a request. A caller with many of them uses one [Decider].
func Decide(r *Request) Decision {
	var d Decider
	return d.Decide(r)
}

// A Decider decides one request after the other in memory of its own. The zero value is ready; it serves one goroutine. What
// it decides depends on the request alone.
type Decider struct {
	problem
	sequence
	placing placing
	cover   cover

	lacks []record.Lack
	ends  []int              // of each candidate's part of lacks
	first []record.Candidate // of a decision that named one, which lacked nothing

	takes []Take // those of the decision
	waits []stock.Quantity
}

// Decide finds the allocation that, in this order, serves the first lines most fully; cuts least (Σ over lines of outlets − 1);
// uses the fewest outlets; is better at the first outlet where two differ, taking each one's outlets best first (most whole
// lines, then most units, then priority); and gives the first line where two differ more from the better outlet. Rules.Prefer
// and SingleOutlet leave out the criteria between.
func (d *Decider) Decide(r *Request) Decision {
	if !r.needs() {
		d.waits = zeroed(d.waits, len(r.Lines))
		return Decision{Waiting: d.waits, Rule: RuleNone, Exact: true}
	}
	if alone := d.candidates(r); alone >= 0 {
		return d.alone(r, alone)
	}
	d.begin(r)
	d.solve(r)
	return d.decision(r)
}

// DecideFirst decides a request of which it knows only the best outlet: its others may be left out. ok is false where what they have
// matters, too; else the decision is the one of Decide.
func (d *Decider) DecideFirst(r *Request) (_ Decision, ok bool) {
	if !r.Rules.oneSettles() || !r.needs() {
		return Decision{}, false
	}
	d.lacks, d.ends = d.lacks[:0], d.ends[:0]
	if d.lacking(r, 0); len(d.lacks) > 0 {
		return Decision{}, false
	}
	d.ends = append(d.ends, 0)
	return d.alone(r, 0), true
}

// needs reports whether any line does.
func (r *Request) needs() bool {
	for i := range r.Lines {
		if r.Lines[i].Need > 0 {
			return true
		}
	}
	return false
}

// oneSettles reports whether the first outlet that lacks nothing serves everything, whatever the others have.
func (r Rules) oneSettles() bool { return r.SingleOutlet && r.Prefer != record.PriorityFirst }

// alone says that one outlet serves everything.
func (d *Decider) alone(r *Request, outlet int) Decision {
	d.takes, d.waits = d.takes[:0], zeroed(d.waits, len(r.Lines))
	for i := range r.Lines {
		if need := r.Lines[i].Need; need > 0 {
			d.takes = append(d.takes, Take{Line: i, Outlet: outlet, Quantity: need})
		}
	}
	return Decision{Takes: d.takes, Waiting: d.waits, Exact: true, Rule: RuleOneOutlet, Candidates: d.explain(r)}
}

// candidates notes what each outlet lacks, and returns the first that lacks nothing where that settles the matter, else −1.
func (d *Decider) candidates(r *Request) int {
	settles := r.Rules.oneSettles()
	d.lacks, d.ends = d.lacks[:0], d.ends[:0]
	for j := range r.Outlets {
		before := len(d.lacks)
		d.lacking(r, j)
		d.ends = append(d.ends, len(d.lacks))
		if settles && len(d.lacks) == before {
			return j
		}
	}
	return -1
}

// lacking notes what the lines miss at the outlet, handed out in order.
func (d *Decider) lacking(r *Request, j int) {
	o := &r.Outlets[j]
	d.left = append(d.left[:0], o.Free...)
	for i := range r.Lines {
		l := &r.Lines[i]
		served := stock.Quantity(0)
		if l.allows(o.ID) {
			served = min(l.Need, l.fits(d.left))
			l.use(d.left, served)
		}
		if served < l.Need {
			d.lacks = append(d.lacks, record.Lack{LineID: l.ID, Quantity: l.Need - served})
		}
	}
}

// decision says what was found.
func (d *Decider) decision(r *Request) Decision {
	d.takes, d.waits = d.takes[:0], zeroed(d.waits, len(r.Lines))
	waits := false
	for i := range r.Lines {
		d.waits[i] = r.Lines[i].Need
		for j := range r.Outlets {
			if q := d.taken(i, j); q > 0 {
				d.takes = append(d.takes, Take{Line: i, Outlet: j, Quantity: q})
				d.waits[i] -= q
			}
		}
		waits = waits || d.waits[i] > 0
	}
	if waits && r.Rules.ShipComplete {
		for i := range r.Lines {
			d.waits[i] = r.Lines[i].Need
		}
		d.takes = d.takes[:0]
	}
	return Decision{
		Takes: d.takes, Waiting: d.waits, Exact: d.exact, Steps: d.steps, Rule: ruleOf(d.takes, waits, r.Rules), Candidates: d.explain(r),
	}
}

// ruleOf names the rule behind the takes.
func ruleOf(takes []Take, waits bool, rules Rules) string {
	switch {
	case len(takes) == 0:
		return RuleWaiting
	case waits:
		return RuleReduced
	}
	one := rules.Prefer != record.PriorityFirst && (rules.SingleOutlet || !rules.SplitOrders)
	for i := 1; i < len(takes); i++ {
		if takes[i].Line == takes[i-1].Line {
			return RuleCutLines
		}
		one = one && takes[i].Outlet == takes[0].Outlet
	}
	if one {
		return RuleOneOutlet
	}
	return RuleWholeLines
}

// explain copies what each candidate lacked, all lacks in one piece of memory. Where the first lacked nothing, which is what there is
// to say of most orders, it says it in the memory of the last one of which it was so.
func (d *Decider) explain(r *Request) []record.Candidate {
	if len(d.ends) == 1 && len(d.lacks) == 0 {
		if len(d.first) == 0 || d.first[0].Outlet != r.Outlets[0].ID {
			d.first = []record.Candidate{{Outlet: r.Outlets[0].ID}}
		}
		return d.first
	}
	candidates := make([]record.Candidate, len(d.ends))
	var lacks []record.Lack
	if len(d.lacks) > 0 {
		lacks = append(make([]record.Lack, 0, len(d.lacks)), d.lacks...)
	}
	from := 0
	for j, end := range d.ends {
		candidates[j].Outlet = r.Outlets[j].ID
		if from < end {
			candidates[j].Lacks = lacks[from:end:end]
		}
		from = end
	}
	return candidates
}

// allows reports whether the outlet may serve the line.
func (l *Line) allows(outlet string) bool {
	if l.Outlet != "" && l.Outlet != outlet {
		return false
	}
	for _, x := range l.Excluded {
		if x == outlet {
			return false
		}
	}
	return true
}

// fits returns how many units of the line can be made of what is free.
func (l *Line) fits(free []stock.Quantity) stock.Quantity {
	if len(l.Kit) == 0 {
		return max(0, free[l.SKU])
	}
	units := stock.Quantity(-1)
	for _, p := range l.Kit {
		if u := max(0, free[p.SKU]) / p.Quantity; units < 0 || u < units {
			units = u
		}
	}
	return units
}

// use takes the units' parts out of what is free; negative units put them back.
func (l *Line) use(free []stock.Quantity, units stock.Quantity) {
	if len(l.Kit) == 0 {
		free[l.SKU] -= units
		return
	}
	for _, p := range l.Kit {
		free[p.SKU] -= units * p.Quantity
	}
}
