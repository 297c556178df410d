package allocator_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A slowStore takes its time for commits, and counts what it is asked for.
type slowStore struct {
	allocator.Store
	takes time.Duration

	mu     sync.Mutex
	loaded map[engine.RowKey]int // guarded by mu
}

func (s *slowStore) Commit(ctx context.Context, partition int32, expected, next stream.Position, rows []engine.RowWrite) error {
	timer := time.NewTimer(s.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return s.Store.Commit(ctx, partition, expected, next, rows)
}

func (s *slowStore) Load(ctx context.Context, partition int32, keys []engine.RowKey) ([][]byte, stream.Position, error) {
	s.mu.Lock()
	for _, k := range keys {
		s.loaded[k]++
	}
	s.mu.Unlock()
	return s.Store.Load(ctx, partition, keys)
}

// smallCache runs a worker with room for a few rows over the whole journal, and returns how often a row was loaded at most, and the
// most rows that were held.
func (r *rig) smallCache(cacheRows, batch int, end int64, takes time.Duration) (loads, held int) {
	r.t.Helper()
	cfg := config()
	cfg.CacheRows, cfg.BatchEntries = cacheRows, batch
	store := &slowStore{Store: r.store, takes: takes, loaded: map[engine.RowKey]int{}}
	reg := prometheus.NewRegistry()
	s, err := allocator.New(cfg, allocator.Deps{Log: r.journal, Outputs: r.topics, Store: store, Metrics: reg, Logger: slog.New(slog.NewTextHandler(r.log, nil))})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	a, done := newAssignment(), make(chan error, 1)
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			families, err := reg.Gather()
			if err != nil {
				continue
			}
			for _, f := range families {
				if f.GetName() == "shelfwire_allocator_cached_rows" {
					held = max(held, int(f.GetMetric()[0].GetGauge().GetValue()))
				}
			}
		}
	})
	go func() { done <- s.Work(ctx, a) }()
	r.await(a, end)
	cancel()
	if err := <-done; err != nil {
		r.t.Errorf("Work() = %v", err)
	}
	watching.Wait()
	for _, n := range store.loaded {
		loads = max(loads, n)
	}
	return loads, held
}

// Rows that leave memory come back as they were committed, although their batch may have been on its way when there was no room.
func TestASmallCacheChangesNothing(t *testing.T) {
	for seed := range uint64(4) {
		all := entries(100+seed, 500)
		r := newRig(t, 40)
		r.journal.append(all...)
		loads, _ := r.smallCache(1+int(seed)*5, 7, int64(len(all)), time.Millisecond)
		newOracle(t, partition, all).check(t, r.topics.all(), r.rows())
		if loads < 5 {
			t.Errorf("seed %d: no row was loaded more than %d times: the cache was not too small", seed, loads)
		}
		// A row that is loaded while its newer value is on its way is found to be of another position: right, but slow.
		if n := r.log.count(`"stored position moved`); n > 0 {
			t.Errorf("seed %d: the worker began anew %d times: rows have left memory before they were committed", seed, n)
		}
	}
}

// A pool of ten times the cache is folded in bounded memory.
func TestAPoolOfTenTimesTheCache(t *testing.T) {
	const skus, cache, batch = 3000, 300, 50
	rnd := rand.New(rand.NewPCG(110, 1))
	var all []record.JournalEntry
	for i := range 9000 {
		at := day.Add(time.Duration(i) * time.Second)
		all = append(all, record.JournalEntry{EntryTime: at, Event: record.Event{Movement: &record.Movement{
			Pool: "acme", Outlet: "MTL", SKU: fmt.Sprintf("SKU-%d", rnd.IntN(skus)), Kind: stock.Receipt, Quantity: 1, OccurredAt: at,
		}}})
	}
	r := newRig(t, 500)
	r.journal.append(all...)
	loads, held := r.smallCache(cache, batch, int64(len(all)), 0)
	newOracle(t, partition, all).check(t, r.topics.all(), r.rows())
	if held == 0 || held > cache+batch {
		t.Errorf("%d rows were held, want %d and a batch of %d at most", held, cache, batch)
	}
	t.Logf("a row was loaded %d times at most, %d rows were held at most", loads, held)
}
