// The latency benchmark measures how long a movement takes from the moment it is due to be written to the topic movements until a
// consumer has read the availability that counts it, on a real Kafka and a real Redis, at a steady rate: a small batch every few
// milliseconds, as producers' clients send them. Ingest and allocator are wired as every installation wires them, with its defaults but
// for the number of partitions, in this process.
//
//	SHELFWIRE_TEST_KAFKA=host:port SHELFWIRE_TEST_REDIS=host:port go run ./benchmarks/latency
//
// With -streams it measures Kafka Streams with exactly-once too, round by round, from its own input topic until its count is read:
// one hop less.
//
// Milliseconds depend on the machine and on what else it does, so nothing is judged but that every movement was counted. It uses
// topics, groups and keys with a prefix of its own and deletes them at the end.
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
	"time"

	"github.com/shelfwire/shelfwire/benchmarks/scratch"
	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "latency benchmark:", err)
		os.Exit(1)
	}
}

// options is what the command line says.
type options struct {
	rate, skus, rounds int
	burst              time.Duration
	warmUp, duration   time.Duration
	streams, results   string
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("latency", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&o.rate, "rate", 2000, "movements a second")
	flags.IntVar(&o.skus, "skus", 10_000, "SKUs they are spread over")
	flags.IntVar(&o.rounds, "rounds", 1, "rounds of each")
	flags.DurationVar(&o.burst, "burst", 5*time.Millisecond,
		"how often what is due is written: 5ms is the linger.ms that Kafka's own producers have by default")
	flags.DurationVar(&o.warmUp, "warm-up", 3*time.Second, "how long movements flow in each round before it is measured")
	flags.DurationVar(&o.duration, "for", 10*time.Second, "how long is measured in each round")
	flags.StringVar(&o.streams, "streams", "", "measure Kafka Streams too, as built into this folder (make bin/streams/streams.jar)")
	flags.StringVar(&o.results, "results", "", "write the medians as a Markdown table to this file")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.rate < 1 || o.skus < 1 || o.rounds < 1 || o.burst <= 0 || o.warmUp < 0 || o.duration <= 0 || flags.NArg() > 0 {
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
	defer func() { err = errors.Join(err, place.Close()) }()
	cfg := config.Default()
	cfg.TopicPrefix, cfg.Redis.Prefix = place.Prefix, place.Prefix
	cfg.Kafka.Brokers, cfg.Redis.Addresses = place.Brokers, []string{place.Redis}
	cfg.Topics.Replication = 1
	// As the peers' topics, on whose one broker a fetch over many idle partitions would be the greatest cost of all.
	cfg.Topics.InputPartitions, cfg.Topics.JournalPartitions, cfg.Topics.OutputPartitions = 1, 1, 1
	cfg.Ingest.Listen = "127.0.0.1:0"
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	inst := &app.Installation{Config: cfg, Log: log}
	defer func() { err = errors.Join(err, inst.Close()) }()
	if _, err := inst.ApplyTopics(ctx); err != nil {
		return err
	}
	limit, stop, err := bare(ctx, place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	subjects := []*subject{shelfwire(cfg), limit}
	if o.streams != "" {
		peer, stopPeer, failed := streams(ctx, place, o.streams)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, stopPeer()) }()
		subjects = append(subjects, peer)
	}
	return staged(ctx, inst, func(ctx context.Context) error {
		if err := measureAll(ctx, place.Brokers, o, subjects, out); err != nil || o.results == "" {
			return err
		}
		return os.WriteFile(o.results, table(o, place.Machine(), subjects), 0o644)
	})
}

// staged calls f while ingest and allocator run. The context that f gets ends when they do.
func staged(ctx context.Context, inst *app.Installation, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ready := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		err := inst.Run(ctx, []app.Stage{app.Ingest, app.Allocator}, app.RunOptions{Ready: func(app.Running) { close(ready) }})
		cancel(err)
		ended <- err
	}()
	var err error
	select {
	case <-ready:
		err = f(ctx)
	case <-ctx.Done():
	}
	cancel(nil)
	return errors.Join(err, <-ended)
}
