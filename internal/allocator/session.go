package allocator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// session folds from the stored position until something goes wrong, and drops its memory then. progressed reports that it has
// committed something, or has caught up.
//
// Four goroutines share the work, so that a batch is decoded, the one before it folded, the one before that acknowledged and the
// one before that committed at the same time: reading, folding (this one, which waits for the others), producing and committing.
// Two runs and three batches go round between them. Each goroutine has one at a time: of two batches that are produced together the
// later could pass the earlier when that one fails. A batch that is produced while the one before it is committed can do no harm:
// what a journal says does not hang on commits, and who starts again before the two says both again.
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
		stage: s, partition: p, assignment: a, patience: patience, logger: logger, reader: o.reader,
		fold: newFold(s.store, p.ID, o.stored), ticked: map[string]stock.Instant{},
		decodable: make(chan *run, runs), decoded: make(chan *run),
		free: make(chan *batch, batches), full: make(chan *batch), produced: make(chan *batch),
	}
	for range runs {
		x.decodable <- &run{decoder: codec.NewDecoder()}
	}
	for range batches {
		x.free <- &batch{}
	}
	var others sync.WaitGroup
	others.Go(func() { fail(x.reading(ctx, o)) })
	for _, step := range []func(context.Context) error{x.producing, x.committing} {
		others.Go(func() {
			if err := step(ctx); err != nil {
				fail(err)
			}
		})
	}
	err = x.folding(ctx)
	close(x.full)
	fail(err)
	others.Wait()
	// Where one of the others failed, folding only saw its context end: the first cause says why.
	return x.progressed.Load(), context.Cause(ctx)
}

// folding folds decoded runs until ctx ends or an error comes up. When none come for a while it makes sure that the store is where
// this worker left it: a failover may have brought back an older copy, which an idle partition would otherwise serve for as long
// as it is idle.
func (x *session) folding(ctx context.Context) error {
	if err := x.loadPools(ctx); err != nil {
		return err
	}
	idle := time.NewTimer(x.stage.cfg.IdleCheck)
	defer idle.Stop()
	look := time.NewTicker(x.stage.cfg.TickAfter / lookEvery)
	defer look.Stop()
	for {
		select {
		case r := <-x.decoded:
			if err := x.foldRun(ctx, r); err != nil {
				return err
			}
			x.decodable <- r
			if err := x.tick(ctx, true); err != nil {
				return err
			}
		case <-look.C:
			if err := x.tick(ctx, false); err != nil {
				return err
			}
			continue // it is no sign of life: the store is looked after all the same
		case <-idle.C:
			if err := x.idle(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		idle.Reset(x.stage.cfg.IdleCheck)
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
	case stored != x.fold.last():
		return fmt.Errorf("%w: it is at %v, expected was %v", ErrMoved, stored, x.fold.last())
	}
	x.patience.goOn(ctx)
	x.progressed.Store(true)
	x.stage.metrics.lag.WithLabelValues(label(x.partition.ID)).Set(0)
	return nil
}

// makeRoom lets go of rows when there are too many in memory. Those of a batch that is not committed must stay: the store has older
// ones. So it waits until every batch is free, which is rare, since a good part of the rows goes at a time.
func (x *session) makeRoom(ctx context.Context) error {
	held := x.fold.state.Held()
	x.stage.metrics.cached.WithLabelValues(label(x.partition.ID)).Set(float64(held))
	if held <= x.stage.cfg.CacheRows {
		return nil
	}
	var all []*batch
	for len(all) < cap(x.free) {
		select {
		case b := <-x.free:
			all = append(all, b)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	x.fold.evict(x.stage.cfg.CacheRows / 4 * 3)
	for _, b := range all {
		x.free <- b
	}
	return nil
}

// foldRun folds a run into a free batch and hands it over to be produced.
func (x *session) foldRun(ctx context.Context, r *run) error {
	if err := x.makeRoom(ctx); err != nil {
		return err
	}
	var b *batch
	select {
	case b = <-x.free:
	case <-ctx.Done():
		return ctx.Err()
	}
	begin := time.Now()
	if err := x.fold.batch(ctx, r, b); err != nil {
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
