package engine_test

import (
	"testing"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A row that is in memory is newer than the stored one, or equal to it: its commit may be on the way.
func TestALoadedRowIsNotOverwritten(t *testing.T) {
	state := engine.NewState()
	if err := state.LoadPool("acme", nil); err != nil {
		t.Fatal(err)
	}
	at := stock.Instant(1_800_000_000_000_000)
	e := record.JournalEntry{EntryTime: at, Event: record.Event{Movement: &record.Movement{
		Pool: "acme", Outlet: "MTL", SKU: "SHIRT", Kind: stock.Receipt, Quantity: 5, OccurredAt: at,
	}}}
	var c engine.Changes
	fold := func(offset int64) {
		t.Helper()
		for _, k := range state.Missing(nil, &e) {
			if err := state.Load(k, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := state.Apply(stock.VersionAt(0, offset), &e, &c); err != nil {
			t.Fatal(err)
		}
	}
	fold(0)
	var older []engine.RowWrite
	state.EachRow(&c, func(w engine.RowWrite) {
		w.Value = append([]byte(nil), w.Value...)
		if w.Table == engine.TableStock || w.Table == engine.TableRecent {
			older = append(older, w)
		}
	})
	fold(1)
	for _, w := range older {
		if err := state.Load(w.RowKey, w.Value); err != nil {
			t.Fatal(err)
		}
	}
	var a record.Availability
	if !state.Availability("acme", "SHIRT", &a) || a.OnHand != 10 {
		t.Errorf("on hand is %d after an older row was loaded again, want 10", a.OnHand)
	}
}

func TestEvictKeepsWhatWasUsedOfLate(t *testing.T) {
	state := engine.NewState()
	if err := state.LoadPool("acme", nil); err != nil {
		t.Fatal(err)
	}
	movement := func(sku string) *record.JournalEntry {
		return &record.JournalEntry{Event: record.Event{Movement: &record.Movement{Pool: "acme", Outlet: "MTL", SKU: sku, Kind: stock.Receipt, Quantity: 1}}}
	}
	need := func(sku string) {
		t.Helper()
		for range 2 { // asked for, loaded, and found
			for _, k := range state.Missing(nil, movement(sku)) {
				if err := state.Load(k, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, sku := range []string{"A", "B", "C", "D"} {
		need(sku)
	}
	state.Evict(4)
	need("B")
	state.Evict(4)
	if n := state.Held(); n != 1 || len(state.Missing(nil, movement("B"))) > 0 {
		t.Errorf("%d rows are held, want only the one that was used since the last time", n)
	}
	for _, sku := range []string{"A", "B", "C", "D", "E", "F", "G", "H"} {
		need(sku)
	}
	state.Evict(3)
	if n := state.Held(); n > 3 {
		t.Errorf("%d rows are held, want 3 at most although all of them were used", n)
	}
}
