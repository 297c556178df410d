//go:build integration

package chstore_test

import (
	"testing"

	"github.com/shelfwire/shelfwire/internal/chstore"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A fold is one state of an order's line; what is ordered and neither waiting nor promised is despatched or cancelled.
type fold struct {
	version                    stock.Version
	at                         int
	ordered, waiting, promised stock.Quantity
}

// TestOversoldLines tells one story a SKU of an order that could not be served, and asks why.
func TestOversoldLines(t *testing.T) {
	cfg := database(t)
	if _, err := chstore.Migrate(t.Context(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	s := open(t, cfg)
	told := func(st *story, quantity stock.Quantity) {
		st.offer(1, quantity, quantity, 0, 0, 0, 0, 0)
		st.say(record.Acknowledged, 1, quantity, 0, 2)
	}
	tests := []struct {
		sku, want string
		play      func(*story)
		placed    int
		folds     []fold
	}{
		{"served", "", func(st *story) { told(st, 3) }, 20, []fold{{2, 21, 2, 0, 2}}},
		{"late-till", "told_too_much source 2 2 2 3 0 45 NULL", func(st *story) { // the till sold all 3 at 10 and says so at 40
			told(st, 3)
			st.offer(2, 0, 0, 0, 10, 40, 40, 40)
			st.say(record.Acknowledged, 2, 0, 0, 42)
			st.offer(3, 0, 0, 2, 20, 45, 45, 45)
		}, 20, []fold{{3, 45, 2, 2, 0}}},
		{"late-push", "told_too_much publisher 2 1 0 3 1 30 50", func(st *story) { // 2 of 3 are gone at 10; nothing is sent
			told(st, 3)
			st.offer(2, 1, 1, 0, 10, 10, 10, 10)
			st.offer(3, 0, 0, 2, 29, 30, 30, 30)
			st.say(record.Acknowledged, 3, 0, 2, 40)
			st.offer(4, 0, 0, 2, 50, 50, 50, 50)
		}, 29, []fold{{3, 30, 2, 1, 1}, {4, 50, 2, 0, 2}}},
		{"raced", "sold_elsewhere  2 2 2 3 0 30 NULL", func(st *story) { // somebody else's order of 25 is folded before ours of 20
			told(st, 3)
			st.offer(2, 0, 0, 0, 25, 26, 26, 26)
		}, 20, []fold{{3, 30, 2, 2, 0}}},
		{"too-many", "channel_oversold  5 2 2 3 3 30 NULL", func(st *story) { told(st, 3) }, 20, []fold{{2, 30, 5, 2, 3}}},
		{"twice", "channel_oversold  1 1 1 0 0 30 NULL", func(st *story) { // the channel sold all 3 already
			told(st, 3)
			st.offer(2, 0, 0, 3, 10, 10, 10, 10)
		}, 20, []fold{{3, 30, 1, 1, 0}}},
		{"untold", "not_told  1 1 1 NULL 3 30 NULL", func(st *story) { st.offer(1, 3, 3, 0, 0, 0, 0, 0) }, 20, []fold{{2, 30, 1, 1, 0}}},
		{"unknown", "not_told  1 1 1 NULL NULL 30 NULL", func(*story) {}, 20, []fold{{2, 30, 1, 1, 0}}},
		{"rules", "not_allocatable  4 4 4 5 5 30 NULL", func(st *story) { told(st, 5) }, 20, []fold{{2, 30, 4, 4, 0}}},
		{"broken", "promise_lost  2 2 2 3 3 40 NULL", func(st *story) {
			told(st, 3)
			st.offer(2, 1, 1, 2, 21, 21, 21, 21)
		}, 20, []fold{{2, 21, 2, 0, 2}, {3, 40, 2, 2, 0}}},
		{"raised", "channel_oversold  4 1 1 2 2 40 NULL", func(st *story) { // 1 and then 3 more, of 3
			told(st, 3)
			st.offer(2, 2, 2, 1, 21, 21, 21, 21)
		}, 20, []fold{{2, 21, 1, 0, 1}, {3, 40, 4, 1, 3}}},
	}
	stories := make([]story, len(tests))
	var more []history.Row
	for i, test := range tests {
		st := &stories[i]
		*st = story{channel: "shop", sku: test.sku, start: yesterday(), lowers: true}
		test.play(st)
		more = append(more, journal(st.at(test.folds[0].at), int64(i), record.Event{Order: &record.Order{
			Pool: "acme", Channel: "shop", OrderID: test.sku, Status: record.Open, PlacedAt: st.at(test.placed), UpdatedAt: st.at(test.placed),
		}}))
		for _, f := range test.folds {
			line := record.AllocationLine{LineID: "1", SKU: test.sku, Ordered: f.ordered, Waiting: f.waiting}
			if f.promised > 0 {
				line.Allocations = []record.LineAllocation{{Outlet: "LAV", Quantity: f.promised}}
			}
			more = append(more, history.Row{Allocation: &record.Allocation{
				Pool: "acme", Channel: "shop", OrderID: test.sku, State: record.Open, Version: f.version, ChangedAt: st.at(f.at), UpdatedAt: st.at(f.at),
				Lines: []record.AllocationLine{line},
			}})
		}
	}
	save(t, s, stories, more...)
	start := stories[0].start.Time().Format("2006-01-02 15:04:05")
	for _, settings := range []string{"", " SETTINGS join_use_nulls = 1"} {
		for _, test := range tests {
			got := ask(t, client(t, cfg, cfg.Database), `SELECT why, late, ordered, units, waiting, told, available,
				dateDiff('second', toDateTime64('`+start+`', 6, 'UTC'), found_at), dateDiff('second', toDateTime64('`+start+`', 6, 'UTC'), covered_at)
				FROM oversold_lines WHERE sku = '`+test.sku+`'`+settings)
			if got != test.want {
				t.Errorf("%s%s:\n got %s\nwant %s", test.sku, settings, got, test.want)
			}
		}
	}
	sold := ask(t, client(t, cfg, cfg.Database), `SELECT groupArray((sku, n)) FROM
		(SELECT sku, dateDiff('second', toDateTime64('`+start+`', 6, 'UTC'), sold_at) AS n FROM oversold_lines WHERE sku IN ('broken', 'late-push', 'raised') ORDER BY sku)`)
	if want := "[[broken 40] [late-push 29] [raised 40]]"; sold != want {
		t.Errorf("sold at: got %s, want %s", sold, want)
	}
}
