//go:build integration

package simtest_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

const flushMovements = 40_000

// flush empties the installation's Redis, which is its own.
func (s *servers) flush() {
	s.t.Helper()
	if n, err := s.redis.DBSize(s.t.Context()).Result(); err != nil || n == 0 {
		s.t.Fatalf("there is nothing to flush: %v", err)
	}
	if err := s.redis.FlushAll(s.t.Context()).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// trimJournal deletes the entries that have been folded.
func (s *servers) trimJournal() {
	s.t.Helper()
	var offsets kadm.Offsets
	for n := range int32(8) {
		at, err := s.redis.HGet(s.t.Context(), fmt.Sprintf("%s:{j%d}:meta", s.name, n), "offset").Int64()
		if err == nil {
			offsets.AddOffset(s.name+".journal", n, at, -1)
		}
	}
	done, err := s.kafka.DeleteRecords(s.t.Context(), offsets)
	if err == nil {
		err = done.Error()
	}
	if err != nil || len(offsets) == 0 {
		s.t.Fatalf("trim the journal: %v", err)
	}
}

// folding starts the stages but the publisher, sends the load and waits until it is folded.
func (in *installation) folding(l load) (allocator *process) {
	in.t.Helper()
	allocator = in.start("allocator")
	for _, p := range []*process{in.start("ingest"), allocator, in.start("audit")} {
		p.ready()
	}
	in.sendAll(l)
	return allocator
}

func (in *installation) sendAll(l load) {
	in.t.Helper()
	if out, err := in.send(l.file)(); err != nil {
		in.t.Fatalf("send: %v\n%s", err, out)
	}
	in.wait("every event is folded", 3*time.Minute, in.servers.settled)
}

func TestRedisFlushedWhileTheJournalIsWhole(t *testing.T) {
	in := newInstallationOn(t, newRedis(t).address)
	l := writeLoad(t, flushMovements, 7)
	in.folding(l)
	in.servers.flush()
	in.wait("every event is folded again", time.Minute, in.servers.settled)
	in.compare(l)
}

func TestRedisFlushedBehindATrimmedJournal(t *testing.T) {
	in := newInstallationOn(t, newRedis(t).address)
	l := writeLoad(t, flushMovements, 8)
	allocator := in.folding(l)
	in.must("verify") // so that the history has what is deleted now
	in.wait("the group's offsets are as far as Redis", time.Minute, func() (bool, error) {
		offsets, err := in.servers.kafka.FetchOffsets(t.Context(), in.name+".allocator")
		var sum int64
		for _, o := range offsets[in.name+".journal"] {
			sum += max(0, o.At)
		}
		return sum == in.servers.folded(), err
	})
	file := filepath.Join(t.TempDir(), "snapshot")
	in.t.Logf("snapshot: %s", in.must("snapshot", file))
	in.servers.trimJournal()
	in.servers.flush()

	in.wait("the allocator says what is missing", time.Minute, func() (bool, error) {
		text, err := os.ReadFile(allocator.log.Name())
		return strings.Contains(string(text), "neither a copy of the state nor a whole journal is there") &&
			strings.Contains(string(text), "Restore a copy of the state"), err
	})
	in.wait("/readyz names the partition", time.Minute, in.saying(in.ops["allocator"], "/readyz", http.StatusOK, "ok without: allocator journal/"))
	if folded := in.servers.folded(); folded != 0 {
		t.Errorf("%d entries are folded, though what was before them is missing", folded)
	}
	if _, stderr, status := in.command("snapshot", filepath.Join(t.TempDir(), "late")); status != 1 || !strings.Contains(stderr, "neither a previous snapshot nor the whole journal") {
		t.Errorf("snapshot without a previous one: status %d, %s", status, stderr)
	}
	if _, stderr, status := in.command("restore", file); status != 1 || !strings.Contains(stderr, "stop them first") {
		t.Errorf("restore under a running allocator: status %d, %s", status, stderr)
	}
	allocator.stop()
	began := time.Now()
	in.wait("the snapshot is put back", time.Minute, func() (bool, error) {
		_, _, status := in.command("restore", file)
		return status == 0, nil
	})
	t.Logf("restored after %v", time.Since(began).Round(time.Millisecond))
	in.start("allocator").ready()
	in.wait("the allocator goes on", time.Minute, in.servers.settled)
	in.compare(l)

	in.t.Logf("verify: %s", in.must("verify", "--snapshot", file))
	// And the snapshot goes on from the snapshot.
	in.t.Logf("snapshot: %s", in.must("snapshot", file))
}
