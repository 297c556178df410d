//go:build integration

package simtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The load of a crash test: enough that a kill meets every stage at work.
const crashMovements = 200_000

// Everything in one process, killed three times in the middle of a load.
func TestKillRunUnderLoad(t *testing.T) {
	in := newInstallation(t)
	in.crash(writeLoad(t, crashMovements, 1), []string{"run"})
}

// Each stage a process of its own, all of them killed three times in the middle of a load, one after the other.
func TestKillStagesUnderLoad(t *testing.T) {
	in := newInstallation(t)
	in.crash(writeLoad(t, crashMovements, 2), stages)
}

// crash sends the load to the processes, kills and restarts each of them three times meanwhile, and compares every count with
// the sum of the input.
func (in *installation) crash(l load, names []string) {
	in.t.Helper()
	running := map[string]*process{}
	for _, name := range names {
		running[name] = in.start(name)
	}
	for _, p := range running {
		p.ready()
	}
	sent := in.send(l.file)
	for kill := 1; kill <= 3; kill++ {
		quarter := int64(l.lines * kill / 4)
		in.wait(fmt.Sprintf("%d entries are folded", quarter), 2*time.Minute, func() (bool, error) {
			return in.servers.folded() >= quarter, nil
		})
		for _, name := range names {
			running[name].kill()
			running[name] = in.start(name)
		}
		in.t.Logf("kill %d of %s with %d of %d entries folded", kill, strings.Join(names, ", "), in.servers.folded(), l.lines)
	}
	if out, err := sent(); err != nil {
		in.t.Fatalf("send: %v\n%s", err, out)
	}
	in.wait("every event is folded", 3*time.Minute, in.servers.settled)
	in.compare(l)
	stdout := in.must("verify", "--json")
	in.t.Logf("verify: %s", stdout)
	var report struct{ Rows, Differences int }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || report.Differences != 0 || report.Rows == 0 {
		in.t.Errorf("verify --json = %s, want rows without differences", stdout)
	}
	for _, name := range names {
		if status := running[name].stop(); status != 0 {
			in.t.Errorf("%s stopped with status %d", name, status)
		}
	}
}

// send starts to send a file; the returned function waits for its end.
func (in *installation) send(file string) func() (string, error) {
	return in.sending(nil, "send", file)
}

// sendHeld is send of a file whose last quarter is held back until goOn is called.
func (in *installation) sendHeld(file string) (goOn func(), sent func() (string, error)) {
	in.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		in.t.Fatal(err)
	}
	read, write := io.Pipe()
	in.t.Cleanup(func() { _ = read.Close() }) // whoever still writes is let go
	more := make(chan struct{})
	go func() {
		defer func() { _ = write.Close() }() // of a pipe it never fails
		at := len(text) / 4 * 3
		if _, err := write.Write(text[:at]); err != nil {
			return
		}
		select {
		case <-more:
			_, _ = write.Write(text[at:]) // an error is that nobody reads any more, which send says better
		case <-in.t.Context().Done():
		}
	}()
	return sync.OnceFunc(func() { close(more) }), in.sending(read, "send")
}

func (in *installation) sending(stdin io.Reader, args ...string) func() (string, error) {
	cmd := exec.CommandContext(in.t.Context(), filepath.Join(in.bin, "shelfwire"), args...)
	cmd.Env, cmd.Stdin = in.env, stdin
	type result struct {
		out []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := cmd.CombinedOutput()
		done <- result{out, err}
	}()
	return func() (string, error) {
		r := <-done
		return string(r.out), r.err
	}
}

// compare holds every count, in Redis and in the topic availability, against the sum of the input.
func (in *installation) compare(l load) {
	in.t.Helper()
	stored := in.servers.onHand()
	told := in.availability()
	wrong := 0
	for s, want := range l.sums {
		if stored[s] != want || told[s] != want {
			if wrong++; wrong <= 10 {
				in.t.Errorf("%v: %d in Redis, %d in availability, the input sums up to %d", s, stored[s], told[s], want)
			}
		}
	}
	for _, counts := range []map[shelf]int64{stored, told} {
		for s, got := range counts {
			if _, known := l.sums[s]; !known && got != 0 {
				in.t.Errorf("%v: %d, but it is not in the input", s, got)
			}
		}
	}
	if wrong > 0 {
		in.t.Errorf("%d of %d counts are wrong", wrong, len(l.sums))
	}
}

// availability returns the on-hand counts of the newest version of every SKU in the topic.
func (in *installation) availability() map[shelf]int64 {
	in.t.Helper()
	type value struct {
		Pool, SKU string
		Version   int64
		Outlets   []struct {
			Outlet string
			OnHand int64 `json:"on_hand"`
		}
	}
	newest := map[string]value{}
	for line := range strings.Lines(in.must("tail", "availability", "--from", "start", "--until-end")) {
		var r struct {
			Key   string
			Value value
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			in.t.Fatalf("tail prints %q: %v", line, err)
		}
		if r.Value.Version >= newest[r.Key].Version {
			newest[r.Key] = r.Value
		}
	}
	counts := map[shelf]int64{}
	for _, v := range newest {
		for _, o := range v.Outlets {
			counts[shelf{v.Pool, v.SKU, o.Outlet}] = o.OnHand
		}
	}
	return counts
}

// The sample, command by command, on real servers.
func TestTheSampleOnRealServers(t *testing.T) {
	in := newInstallation(t)
	p := in.start("run")
	p.ready()
	in.must("send", sampleOfYesterday(t))
	in.wait("the sample is folded", time.Minute, func() (bool, error) { return in.servers.folded() == 22, nil })
	var got strings.Builder
	for line := range strings.Lines(in.must("tail", "availability", "--from", "start", "--until-end")) {
		got.WriteString(line)
	}
	want, err := os.ReadFile("../../examples/sample.availability.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(want)) {
		head, rest, _ := strings.Cut(strings.TrimSpace(line), `"on_hand"`)
		found := false
		for printed := range strings.Lines(got.String()) {
			found = found || strings.Contains(printed, head+`"changed_at":`) && strings.Contains(printed, `"on_hand"`+rest)
		}
		if !found {
			t.Errorf("tail lacks %s, it prints %s", line, got.String())
		}
	}
	in.must("verify")
	if status := p.stop(); status != 0 {
		t.Errorf("run stopped with status %d", status)
	}
}

// sampleOfYesterday returns a copy of the sample as if it had been written yesterday: an order that is older than 60 days, and not
// known, is refused.
func sampleOfYesterday(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../examples/sample.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sample.ndjson")
	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte("2026-11-20"), []byte(yesterday)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
