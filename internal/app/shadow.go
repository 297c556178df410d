package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/shadow"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/internal/verify"
)

// shadowProgressEvery is how many entries lie between two calls of progress.
const shadowProgressEvery = 1000

// Shadow replays the journal of each pool under what a file says of it, from one moment to another (0: to the journal's end), and
// returns what would have been offered, pool by pool. It holds two folds of one pool at a time. progress, where set, is called now and then with the entries that were read and
// how many there are.
func (inst *Installation) Shadow(ctx context.Context, pools []catalogue.Pool, from, to stock.Instant, progress func(done, total int64)) ([]shadow.Report, error) {
	topics, err := inst.TopicReader(ctx)
	if err != nil {
		return nil, err
	}
	s := shadowing{topics: topics, progress: progress}
	reports := make([]shadow.Report, 0, len(pools))
	for i := range pools {
		partition, err := inst.JournalPartition(ctx, pools[i].ID)
		if err != nil {
			return nil, err
		}
		r := shadow.New(&pools[i], from, to)
		if err := s.replay(ctx, r, pools[i].ID, stream.Partition{Topic: stream.Journal, ID: partition}); err != nil {
			return nil, fmt.Errorf("replay journal partition %d: %w", partition, err)
		}
		report, err := r.End()
		if err != nil {
			return nil, err
		}
		reports = append(reports, report)
	}
	return reports, nil
}

type shadowing struct {
	topics   TopicReader
	progress func(done, total int64)
}

// replay gives a replay its pool's entries until it needs no more.
func (s *shadowing) replay(ctx context.Context, replay *shadow.Replay, pool string, p stream.Partition) error {
	bounds, err := s.topics.Bounds(ctx, p)
	if err != nil {
		return err
	}
	if bounds.Start > 0 {
		return fmt.Errorf("it begins at offset %d: what was before it is gone, and a fold that begins in the middle is no answer", bounds.Start)
	}
	decoder := codec.NewDecoder()
	err = verify.EachRecord(ctx, s.topics, p, bounds, 0, func(r *stream.Record) error {
		var e record.JournalEntry
		decoder.Recycle()
		if err := decoder.JournalEntry(r.Value, &e); err != nil {
			return fmt.Errorf("entry %d: %w", r.Offset, err)
		}
		if s.progress != nil && r.Offset%shadowProgressEvery == 0 {
			s.progress(r.Offset, bounds.End)
		}
		if e.Event.PoolID() != pool {
			return nil
		}
		// Which generation the journal is does not matter: versions are only compared with each other.
		if err := replay.Entry(stock.VersionAt(0, r.Offset), &e); err != nil {
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
