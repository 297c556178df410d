// Package allocator runs the fold: per journal partition one worker that reads entries, applies them with the engine, writes
// what changed to the output topics, and commits rows and position to the store.
//
// The order is: outputs first, then the commit. A crash between the two makes the next owner fold the same entries again from
// the stored position and write the same values with the same versions, which nobody counts twice. The commit only takes place
// from the position the worker believes in, so of two workers that believe they own a partition one is told so and starts again
// from what is stored; so does a worker whose store went back to an older copy.
//
// The package decides nothing about stock; package engine does.
package allocator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// Config bounds what a worker does at a time.
type Config struct {
	// BatchEntries is how many journal entries are folded, written and committed together at most.
	BatchEntries int
	// CacheRows is how many SKUs, orders and items of a partition are held in memory at most, but for what one batch needs. The
	// others are loaded when an entry needs them.
	CacheRows int
	// IdleCheck is how long a worker waits for entries before it makes sure that the store has not gone back behind it.
	IdleCheck time.Duration
	// TickAfter is how long something that is due waits for an entry of its pool to reach it before the worker writes a tick.
	TickAfter time.Duration
	// MaxClockSkew is how far ahead of this machine's clock an entry may be.
	MaxClockSkew time.Duration
	// RetryMin and RetryMax bound the pause before something that failed is tried again.
	RetryMin, RetryMax time.Duration
}

// DefaultConfig returns the sizes that the measurements speak for. A batch writes a row once that many of its entries change: with
// 30,000 entries instead of 10,000 a worker that is behind folded a fifth more movements of a skewed catalogue in the same time.
// It is as large only while Read returns as many.
func DefaultConfig() Config {
	return Config{
		BatchEntries: 30_000,
		CacheRows:    500_000,
		IdleCheck:    3 * time.Second,
		TickAfter:    5 * time.Second,
		MaxClockSkew: 5 * time.Minute,
		RetryMin:     50 * time.Millisecond,
		RetryMax:     2 * time.Second,
	}
}

// Validate returns every problem of the configuration, each with the name of its field.
func (c Config) Validate() error {
	var problems []error
	if c.BatchEntries < 1 {
		problems = append(problems, fmt.Errorf("BatchEntries: %d is not positive", c.BatchEntries))
	}
	if c.CacheRows < 1 {
		problems = append(problems, fmt.Errorf("CacheRows: %d is not positive", c.CacheRows))
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"IdleCheck", c.IdleCheck}, {"TickAfter", c.TickAfter}, {"MaxClockSkew", c.MaxClockSkew}, {"RetryMin", c.RetryMin}, {"RetryMax", c.RetryMax}} {
		if d.d <= 0 {
			problems = append(problems, fmt.Errorf("%s: %v is not positive", d.name, d.d))
		}
	}
	return errors.Join(problems...)
}

// Deps is what an allocator needs of the world.
type Deps struct {
	Log     Log
	Outputs Outputs
	Store   Store
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// A Stage folds journal partitions. It is safe for concurrent use by one worker per partition.
type Stage struct {
	cfg     Config
	log     Log
	outputs Outputs
	store   Store
	logger  *slog.Logger
	metrics *metrics
}

// New returns a stage. It registers its metrics, once per registerer.
func New(cfg Config, deps Deps) (*Stage, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("allocator configuration: %w", err)
	}
	return &Stage{
		cfg:     cfg,
		log:     deps.Log,
		outputs: deps.Outputs,
		store:   deps.Store,
		logger:  deps.Logger,
		metrics: newMetrics(deps.Metrics),
	}, nil
}

// Work owns one journal partition until ctx ends, when it returns nil. It waits for Kafka and Redis as long as they are away.
// Any error it returns wraps [stream.ErrStop], or says that the group has given the partition to somebody else.
func (s *Stage) Work(ctx context.Context, a stream.Assignment) error {
	p := a.Partition()
	logger := s.logger.With("partition", p.ID)
	patience := &patience{logger: logger}
	pause := s.newPause()
	defer s.metrics.forget(p.ID)
	for {
		progressed, err := s.session(ctx, a, logger, patience)
		if ctx.Err() != nil {
			return nil
		}
		if progressed {
			pause.Reset()
		}
		switch {
		case errors.Is(err, stream.ErrStop):
			return fmt.Errorf("journal partition %d: %w", p.ID, err)
		case errors.Is(err, ErrMoved):
			// Another worker may have taken the partition over while this one slept; then the group refuses the commit.
			s.metrics.moved.Inc()
			logger.WarnContext(ctx, "stored position moved, starting again from it", "err", err)
			if err := s.confirm(ctx, a); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("journal partition %d: confirm that it is still ours: %w", p.ID, err)
			}
		default:
			patience.wait(ctx, err)
		}
		if !sleep(ctx, pause.NextBackOff()) {
			return nil
		}
	}
}

// confirm asks the group whether the partition is still ours by committing what is stored.
func (s *Stage) confirm(ctx context.Context, a stream.Assignment) error {
	at, err := s.store.Meta(ctx, a.Partition().ID)
	if err != nil {
		return nil // the next session waits for the store
	}
	return a.Commit(ctx, at.Offset)
}

func (s *Stage) newPause() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = s.cfg.RetryMin, s.cfg.RetryMax
	return b
}

// now is the clock of the runtime checks. The fold has none.
func now() stock.Instant { return stock.InstantOf(time.Now()) }

// sleep waits for d and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
