package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// patience is how long a command waits for the owner's answer unless it is told otherwise.
const patience = 2 * time.Minute

func syncCommand(sh *app.Shell) *cobra.Command {
	var observe bool
	wait := patience
	cmd := &cobra.Command{
		Use:   "sync CHANNEL [SKU]",
		Short: "Read a channel's own levels, show what has drifted, and correct it",
		Long: `Reads the level that the channel itself shows for each of its listings, compares it with what it must be after all that we
told it and all that it sold, shows what somebody else has changed, and corrects that, unless it is to observe only. CHANNEL is
pool/channel, or just the channel where only one pool has it. Exit status 1: it could not be done.`,
		Example: "  shelfwire sync acme/web\n  shelfwire sync acme/web --observe-only",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), sh, args, record.Command{Kind: record.CommandSync, ObserveOnly: observe}, wait)
		},
	}
	cmd.Flags().BoolVar(&observe, "observe-only", false, "show what has drifted and change nothing")
	waitFlag(cmd, &wait)
	return cmd
}

func pushCommand(sh *app.Shell) *cobra.Command {
	wait := patience
	cmd := &cobra.Command{
		Use:   "push CHANNEL [SKU]",
		Short: "Tell a channel its offers now",
		Long: `Tells a channel the offers of one SKU or of all, without waiting for more changes, and takes up again what was put aside.
A channel that tells its levels is read first. Exit status 1: something was put aside again, or is told later than --wait, and why and
when is printed.`,
		Example: "  shelfwire push acme/web SHIRT",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), sh, args, record.Command{Kind: record.CommandPush}, wait)
		},
	}
	waitFlag(cmd, &wait)
	return cmd
}

func ordersCommand(sh *app.Shell) *cobra.Command {
	since := ""
	wait := patience
	sync := &cobra.Command{
		Use:     "sync CHANNEL",
		Short:   "Read a channel's orders now, or again from a time on",
		Long:    "Reads the orders of a channel that changed since they were read last, or since a time. An order that is known already changes nothing.",
		Example: "  shelfwire orders sync acme/web\n  shelfwire orders sync acme/web --since 2026-11-20T00:00:00Z",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := record.Command{Kind: record.CommandOrders}
			if since != "" {
				at, err := time.Parse(time.RFC3339, since)
				if err != nil {
					return app.Usagef("--since %q is not a time like 2026-11-20T10:00:00Z", since)
				}
				c.Since = stock.InstantOf(at)
			}
			return ask(cmd.Context(), sh, args, c, wait)
		},
	}
	sync.Flags().StringVar(&since, "since", "", "read again what changed from `TIME` on")
	waitFlag(sync, &wait)
	fetchWait := patience
	fetch := &cobra.Command{
		Use:   "fetch CHANNEL ORDER",
		Short: "Read one order of a channel's now",
		Long: `Reads one order of a channel by the id that the channel gives it (as in shelfwire order), whenever it changed, and writes it to the
topic orders as a polled one is. An order that is known already as it is changes nothing. Exit status 1: there is none, or the channel
does not tell.`,
		Example: "  shelfwire orders fetch acme/shopify-ca 5512345678901",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), sh, args[:1], record.Command{Kind: record.CommandFetch, OrderID: args[1]}, fetchWait)
		},
	}
	waitFlag(fetch, &fetchWait)
	return app.Group(&cobra.Command{Use: "orders", Short: "Read a channel's orders"}, sync, fetch)
}

func failedCommand(sh *app.Shell) *cobra.Command {
	limit := 100
	list := &cobra.Command{
		Use:   "list [POOL]",
		Short: "Print what could not be told, and why",
		Long: `Prints the listings that are held or put aside, or whose newest communication was turned away or has no known outcome, and the
despatches that were not told, or that their channel has not taken, newest first.`,
		Example: "  shelfwire failed list acme",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.With(cmd.Context(), app.Past, func(inst *app.Installation) error {
				past, err := inst.History(cmd.Context())
				if err != nil {
					return err
				}
				failures, err := past.Failures(cmd.Context(), strings.Join(args, ""), limit)
				if err != nil {
					return err
				}
				if len(failures) == 0 {
					fmt.Fprintln(sh.Stderr, "nothing has failed")
					return nil
				}
				t := tabwriter.NewWriter(sh.Stdout, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "SINCE\tCHANNEL\tWHAT\tSTATE\tWHY")
				for i := range failures {
					f := &failures[i]
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", f.RecordedAt, stream.JoinKey(f.Pool, f.Channel), subjectWord(&f.Communication), communicationWord(f.State), whyOf(&f.Communication))
				}
				return t.Flush()
			})
		},
	}
	list.Flags().IntVar(&limit, "limit", limit, "print at most `N`")
	wait := patience
	retry := &cobra.Command{
		Use:   "retry CHANNEL [SKU]",
		Short: "Take up again what was put aside",
		Long: `Takes up again the listings of a channel that were put aside: they are read, where the channel tells its levels, and told. Where no
SKU is named, so are the despatches that the channel did not take. Exit status 1: something stays put aside, and why is printed.`,
		Example: "  shelfwire failed retry acme/web\n  shelfwire failed retry acme/web SHIRT",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), sh, args, record.Command{Kind: record.CommandRetry}, wait)
		},
	}
	waitFlag(retry, &wait)
	return app.Group(&cobra.Command{Use: "failed", Short: "What could not be told to the channels"}, list, retry)
}

