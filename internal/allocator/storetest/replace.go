package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// rowsOf gives rows to a replacement, and then the error.
func rowsOf(err error, rows ...engine.RowWrite) func(put func(engine.RowWrite) error) error {
	return func(put func(engine.RowWrite) error) error {
		for _, r := range rows {
			if err := put(r); err != nil {
				return err
			}
		}
		return err
	}
}

func testReplaceState(t *testing.T, h Harness) {
	s := h.Open(t)
	shirt := engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: "SHIRT"}
	old := engine.RowKey{Table: engine.TableOrders, Pool: "gone", ID: "web/1"}
	commit(t, s, 0, stream.Position{}, At(9), row(shirt.Table, shirt.Pool, shirt.ID, "old"), row(old.Table, old.Pool, old.ID, "old"))
	commit(t, s, 1, stream.Position{}, At(1), row(shirt.Table, shirt.Pool, shirt.ID, "of another partition"))

	rows := []engine.RowWrite{row(engine.TablePool, "acme", "clock", "c"), row(engine.TableOrders, "b:1", "web/1", "\x00\xff")}
	for i := range 10_000 { // more than one command
		rows = append(rows, row(engine.TableStock, "acme", fmt.Sprintf("a/%d", i), fmt.Sprint(i)))
	}
	if err := s.Replace(t.Context(), 0, At(5), rowsOf(nil, rows...)); err != nil {
		t.Fatalf("Replace() = %v", err)
	}
	for _, s := range []Store{s, h.Open(t)} {
		wantMeta(t, s, 0, At(5))
		for _, k := range []engine.RowKey{shirt, old} {
			wantRow(t, s, 0, k, "")
		}
		for i := 0; i < len(rows); i += 499 {
			wantRow(t, s, 0, rows[i].RowKey, string(rows[i].Value))
		}
		if pools, err := s.Pools(t.Context(), 0); err != nil || !slices.Equal(pools, []string{"acme", "b:1"}) {
			t.Errorf("Pools() = %q, %v", pools, err)
		}
		wantMeta(t, s, 1, At(1))
		wantRow(t, s, 1, shirt, "of another partition")
	}
	commit(t, s, 0, At(5), At(6), row(shirt.Table, shirt.Pool, shirt.ID, "goes on"))

	if err := s.Replace(t.Context(), 0, stream.Position{}, rowsOf(nil)); err != nil {
		t.Fatalf("Replace(nothing) = %v", err)
	}
	wantMeta(t, s, 0, stream.Position{})
	if pools, err := s.Pools(t.Context(), 0); err != nil || len(pools) > 0 {
		t.Errorf("Pools() of an emptied partition = %q, %v", pools, err)
	}
}

func testReplaceBreaksOff(t *testing.T, h Harness) {
	s := h.Open(t)
	shirt := row(engine.TableStock, "acme", "SHIRT", "1")
	commit(t, s, 0, stream.Position{}, At(9), row(shirt.Table, shirt.Pool, shirt.ID, "old"))
	broken := errors.New("the file ends here")
	if err := s.Replace(t.Context(), 0, At(5), rowsOf(broken, shirt)); !errors.Is(err, broken) {
		t.Fatalf("Replace() = %v, want the error of the rows", err)
	}
	for _, s := range []Store{s, h.Open(t)} {
		if at, err := s.Meta(t.Context(), 0); !errors.Is(err, allocator.ErrRestoring) {
			t.Errorf("Meta() = %v, %v, want ErrRestoring", at, err)
		}
		if _, _, err := s.Load(t.Context(), 0, []engine.RowKey{shirt.RowKey}); !errors.Is(err, allocator.ErrRestoring) {
			t.Errorf("Load() = %v, want ErrRestoring", err)
		}
		if _, _, err := s.LoadPool(t.Context(), 0, "acme"); !errors.Is(err, allocator.ErrRestoring) {
			t.Errorf("LoadPool() = %v, want ErrRestoring", err)
		}
		for _, expected := range []stream.Position{{}, At(9), At(5)} {
			if err := s.Commit(t.Context(), 0, expected, At(10), nil); !errors.Is(err, allocator.ErrRestoring) {
				t.Errorf("Commit(expected %v) = %v, want ErrRestoring", expected, err)
			}
		}
	}
	if err := s.Replace(t.Context(), 0, At(5), rowsOf(nil, shirt)); err != nil {
		t.Fatalf("Replace() after one that broke off = %v", err)
	}
	wantMeta(t, s, 0, At(5))
	wantRow(t, s, 0, shirt.RowKey, "1")
}

func testReplaceTwice(t *testing.T, h Harness) {
	s, other := h.Open(t), h.Open(t)
	shirt, hat := row(engine.TableStock, "acme", "SHIRT", "1"), row(engine.TableStock, "acme", "HAT", "2")
	err := s.Replace(t.Context(), 0, At(5), func(put func(engine.RowWrite) error) error {
		if err := other.Replace(t.Context(), 0, At(6), rowsOf(nil, hat)); err != nil {
			t.Fatalf("the second Replace() = %v", err)
		}
		return put(shirt)
	})
	if err == nil {
		t.Fatal("a Replace() that another overtook has said nothing")
	}
	// The rows that are there now are of both.
	if at, err := s.Meta(t.Context(), 0); !errors.Is(err, allocator.ErrRestoring) {
		t.Fatalf("Meta() = %v, %v, want ErrRestoring", at, err)
	}
}

func testReplaceUnderWriter(t *testing.T, h Harness) {
	s := h.Open(t)
	shirt := row(engine.TableStock, "acme", "SHIRT", "1")
	commit(t, s, 0, stream.Position{}, At(8), shirt)
	commit(t, s, 0, At(8), At(9), shirt) // its connection watches from here on
	if err := h.Open(t).Replace(t.Context(), 0, At(5), rowsOf(nil, row(shirt.Table, shirt.Pool, shirt.ID, "copy"))); err != nil {
		t.Fatalf("Replace() = %v", err)
	}
	if err := s.Commit(t.Context(), 0, At(9), At(10), []engine.RowWrite{shirt}); !errors.Is(err, allocator.ErrMoved) {
		t.Fatalf("Commit() onto a state that was replaced = %v, want ErrMoved", err)
	}
	wantMeta(t, s, 0, At(5))
	wantRow(t, s, 0, shirt.RowKey, "copy")
}
