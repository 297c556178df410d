package auditview_test

import (
	"testing"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/record"
)

func TestArithmeticSpellsOutEveryStep(t *testing.T) {
	mtl := record.OfferOutlet{Outlet: "MTL", OnHand: 10, Reserved: 3, SafetyStock: 1, Available: 6}
	lav := record.OfferOutlet{Outlet: "LAV", OnHand: 15, Available: 15}
	tests := []struct {
		name  string
		offer record.Offer
		want  string
	}{
		{
			"two outlets and a buffer",
			record.Offer{Quantity: 19, Inputs: record.OfferInputs{Outlets: []record.OfferOutlet{mtl, lav}, Buffer: 2, Percent: 100}},
			"MTL 10 on hand − 3 reserved − 1 safety = 6; LAV 15 − 0 − 0 = 15; Σ 21 − waiting 0 − buffer 2 = 19 × 100 % → 19; cap —; floor 0 → 19",
		},
		{
			"a percentage is rounded down",
			record.Offer{Quantity: 9, Inputs: record.OfferInputs{Outlets: []record.OfferOutlet{mtl, lav}, Waiting: 2, Percent: 50}},
			"MTL 10 on hand − 3 reserved − 1 safety = 6; LAV 15 − 0 − 0 = 15; Σ 21 − waiting 2 − buffer 0 = 19 × 50 % → 9; cap —; floor 0 → 9",
		},
		{
			"a cap",
			record.Offer{Quantity: 5, Reason: "capped", Inputs: record.OfferInputs{Outlets: []record.OfferOutlet{lav}, Percent: 100, Cap: ref(5)}},
			"LAV 15 on hand − 0 reserved − 0 safety = 15; Σ 15 − waiting 0 − buffer 0 = 15 × 100 % → 15; cap 5; floor 0 → 5",
		},
		{
			"below the floor",
			record.Offer{Quantity: 0, Reason: "below_floor", Inputs: record.OfferInputs{Outlets: []record.OfferOutlet{mtl}, Percent: 100, Floor: 7}},
			"MTL 10 on hand − 3 reserved − 1 safety = 6; Σ 6 − waiting 0 − buffer 0 = 6 × 100 % → 6; cap —; floor 7 → 0",
		},
		{
			"an outlet that has promised more than it holds counts as nothing, and the sum may not go below nothing",
			record.Offer{Quantity: 0, Reason: "sold_out", Inputs: record.OfferInputs{
				Outlets: []record.OfferOutlet{{Outlet: "MTL", OnHand: -2, Reserved: 3}}, Waiting: 4, Buffer: 2, Percent: 100,
			}},
			"MTL −2 on hand − 3 reserved − 0 safety = −5 → 0; Σ 0 − waiting 4 − buffer 2 = −6 × 100 % → 0; cap —; floor 0 → 0",
		},
		{
			"nothing anywhere",
			record.Offer{Inputs: record.OfferInputs{Percent: 100}},
			"no outlet with stock; Σ 0 − waiting 0 − buffer 0 = 0 × 100 % → 0; cap —; floor 0 → 0",
		},
		{
			"large quantities keep their thousands apart",
			record.Offer{Quantity: 1_234_567, Inputs: record.OfferInputs{
				Outlets: []record.OfferOutlet{{Outlet: "W", OnHand: 1_234_567, Available: 1_234_567}}, Percent: 100,
			}},
			"W 1\u202f234\u202f567 on hand − 0 reserved − 0 safety = 1\u202f234\u202f567; Σ 1\u202f234\u202f567 − waiting 0 − buffer 0 = 1\u202f234\u202f567 × 100 % → 1\u202f234\u202f567; cap —; floor 0 → 1\u202f234\u202f567",
		},
		{
			"a listing that is not offered",
			record.Offer{Stopped: true, Reason: "not_opted_in"},
			"not offered (not opted in) → 0",
		},
		{
			"numbers that do not give the quantity are not hidden",
			record.Offer{Quantity: 8, Inputs: record.OfferInputs{
				Outlets: []record.OfferOutlet{{Outlet: "MTL", OnHand: 10, Reserved: 3, Available: 9}}, Percent: 100,
			}},
			"MTL 10 on hand − 3 reserved − 0 safety = 7 (but the offer says 9); Σ 9 − waiting 0 − buffer 0 = 9 × 100 % → 9; cap —; floor 0 → 9 (but the offer says 8)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := auditview.Arithmetic(&tt.offer); got != tt.want {
				t.Errorf("Arithmetic() =\n%s, want\n%s", got, tt.want)
			}
		})
	}
}
