// Package allocation decides which outlet serves an order. It is pure: the caller brings the need and what each outlet
// has free, and applies the decision.
package allocation

import (
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The rules a decision can have fired.
const (
	RuleOneOutlet = "one_outlet" // one outlet serves everything that was asked for
	RuleWaiting   = "waiting"    // nobody can: everything waits for stock
	RuleNone      = "none"       // nothing was asked for
)

// A Need is a line's units that nobody has promised yet; Quantity > 0.
type Need struct {
	LineID   string
	SKU      int // index of the line's SKU in Outlet.Free: lines of one SKU share it
	Quantity stock.Quantity
}

// An Outlet is a candidate with the units it has free of each SKU asked for, each ≥ 0.
type Outlet struct {
	ID   string
	Free []stock.Quantity
}

// A Result says which outlet serves and why. Candidates lists every outlet looked at, in the order given, with what it
// lacked; those after the chosen one were not needed.
type Result struct {
	Chosen     int // index of the outlet that serves, −1 where none can
	Rule       string
	Exact      bool
	Candidates []record.Candidate
}

// OneOutlet picks the first outlet, in the order given (best priority first), that has every unit asked for. Lines of the
// same SKU are added up before they are compared, so that none is promised twice.
func OneOutlet(needs []Need, outlets []Outlet) Result {
	if len(needs) == 0 {
		return Result{Chosen: -1, Rule: RuleNone, Exact: true}
	}
	r := Result{Chosen: -1, Rule: RuleWaiting, Exact: true, Candidates: make([]record.Candidate, 0, len(outlets))}
	for i, o := range outlets {
		lacks := lacking(needs, o)
		r.Candidates = append(r.Candidates, record.Candidate{Outlet: o.ID, Lacks: lacks})
		if len(lacks) == 0 {
			r.Chosen, r.Rule = i, RuleOneOutlet
			return r
		}
	}
	return r
}

// lacking hands the outlet's free units to the lines in order and returns what each line then misses.
func lacking(needs []Need, o Outlet) []record.Lack {
	var lacks []record.Lack
	for i, n := range needs {
		free := o.Free[n.SKU]
		for _, earlier := range needs[:i] {
			if earlier.SKU == n.SKU {
				free -= earlier.Quantity
			}
		}
		if missing := n.Quantity - max(0, free); missing > 0 {
			lacks = append(lacks, record.Lack{LineID: n.LineID, Quantity: missing})
		}
	}
	return lacks
}
