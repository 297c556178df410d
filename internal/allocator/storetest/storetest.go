// Package storetest is what every implementation of [allocator.Store] must pass.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Store is what keeps the hot state: the allocator works on it, and a snapshot is put back into it.
type Store interface {
	allocator.Store
	// Replace fills a partition anew, as the snapshot stage's Store says. Meanwhile, and where it breaks off, whoever asks for the
	// position gets an error that wraps allocator.ErrRestoring.
	Replace(ctx context.Context, partition int32, at stream.Position, each func(put func(engine.RowWrite) error) error) error
}

// A Harness is one empty store, and the ways to treat it badly that the suite needs.
type Harness struct {
	// Open returns another client of the same store. The suite does not close it.
	Open func(t *testing.T) Store
	// Spoil puts something that no store would write where the pool's table is.
	Spoil func(t *testing.T, partition int32, table engine.Table, pool string)
	// LoseReply makes a client of the same store that loses the reply to the commit it is asked for next.
	LoseReply func(t *testing.T) allocator.Store
}

// Run runs the suite. fresh returns a harness of an empty store.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"an empty store has no position and no rows", testEmpty},
		{"a commit writes rows and position", testCommit},
		{"a later value replaces an earlier one, nil deletes", testReplace},
		{"the last of two values of a row in one commit counts", testTwice},
		{"ids are kept whatever they are made of", testIDs},
		{"partitions and pools do not see each other", testApart},
		{"a pool is loaded with its small tables and the ids of its SKUs", testLoadPool},
		{"a commit from another position writes nothing", testMoved},
		{"a commit onto a spoilt key writes nothing", testSpoilt},
		{"a position read elsewhere is believed", testHandOver},
		{"of two writers exactly one wins each step", testRace},
		{"a commit of 20,000 rows", testLarge},
		{"a commit that is cancelled took place or did not", testCancelled},
		{"a commit whose reply is lost took place, and the store goes on", testLostReply},
		{"a state that is replaced is the new one, whole", testReplaceState},
		{"a replacement that breaks off leaves nothing to begin from, and another makes it good", testReplaceBreaksOff},
		{"of two replacements at a time the first begun fails", testReplaceTwice},
		{"a writer at work finds its partition replaced", testReplaceUnderWriter},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh(t)) })
	}
}

// At returns a position for tests.
func At(offset int64) stream.Position {
	return stream.Position{TopicID: "0f00ba11", Generation: 3, Offset: offset, LeaderEpoch: 7, Hash: 0xfedcba9876543210 + uint64(offset)}
}

func row(table engine.Table, pool, id, value string) engine.RowWrite {
	return engine.RowWrite{RowKey: engine.RowKey{Table: table, Pool: pool, ID: id}, Value: []byte(value)}
}

// gone deletes a remembered event id.
func gone(id string) engine.RowWrite {
	return engine.RowWrite{RowKey: engine.RowKey{Table: engine.TableSeen, Pool: "acme", ID: id}}
}

func commit(t *testing.T, s allocator.Store, partition int32, expected, next stream.Position, rows ...engine.RowWrite) {
	t.Helper()
	if err := s.Commit(t.Context(), partition, expected, next, rows); err != nil {
		t.Fatalf("Commit() = %v", err)
	}
}

func wantMeta(t *testing.T, s allocator.Store, partition int32, want stream.Position) {
	t.Helper()
	got, err := s.Meta(t.Context(), partition)
	if err != nil {
		t.Fatalf("Meta() = %v", err)
	}
	if got != want {
		t.Fatalf("Meta() = %+v, want %+v", got, want)
	}
}

// wantRow checks a row's value; "" wants it absent.
func wantRow(t *testing.T, s allocator.Store, partition int32, k engine.RowKey, want string) {
	t.Helper()
	values, _, err := s.Load(t.Context(), partition, []engine.RowKey{k})
	if err != nil {
		t.Fatalf("Load() = %v", err)
	}
	if got := values[0]; string(got) != want || (got == nil) != (want == "") {
		t.Fatalf("Load(%v) = %q, want %q", k, got, want)
	}
}

