// The allocator benchmark measures the allocator alone, on a real Kafka and a real Redis, beside a bare client that copies the
// same records from one topic to another in the same run.
//
// Seconds depend on the machine and on what else it does, so only the ratio of the two is judged, for the first load, uniform movements: each
// round's is that of a fold and the copies right before and after it, and it fails where three of four rounds are below what
// is asked for. Behind the rounds comes a fold under a profile, which says where the processor's time goes.
//
//	SHELFWIRE_TEST_KAFKA=host:port SHELFWIRE_TEST_REDIS=host:port go run ./benchmarks/allocator
//
// With -naive it measures the consumer that is usually written first as well, with -streams the same counts by Kafka Streams,
// exactly once; with -results it writes a table.
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
	"syscall"

	"github.com/shelfwire/shelfwire/benchmarks/scratch"
	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/daemon"
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
	load                         string
	streams, profiles, results   string
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("allocator", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&o.entries, "entries", 1_000_000, "entries in the journal that are measured")
	flags.IntVar(&o.skus, "skus", 100_000, "SKUs they are spread over")
	flags.IntVar(&o.rounds, "rounds", 5, "rounds of each case")
	flags.IntVar(&o.batch, "batch", allocator.DefaultConfig().BatchEntries, "most entries a batch")
	flags.Float64Var(&o.least, "least", 0.15, "fail where the uniform ratio is below this")
	flags.IntVar(&o.naive, "naive", 0, "measure the naive consumer too, with this many of the movements")
	flags.StringVar(&o.load, "load", "", "measure this load only: uniform, zipf 1.1 or mixed")
	flags.StringVar(&o.streams, "streams", "", "measure Kafka Streams too, as built into this folder (make bin/streams/streams.jar)")
	flags.StringVar(&o.profiles, "profiles", "", "keep the CPU profiles in this folder")
	flags.StringVar(&o.results, "results", "", "write the medians as a Markdown table to this file")
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
	daemon.CollectAt(daemon.CollectRarely) // as the daemon does
	daemon.LargePages()
	place, err := scratch.Open(ctx, getenv)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b := &bench{Place: place, o: o, log: log}
	defer func() { err = errors.Join(err, b.close()) }()

	results, err := throughput(ctx, b, out)
	if err != nil {
		return err
	}
	if o.results != "" {
		if err := os.WriteFile(o.results, table(o, b.Machine(), results), 0o644); err != nil {
			return fmt.Errorf("write the results: %w", err)
		}
	}
	if len(results) == 0 {
		return fmt.Errorf("there is no load %q", o.load)
	}
	return judge(out, o.least, results[0])
}
