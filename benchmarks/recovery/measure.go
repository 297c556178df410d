package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/benchmarks/workload"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// look is how often a process is looked at.
const look = 100 * time.Millisecond

// An allocator is a process.
type allocator struct {
	cmd   *exec.Cmd
	ended chan error

	mu   sync.Mutex
	said []string // lines of its log; guarded by mu
}

func (s *scene) start(ctx context.Context) (*allocator, error) {
	a := &allocator{cmd: s.command(ctx, "allocator"), ended: make(chan error, 1)}
	log, err := a.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		a.read(log)
		a.ended <- a.cmd.Wait()
	}()
	return a, nil
}

func (a *allocator) read(log io.Reader) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		a.mu.Lock()
		a.said = append(a.said, lines.Text())
		a.mu.Unlock()
	}
}

// linesWith returns what it has said of something.
func (a *allocator) linesWith(message string) (found []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, line := range a.said {
		if strings.Contains(line, message) {
			found = append(found, line)
		}
	}
	return found
}

func (a *allocator) kill() error {
	if err := a.cmd.Process.Kill(); err != nil {
		return err
	}
	<-a.ended //nolint:errcheck // it says that it was killed
	return nil
}

// memory returns the bytes that the process has in memory, and the most it ever had; zeros where nobody knows.
func (a *allocator) memory() (now, most int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case err != nil:
		case name == "VmRSS":
			now = kilobytes << 10
		case name == "VmHWM":
			most = kilobytes << 10
		}
	}
	return now, most
}

// A coldStart is how the fold of a whole journal went.
type coldStart struct {
	entries      int64
	took         time.Duration
	progress     []string // what it said meanwhile
	halfway, end int64    // bytes in memory
	most         int64
}

func (c coldStart) String() string {
	last := "it said nothing"
	if n := len(c.progress); n > 0 {
		last = fmt.Sprintf("it said %d times how far it was, e.g. %s", n, c.progress[n/2])
	}
	return fmt.Sprintf("cold start: %d entries in %v, %.0f a second; in memory %d MiB halfway, %d MiB at the end, at most %d MiB; %s",
		c.entries, c.took.Round(time.Millisecond), float64(c.entries)/c.took.Seconds(), c.halfway>>20, c.end>>20, c.most>>20, last)
}

// coldStart starts an allocator without a state and waits until it has folded everything before end.
func (s *scene) coldStart(ctx context.Context, end int64) (c coldStart, err error) {
	begin := time.Now()
	a, err := s.start(ctx)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, a.kill()) }()
	for at := int64(0); at < end; {
		if at, err = s.folded(ctx); err != nil {
			return c, err
		}
		if at >= end/2 && c.halfway == 0 {
			c.halfway, _ = a.memory()
		}
		select {
		case err := <-a.ended:
			a.ended <- err
			return c, fmt.Errorf("it ended: %w: %s", err, strings.Join(a.linesWith(""), "\n"))
		case <-time.After(look):
		case <-ctx.Done():
			return c, ctx.Err()
		}
	}
	c.entries, c.took, c.progress = end, time.Since(begin), a.linesWith("catching up")
	c.end, c.most = a.memory()
	if c.took > time.Minute && len(c.progress) == 0 {
		return c, errors.New("it took more than a minute and never said how far it was")
	}
	return c, nil
}

// folded returns up to where the allocator has told its group it is, which trails its position by up to a second.
func (s *scene) folded(ctx context.Context) (int64, error) {
	resp, err := s.Admin.FetchOffsets(ctx, s.Prefix+"allocator")
	if err != nil {
		return 0, err
	}
	at, _ := resp.Lookup(s.Prefix+string(stream.Journal), 0)
	return at.At, nil
}

// kills kills a running allocator, starts another at once, as a supervisor would, and returns how long it took each time from the kill
// until the availability was read that counts a movement written right after the kill.
func (s *scene) kills(ctx context.Context, g *workload.Generator, n int) (away []time.Duration, err error) {
	a, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.kill()) }()
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers...), kgo.ConsumeTopics(s.Prefix+string(stream.Availability)),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtEnd()), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	for i := range n + 1 {
		begin := time.Now()
		if i > 0 { // before that it is only waited for
			if err := a.kill(); err != nil {
				return nil, err
			}
			begin = time.Now()
			if a, err = s.start(ctx); err != nil {
				return nil, err
			}
		}
		if err := s.count(ctx, g, reader); err != nil {
			return nil, err
		}
		if i > 0 {
			away = append(away, time.Since(begin).Round(time.Millisecond))
			fmt.Fprintf(s.out, "kill %d: away for %v\n", i, away[i-1])
		}
	}
	return away, nil
}

// count writes a movement and waits until it is counted.
func (s *scene) count(ctx context.Context, g *workload.Generator, reader *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := g.Fill(ctx, s.Brokers, s.Prefix+string(stream.Journal), "", 1); err != nil {
		return err
	}
	ends, err := s.Admin.ListEndOffsets(ctx, s.Prefix+string(stream.Journal))
	if err != nil {
		return err
	}
	end, _ := ends.Lookup(s.Prefix+string(stream.Journal), 0)
	for {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for r := range fetches.RecordsAll() {
			var a record.Availability
			if err := codec.DecodeAvailability(r.Value, &a); err != nil {
				return err
			}
			if a.Version.Offset() >= end.Offset-1 {
				return nil
			}
		}
	}
}

// table renders what was measured as Markdown.
func table(o options, machine string, cold coldStart, median, longest time.Duration) []byte {
	return fmt.Appendf(nil, `# Recovery

%s.
One partition, %d SKUs.

- %v
- Killed %d times and started again at once: %v (median) and at most %v until a movement that was written right after the kill is
  counted.
`, machine, o.skus, cold, o.kills, median, longest)
}
