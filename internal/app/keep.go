package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/shelfwire/shelfwire/internal/daemon"
	"github.com/shelfwire/shelfwire/internal/snapshot"
)

// The hot state of an embedded installation, whose Redis forgets: its last two snapshots. What was told to channels is in a file
// of its own, which is written with every attempt (litestore).
const (
	stateName    = "state.snapshot"
	previousName = "state.previous"
	nextName     = "state.next" // in the making
)

// saveEvery is how often a running embedded installation saves its state.
const saveEvery = time.Hour

func (inst *Installation) statePath() string { return filepath.Join(inst.dir, stateName) }

// stateFiles returns the snapshots of an embedded installation, newest first.
func (inst *Installation) stateFiles() []string {
	if inst.dir == "" {
		return nil
	}
	return []string{inst.statePath(), filepath.Join(inst.dir, previousName)}
}

// loadState puts the newest whole snapshot into the Redis of this process.
func (inst *Installation) loadState(ctx context.Context) error {
	log, err := inst.snapshotLog(ctx)
	if err != nil {
		return err
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return err
	}
	for _, path := range inst.stateFiles() {
		if !exists(path) {
			continue
		}
		_, err := snapshot.Restore(ctx, snapshot.RestoreConfig{Path: path}, log, store)
		if errors.Is(err, snapshot.ErrDamaged) {
			inst.Log.WarnContext(ctx, "snapshot is damaged, an older one is taken", "err", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("start from %s: %w", path, err)
		}
		return nil
	}
	return nil
}

// saveState makes a snapshot from the newest one, and deletes what nobody needs any more. A process that is killed anywhere in it
// finds at least one whole snapshot, and a journal that reaches back to it: the journal is cut behind the last but one.
func (inst *Installation) saveState(ctx context.Context) error {
	next := filepath.Join(inst.dir, nextName)
	files := inst.stateFiles()
	from := inst.wholeState(ctx)
	report, err := inst.Snapshot(ctx, snapshot.Config{Path: next, Previous: from})
	if err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	if report.Entries == 0 && from == files[0] {
		return errors.Join(os.Remove(next), inst.trim(ctx, time.Now()))
	}
	if from == files[0] { // else it is damaged, and the older one is to stay
		if err := os.Rename(files[0], files[1]); err != nil {
			return fmt.Errorf("save the state: %w", err)
		}
	}
	if err := os.Rename(next, files[0]); err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	inst.Log.InfoContext(ctx, "state saved", "rows", report.Rows, "entries", report.Entries)
	return inst.trim(ctx, time.Now())
}

// wholeState returns the newest snapshot that is whole, "" where there is none.
func (inst *Installation) wholeState(ctx context.Context) string {
	for _, path := range inst.stateFiles() {
		if !exists(path) {
			continue
		}
		f, err := snapshot.Open(path)
		if err == nil {
			f.Close()
			return path
		}
		inst.Log.WarnContext(ctx, "snapshot is damaged, an older one is taken", "err", err)
	}
	return ""
}

// keeping saves the state now and then while the stages run.
func keeping(every time.Duration, save func(context.Context) error, log *slog.Logger) daemon.Actor {
	return daemon.Actor{Name: "state", Run: func(ctx context.Context) error {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
			if err := save(ctx); err != nil && ctx.Err() == nil {
				// It runs on without: what is not saved now is folded again, and saved the next time.
				log.ErrorContext(ctx, "state not saved", "err", err)
			}
		}
	}}
}
