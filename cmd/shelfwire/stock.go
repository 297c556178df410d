package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
)

func stockCommand(sh *app.Shell) *cobra.Command {
	var where, asJSON bool
	cmd := &cobra.Command{
		Use:   "stock POOL [SKU]",
		Short: "Print the present counts from Redis",
		Long: `Prints the present counts of one SKU, or of every SKU of a pool, as they stand in Redis.

on hand    units physically there        on order    units ordered and not yet despatched
reserved   promised to open orders       available   on hand − on order; negative: oversold`,
		Example: `  shelfwire stock acme
  shelfwire stock acme SHIRT --json
  shelfwire stock --where acme          the N of the key sw:{jN}:stock:acme`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if where && len(args) == 2 {
				return app.Usagef("--where takes a pool only")
			}
			return sh.With(cmd.Context(), app.State, func(inst *app.Installation) error {
				if !where {
					return printStock(cmd.Context(), sh.Stdout, inst, args[0], args[1:], asJSON)
				}
				n, err := inst.JournalPartition(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				fmt.Fprintln(sh.Stdout, n)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&where, "where", false, "print the journal partition of the pool, which is in its Redis keys")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one SKU a line, as in the topic availability")
	return cmd
}

func printStock(ctx context.Context, w io.Writer, inst *app.Installation, pool string, skus []string, asJSON bool) error {
	counts, err := inst.Stock(ctx, pool, skus...)
	if err != nil {
		return err
	}
	if len(counts) == 0 {
		if len(skus) > 0 {
			return fmt.Errorf("nothing was ever counted for SKU %q in pool %q", skus[0], pool)
		}
		return fmt.Errorf("nothing was ever counted in pool %q", pool)
	}
	if asJSON {
		var line []byte
		for i := range counts {
			line = append(codec.AppendAvailabilityJSON(line[:0], &counts[i]), '\n')
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "SKU\ton hand\ton order\treserved\tavailable\tbackordered\t  outlets (on hand/reserved)")
	for i := range counts {
		a := &counts[i]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t  %s\n", a.SKU, a.OnHand, a.OnOrder, a.Reserved, a.Available, a.Backordered, outletsOf(a))
	}
	return t.Flush()
}

// outletsOf lists the outlets of an availability: LAV 15/3, MTL 10/0.
func outletsOf(a *record.Availability) string {
	parts := make([]string, 0, len(a.Outlets))
	for _, o := range a.Outlets {
		part := fmt.Sprintf("%s %d/%d", o.Outlet, o.OnHand, o.Reserved)
		if o.Undeclared {
			part += " (undeclared)"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
