package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func orderCommand(sh *app.Shell) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "order POOL CHANNEL ORDER",
		Short: "Print which outlet serves an order, and why",
		Long: `Prints the state of one order, which outlets serve its lines, what waits and since when, and the reasons of the decision: which
rule it followed, and what each outlet that was looked at did not have.

The moment since which units wait is read from the journal, where that is set and still holds it.`,
		Example: "  shelfwire order acme web 1001",
		Args:    cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.With(cmd.Context(), app.State, func(inst *app.Installation) error {
				o, err := inst.Order(cmd.Context(), args[0], args[1], args[2])
				if err != nil {
					return err
				}
				if asJSON {
					_, err := sh.Stdout.Write(append(codec.AppendAllocationJSON(nil, &o.Allocation), '\n'))
					return err
				}
				since, err := waitingSince(cmd.Context(), inst, &o)
				if err != nil {
					return err
				}
				_, err = io.WriteString(sh.Stdout, explainOrder(&o.Allocation, &o.OrderDetail, since))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, as in the topic allocations")
	return cmd
}

// waitingSince returns when the entries since which lines wait were journalled.
func waitingSince(ctx context.Context, inst *app.Installation, o *app.Order) (map[stock.Version]stock.Instant, error) {
	var versions []stock.Version
	for i := range o.OrderDetail.Lines {
		if v := o.OrderDetail.Lines[i].WaitingSince; v != 0 {
			versions = append(versions, v)
		}
	}
	return inst.EntryTimes(ctx, o.Pool, versions)
}

// explainOrder says in words what became of an order and why. since says when entries were journalled; those that are not in it are
// named by their offset.
func explainOrder(a *record.Allocation, d *engine.OrderDetail, since map[stock.Version]stock.Instant) string {
	e := explanation{a: a, d: d, since: since}
	e.printf("order %s of %s/%s: %s\n", a.OrderID, a.Pool, a.Channel, stateWord(a.State))
	if d.ExpiresAt != 0 {
		e.printf("it is held until %s, then its units are given back\n", moment(d.ExpiresAt))
	}
	if a.FulfilledBy == record.ByChannel {
		e.printf("the channel despatches it from its own stock\n")
	}
	for i := range a.Lines {
		e.line(&a.Lines[i], detailOf(d, a.Lines[i].LineID))
	}
	e.decision()
	return e.String()
}

type explanation struct {
	strings.Builder
	a     *record.Allocation
	d     *engine.OrderDetail
	since map[stock.Version]stock.Instant
}

func (e *explanation) printf(format string, args ...any) { fmt.Fprintf(&e.Builder, format, args...) }

func detailOf(d *engine.OrderDetail, id string) *engine.LineDetail {
	for i := range d.Lines {
		if d.Lines[i].LineID == id {
			return &d.Lines[i]
		}
	}
	return &engine.LineDetail{}
}

// line says where a line's units come from, and what is still missing.
func (e *explanation) line(l *record.AllocationLine, d *engine.LineDetail) {
	what := l.SKU
	if what == "" {
		what = "?"
	}
	e.printf("\nline %s: %d × %s\n", l.LineID, l.Ordered, what)
	if len(d.Kit) > 0 {
		parts := make([]string, len(d.Kit))
		for i, c := range d.Kit {
			parts[i] = fmt.Sprintf("%d × %s", c.Quantity, c.SKU)
		}
		e.printf("  each is a kit of %s\n", strings.Join(parts, ", "))
	}
	if d.Outlet != "" {
		e.printf("  only %s may serve it: the order names that outlet\n", d.Outlet)
	}
	if len(d.Declined) > 0 {
		e.printf("  declined by %s\n", strings.Join(d.Declined, ", "))
	}
	var promised stock.Quantity
	for _, al := range l.Allocations {
		promised += al.Quantity
		e.printf("  %d from %s%s\n", al.Quantity, al.Outlet, despatchedWord(al.Fulfilled, al.Quantity))
	}
	if l.Fulfilled > 0 && promised == 0 {
		e.printf("  %d despatched\n", l.Fulfilled)
	}
	if l.Held {
		e.printf("  held: no listing says which SKU the channel's item %q is; nothing is allocated until one does\n", d.Item)
	}
	if l.Waiting > 0 {
		e.printf("  %d waiting for stock%s\n", l.Waiting, e.sinceWord(d.WaitingSince))
	}
	if open := l.Ordered - l.Fulfilled - l.Waiting; !l.Held && promised == 0 && open > 0 {
		e.printf("  nothing is reserved for it\n")
	}
}

func despatchedWord(fulfilled, quantity stock.Quantity) string {
	switch {
	case fulfilled <= 0:
		return ", reserved"
	case fulfilled >= quantity:
		return ", despatched"
	}
	return fmt.Sprintf(", %d of them despatched, %d reserved", fulfilled, quantity-fulfilled)
}

func (e *explanation) sinceWord(v stock.Version) string {
	if v == 0 {
		return ""
	}
	if at, ok := e.since[v]; ok {
		return ", since " + moment(at)
	}
	return fmt.Sprintf(", since journal entry %d", v.Offset())
}

// ruleWords are the decision's rules in words, for somebody who has never heard of them.
var ruleWords = map[string]string{
	"one_outlet":  "one outlet had everything that was to be allocated, so it serves all of it",
	"whole_lines": "the order comes from several outlets, but no line is cut: each line comes from one outlet",
	"cut_lines":   "no outlets could serve every line whole, so a line comes from several outlets; as little as possible was cut",
	"reduced":     "not all of it was to be had as the pool's rules want it: what was is allocated, the rest waits",
	"waiting":     "nothing could be allocated, so all of it waits for stock",
	"none":        "there was nothing to allocate",
	"expired":     "the order was held until its time was over; then its units were given back",
	"reassigned":  "somebody moved units to another outlet by hand",
}

// waitingRules are those that leave units waiting.
var waitingRules = map[string]bool{"reduced": true, "waiting": true}

// decision says which rule the last decision followed, and what the outlets lacked then.
func (e *explanation) decision() {
	d := &e.a.Decision
	if d.Rule == "" {
		return
	}
	word, ok := ruleWords[d.Rule]
	if !ok {
		word = "by the rule " + d.Rule
	}
	e.printf("\nwhy: %s\n", word)
	for _, c := range d.Candidates {
		e.candidate(&c)
	}
	if len(d.Candidates) == 0 && waitingRules[d.Rule] {
		e.printf("  no outlet may serve it: none of the channel's outlets fulfils orders, or those that do have declined\n")
	}
	if len(d.Candidates) > 0 && !d.Exact {
		e.printf("  there were too many ways to share it out to try them all: a better one may exist\n")
	}
	if len(d.Candidates) > 0 && d.Exact && (d.Rule == "whole_lines" || d.Rule == "cut_lines") {
		e.printf("  every way to share it out was considered: there is no better one\n")
	}
	e.settings()
	if e.waits() {
		e.printf("  whoever waits is served first come, first served, as soon as stock arrives\n")
	}
}

// settings names the pool's rules that made the order wait, or come from more outlets than it might.
func (e *explanation) settings() {
	p, waits := &e.d.Settings, e.waits()
	switch {
	case waits && p.ShipComplete:
		e.printf("  the pool's rule is that an order is served complete or not yet (ship_complete)\n")
	case waits && !p.SplitOrders:
		e.printf("  the pool's rule is that an order comes from one outlet (split_orders is off)\n")
	case waits && !p.SplitLines:
		e.printf("  the pool's rule is that a line comes from one outlet (split_lines is off)\n")
	}
	if rule := e.a.Decision.Rule; rule == "whole_lines" || rule == "cut_lines" || rule == "reduced" {
		switch {
		case p.Prefer == record.PriorityFirst:
			e.printf("  the pool's rule is that outlets of better priority come before few outlets (prefer: priority)\n")
		case !p.SingleOutlet:
			e.printf("  the pool's rule is that one outlet is no better than several (single_outlet is off)\n")
		}
	}
}

func (e *explanation) waits() bool {
	for i := range e.a.Lines {
		if e.a.Lines[i].Waiting > 0 {
			return true
		}
	}
	return false
}

// candidate says what an outlet that was looked at did not have.
func (e *explanation) candidate(c *record.Candidate) {
	if len(c.Lacks) == 0 {
		e.printf("  %s had everything\n", c.Outlet)
		return
	}
	parts := make([]string, len(c.Lacks))
	for i, l := range c.Lacks {
		parts[i] = fmt.Sprintf("%d × %s (line %s)", l.Quantity, e.skuOf(l.LineID), l.LineID)
	}
	e.printf("  %s alone lacked %s\n", c.Outlet, strings.Join(parts, ", "))
}

func (e *explanation) skuOf(line string) string {
	for i := range e.a.Lines {
		if l := &e.a.Lines[i]; l.LineID == line && l.SKU != "" {
			return l.SKU
		}
	}
	return "?"
}

// moment prints an instant for people, to the second.
func moment(i stock.Instant) string { return i.Time().Format("2006-01-02 15:04:05 UTC") }

func stateWord(s record.OrderStatus) string {
	switch s {
	case record.Pending:
		return "pending"
	case record.Open:
		return "open"
	case record.PartiallyShipped:
		return "partly shipped"
	case record.Shipped:
		return "shipped"
	case record.Cancelled:
		return "cancelled"
	case record.Archived:
		return "archived"
	}
	return "unknown"
}
