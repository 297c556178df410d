package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func toldCommand(sh *app.Shell) *cobra.Command {
	limit := 20
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "told CHANNEL SKU",
		Short: "Print what a channel was told about a SKU, when, and from which numbers",
		Long: `Prints what a channel was told about a SKU, newest first: when, what came of it, the quantity, and the numbers it was
computed from. CHANNEL is pool/channel, or just the channel where only one pool has it.`,
		Example: `  shelfwire told acme/web SHIRT
  shelfwire told web SHIRT --limit 1`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 || limit > 10_000 {
				return app.Usagef("--limit %d is not between 1 and 10000", limit)
			}
			return sh.With(cmd.Context(), app.Past, func(inst *app.Installation) error {
				past, err := inst.History(cmd.Context())
				if err != nil {
					return err
				}
				pool, channel, err := findChannel(cmd.Context(), past, args[0])
				if err != nil {
					return err
				}
				rows, err := past.Told(cmd.Context(), auditview.ToldFilter{Pool: pool, Channel: channel, SKU: args[1], Limit: limit})
				if err != nil {
					return err
				}
				if len(rows) == 0 {
					return fmt.Errorf("channel %s/%s was never told anything about SKU %q", pool, channel, args[1])
				}
				if asJSON {
					return printToldJSON(sh.Stdout, rows)
				}
				return printTold(sh.Stdout, rows)
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", limit, "print at most `N` communications")
	cmd.Flags().BoolVar(&asJSON, "json", false, `print JSON, one communication a line, with its offer where it is known: {"communication":…,"offer":…}`)
	return cmd
}

// findChannel returns the pool and the channel that a person means by "pool/channel" or by the channel alone.
func findChannel(ctx context.Context, past auditview.Queries, name string) (pool, channel string, err error) {
	if parts := stream.SplitKey(name); len(parts) == 2 {
		return parts[0], parts[1], nil
	}
	pools, err := past.Pools(ctx)
	if err != nil {
		return "", "", err
	}
	var found []string
	for _, p := range pools {
		channels, err := past.Channels(ctx, p)
		if err != nil {
			return "", "", err
		}
		if slices.ContainsFunc(channels, func(c auditview.ChannelRow) bool { return c.Channel == name }) {
			found = append(found, p)
		}
	}
	switch len(found) {
	case 0:
		return "", "", fmt.Errorf("no pool has a channel %q", name)
	case 1:
		return found[0], name, nil
	}
	return "", "", app.Usagef("several pools have a channel %q: name one as %s", name, stream.JoinKey(found[0], name))
}

func printToldJSON(w io.Writer, rows []auditview.ToldRow) error {
	var line []byte
	for i := range rows {
		line = codec.AppendCommunicationJSON(append(line[:0], `{"communication":`...), &rows[i].Communication)
		line = append(line, `,"offer":`...)
		if o := rows[i].Offer; o != nil {
			line = codec.AppendOfferRecordJSON(line, &record.OfferRecord{Offer: o})
		} else {
			line = append(line, "null"...)
		}
		if _, err := w.Write(append(line, '}', '\n')); err != nil {
			return err
		}
	}
	return nil
}

func printTold(w io.Writer, rows []auditview.ToldRow) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WHEN\tWHAT\tQUANTITY\tOFFER\tWHY\tANSWER")
	for i := range rows {
		r := &rows[i]
		what := communicationWord(r.State)
		if r.Attempt > 1 {
			what += " (attempt " + strconv.Itoa(int(r.Attempt)) + ")"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", r.RecordedAt, what, quantityOf(r), r.OfferVersion, r.Reason, strings.TrimSpace(r.ReplyClass+" "+r.Reply))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var explained stock.Version
	for i := range rows {
		if o := rows[i].Offer; o != nil && o.Version != explained {
			explained = o.Version
			if _, err := fmt.Fprintf(w, "\noffer %d, since %s: %s\n", o.Version, o.ChangedAt, auditview.Arithmetic(o)); err != nil {
				return err
			}
		}
	}
	return nil
}

// quantityOf is what was asked for, or what was read.
func quantityOf(r *auditview.ToldRow) string {
	switch {
	case r.Kind != record.ReadLevel:
		return strconv.FormatInt(int64(r.Quantity), 10)
	case r.Level != nil:
		return strconv.FormatInt(int64(*r.Level), 10)
	}
	return "-"
}

func communicationWord(s record.CommunicationState) string {
	switch s {
	case record.Attempted:
		return "attempted"
	case record.Acknowledged:
		return "acknowledged"
	case record.CommunicationRejected:
		return "rejected"
	case record.Unknown:
		return "outcome unknown"
	case record.Observed:
		return "observed"
	case record.Held:
		return "held"
	case record.Quarantined:
		return "quarantined"
	}
	return "?"
}