func waitFlag(cmd *cobra.Command, wait *time.Duration) {
	cmd.Flags().DurationVar(wait, "wait", *wait, "give up waiting for the answer after this long")
}

// ask gives a command for the channel (and the SKU) that args name, and prints what came of it.
func ask(ctx context.Context, sh *app.Shell, args []string, c record.Command, wait time.Duration) error {
	if wait <= 0 {
		return app.Usagef("--wait %s is not a span of time like 30s", wait)
	}
	need := app.Log
	parts := stream.SplitKey(args[0])
	if len(parts) != 2 {
		need |= app.Past // to find the channel's pool
	}
	return sh.With(ctx, need, func(inst *app.Installation) error {
		if len(parts) == 2 {
			c.Pool, c.Channel = parts[0], parts[1]
		} else {
			past, err := inst.History(ctx)
			if err != nil {
				return err
			}
			if c.Pool, c.Channel, err = findChannel(ctx, past, args[0]); err != nil {
				return err
			}
		}
		if len(args) > 1 {
			c.SKU = args[1]
		}
		done, said, err := inst.Ask(ctx, c, wait)
		if err != nil {
			return err
		}
		if done.Reason != "" {
			return fmt.Errorf("channel %s/%s: %s", c.Pool, c.Channel, done.Reason)
		}
		if c.SKU != "" && done.Count == 0 && c.Kind != record.CommandRetry {
			return fmt.Errorf("channel %s/%s has no listing of SKU %q", c.Pool, c.Channel, c.SKU)
		}
		if err := printDone(sh.Stdout, &c, done, said); err != nil {
			return err
		}
		if done.Waiting > 0 {
			return fmt.Errorf("channel %s/%s: %d of %d wait until %s and are told by themselves then: %s", c.Pool, c.Channel, done.Waiting, done.Count, done.WaitsUntil, done.WaitsFor)
		}
		if telling := c.Kind == record.CommandPush || c.Kind == record.CommandRetry; telling && done.Failed > 0 {
			return fmt.Errorf("channel %s/%s: %d of %d stay put aside", c.Pool, c.Channel, done.Failed, done.Count)
		}
		return nil
	})
}

// printDone prints what a command led to: what had drifted and what was told, listing by listing, and the sums.
func printDone(w io.Writer, c *record.Command, done record.CommandDone, said []record.Communication) error {
	slices.SortStableFunc(said, func(a, b record.Communication) int {
		return strings.Compare(a.SKU+"\x00"+a.Location, b.SKU+"\x00"+b.Location)
	})
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range said {
		s := &said[i]
		name := subjectWord(s)
		switch {
		case s.State == record.Observed && s.Reason == "drift":
			expected := "something else"
			if s.Expected != nil {
				expected = fmt.Sprint(*s.Expected)
			}
			fmt.Fprintf(t, "%s\tdrifted\tthe channel shows %d instead of %s\n", name, *s.Level, expected)
		case s.State == record.Acknowledged && s.Kind == record.ConfirmShipment:
			fmt.Fprintf(t, "%s\ttold\t\n", name)
		case s.State == record.Acknowledged:
			fmt.Fprintf(t, "%s\ttold\t%d\n", name, s.Quantity)
		case s.State == record.CommunicationRejected, s.State == record.Unknown, s.State == record.Quarantined, s.State == record.Held:
			fmt.Fprintf(t, "%s\t%s\t%s\n", name, communicationWord(s.State), whyOf(s))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var err error
	switch c.Kind {
	case record.CommandOrders:
		_, err = fmt.Fprintf(w, "%s read\n", howMany(done.Count, "order"))
	case record.CommandFetch:
		_, err = fmt.Fprintf(w, "order %s read\n", c.OrderID)
	case record.CommandSync:
		_, err = fmt.Fprintf(w, "%s read, %d drifted, %d put aside\n", howMany(done.Count-done.Waiting, "listing"), done.Drifted, done.Failed)
	default:
		_, err = fmt.Fprintf(w, "%d told, %d put aside\n", max(0, done.Count-done.Failed-done.Waiting), done.Failed)
	}
	return err
}

// whyOf is what the channel said, or why we did what we did.
func whyOf(c *record.Communication) string {
	if c.Reply != "" {
		return strings.TrimSpace(c.ReplyClass + " " + c.Reply)
	}
	return c.Reason
}
