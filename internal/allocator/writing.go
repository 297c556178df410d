package allocator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// lagEvery is how often a busy worker looks up how far behind it is.
const lagEvery = 5 * time.Second

// How many runs and batches a session has.
const (
	runs    = 2 // one is decoded, one folded
	batches = 3 // one is filled, one produced, one committed
)

// A session is one run of a worker from a stored position on. Reading, folding, producing and committing are a goroutine each.
type session struct {
	stage      *Stage
	partition  stream.Partition
	assignment stream.Assignment
	patience   *patience
	logger     *slog.Logger
	reader     stream.Reader // of reading
	fold       *fold         // of folding

	decodable, decoded   chan *run   // runs to be filled, and to be folded
	free, full, produced chan *batch // batches to be filled, to be produced, and to be committed
	progressed           atomic.Bool

	ticked map[string]stock.Instant // of folding: entry time of the last tick written for each pool

	lagAt   time.Time // of committing: when the lag was last looked up
	lagFrom int64     // of committing: the offset then
}

// A batch is made durable in steps, whose order is what makes it exact:
//
//  1. outputs, acknowledged: after a crash here the batch is folded and written again with the same values and versions;
//  2. marks, acknowledged: a mark promises that the offers before it are there;
//  3. rows and position, in one step, if the position is still the one this batch started from;
//  4. the group's offset, for lag tools: nothing depends on it.

// producing does the first two steps of one batch after the other until full is closed or one fails.
func (x *session) producing(ctx context.Context) error {
	defer close(x.produced)
	for b := range x.full {
		begin := time.Now()
		if err := x.produce(ctx, b.out.Messages); err != nil {
			return err
		}
		if err := x.produce(ctx, b.out.Marks); err != nil {
			return err
		}
		x.stage.metrics.batch.WithLabelValues("produce").Observe(time.Since(begin).Seconds())
		select {
		case x.produced <- b:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// committing does the others until produced is closed or one fails.
func (x *session) committing(ctx context.Context) error {
	for b := range x.produced {
		begin := time.Now()
		if err := x.commit(ctx, b); err != nil {
			return err
		}
		done := time.Now()
		x.stage.metrics.batch.WithLabelValues("commit").Observe(done.Sub(begin).Seconds())
		x.assignment.CommitLag(b.next.Offset)
		x.patience.goOn(ctx)
		x.progressed.Store(true)
		x.count(b, done)
		x.lag(ctx, b.next, done)
		x.free <- b
	}
	return nil
}

func (x *session) produce(ctx context.Context, messages []stream.Message) error {
	if len(messages) == 0 {
		return nil
	}
	err := x.stage.outputs.Produce(ctx, messages)
	if errors.Is(err, stream.ErrTooLarge) {
		return stream.Alarm(fmt.Errorf("an output is larger than the broker takes: raise max.message.bytes of the topics: %w", err))
	}
	if err != nil {
		return fmt.Errorf("write %d outputs: %w", len(messages), err)
	}
	return nil
}

// commit moves the stored position over the batch. After an error nobody knows whether that happened, so it looks: the position
// of this batch means that it did, the one before that it may be tried again, any other that the partition is not ours.
// A commit that is still on its way to Redis then cannot do harm either, since it too only counts from the position before.
func (x *session) commit(ctx context.Context, b *batch) error {
	pause := x.stage.newPause()
	for {
		err := x.stage.store.Commit(ctx, x.partition.ID, b.before, b.next, b.out.Rows)
		if err == nil {
			return nil
		}
		if errors.Is(err, ErrDamaged) {
			return stream.Alarm(err)
		}
		if !errors.Is(err, ErrMoved) {
			x.patience.wait(ctx, err)
			if !sleep(ctx, pause.NextBackOff()) {
				return ctx.Err()
			}
		}
		stored, metaErr := x.stage.store.Meta(ctx, x.partition.ID)
		for metaErr != nil {
			if errors.Is(metaErr, ErrDamaged) {
				return stream.Alarm(metaErr)
			}
			x.patience.wait(ctx, metaErr)
			if !sleep(ctx, pause.NextBackOff()) {
				return ctx.Err()
			}
			stored, metaErr = x.stage.store.Meta(ctx, x.partition.ID)
		}
		switch stored {
		case b.next:
			return nil // by us, or by another owner from the same entries, which is the same state
		case b.before:
			continue
		}
		return fmt.Errorf("%w: it is at %v, expected was %v", ErrMoved, stored, b.before)
	}
}

func (x *session) count(b *batch, done time.Time) {
	m := x.stage.metrics
	m.entries.Add(float64(b.entries))
	m.resent.Add(float64(b.resent))
	m.rows.Add(float64(len(b.out.Rows)))
	for topic, n := range b.perTopic {
		m.outputs.WithLabelValues(string(topic)).Add(float64(n))
	}
	for class, n := range b.rejections {
		m.rejections.WithLabelValues(class).Add(float64(n))
	}
	m.latency.Observe(max(0, done.Sub(b.firstEntry.Time()).Seconds()))
	m.position.WithLabelValues(label(x.partition.ID)).Set(float64(b.next.Offset))
}

// lag looks up now and then how far the journal has run ahead, and says so where it takes more than a moment to catch up.
func (x *session) lag(ctx context.Context, at stream.Position, now time.Time) {
	since := now.Sub(x.lagAt)
	if since < lagEvery {
		return
	}
	first, folded := x.lagAt.IsZero(), at.Offset-x.lagFrom
	x.lagAt, x.lagFrom = now, at.Offset
	bounds, err := x.stage.log.Bounds(ctx, x.partition)
	if err != nil {
		return
	}
	left := max(0, bounds.End-at.Offset)
	x.stage.metrics.lag.WithLabelValues(label(x.partition.ID)).Set(float64(left))
	if first || folded <= 0 {
		return
	}
	perSecond := float64(folded) / since.Seconds()
	if timeLeft := time.Duration(float64(left) / perSecond * float64(time.Second)); timeLeft > lagEvery {
		x.logger.InfoContext(ctx, "catching up", "offset", at.Offset, "entries_left", left, "per_second", int64(perSecond), "time_left", timeLeft.Round(time.Second).String())
	}
}
