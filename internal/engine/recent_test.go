package engine_test

import (
	"testing"

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
