package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// burst is how often the generator writes: every millisecond what is due.
const burst = time.Millisecond

// latency writes movements at a fixed rate into an empty journal and measures from the moment each one was due until its
// availability has been read by a consumer. Movements that a later one of the same batch and SKU overtook are not counted.
func latency(ctx context.Context, b *bench, out io.Writer) (err error) {
	n := len(b.clusters)
	w, err := b.worker(ctx, n, b.installation(n))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	cluster, err := b.cluster(ctx, n)
	if err != nil {
		return err
	}
	_ = cluster
	total := int(float64(b.o.rate) * b.o.duration.Seconds())
	reader, err := kgo.NewClient(
		kgo.SeedBrokers(b.brokers...), kgo.ConsumeTopics(b.installation(n)+string(stream.Availability)),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(100*time.Millisecond),
	)
	if err != nil {
		return err
	}
	defer reader.Close()
	writer, err := kgo.NewClient(kgo.SeedBrokers(b.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DefaultProduceTopic(b.installation(n)+string(stream.Journal)), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer writer.Close()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sent := make(chan error, 1)
	go func() { sent <- write(ctx, b, writer, total) }()
	took, err := read(ctx, reader, total)
	cancel(nil)
	if werr := <-sent; werr != nil {
		return fmt.Errorf("write: %w", werr)
	}
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	took = took[len(took)/5:] // the first fifth warms up connections and the heap
	slices.Sort(took)
	at := func(p float64) time.Duration { return took[int(p*float64(len(took)-1))].Round(10 * time.Microsecond) }
	fmt.Fprintf(out, "latency, journal → allocator → availability read, at %d/s for %v (%d movements): p50 %v, p99 %v, most %v\n",
		b.o.rate, b.o.duration, len(took), at(0.5), at(0.99), at(1))
	return nil
}

// write journals total movements at the rate and waits for their acknowledgements. Each bears the time at which it was due, so
// that a generator that falls behind does not flatter the result.
func write(ctx context.Context, b *bench, client *kgo.Client, total int) error {
	m := newMovements(b.o, load{"uniform", 0})
	tick := time.NewTicker(burst)
	defer tick.Stop()
	failed := make(chan error, 1)
	begin := time.Now()
	for n := 0; n < total; {
		for ; n < total; n++ {
			due := begin.Add(time.Duration(float64(n) / float64(b.o.rate) * float64(time.Second)))
			if due.After(time.Now()) {
				break
			}
			client.Produce(ctx, &kgo.Record{Key: []byte(pool), Value: m.append(nil, stock.InstantOf(due))}, func(_ *kgo.Record, err error) {
				if err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			})
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		}
	}
	return client.Flush(context.WithoutCancel(ctx))
}

// read reads availability until the last movement's has come.
func read(ctx context.Context, client *kgo.Client, total int) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var took []time.Duration
	last := stock.VersionAt(0, int64(total-1))
	for done := false; !done; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		now := time.Now()
		var a record.Availability
		var bad error
		fetches.EachRecord(func(r *kgo.Record) {
			if err := codec.DecodeAvailability(r.Value, &a); err != nil {
				bad = err
				return
			}
			took = append(took, now.Sub(a.Times.Entry.Time()))
			done = done || a.Version == last
		})
		if bad != nil {
			return nil, bad
		}
	}
	return took, nil
}
