package publisher_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Nothing is heard of a shop's orders for two hours, in which it sells: the other channel goes on, what is known of the silent one's stock
// is still told to it, without giving back what it sold, and the operator sees which it is and since when. When it speaks again it shows
// what is right, though the owner changed meanwhile.
func TestAShopWhoseOrdersAreSilent(t *testing.T) {
	for name, compare := range map[string]bool{"comparing": true, "blind": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { silentForTwoHours(t, compare) })
		})
	}
}

func silentForTwoHours(t *testing.T, compare bool) {
	silent, other := newMarket(compare, map[string]stock.Quantity{"A": 0, "B": 0}), newMarket(true, map[string]stock.Quantity{"A": 0, "B": 0})
	b := newBench(t, map[string]publisher.Connector{"silent": silent, "other": other})
	registry := prometheus.NewRegistry()
	b.metrics = registry
	b.declare("silent", nil)
	b.declare("other", nil)
	supply := map[string]stock.Quantity{"A": 20, "B": 5}
	sold := map[string]stock.Quantity{} // by the silent one, folded
	offer := func(sku string) {
		q := max(0, supply[sku]-sold[sku])
		b.offer("silent", sku, q, sold[sku], 0)
		b.offer("other", sku, q, 0, 0)
	}
	offer("A")
	offer("B")
	b.work()
	for range 3 {
		pass(time.Minute)
		b.mark("silent")
		b.mark("other")
	}
	pass(time.Minute)
	if silent.level("A") != 20 || silent.level("B") != 5 || other.level("A") != 20 {
		t.Fatalf("at first the silent one shows %d and %d, the other %d", silent.level("A"), silent.level("B"), other.level("A"))
	}
	b.mark("silent")
	b.mark("other")
	last := time.Now()
	pass(time.Minute)

	unheard := map[string]stock.Quantity{}
	for minute := range 120 {
		switch minute % 10 {
		case 3: // it sells, and nobody hears of it
			if silent.level("A") > 0 {
				silent.put("A", -1)
				unheard["A"]++
			}
		case 5:
			supply["A"]--
			offer("A")
		case 7:
			supply["A"] += 2
			offer("A")
		}
		switch minute {
		case 40:
			supply["B"] = 0
			offer("B")
		case 60: // somebody else takes the partition
			if err := b.stop(); err != nil {
				t.Fatal(err)
			}
			registry = prometheus.NewRegistry()
			b.metrics = registry
			b.work()
		}
		pass(time.Minute - 10*time.Second)
		b.mark("other")
		pass(10 * time.Second)
		if got := other.level("A"); got != supply["A"]-sold["A"] {
			t.Fatalf("minute %d: the other shows %d of A, want %d: it must not wait for the silent one", minute, got, supply["A"])
		}
		if got, most := silent.level("A"), supply["A"]-unheard["A"]; compare && got > most {
			t.Errorf("minute %d: the silent one shows %d of A, of which it may %d: sold stock was given back", minute, got, most)
		}
		if got := silent.level("B"); minute > 40 && got != 0 {
			t.Errorf("minute %d: the silent one shows %d of B, which is sold out", minute, got)
		}
	}
	until := gauges(t, registry, "shelfwire_publisher_orders_known_until_timestamp_seconds")
	if got := until["acme/silent"]; got.Sub(last).Abs() > time.Second {
		t.Errorf("the silent one's orders are said to be known until %v, want %v", got, last)
	}
	if got := until["acme/other"]; time.Since(got) > time.Minute {
		t.Errorf("the other's orders are said to be known until %v, at %v", got, time.Now())
	}
	if !strings.Contains(b.logs.String(), "acme/silent") || strings.Contains(b.logs.String(), "acme/other") {
		t.Errorf("the log names another channel than the silent one:\n%s", b.logs)
	}

	sold["A"] = unheard["A"] // it speaks again
	offer("A")
	for range 4 {
		b.mark("silent")
		b.mark("other")
		pass(time.Minute)
	}
	for _, m := range []*market{silent, other} {
		if got, want := m.level("A"), supply["A"]-sold["A"]; got != want {
			t.Errorf("in the end one shows %d of A, want %d", got, want)
		}
	}
	if n := b.stage.Pending(); n != 0 {
		t.Errorf("%d listings are pending in the end", n)
	}
	for _, c := range b.said.list() {
		if c.Reason == "drift" {
			t.Errorf("a sale that was not heard of counts as drift: %+v", c)
		}
	}
	checkSaid(t, b.said.list())
}

