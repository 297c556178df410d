package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/embedded"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const childDir = "SHELFWIRE_EMBEDDED_TEST_DIR"

// TestMain lets the test binary be its own child: one that serves a directory and produces until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child prints the number of each record when the broker has acknowledged it.
func child(dir string) error {
	ctx := context.Background()
	c, closeAll, err := serve(ctx, dir)
	if err != nil {
		return err
	}
	defer closeAll()
	p, err := c.NewProducer(kafka.ProducerConfig{})
	if err != nil {
		return err
	}
	defer p.Close()
	for n := 0; ; n++ {
		m := stream.Message{Topic: stream.Journal, Partition: 0, Value: fmt.Append(nil, n)}
		if err := p.Produce(ctx, []stream.Message{m}); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func serve(ctx context.Context, dir string) (*kafka.Cluster, func(), error) {
	s, err := embedded.Start(embedded.Config{Dir: dir})
	if err != nil {
		return nil, nil, err
	}
	c, err := kafka.Open(ctx, kafka.Config{Brokers: s.KafkaAddresses(), Prefix: "t."}, slog.New(slog.DiscardHandler))
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	_, err = c.ApplyTopics(ctx, kafka.Layout{Inputs: 1, Journal: 1, Accounts: 1, Outputs: 1, Replication: 1, Plain: true})
	if err != nil {
		c.Close()
		s.Close()
		return nil, nil, err
	}
	return c, func() { c.Close(); s.Close() }, nil
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := -1
	for round := range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 200 && lines.Scan(); n++ {
			acknowledged++
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it had acknowledged before the kill arrived
			acknowledged++
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("round %d: the child ended by itself: %v", round, err)
		}
	}
	c, closeAll, err := serve(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll()
	b, err := c.Bounds(t.Context(), stream.Partition{Topic: stream.Journal, ID: 0})
	if err != nil {
		t.Fatal(err)
	}
	if b.End < int64(acknowledged+1) {
		t.Errorf("the log holds %d records, %d were acknowledged", b.End, acknowledged+1)
	}
	t.Logf("%d acknowledged, %d held, after 3 kills", acknowledged+1, b.End)
}

func TestStartIsQuick(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, closeAll, err := serve(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	closeAll()
}

func TestARestartKeepsTheLogAndWhatWasCommitted(t *testing.T) {
	dir := t.TempDir()
	journal := stream.Partition{Topic: stream.Journal, ID: 0}
	ids := map[string]bool{}
	for round := range int64(3) {
		c, closeAll, err := serve(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		id, err := c.TopicID(t.Context(), stream.Journal)
		if err != nil {
			t.Fatal(err)
		}
		ids[id] = true
		if b, err := c.Bounds(t.Context(), journal); err != nil || b != (stream.Bounds{End: round}) {
			t.Errorf("round %d: Bounds() = %v, %v", round, b, err)
		}
		p, err := c.NewProducer(kafka.ProducerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Produce(t.Context(), []stream.Message{{Topic: stream.Journal, Value: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
		p.Close()
		ctx, leave := context.WithCancel(t.Context())
		err = c.RunGroup(ctx, kafka.GroupConfig{Group: "g", Topics: []stream.Topic{stream.Journal}},
			func(ctx context.Context, a stream.Assignment) error {
				defer leave()
				if at, err := a.Committed(ctx); err != nil || round > 0 && at != round {
					t.Errorf("round %d: Committed() = %d, %v", round, at, err)
				}
				return a.Commit(ctx, round+1)
			})
		if err != nil {
			t.Error(err)
		}
		closeAll()
	}
	if len(ids) != 1 {
		t.Errorf("the journal has had the ids %v", ids)
	}
}
