package engine_test

import (
	"testing"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// TestNewSKUIsNotAskedFor asks for the rows of a SKU that is stored, and for none of one that the pool has never heard of.
func TestNewSKUIsNotAskedFor(t *testing.T) {
	s := engine.NewState()
	if err := s.LoadPool("p", []engine.RowWrite{{RowKey: engine.RowKey{Table: engine.TableStock, Pool: "p", ID: "stored"}}}); err != nil {
		t.Fatal(err)
	}
	for sku, want := range map[string]int{"stored": 4, "new": 0} {
		keys := s.Missing(nil, &record.JournalEntry{EntryTime: journalStart, Event: record.Event{Movement: &record.Movement{
			Pool: "p", Outlet: "A", SKU: sku, Kind: stock.Receipt, Quantity: 1, OccurredAt: journalStart,
		}}})
		if len(keys) != want {
			t.Errorf("Missing() for the %s SKU = %v, want %d rows", sku, keys, want)
		}
	}
}
