package catalogue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A folded pool is what an engine has in force.
type folded struct {
	t interface {
		Helper()
		Fatal(args ...any)
	}
	fold *replay.Fold
}

func newFolded(t interface {
	Helper()
	Fatal(args ...any)
}) *folded {
	fold, err := replay.New(0, stream.Position{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &folded{t: t, fold: fold}
	f.send(record.Event{Tick: &record.Tick{Pool: "acme"}}) // from which on its settings are in force
	return f
}

// send folds an event and returns why it was refused.
func (f *folded) send(e record.Event) (why string) {
	f.t.Helper()
	err := f.fold.Step(&record.JournalEntry{Event: e}, func(_ *engine.State, c *engine.Changes) {
		for _, r := range c.Rejections() {
			why = r.Reason
		}
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return why
}

func (f *folded) compare(p *catalogue.Pool, prune bool) []catalogue.Change {
	c := catalogue.Compare(p, prune)
	for _, e := range f.fold.State().Catalogue(p.ID) {
		c.InForce(&e)
	}
	for k, value := range f.fold.Rows() {
		if k.Table != engine.TableListings {
			continue
		}
		listings, err := engine.Listings(engine.RowWrite{RowKey: k, Value: value})
		if err != nil {
			f.t.Fatal(err)
		}
		for _, l := range listings {
			c.InForce(&record.Event{Listing: l})
		}
	}
	return c.Changes()
}

func (f *folded) apply(p *catalogue.Pool, prune bool) []catalogue.Change {
	f.t.Helper()
	changes := f.compare(p, prune)
	for i := range changes {
		if why := f.send(changes[i].Event); why != "" {
			f.t.Fatal(changes[i].Object, "was refused:", why)
		}
	}
	return changes
}

func shown(changes []catalogue.Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "%c %s", "?+~-"[c.Verb], c.Object)
		for _, f := range c.Fields {
			fmt.Fprintf(&b, " [%s: %s → %s]", f.Field, f.Old, f.New)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

const shopFile = `
pool: acme
settings:
outlets: {MTL: {priority: 1}, LAV: {}}
kits: {SET: {components: {SHIRT: 1, HAT: 1}}}
channels:
  web: {outlets: [MTL, LAV], locations: [{location: b, outlets: [MTL]}, {location: a, outlets: [LAV]}]}
listings: {web: {SHIRT: {title: Chemise}, HAT: }}
`

func TestApplyingTwiceChangesNothing(t *testing.T) {
	f := newFolded(t)
	p := &read(t, shopFile)[0]
	want := `+ outlet LAV
+ outlet MTL
+ kit SET
+ channel web
+ listing web HAT
+ listing web SHIRT
`
	if got := shown(f.apply(p, false)); got != want {
		t.Errorf("first = \n%swant (the settings are the defaults)\n%s", got, want)
	}
	if got := shown(f.apply(p, true)); got != "" {
		t.Errorf("second = \n%swant nothing", got)
	}
}

func TestOnlyWhatDiffersIsSentAndNamed(t *testing.T) {
	f := newFolded(t)
	f.apply(&read(t, shopFile)[0], false)
	file := strings.NewReplacer("priority: 1", "priority: 2", "Chemise", "Shirt", "settings:", "settings: {ship_complete: true}").Replace(shopFile)
	want := `~ settings [ship_complete: false → true]
~ outlet MTL [priority: 1 → 2]
~ listing web SHIRT [title: "Chemise" → "Shirt"]
`
	if got := shown(f.apply(&read(t, file)[0], false)); got != want {
		t.Errorf("changes =\n%swant\n%s", got, want)
	}
}

func TestPruneTakesOnlyFromSectionsThatAreThere(t *testing.T) {
	f := newFolded(t)
	f.apply(&read(t, shopFile)[0], false)
	f.send(record.Event{Movement: &record.Movement{Pool: "acme", Outlet: "VAN", SKU: "X", Kind: stock.Receipt, Quantity: 1, OccurredAt: 1}})

	few := &read(t, "pool: acme\noutlets: {MTL: {priority: 1}}\nkits: {}\n")[0]
	if got := shown(f.compare(few, false)); got != "" {
		t.Errorf("without prune =\n%swant nothing", got)
	}
	want := "- kit SET\n- outlet LAV\n"
	if got := shown(f.apply(few, true)); got != want {
		t.Errorf("with prune =\n%swant (VAN was never declared)\n%s", got, want)
	}
	if got := shown(f.apply(few, true)); got != "" {
		t.Errorf("again =\n%swant nothing: it is deleted", got)
	}
	want = "- listing web HAT\n- listing web SHIRT\n- channel web\n"
	if got := shown(f.apply(&read(t, "pool: acme\nchannels:\nlistings:\n")[0], true)); got != want {
		t.Errorf("channels and listings =\n%swant\n%s", got, want)
	}
}

// What was a component becomes a kit, and the other way round: each is taken apart before it is used.
func TestKitsChangeInAnOrderThatTheEngineTakes(t *testing.T) {
	f := newFolded(t)
	f.apply(&read(t, "pool: acme\nkits: {A: {components: {B: 1}}, D: {components: {C: 1}}}\n")[0], true)
	f.apply(&read(t, "pool: acme\nkits: {A: {components: {D: 1}}, B: {components: {C: 1}}}\n")[0], true)
}

func TestRefusalsAreNamedBeforeAnythingIsSent(t *testing.T) {
	f := newFolded(t)
	f.apply(&read(t, "pool: acme\nkits: {A: {components: {B: 1}}}\n")[0], false)
	p := &read(t, "pool: acme\nsettings: {ruleset: 99}\nkits:\n  B: {components: {C: 1}}\n  E: {components: {E: 1}}\n")[0]
	problems, err := catalogue.Refusals(f.fold.State().Catalogue("acme"), f.compare(p, false))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Error())
	}
	want := []string{
		"line 2, column 1: settings is refused: ruleset 99 is not known",
		`line 4, column 3: kits.B is refused: "B" is a component of kit "A": kits are one level deep`,
		`line 5, column 3: kits.E is refused: kit "E" would be made of itself`,
	}
	if len(got) != len(want) || !strings.HasPrefix(got[0], want[0]) || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("Refusals() = %q, want %q", got, want)
	}
}

// Whatever is in force, a file that says it differs in nothing, and any other is reached in one step.
func TestAnyCatalogueIsReachedAndThenRested(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFolded(t)
		for range rapid.IntRange(1, 6).Draw(t, "events") {
			e := catalogueEvent(t)
			setPool(&e)
			if codec.Validate(&e) != nil || engine.Refused(&e) != "" {
				continue
			}
			p := &catalogue.Pool{ID: "acme", Entries: []catalogue.Entry{{Event: e}}, Sections: map[record.EventKind]bool{e.Kind(): true}}
			changes := f.compare(p, true)
			if refused, err := catalogue.Refusals(f.fold.State().Catalogue("acme"), changes); err != nil || len(refused) > 0 {
				continue
			}
			f.apply(p, true)
			if left := f.compare(p, true); len(left) > 0 {
				t.Fatalf("after %s was applied there are still\n%s", codec.AppendEventJSON(nil, &e), shown(left))
			}
		}
	})
}

