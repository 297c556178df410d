package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// count returns how many records a topic ever had, and how many of them are there.
func count(t *testing.T, env []string, topic string) int {
	t.Helper()
	return strings.Count(must(t, env, "", "tail", topic, "--from", "start", "--until-end"), "\n")
}

var outputTopics = []string{"availability", "allocations", "offers", "rejections", "journal"}

func counts(t *testing.T, env []string) string {
	t.Helper()
	var b strings.Builder
	for _, topic := range outputTopics {
		fmt.Fprintf(&b, "%s %d\n", topic, count(t, env, topic))
	}
	return b.String()
}

func TestRestartsDoNotMakeTopicsGrow(t *testing.T) {
	t.Parallel()
	env := quietEnv("SHELFWIRE_DATA=" + filepath.Join(t.TempDir(), "data"))
	stop := startRun(t, env)
	sampleTravels(t, env)
	before := counts(t, env)
	for range 3 {
		if status := stop(); status != 0 {
			t.Fatalf("run stopped with status %d", status)
		}
		stop = startRun(t, env)
		must(t, env, "", "verify")
	}
	// The journal may lose entries that two snapshots hold; nothing may come to it or to the others.
	var old, now [5]int
	for i, counts := range []string{before, counts(t, env)} {
		into := []*[5]int{&old, &now}[i]
		for j, line := range strings.Split(strings.TrimSpace(counts), "\n") {
			if _, err := fmt.Sscanf(strings.Fields(line)[1], "%d", &into[j]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, topic := range outputTopics {
		if now[i] > old[i] {
			t.Errorf("%s had %d records, and has %d after three restarts without an event", topic, old[i], now[i])
		}
	}
	if stock := must(t, env, "", "stock", "acme", "SHIRT"); !strings.Contains(stock, "LAV 15/0, MTL 8/3") {
		t.Errorf("stock = %s", stock)
	}
}

func TestSnapshotAndRestoreOfAnEmbeddedInstallation(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	env := quietEnv("SHELFWIRE_DATA=" + data)
	file := filepath.Join(t.TempDir(), "copy")
	stop := startRun(t, env)
	sampleTravels(t, env)
	if got := must(t, env, "", "snapshot", file); !strings.Contains(got, "rows after") {
		t.Errorf("snapshot says %q", got)
	}
	must(t, env, "", "verify", "--snapshot", file)
	if _, stderr, status := cli(t, env, "", "restore", file); status != 1 || !strings.Contains(stderr, "stop them first") {
		t.Errorf("restore under a running allocator: status %d, %q", status, stderr)
	}
	must(t, env, "", "restore", "--while-running", file)
	eventually(t, "the counts are back", func() bool {
		return strings.Contains(must(t, env, "", "stock", "acme", "SHIRT"), "LAV 15/0, MTL 8/3")
	})
	stop()
	for _, name := range []string{"state.snapshot", "state.previous"} {
		_ = os.Remove(filepath.Join(data, name)) // the second may not be there
	}
	must(t, env, "", "restore", file)
	if _, err := os.Stat(filepath.Join(data, "state.snapshot")); err != nil {
		t.Error(err)
	}
	if stock := must(t, env, "", "stock", "acme", "SHIRT"); !strings.Contains(stock, "LAV 15/0, MTL 8/3") {
		t.Errorf("stock = %s", stock)
	}
	must(t, env, "", "verify")
	if _, stderr, status := cli(t, env, "", "journal", "rebase", "--delete-journal", file, file+".new"); status != 1 || !strings.Contains(stderr, "keeps its journal") {
		t.Errorf("rebase of an embedded installation: status %d, %q", status, stderr)
	}
	if _, stderr, status := cli(t, env, "", "restore", filepath.Join(t.TempDir(), "none")); status != 1 || !strings.Contains(stderr, "no such file") {
		t.Errorf("restore of no file: status %d, %q", status, stderr)
	}
}

// child is set for a process of this test binary that is to be the command.
const child = "SHELFWIRE_TEST_COMMAND"

func TestMain(m *testing.M) {
	if args := os.Getenv(child); args != "" {
		os.Exit(run(context.Background(), strings.Fields(args), os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// startChild starts `shelfwire run` as a process of its own that can be killed, and waits until it is ready.
func startChild(t *testing.T, env []string) (kill func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), env...), child+"=run")
	var stdout, stderr syncBuffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill() // it may have ended
			_ = cmd.Wait()         // with the kill
		}
	}
	t.Cleanup(kill)
	eventually(t, "run is ready", func() bool { return strings.Contains(stdout.String(), "metrics") })
	return kill
}

// A kill finds the installation between two steps of saving its state: whatever of them has happened, the next start has the counts.
func TestAKillBetweenSnapshotAndTrimLosesNothing(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	env := quietEnv("SHELFWIRE_DATA=" + data)
	state, previous, next := filepath.Join(data, "state.snapshot"), filepath.Join(data, "state.previous"), filepath.Join(data, "state.next")
	stop := startRun(t, env)
	sampleTravels(t, env)
	stop() // the first snapshot
	event := func(n int) string {
		return fmt.Sprintf(`{"movement":{"pool":"acme","outlet":"LAV","sku":"SHIRT","kind":"receipt","quantity":1,"occurred_at":%q,"event_id":"more-%d"}}`+"\n",
			time.Now().UTC().Format(time.RFC3339), n)
	}
	want := 15
	for n, step := range []struct {
		name string
		left func() error // what the kill left
	}{
		{"nothing", func() error { return nil }},
		{"the new snapshot is written", func() error { return copyFile(state, next) }},
		{"the old one is moved away", func() error { return os.Rename(state, previous) }},
		{"half a new snapshot is written", func() error { return os.WriteFile(next, []byte("shelfwire snapshot 1\n"), 0o600) }},
		{"the newest is damaged", func() error { return os.WriteFile(state, []byte("shelfwire snapshot 1\n"), 0o600) }},
	} {
		// A run that ends in order, so that there are two snapshots, then one that is killed.
		must(t, env, event(2*n), "send")
		stop := startRun(t, env)
		stop()
		kill := startChild(t, env)
		must(t, env, event(2*n+1), "send")
		want += 2
		eventually(t, "the event is folded", func() bool {
			return strings.Contains(must(t, env, "", "stock", "acme", "SHIRT"), fmt.Sprintf("LAV %d/0", want))
		})
		kill()
		if err := step.left(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		stop = startRun(t, env)
		eventually(t, step.name+": the count is right", func() bool {
			return strings.Contains(must(t, env, "", "stock", "acme", "SHIRT"), fmt.Sprintf("LAV %d/0", want))
		})
		if _, stderr, status := cli(t, env, "", "verify"); status != 0 {
			t.Errorf("%s: verify: status %d\n%s", step.name, status, stderr)
		}
		stop()
	}
	if n := count(t, env, "journal"); n == 0 || n > 12 {
		t.Errorf("the journal holds %d of more than 30 entries: what two snapshots hold was to be deleted, and the last to stay", n)
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
