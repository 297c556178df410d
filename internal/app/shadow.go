package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/shadow"
	"github.com/shelfwire/shelfwire/internal/snapshot"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/internal/verify"
)

// shadowProgressEvery is how many entries lie between two calls of progress.
const shadowProgressEvery = 1000

// ShadowOptions say what is replayed under another policy.
type ShadowOptions struct {
	From, To stock.Instant // To is exclusive
	// Snapshot is where the replay begins. Where none is named: with the journal's first entry, or, where that is gone, with the newest
	// snapshot that an embedded installation made for itself before From.
	Snapshot string
	// Progress, where set, is called now and then with the entries that were read and how many there are.
	Progress func(done, total int64)
}

// Shadow replays the journal of each pool under what a file says of it, and returns what would have been offered, pool by pool. It holds
// two folds of one pool at a time.
func (inst *Installation) Shadow(ctx context.Context, pools []catalogue.Pool, o ShadowOptions) ([]shadow.Report, error) {
	inst.largePages()
	log, err := inst.snapshotLog(ctx)
	if err != nil {
		return nil, err
	}
	s := shadowing{inst: inst, log: log, o: o}
	reports := make([]shadow.Report, 0, len(pools))
	for i := range pools {
		partition, err := inst.JournalPartition(ctx, pools[i].ID)
		if err != nil {
			return nil, err
		}
		report, err := s.pool(ctx, &pools[i], partition)
		if err != nil {
			return nil, fmt.Errorf("replay journal partition %d: %w", partition, err)
		}
		reports = append(reports, report)
	}
	return reports, nil
}

type shadowing struct {
	inst *Installation
	log  snapshotLog
	o    ShadowOptions
}

func (s *shadowing) pool(ctx context.Context, pool *catalogue.Pool, partition int32) (shadow.Report, error) {
	bounds, err := s.log.Bounds(ctx, stream.Partition{Topic: stream.Journal, ID: partition})
	if err != nil {
		return shadow.Report{}, err
	}
	replay, from, err := s.begin(ctx, pool, partition, bounds)
	if err != nil {
		return shadow.Report{}, err
	}
	bounds.Start = from
	if err := s.entries(ctx, replay, pool.ID, partition, bounds); err != nil {
		return shadow.Report{}, err
	}
	return replay.End()
}

// begin returns a replay of a pool and the offset of its first entry.
func (s *shadowing) begin(ctx context.Context, pool *catalogue.Pool, partition int32, bounds stream.Bounds) (*shadow.Replay, int64, error) {
	if s.o.Snapshot != "" {
		return s.beginWith(ctx, s.o.Snapshot, pool, partition)
	}
	if bounds.Start == 0 {
		r, err := shadow.New(pool, shadow.State{}, s.o.From, s.o.To)
		return r, 0, err
	}
	why := fmt.Errorf("it begins at offset %d, what was before it is gone: name a snapshot from before %s (--snapshot)", bounds.Start, s.o.From)
	for _, path := range s.inst.stateFiles() {
		if !exists(path) {
			continue
		}
		r, from, err := s.beginWith(ctx, path, pool, partition)
		var late *shadow.LateError
		if !errors.As(err, &late) && !errors.Is(err, snapshot.ErrDamaged) {
			return r, from, err
		}
		why = fmt.Errorf("it begins at offset %d: %w", bounds.Start, err) // the older one says more: no other --from is earlier
	}
	return nil, 0, why
}

// beginWith begins with what a snapshot says of the pool.
func (s *shadowing) beginWith(ctx context.Context, path string, pool *catalogue.Pool, partition int32) (*shadow.Replay, int64, error) {
	at, rows, err := poolRows(ctx, path, s.log, pool.ID, partition)
	if err != nil {
		return nil, 0, err
	}
	r, err := shadow.New(pool, shadow.State{At: at, Rows: rows}, s.o.From, s.o.To)
	var late *shadow.LateError
	if errors.As(err, &late) {
		return nil, 0, fmt.Errorf("the snapshot %s holds entries of pool %q up to %w: choose a --from after that, or name an older snapshot that the journal still reaches back to (--snapshot)", path, pool.ID, late)
	}
	return r, at.Offset, err
}

// entries gives a replay its pool's entries until it needs no more.
func (s *shadowing) entries(ctx context.Context, replay *shadow.Replay, pool string, partition int32, bounds stream.Bounds) error {
	decoder := codec.NewDecoder()
	err := verify.EachRecord(ctx, s.log, stream.Partition{Topic: stream.Journal, ID: partition}, bounds, 0, func(r *stream.Record) error {
		var e record.JournalEntry
		decoder.Recycle()
		if err := decoder.JournalEntry(r.Value, &e); err != nil {
			return fmt.Errorf("entry %d: %w", r.Offset, err)
		}
		if s.o.Progress != nil && r.Offset%shadowProgressEvery == 0 {
			s.o.Progress(r.Offset-bounds.Start, bounds.End-bounds.Start)
		}
		if e.Event.PoolID() != pool {
			return nil
		}
		if err := replay.Entry(&e); err != nil {
			return fmt.Errorf("entry %d: %w", r.Offset, err)
		}
		if replay.Done() {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// errEnough ends the reading of a journal whose rest is not needed.
var errEnough = errors.New("enough")
