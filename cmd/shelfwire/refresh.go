package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func refreshCommand(sh *app.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "refresh POOL|CHANNEL",
		Short: "Have every count, open order and offer written again",
		Long: `Asks for every row of a pool to be written to its topic again: counts, open orders, channels and offers; of a channel, its open
orders and offers only. CHANNEL is pool/channel, or just the channel where no pool is called so and only one has it.

It returns when Kafka has the request, and says how to follow it. A hundred SKUs are written again with each entry of the journal, so
that nothing else has to wait. Nothing that was decided changes, and a channel that has been told an offer is not told it again.`,
		Example: `  shelfwire refresh acme
  shelfwire refresh acme/web`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.With(cmd.Context(), app.Log|app.State, func(inst *app.Installation) error {
				return refresh(cmd.Context(), sh, inst, args[0])
			})
		},
	}
}

func refresh(ctx context.Context, sh *app.Shell, inst *app.Installation, name string) error {
	r, err := findRefresh(ctx, inst, name)
	if err != nil {
		return err
	}
	s, err := openSender(ctx, sh, inst, stream.Catalogue)
	if err != nil {
		return err
	}
	since := time.Now().UTC().Format(time.RFC3339)
	if err := s.add(ctx, r.Pool, codec.AppendEventJSON(nil, &record.Event{Refresh: &r})); err != nil {
		return err
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	if err := inst.Fold(ctx); err != nil {
		return fmt.Errorf("fold what was sent: %w", err)
	}
	what, key := "pool "+r.Pool, ""
	if r.Channel != "" {
		what = "channel " + stream.JoinKey(r.Pool, r.Channel)
		key = " and the channel " + r.Channel
	}
	fmt.Fprintf(sh.Stdout, "%s is being written again\n", what)
	fmt.Fprintf(sh.Stdout, "shelfwire status                                    how far the stages are\n")
	fmt.Fprintf(sh.Stdout, "shelfwire tail offers --from %s    its records (those of pool %s%s)\n", since, r.Pool, key)
	return nil
}

// findRefresh returns what a person means by "pool/channel", by a pool, or by the channel alone.
func findRefresh(ctx context.Context, inst *app.Installation, name string) (record.Refresh, error) {
	parts := stream.SplitKey(name)
	if len(parts) > 2 {
		return record.Refresh{}, app.Usagef("%q is neither a pool nor pool/channel", name)
	}
	channels, known, err := inst.Channels(ctx, parts[0])
	if err != nil {
		return record.Refresh{}, err
	}
	if len(parts) == 2 {
		if !known {
			return record.Refresh{}, fmt.Errorf("no pool is called %q", parts[0])
		}
		for i := range channels {
			if channels[i].Channel == parts[1] {
				return record.Refresh{Pool: parts[0], Channel: parts[1]}, nil
			}
		}
		return record.Refresh{}, fmt.Errorf("pool %q has no channel %q", parts[0], parts[1])
	}
	if known {
		return record.Refresh{Pool: name}, nil
	}
	if !inst.HasHistory() {
		return record.Refresh{}, fmt.Errorf("no pool is called %q: name a channel as pool/channel (the history, which knows every channel, is not set)", name)
	}
	past, err := inst.History(ctx)
	if err != nil {
		return record.Refresh{}, err
	}
	pool, channel, err := findChannel(ctx, past, name)
	if err != nil {
		return record.Refresh{}, fmt.Errorf("no pool is called so, and %w", err)
	}
	return record.Refresh{Pool: pool, Channel: channel}, nil
}
