package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/snapshot"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// journals is a journal in memory, whose allocator has folded all of it.
type journals struct {
	id         string
	partitions [][]stream.Record
}

func (j journals) TopicID(context.Context, stream.Topic) (string, error) { return j.id, nil }
func (j journals) Partitions(context.Context, stream.Topic) (int32, error) {
	return int32(len(j.partitions)), nil
}

func (j journals) Bounds(_ context.Context, p stream.Partition) (stream.Bounds, error) {
	return stream.Bounds{End: int64(len(j.partitions[p.ID]))}, nil
}

func (j journals) Folded(context.Context) (map[int32]int64, error) {
	folded := map[int32]int64{}
	for id, records := range j.partitions {
		folded[int32(id)] = int64(len(records))
	}
	return folded, nil
}

func (j journals) Open(_ context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	return &rest{j.partitions[p.ID][from:]}, nil
}

type rest struct{ records []stream.Record }

func (r *rest) Read(context.Context) ([]stream.Record, error) {
	if len(r.records) == 0 {
		return nil, io.EOF
	}
	all := r.records
	r.records = nil
	return all, nil
}
func (*rest) Close() {}

// receipts are n entries of one unit each: of pool p(i mod pools), entry i of the input.
func receipts(first, n, pools int) (all []record.JournalEntry) {
	at := stock.InstantOf(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC))
	for i := first; i < first+n; i++ {
		all = append(all, record.JournalEntry{
			EntryTime: at.Add(time.Duration(i) * time.Second),
			Origin:    record.Origin{TopicID: "70", Topic: "movements", Offset: int64(i), Previous: int64(i - pools), Time: at},
			Event: record.Event{Movement: &record.Movement{
				Pool: fmt.Sprintf("p%d", i%pools), Outlet: "MTL", SKU: "SHIRT", Kind: stock.Receipt, Quantity: 1, OccurredAt: at, EventID: fmt.Sprint(i),
			}},
		})
		if i < pools {
			all[len(all)-1].Origin.Previous = -1
		}
	}
	return all
}

// append appends entries to the partition that place gives their pool.
func (j *journals) append(place func(string) int32, entries []record.JournalEntry) {
	for i := range entries {
		p := &j.partitions[place(entries[i].Event.PoolID())]
		*p = append(*p, stream.Record{Offset: int64(len(*p)), Value: codec.AppendJournalEntry(nil, &entries[i])})
	}
}

// poolNumber places pool "pN" in partition N mod n.
func poolNumber(n int32) func(string) int32 {
	return func(pool string) int32 { return int32(pool[1]-'0') % n }
}

func TestARebasedStateGoesOn(t *testing.T) {
	const pools = 5
	dir := t.TempDir()
	old, begun := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	log := journals{id: "old", partitions: make([][]stream.Record, 2)}
	log.append(poolNumber(2), receipts(0, 50, pools))
	if _, err := snapshot.Take(t.Context(), snapshot.Config{Path: old}, log); err != nil {
		t.Fatal(err)
	}
	f, err := snapshot.Open(old)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Whole(t.Context(), log); err != nil {
		t.Errorf("Whole() = %v, though it holds every entry", err)
	}
	positions, err := snapshot.Rebase(old, begun, snapshot.NewJournal{TopicID: "new", Partitions: 3, Place: poolNumber(3)})
	if err != nil {
		t.Fatal(err)
	}
	next, err := snapshot.Open(begun)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if next.Partitions() != 3 || len(positions) != 3 {
		t.Fatalf("the new state is of %d partitions and has %d positions, want 3", next.Partitions(), len(positions))
	}
	// What was counted before comes again with what is new: as ingest sends it after a crash.
	later := journals{id: "new", partitions: make([][]stream.Record, 3)}
	for id := range later.partitions {
		later.partitions[id] = append(later.partitions[id], stream.Record{}) // the record that the new journal begins behind
	}
	later.append(poolNumber(3), receipts(40, 60, pools))
	newest := stock.VersionAt(0, 50)
	for id := range int32(3) {
		at, err := next.Position(id)
		if want := (stream.Position{TopicID: "new", Generation: 1, Offset: 1}); err != nil || at != want || positions[id] != want {
			t.Fatalf("partition %d begins at %v, %v, want %v", id, at, err, want)
		}
		rows := replay.Rows{}
		if err := next.EachRow(id, func(w engine.RowWrite) error { rows[w.RowKey] = w.Value; return nil }); err != nil {
			t.Fatal(err)
		}
		fold, err := replay.New(id, at, rows)
		if err != nil {
			t.Fatal(err)
		}
		if err := fold.Run(later.partitions[id][at.Offset:]); err != nil {
			t.Fatal(err)
		}
		for _, pool := range fold.Pools() {
			if poolNumber(3)(pool) != id {
				t.Errorf("pool %s is in partition %d", pool, id)
			}
			var a record.Availability
			if !fold.State().Availability(pool, "SHIRT", &a) || a.OnHand != 20 || a.Version <= newest {
				t.Errorf("pool %s has %d on hand at version %d, want 20 at one above %d", pool, a.OnHand, a.Version, newest)
			}
		}
	}
	// And it can be rebased again.
	if positions, err = snapshot.Rebase(begun, old, snapshot.NewJournal{TopicID: "third", Partitions: 1, Place: poolNumber(1)}); err != nil || positions[0].Generation != 2 {
		t.Errorf("rebased again: %v, %v, want generation 2", positions, err)
	}
}

func TestWhatIsNotRebased(t *testing.T) {
	dir := t.TempDir()
	old, to := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	log := journals{id: "old", partitions: make([][]stream.Record, 1)}
	take := func() {
		t.Helper()
		if _, err := snapshot.Take(t.Context(), snapshot.Config{Path: old}, log); err != nil {
			t.Fatal(err)
		}
	}
	rebase := func(topicID, want string) {
		t.Helper()
		_, err := snapshot.Rebase(old, to, snapshot.NewJournal{TopicID: topicID, Partitions: 2, Place: poolNumber(2)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Rebase() = %v, want %q", err, want)
		}
	}
	take()
	rebase("new", "folded nothing")
	log.append(poolNumber(1), receipts(0, 3, 1))
	take()
	rebase("old", "nothing to rebase")
	for generation := range stream.LastGeneration {
		if _, err := snapshot.Rebase(old, old, snapshot.NewJournal{TopicID: fmt.Sprint(generation), Partitions: 1, Place: poolNumber(1)}); err != nil {
			t.Fatalf("generation %d: %v", generation+1, err)
		}
	}
	rebase("new", "the last that versions have room for")

	take()
	f, err := snapshot.Open(old)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	log.append(poolNumber(1), receipts(3, 1, 1))
	if err := f.Whole(t.Context(), log); err == nil || !strings.Contains(err.Error(), "make a snapshot then") {
		t.Errorf("Whole() = %v for a journal that went on", err)
	}
	log.id = "other"
	if err := f.Whole(t.Context(), log); !errors.Is(err, snapshot.ErrOtherJournal) {
		t.Errorf("Whole() = %v for another journal", err)
	}
}