func setPool(e *record.Event) {
	switch e.Kind() {
	case record.KindPool:
		e.Pool.Pool = "acme"
	case record.KindOutlet:
		e.Outlet.Pool = "acme"
	case record.KindKit:
		e.Kit.Pool = "acme"
	case record.KindChannel:
		e.Channel.Pool = "acme"
	case record.KindListing:
		e.Listing.Pool = "acme"
	}
}

// A policy that comes or goes is one line, and says only what it sets; one that changes is told field by field.
func TestAPolicyIsOneLine(t *testing.T) {
	read := func(policies string) catalogue.Pool {
		pools, problems := catalogue.Read([]byte("pool: acme\nchannels:\n  web: {vendor: shopify, policies: [" + policies + "]}\n"))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return pools[0]
	}
	fields := func(before, after string) (list []string) {
		old, now := read(before), read(after)
		c := catalogue.Compare(&now, false)
		c.InForce(&old.Entries[0].Event)
		for _, change := range c.Changes() {
			for _, f := range change.Fields {
				list = append(list, f.Field+": "+f.Old+" → "+f.New)
			}
		}
		return list
	}
	for _, tt := range []struct {
		before, after string
		want          []string
	}{
		{"", "{from: 2026-11-27, buffer: 2, cap: 9}", []string{`policies[0]:  → from "2026-11-27T00:00:00Z", buffer 2, cap 9, percent 100`}},
		{"{buffer: 2}", "", []string{`policies[0]: buffer 2, percent 100 → `}},
		{"{buffer: 2}", "{buffer: 3}", []string{"policies[0].buffer: 2 → 3"}},
		{"{buffer: 2}", "{buffer: 2}, {percent: 50}", []string{"policies[1]:  → percent 50"}},
	} {
		got := fields(tt.before, tt.after)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s to %s:\n got %q\nwant %q", tt.before, tt.after, got, tt.want)
		}
	}
}
