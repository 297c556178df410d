package history_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func availability(offset int64) stream.Record {
	return stream.Record{
		Offset: offset, Time: stock.InstantOf(time.Now()),
		Value: codec.AppendAvailability(nil, &record.Availability{Pool: "acme", SKU: "SHIRT", Version: stock.Version(offset + 1), OnHand: 3}),
	}
}

// A working is a stage at work on one partition in a synctest bubble.
type working struct {
	log        *fakeLog
	store      *fakeStore
	assignment *fakeAssignment
	logged     bytes.Buffer
	registry   *prometheus.Registry
	cancel     context.CancelFunc
	ended      chan error
}

// start begins to work; stop, or the end of the worker, must be awaited.
func start(t *testing.T, topic stream.Topic, cfg history.Config, log *fakeLog, store *fakeStore) *working {
	t.Helper()
	w := &working{
		log: log, store: store, assignment: &fakeAssignment{partition: stream.Partition{Topic: topic, ID: 2}}, registry: prometheus.NewRegistry(),
		ended: make(chan error, 1),
	}
	stage, err := history.New(cfg, history.Deps{
		Log: log, Store: store, Generation: store.generationOf, Now: time.Now, Logger: slog.New(slog.NewTextHandler(&w.logged, nil)), Registerer: w.registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	go func() { w.ended <- stage.Work(ctx, w.assignment) }()
	return w
}

func (w *working) stop(t *testing.T) {
	t.Helper()
	w.cancel()
	if err := <-w.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Work: got %v, want that it was cancelled", err)
	}
}

// metric returns the sum of a counter over its labels.
func (w *working) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestBatchesBySizeAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, stream.Availability, history.Config{FlushEvery: time.Second, MaxRows: 3}, newFakeLog(), &fakeStore{})
		w.log.add(availability(0))
		synctest.Wait()
		equal(t, "stored at once", w.store.sizes(), []int{})
		time.Sleep(900 * time.Millisecond)
		w.log.add(availability(1))
		time.Sleep(99 * time.Millisecond)
		equal(t, "stored before the second is over", w.store.sizes(), []int{})
		time.Sleep(2 * time.Millisecond)
		equal(t, "stored after a second", w.store.sizes(), []int{2})
		w.log.add(availability(2), availability(3), availability(7))
		synctest.Wait()
		equal(t, "a full batch is stored at once", w.store.sizes(), []int{2, 3})
		equal(t, "first and last", []int64{w.store.batches[1].First, w.store.batches[1].Last}, []int64{2, 7})
		w.assignment.mu.Lock()
		equal(t, "offset for lag tools", w.assignment.lag, int64(8))
		w.assignment.mu.Unlock()
		w.stop(t)
	})
}

func TestGoesOnFromTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(availability(0), availability(1), availability(2))
		w := start(t, stream.Availability, history.Config{}, log, &fakeStore{topicID: "one", next: 2})
		time.Sleep(2 * time.Second)
		w.stop(t)
		if n := len(w.store.batches); n != 1 || w.store.batches[0].First != 2 || len(w.store.batches[0].Rows) != 1 {
			t.Errorf("got %+v, want one batch with the record at 2", w.store.batches)
		}
	})
}

func TestUnreadableIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := stream.Record{Offset: 1, Time: stock.InstantOf(time.Now()), Value: []byte{0xff, 0xff, 0xff}}
		tombstone := stream.Record{Offset: 2}
		w := start(t, stream.Availability, history.Config{}, newFakeLog(availability(0), bad, tombstone, availability(3)), &fakeStore{})
		time.Sleep(2 * time.Second)
		w.stop(t)
		equal(t, "rows", w.store.sizes(), []int{3})
		row := w.store.batches[0].Rows[1]
		x := row.Rejection
		if x == nil || row.Key != "history/availability/2/1" || x.Class != "unreadable" || x.Topic != "availability" || x.Partition != 2 || x.Offset != 1 ||
			!bytes.Equal(x.Value, bad.Value) || x.Reason == "" {
			t.Errorf("got %q %+v", row.Key, x)
		}
		equal(t, "unreadable records", w.metric(t, "shelfwire_history_unreadable_records_total"), 1.0)
	})
}

func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{away: 3}
		w := start(t, stream.Availability, history.Config{}, newFakeLog(availability(0)), store)
		time.Sleep(10 * time.Second)
		equal(t, "stored", store.sizes(), []int{1})
		store.mu.Lock()
		store.away = 20
		store.mu.Unlock()
		w.log.add(availability(1))
		time.Sleep(30 * time.Second)
		equal(t, "stored while it is away", store.sizes(), []int{1})
		time.Sleep(120 * time.Second)
		equal(t, "stored when it is back", store.sizes(), []int{1, 1})
		w.stop(t)
		logged := w.logged.String()
		equal(t, "said that it waits", strings.Count(logged, "msg=\"waiting for the history store, "), 2)
		equal(t, "said that it goes on", strings.Count(logged, "going on"), 2)
	})
}

func TestCancelWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, stream.Availability, history.Config{}, newFakeLog(availability(0)), &fakeStore{away: 1 << 30})
		time.Sleep(time.Minute)
		w.stop(t)
	})
}

func TestAnotherLog(t *testing.T) {
	for want, store := range map[string]*fakeStore{
		"it was created again": {topicID: "another", next: 1},
		"it lost its tail":     {topicID: "one", next: 9},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, stream.Availability, history.Config{}, newFakeLog(availability(0)), store)
			err := <-w.ended
			if !errors.Is(err, stream.ErrStop) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want an alarm that says %q", err, want)
			}
			w.cancel()
		})
	}
}

func TestLostRecordsAreSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(availability(10))
		log.start = 10
		w := start(t, stream.Availability, history.Config{}, log, &fakeStore{topicID: "one", next: 4})
		time.Sleep(2 * time.Second)
		w.stop(t)
		equal(t, "stored", w.store.sizes(), []int{1})
		if !strings.Contains(w.logged.String(), "records were removed from the topic before they were stored") {
			t.Errorf("it was not said: %s", &w.logged)
		}
		equal(t, "lost records", w.metric(t, "shelfwire_history_lost_records_total"), 6.0)
	})
}

// A journal that was rebased is another log: it is stored under a name of its own, from its first entry on. Until its generation is
// known nothing is stored, since the versions would be wrong.
func TestTheJournalOfANextGeneration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newFakeLog(stream.Record{Offset: 1, Value: codec.AppendJournalEntry(nil, &record.JournalEntry{
			EntryTime: 1, Event: record.Event{Tick: &record.Tick{Pool: "acme"}},
		})})
		log.start = 1
		store := &fakeStore{generation: 1, generationAway: 3}
		w := start(t, stream.Journal, history.Config{}, log, store)
		synctest.Wait()
		if n := len(store.sizes()); n != 0 {
			t.Errorf("%d batches are stored before the generation is known", n)
		}
		time.Sleep(time.Minute)
		w.stop(t)
		if n := len(store.batches); n != 1 {
			t.Fatalf("%d batches are stored, want 1", n)
		}
		b := store.batches[0]
		equal(t, "partition", b.Partition, stream.Partition{Topic: "journal/1", ID: 2})
		equal(t, "generation", b.Generation, uint8(1))
		equal(t, "first", b.First, int64(1))
	})
}
