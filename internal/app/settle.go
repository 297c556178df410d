package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/shelfwire/shelfwire/internal/config"
	"github.com/shelfwire/shelfwire/internal/daemon"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// startStopped starts the embedded parts of an installation that does not run, for one command. Where the command needs more
// than the log, the stages that make it run until they have caught up; no channel is told anything.
func startStopped(ctx context.Context, cfg config.Config, log *slog.Logger, dir string, lock *dirLock, need Need) (*Installation, error) {
	inst, err := openEmbedded(ctx, cfg, log, dir, lock)
	if err != nil {
		return nil, err
	}
	if need&(State|Past) == 0 {
		return inst, nil
	}
	err = inst.loadState(ctx)
	if err == nil {
		err = inst.catchUp(ctx)
	}
	if err == nil {
		err = inst.saveState(ctx) // what the stages have said now is not said again by the next start
	}
	if err != nil {
		return nil, errors.Join(err, inst.Close())
	}
	return inst, nil
}

// catchUp runs every stage but the publisher until all that is in the log is folded and written.
func (inst *Installation) catchUp(ctx context.Context) error {
	b := &builder{inst: inst, cluster: inst.cluster, registry: daemon.NewRegistry(), ready: daemon.NewReadiness()}
	defer b.closeListeners()
	past, err := inst.opening(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(b.addIngest(ctx, false), b.addAllocator(ctx), b.addHistory(ctx, past)); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.actors = append(b.actors, daemon.Actor{Name: "catching up", Run: inst.waitCaughtUp})
	return daemon.Run(ctx, b.actors...)
}

// settleEvery is how often it is looked whether the stages have caught up.
const settleEvery = 20 * time.Millisecond

// waitCaughtUp returns when the stages have worked off everything that is in the log.
func (inst *Installation) waitCaughtUp(ctx context.Context) error {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		done, err := inst.CaughtUp(ctx)
		if err != nil || done {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// CaughtUp reports whether everything that is in the log now is ingested, folded, and written to the history, as far as each
// is to be seen by its stored position. While events come in it may never be.
func (inst *Installation) CaughtUp(ctx context.Context) (bool, error) {
	cluster, err := inst.Cluster(ctx)
	if err != nil {
		return false, err
	}
	for _, t := range stream.Inputs() {
		committed, err := cluster.Committed(ctx, "ingest", t)
		if err != nil {
			return false, err
		}
		behind, err := inst.anyBehind(ctx, t, func(p int32, start int64) (int64, error) {
			if at, ok := committed[p]; ok {
				return at, nil
			}
			return start, nil
		})
		if err != nil || behind {
			return false, err
		}
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return false, err
	}
	behind, err := inst.anyBehind(ctx, stream.Journal, func(p int32, start int64) (int64, error) {
		at, err := store.Meta(ctx, p)
		return max(at.Offset, start), err
	})
	if err != nil || behind {
		return false, err
	}
	return inst.historyCaughtUp(ctx)
}

// anyBehind reports whether a partition of the topic ends above what position says of it.
func (inst *Installation) anyBehind(ctx context.Context, t stream.Topic, position func(partition int32, start int64) (int64, error)) (bool, error) {
	n, err := inst.cluster.Partitions(ctx, t)
	if err != nil {
		return false, err
	}
	for p := range n {
		bounds, err := inst.cluster.Bounds(ctx, stream.Partition{Topic: t, ID: p})
		if err != nil {
			return false, err
		}
		at, err := position(p, bounds.Start)
		if err != nil {
			return false, fmt.Errorf("position of %s/%d: %w", t, p, err)
		}
		if at < bounds.End {
			return true, nil
		}
	}
	return false, nil
}
