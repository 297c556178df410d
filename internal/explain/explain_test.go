package explain_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/explain"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

type fataler interface {
	Helper()
	Fatal(args ...any)
}

// journal encodes events, a second apart, as records of a journal.
func journal(t fataler, lines ...string) []stream.Record {
	t.Helper()
	records := make([]stream.Record, len(lines))
	for i, line := range lines {
		e := record.JournalEntry{
			EntryTime: stock.Instant(1_795_168_800_000_000 + int64(i)*1_000_000),
			Origin:    record.Origin{TopicID: "0a", Topic: "movements", Offset: int64(i), Previous: -1},
		}
		line = strings.ReplaceAll(line, "NOW", e.EntryTime.String())
		if err := codec.ParseEvent("", []byte(line), &e.Event); err != nil {
			t.Fatal(line, err)
		}
		records[i] = stream.Record{Offset: int64(i), Value: codec.AppendJournalEntry(nil, &e)}
	}
	return records
}

func fold(t fataler, at stream.Position, rows replay.Rows) *replay.Fold {
	t.Helper()
	f, err := replay.New(0, at, rows)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func trace(t fataler, q explain.Question, f *replay.Fold, records []stream.Record) []explain.Number {
	t.Helper()
	tr, err := explain.New(q, f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if err := tr.Fold(&records[i]); err != nil {
			t.Fatal(err)
		}
	}
	return tr.Numbers()
}

func shown(numbers []explain.Number) string {
	var b strings.Builder
	for _, n := range numbers {
		fmt.Fprintf(&b, "%d %s %s = %d, from %d, %d earlier\n", n.What, n.SKU, n.Outlet, n.Value, n.Base, n.Earlier)
		for _, e := range n.Entries {
			fmt.Fprintf(&b, "  %d: %d → %d %s\n", e.Version.Offset(), e.From, e.To, e.Cause)
		}
	}
	return b.String()
}

var shop = []string{
	`{"outlet":{"pool":"acme","outlet":"MTL"}}`,
	`{"channel":{"pool":"acme","channel":"web","outlets":["MTL"]}}`,
	`{"listing":{"pool":"acme","channel":"web","sku":"SHIRT"}}`,
	`{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":3,"occurred_at":"NOW","event_id":"a","reason":"PO 1"}}`,
	`{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":3,"occurred_at":"NOW","event_id":"a"}}`,
	`{"movement":{"pool":"other","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":9,"occurred_at":"NOW"}}`,
	`{"order":{"pool":"acme","channel":"web","order_id":"1","status":"open","updated_at":"NOW","lines":[{"line_id":"1","sku":"SHIRT","quantity":5}]}}`,
	`{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":4,"occurred_at":"NOW","event_id":"b"}}`,
	`{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"sale","quantity":1,"occurred_at":"NOW"}}`,
}

func TestEveryNumberHasTheEntriesThatMadeIt(t *testing.T) {
	q := explain.Question{Pool: "acme", Channel: "web", SKU: "SHIRT", Until: stock.VersionAt(0, 7), Limit: 2}
	want := `1 SHIRT MTL = 7, from 0, 0 earlier
  7: 3 → 7 receipt of 4 × SHIRT at MTL (b)
  3: 0 → 3 receipt of 3 × SHIRT at MTL (PO 1) (a)
2 SHIRT MTL = 5, from 0, 0 earlier
  7: 3 → 5 receipt of 4 × SHIRT at MTL (b)
  6: 0 → 3 order 1 of web, open, line 1: 5 × SHIRT
3 SHIRT  = 0, from 0, 0 earlier
  7: 2 → 0 receipt of 4 × SHIRT at MTL (b)
  6: 0 → 2 order 1 of web, open, line 1: 5 × SHIRT
4   = 0, from 0, 1 earlier
  2: 0 → 0 listing SHIRT of web is set: no policy of its own
  1: 0 → 0 channel web is set: no policy of its own
`
	got := shown(trace(t, q, fold(t, stream.Position{}, nil), journal(t, shop...)))
	if got != want {
		t.Errorf("numbers:\n%swant\n%s", got, want)
	}
}

func TestAFoldThatBeginsLaterHasTheSameNumbers(t *testing.T) {
	records := journal(t, shop...)
	before := fold(t, stream.Position{}, nil)
	if err := before.Run(records[:7]); err != nil {
		t.Fatal(err)
	}
	q := explain.Question{Pool: "acme", Channel: "web", SKU: "SHIRT", Until: stock.VersionAt(0, 8), Limit: 9}
	want := `1 SHIRT MTL = 6, from 3, 0 earlier
  8: 7 → 6 sale of 1 × SHIRT at MTL
  7: 3 → 7 receipt of 4 × SHIRT at MTL (b)
2 SHIRT MTL = 5, from 3, 0 earlier
  7: 3 → 5 receipt of 4 × SHIRT at MTL (b)
3 SHIRT  = 0, from 2, 0 earlier
  7: 2 → 0 receipt of 4 × SHIRT at MTL (b)
`
	if got := shown(trace(t, q, fold(t, before.Position(), before.Rows()), records[7:])); got != want {
		t.Errorf("numbers:\n%swant\n%s", got, want)
	}
}

// Whatever was folded, a number is where its entries lead from its base, and it is what the offer was computed from.
func TestTheNumbersAreThoseOfTheOffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := slices.Concat(shop[:3], []string{`{"outlet":{"pool":"acme","outlet":"LAV"}}`, `{"channel":{"pool":"acme","channel":"web","outlets":["MTL","LAV"]}}`})
		for i := range rapid.IntRange(1, 25).Draw(t, "entries") {
			outlet := rapid.SampledFrom([]string{"MTL", "LAV"}).Draw(t, "outlet")
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				lines = append(lines, fmt.Sprintf(`{"order":{"pool":"acme","channel":"web","order_id":"%d","status":%q,"updated_at":"NOW","lines":[{"line_id":"1","sku":"SHIRT","quantity":%d}]}}`,
					rapid.IntRange(1, 3).Draw(t, "order"), rapid.SampledFrom([]string{"open", "cancelled"}).Draw(t, "status"), rapid.IntRange(1, 5).Draw(t, "ordered")))
			case 1:
				lines = append(lines, fmt.Sprintf(`{"movement":{"pool":"acme","outlet":%q,"sku":"SHIRT","kind":"count","quantity":%d,"occurred_at":"NOW","event_id":"%d"}}`, outlet, rapid.IntRange(0, 6).Draw(t, "counted"), i))
			default:
				lines = append(lines, fmt.Sprintf(`{"movement":{"pool":"acme","outlet":%q,"sku":"SHIRT","kind":"receipt","quantity":%d,"occurred_at":"NOW","event_id":"%d"}}`, outlet, rapid.IntRange(1, 5).Draw(t, "received"), i))
			}
		}
		records := journal(t, lines...)
		var offers []record.Offer
		f := fold(t, stream.Position{}, nil)
		for i := range records {
			err := f.See(&records[i], func(_ stock.Version, _ *record.JournalEntry, s *engine.State, c *engine.Changes) {
				s.EachOffer(c, func(o *record.OfferRecord) {
					if o.Offer != nil {
						kept := *o.Offer
						kept.Inputs.Outlets = append([]record.OfferOutlet(nil), kept.Inputs.Outlets...)
						offers = append(offers, kept)
					}
				})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(offers) == 0 {
			return
		}
		o := rapid.SampledFrom(offers).Draw(t, "offer")
		limit := rapid.IntRange(1, 30).Draw(t, "limit")
		numbers := trace(t, explain.Question{Pool: "acme", Channel: "web", SKU: "SHIRT", Until: o.Version, Limit: limit}, fold(t, stream.Position{}, nil), records)
		said := map[string]stock.Quantity{}
		for _, at := range o.Inputs.Outlets {
			said[fmt.Sprint(explain.OnHand, at.Outlet)], said[fmt.Sprint(explain.Reserved, at.Outlet)] = at.OnHand, at.Reserved
		}
		found := 0
		for _, n := range numbers {
			if n.What == explain.Rules {
				continue
			}
			value := n.Value
			for _, e := range n.Entries {
				if e.To != value || e.From == e.To || e.Version > o.Version {
					t.Fatalf("the entries do not lead to the number:\n%s", shown(numbers))
				}
				value = e.From
			}
			if n.Earlier == 0 && value != n.Base {
				t.Fatalf("the entries do not begin at the base:\n%s", shown(numbers))
			}
			if n.What == explain.Waiting {
				continue
			}
			if want := said[fmt.Sprint(n.What, n.Outlet)]; n.Value != want {
				t.Fatalf("%d at %s is %d, the offer was computed from %d\n%s", n.What, n.Outlet, n.Value, want, shown(numbers))
			}
			if n.Value != 0 {
				found++
			}
		}
		for _, q := range said {
			if q != 0 {
				found--
			}
		}
		if found != 0 {
			t.Fatalf("%d numbers of the offer are not explained\n%s", -found, shown(numbers))
		}
	})
}

