// The recovery benchmark measures, with the real allocator as a process of its own on a real Kafka and a real Redis, how long it is
// away after it was killed, and how fast it folds a whole journal when its state is gone: with what it says meanwhile, and in how
// much memory.
//
//	SHELFWIRE_TEST_KAFKA=host:port SHELFWIRE_TEST_REDIS=host:port go run ./benchmarks/recovery
//
// It fails where it was away for longer than -away, or where a cold start of more than a minute did not say how far it was. It uses
// topics and keys with a prefix of its own and deletes them at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/shelfwire/shelfwire/benchmarks/scratch"
	"github.com/shelfwire/shelfwire/benchmarks/workload"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "recovery benchmark:", err)
		os.Exit(1)
	}
}

// options is what the command line says.
type options struct {
	entries, skus, kills int
	away                 time.Duration
	results              string
}

func parse(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("recovery", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&o.entries, "entries", 10_000_000, "movements in the journal")
	flags.IntVar(&o.skus, "skus", 100_000, "SKUs they are spread over")
	flags.IntVar(&o.kills, "kills", 5, "how often the allocator is killed")
	flags.DurationVar(&o.away, "away", 15*time.Second, "fail where it is away for longer")
	flags.StringVar(&o.results, "results", "", "write what was measured as Markdown to this file")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.entries < 1 || o.skus < 1 || o.kills < 1 || o.away <= 0 || flags.NArg() > 0 {
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
	dir, err := os.MkdirTemp("", "recovery-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s := &scene{Place: place, bin: dir, out: out}
	if err := s.build(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "writing %d entries over %d SKUs\n", o.entries, o.skus)
	g := workload.New(workload.Load{}, o.skus)
	if err := g.Fill(ctx, place.Brokers, place.Prefix+string(stream.Journal), "", o.entries); err != nil {
		return err
	}
	cold, err := s.coldStart(ctx, int64(o.entries))
	if err != nil {
		return fmt.Errorf("cold start: %w", err)
	}
	fmt.Fprintln(out, cold)
	away, err := s.kills(ctx, g, o.kills)
	if err != nil {
		return fmt.Errorf("killed: %w", err)
	}
	slices.Sort(away)
	median, longest := away[len(away)/2], away[len(away)-1]
	fmt.Fprintf(out, "killed %d times: from the kill until a movement is counted that came right after it: median %v, at most %v\n", len(away), median, longest)
	if o.results != "" {
		if err := os.WriteFile(o.results, table(o, place.Machine(), cold, median, longest), 0o644); err != nil {
			return err
		}
	}
	if longest > o.away {
		return fmt.Errorf("it was away for %v, longer than %v", longest, o.away)
	}
	return nil
}

// A scene is a place on the servers with the programs that run there.
type scene struct {
	*scratch.Place
	bin string
	out io.Writer
}

// build builds the programs and makes the topics.
func (s *scene) build(ctx context.Context) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", s.bin+string(filepath.Separator), "./cmd/allocator", "./cmd/shelfwire")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, text)
	}
	apply := s.command(ctx, "shelfwire", "topics", "apply")
	if text, err := apply.CombinedOutput(); err != nil {
		return fmt.Errorf("shelfwire topics apply: %w: %s", err, text)
	}
	return nil
}

func (s *scene) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Env = append(os.Environ(),
		"SHELFWIRE_KAFKA_BROKERS="+strings.Join(s.Brokers, ","), "SHELFWIRE_REDIS_ADDRESSES="+s.Redis,
		"SHELFWIRE_TOPIC_PREFIX="+s.Prefix, "SHELFWIRE_REDIS_PREFIX="+s.Prefix,
		"SHELFWIRE_TOPICS_REPLICATION=1", "SHELFWIRE_TOPICS_JOURNAL_PARTITIONS=1", "SHELFWIRE_ALLOCATOR_OPS_LISTEN=127.0.0.1:0")
	return cmd
}
