package auditview_test

import (
	"testing"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func TestWhetherAChannelShowsTooMuch(t *testing.T) {
	read := func(q stock.Quantity) *stock.Quantity { return &q }
	told := auditview.ToldNow{Quantity: 10, Version: 5, At: 100}
	for _, tt := range []struct {
		name   string
		row    auditview.ChannelStock
		lowers bool
		want   bool
	}{
		{"less is offered", auditview.ChannelStock{Told: told, Offer: auditview.OfferNow{Quantity: 9, Version: 6}}, true, true},
		{"nothing newer is offered", auditview.ChannelStock{Told: told, Offer: auditview.OfferNow{Quantity: 9, Version: 5}}, true, false},
		{"more is offered", auditview.ChannelStock{Told: told, Offer: auditview.OfferNow{Quantity: 11, Version: 6}}, true, false},
		{"nothing was ever told", auditview.ChannelStock{Offer: auditview.OfferNow{Quantity: 0, Version: 6}}, true, false},
		{"the channel sold it itself", auditview.ChannelStock{Told: told, Offer: auditview.OfferNow{Quantity: 9, Sold: 1, Version: 6}}, true, false},
		{"it sold it and keeps its level", auditview.ChannelStock{Told: told, Offer: auditview.OfferNow{Quantity: 9, Sold: 1, Version: 6}}, false, true},
		{"it gave one back and took it up", auditview.ChannelStock{Told: told, Offer: auditview.OfferNow{Quantity: 10, Released: 1, Version: 6}}, true, true},
		{"no more was read since", auditview.ChannelStock{Told: told, Offer: auditview.OfferNow{Quantity: 9, Version: 6}, Observed: read(9), ObservedAt: 101}, true, false},
		{"it was read before", auditview.ChannelStock{Told: told, Offer: auditview.OfferNow{Quantity: 9, Version: 6}, Observed: read(9), ObservedAt: 99}, true, true},
	} {
		if got := tt.row.TooMuch(tt.lowers); got != tt.want {
			t.Errorf("%s: TooMuch() = %v, want %v", tt.name, got, tt.want)
		}
	}
}
