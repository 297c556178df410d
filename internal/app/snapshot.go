package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/shelfwire/shelfwire/internal/snapshot"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// snapshotLog is the journal as snapshots see it.
type snapshotLog struct{ TopicReader }

// Folded returns the offsets that the allocators' group has committed. They trail the positions in the store, and an allocator
// commits only what it has written everything of.
func (l snapshotLog) Folded(ctx context.Context) (map[int32]int64, error) {
	return l.Committed(ctx, string(Allocator), stream.Journal)
}

func (inst *Installation) snapshotLog(ctx context.Context) (snapshotLog, error) {
	topics, err := inst.TopicReader(ctx)
	return snapshotLog{topics}, err
}

// Snapshot writes the hot state to cfg.Path without reading the store. Where no previous snapshot is named it is the one that cfg.Path
// holds, or the one that an embedded installation has made for itself.
func (inst *Installation) Snapshot(ctx context.Context, cfg snapshot.Config) (snapshot.Report, error) {
	inst.largePages()
	log, err := inst.snapshotLog(ctx)
	if err != nil {
		return snapshot.Report{}, err
	}
	for _, path := range append([]string{cfg.Path}, inst.stateFiles()...) {
		if cfg.Previous == "" && exists(path) {
			cfg.Previous = path
		}
	}
	return snapshot.Take(ctx, cfg, log)
}

// RestoreOptions say how a snapshot is put back.
type RestoreOptions struct {
	snapshot.RestoreConfig
	// WhileRunning does not look whether an allocator works.
	WhileRunning bool
}

// Restore puts a snapshot back: into the store, or, for an embedded installation that does not run, where its next start finds it.
func (inst *Installation) Restore(ctx context.Context, o RestoreOptions) (snapshot.Report, error) {
	log, err := inst.snapshotLog(ctx)
	if err != nil {
		return snapshot.Report{}, err
	}
	if !o.WhileRunning && inst.servers == nil { // no stage runs in a process that has the directory to itself
		n, err := log.Members(ctx, string(Allocator))
		if err != nil {
			return snapshot.Report{}, err
		}
		if n > 0 {
			return snapshot.Report{}, fmt.Errorf("%d allocators are at work (one that was killed counts for its session's time, ten seconds): stop them first", n)
		}
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return snapshot.Report{}, err
	}
	report, err := snapshot.Restore(ctx, o.RestoreConfig, log, store)
	if err != nil || inst.servers == nil {
		return report, err
	}
	// This process's Redis ends with it. What was put back is kept as the installation's own, with the present journal's id in it.
	return report, snapshot.Install(o.Path, inst.statePath(), report.Positions)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
