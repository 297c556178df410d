// Package allocation decides which outlet serves an order. It is pure: the caller brings the need and what each outlet
// has free, and applies the decision.
package allocation

import "github.com/shelfwire/shelfwire/internal/stock"

// The rules a decision can have fired.
const (
	RuleOneOutlet = "one_outlet" // one outlet serves everything that was asked for
	RuleWaiting   = "waiting"    // nobody can: everything waits for stock
	RuleNone      = "none"       // nothing was asked for
)

// An Outlet is a candidate with the units it has free of each SKU asked for, each ≥ 0.
type Outlet struct {
	ID   string
	Free []stock.Quantity
}
