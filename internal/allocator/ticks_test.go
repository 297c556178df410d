package allocator_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// memory is a store in memory, for tests in virtual time.
type memory struct {
	mu   sync.Mutex
	rows map[engine.RowKey][]byte // guarded by mu
	at   stream.Position          // guarded by mu
}

func (m *memory) Meta(context.Context, int32) (stream.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at, nil
}

func (m *memory) Pools(context.Context, int32) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	pools := map[string]bool{}
	for k := range m.rows {
		pools[k.Pool] = true
	}
	return slices.Sorted(maps.Keys(pools)), nil
}

func (m *memory) LoadPool(_ context.Context, _ int32, pool string) ([]engine.RowWrite, stream.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rows []engine.RowWrite
	for k, v := range m.rows {
		switch {
		case k.Pool != pool:
		case k.Table == engine.TablePool, k.Table == engine.TableSeen, k.Table == engine.TableDue:
			rows = append(rows, engine.RowWrite{RowKey: k, Value: v})
		case k.Table == engine.TableStock, k.Table == engine.TableListings:
			rows = append(rows, engine.RowWrite{RowKey: k})
		}
	}
	return rows, m.at, nil
}

func (m *memory) Load(_ context.Context, _ int32, keys []engine.RowKey) ([][]byte, stream.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	values := make([][]byte, len(keys))
	for i, k := range keys {
		values[i] = m.rows[k]
	}
	return values, m.at, nil
}

func (m *memory) Commit(_ context.Context, _ int32, expected, next stream.Position, rows []engine.RowWrite) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at != expected {
		return allocator.ErrMoved
	}
	for _, r := range rows {
		if r.Value == nil {
			delete(m.rows, r.RowKey)
			continue
		}
		m.rows[r.RowKey] = slices.Clone(r.Value)
	}
	m.at = next
	return nil
}

// loop gives what is written to the journal back to its readers, and keeps the rest.
type loop struct {
	journal *journal
	lost    bool // what is written to the journal never arrives

	mu     sync.Mutex
	offers map[string]record.Offer // guarded by mu; the newest of each SKU
	ticks  int                     // guarded by mu
}

func (l *loop) Produce(_ context.Context, messages []stream.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range messages {
		switch m.Topic {
		case stream.Journal:
			l.ticks++
			if !l.lost {
				l.journal.appendRaw(slices.Clone(m.Value))
			}
		case stream.Offers:
			var r record.OfferRecord
			if err := codec.DecodeOfferRecord(m.Value, &r); err != nil {
				return err
			}
			if r.Offer != nil {
				l.offers[r.Offer.SKU] = *r.Offer
			}
		}
	}
	return nil
}

func (l *loop) offer(sku string) (record.Offer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o, ok := l.offers[sku]
	return o, ok
}

func (l *loop) ticked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ticks
}

// inVirtualTime runs a worker over a journal in memory, whose first entries have the values, while f plays.
func inVirtualTime(t *testing.T, store *memory, values [][]byte, f func(l *loop)) {
	l := &loop{journal: newJournal(1000), offers: map[string]record.Offer{}}
	for _, v := range values {
		l.journal.appendRaw(v)
	}
	stage, err := allocator.New(allocator.DefaultConfig(), allocator.Deps{
		Log: l.journal, Outputs: l, Store: store, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- stage.Work(ctx, newAssignment()) }()
	f(l)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// say journals the event at this moment.
func (l *loop) say(e record.Event) {
	l.journal.append(record.JournalEntry{Event: e, EntryTime: stock.InstantOf(time.Now()), Origin: record.Origin{Previous: -1}})
}

func (l *loop) catalogue() {
	l.say(record.Event{Outlet: &record.Outlet{Pool: "acme", Outlet: "MTL", SellsOnline: true, FulfilsOrders: true}})
	l.say(record.Event{Channel: &record.Channel{Pool: "acme", Channel: "web", Outlets: []string{"MTL"}, RouteOrders: true, WhenStopped: record.StopZero}})
}

func (l *loop) stocked(sku string, publish time.Time) {
	l.say(record.Event{Movement: &record.Movement{Pool: "acme", Outlet: "MTL", SKU: sku, Kind: stock.Receipt, Quantity: 3, OccurredAt: stock.InstantOf(time.Now())}})
	l.say(record.Event{Listing: &record.Listing{
		Pool: "acme", Channel: "web", SKU: sku, OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant, PublishAt: stock.InstantOf(publish),
	}})
}

// TestTickWhenDue publishes a listing while nothing else happens: one tick is written, between the moment and 6 seconds later.
func TestTickWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inVirtualTime(t, &memory{rows: map[engine.RowKey][]byte{}}, nil, func(l *loop) {
			l.catalogue()
			l.stocked("SHIRT", time.Now().Add(time.Minute))
			time.Sleep(time.Minute - time.Second)
			synctest.Wait()
			if n := l.ticked(); n != 0 {
				t.Errorf("%d ticks before anything is due", n)
			}
			time.Sleep(7 * time.Second)
			synctest.Wait()
			if o, ok := l.offer("SHIRT"); !ok || o.Quantity != 3 {
				t.Errorf("the offer is %+v, %v", o, ok)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if n := l.ticked(); n != 1 {
				t.Errorf("%d ticks, want 1", n)
			}
		})
	})
}

