package amazon_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel/amazon"
	simulated "github.com/shelfwire/shelfwire/internal/channelsim/amazon"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// all reads every page of a window, by order.
func all(t *testing.T, c *amazon.Connector, since, until time.Time) (orders map[string]record.Order, pages int) {
	t.Helper()
	orders = map[string]record.Order{}
	for page := ""; ; pages++ {
		p, err := c.Orders(t.Context(), stock.InstantOf(since), stock.InstantOf(until), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range p.Orders {
			orders[o.OrderID] = o
		}
		if page = p.Next; page == "" {
			return orders, pages + 1
		}
	}
}

func TestOrders(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{Unlimited: true, OrdersPerPage: 3, PaysAfter: time.Hour})
	now := time.Now()
	begin := now.Add(-3 * time.Hour)
	sim.Put("A", 100)
	sim.Put("B", 100)
	sim.PutFBA("F", 100)
	buy := func(at time.Duration, skus ...string) string {
		o, ok := sim.Buy(begin.Add(at), 2, skus...)
		if !ok {
			t.Fatal("nobody could buy")
		}
		return o.ID
	}
	early := buy(-time.Hour, "A")
	open, shipped, cancelled, fba := buy(time.Minute, "A", "B"), buy(2*time.Minute, "A"), buy(3*time.Minute, "B"), buy(4*time.Minute, "F")
	pending := buy(100*time.Minute+30*time.Minute, "A")
	late := buy(3*time.Hour-time.Minute, "A") // newer than what is told
	sim.Fulfil(shipped, begin.Add(90*time.Minute))
	sim.CancelOrder(cancelled, true, begin.Add(10*time.Minute))
	sim.Fulfil(fba, begin.Add(90*time.Minute))
	sim.Apply(now)
	got, pages := all(t, c, begin, now.Add(time.Minute))
	if len(got) != 6 || pages != 2 {
		t.Errorf("%d orders on %d pages, want 6 on 2", len(got), pages)
	}
	for id, want := range map[string]struct {
		status record.OrderStatus
		by     record.Fulfiller
		done   stock.Quantity
	}{
		early: {record.Open, record.ByMerchant, 0}, // it was paid in the window
		open:  {record.Open, record.ByMerchant, 0}, shipped: {record.Shipped, record.ByMerchant, 2}, cancelled: {record.Cancelled, record.ByMerchant, 0},
		fba: {record.Shipped, record.ByChannel, 2}, pending: {record.Pending, record.ByMerchant, 0},
	} {
		o, ok := got[id]
		if !ok || o.Status != want.status || o.FulfilledBy != want.by || o.Lines[0].Fulfilled != want.done || o.Lines[0].Quantity != 2 {
			t.Errorf("order %s = %+v (%t), want %+v", id, o, ok, want)
		}
	}
	if o := got[open]; len(o.Lines) != 2 || o.Lines[1].Item != "B" || o.Lines[1].SKU != "" || o.Lines[0].LineID == "" || o.UpdatedAt != stock.InstantOf(begin.Add(time.Hour+time.Minute)) {
		t.Errorf("the open order = %+v", o)
	}
	if _, ok := got[late]; ok {
		t.Error("an order of a minute ago is told")
	}
	closed, pages := all(t, c, begin, begin.Add(80*time.Minute))
	if _, ok := closed[open]; !ok || len(closed) != 3 || pages != 1 {
		t.Errorf("a closed window has %d orders on %d pages, want 3 on 1", len(closed), pages)
	}
}

// One order is read by its id, whatever the plan of searching allows.
func TestOrder(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{})
	sim.Put("A", 5)
	o, _ := sim.Buy(time.Now(), 2, "A")
	sim.Spend("searchOrders", 100)
	got, err := c.Order(t.Context(), o.ID)
	if err != nil || len(got) != 1 || got[0].OrderID != o.ID || got[0].Status != record.Open || got[0].Lines[0].Quantity != 2 {
		t.Errorf("Order() = %+v, %v", got, err)
	}
	if got, err := c.Order(t.Context(), "701-none/..?x"); err != nil || len(got) != 0 {
		t.Errorf("Order() of none = %+v, %v", got, err)
	}
}

// The plan of searching is small and its own: it is spent for orders only, and says for how long.
func TestOrdersAreThrottledApart(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{})
	sim.Put("A", 5)
	for name, spend := range map[string]bool{"by another application": true, "by us": false} {
		now := stock.InstantOf(time.Now())
		if spend {
			sim.Spend("searchOrders", 100)
		}
		var err error
		for range 25 {
			if _, err = c.Orders(t.Context(), now.Add(-time.Hour), now, ""); err != nil {
				break
			}
			if spend {
				break
			}
		}
		failed, ok := errors.AsType[*publisher.RequestError](err)
		if !ok || failed.Class != publisher.Throttled || !failed.Apart || failed.RetryAfter < time.Minute {
			t.Errorf("%s: Orders() = %+v, want throttled apart for minutes", name, err)
		}
	}
	if _, err := c.Set(t.Context(), "k", []publisher.Row{row("A", 2)}); err != nil {
		t.Errorf("Set() meanwhile = %v", err)
	}
}

// A status that we do not know holds the units; one of an order without units says only that it is cancelled.
func TestStrangeOrders(t *testing.T) {
	for _, tt := range []struct {
		body   string
		want   int
		status record.OrderStatus
	}{
		{`{"orderId":"1","fulfillment":{"fulfillmentStatus":"NEW_WORD"},"orderItems":[{"orderItemId":"9","quantityOrdered":1,"product":{"sellerSku":"A"}}]}`, 1, record.Open},
		{`{"orderId":"1","fulfillment":{"fulfillmentStatus":"UNFULFILLABLE","fulfilledBy":"AMAZON"},"orderItems":[]}`, 1, record.Cancelled},
		{`{"orderId":"1","fulfillment":{"fulfillmentStatus":"CANCELLED"},"orderItems":[{"orderItemId":"9","quantityOrdered":0,"product":{"sellerSku":"A"}}]}`, 1, record.Cancelled},
		{`{"orderId":"1","fulfillment":{"fulfillmentStatus":"UNSHIPPED"},"orderItems":[{"orderItemId":"9","quantityOrdered":0}]}`, 0, 0},
	} {
		c := answering(t, fmt.Sprintf(`{"order":%s}`, tt.body))
		got, err := c.Order(t.Context(), "1")
		if err != nil || len(got) != tt.want || tt.want == 1 && got[0].Status != tt.status {
			t.Errorf("Order() of %s = %+v, %v", tt.body, got, err)
		}
	}
	for _, body := range []string{"", "null", "{}", "<html>", `{"orders":null}`, `{"order":{"orderId":"2"}}`} {
		c := answering(t, body)
		if _, err := c.Order(t.Context(), "1"); err == nil {
			t.Errorf("Order() answered by %q = nil error", body)
		}
		if _, err := c.Orders(t.Context(), 1, 2, ""); err == nil {
			t.Errorf("Orders() answered by %q = nil error", body)
		}
	}
}
