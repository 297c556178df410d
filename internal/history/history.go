// Package history is the stage that keeps what happened: it copies the journal and everything that followed from it into a store
// that people and the page ask. It decides nothing and drops nothing: a value that it cannot read is kept as a rejection.
//
// It lands exactly once by position. Each partition goes on from the position that the store has, not from the group's; the store
// keeps a row once however often it is given, so that a crash between the rows and the position leaves no double. Nothing upstream
// waits for the store: while it is away, the topics keep the records.
package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// Topics lists what is kept.
func Topics() []stream.Topic {
	return []stream.Topic{
		stream.Journal, stream.Availability, stream.Allocations, stream.Offers, stream.Shipments, stream.Communications, stream.Rejections,
	}
}

// A Log gives the topics to read. It is safe for concurrent use.
type Log interface {
	Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error)
	// TopicID returns the id that the topic got when it was created.
	TopicID(ctx context.Context, t stream.Topic) (string, error)
	Bounds(ctx context.Context, p stream.Partition) (stream.Bounds, error)
}

// Config holds the stage's settings.
type Config struct {
	// FlushEvery is how long rows wait at most for others to be written with them; 0 is 1 s.
	FlushEvery time.Duration
	// MaxRows bounds a batch, up to one read of the log; 0 is 50,000.
	MaxRows int
}

// maxBatchBytes bounds what the values of a batch take in the log; rejected values may have a megabyte each.
const maxBatchBytes = 32 << 20

// Deps are what the stage works with.
type Deps struct {
	Log Log
	// Generation returns that of a journal partition, whose topic has the id and holds offsets from start on; nil: it is 0.
	Generation func(ctx context.Context, partition int32, topicID string, start int64) (uint8, error)
	Store      Store
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Waiting, where set, is told when something begins to wait for the store, and when nothing does any more. It must not block.
	Waiting func(bool)
}

// A Stage keeps the history.
type Stage struct {
	cfg      Config
	deps     Deps
	metrics  *metrics
	patience *patience
}

// New returns a stage that is ready to work.
func New(cfg Config, deps Deps) (*Stage, error) {
	if cfg.FlushEvery <= 0 {
		cfg.FlushEvery = time.Second
	}
	if cfg.MaxRows <= 0 {
		cfg.MaxRows = 50_000
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	return &Stage{cfg: cfg, deps: deps, metrics: m, patience: &patience{log: deps.Logger, now: deps.Now, waiting: m.waiting, tell: deps.Waiting}}, nil
}

// sayAgain is how often it is said anew that a person has to put the store right.
const sayAgain = time.Minute

// Await asks the store, by check, until it may be worked with, or ctx ends. It is said once that it is away, and once that it is back. An
// error of check that does not wrap [ErrAway] is one that a person has to mend: that is said as an error, again and again.
func (s *Stage) Await(ctx context.Context, check func(context.Context) error) error {
	var said time.Time
	return s.patiently(ctx, s.deps.Logger, func() error {
		err := check(ctx)
		if now := s.deps.Now(); err != nil && !errors.Is(err, ErrAway) && ctx.Err() == nil && now.Sub(said) >= sayAgain {
			said = now
			s.deps.Logger.ErrorContext(ctx, "the history store answers, but cannot be used: nothing is written to it until it is put right", "err", err)
		}
		return err
	})
}

// Work copies one partition of one of [Topics] into the store until ctx ends.
func (s *Stage) Work(ctx context.Context, a stream.Assignment) error {
	p := a.Partition()
	w := &writer{
		stage: s, partition: p, label: strconv.Itoa(int(p.ID)), log: s.deps.Logger.With("topic", p.Topic, "partition", p.ID),
		reading: newReading(p),
	}
	from, err := w.start(ctx)
	if err != nil {
		return err
	}
	reader, err := s.deps.Log.Open(ctx, p, from)
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		newest, err := w.collect(ctx, reader, from)
		if err != nil {
			return err
		}
		if err := w.write(ctx, newest); err != nil {
			return err
		}
		from = w.batch.Last + 1
		w.batch.Rows = nil // a large batch may be the last for long
		a.CommitLag(from)
	}
}

// A writer copies one partition.
type writer struct {
	stage     *Stage
	partition stream.Partition
	label     string
	log       *slog.Logger
	reading   *reading
	batch     Batch
}

