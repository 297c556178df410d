package allocator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// session folds from the stored position until something goes wrong, and drops its memory then. progressed reports that it has
// committed something, or has caught up.
//
// Two goroutines share the work, so that the next batch is folded while the last one's acknowledgements and commit are under
// way: this one reads and folds, writing (which it waits for) writes. Two batches go round between them, so that never
// more than one is being written: of two, the later could pass the earlier when that one fails.
func (s *Stage) session(ctx context.Context, a stream.Assignment, logger *slog.Logger, patience *patience) (progressed bool, err error) {
	p := a.Partition()
	o, err := s.start(ctx, p)
	if err != nil {
		return false, err
	}
	defer o.reader.Close()
	if !patience.waiting() {
		logger.InfoContext(ctx, "folding", "offset", o.stored.Offset)
	}
	s.metrics.position.WithLabelValues(label(p.ID)).Set(float64(o.stored.Offset))

	ctx, fail := context.WithCancelCause(ctx)
	x := &session{
		stage: s, partition: p, assignment: a, patience: patience, reader: o.reader,
		fold: newFold(s.store, p.ID, o.topicID, o.stored),
		free: make(chan *batch, 2), full: make(chan *batch),
	}
	x.free <- &batch{}
	x.free <- &batch{}
	var writer sync.WaitGroup
	writer.Go(func() {
		if err := x.writing(ctx); err != nil {
			fail(err)
		}
	})
	err = x.folding(ctx, o.records)
	close(x.full)
	fail(nil)
	writer.Wait()
	// Where writing failed, folding only saw its context end: the cause says why.
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return x.progressed.Load(), err
}

// folding reads and folds until ctx ends or an error comes up.
func (x *session) folding(ctx context.Context, records []stream.Record) error {
	for {
		for len(records) > 0 {
			n := min(len(records), x.stage.cfg.BatchEntries)
			if err := x.foldSome(ctx, records[:n]); err != nil {
				return err
			}
			records = records[n:]
		}
		var err error
		if records, err = x.read(ctx); err != nil {
			return err
		}
	}
}

// read waits for entries. When none come for a while it makes sure that the store is where this worker left it: a failover may
// have brought back an older copy, which an idle partition would otherwise serve for as long as it is idle.
func (x *session) read(ctx context.Context) ([]stream.Record, error) {
	for {
		waiting, cancel := context.WithTimeout(ctx, x.stage.cfg.IdleCheck)
		records, err := x.reader.Read(waiting)
		cancel()
		switch {
		case err == nil && len(records) > 0:
			return records, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, stream.ErrOutOfRange):
			return nil, stream.Alarm(fmt.Errorf("the journal's entry %d, the next to fold, is gone: it fell out of retention, or the journal lost its tail: %w", x.fold.last.Offset, err))
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return nil, fmt.Errorf("read the journal at offset %d: %w", x.fold.last.Offset, err)
		}
		if err := x.idle(ctx); err != nil {
			return nil, err
		}
	}
}

// idle compares the stored position with this worker's, unless a batch is under way, which will do so by itself.
func (x *session) idle(ctx context.Context) error {
	if len(x.free) < cap(x.free) {
		return nil
	}
	stored, err := x.stage.store.Meta(ctx, x.partition.ID)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrDamaged):
		return stream.Alarm(err)
	case err != nil:
		x.patience.wait(ctx, err) // nothing to do meanwhile, so nothing to give up
		return nil
	case !x.fold.ours(stored):
		return fmt.Errorf("%w: it is at %v, expected was %v", ErrMoved, stored, x.fold.last)
	}
	x.patience.goOn(ctx)
	x.progressed.Store(true)
	x.stage.metrics.lag.WithLabelValues(label(x.partition.ID)).Set(0)
	return nil
}

// foldSome folds records into a free batch and hands it over to be written.
func (x *session) foldSome(ctx context.Context, records []stream.Record) error {
	var b *batch
	select {
	case b = <-x.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	begin := time.Now()
	if err := x.fold.batch(ctx, records, b, x.stage.cfg.MaxClockSkew); err != nil {
		return err
	}
	x.stage.metrics.batch.WithLabelValues("fold").Observe(time.Since(begin).Seconds())
	select {
	case x.full <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
