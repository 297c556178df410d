package engine_test

import (
	"slices"
	"testing"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// TestInputsAreOfTheirMoment changes what an offer was computed from later in the same run, without another offer of it: the record
// says what was there when it was computed.
func TestInputsAreOfTheirMoment(t *testing.T) {
	most := stock.Quantity(5)
	channel := &record.Channel{
		Pool: "p", Channel: "c", Outlets: []string{"A", "B"}, RouteOrders: true, WhenStopped: record.StopZero,
		Policies: []record.Policy{{Percent: 100, Cap: &most}},
	}
	receipt := func(outlet string, units stock.Quantity) record.Event {
		return record.Event{Movement: &record.Movement{Pool: "p", Outlet: outlet, SKU: "s", Kind: stock.Receipt, Quantity: units, OccurredAt: journalStart}}
	}
	outlet := func(id string, safety stock.Quantity) record.Event {
		return record.Event{Outlet: &record.Outlet{Pool: "p", Outlet: id, SellsOnline: true, FulfilsOrders: true, SafetyStock: safety}}
	}
	for name, later := range map[string]record.Event{
		"another movement": receipt("A", 1), "a movement elsewhere": receipt("B", 1), "an edit of the outlet": outlet("A", 2),
	} {
		t.Run(name, func(t *testing.T) {
			state := engine.NewState()
			if err := state.LoadPool("p", nil); err != nil {
				t.Fatal(err)
			}
			var changes engine.Changes
			for i, e := range []record.Event{
				outlet("A", 0), outlet("B", 0), {Channel: channel},
				{Listing: &record.Listing{Pool: "p", Channel: "c", SKU: "s", OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant}},
				receipt("A", 10), later,
			} {
				entry := record.JournalEntry{Event: e, EntryTime: journalStart}
				for _, key := range state.Missing(nil, &entry) {
					if err := state.Load(key, nil); err != nil {
						t.Fatal(err)
					}
				}
				if err := state.Apply(stock.Version(i+1), &entry, &changes); err != nil {
					t.Fatal(err)
				}
			}
			want := []record.OfferOutlet{{Outlet: "A", OnHand: 10, Available: 10}}
			for range 2 { // collecting changes nothing
				var got []record.OfferOutlet
				state.EachOffer(&changes, func(o *record.OfferRecord) {
					if o.Offer != nil {
						got = slices.Clone(o.Offer.Inputs.Outlets)
					}
				})
				if !slices.Equal(got, want) {
					t.Fatalf("the offer was computed from %+v, want %+v", got, want)
				}
			}
		})
	}
}
