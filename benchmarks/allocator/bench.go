package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/benchmarks/peers"
	"github.com/shelfwire/shelfwire/benchmarks/scratch"
	"github.com/shelfwire/shelfwire/benchmarks/workload"
	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// bench is a place on the servers with what this run has made there.
type bench struct {
	*scratch.Place
	o   options
	log *slog.Logger

	clusters []*kafka.Cluster
}

// close deletes all that was made.
func (b *bench) close() error {
	for _, c := range b.clusters {
		c.Close()
	}
	return b.Place.Close()
}

// installation is a prefix of its own: each load has a journal of its own.
func (b *bench) installation(n int) string { return fmt.Sprintf("%s%d.", b.Prefix, n) }

// cluster connects to an installation and makes its topics, the journal with one partition.
func (b *bench) cluster(ctx context.Context, n int) (*kafka.Cluster, error) {
	for len(b.clusters) <= n {
		c, err := kafka.Open(ctx, kafka.Config{Brokers: b.Brokers, Prefix: b.installation(len(b.clusters))}, b.log)
		if err != nil {
			return nil, err
		}
		b.clusters = append(b.clusters, c)
		if _, err := c.ApplyTopics(ctx, kafka.Layout{Inputs: 1, Journal: 1, Accounts: 8, Outputs: 8, Replication: 1}); err != nil {
			return nil, err
		}
	}
	return b.clusters[n], nil
}

// A journal is what was written to an installation.
type journal struct {
	first   int                                  // entries before those that are measured
	entries int                                  // that are measured
	onHand  map[string]map[string]stock.Quantity // what there is at the end
}

// keyed is the topic with the entries of an installation's journal by SKU, for Kafka Streams.
func (b *bench) keyed(n int) string { return b.installation(n) + "keyed" }

// fill writes the journal of installation n, and the same entries by SKU where Kafka Streams is to count them.
func (b *bench) fill(ctx context.Context, n int, l workload.Load, keyed bool) (journal, error) {
	if _, err := b.cluster(ctx, n); err != nil {
		return journal{}, err
	}
	if keyed {
		if err := b.makeTopic(ctx, b.keyed(n)); err != nil {
			return journal{}, err
		}
	}
	g := workload.New(l, b.o.skus)
	j := journal{first: g.Setup(), entries: b.o.entries}
	keyedTopic := ""
	if keyed {
		keyedTopic = b.keyed(n)
	}
	if err := g.Fill(ctx, b.Brokers, b.installation(n)+string(stream.Journal), keyedTopic, j.first+j.entries); err != nil {
		return journal{}, err
	}
	j.onHand = g.OnHand()
	return j, nil
}

func (b *bench) makeTopic(ctx context.Context, name string) error {
	resp, err := b.Admin.CreateTopic(ctx, 1, 1, nil, name)
	return errors.Join(err, resp.Err)
}

// onCopy calls f with the task of working off the first records of a topic to one that is made for it.
func (b *bench) onCopy(ctx context.Context, n int, from string, records int, f func(peers.Task) (float64, error)) (perSecond float64, err error) {
	t := peers.Task{Brokers: b.Brokers, From: from, To: b.installation(n) + "copy", Records: records}
	if err := b.makeTopic(ctx, t.To); err != nil {
		return 0, err
	}
	perSecond, err = f(t)
	_, deleted := b.Admin.DeleteTopics(ctx, t.To)
	return perSecond, errors.Join(err, deleted)
}

// copyRecords is the yardstick.
func (b *bench) copyRecords(ctx context.Context, n int, j journal) (perSecond float64, err error) {
	return b.onCopy(ctx, n, b.installation(n)+string(stream.Journal), j.entries, func(t peers.Task) (float64, error) {
		t.First = int64(j.first)
		return peers.Copy(ctx, t)
	})
}

// naive works off the beginning of a journal as is usually done first.
func (b *bench) naive(ctx context.Context, n, round int, j journal) (perSecond float64, err error) {
	name := fmt.Sprintf("%snaive%d", b.installation(n), round)
	return b.onCopy(ctx, n, b.installation(n)+string(stream.Journal), min(j.entries, b.o.naive), func(t peers.Task) (float64, error) {
		return peers.Naive(ctx, t, b.Redis, name, name+":")
	})
}

// streams works off a journal with Kafka Streams and makes sure that it has counted everything.
func (b *bench) streams(ctx context.Context, n, round int, j journal) (perSecond float64, err error) {
	name := fmt.Sprintf("%sstreams%d", b.installation(n), round)
	perSecond, err = b.onCopy(ctx, n, b.keyed(n), j.entries, func(t peers.Task) (float64, error) {
		perSecond, err := peers.Streams(ctx, b.Admin, b.o.streams, t, name)
		if err != nil {
			return 0, err
		}
		counted, err := peers.Counted(ctx, t.Brokers, t.To)
		if err == nil && !reflect.DeepEqual(counted, j.onHand) {
			err = errors.New("Kafka Streams has counted something else than what was written") //nolint:staticcheck // a name
		}
		return perSecond, err
	})
	_, deleted := b.Admin.DeleteTopics(ctx, name+"-counts-changelog")
	return perSecond, errors.Join(err, deleted)
}

// A worker is an allocator that works on partition 0 of an installation with a state of its own.
type worker struct {
	done     chan error
	cancel   context.CancelFunc
	progress chan int64
	metrics  *prometheus.Registry
	cleanup  []func()
}

// Partition implements [stream.Assignment].
func (w *worker) Partition() stream.Partition { return stream.Partition{Topic: stream.Journal} }

