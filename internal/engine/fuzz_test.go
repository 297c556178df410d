package engine_test

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/engine/enginetest"
	"github.com/shelfwire/shelfwire/internal/record"
)

// FuzzApply folds any sequence of events that ingest would let through: nothing may panic, and what the rows hold must be
// all that the state holds, whether it is read back after every entry or never.
func FuzzApply(f *testing.F) {
	for seed := range uint64(20) {
		var b []byte
		for _, e := range drawJournal(seed, 12) {
			event := codec.AppendEvent(nil, &e.Event)
			b = append(binary.AppendUvarint(b, uint64(len(event))), event...)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var journal []record.JournalEntry
		for len(b) > 0 && len(journal) < 50 {
			n, used := binary.Uvarint(b)
			if used <= 0 || n > uint64(len(b)-used) {
				break
			}
			var e record.JournalEntry
			err := codec.ParseEvent("application/x-protobuf", b[used:used+int(n)], &e.Event)
			b = b[used+int(n):]
			if err != nil || engine.Refused(&e.Event) != "" {
				continue
			}
			e.EntryTime = journalStart
			e.Origin = record.Origin{TopicID: "aa", Topic: "movements", Offset: int64(len(journal)), Previous: -1}
			journal = append(journal, e)
		}
		want, err := enginetest.Fold(journal, func(int) enginetest.Cut { return enginetest.GoOn })
		if err != nil {
			t.Fatalf("%v\n%s", err, journalLines(journal))
		}
		got, err := enginetest.Fold(journal, func(int) enginetest.Cut { return enginetest.Restart })
		if err != nil {
			t.Fatalf("%v\n%s", err, journalLines(journal))
		}
		if d := resultsDiffer(want, got); d != "" {
			t.Fatalf("%s\n%s", d, journalLines(journal))
		}
	})
}

// FuzzLoadRows reads any bytes as a row. A row that the engine accepts, it must write back in a form that reads as the same:
// what follows is the same whether the row stayed in memory or was read again.
func FuzzLoadRows(f *testing.F) {
	for seed := range uint64(20) {
		r, err := enginetest.Fold(drawJournal(seed, 30), nil)
		if err != nil {
			f.Fatal(err)
		}
		for _, k := range slices.SortedFunc(maps.Keys(r.Rows), compareKeys) {
			f.Add(uint8(k.Table), k.ID, r.Rows[k])
		}
	}
	follow := []record.JournalEntry{
		touching(record.Event{Outlet: &record.Outlet{Pool: "p", Outlet: "A", Priority: 1, SellsOnline: true, FulfilsOrders: true}}),
		touching(record.Event{Movement: &record.Movement{Pool: "p", Outlet: "A", SKU: "x", Kind: 1, Quantity: 5, EventID: "e1"}}),
		touching(record.Event{Listing: &record.Listing{Pool: "p", Channel: "c1", SKU: "x", OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant}}),
		touching(record.Event{Order: &record.Order{
			Pool: "p", Channel: "c1", OrderID: "1", Status: record.Open, UpdatedAt: journalStart, FulfilledBy: record.ByMerchant,
			Lines: []record.OrderLine{{LineID: "1", SKU: "x", Quantity: 2}},
		}}),
		touching(record.Event{Fulfilment: &record.Fulfilment{
			Pool: "p", Channel: "c1", OrderID: "1", FulfilmentID: "f9", ReportedBy: record.Warehouse, Outlet: "A",
			Lines: []record.FulfilmentLine{{LineID: "1", Quantity: 1}},
		}}),
	}
	f.Fuzz(func(t *testing.T, table uint8, id string, value []byte) {
		if engine.Table(table) < engine.TablePool || engine.Table(table) > engine.TableDue {
			return
		}
		// Rows that refer to each other may not fit together once one of them is made up; what must not happen is a panic,
		// or an error that is none of the engine's own.
		stays := enginetest.Pipeline{Rows: enginetest.Rows{{Table: engine.Table(table), Pool: "p", ID: id}: value}}
		again := enginetest.Pipeline{Rows: stays.Rows.Clone()}
		for i, e := range follow {
			_, err := stays.Fold(e)
			_, errAgain := again.Fold(e)
			for _, err := range []error{err, errAgain} {
				if err != nil && !errors.Is(err, engine.ErrInvariant) && !errors.Is(err, engine.ErrGap) && !errors.Is(err, engine.ErrUnknownRuleset) {
					t.Fatalf("entry %d: %v", i, err)
				}
			}
			if err != nil || errAgain != nil {
				return
			}
			again.Restart()
		}
		for k, v := range stays.Rows {
			if string(again.Rows[k]) != string(v) {
				t.Fatalf("row %v:\nin memory  %q\nread again %q", k, v, again.Rows[k])
			}
		}
	})
}

func compareKeys(a, b engine.RowKey) int {
	if a.Table != b.Table {
		return int(a.Table) - int(b.Table)
	}
	switch {
	case a.ID < b.ID:
		return -1
	case a.ID > b.ID:
		return 1
	}
	return 0
}

func touching(e record.Event) record.JournalEntry {
	return record.JournalEntry{Event: e, EntryTime: journalStart}
}