// TestNoTickAmongEntries leaves what is due to entries where they come.
func TestNoTickAmongEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inVirtualTime(t, &memory{rows: map[engine.RowKey][]byte{}}, nil, func(l *loop) {
			l.catalogue()
			l.stocked("SHIRT", time.Now().Add(10*time.Second))
			for range 30 {
				time.Sleep(time.Second)
				l.say(record.Event{Movement: &record.Movement{Pool: "acme", Outlet: "MTL", SKU: "HAT", Kind: stock.Receipt, Quantity: 1, OccurredAt: stock.InstantOf(time.Now())}})
			}
			synctest.Wait()
			if _, ok := l.offer("SHIRT"); !ok {
				t.Error("nothing is offered")
			}
			if n := l.ticked(); n != 0 {
				t.Errorf("%d ticks, want none", n)
			}
		})
	})
}

// TestTicksCarrySweeps edits a channel of 5,000 listings: ticks follow each other until every offer is said, and then stop.
func TestTicksCarrySweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inVirtualTime(t, &memory{rows: map[engine.RowKey][]byte{}}, nil, func(l *loop) {
			l.catalogue()
			for i := range 5000 {
				l.stocked(fmt.Sprintf("SKU-%04d", i), time.Time{})
			}
			synctest.Wait()
			l.say(record.Event{Channel: &record.Channel{
				Pool: "acme", Channel: "web", Outlets: []string{"MTL"}, RouteOrders: true, WhenStopped: record.StopZero, Policies: []record.Policy{{Buffer: 1, Percent: 100}},
			}})
			time.Sleep(time.Second)
			synctest.Wait()
			for i := range 5000 {
				if o, _ := l.offer(fmt.Sprintf("SKU-%04d", i)); o.Quantity != 2 {
					t.Fatalf("SKU-%04d is offered %d times, want 2", i, o.Quantity)
				}
			}
			n := l.ticked()
			if n < 49 || n > 100 {
				t.Errorf("%d ticks for 4,900 SKUs", n)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if l.ticked() != n {
				t.Errorf("%d ticks more", l.ticked()-n)
			}
		})
	})
}

// TestTickForAPoolThatNobodySpeaksOf starts a worker over a state in which something is due.
func TestTickForAPoolThatNobodySpeaksOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{rows: map[engine.RowKey][]byte{}}
		var before [][]byte
		inVirtualTime(t, store, nil, func(l *loop) {
			l.catalogue()
			l.stocked("SHIRT", time.Now().Add(time.Hour))
			time.Sleep(time.Second)
			synctest.Wait()
			for _, r := range l.journal.records {
				before = append(before, r.Value)
			}
		})
		time.Sleep(2 * time.Hour)
		inVirtualTime(t, store, before, func(l *loop) {
			time.Sleep(time.Minute)
			synctest.Wait()
			if _, ok := l.offer("SHIRT"); !ok {
				t.Error("nothing is offered")
			}
		})
	})
}

// TestTicksThatGetLost writes them again, but not all the time.
func TestTicksThatGetLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inVirtualTime(t, &memory{rows: map[engine.RowKey][]byte{}}, nil, func(l *loop) {
			l.lost = true
			l.catalogue()
			l.stocked("SHIRT", time.Now().Add(time.Second))
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := l.ticked(); n != 2 {
				t.Errorf("%d ticks in a minute, want 2", n)
			}
		})
	})
}