// Committed implements [stream.Assignment].
func (w *worker) Committed(context.Context) (int64, error) { return -1, nil }

// Commit implements [stream.Assignment].
func (w *worker) Commit(context.Context, int64) error { return nil }

// CommitLag implements [stream.Assignment]: it tells how far the worker is, if somebody listens.
func (w *worker) CommitLag(next int64) {
	select {
	case <-w.progress:
	default:
	}
	w.progress <- next
}

func (b *bench) worker(ctx context.Context, n int, redisPrefix string) (*worker, error) {
	cluster, err := b.cluster(ctx, n)
	if err != nil {
		return nil, err
	}
	w := &worker{done: make(chan error, 1), progress: make(chan int64, 1), metrics: prometheus.NewRegistry()}
	readers, err := cluster.NewReaders(kafka.ReadersConfig{Together: b.o.batch})
	if err != nil {
		return nil, err
	}
	w.cleanup = append(w.cleanup, readers.Close)
	producer, err := cluster.NewProducer(kafka.ProducerConfig{})
	if err != nil {
		return nil, err
	}
	w.cleanup = append(w.cleanup, producer.Close)
	store, err := redisstore.Open(ctx, redisstore.Config{Addresses: []string{b.Redis}, Prefix: redisPrefix}, b.log)
	if err != nil {
		return nil, err
	}
	w.cleanup = append(w.cleanup, func() { _ = store.Close() })
	cfg := allocator.DefaultConfig()
	cfg.BatchEntries = b.o.batch
	stage, err := allocator.New(cfg, allocator.Deps{
		Log: log{cluster, readers}, Outputs: producer, Store: store, Logger: b.log, Metrics: w.metrics,
	})
	if err != nil {
		return nil, err
	}
	ctx, w.cancel = context.WithCancel(ctx)
	go func() { w.done <- stage.Work(ctx, w) }()
	return w, nil
}

// await waits until the worker has committed everything before offset, and returns what it has committed then.
func (w *worker) await(ctx context.Context, offset int64) (next int64, err error) {
	for {
		select {
		case next := <-w.progress:
			if next >= offset {
				return next, nil
			}
		case err := <-w.done:
			w.done <- err
			return 0, fmt.Errorf("the worker stopped: %w", err)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// A spent is how long batches took in one step, together.
type spent struct {
	seconds float64
	batches uint64
}

// steps says what each step has taken so far.
func (w *worker) steps() (map[string]spent, error) {
	families, err := w.metrics.Gather()
	steps := map[string]spent{}
	for _, f := range families {
		if f.GetName() != "shelfwire_allocator_batch_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			steps[m.GetLabel()[0].GetValue()] = spent{m.GetHistogram().GetSampleSum(), m.GetHistogram().GetSampleCount()}
		}
	}
	return steps, err
}

// perBatch says how long a batch took on average, step by step.
func perBatch(before, after map[string]spent) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		n := after[name].batches - before[name].batches
		mean := time.Duration((after[name].seconds - before[name].seconds) / float64(n) * float64(time.Second))
		parts = append(parts, fmt.Sprintf("%s %v", name, mean.Round(100*time.Microsecond)))
	}
	return strings.Join(parts, ", ")
}

func (w *worker) stop() error {
	w.cancel()
	err := <-w.done
	for _, f := range w.cleanup {
		f()
	}
	return err
}

// log joins what the allocator reads the journal through.
type log struct {
	*kafka.Cluster
	*kafka.Readers
}

// Close is neither of the two: each is closed by who made it.
func (log) Close() {}

// A foldResult is one fold of a whole journal.
type foldResult struct {
	perSecond float64
	steps     string // how long a batch took on average, step by step
	cpu       cpu
}

// foldAll folds the whole journal of installation n into an empty state, and measures it behind what comes first. profile, where
// not nil, gets the CPU profile of that.
func (b *bench) foldAll(ctx context.Context, n, round int, j journal, profile io.Writer) (r foldResult, err error) {
	prefix := fmt.Sprintf("%sround%d:", b.installation(n), round)
	defer func() { err = errors.Join(err, b.Forget(ctx, prefix)) }()
	begin := time.Now()
	w, err := b.worker(ctx, n, prefix)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	from := int64(0)
	if j.first > 0 {
		if from, err = w.await(ctx, int64(j.first)); err != nil {
			return r, err
		}
		begin = time.Now()
	}
	before, err1 := b.cpu(ctx)
	stepsBefore, err2 := w.steps()
	if err := errors.Join(err1, err2); err != nil {
		return r, err
	}
	if profile != nil {
		if err := pprof.StartCPUProfile(profile); err != nil {
			return r, fmt.Errorf("start the CPU profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	end, err := w.await(ctx, int64(j.first+j.entries))
	if err != nil {
		return r, err
	}
	r.perSecond = float64(end-from) / time.Since(begin).Seconds()
	after, err1 := b.cpu(ctx)
	stepsAfter, err2 := w.steps()
	r.steps, r.cpu = perBatch(stepsBefore, stepsAfter), cpu{after.ours - before.ours, after.redis - before.redis}
	return r, errors.Join(err1, err2)
}

// A cpu is processor time that was spent: by this process, and by Redis, for whomever.
type cpu struct{ ours, redis time.Duration }

func (b *bench) cpu(ctx context.Context) (cpu, error) {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return cpu{}, fmt.Errorf("processor time: %w", err)
	}
	redis, err := b.RedisCPU(ctx)
	return cpu{time.Duration(own.Utime.Nano() + own.Stime.Nano()), redis}, err
}
