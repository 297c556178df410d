package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/benchmarks/peers"
	"github.com/shelfwire/shelfwire/benchmarks/scratch"
	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const pool = "bench"

// A load says how movements are spread over the SKUs: evenly, or by Zipf's law with the exponent s > 1.
type load struct {
	name string
	s    float64
}

// bench is a place on the servers with what this run has made there.
type bench struct {
	*scratch.Place
	o       options
	log     *slog.Logger
	profile io.Writer

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

// outlets is over how many outlets each SKU is spread.
const outlets = 4

// movements makes journal entries of movements: receipts, and sales of what is there, seven of eight times where there is any.
type movements struct {
	next   func() uint64 // the SKU of the next one
	n      int64
	rnd    *rand.Rand
	onHand []stock.Quantity // by SKU and outlet
}

func newMovements(o options, l load) *movements {
	m := &movements{rnd: rand.New(rand.NewPCG(1, 2)), onHand: make([]stock.Quantity, o.skus*outlets)}
	m.next = func() uint64 { return uint64(m.rnd.IntN(o.skus)) }
	if l.s > 0 {
		zipf := rand.NewZipf(m.rnd, l.s, 1, uint64(o.skus-1))
		m.next = zipf.Uint64
	}
	return m
}

// append appends the next entry, journalled at now.
func (m *movements) append(b []byte, now stock.Instant) []byte {
	sku, outlet := m.next(), m.rnd.IntN(outlets)
	onHand := &m.onHand[sku*outlets+uint64(outlet)]
	kind, quantity := stock.Receipt, stock.Quantity(5+m.rnd.IntN(20))
	if sale := stock.Quantity(1 + m.rnd.IntN(3)); *onHand >= sale && m.rnd.IntN(8) > 0 {
		kind, quantity = stock.Sale, sale
	}
	*onHand += kind.Delta(quantity)
	e := record.JournalEntry{
		EntryTime: now,
		Origin:    record.Origin{TopicID: "00112233445566778899aabbccddeeff", Topic: "movements", Offset: m.n, Previous: m.n - 1, Time: now},
		Event: record.Event{Movement: &record.Movement{
			Pool: pool, Outlet: fmt.Sprintf("OUT-%d", outlet), SKU: fmt.Sprintf("SKU-%06d", sku), Kind: kind,
			Quantity: quantity, OccurredAt: now, Source: "wms", Epoch: 1, Sequence: m.n + 1,
		}},
	}
	m.n++
	return codec.AppendJournalEntry(b, &e)
}

// fill writes the journal of installation n.
func (b *bench) fill(ctx context.Context, n int, l load) error {
	cluster, err := b.cluster(ctx, n)
	if err != nil {
		return err
	}
	producer, err := cluster.NewProducer(kafka.ProducerConfig{Compress: true})
	if err != nil {
		return err
	}
	defer producer.Close()
	m := newMovements(b.o, l)
	messages := make([]stream.Message, 0, 10_000)
	for left := b.o.entries; left > 0; left -= len(messages) {
		messages = messages[:0]
		now := stock.InstantOf(time.Now())
		for range min(left, cap(messages)) {
			messages = append(messages, stream.Message{
				Topic: stream.Journal, Partition: 0, Key: []byte(pool), Value: m.append(nil, now), ContentType: stream.ContentTypeProtobuf,
			})
		}
		if err := producer.Produce(ctx, messages); err != nil {
			return err
		}
	}
	return nil
}

// onCopy calls f with the task of working off the first records of a journal to a topic that is made for it.
func (b *bench) onCopy(ctx context.Context, n, records int, f func(peers.Task) (float64, error)) (perSecond float64, err error) {
	t := peers.Task{Brokers: b.Brokers, From: b.installation(n) + string(stream.Journal), To: b.installation(n) + "copy", Records: records}
	if _, err := b.Admin.CreateTopic(ctx, 1, 1, nil, t.To); err != nil {
		return 0, err
	}
	perSecond, err = f(t)
	_, deleted := b.Admin.DeleteTopics(ctx, t.To)
	return perSecond, errors.Join(err, deleted)
}

// copyRecords is the yardstick.
func (b *bench) copyRecords(ctx context.Context, n int) (perSecond float64, err error) {
	return b.onCopy(ctx, n, b.o.entries, func(t peers.Task) (float64, error) { return peers.Copy(ctx, t) })
}

// naive works off the beginning of a journal as is usually done first.
func (b *bench) naive(ctx context.Context, n, round int) (perSecond float64, err error) {
	name := fmt.Sprintf("%snaive%d", b.installation(n), round)
	return b.onCopy(ctx, n, min(b.o.entries, b.o.naive), func(t peers.Task) (float64, error) {
		return peers.Naive(ctx, t, b.Redis, name, name+":")
	})
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
	readers, err := cluster.NewReaders(kafka.ReadersConfig{Batch: b.o.batch})
	if err != nil {
		return nil, err
	}
	w.cleanup = append(w.cleanup, readers.Close)
	producer, err := cluster.NewProducer(kafka.ProducerConfig{Compress: true})
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

// await waits until the worker has committed everything before offset.
func (w *worker) await(ctx context.Context, offset int64) error {
	for {
		select {
		case next := <-w.progress:
			if next >= offset {
				return nil
			}
		case err := <-w.done:
			w.done <- err
			return fmt.Errorf("the worker stopped: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// steps says how long a batch took on average, step by step.
func (w *worker) steps() string {
	families, err := w.metrics.Gather()
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, f := range families {
		if f.GetName() != "shelfwire_allocator_batch_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			h := m.GetHistogram()
			mean := time.Duration(h.GetSampleSum() / float64(h.GetSampleCount()) * float64(time.Second))
			parts = append(parts, fmt.Sprintf("%s %v", m.GetLabel()[0].GetValue(), mean.Round(100*time.Microsecond)))
		}
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

// foldAll folds the whole journal of installation n into an empty state.
func (b *bench) foldAll(ctx context.Context, n, round int) (r foldResult, err error) {
	prefix := fmt.Sprintf("%sround%d:", b.installation(n), round)
	err = b.profiled(func() error {
		before, err := b.cpu(ctx)
		if err != nil {
			return err
		}
		begin := time.Now()
		w, err := b.worker(ctx, n, prefix)
		if err != nil {
			return err
		}
		err = w.await(ctx, int64(b.o.entries))
		r.perSecond = float64(b.o.entries) / time.Since(begin).Seconds()
		r.steps = w.steps()
		after, cpuErr := b.cpu(ctx)
		r.cpu = cpu{after.ours - before.ours, after.redis - before.redis}
		return errors.Join(err, cpuErr, w.stop())
	})
	return r, errors.Join(err, b.Forget(ctx, prefix))
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
