package shadow_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/engine/enginetest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/shadow"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// at is a moment of the day on which the journals of these tests are written, as 10:30 or 10:30:05.
func at(t interface {
	Helper()
	Fatal(args ...any)
}, clock string) stock.Instant {
	t.Helper()
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	when, err := time.Parse(time.DateTime, "2026-11-20 "+clock)
	if err != nil {
		t.Fatal(err)
	}
	return stock.InstantOf(when)
}

// journal reads lines of a clock and an event.
func journal(t *testing.T, text string) []record.JournalEntry {
	t.Helper()
	var entries []record.JournalEntry
	for line := range strings.Lines(text) {
		clock, event, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		when := at(t, clock)
		event = strings.ReplaceAll(event, "NOW", when.String())
		e := record.JournalEntry{EntryTime: when, Origin: record.Origin{TopicID: "0a", Topic: "movements", Offset: int64(len(entries)), Previous: -1}}
		if err := codec.ParseEvent("", []byte(event), &e.Event); err != nil {
			t.Fatalf("%s: %v", event, err)
		}
		entries = append(entries, e)
	}
	return entries
}

func policy(t *testing.T, text string) *catalogue.Pool {
	t.Helper()
	pools, problems := catalogue.Read([]byte("pool: acme\n" + text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return &pools[0]
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func compare(t fataler, p *catalogue.Pool, entries []record.JournalEntry, from, to stock.Instant) shadow.Report {
	t.Helper()
	return replayFrom(t, shadow.State{}, p, entries, from, to)
}

// replayFrom replays the entries that a state has not folded.
func replayFrom(t fataler, begin shadow.State, p *catalogue.Pool, entries []record.JournalEntry, from, to stock.Instant) shadow.Report {
	t.Helper()
	r, err := shadow.New(p, begin, from, to)
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		if err := r.Entry(&entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	report, err := r.End()
	if err != nil {
		t.Fatal(err)
	}
	return report
}

const shop = `
09:00 {"outlet":{"pool":"acme","outlet":"MTL"}}
09:00 {"channel":{"pool":"acme","channel":"web","outlets":["MTL"]}}
09:00 {"listing":{"pool":"acme","channel":"web","sku":"SHIRT"}}
09:00 {"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":10,"occurred_at":"NOW"}}
11:00 {"order":{"pool":"acme","channel":"web","order_id":"1","status":"open","updated_at":"NOW","lines":[{"line_id":"1","sku":"SHIRT","quantity":3}]}}
12:00 {"order":{"pool":"acme","channel":"web","order_id":"2","status":"open","updated_at":"NOW","lines":[{"line_id":"1","sku":"SHIRT","quantity":4}]}}
13:00 {"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":7,"occurred_at":"NOW"}}
14:00 {"refresh":{"pool":"acme","channel":""}}
`

func shown(r shadow.Report) string {
	var b strings.Builder
	for _, l := range r.Listings {
		fmt.Fprintf(&b, "%s %s offers %v beyond %v differed %v less %d more %d most %d last %v\n", l.Channel, l.SKU, l.Offers, l.Beyond, l.Differed, l.Less, l.More, l.Most, l.Last)
	}
	return b.String()
}

func TestABufferThatWasNotThere(t *testing.T) {
	r := compare(t, policy(t, "channels: {web: {outlets: [MTL], policies: [{buffer: 5}]}}\n"), journal(t, shop), at(t, "10:30"), at(t, "13:30"))
	// as it was: 10, at 11:00 7, at 12:00 3, at 13:00 10. With the buffer: at 10:30 5, at 11:00 2, at 12:00 0, at 13:00 5. The second order
	// wants 4 where the shadow had 2. 5 less for 1.5 h, 3 less for an hour, 5 less for half an hour: 13 unit-hours.
	want := "web SHIRT offers {3 4} beyond {0 2} differed 3h0m0s less 46800 more 0 most -5 last {10 5}\n"
	if got := shown(r); got != want {
		t.Errorf("listings:\n%swant\n%s", got, want)
	}
	if r.Entries != 3 || r.Until != at(t, "13:30") || len(r.Changes) != 1 || r.Offers != (shadow.Pair{Real: 3, Shadow: 4}) {
		t.Errorf("report = %+v", r)
	}
}

func TestTheEndIsWhereTheJournalHasReachedIt(t *testing.T) {
	r := compare(t, policy(t, "channels: {web: {outlets: [MTL], policies: [{buffer: 5}]}}\n"), journal(t, shop), at(t, "10:30"), at(t, "12:30"))
	want := "web SHIRT offers {2 3} beyond {0 2} differed 2h0m0s less 32400 more 0 most -5 last {3 0}\n"
	if got := shown(r); got != want {
		t.Errorf("listings:\n%swant (5 for 1.5 h, 3 for half an hour)\n%s", got, want)
	}
	if r.Until != at(t, "12:30") {
		t.Errorf("until %s, want 12:30", r.Until)
	}
}

func TestWhatTheFileNamesIsLeftOutOfTheJournal(t *testing.T) {
	text := strings.Replace(shop, "12:00 ", `11:30 {"channel":{"pool":"acme","channel":"web","outlets":["MTL"],"policies":[{"cap":1}]}}`+"\n12:00 ", 1)
	r := compare(t, policy(t, "channels: {web: {outlets: [MTL]}}\n"), journal(t, text), at(t, "10:30"), at(t, "13:30"))
	// As it was, 1 from 11:30 on; in the shadow the cap never came: 6 more for half an hour, 2 for an hour, 9 for half an hour.
	want := "web SHIRT offers {3 3} beyond {3 0} differed 2h0m0s less 0 more 34200 most 9 last {1 10}\n"
	if got := shown(r); got != want || len(r.Changes) != 0 {
		t.Errorf("listings, %d changes:\n%swant\n%s", len(r.Changes), got, want)
	}
}

func TestWhatIsDueInTheShadowAloneNeedsNoEntry(t *testing.T) {
	p := policy(t, "listings: {web: {SHIRT: {policies: [{from: 2026-11-20T11:30:00Z, to: 2026-11-20T11:40:00Z, cap: 1}]}}}\n")
	r := compare(t, p, journal(t, shop), at(t, "10:30"), at(t, "13:30"))
	// 7 becomes 1 five seconds after it is due, and 7 again five seconds after that is over.
	want := "web SHIRT offers {3 5} beyond {0 0} differed 10m0s less 3600 more 0 most -6 last {10 10}\n"
	if got := shown(r); got != want {
		t.Errorf("listings:\n%swant\n%s", got, want)
	}
}

func TestOrdersThatWaitAndWhereTheyComeFrom(t *testing.T) {
	entries := journal(t, `
09:00 {"outlet":{"pool":"acme","outlet":"MTL"}}
09:00 {"outlet":{"pool":"acme","outlet":"LAV"}}
09:00 {"channel":{"pool":"acme","channel":"web","outlets":["MTL","LAV"]}}
09:00 {"listing":{"pool":"acme","channel":"web","sku":"SHIRT"}}
09:00 {"movement":{"pool":"acme","outlet":"LAV","sku":"SHIRT","kind":"receipt","quantity":2,"occurred_at":"NOW"}}
11:00 {"order":{"pool":"acme","channel":"web","order_id":"1","status":"open","updated_at":"NOW","lines":[{"line_id":"1","sku":"SHIRT","quantity":2}]}}
12:00 {"order":{"pool":"acme","channel":"web","order_id":"2","status":"open","updated_at":"NOW","lines":[{"line_id":"1","sku":"SHIRT","quantity":3}]}}
13:00 {"refresh":{"pool":"acme","channel":""}}
`)
	r := compare(t, policy(t, "outlets: {LAV: {fulfils_orders: false}}\n"), entries, at(t, "10:00"), at(t, "14:00"))
	// In the shadow nobody can serve the first order, which waits for two hours; the second waits for one in both.
	if want := (shadow.Pair{Real: 3 * 3600, Shadow: 3*3600 + 2*2*3600}); r.Waiting != want {
		t.Errorf("waiting = %v, want %v", r.Waiting, want)
	}
	if want := (shadow.Pair{Real: 3 * 3600, Shadow: 3 * 3600}); r.Backordered != want {
		t.Errorf("backordered = %v, want %v", r.Backordered, want)
	}
	if want := (shadow.Pair{Real: 1}); r.Parcels != want {
		t.Errorf("parcels = %v, want %v", r.Parcels, want)
	}
	if want := (shadow.Pair{Real: 3, Shadow: 5}); r.Beyond != want {
		t.Errorf("beyond = %v, want %v", r.Beyond, want)
	}
}

func TestWhatTheEngineRefusesEndsTheReplay(t *testing.T) {
	entries := journal(t, shop+`15:00 {"refresh":{"pool":"acme","channel":""}}`)
	r, err := shadow.New(policy(t, "kits:\n  A: {components: {A: 1}}\n"), shadow.State{}, at(t, "10:00"), at(t, "14:00"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(entries) && err == nil; i++ {
		err = r.Entry(&entries[i])
	}
	if want := `line 3, column 3: kits.A is refused: kit "A" would be made of itself`; err == nil || err.Error() != want {
		t.Errorf("Entry() = %v, want %s", err, want)
	}
	if r, err = shadow.New(policy(t, "kits: {}\n"), shadow.State{}, at(t, "16:00"), at(t, "17:00")); err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		if err := r.Entry(&entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.End(); err == nil || !strings.Contains(err.Error(), "there is nothing to compare") {
		t.Errorf("End() = %v, want that there is nothing to compare", err)
	}
}

// day draws a journal of a shop, whose entries lie at most a few seconds apart, so that nothing is due for long.
func day(t *rapid.T) []record.JournalEntry {
	skus, outlets, channels := []string{"A", "B", "K"}, []string{"M", "L"}, []string{"web", "app"}
	var entries []record.JournalEntry
	now := at(t, "09:00")
	add := func(e record.Event) {
		entries = append(entries, record.JournalEntry{Event: e, EntryTime: now, Origin: record.Origin{TopicID: "0a", Offset: int64(len(entries)), Previous: -1}})
	}
	outlet := func(id string) record.Event {
		return record.Event{Outlet: &record.Outlet{Pool: "acme", Outlet: id, SellsOnline: true, FulfilsOrders: rapid.IntRange(0, 5).Draw(t, "fulfils") > 0, SafetyStock: stock.Quantity(rapid.IntRange(0, 2).Draw(t, "safety"))}}
	}
	channel := func(id string) record.Event {
		var e record.Event
		line := fmt.Sprintf(`{"channel":{"pool":"acme","channel":%q,"outlets":["M","L"],"policies":[{"buffer":%d}]}}`, id, rapid.IntRange(0, 3).Draw(t, "buffer"))
		if err := codec.ParseEvent("", []byte(line), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, id := range outlets {
		add(outlet(id))
	}
	add(record.Event{Kit: &record.Kit{Pool: "acme", SKU: "K", Components: []record.Component{{SKU: "A", Quantity: 1}, {SKU: "B", Quantity: 2}}}})
	for _, id := range channels {
		add(channel(id))
		for _, sku := range skus {
			add(record.Event{Listing: &record.Listing{Pool: "acme", Channel: id, SKU: sku, OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant}})
		}
	}
	for range rapid.IntRange(1, 40).Draw(t, "entries") {
		now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "later")) * time.Millisecond)
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			add(outlet(rapid.SampledFrom(outlets).Draw(t, "outlet")))
		case 1:
			add(channel(rapid.SampledFrom(channels).Draw(t, "channel")))
		case 2, 3, 4, 5:
			add(record.Event{Movement: &record.Movement{
				Pool: "acme", Outlet: rapid.SampledFrom(outlets).Draw(t, "outlet"), SKU: rapid.SampledFrom(skus[:2]).Draw(t, "sku"),
				Kind: stock.Adjustment, Quantity: stock.Quantity(rapid.SampledFrom([]int{-2, 3, 8}).Draw(t, "quantity")), OccurredAt: now,
			}})
		default:
			add(record.Event{Order: &record.Order{
				Pool: "acme", Channel: rapid.SampledFrom(channels).Draw(t, "channel"), OrderID: rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "order"),
				Status: rapid.SampledFrom([]record.OrderStatus{record.Open, record.Open, record.Cancelled}).Draw(t, "status"), UpdatedAt: now, FulfilledBy: record.ByMerchant,
				Lines: []record.OrderLine{{LineID: "1", SKU: rapid.SampledFrom(skus).Draw(t, "sku"), Quantity: stock.Quantity(rapid.IntRange(1, 4).Draw(t, "ordered"))}},
			}})
		}
	}
	now = now.Add(time.Second)
	add(record.Event{Tick: &record.Tick{Pool: "acme"}})
	return entries
}

func TestThePolicyThatWasInForceDiffersInNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := day(t)
		from := entries[rapid.IntRange(0, len(entries)-1).Draw(t, "from")].EntryTime
		r := compare(t, &catalogue.Pool{ID: "acme"}, entries, from, from.Add(time.Hour))
		if len(r.Listings) > 0 || r.Offers.Real != r.Offers.Shadow || r.Waiting.Real != r.Waiting.Shadow || r.Beyond.Real != r.Beyond.Shadow || r.Parcels.Real != r.Parcels.Shadow {
			t.Fatalf("report = %+v\n%s", r, shown(r))
		}
	})
}

// A dumb second way to the same numbers: the journal with the file's events put into it is folded like any other, and what is offered
// is looked at after every entry.
func TestTheShadowIsTheJournalWithThePolicyInIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := day(t)
		first := rapid.IntRange(12, len(entries)-1).Draw(t, "first entry of the window")
		from := entries[first].EntryTime
		for first > 0 && entries[first-1].EntryTime >= from {
			first--
		}
		var tried record.Event
		line := fmt.Sprintf(`{"channel":{"pool":"acme","channel":"web","outlets":["M","L"],"policies":[{"buffer":%d,"percent":50}]}}`, rapid.IntRange(0, 4).Draw(t, "tried"))
		if err := codec.ParseEvent("", []byte(line), &tried); err != nil {
			t.Fatal(err)
		}
		p := &catalogue.Pool{ID: "acme", Entries: []catalogue.Entry{{Event: tried}}}
		to := from.Add(time.Hour)
		r := compare(t, p, entries, from, to)

		edited := slices.Clone(entries[:first])
		edited = append(edited, record.JournalEntry{Event: tried, EntryTime: from, Origin: record.Origin{Previous: -1}})
		for _, e := range entries[first:] {
			if e.Event.Channel != nil && e.Event.Channel.Channel == "web" {
				e.Event = record.Event{Tick: &record.Tick{Pool: "acme"}}
			}
			edited = append(edited, e)
		}
		was, other := series(t, entries), series(t, edited)
		for _, sku := range []string{"A", "B", "K"} {
			for _, channel := range []string{"web", "app"} {
				key := channel + " " + sku
				var less, more int64
				for now := from; now < r.Until; now += 1000 { // every millisecond: moments of entries are whole ones
					d := other.when(key, now) - was.when(key, now)
					less, more = less+max(0, -int64(d)), more+max(0, int64(d))
				}
				i := slices.IndexFunc(r.Listings, func(l shadow.Listing) bool { return l.Channel == channel && l.SKU == sku })
				var got shadow.Listing
				if i >= 0 {
					got = r.Listings[i]
				}
				if got.Less != less/1000 || got.More != more/1000 {
					t.Fatalf("%s: less %d, more %d, want %d and %d milli", key, got.Less, got.More, less, more)
				}
			}
		}
	})
}

