package allocator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/snapshot"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// partitions is how many the journal of the snapshot tests has; only the rig's own holds anything.
const partitions = partition + 1

// snapshotLog is the rig's journal as snapshots see it.
type snapshotLog struct {
	*rig
	folded int64
}

func (l snapshotLog) TopicID(ctx context.Context, t stream.Topic) (string, error) {
	return l.journal.TopicID(ctx, t)
}
func (l snapshotLog) Partitions(context.Context, stream.Topic) (int32, error) { return partitions, nil }
func (l snapshotLog) Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	return l.journal.Open(ctx, p, from)
}

func (l snapshotLog) Bounds(ctx context.Context, p stream.Partition) (stream.Bounds, error) {
	if p.ID != partition {
		return stream.Bounds{}, nil
	}
	return l.journal.Bounds(ctx, p)
}

func (l snapshotLog) Folded(context.Context) (map[int32]int64, error) {
	return map[int32]int64{partition: l.folded}, nil
}

// snapshot takes a snapshot up to where the allocator has committed.
func (r *rig) snapshot(path, previous string) (snapshot.Report, error) {
	r.t.Helper()
	at, err := r.store.Meta(r.t.Context(), partition)
	if err != nil {
		r.t.Fatal(err)
	}
	return snapshot.Take(r.t.Context(), snapshot.Config{Path: path, Previous: previous}, snapshotLog{r, at.Offset})
}

func (r *rig) restore(path string) error {
	_, err := snapshot.Restore(r.t.Context(), snapshot.RestoreConfig{Path: path}, snapshotLog{rig: r}, r.store)
	return err
}

