package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func matchCommand(sh *app.Shell) *cobra.Command {
	by, send := string(catalogue.BySKU), false
	cmd := &cobra.Command{
		Use:   "match CHANNEL",
		Short: "Compare a channel's own catalogue with its listings",
		Long: `Reads what a channel has on sale and compares it with the channel's listings, by SKU or by the product's name, but for case and
spaces. It prints what does not fit:

  found          a listing without the channel's id, and the one item that fits: --apply gives it the id
  not eligible   the item is inactive, untracked, or shipped by the channel: it cannot be told a quantity
  duplicate      several items, or several listings, are called the same: it is never guessed which is meant
  names another  the listing names an item that the channel does not have, and another one fits
  unmatched      the channel has nothing that fits the listing
  not listed     an item that there is no listing for

Nothing is sent without --apply, and nothing at all to the channel. It reads the channel itself, so the channel's url and credentials
have to be in its configuration. Exit status 1: something does not fit. CHANNEL is pool/channel, or just the channel where only one
pool has it.`,
		Example: "  shelfwire match acme/shopify-ca\n  shelfwire match acme/shopify-ca --by name --apply",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if by != string(catalogue.BySKU) && by != string(catalogue.ByName) {
				return app.Usagef("--by %q is neither sku nor name", by)
			}
			need := app.Log | app.State
			parts := stream.SplitKey(args[0])
			if len(parts) != 2 {
				need |= app.Past // to find the channel's pool
			}
			return sh.With(cmd.Context(), need, func(inst *app.Installation) error {
				if len(parts) != 2 {
					past, err := inst.History(cmd.Context())
					if err != nil {
						return err
					}
					pool, channel, err := findChannel(cmd.Context(), past, args[0])
					if err != nil {
						return err
					}
					parts = []string{pool, channel}
				}
				return match(cmd.Context(), sh, inst, parts[0], parts[1], catalogue.MatchBy(by), send)
			})
		},
	}
	cmd.Flags().StringVar(&by, "by", by, "compare by `WHAT`: sku or name")
	cmd.Flags().BoolVar(&send, "apply", false, "give the listings that were found the channel's ids")
	return cmd
}

func match(ctx context.Context, sh *app.Shell, inst *app.Installation, pool, channel string, by catalogue.MatchBy, send bool) error {
	progress := newProgress(sh.Stderr, "items read")
	matched, err := inst.Match(ctx, pool, channel, by, func(read int64) { progress.show(read, 0) })
	progress.clear()
	if err != nil {
		return err
	}
	counts := map[catalogue.MatchKind]int{}
	t := tabwriter.NewWriter(sh.Stdout, 0, 0, 2, ' ', 0)
	for i := range matched.Matches {
		m := &matched.Matches[i]
		counts[m.Kind]++
		if m.Kind == catalogue.Named {
			continue
		}
		sku, item, name := "-", "-", ""
		if m.Listing != nil {
			sku, name = m.Listing.SKU, m.Listing.Title
		}
		if m.Product != nil {
			item, name = m.Product.Item, m.Product.Title
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", m.Kind, sku, item, name, m.Why)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(sh.Stdout, "%s fit", howMany(int64(counts[catalogue.Named]), "listing"))
	left := 0
	for _, kind := range []catalogue.MatchKind{
		catalogue.Found, catalogue.NotEligible, catalogue.Duplicate, catalogue.Another, catalogue.Unmatched, catalogue.Unlisted,
	} {
		if n := counts[kind]; n > 0 {
			fmt.Fprintf(sh.Stdout, ", %d %s", n, kind)
			left += n
		}
	}
	fmt.Fprintln(sh.Stdout)
	if send && counts[catalogue.Found] > 0 {
		if err := sendFound(ctx, sh, inst, pool, channel, matched); err != nil {
			return err
		}
		left -= counts[catalogue.Found]
	}
	if left > 0 {
		return app.ErrReported
	}
	return nil
}

func howMany(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// sendFound sends the listings that were found with the ids that they lack, and lets their offers be said again with them: an id alone
// changes no offer.
func sendFound(ctx context.Context, sh *app.Shell, inst *app.Installation, pool, channel string, matched app.Matched) error {
	s, err := openSender(ctx, sh, inst, stream.Catalogue)
	if err != nil {
		return err
	}
	var line []byte
	for i := range matched.Matches {
		m := &matched.Matches[i]
		if m.Kind != catalogue.Found {
			continue
		}
		l := *m.Listing
		l.ChannelIDs = l.ChannelIDs.With(matched.IDName, m.Product.Item)
		line = codec.AppendEventJSON(line[:0], &record.Event{Listing: &l})
		if err := s.add(ctx, pool, line); err != nil {
			return fmt.Errorf("after %d events: %w", s.sent, err)
		}
	}
	given := int64(len(s.batch)) + s.sent
	err = s.add(ctx, pool, codec.AppendEventJSON(line[:0], &record.Event{Refresh: &record.Refresh{Pool: pool, Channel: channel}}))
	if err == nil {
		err = s.flush(ctx)
	}
	s.progress.clear()
	if err != nil {
		return fmt.Errorf("after %d events: %w", s.sent, err)
	}
	fmt.Fprintf(sh.Stdout, "%s given the channel's id\n", howMany(given, "listing"))
	return inst.Fold(ctx)
}
