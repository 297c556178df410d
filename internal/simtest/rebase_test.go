//go:build integration

package simtest_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The journal gets other partitions: the counts go on, what was counted before does not count again, versions rise, the history goes
// on in the same tables, and nobody takes the new journal for one that may be folded from nothing.
func TestAJournalOfOtherPartitions(t *testing.T) {
	in := newInstallation(t)
	first := writeLoad(t, 20_000, 11)
	running := []*process{in.start("ingest"), in.start("allocator"), in.start("audit")}
	for _, p := range running {
		p.ready()
	}
	in.sendAll(first)
	in.must("verify") // so that the history has what is deleted now
	dir := t.TempDir()
	early, old, rebased := filepath.Join(dir, "early"), filepath.Join(dir, "old"), filepath.Join(dir, "new")
	refused := func(what, want string, args ...string) {
		t.Helper()
		if _, stderr, status := in.command(args...); status != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, want %q, got %s", what, status, want, stderr)
		}
	}
	in.must("snapshot", early)
	refused("while the stages run", "are at work", "journal", "rebase", "--delete-journal", early, rebased)
	second := writeLoad(t, 5_000, 12)
	in.sendAll(second)
	for _, p := range running {
		if status := p.stop(); status != 0 {
			t.Fatalf("%s stopped with status %d", p.name, status)
		}
	}
	in.must("snapshot", "--from", early, old)

	in.env = append(in.env, "SHELFWIRE_TOPICS_JOURNAL_PARTITIONS=5")
	in.wait("the groups have forgotten their members", time.Minute, func() (bool, error) {
		_, stderr, _ := in.command("journal", "rebase", early, rebased)
		return !strings.Contains(stderr, "are at work"), nil
	})
	refused("a snapshot from before the end", "make a snapshot then", "journal", "rebase", "--delete-journal", early, rebased)
	refused("without consent", "--delete-journal", "journal", "rebase", old, rebased)
	t.Logf("rebase: %s", in.must("journal", "rebase", "--delete-journal", old, rebased))
	// It breaks off after the deletion as well: here, before anything else was done with the new journal.
	refused("again, without consent", "--complete", "journal", "rebase", old, rebased)
	in.must("journal", "rebase", "--complete", old, rebased)

	for i, name := range []string{"ingest", "allocator", "audit"} {
		running[i] = in.start(name)
		running[i].ready()
	}
	third := writeLoad(t, 5_000, 13)
	in.sendAll(third)
	in.sendAll(first) // counts nothing twice
	all := load{sums: maps.Clone(first.sums)}
	for _, l := range []load{second, third} {
		for s, n := range l.sums {
			all.sums[s] += n
		}
	}
	in.compare(all)
	t.Logf("verify: %s", in.must("verify", "--snapshot", rebased))
	next := filepath.Join(dir, "next")
	in.wait("a snapshot goes on from the new one", time.Minute, func() (bool, error) {
		return !strings.HasPrefix(in.must("snapshot", "--from", rebased, next), "0 "), nil
	})

	in.servers.flush()
	in.wait("the allocator says what is missing", time.Minute, func() (bool, error) {
		text, err := os.ReadFile(running[1].log.Name())
		return strings.Contains(string(text), "neither a copy of the state nor a whole journal is there"), err
	})
	refused("a snapshot from nothing", "neither a previous snapshot nor the whole journal", "snapshot", filepath.Join(dir, "nothing"))
	running[1].stop()
	in.wait("the snapshot is put back", time.Minute, func() (bool, error) {
		_, _, status := in.command("restore", rebased)
		return status == 0, nil
	})
	in.start("allocator").ready()
	in.wait("the allocator goes on", time.Minute, in.servers.settled)
	in.compare(all)
}
