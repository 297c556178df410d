package shopify_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	simulated "github.com/shelfwire/shelfwire/internal/channelsim/shopify"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func number(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// despatch is of units of an order's lines, in their order.
func despatch(o simulated.Order, tracking string, units ...stock.Quantity) publisher.Shipment {
	s := publisher.Shipment{OrderID: number(o.ID), ID: "f-" + tracking, ShippedAt: stock.InstantOf(time.Now()), Carrier: "La Poste", Tracking: tracking}
	for i, n := range units {
		if n > 0 {
			s.Lines = append(s.Lines, record.FulfilmentLine{LineID: number(o.Lines[i].ID), Quantity: n})
		}
	}
	return s
}

// A despatch is told as a fulfilment for each location that it left from; told again, also after its answer was lost, it changes nothing.
func TestShip(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{Maximum: 20_000, Restore: 1000})
	elsewhere := item(2)
	elsewhere.Location = other
	sim.Put(place(item(1)), active("A"), 50)
	sim.Put(place(elsewhere), active("B"), 50)
	o, _ := sim.Buy(time.Now(), 3, place(item(1)), place(elsewhere))
	order := func() simulated.Order { return sim.Orders()[0] }
	sim.Meet(channelsim.None, channelsim.None, channelsim.CutAfter) // the query, the first fulfilment, the second
	_, err := c.Ship(t.Context(), "k", despatch(o, "T1", 1, 2))
	if e, ok := errors.AsType[*publisher.RequestError](err); !ok || e.Class != publisher.Connection {
		t.Errorf("Ship() whose answer is lost = %v, want an outcome that nobody knows", err)
	}
	for range 2 {
		if shipped, err := c.Ship(t.Context(), "k", despatch(o, "T1", 1, 2)); err != nil || !strings.Contains(shipped.Said, "already") {
			t.Errorf("Ship() again = %+v, %v", shipped, err)
		}
	}
	if got := order(); len(got.Despatches) != 2 || got.Lines[0].Fulfilled != 1 || got.Lines[1].Fulfilled != 2 || got.Despatches[0].Number != "T1" ||
		got.Despatches[0].Company != "La Poste" {
		t.Errorf("the order = %+v", got)
	}
	sim.Meet(channelsim.None, channelsim.ErrorBefore)
	if _, err := c.Ship(t.Context(), "k", despatch(o, "T2", 2, 0)); err == nil {
		t.Error("Ship() met an error and says nothing of it")
	}
	if shipped, err := c.Ship(t.Context(), "k", despatch(o, "T2", 2, 0)); err != nil || shipped.ID == "" {
		t.Errorf("Ship() of the rest of a line = %+v, %v", shipped, err)
	}
	// One unit of the second line is left, two are despatched: somebody has fulfilled one in the shop.
	if shipped, err := c.Ship(t.Context(), "k", despatch(o, "T3", 0, 2)); err != nil || !strings.Contains(shipped.Said, "1 units were fulfilled") {
		t.Errorf("Ship() of more than is left = %+v, %v", shipped, err)
	}
	if got := order(); len(got.Despatches) != 4 || got.Lines[0].Fulfilled != 3 || got.Lines[1].Fulfilled != 3 {
		t.Errorf("the order = %+v", got)
	}
}

// What the shop does not take says why, and is of the despatch alone.
func TestShipRefused(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{})
	sim.Put(place(item(1)), active("A"), 5)
	o, _ := sim.Buy(time.Now(), 1, place(item(1)))
	sim.CancelOrder(o.ID, true, time.Now())
	for want, s := range map[string]publisher.Shipment{"is cancelled": despatch(o, "T", 1), "no such order": {OrderID: "4711", Tracking: "T"}} {
		_, err := c.Ship(t.Context(), "k", s)
		if e, ok := errors.AsType[*publisher.RequestError](err); !ok || e.Class != publisher.Refused || e.WholeChannel || !strings.Contains(e.Reason, want) {
			t.Errorf("Ship() = %v, want refused: %s", err, want)
		}
	}
	sim.Meet(channelsim.ErrorAfter)
	_, err := c.Ship(t.Context(), "k", despatch(o, "T", 1))
	if e, ok := errors.AsType[*publisher.RequestError](err); !ok || e.Class != publisher.Throttled {
		t.Errorf("Ship() whose query failed = %v, want throttled: nothing was sent", err)
	}
}