func testEmpty(t *testing.T, h Harness) {
	s := h.Open(t)
	wantMeta(t, s, 0, stream.Position{})
	values, at, err := s.Load(t.Context(), 0, []engine.RowKey{{Table: engine.TableStock, Pool: "acme", ID: "SHIRT"}, {Table: engine.TableOrders, Pool: "acme", ID: "web/1"}})
	if err != nil || len(values) != 2 || values[0] != nil || values[1] != nil || at != (stream.Position{}) {
		t.Errorf("Load() = %q, %v, %v, want two absent rows at no position", values, at, err)
	}
	rows, at, err := s.LoadPool(t.Context(), 0, "acme")
	if err != nil || len(rows) != 0 || at != (stream.Position{}) {
		t.Errorf("LoadPool() = %v, %v, %v, want nothing", rows, at, err)
	}
	values, _, err = s.Load(t.Context(), 0, nil)
	if err != nil || len(values) != 0 {
		t.Errorf("Load(nothing) = %q, %v", values, err)
	}
}

func testCommit(t *testing.T, h Harness) {
	s := h.Open(t)
	commit(t, s, 0, stream.Position{}, At(5), row(engine.TableStock, "acme", "SHIRT", `{"version":5}`), row(engine.TableOrders, "acme", "web/1", "\x00\xff\r\n"))
	commit(t, s, 0, At(5), At(6)) // nothing changed but the position
	for _, s := range []allocator.Store{s, h.Open(t)} {
		wantMeta(t, s, 0, At(6))
		values, at, err := s.Load(t.Context(), 0, []engine.RowKey{
			{Table: engine.TableOrders, Pool: "acme", ID: "web/1"}, {Table: engine.TableStock, Pool: "acme", ID: "HAT"}, {Table: engine.TableStock, Pool: "acme", ID: "SHIRT"},
		})
		if err != nil {
			t.Fatalf("Load() = %v", err)
		}
		if string(values[0]) != "\x00\xff\r\n" || values[1] != nil || string(values[2]) != `{"version":5}` || at != At(6) {
			t.Errorf("Load() = %q at %v, want the order, nothing, the shirt at %v", values, at, At(6))
		}
	}
}

func testReplace(t *testing.T, h Harness) {
	s := h.Open(t)
	commit(t, s, 0, stream.Position{}, At(1), row(engine.TableSeen, "acme", "a", "1"), row(engine.TableSeen, "acme", "b", "1"))
	commit(t, s, 0, At(1), At(2), row(engine.TableSeen, "acme", "a", "2"), gone("b"), gone("never there"))
	wantRow(t, s, 0, engine.RowKey{Table: engine.TableSeen, Pool: "acme", ID: "a"}, "2")
	wantRow(t, s, 0, engine.RowKey{Table: engine.TableSeen, Pool: "acme", ID: "b"}, "")
}

func testTwice(t *testing.T, h Harness) {
	s := h.Open(t)
	commit(t, s, 0, stream.Position{}, At(1),
		row(engine.TableSeen, "acme", "a", "1"), gone("a"),
		gone("b"), row(engine.TableSeen, "acme", "b", "2"),
		row(engine.TableStock, "acme", "c", "3"), row(engine.TableSeen, "acme", "d", "4"), row(engine.TableStock, "acme", "c", "5"))
	for id, want := range map[string]string{"a": "", "b": "2", "d": "4"} {
		wantRow(t, s, 0, engine.RowKey{Table: engine.TableSeen, Pool: "acme", ID: id}, want)
	}
	wantRow(t, s, 0, engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: "c"}, "5")
}

