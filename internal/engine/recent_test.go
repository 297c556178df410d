package engine_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/engine/enginetest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// TestBusyShelf moves a shelf in more seconds than are remembered: a count from the newest 1,024 of them is taken and keeps
// what was sold since, one from before is refused.
func TestBusyShelf(t *testing.T) {
	var p enginetest.Pipeline
	at := func(s int) stock.Instant { return journalStart + stock.Instant(s)*1_000_000 }
	fold := func(kind stock.MovementKind, q stock.Quantity, s int) enginetest.Outputs {
		t.Helper()
		out, err := p.Fold(record.JournalEntry{EntryTime: at(2000), Event: record.Event{Movement: &record.Movement{
			Pool: "p", Outlet: "A", SKU: "x", Kind: kind, Quantity: q, OccurredAt: at(s),
		}}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for s := 1100; s > 0; s-- { // in the worst order
		fold(stock.Sale, 1, s)
		fold(stock.Sale, 1, s)
	}
	if out := fold(stock.Count, 5000, 75); len(out.Availability) != 0 || len(out.Rejections) != 1 || out.Rejections[0].Class != "late" {
		t.Errorf("a count from before what is remembered gave %+v", out)
	}
	out := fold(stock.Count, 5000, 76)
	if len(out.Availability) != 1 || out.Availability[0].OnHand != 5000-2*1024 {
		t.Errorf("the oldest count that can be taken gave %+v", out.Availability)
	}
}

// TestRecentMovesOut moves shelves until what is remembered is too much for the stock row, and waits until it is little again. After
// every entry a fold that begins with the rows holds the same, and a late count finds what has happened since.
func TestRecentMovesOut(t *testing.T) {
	at := func(s int) stock.Instant { return journalStart + stock.Instant(s)*1_000_000 }
	apart := engine.RowKey{Table: engine.TableRecent, Pool: "p", ID: "x"}
	for _, tt := range []struct {
		name   string
		outlet func(i int) string
	}{
		{"many seconds", func(int) string { return "A" }},
		{"many outlets", func(i int) string { return string(rune('A' + i%10)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var kept, restarted enginetest.Pipeline
			moved := []bool{}
			fold := func(kind stock.MovementKind, q stock.Quantity, outlet string, s, now int) []record.Availability {
				t.Helper()
				e := record.JournalEntry{EntryTime: at(now), Event: record.Event{Movement: &record.Movement{
					Pool: "p", Outlet: outlet, SKU: "x", Kind: kind, Quantity: q, OccurredAt: at(s),
				}}}
				out, err := kept.Fold(e)
				if err != nil {
					t.Fatal(err)
				}
				restarted.Restart()
				if _, err := restarted.Fold(e); err != nil {
					t.Fatal(err)
				}
				if !maps.EqualFunc(kept.Rows, restarted.Rows, bytes.Equal) {
					t.Fatalf("after a restart the rows are %q, want %q", restarted.Rows, kept.Rows)
				}
				if _, there := kept.Rows[apart]; len(moved) == 0 || moved[len(moved)-1] != there {
					moved = append(moved, there)
				}
				return out.Availability
			}
			for i := range 40 {
				fold(stock.Receipt, 1, tt.outlet(i), i, i)
			}
			fold(stock.Receipt, 1, "A", 41, 41)
			if got := fold(stock.Count, 7, "A", 40, 42); len(got) != 1 || got[0].Outlets[0].OnHand != 7+1 {
				t.Errorf("a count of 7 from before the last receipt gave %+v", got)
			}
			if tt.outlet(1) == "A" {
				fold(stock.Receipt, 1, "A", 7*3600, 7*3600) // all else has fallen out of the window
				if want := []bool{false, true, false}; !slices.Equal(moved, want) {
					t.Errorf("the recent row was there %v, want %v", moved, want)
				}
			} else if want := []bool{false, true}; !slices.Equal(moved, want) {
				t.Errorf("the recent row was there %v, want %v", moved, want)
			}
		})
	}
}

// TestShelfOverflow refuses what would bring a shelf to a number that cannot be added up any more, and changes nothing.
func TestShelfOverflow(t *testing.T) {
	var p enginetest.Pipeline
	fold := func(kind stock.MovementKind, q stock.Quantity) enginetest.Outputs {
		t.Helper()
		out, err := p.Fold(record.JournalEntry{EntryTime: journalStart, Event: record.Event{Movement: &record.Movement{
			Pool: "p", Outlet: "A", SKU: "x", Kind: kind, Quantity: q, OccurredAt: journalStart,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	const most = 1_000_000_000_000_000
	fold(stock.Receipt, most)
	if out := fold(stock.Receipt, 1); len(out.Availability) != 0 || len(out.Rejections) != 1 || out.Rejections[0].Class != "refused" {
		t.Errorf("one unit too many gave %+v", out)
	}
	if out := fold(stock.Sale, 1); len(out.Availability) != 1 || out.Availability[0].OnHand != most-1 {
		t.Errorf("then a sale gave %+v", out.Availability)
	}
}
