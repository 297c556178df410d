// Package publisher tells the channels what they may show. One worker owns an offers partition, and with it every channel of
// the accounts in it: their ledgers, their rate budgets, their requests. A slow channel holds up no other.
//
// A request goes: fence in the told store (the attempt and what it was computed from) → Attempt acknowledged by Kafka → request,
// with the deadline that began at the fence → outcome to Kafka → told store. So nothing is communicated that was not written
// down first, and a worker that lost its partition fails at the fence, before its request leaves.
//
// What is due and what to send is decided in package dispatch.
package publisher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// Config holds the stage's settings.
type Config struct {
	// ReadBackEvery is how often the level of every listing is read back where a channel can be read; 0: never.
	ReadBackEvery time.Duration
	// PollEvery is how often a channel's orders are read, where its connector can and its orders flow is on; 0: never. OrdersBack is
	// how far back the first time.
	PollEvery, OrdersBack time.Duration
	// RetryMin and RetryMax bound the pause before a channel that failed, or a server of ours, is asked again.
	RetryMin, RetryMax time.Duration
	// RequestsAtOnce is how many requests one channel may have under way, ≥ 2 so that a sell-out need not wait for a bulk.
	RequestsAtOnce int
}

// DefaultConfig returns settings that suit most channels.
func DefaultConfig() Config {
	return Config{ReadBackEvery: 15 * time.Minute, PollEvery: 15 * time.Second, OrdersBack: 7 * 24 * time.Hour, RetryMin: 500 * time.Millisecond, RetryMax: time.Minute, RequestsAtOnce: 2}
}

// Deps are what the stage works with.
type Deps struct {
	Log     Log
	Outputs Outputs
	Told    ToldStore
	Connect Connect
	Now     func() time.Time
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// A Stage publishes offers. It is safe for concurrent use by one worker a partition.
type Stage struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	pending atomic.Int64
}

// New returns a stage that is ready to work.
func New(cfg Config, deps Deps) (*Stage, error) {
	if cfg.RetryMin <= 0 || cfg.RetryMax < cfg.RetryMin || cfg.RequestsAtOnce < 1 || cfg.ReadBackEvery < 0 || cfg.PollEvery < 0 || cfg.OrdersBack < 0 {
		return nil, fmt.Errorf("publisher configuration: %+v is out of range", cfg)
	}
	m, err := newMetrics(deps.Metrics)
	if err != nil {
		return nil, err
	}
	return &Stage{cfg: cfg, deps: deps, metrics: m}, nil
}

// Pending returns how many listings of this process are due, under way, or of unknown outcome. Those that wait for a mark or
// are quarantined do not count.
func (s *Stage) Pending() int { return int(s.pending.Load()) }

func (s *Stage) now() stock.Instant { return stock.InstantOf(s.deps.Now()) }

// Work owns one offers partition until ctx ends. It waits for Kafka and Redis as long as they are away.
func (s *Stage) Work(ctx context.Context, a stream.Assignment) error {
	logger := s.deps.Logger.With("partition", a.Partition().ID)
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = s.cfg.RetryMin, min(s.cfg.RetryMax, 5*time.Second)
	waiting, lost := false, int64(-1) // lost: where we were when another took the partition; −1: none did
	for {
		var err error
		if lost >= 0 {
			// Either the group has given the partition away and will say so, or a save of ours came late. Taken at once, it would be
			// taken from its new owner.
			err = a.Commit(ctx, lost)
		}
		if err == nil {
			lost, err = s.own(ctx, a, func() {
				pause.Reset()
				if waiting {
					logger.InfoContext(ctx, "publishing goes on")
				}
				waiting = false
			})
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, stream.ErrStop):
			return fmt.Errorf("offers partition %d: %w", a.Partition().ID, err)
		case errors.Is(err, ErrFenced):
			logger.WarnContext(ctx, "fenced, asking the group whether the partition is still ours", "err", err)
		case !waiting:
			waiting = true
			logger.WarnContext(ctx, "publishing waits", "err", err)
		}
		timer := time.NewTimer(pause.NextBackOff())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// own takes the partition and works on it until something fails. Requests under way are given up and awaited: their outcome is
// unknown, and the next owner sends them again under the same keys. Where another took the partition, lost is the next offer that
// was to be taken in, else −1.
func (s *Stage) own(ctx context.Context, a stream.Assignment, healthy func()) (lost int64, err error) {
	o, err := s.take(ctx, a)
	if err == nil {
		err = s.serve(ctx, o, healthy)
	}
	if errors.Is(err, ErrFenced) {
		return o.position.Offset, err
	}
	return -1, err
}

// take makes this process the partition's owner.
func (s *Stage) take(ctx context.Context, a stream.Assignment) (*owner, error) {
	p := a.Partition()
	id, err := s.deps.Log.TopicID(ctx, p.Topic)
	if err != nil {
		return nil, err
	}
	told, err := s.deps.Told.Take(ctx, p.ID, int64(s.now()))
	if err != nil {
		return nil, fmt.Errorf("take the told state: %w", err)
	}
	if told.TopicID != "" && told.TopicID != id {
		return nil, stream.Alarm(fmt.Errorf("the told state follows topic %s, the topic offers is now %s: it was made anew; "+
			"delete the told state of the partition and refresh the pools", told.TopicID, id))
	}
	bounds, err := s.deps.Log.Bounds(ctx, p)
	if err != nil {
		return nil, err
	}
	switch {
	case told.TopicID == "":
		told.ToldPosition = ToldPosition{TopicID: id, Offset: bounds.Start}
	case told.Offset > bounds.End:
		return nil, stream.Alarm(fmt.Errorf("the told state has taken in the offers before %d, but they end at %d: the topic has lost its tail; "+
			"delete the told state of the partition and refresh the pools", told.Offset, bounds.End))
	case told.Offset < bounds.Start:
		s.deps.Logger.WarnContext(ctx, "offers were deleted before they were taken in, refresh the pools", "partition", p.ID, "count", bounds.Start-told.Offset)
		told.Offset = bounds.Start
	}
	o := newOwner(s, a, told.Sequence, told.ToldPosition)
	if err := o.load(told.Rows); err != nil {
		return nil, stream.Alarm(err)
	}
	return o, nil
}

// serve works on the partition until something fails.
func (s *Stage) serve(ctx context.Context, o *owner, healthy func()) error {
	ctx, stop := context.WithCancel(ctx)
	defer o.end()
	defer stop()
	reader, err := s.deps.Log.Open(ctx, o.assignment.Partition(), o.position.Offset)
	if err != nil {
		return err
	}
	defer reader.Close()
	commands, err := o.openCommands(ctx)
	if err != nil {
		return err
	}
	defer commands.Close()
	notices, err := o.openShipments(ctx)
	if err != nil {
		return err
	}
	defer notices.Close()
	return o.run(ctx, reader, commands, notices, healthy)
}