// wantSnapshot compares a snapshot with the store.
func (r *rig) wantSnapshot(path string) {
	r.t.Helper()
	f, err := snapshot.Open(path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	at, err := f.Position(partition)
	if err != nil {
		r.t.Fatal(err)
	}
	if stored, err := r.store.Meta(r.t.Context(), partition); err != nil || stored != at {
		r.t.Errorf("the snapshot is at %v, the store at %v, %v", at, stored, err)
	}
	rows := map[engine.RowKey][]byte{}
	if err := f.EachRow(partition, func(w engine.RowWrite) error { rows[w.RowKey] = w.Value; return nil }); err != nil {
		r.t.Fatal(err)
	}
	stored := r.rows()
	for k, value := range stored {
		if !bytes.Equal(rows[k], value) {
			r.t.Errorf("row %v is %q in the snapshot, %q in the store", k, rows[k], value)
		}
	}
	if len(rows) != len(stored) {
		r.t.Errorf("the snapshot has %d rows, the store %d", len(rows), len(stored))
	}
}

func TestASnapshotIsTheStateOfTheStore(t *testing.T) {
	for seed := range uint64(4) {
		all := entries(70+seed, 500)
		r := newRig(t, 40)
		a, stop := r.worker(nil)
		dir := t.TempDir()
		path := filepath.Join(dir, "state")
		if _, err := r.snapshot(path, ""); err != nil {
			t.Fatalf("a snapshot of nothing: %v", err)
		}
		for _, end := range []int{1, 200, 200, 500} {
			r.journal.append(all[len(r.journal.records):end]...)
			r.await(a, int64(end))
			if _, err := r.snapshot(path, path); err != nil {
				t.Fatal(err)
			}
			r.wantSnapshot(path)
			whole := filepath.Join(dir, "whole")
			if _, err := r.snapshot(whole, ""); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(contents(t, path), contents(t, whole)) {
				t.Errorf("seed %d, %d entries: folded forward it has other bytes than folded from the beginning", seed, end)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}

func contents(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What an entry has to say is written before it is committed. A snapshot that held more than was committed would, put back, begin
// behind entries that nobody has spoken for.
func TestASnapshotHoldsNothingThatWasNotSaid(t *testing.T) {
	all := entries(80, 400)
	r := newRig(t, 40)
	a, stop := r.worker(nil)
	r.journal.append(all[:150]...)
	r.await(a, 150)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	r.journal.append(all[150:]...)
	path := filepath.Join(t.TempDir(), "state")
	if _, err := r.snapshot(path, ""); err != nil {
		t.Fatal(err)
	}
	r.redis.FlushAll()
	if err := r.restore(path); err != nil {
		t.Fatal(err)
	}
	a, stop = r.worker(nil)
	r.await(a, 400)
	if err := stop(); err != nil {
		t.Error(err)
	}
	newOracle(t, partition, all).check(t, r.topics.all(), r.rows())
}

// flushed returns a rig whose worker runs, and whose Redis is empty all at once. 300 of 400 entries have been folded; the snapshot at
// path is of the first 150.
func flushed(t *testing.T, trim int64) (r *rig, a *assignment, ended func() error, path string) {
	t.Helper()
	all := entries(90, 400)
	r = newRig(t, 40)
	first, stop := r.worker(nil)
	r.journal.append(all[:150]...)
	r.await(first, 150)
	path = filepath.Join(t.TempDir(), "state")
	if _, err := r.snapshot(path, ""); err != nil {
		t.Fatal(err)
	}
	r.journal.append(all[150:300]...)
	r.await(first, 300)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if trim > 0 {
		r.journal.trim(trim)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	a = newAssignment()
	s := r.stage(nil)
	go func() { done <- s.Work(ctx, a) }()
	t.Cleanup(cancel)
	r.awaitLog("folding", 2) // the second worker is at work
	r.redis.FlushAll()
	r.journal.append(all[300:]...)
	ended = func() error {
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			cancel()
			return errors.Join(<-done, errors.New("it works on"))
		}
	}
	return r, a, ended, path
}

// awaitLog waits until the log has the message n times.
func (r *rig) awaitLog(message string, n int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for r.log.count(message) < n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("the log never says %q %d times:\n%s", message, n, r.log.b.String())
		}
	}
}

func TestAnEmptiedStoreIsFoldedAgainFromAWholeJournal(t *testing.T) {
	r, a, _, _ := flushed(t, 0)
	r.await(a, 400)
	newOracle(t, partition, entries(90, 400)).check(t, r.topics.all(), r.rows())
}

func TestAnEmptiedStoreBehindATrimmedJournalIsRefused(t *testing.T) {
	r, _, ended, path := flushed(t, 120)
	err := ended()
	if !errors.Is(err, stream.ErrStop) || !strings.Contains(err.Error(), "begins at offset 120") || !strings.Contains(err.Error(), "Restore a copy") {
		t.Fatalf("Work() = %v, want an alarm that says what is missing", err)
	}
	if at, err := r.store.Meta(t.Context(), partition); err != nil || at != (stream.Position{}) {
		t.Errorf("Meta() = %v, %v: something was counted from zero", at, err)
	}
	if _, err := r.snapshot(filepath.Join(t.TempDir(), "late"), ""); err == nil || !strings.Contains(err.Error(), "begins at offset 120") {
		t.Errorf("a snapshot without a previous one of a trimmed journal: %v", err)
	}

	// With the copy it goes on.
	if err := r.restore(path); err != nil {
		t.Fatal(err)
	}
	a, stop := r.worker(nil)
	r.await(a, 400)
	if err := stop(); err != nil {
		t.Error(err)
	}
	newOracle(t, partition, entries(90, 400)).check(t, r.topics.all(), r.rows())
}

// A restore under a running allocator is waited for: it never folds into half a state.
func TestARestoreUnderARunningWorkerIsWaitedFor(t *testing.T) {
	all := entries(91, 400)
	r := newRig(t, 40)
	a, stop := r.worker(nil)
	r.journal.append(all[:150]...)
	r.await(a, 150)
	path := filepath.Join(t.TempDir(), "state")
	if _, err := r.snapshot(path, ""); err != nil {
		t.Fatal(err)
	}
	r.journal.append(all[150:300]...)
	r.await(a, 300)
	f, err := snapshot.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at, err := f.Position(partition)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = r.store.Replace(t.Context(), partition, at, func(put func(engine.RowWrite) error) error {
		return f.EachRow(partition, func(w engine.RowWrite) error {
			if n++; n == f.Rows(partition)/2 {
				r.journal.append(all[300:]...)
				r.awaitLog("waiting", 1)
			}
			return put(w)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	r.await(a, 400)
	if err := stop(); err != nil {
		t.Error(err)
	}
	newOracle(t, partition, all).check(t, r.topics.all(), r.rows())
}

func TestASnapshotThatDoesNotFitTheJournalIsRefused(t *testing.T) {
	all := entries(92, 300)
	for _, test := range []struct {
		name  string
		spoil func(r *rig)
		want  string
	}{
		{"the topic was made again", func(r *rig) { r.journal.id = "other" }, "another installation's, or the topic was made again"},
		{"the journal begins behind it", func(r *rig) { r.journal.append(all[200:]...); r.journal.trim(220) }, "entries between are gone"},
		{"the journal lost its tail", func(r *rig) { r.journal.loseTail(60) }, "lost its tail"},
		{"the journal lost its tail and was written on", func(r *rig) { r.journal.loseTail(60); r.journal.append(all[:200]...) }, "written on"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, 40)
			r.journal.append(all[:200]...)
			a, stop := r.worker(nil)
			r.await(a, 200)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "state")
			if _, err := r.snapshot(path, ""); err != nil {
				t.Fatal(err)
			}
			before := contents(t, path)
			test.spoil(r)
			if _, err := r.snapshot(path, path); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Take() = %v, want an error that says %q", err, test.want)
			}
			if !bytes.Equal(before, contents(t, path)) {
				t.Error("the snapshot was touched")
			}
			if err := r.restore(path); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Restore() = %v, want an error that says %q", err, test.want)
			}
			if at, err := r.store.Meta(t.Context(), partition); err != nil || at.Offset != 200 {
				t.Errorf("Meta() = %v, %v: the store was touched", at, err)
			}
		})
	}
}

func TestACopiedJournalIsTakenWhereAPersonSaysSo(t *testing.T) {
	all := entries(93, 200)
	r := newRig(t, 40)
	r.journal.append(all[:100]...)
	a, stop := r.worker(nil)
	r.await(a, 100)
	path := filepath.Join(t.TempDir(), "state")
	if _, err := r.snapshot(path, ""); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	r.journal.id = "c0"
	_, err := snapshot.Restore(t.Context(), snapshot.RestoreConfig{Path: path, OtherJournal: true}, snapshotLog{rig: r}, r.store)
	if err != nil {
		t.Fatal(err)
	}
	r.journal.append(all[100:]...)
	a, stop = r.worker(nil)
	r.await(a, 200)
	if err := stop(); err != nil {
		t.Error(err)
	}
	newOracle(t, partition, all).check(t, r.topics.all(), r.rows())
}

func TestADamagedSnapshotIsRefused(t *testing.T) {
	r := newRig(t, 40)
	all := entries(94, 120)
	r.journal.append(all...)
	a, stop := r.worker(nil)
	r.await(a, 120)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state")
	if _, err := r.snapshot(path, ""); err != nil {
		t.Fatal(err)
	}
	good := contents(t, path)
	try := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if f, err := snapshot.Open(path); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("%s: Open() = %v, %v, want ErrDamaged", what, f, err)
		}
	}
	for at := 0; at < len(good); at += 997 {
		b := slices.Clone(good)
		b[at] ^= 4
		try(fmt.Sprintf("byte %d is another", at), b)
	}
	for _, n := range []int{0, 10, 40, len(good) / 2, len(good) - 1} {
		try(fmt.Sprintf("cut to %d bytes", n), good[:n])
	}
	try("bytes at its end", append(slices.Clone(good), 0))
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the snapshot there is %v, %v", left, err)
	}
}
