//go:build synctests

package simulation_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/ingest"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A life is one process of a stage from its start to its end: its own clients, over links of its own.
type life struct {
	world    *world
	name     string // of the log: the member and which life of it
	stage    string
	instance string // by which it keeps its place in the group over a restart, as every process of ours does
	kafka    *link
	redis    *link
	asleep   gate
	ctx      context.Context //nolint:containedctx // it is the life
	cancel   context.CancelFunc
	done     chan struct{}
	// superseded is set when another process has taken its place: nobody starts it again when it ends.
	superseded atomic.Bool
}

// start starts a process.
func (w *world) start(name, stage, instance string) *life {
	ctx, cancel := context.WithCancel(context.Background())
	l := &life{
		world: w, name: name, stage: stage, instance: instance, ctx: ctx, cancel: cancel, done: make(chan struct{}),
		kafka: newLink(w.latency, w.dialKafka), redis: newLink(w.latency, w.redis.Dial),
	}
	w.mu.Lock()
	l.kafka.away, l.redis.away = w.kafkaAway, w.redisAway
	w.links = append(w.links, l.kafka, l.redis)
	w.lives = append(w.lives, l)
	w.mu.Unlock()
	go func() {
		defer close(l.done)
		// Its supervisor starts a process again that has ended by itself.
		for ctx.Err() == nil && !l.superseded.Load() {
			if err := l.run(ctx); err != nil && ctx.Err() == nil {
				w.say("%s ended: %v", name, err)
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}()
	return l
}

// run is what the stage's program does.
func (l *life) run(ctx context.Context) error {
	log := slog.New(&judgingLog{world: l.world, name: l.name})
	cluster, err := kafka.Open(ctx, kafka.Config{Brokers: []string{broker}, Prefix: prefix, ClientID: l.name, Dial: l.kafka.dial}, log)
	if err != nil {
		return err
	}
	defer cluster.Close()
	readers, err := cluster.NewReaders(kafka.ReadersConfig{Batch: l.world.batch})
	if err != nil {
		return err
	}
	defer readers.Close()
	producer, err := cluster.NewProducer(kafka.ProducerConfig{})
	if err != nil {
		return err
	}
	defer producer.Close()
	log0, outputs := sleepyLog{topics{cluster, readers}, &l.asleep}, sleepyOutputs{producer, &l.asleep}
	var work stream.Worker
	var inputs []stream.Topic
	switch l.stage {
	case "ingest":
		stage, err := ingest.New(ingest.Config{}, ingest.Deps{
			Log: log0, Outputs: outputs, Now: time.Now, Logger: log, Registerer: prometheus.NewRegistry(),
		})
		if err != nil {
			return err
		}
		work, inputs = stage.Work, stream.Inputs()
	case "allocator":
		store, err := redisstore.Open(ctx, redisstore.Config{Addresses: []string{redisAddress}, Prefix: prefix, Dial: l.redis.dial}, log)
		if err != nil {
			return err
		}
		defer func() { _ = store.Close() }()
		cfg := allocator.DefaultConfig()
		cfg.BatchEntries = l.world.batch
		stage, err := allocator.New(cfg, allocator.Deps{
			Log: log0, Outputs: outputs, Store: sleepyStore{store, &l.asleep}, Logger: log, Metrics: prometheus.NewRegistry(),
		})
		if err != nil {
			return err
		}
		work, inputs = stage.Work, []stream.Topic{stream.Journal}
	default:
		return fmt.Errorf("no stage %q", l.stage)
	}
	return cluster.RunGroup(ctx, kafka.GroupConfig{Group: l.stage, InstanceID: l.instance, Topics: inputs}, work)
}

// stop ends the process as SIGTERM does.
func (l *life) stop() { l.cancel() }

// kill ends it as kill -9 does: it says nothing any more. What it had written to its connections arrives, or not.
func (l *life) kill(arrives bool) {
	l.kafka.end(arrives)
	l.redis.end(arrives)
	l.cancel()
	l.asleep.wake()
}

// sleep holds the process up, as SIGSTOP does: nothing leaves or reaches it, and its stage does nothing. Its clients' timers run
// on, where those of a stopped process would all be over at its end.
func (l *life) sleep() {
	l.asleep.sleep()
	l.kafka.hold()
	l.redis.hold()
}

func (l *life) wake() {
	l.kafka.carry()
	l.redis.carry()
	l.asleep.wake()
}

// A gate holds up who passes while it is asleep.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed by wake; nil: awake; guarded by mu
}

func (g *gate) sleep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = make(chan struct{})
	}
}

func (g *gate) wake() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
}

// pass takes no context: who sleeps does not see that it has ended.
func (g *gate) pass() {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if open != nil {
		<-open
	}
}

// topics is the log of a stage.
type topics struct {
	*kafka.Cluster
	readers *kafka.Readers
}

func (t topics) Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	return t.readers.Open(ctx, p, from)
}

// The sleepy ones are what a stage works with; each step of it may be the one at which the process falls asleep.
type sleepyLog struct {
	topics
	gate *gate
}

func (s sleepyLog) Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	s.gate.pass()
	r, err := s.topics.Open(ctx, p, from)
	if err != nil {
		return nil, err
	}
	return sleepyReader{r, s.gate}, nil
}

type sleepyReader struct {
	stream.Reader
	gate *gate
}

func (s sleepyReader) Read(ctx context.Context) ([]stream.Record, error) {
	records, err := s.Reader.Read(ctx)
	s.gate.pass()
	return records, err
}

type sleepyOutputs struct {
	allocator.Outputs
	gate *gate
}

func (s sleepyOutputs) Produce(ctx context.Context, messages []stream.Message) error {
	s.gate.pass()
	err := s.Outputs.Produce(ctx, messages)
	s.gate.pass()
	return err
}

type sleepyStore struct {
	allocator.Store
	gate *gate
}

func (s sleepyStore) Meta(ctx context.Context, partition int32) (stream.Position, error) {
	s.gate.pass()
	return s.Store.Meta(ctx, partition)
}

func (s sleepyStore) Load(ctx context.Context, partition int32, keys []engine.RowKey) ([][]byte, stream.Position, error) {
	s.gate.pass()
	return s.Store.Load(ctx, partition, keys)
}

func (s sleepyStore) Commit(ctx context.Context, partition int32, expected, next stream.Position, rows []engine.RowWrite) error {
	s.gate.pass()
	err := s.Store.Commit(ctx, partition, expected, next, rows)
	s.gate.pass()
	return err
}

// A judgingLog keeps what the processes say, for a run that fails. That a partition needs a person is such a failure.
type judgingLog struct {
	world *world
	name  string
	attrs []slog.Attr
}

func (*judgingLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (j *judgingLog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	add := func(a slog.Attr) bool { text += " " + a.String(); return true }
	for _, a := range j.attrs {
		add(a)
	}
	r.Attrs(add)
	j.world.say("%s: %s", j.name, text)
	if r.Level >= slog.LevelError {
		j.world.alarm(j.name + ": " + text)
	}
	return nil
}

func (j *judgingLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &judgingLog{j.world, j.name, append(j.attrs[:len(j.attrs):len(j.attrs)], attrs...)}
}

func (j *judgingLog) WithGroup(string) slog.Handler { return j }
