package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// StreamsCommit is how often the Kafka Streams application commits: what Kafka Streams itself takes for exactly-once.
const StreamsCommit = 100 * time.Millisecond

// A StreamsApp is a process of benchmarks/peers/streams.
type StreamsApp struct {
	id, dir string
	cmd     *exec.Cmd
	stdin   io.Closer
	stderr  lastBytes
	running chan error
	exited  chan error
}

// StartStreams starts the Kafka Streams application that was built into the folder (make bin/streams/streams.jar) and returns when
// it has its partition. It reads records whose key is the SKU. Its id, which its group and the topic of its changelog begin with,
// is to be of this call alone. Stop must be called.
func StartStreams(ctx context.Context, folder string, t Task, id string) (*StreamsApp, error) {
	dir, err := os.MkdirTemp("", "streams-")
	if err != nil {
		return nil, err
	}
	a := &StreamsApp{id: id, dir: dir, running: make(chan error, 1), exited: make(chan error, 1)}
	a.cmd = exec.CommandContext(ctx, "java",
		"-Xmx2g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
		"-cp", filepath.Join(folder, "streams.jar")+string(os.PathListSeparator)+filepath.Join(folder, "lib", "*"),
		"shelfwire.benchmarks.Counts",
		strings.Join(t.Brokers, ","), t.From, t.To, id, dir, strconv.FormatInt(StreamsCommit.Milliseconds(), 10))
	a.cmd.Stderr = &a.stderr
	stdin, err1 := a.cmd.StdinPipe()
	stdout, err2 := a.cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	a.stdin = stdin
	if err := a.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start Kafka Streams: %w", err), os.RemoveAll(dir))
	}
	go a.wait(stdout)
	select {
	case err = <-a.running:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, a.Stop())
	}
	return a, nil
}

// wait tells of the first line and of the end of the process.
func (a *StreamsApp) wait(stdout io.Reader) {
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil && strings.TrimSpace(line) == "running" {
		a.running <- nil
	}
	err = a.cmd.Wait()
	if err != nil {
		err = fmt.Errorf("Kafka Streams: %w: %s", err, a.stderr.String()) //nolint:staticcheck // a name
	}
	a.exited <- err
	a.running <- errors.Join(errors.New("Kafka Streams ended before it was running"), err) //nolint:staticcheck // a name
}

// Stop ends the process and deletes its local state.
func (a *StreamsApp) Stop() error {
	_ = a.stdin.Close() // it may have ended
	err := <-a.exited
	return errors.Join(err, os.RemoveAll(a.dir))
}

// await waits until the application has committed everything before offset, which it does in the transaction that writes the
// outputs, and returns what it has committed then.
func (a *StreamsApp) await(ctx context.Context, admin *kadm.Client, topic string, offset int64) (next int64, err error) {
	for {
		resp, err := admin.FetchOffsets(ctx, a.id)
		if err != nil {
			return 0, err
		}
		if at, ok := resp.Lookup(topic, 0); ok && at.At >= offset {
			return at.At, nil
		}
		select {
		case err := <-a.exited:
			a.exited <- err
			return 0, errors.Join(errors.New("Kafka Streams ended"), err) //nolint:staticcheck // a name
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Streams works off the records with a Kafka Streams application and returns records per second until everything is committed. The
// first fifth, in which the Java machine warms up, is not counted.
func Streams(ctx context.Context, admin *kadm.Client, folder string, t Task, id string) (perSecond float64, err error) {
	a, err := StartStreams(ctx, folder, t, id)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, a.Stop()) }()
	from, err := a.await(ctx, admin, t.From, int64(t.Records)/5)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	end, err := a.await(ctx, admin, t.From, int64(t.Records))
	return float64(end-from) / time.Since(begin).Seconds(), err
}

// Counted reads what a peer has written, an availability a record, and returns the newest counts of every SKU, without those of
// none. Only what was committed is read.
func Counted(ctx context.Context, brokers []string, topic string) (map[string]map[string]stock.Quantity, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
	)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	end, _ := ends.Lookup(topic, 0)
	all := map[string]map[string]stock.Quantity{}
	for next := int64(0); next < end.Offset; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		for r := range fetches.RecordsAll() {
			next = r.Offset + 1
			if r.Attrs.IsControl() {
				continue // a transaction's end
			}
			var a record.Availability
			if err := codec.DecodeAvailability(r.Value, &a); err != nil {
				return nil, err
			}
			levels := make(map[string]stock.Quantity, len(a.Outlets))
			for _, l := range a.Outlets {
				if l.OnHand != 0 {
					levels[l.Outlet] = l.OnHand
				}
			}
			if all[a.SKU] = levels; len(levels) == 0 {
				delete(all, a.SKU)
			}
		}
	}
	return all, nil
}

// lastBytes keeps the end of what a process says, for its epitaph.
type lastBytes struct {
	mu sync.Mutex
	b  []byte // guarded by mu
}

// Write implements [io.Writer].
func (l *lastBytes) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, b...)
	l.b = l.b[max(0, len(l.b)-4096):]
	return len(b), nil
}

// String returns what was kept.
func (l *lastBytes) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}
