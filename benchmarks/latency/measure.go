package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/record"
)

// patience is how long the last movements may take.
const patience = time.Minute

// A measurement is one round of one subject. Every movement is a receipt of one unit, so a SKU's count says how many of its
// movements it has seen: each is found, also one that a later movement of the same SKU has overtaken on its way.
type measurement struct {
	o       options
	subject *subject
	first   time.Time // due time of the first movement

	mu  sync.Mutex
	due map[string][]time.Time // of the movements of each SKU that are not counted yet; guarded by mu

	// Of the reader: how long the movements took after the warm-up, and the newest movement of each availability hop by hop.
	took, taken, folded, read []time.Duration
	left                      int
}

// measureAll makes the rounds, each subject in turn, and prints them. The one before the first is not counted: a broker that has just
// started is slow until its own code has been compiled, and whoever comes first would pay for it.
func measureAll(ctx context.Context, brokers []string, o options, subjects []*subject, out io.Writer) error {
	defer func() {
		for _, s := range subjects {
			s.close()
		}
	}()
	for _, s := range subjects {
		if err := s.connect(brokers); err != nil {
			return err
		}
	}
	for round := range o.rounds + 1 {
		for _, s := range subjects {
			m, err := measure(ctx, o, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if round == 0 {
				continue
			}
			if err := m.report(out); err != nil {
				return err
			}
			s.p50, s.p99 = append(s.p50, percentile(m.took, 0.5)), append(s.p99, percentile(m.took, 0.99))
		}
	}
	return nil
}

// measure writes the movements and reads until every one is counted.
func measure(ctx context.Context, o options, s *subject) (*measurement, error) {
	total := int(float64(o.rate) * (o.warmUp + o.duration).Seconds())
	m := &measurement{o: o, subject: s, due: map[string][]time.Time{}, left: total}
	ctx, cancel := context.WithTimeout(ctx, o.warmUp+o.duration+patience)
	defer cancel()
	m.first = time.Now()
	written := make(chan error, 1)
	go func() { written <- m.write(ctx, s.writer, total) }()
	err := m.readAll(ctx, s.reader)
	if err != nil {
		cancel()
		err = fmt.Errorf("%d of %d movements not seen: %w", m.left, total, err)
	}
	return m, errors.Join(err, <-written)
}

// write writes total movements at the rate, in bursts. Each is measured from when its burst was due, so that a generator that falls
// behind does not flatter the result.
func (m *measurement) write(ctx context.Context, client *kgo.Client, total int) error {
	rnd := rand.New(rand.NewPCG(1, 2))
	failed := make(chan error, 1)
	wait := time.NewTimer(0)
	defer wait.Stop()
	var flushes sync.WaitGroup
	defer flushes.Wait()
	for n, due := 0, m.first; n < total; due = due.Add(m.o.burst) {
		wait.Reset(time.Until(due))
		select {
		case <-wait.C:
		case err := <-failed:
			return fmt.Errorf("write movements: %w", err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		upTo := min(total, int(float64(m.o.rate)*(due.Add(m.o.burst).Sub(m.first)).Seconds()))
		for ; n < upTo; n++ {
			sku := fmt.Sprintf("SKU-%06d", rnd.IntN(m.o.skus))
			m.mu.Lock()
			m.due[sku] = append(m.due[sku], due)
			m.mu.Unlock()
			m.subject.sent++
			client.Produce(ctx, m.subject.movement(due, sku, fmt.Sprintf("OUT-%d", rnd.IntN(4)), m.subject.sent), func(_ *kgo.Record, err error) {
				if err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			})
		}
		flushes.Go(func() { _ = client.Flush(ctx) }) // a burst leaves in one request, and the next does not wait for it
	}
	return client.Flush(ctx)
}

func (m *measurement) readAll(ctx context.Context, client *kgo.Client) error {
	for m.left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		now := time.Now()
		for r := range fetches.RecordsAll() {
			var a record.Availability
			if err := m.subject.read(r, &a); err != nil {
				return err
			}
			if err := m.count(&a, r.Timestamp, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// count notes the movements that an availability, emitted and read when it says, is the first to count.
func (m *measurement) count(a *record.Availability, emitted, now time.Time) error {
	more := int(a.OnHand - m.subject.counted[a.SKU])
	m.mu.Lock()
	due := m.due[a.SKU]
	if more < 0 || more > len(due) {
		m.mu.Unlock()
		return fmt.Errorf("%s: %d on hand after %d, but %d movements are under way", a.SKU, a.OnHand, m.subject.counted[a.SKU], len(due))
	}
	due, m.due[a.SKU] = due[:more:more], due[more:]
	m.mu.Unlock()
	m.subject.counted[a.SKU], m.left = a.OnHand, m.left-more
	for i, at := range due {
		if at.Sub(m.first) < m.o.warmUp {
			continue
		}
		m.took = append(m.took, now.Sub(at))
		if i == more-1 {
			m.taken = append(m.taken, a.Times.Entry.Time().Sub(at))
			m.folded = append(m.folded, emitted.Sub(a.Times.Entry.Time()))
			m.read = append(m.read, now.Sub(emitted))
		}
	}
	return nil
}

// report prints the percentiles. Timestamps of records are of a whole millisecond, so of what ends or begins with one the parts
// are good to a millisecond only.
func (m *measurement) report(out io.Writer) error {
	if len(m.took) == 0 {
		return errors.New("nothing was measured")
	}
	fmt.Fprintf(out, "latency, %s, at %d/s for %v (%d movements over %d SKUs): %s\n",
		m.subject.path, m.o.rate, m.o.duration, len(m.took), m.o.skus, percentiles(m.took))
	if m.subject.hops {
		fmt.Fprintf(out, "  until ingest has it:               %s\n", percentiles(m.taken))
		fmt.Fprintf(out, "  until the allocator has folded it: %s\n", percentiles(m.folded))
		fmt.Fprintf(out, "  until its availability is read:    %s\n", percentiles(m.read))
	}
	return nil
}

// percentile sorts what is given.
func percentile(took []time.Duration, p float64) time.Duration {
	slices.Sort(took)
	return took[int(p*float64(len(took)-1))].Round(10 * time.Microsecond)
}

func percentiles(took []time.Duration) string {
	return fmt.Sprintf("p50 %v, p99 %v, most %v", percentile(took, 0.5), percentile(took, 0.99), percentile(took, 1))
}
