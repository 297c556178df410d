package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/snapshot"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// How long an embedded installation keeps records that everybody has read. A broker of its own keeps inputs as long, and the newest
// record of each key of the compacted topics for ever, which the embedded one cannot: there the history has them.
const (
	keepInputs    = 7 * 24 * time.Hour
	keepCompacted = 7 * 24 * time.Hour
	keepOthers    = 30 * 24 * time.Hour
)

// trim deletes the records that nobody will read again at the moment now: of the journal those that the last two snapshots hold, of the other topics
// those that are old, and in both cases only what every reader has behind it.
//
// The last record of a partition always stays. After a kill the embedded broker knows where a partition ended by its last record only:
// emptied, it would give out again the offsets that the state has folded.
func (inst *Installation) trim(ctx context.Context, now time.Time) error {
	for _, t := range stream.Topics() {
		n, err := inst.cluster.Partitions(ctx, t)
		if err != nil {
			return fmt.Errorf("trim the topics: %w", err)
		}
		for id := range n {
			p := stream.Partition{Topic: t, ID: id}
			if err := inst.trimPartition(ctx, p, now); err != nil {
				return fmt.Errorf("trim %s/%d: %w", t, id, err)
			}
		}
	}
	return nil
}

func (inst *Installation) trimPartition(ctx context.Context, p stream.Partition, now time.Time) error {
	bounds, err := inst.cluster.Bounds(ctx, p)
	if err != nil || bounds.End-1 <= bounds.Start {
		return err
	}
	kept, err := inst.keptFrom(ctx, p, now)
	if err != nil {
		return err
	}
	read, err := inst.readUpTo(ctx, p)
	if err != nil {
		return err
	}
	if to := min(kept, read, bounds.End-1); to > bounds.Start {
		return inst.cluster.DeleteBefore(ctx, p, to)
	}
	return nil
}

// keptFrom returns the first offset of a partition that is still to be kept for its own sake at the moment now.
func (inst *Installation) keptFrom(ctx context.Context, p stream.Partition, now time.Time) (int64, error) {
	keep := keepOthers
	switch p.Topic {
	case stream.Journal:
		return inst.snapshotsFrom(p.ID)
	case stream.Movements, stream.Orders, stream.Catalogue, stream.Commands:
		keep = keepInputs
	case stream.Availability, stream.Allocations, stream.Offers:
		keep = keepCompacted
	}
	return inst.cluster.OffsetAt(ctx, p, now.Add(-keep))
}

// snapshotsFrom returns the last entry of a journal partition that both snapshots hold, which tells them that the journal is theirs;
// 0 as long as there are not two.
func (inst *Installation) snapshotsFrom(partition int32) (int64, error) {
	path := filepath.Join(inst.dir, previousName)
	if !exists(path) {
		return 0, nil
	}
	f, err := snapshot.Open(path)
	if errors.Is(err, snapshot.ErrDamaged) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	at, err := f.Position(partition)
	return max(0, at.Offset-1), err
}

// readUpTo returns how far the slowest reader of a partition is.
func (inst *Installation) readUpTo(ctx context.Context, p stream.Partition) (int64, error) {
	read := int64(math.MaxInt64)
	if slices.Contains(stream.Inputs(), p.Topic) {
		committed, err := inst.cluster.Committed(ctx, string(Ingest), p.Topic)
		return committed[p.ID], err
	}
	if slices.Contains(history.Topics(), p.Topic) {
		store, err := inst.History(ctx)
		if err != nil {
			return 0, err
		}
		if read, err = store.Position(ctx, p); err != nil {
			return 0, err
		}
	}
	if p.Topic == stream.Offers {
		told, err := inst.toldFile(ctx)
		if err != nil {
			return 0, err
		}
		at, err := told.Position(ctx, p.ID)
		return min(read, at), err
	}
	return read, nil
}