// A channel is out of order for an hour: the other goes on, the operator sees which it is, since when and whether it is ours to mend, and
// all that has changed meanwhile is told when it answers again, what is sold out with the first request.
func TestAnHourOfFailures(t *testing.T) {
	failure := publisher.RequestError{Class: publisher.ServerError, Reason: "500"}
	for name, trouble := range map[string]struct {
		meets meets
		held  string
	}{
		"500 before it is applied": {meets{before: &failure}, "false"},
		"500 after it is applied":  {meets{after: &failure}, "false"},
		"a revoked token": {meets{before: &publisher.RequestError{
			Class: publisher.Unauthorised, Reason: "401", WholeChannel: true,
		}}, "true"},
	} {
		for _, compare := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, compare-and-set %t", name, compare), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { anHourOfFailures(t, compare, trouble.meets, trouble.held) })
			})
		}
	}
}

func anHourOfFailures(t *testing.T, compare bool, trouble meets, held string) {
	const listings = 30
	sku := func(i int) string { return fmt.Sprintf("S%02d", i%listings) }
	levels := map[string]stock.Quantity{}
	for i := range listings {
		levels[sku(i)] = 0
	}
	broken, other := newMarket(compare, levels), newMarket(true, levels)
	b := newBench(t, map[string]publisher.Connector{"broken": broken, "other": other})
	registry := prometheus.NewRegistry()
	b.metrics = registry
	for _, channel := range []string{"broken", "other"} {
		b.declare(channel, nil)
		for i := range listings {
			b.offer(channel, sku(i), 50, 0, 0)
		}
	}
	b.work()
	for range 3 {
		pass(time.Minute)
		b.mark("broken")
		b.mark("other")
	}
	pass(time.Minute)
	broken.meetsWith(func(_ int, c call) meets {
		if trouble.after != nil && c.key == "" { // a read
			return meets{before: trouble.after}
		}
		return trouble
	})
	want := map[string]stock.Quantity{}
	before, began := len(broken.sets()), time.Now()
	for minute := range 60 {
		for _, i := range []int{minute, 7*minute + 3} {
			want[sku(i)] = 49 - stock.Quantity(minute%40)
			if minute == 50 {
				want[sku(i)] = 0
			}
			b.offer("broken", sku(i), want[sku(i)], 0, 0)
			b.offer("other", sku(i), want[sku(i)], 0, 0)
		}
		pass(time.Minute)
		for sku, quantity := range want {
			if got := other.level(sku); got != quantity {
				t.Fatalf("minute %d: the other shows %d of %s, want %d: it must not wait for the broken one", minute, got, sku, quantity)
			}
		}
		if minute%10 == 9 {
			b.mark("other")
			b.mark("broken")
		}
	}
	if n := len(broken.sets()) - before; n < 30 || n > int(2*time.Hour/b.cfg.RetryMax) {
		t.Errorf("%d requests in the hour, want one now and then", n)
	}
	since := gauges(t, registry, "shelfwire_publisher_failing_since_timestamp_seconds")
	if at, ok := since["acme/broken "+held]; len(since) != 1 || !ok || at.Sub(began) > time.Minute || at.Before(began) {
		t.Errorf("failing since: %v, want the broken channel alone, held %s, since %v", since, held, began)
	}
	broken.meetsWith(nil)
	for range 4 {
		pass(time.Minute)
		b.mark("broken")
		b.mark("other")
	}
	pass(time.Minute)
	for sku, quantity := range want {
		if got := broken.level(sku); got != quantity {
			t.Errorf("in the end it shows %d of %s, want %d: %v", got, sku, quantity, b.said.about(sku))
		}
	}
	if since := gauges(t, registry, "shelfwire_publisher_failing_since_timestamp_seconds"); len(since) != 0 || b.stage.Pending() != 0 {
		t.Errorf("in the end %v fails and %d listings are pending", since, b.stage.Pending())
	}
	for _, c := range b.said.list() {
		if c.State == record.Quarantined {
			t.Errorf("%s was put aside: %s", c.SKU, c.Reason)
		}
	}
	checkSaid(t, b.said.list())
}

// gauges returns the moments that a gauge says, by its labels.
func gauges(t *testing.T, g prometheus.Gatherer, name string) map[string]time.Time {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]time.Time{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			at[strings.Join(labels, " ")] = time.UnixMilli(int64(m.GetGauge().GetValue() * 1000))
		}
	}
	return at
}