// stateAfter folds entries of a journal and returns what is to be known of them to go on.
func stateAfter(t fataler, entries []record.JournalEntry) shadow.State {
	t.Helper()
	f, err := replay.New(0, stream.Position{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range entries {
		if err := f.Step(&entries[i], func(*engine.State, *engine.Changes) {}); err != nil {
			t.Fatal(err)
		}
	}
	return shadow.State{At: f.Position(), Rows: f.Rows()}
}

func TestAReplayFromAStateIsOneFromTheFirstEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := day(t)
		from := entries[rapid.IntRange(1, len(entries)-1).Draw(t, "from")].EntryTime
		before := 0
		for before < len(entries) && entries[before].EntryTime < from {
			before++
		}
		if before == 0 {
			t.Skip("every entry is of one moment")
		}
		cut := rapid.IntRange(1, before).Draw(t, "entries in the state")
		text := fmt.Sprintf("channels: {web: {outlets: [M, L], policies: [{buffer: %d}]}}\n", rapid.IntRange(0, 4).Draw(t, "buffer"))
		pools, problems := catalogue.Read([]byte("pool: acme\n" + text))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		to := from.Add(time.Hour)
		want := compare(t, &pools[0], entries, from, to)
		got := replayFrom(t, stateAfter(t, entries[:cut]), &pools[0], entries[cut:], from, to)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("from entry %d of %d: %+v\nfrom the first: %+v", cut, len(entries), got, want)
		}
	})
}