func testIDs(t *testing.T, h Harness) {
	s := h.Open(t)
	ids := []string{"a:b", "a/b", "a%2Fb", "{x}", "ü", "a b", "*", "\"'\\", strings.Repeat("x", 200), "-1", "meta"}
	var rows []engine.RowWrite
	for _, pool := range ids {
		for _, id := range ids {
			rows = append(rows, row(engine.TableStock, pool, id, pool+"|"+id))
		}
		rows = append(rows, row(engine.TablePool, pool, "clock", "c"))
	}
	commit(t, s, 0, stream.Position{}, At(1), rows...)
	for _, r := range rows {
		wantRow(t, s, 0, r.RowKey, string(r.Value))
	}
	got, _, err := s.LoadPool(t.Context(), 0, "a:b")
	if err != nil {
		t.Fatalf("LoadPool() = %v", err)
	}
	var found []string
	for _, r := range got {
		if r.Table == engine.TableStock {
			found = append(found, r.ID)
		}
	}
	slices.Sort(found)
	want := slices.Sorted(slices.Values(ids))
	if !slices.Equal(found, want) {
		t.Errorf("LoadPool() names SKUs %q, want %q", found, want)
	}
}

func testApart(t *testing.T, h Harness) {
	s := h.Open(t)
	k := engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: "SHIRT"}
	commit(t, s, 1, stream.Position{}, At(1), row(k.Table, k.Pool, k.ID, "one"))
	commit(t, s, 10, stream.Position{}, At(10), row(k.Table, k.Pool, k.ID, "ten"), row(k.Table, "other", k.ID, "other"))
	wantRow(t, s, 1, k, "one")
	wantRow(t, s, 10, k, "ten")
	wantRow(t, s, 2, k, "")
	wantMeta(t, s, 1, At(1))
	wantMeta(t, s, 2, stream.Position{})
}

func testLoadPool(t *testing.T, h Harness) {
	s := h.Open(t)
	rows := []engine.RowWrite{
		row(engine.TablePool, "acme", "clock", "c"), row(engine.TablePool, "acme", "outlet/MTL", "o"),
		row(engine.TableStock, "acme", "SHIRT", "s"), row(engine.TableListings, "acme", "SHIRT", "l"), row(engine.TableListings, "acme", "HAT", "l"),
		row(engine.TableOrders, "acme", "web/1", "order"), row(engine.TableDue, "acme", "sku/SHIRT", "d"), row(engine.TablePool, "other", "clock", "c"),
		row(engine.TableRecent, "acme", "SHIRT", "r"), row(engine.TablePromises, "acme", "SHIRT", "p"), row(engine.TableItems, "acme", "web/1", "i"),
	}
	want := map[engine.RowKey]string{
		{Table: engine.TablePool, Pool: "acme", ID: "clock"}: "c", {Table: engine.TablePool, Pool: "acme", ID: "outlet/MTL"}: "o",
		{Table: engine.TableDue, Pool: "acme", ID: "sku/SHIRT"}: "d",
		{Table: engine.TableStock, Pool: "acme", ID: "SHIRT"}:   "", {Table: engine.TableListings, Pool: "acme", ID: "SHIRT"}: "", {Table: engine.TableListings, Pool: "acme", ID: "HAT"}: "",
	}
	for i := range 12_000 { // more than one part of a scan
		id := fmt.Sprintf("event-%d", i)
		rows = append(rows, row(engine.TableSeen, "acme", id, "v"+id))
		want[rows[len(rows)-1].RowKey] = "v" + id
	}
	commit(t, s, 0, stream.Position{}, At(1), rows...)
	if pools, err := s.Pools(t.Context(), 0); err != nil || !slices.Equal(pools, []string{"acme", "other"}) {
		t.Errorf("Pools() = %q, %v", pools, err)
	}
	if pools, err := s.Pools(t.Context(), 1); err != nil || len(pools) != 0 {
		t.Errorf("Pools() of another partition = %q, %v", pools, err)
	}
	got, at, err := s.LoadPool(t.Context(), 0, "acme")
	if err != nil || at != At(1) {
		t.Fatalf("LoadPool() at %v, %v, want %v", at, err, At(1))
	}
	for _, r := range got {
		value, ok := want[r.RowKey]
		if !ok || value != string(r.Value) || (value == "") != (r.Value == nil) {
			t.Fatalf("LoadPool() has %v = %q, want %q (known or not twice: %v)", r.RowKey, r.Value, value, ok)
		}
		delete(want, r.RowKey)
	}
	if len(want) > 0 {
		t.Errorf("LoadPool() misses %d rows", len(want))
	}
}

