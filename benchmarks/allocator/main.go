// The allocator benchmark measures the allocator alone, on a real Kafka and a real Redis, beside a bare client that copies the
// same records from one topic to another in the same run.
//
// Seconds depend on the machine and on what else it does, so only the ratio of the two is judged, for uniform movements: each
// round's is that of a fold and the copies right before and after it, and it fails where three of four rounds are below what
// is asked for.
//
//	SHELFWIRE_TEST_KAFKA=host:port SHELFWIRE_TEST_REDIS=host:port go run ./benchmarks/allocator
//
// With -naive it measures the consumer that is usually written first as well, and with -results it writes a table.
//
// It uses topics and keys with a prefix of its own and deletes them at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"

	"github.com/shelfwire/shelfwire/benchmarks/scratch"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errBelow):
		fmt.Fprintln(os.Stderr, "allocator benchmark:", err)
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "allocator benchmark:", err)
		os.Exit(2)
	}
}

// errBelow is returned where the measured ratio is below the wanted one.
var errBelow = errors.New("the ratio is below the one asked for")

// options is what the command line says.
type options struct {
	entries, skus, rounds, batch int
	naive                        int
	least                        float64
	profile, results             string
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("allocator", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&o.entries, "entries", 1_000_000, "movements in the journal")
	flags.IntVar(&o.skus, "skus", 100_000, "SKUs they are spread over")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of each case")
	flags.IntVar(&o.batch, "batch", 5000, "entries a batch")
	flags.Float64Var(&o.least, "least", 0.15, "fail where the uniform ratio is below this")
	flags.IntVar(&o.naive, "naive", 0, "measure the naive consumer too, with this many of the movements")
	flags.StringVar(&o.results, "results", "", "write the medians as a Markdown table to this file")
	flags.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the allocator's rounds to this file")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.entries < 1 || o.skus < 1 || o.rounds < 1 || o.batch < 1 || o.naive < 0 || flags.NArg() > 0 {
		return o, errors.New("every number must be positive, and there are no arguments")
	}
	return o, nil
}

func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) (err error) {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	place, err := scratch.Open(ctx, getenv)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b := &bench{Place: place, o: o, log: log}
	defer func() { err = errors.Join(err, b.close()) }()

	if o.profile != "" {
		f, ferr := os.Create(o.profile)
		if ferr != nil {
			return ferr
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		b.profile = f
	}
	results, err := throughput(ctx, b, out)
	if err != nil {
		return err
	}
	if o.results != "" {
		if err := os.WriteFile(o.results, table(o, results, time.Now()), 0o644); err != nil {
			return fmt.Errorf("write the results: %w", err)
		}
	}
	return judge(out, o.least, results[0])
}

// rounds are what the rounds of one load came to.
type rounds struct {
	load                       load
	bare, folded, naive, ratio []float64
	ours, redis                []float64 // processor time of a fold, in seconds
}

// throughput prints records per second of the bare copy and of the allocator, and returns the rounds of each load, uniform movements
// first. A fold is compared with the mean of the copies right before and right after it.
func throughput(ctx context.Context, b *bench, out io.Writer) ([]rounds, error) {
	results := []rounds{{load: load{"uniform", 0}}, {load: load{"zipf 1.1", 1.1}}}
	for i := range results {
		fmt.Fprintf(out, "writing %d movements over %d SKUs, %s\n", b.o.entries, b.o.skus, results[i].load.name)
		if err := b.fill(ctx, i, results[i].load); err != nil {
			return nil, fmt.Errorf("fill the journal: %w", err)
		}
	}
	for round := range b.o.rounds {
		for i := range results {
			line, err := results[i].add(ctx, b, i, round)
			if err != nil {
				return nil, err
			}
			fmt.Fprintln(out, line)
		}
	}
	for i := range results {
		r := &results[i]
		fmt.Fprintf(out, "median,  %-8s  bare copy %9.0f rec/s   allocator %9.0f rec/s   ratio %.3f   processor time: allocator %.1f s, Redis %.1f s\n",
			r.load.name, median(r.bare), median(r.folded), median(r.ratio), median(r.ours), median(r.redis))
	}
	return results, nil
}

// add makes one round with the journal of installation n.
func (r *rounds) add(ctx context.Context, b *bench, n, round int) (line string, err error) {
	before, err := b.copyRecords(ctx, n)
	if err != nil {
		return "", fmt.Errorf("bare copy: %w", err)
	}
	fold, err := b.foldAll(ctx, n, round)
	if err != nil {
		return "", fmt.Errorf("allocator: %w", err)
	}
	after, err := b.copyRecords(ctx, n)
	if err != nil {
		return "", fmt.Errorf("bare copy: %w", err)
	}
	bare := (before + after) / 2
	ratio := fold.perSecond / bare
	r.bare, r.folded, r.ratio = append(r.bare, bare), append(r.folded, fold.perSecond), append(r.ratio, ratio)
	r.ours, r.redis = append(r.ours, fold.cpu.ours.Seconds()), append(r.redis, fold.cpu.redis.Seconds())
	line = fmt.Sprintf("round %d, %-8s  bare copy %9.0f rec/s   allocator %9.0f rec/s   ratio %.3f   a batch: %s",
		round+1, r.load.name, bare, fold.perSecond, ratio, fold.steps)
	if b.o.naive == 0 {
		return line, nil
	}
	naive, err := b.naive(ctx, n, round)
	if err != nil {
		return "", fmt.Errorf("naive consumer: %w", err)
	}
	r.naive = append(r.naive, naive)
	return line + fmt.Sprintf("   naive %6.0f rec/s", naive), nil
}

// judge fails where the ratio was below the one asked for in three of four rounds. Other work on the machine scatters the rounds;
// an allocator that has become slower moves them all.
func judge(out io.Writer, least float64, r rounds) error {
	below := 0
	for _, ratio := range r.ratio {
		if ratio < least {
			below++
		}
	}
	fmt.Fprintf(out, "judged is the ratio for uniform movements: below %.2f in %d of %d rounds, median %.3f\n", least, below, len(r.ratio), median(r.ratio))
	if 4*below >= 3*len(r.ratio) {
		return fmt.Errorf("%w: below %.2f in %d of %d rounds", errBelow, least, below, len(r.ratio))
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// profiled runs f under the CPU profile, if one is asked for. Only one profile can be written, so it is of the first call.
func (b *bench) profiled(f func() error) error {
	if b.profile == nil {
		return f()
	}
	to := b.profile
	b.profile = nil
	if err := pprof.StartCPUProfile(to); err != nil {
		return fmt.Errorf("start the CPU profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return f()
}