func TestAStateWithEntriesOfTheTrialIsRefused(t *testing.T) {
	entries := journal(t, shop)
	_, err := shadow.New(policy(t, "kits: {}\n"), stateAfter(t, entries[:5]), at(t, "11:00"), at(t, "13:00"))
	var late *shadow.LateError
	if !errors.As(err, &late) || late.At != at(t, "11:00") {
		t.Errorf("New() = %v, want that the state holds entries up to 11:00", err)
	}
	if _, err := shadow.New(policy(t, "kits: {}\n"), stateAfter(t, entries[:5]), at(t, "11:00:01"), at(t, "13:00")); err != nil {
		t.Error(err)
	}
}

// A history is what was offered of each listing after every entry.
type history []struct {
	at     stock.Instant
	offers map[string]stock.Quantity
}

func series(t *rapid.T, entries []record.JournalEntry) history {
	var h history
	var p enginetest.Pipeline
	now := map[string]stock.Quantity{}
	for _, e := range entries {
		out, err := p.Fold(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out.Offers {
			if o.Offer != nil {
				now[o.Offer.Channel+" "+o.Offer.SKU] = o.Offer.Quantity
			}
		}
		point := map[string]stock.Quantity{}
		for k, q := range now {
			point[k] = q
		}
		h = append(h, struct {
			at     stock.Instant
			offers map[string]stock.Quantity
		}{e.EntryTime, point})
	}
	return h
}

// when returns what was offered at a moment: after the last entry that is not later.
func (h history) when(key string, at stock.Instant) stock.Quantity {
	var q stock.Quantity
	for _, point := range h {
		if point.at > at {
			break
		}
		q = point.offers[key]
	}
	return q
}