func TestAKitIsExplainedByItsComponents(t *testing.T) {
	records := journal(t,
		`{"outlet":{"pool":"acme","outlet":"MTL"}}`,
		`{"channel":{"pool":"acme","channel":"web","outlets":["MTL"]}}`,
		`{"kit":{"pool":"acme","sku":"SET","components":[{"sku":"SHIRT","quantity":1},{"sku":"HAT","quantity":2}]}}`,
		`{"listing":{"pool":"acme","channel":"web","sku":"SET"}}`,
		`{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":3,"occurred_at":"NOW"}}`,
		`{"movement":{"pool":"acme","outlet":"MTL","sku":"HAT","kind":"receipt","quantity":8,"occurred_at":"NOW"}}`,
		`{"movement":{"pool":"acme","outlet":"MTL","sku":"SOCK","kind":"receipt","quantity":8,"occurred_at":"NOW"}}`,
		`{"order":{"pool":"acme","channel":"web","order_id":"1","status":"open","updated_at":"NOW","lines":[{"line_id":"1","sku":"SET","quantity":1}]}}`,
	)
	q := explain.Question{Pool: "acme", Channel: "web", SKU: "SET", Parts: []string{"SHIRT", "HAT"}, Until: stock.VersionAt(0, 7), Limit: 1}
	want := `1 HAT MTL = 8, from 0, 0 earlier
  5: 0 → 8 receipt of 8 × HAT at MTL
2 HAT MTL = 2, from 0, 0 earlier
  7: 0 → 2 order 1 of web, open
1 SHIRT MTL = 3, from 0, 0 earlier
  4: 0 → 3 receipt of 3 × SHIRT at MTL
2 SHIRT MTL = 1, from 0, 0 earlier
  7: 0 → 1 order 1 of web, open
4   = 0, from 0, 3 earlier
  3: 0 → 0 listing SET of web is set: no policy of its own
`
	if got := shown(trace(t, q, fold(t, stream.Position{}, nil), records)); got != want {
		t.Errorf("numbers:\n%swant\n%s", got, want)
	}
}
