package amazon_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	simulated "github.com/shelfwire/shelfwire/internal/channelsim/amazon"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A despatch is confirmed with the account's codes of carriers; told twice, it is one package.
func TestShip(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{})
	sim.Put("A", 50)
	o, _ := sim.Buy(time.Now(), 3, "A")
	despatch := func(id, carrier string, units stock.Quantity) publisher.Shipment {
		return publisher.Shipment{
			OrderID: o.ID, ID: id, ShippedAt: stock.InstantOf(time.Now()), Carrier: carrier, Tracking: "T-" + id,
			Lines: []record.FulfilmentLine{{LineID: o.Items[0].ID, Quantity: units}},
		}
	}
	sim.Meet(channelsim.CutAfter)
	if _, err := c.Ship(t.Context(), "k", despatch("f1", "ups", 1)); !isClass(err, publisher.Connection) {
		t.Errorf("Ship() whose answer is lost = %v, want an outcome that nobody knows", err)
	}
	for range 2 {
		if shipped, err := c.Ship(t.Context(), "k", despatch("f1", "ups", 1)); err != nil || shipped.ID == "" {
			t.Errorf("Ship() again = %+v, %v", shipped, err)
		}
	}
	if _, err := c.Ship(t.Context(), "k2", despatch("f2", "Vélo Express", 2)); err != nil {
		t.Errorf("Ship() of the rest = %v", err)
	}
	got := sim.Orders()[0]
	if len(got.Packages) != 2 || got.Items[0].Fulfilled != 3 || got.Packages[0].CarrierCode != "UPS" || got.Packages[0].CarrierName != "" ||
		got.Packages[1].CarrierCode != "Other" || got.Packages[1].CarrierName != "Vélo Express" || got.Packages[1].Tracking != "T-f2" {
		t.Errorf("the order = %+v", got)
	}
	for name, s := range map[string]publisher.Shipment{
		"more than was ordered": despatch("f3", "UPS", 1), "an order that is not there": {OrderID: "701-none", ID: "f", Carrier: "UPS", Tracking: "T", ShippedAt: 1, Lines: []record.FulfilmentLine{{LineID: "1", Quantity: 1}}},
	} {
		_, err := c.Ship(t.Context(), "k", s)
		if e, ok := errors.AsType[*publisher.RequestError](err); !ok || e.Class != publisher.Refused || e.WholeChannel {
			t.Errorf("%s: Ship() = %v, want refused, the despatch alone", name, err)
		}
	}
	sim.Spend("confirmShipment", 50)
	_, err := c.Ship(t.Context(), "k", despatch("f4", "UPS", 1))
	if e, ok := errors.AsType[*publisher.RequestError](err); !ok || e.Class != publisher.Throttled || !e.Apart {
		t.Errorf("Ship() when the plan is spent = %v, want throttled apart", err)
	}
	if strings.ContainsAny(got.Packages[0].Reference, "abcdef-") {
		t.Errorf("the package's reference is %q, want a number", got.Packages[0].Reference)
	}
}

func isClass(err error, class publisher.Class) bool {
	e, ok := errors.AsType[*publisher.RequestError](err)
	return ok && e.Class == class
}
