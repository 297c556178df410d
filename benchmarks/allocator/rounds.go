package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/shelfwire/shelfwire/benchmarks/workload"
)

// rounds are what the rounds of one load came to, in records per second.
type rounds struct {
	load                 workload.Load
	journal              journal
	bare, naive, streams []float64
	folded, ratio        []float64
	ours, redis          []float64 // processor time of a fold, in seconds
	where                []share   // the processor's time of one more fold
}

// throughput prints records per second of everybody, and returns the rounds of each load, uniform movements first. A fold is
// compared with the mean of the copies right before and right after it.
func throughput(ctx context.Context, b *bench, out io.Writer) ([]*rounds, error) {
	results := []*rounds{
		{load: workload.Load{Name: "uniform"}},
		{load: workload.Load{Name: "zipf 1.1", Zipf: 1.1}},
		{load: workload.Load{Name: "mixed", Orders: true}},
	}
	if b.o.load != "" {
		results = slices.DeleteFunc(results, func(r *rounds) bool { return r.load.Name != b.o.load })
	}
	for i, r := range results {
		fmt.Fprintf(out, "writing %d entries over %d SKUs, %s\n", b.o.entries, b.o.skus, r.load.Name)
		var err error
		if r.journal, err = b.fill(ctx, i, r.load, b.o.streams != "" && r.comparable()); err != nil {
			return nil, fmt.Errorf("fill the journal: %w", err)
		}
	}
	for round := range b.o.rounds {
		for i, r := range results {
			line, err := r.add(ctx, b, i, round)
			if err != nil {
				return nil, err
			}
			fmt.Fprintln(out, line)
		}
	}
	for i, r := range results {
		fmt.Fprintf(out, "median,  %-8s  bare copy %9.0f rec/s   allocator %9.0f rec/s   ratio %.3f   processor time: allocator %.1f s, Redis %.1f s\n",
			r.load.Name, median(r.bare), median(r.folded), median(r.ratio), median(r.ours), median(r.redis))
		if err := r.profile(ctx, b, i); err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "         processor time of the allocator: %s\n", shares(r.where))
	}
	return results, nil
}

// comparable reports whether the peers can work the load off: they know nothing but movements.
func (r *rounds) comparable() bool { return !r.load.Orders }

// add makes one round with the journal of installation n.
func (r *rounds) add(ctx context.Context, b *bench, n, round int) (line string, err error) {
	before, err := b.copyRecords(ctx, n, r.journal)
	if err != nil {
		return "", fmt.Errorf("bare copy: %w", err)
	}
	fold, err := b.foldAll(ctx, n, round, r.journal, nil)
	if err != nil {
		return "", fmt.Errorf("allocator: %w", err)
	}
	after, err := b.copyRecords(ctx, n, r.journal)
	if err != nil {
		return "", fmt.Errorf("bare copy: %w", err)
	}
	bare := (before + after) / 2
	ratio := fold.perSecond / bare
	r.bare, r.folded, r.ratio = append(r.bare, bare), append(r.folded, fold.perSecond), append(r.ratio, ratio)
	r.ours, r.redis = append(r.ours, fold.cpu.ours.Seconds()), append(r.redis, fold.cpu.redis.Seconds())
	line = fmt.Sprintf("round %d, %-8s  bare copy %9.0f rec/s   allocator %9.0f rec/s   ratio %.3f   a batch: %s",
		round+1, r.load.Name, bare, fold.perSecond, ratio, fold.steps)
	if b.o.streams != "" && r.comparable() {
		streams, err := b.streams(ctx, n, round, r.journal)
		if err != nil {
			return "", fmt.Errorf("peer: %w", err)
		}
		r.streams = append(r.streams, streams)
		line += fmt.Sprintf("   Kafka Streams %7.0f rec/s", streams)
	}
	if b.o.naive > 0 && r.comparable() {
		naive, err := b.naive(ctx, n, round, r.journal)
		if err != nil {
			return "", fmt.Errorf("naive consumer: %w", err)
		}
		r.naive = append(r.naive, naive)
		line += fmt.Sprintf("   naive %6.0f rec/s", naive)
	}
	return line, nil
}

// judge fails where the ratio was below the one asked for in three of four rounds. Other work on the machine scatters the rounds;
// an allocator that has become slower moves them all.
func judge(out io.Writer, least float64, r *rounds) error {
	below := 0
	for _, ratio := range r.ratio {
		if ratio < least {
			below++
		}
	}
	fmt.Fprintf(out, "judged is the ratio for %s: below %.2f in %d of %d rounds, median %.3f\n", r.load.Name, least, below, len(r.ratio), median(r.ratio))
	if 4*below >= 3*len(r.ratio) {
		return fmt.Errorf("%w: below %.2f in %d of %d rounds", errBelow, least, below, len(r.ratio))
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