func testMoved(t *testing.T, h Harness) {
	s := h.Open(t)
	k := engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: "SHIRT"}
	commit(t, s, 0, stream.Position{}, At(1), row(k.Table, k.Pool, k.ID, "first"))
	otherHash, otherEpoch, otherGeneration, otherTopic := At(1), At(1), At(1), At(1)
	otherHash.Hash++
	otherEpoch.LeaderEpoch++ // the same entry, said by another leader: what is behind it may be another
	otherGeneration.Generation++
	otherTopic.TopicID = "0f00ba12"
	for _, expected := range []stream.Position{{}, At(2), otherHash, otherEpoch, otherGeneration, otherTopic} {
		err := s.Commit(t.Context(), 0, expected, At(3), []engine.RowWrite{row(k.Table, k.Pool, k.ID, "second")})
		if !errors.Is(err, allocator.ErrMoved) {
			t.Fatalf("Commit(expected %v) = %v, want ErrMoved", expected, err)
		}
	}
	wantRow(t, s, 0, k, "first")
	wantMeta(t, s, 0, At(1))
	commit(t, s, 0, At(1), At(2), row(k.Table, k.Pool, k.ID, "second"))
}

func testSpoilt(t *testing.T, h Harness) {
	s := h.Open(t)
	k := engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: "SHIRT"}
	commit(t, s, 0, stream.Position{}, At(1), row(k.Table, k.Pool, k.ID, "first"))
	try := func(when string) {
		t.Helper()
		err := s.Commit(t.Context(), 0, At(1), At(2), []engine.RowWrite{row(k.Table, k.Pool, k.ID, "second"), row(engine.TableSeen, "acme", "e", "v")})
		if !errors.Is(err, allocator.ErrDamaged) {
			t.Fatalf("Commit(%s) = %v, want ErrDamaged", when, err)
		}
		wantMeta(t, s, 0, At(1))
		wantRow(t, s, 0, k, "first")
	}
	h.Spoil(t, 0, engine.TableSeen, "acme")
	try("a table not written before")
	try("again")
	h.Spoil(t, 0, engine.TableStock, "acme") // after this client has seen that it is a hash
	if err := s.Commit(t.Context(), 0, At(1), At(2), []engine.RowWrite{row(k.Table, k.Pool, k.ID, "second")}); !errors.Is(err, allocator.ErrDamaged) {
		t.Fatalf("Commit() onto a table spoilt since = %v, want ErrDamaged", err)
	}
	wantMeta(t, s, 0, At(1))
}

func testHandOver(t *testing.T, h Harness) {
	a, b := h.Open(t), h.Open(t)
	commit(t, a, 0, stream.Position{}, At(1))
	commit(t, b, 0, At(1), At(2))
	// What a remembers is older than what it may have read since.
	wantMeta(t, a, 0, At(2))
	commit(t, a, 0, At(2), At(3))
	if err := b.Commit(t.Context(), 0, At(2), At(4), nil); !errors.Is(err, allocator.ErrMoved) {
		t.Fatalf("Commit() of the old owner = %v, want ErrMoved", err)
	}
	wantMeta(t, b, 0, At(3))
}