// start returns the offset to go on from, or an alarm where the store's rows are of another log than this one.
func (w *writer) start(ctx context.Context) (int64, error) {
	p := w.partition
	id, err := w.stage.deps.Log.TopicID(ctx, p.Topic)
	if err != nil {
		return 0, err
	}
	bounds, err := w.stage.deps.Log.Bounds(ctx, p)
	if err != nil {
		return 0, err
	}
	var stored string
	var from int64
	err = w.stage.patiently(ctx, w.log, func() (err error) {
		generation := uint8(0)
		if p.Topic == stream.Journal && w.stage.deps.Generation != nil {
			if generation, err = w.stage.deps.Generation(ctx, p.ID, id, bounds.Start); err != nil {
				return err
			}
		}
		w.batch = Batch{Partition: p.OfGeneration(generation), TopicID: id, Generation: generation}
		if stored, err = w.stage.deps.Store.TopicID(ctx, w.batch.Partition); err != nil {
			return err
		}
		from, err = w.stage.deps.Store.Position(ctx, w.batch.Partition)
		return err
	})
	if err != nil {
		return 0, err
	}
	switch {
	case stored == "":
		return bounds.Start, nil
	case stored != id:
		return 0, stream.Alarm(fmt.Errorf("the history of %s/%d is of topic id %s, but the topic now is %s: it was created again, and its offsets would fall on others that are stored; "+
			"give this pipeline a history of its own (clickhouse.database) or empty this one", p.Topic, p.ID, stored, id))
	case from > bounds.End:
		return 0, stream.Alarm(fmt.Errorf("the history of %s/%d is at offset %d, but the topic ends at %d: it lost its tail", p.Topic, p.ID, from, bounds.End))
	case from < bounds.Start:
		// To stop would not bring them back, and would lose more.
		w.log.ErrorContext(ctx, "records were removed from the topic before they were stored", "first", from, "last", bounds.Start-1)
		w.stage.metrics.lost.WithLabelValues(string(p.Topic)).Add(float64(bounds.Start - from))
		return bounds.Start, nil
	}
	return from, nil
}

// collect reads until a batch is full or its first record has waited long enough, and returns the time of the newest record.
func (w *writer) collect(ctx context.Context, reader stream.Reader, from int64) (stock.Instant, error) {
	b := &w.batch
	b.First = from
	records, err := reader.Read(ctx)
	if err != nil {
		return 0, err
	}
	filling, cancel := context.WithTimeout(ctx, w.stage.cfg.FlushEvery)
	defer cancel()
	size := 0
	for {
		for i := range records {
			r := &records[i]
			size += len(r.Value)
			if row, ok := w.reading.row(r); ok {
				if row.Unreadable {
					w.stage.metrics.unreadable.WithLabelValues(string(w.partition.Topic)).Inc()
				}
				b.Rows = append(b.Rows, row)
			}
		}
		last := &records[len(records)-1]
		b.Last = last.Offset
		newest := last.Time
		if len(b.Rows) >= w.stage.cfg.MaxRows || size >= maxBatchBytes {
			return newest, nil
		}
		if records, err = reader.Read(filling); err != nil {
			if filling.Err() != nil && ctx.Err() == nil {
				return newest, nil
			}
			return 0, err
		}
	}
}

func (w *writer) write(ctx context.Context, newest stock.Instant) error {
	m, topic := w.stage.metrics, string(w.partition.Topic)
	began := w.stage.deps.Now()
	if err := w.stage.patiently(ctx, w.log, func() error { return w.stage.deps.Store.Append(ctx, &w.batch) }); err != nil {
		return err
	}
	now := w.stage.deps.Now()
	m.rows.WithLabelValues(topic).Add(float64(len(w.batch.Rows)))
	m.batch.WithLabelValues(topic).Observe(now.Sub(began).Seconds())
	m.lag.WithLabelValues(topic, w.label).Set(max(0, now.Sub(newest.Time()).Seconds()))
	return nil
}

// How long a store that does not answer is left alone: doubled from the first to the last.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 5 * time.Second
)

// patiently calls f until it succeeds, ctx ends, or the error is one that stops a partition. log is that of who waits.
func (s *Stage) patiently(ctx context.Context, log *slog.Logger, f func() error) error {
	err := f()
	switch {
	case err == nil, errors.Is(err, stream.ErrStop):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	s.patience.wait(ctx, err)
	defer s.patience.goOn(ctx)
	pause := backoff.ExponentialBackOff{InitialInterval: retryFirst, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: retryLast}
	pause.Reset()
	for {
		timer := time.NewTimer(pause.NextBackOff())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		if err = f(); err == nil || errors.Is(err, stream.ErrStop) {
			return err
		}
		log.DebugContext(ctx, "still waiting for the history store", "err", err)
	}
}
