package engine_test

import (
	"errors"
	"testing"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// An entry names the one that its writer sent before it for the pool. Where that one is missing something was lost, and nothing may be
// folded over the hole; what is sent again is passed over, and a writer that has begun anew names none.
func TestAHoleInAnOriginIsNotFoldedOver(t *testing.T) {
	type sent struct{ offset, previous int64 }
	for _, test := range []struct {
		name    string
		before  []sent
		last    sent
		gap     bool
		counted stock.Quantity
	}{
		{"the first of all", nil, sent{7, -1}, false, 1},
		{"one after the other, with others' records between", []sent{{7, -1}, {9, 7}}, sent{12, 9}, false, 3},
		{"one is missing", []sent{{7, -1}}, sent{12, 9}, true, 1},
		{"the first is missing", nil, sent{9, 7}, true, 0},
		{"sent again from the middle, by a writer that has begun anew", []sent{{7, -1}, {9, 7}, {12, 9}, {9, -1}}, sent{12, 9}, false, 3},
		{"a writer that has begun anew goes on", []sent{{7, -1}, {9, 7}}, sent{12, -1}, false, 3},
		{"the one after what was sent again is missing", []sent{{7, -1}, {9, 7}, {7, -1}}, sent{15, 12}, true, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			state := engine.NewState()
			if err := state.LoadPool("acme", nil); err != nil {
				t.Fatal(err)
			}
			var c engine.Changes // one run
			version := int64(0)
			var c engine.Changes
			fold := func(s sent) error {
				at := stock.Instant(1_800_000_000_000_000)
				e := record.JournalEntry{
					EntryTime: at, Origin: record.Origin{TopicID: "aa", Topic: "movements", Offset: s.offset, Previous: s.previous},
					Event: record.Event{Movement: &record.Movement{Pool: "acme", Outlet: "MTL", SKU: "SHIRT", Kind: stock.Receipt, Quantity: 1, OccurredAt: at}},
				}
				for _, k := range state.Missing(nil, &e) {
					if err := state.Load(k, nil); err != nil {
						t.Fatal(err)
					}
				}
				version++
				defer c.Reset()
				return state.Apply(stock.VersionAt(0, version), &e, &c)
			}
			for _, s := range test.before {
				if err := fold(s); err != nil {
					t.Fatalf("Apply(offset %d after %d) = %v", s.offset, s.previous, err)
				}
			}
			if err := fold(test.last); test.gap != errors.Is(err, engine.ErrGap) || !test.gap && err != nil {
				t.Errorf("Apply(offset %d after %d) = %v, want a gap: %v", test.last.offset, test.last.previous, err, test.gap)
			}
			var a record.Availability
			state.Availability("acme", "SHIRT", &a)
			if a.OnHand != test.counted {
				t.Errorf("on hand is %d, want %d", a.OnHand, test.counted)
			}
		})
	}
}