func testRace(t *testing.T, h Harness) {
	const steps = 100
	k := engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: "SHIRT"}
	stores := []allocator.Store{h.Open(t), h.Open(t)}
	// position returns where writer leads from a step: each writer has positions of its own.
	position := func(step, writer int) stream.Position {
		if step == 0 {
			return stream.Position{}
		}
		p := At(int64(step))
		p.LeaderEpoch = int32(writer)
		return p
	}
	at := 0 // who won the last step
	for step := range steps {
		var wg sync.WaitGroup
		won := make([]error, len(stores))
		for i, s := range stores {
			wg.Go(func() {
				value := fmt.Sprintf("%d by %d", step, i)
				won[i] = s.Commit(t.Context(), 0, position(step, at), position(step+1, i), []engine.RowWrite{row(k.Table, k.Pool, k.ID, value)})
			})
		}
		wg.Wait()
		winner := -1
		for i, err := range won {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				t.Fatalf("step %d: both won", step)
			case !errors.Is(err, allocator.ErrMoved):
				t.Fatalf("step %d: Commit() = %v, want nil or ErrMoved", step, err)
			}
		}
		if winner < 0 {
			t.Fatalf("step %d: nobody won: %v", step, won)
		}
		at = winner
		wantMeta(t, stores[0], 0, position(step+1, winner))
		wantRow(t, stores[1], 0, k, fmt.Sprintf("%d by %d", step, winner))
	}
}

func testLarge(t *testing.T, h Harness) {
	s := h.Open(t)
	var rows []engine.RowWrite
	var keys []engine.RowKey
	for i := range 20_000 {
		rows = append(rows, row(engine.TableStock, "acme", fmt.Sprintf("SKU-%d", i), fmt.Sprintf(`{"version":%d,"on_order":0,"backordered":0,"outlets":{"MTL":[%d,0]}}`, i, i)))
		keys = append(keys, rows[i].RowKey)
	}
	commit(t, s, 0, stream.Position{}, At(1), rows...)
	commit(t, s, 0, At(1), At(2), rows...)
	values, at, err := s.Load(t.Context(), 0, keys)
	if err != nil || at != At(2) {
		t.Fatalf("Load() at %v, %v", at, err)
	}
	for i := range values {
		if string(values[i]) != string(rows[i].Value) {
			t.Fatalf("Load(%v) = %q, want %q", keys[i], values[i], rows[i].Value)
		}
	}
}

func testCancelled(t *testing.T, h Harness) {
	s := h.Open(t)
	k := engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: "SHIRT"}
	commit(t, s, 0, stream.Position{}, At(1), row(k.Table, k.Pool, k.ID, "1"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, 0, At(1), At(2), []engine.RowWrite{row(k.Table, k.Pool, k.ID, "2")}); err == nil || errors.Is(err, allocator.ErrMoved) {
		t.Fatalf("Commit() with a context that has ended = %v, want its error", err)
	}
	at, err := s.Meta(t.Context(), 0)
	if err != nil {
		t.Fatalf("Meta() = %v", err)
	}
	commit(t, s, 0, at, At(3), row(k.Table, k.Pool, k.ID, "3"))
	wantRow(t, s, 0, k, "3")
}

func testLostReply(t *testing.T, h Harness) {
	s := h.LoseReply(t)
	k := engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: "SHIRT"}
	err := s.Commit(t.Context(), 0, stream.Position{}, At(1), []engine.RowWrite{row(k.Table, k.Pool, k.ID, "1")})
	if err == nil || errors.Is(err, allocator.ErrMoved) || errors.Is(err, allocator.ErrDamaged) {
		t.Fatalf("Commit() without a reply = %v, want an error of unknown outcome", err)
	}
	wantMeta(t, s, 0, At(1))
	wantRow(t, s, 0, k, "1")
	commit(t, s, 0, At(1), At(2), row(k.Table, k.Pool, k.ID, "2"))
	wantRow(t, s, 0, k, "2")
}
