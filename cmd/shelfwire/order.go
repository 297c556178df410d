package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
)

func orderCommand(sh *app.Shell) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "order POOL CHANNEL ORDER",
		Short:   "Print which outlet serves an order, and why",
		Long:    "Prints the state of one order, which outlets serve its lines, and the reasons of the decision.",
		Example: "  shelfwire order acme web 1001",
		Args:    cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.With(cmd.Context(), app.State, func(inst *app.Installation) error {
				a, err := inst.Order(cmd.Context(), args[0], args[1], args[2])
				if err != nil {
					return err
				}
				if asJSON {
					_, err := sh.Stdout.Write(append(codec.AppendAllocationJSON(nil, &a), '\n'))
					return err
				}
				return printOrder(sh.Stdout, &a)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, as in the topic allocations")
	return cmd
}

// The decision's rules in words.
var ruleWords = map[string]string{
	"one_outlet":  "one outlet serves the whole order",
	"whole_lines": "the lines are spread over outlets, none is cut",
	"cut_lines":   "lines are cut, as little as possible",
	"waiting":     "no outlet can serve it now: it waits for stock",
	"none":        "there is nothing to allocate",
}

func printOrder(w io.Writer, a *record.Allocation) error {
	var b strings.Builder
	fmt.Fprintf(&b, "order %s of %s/%s: %s\n", a.OrderID, a.Pool, a.Channel, stateWord(a.State))
	for i := range a.Lines {
		l := &a.Lines[i]
		fmt.Fprintf(&b, "\nline %s: %d × %s", l.LineID, l.Ordered, l.SKU)
		if l.Fulfilled > 0 {
			fmt.Fprintf(&b, ", %d despatched", l.Fulfilled)
		}
		if l.Waiting > 0 {
			fmt.Fprintf(&b, ", %d waiting for stock", l.Waiting)
		}
		if l.Held {
			b.WriteString(", held: the channel's item is in no listing")
		}
		b.WriteByte('\n')
		for _, al := range l.Allocations {
			fmt.Fprintf(&b, "  %s: %d", al.Outlet, al.Quantity)
			if al.Fulfilled > 0 {
				fmt.Fprintf(&b, ", %d of them despatched", al.Fulfilled)
			}
			b.WriteByte('\n')
		}
	}
	writeDecision(&b, a)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeDecision(b *strings.Builder, a *record.Allocation) {
	d := &a.Decision
	if d.Rule == "" {
		return
	}
	word, ok := ruleWords[d.Rule]
	if !ok {
		word = d.Rule
	}
	fmt.Fprintf(b, "\nwhy: %s", word)
	if !d.Exact {
		b.WriteString(" (the search gave up early: a better split may exist)")
	}
	b.WriteByte('\n')
	skus := map[string]string{}
	for i := range a.Lines {
		skus[a.Lines[i].LineID] = a.Lines[i].SKU
	}
	for _, c := range d.Candidates {
		if len(c.Lacks) == 0 {
			fmt.Fprintf(b, "  %s had everything\n", c.Outlet)
			continue
		}
		parts := make([]string, 0, len(c.Lacks))
		for _, l := range c.Lacks {
			parts = append(parts, fmt.Sprintf("%d × %s (line %s)", l.Quantity, skus[l.LineID], l.LineID))
		}
		fmt.Fprintf(b, "  %s lacked %s\n", c.Outlet, strings.Join(parts, ", "))
	}
}

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
