package publisher_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// What is stored of a listing at rest, key and value, and of one that is under way. What Redis needs for them is measured by
// TestToldStateOnRedis in simtest.
func TestToldRowsAreSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const listings = 200
		levels := map[string]stock.Quantity{}
		for i := range listings {
			levels[fmt.Sprintf("SKU-%07d", i)] = stock.Quantity(i)
		}
		m := newMarket(true, levels)
		m.traits.BatchRows = 50
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.declare("web", nil)
		sizes := func() (mean float64) {
			sum, n := 0, 0
			for key, value := range b.told.(*memory).partition(3).rows {
				if len(key[1]) > len("orders") {
					sum += len(key[1]) + len(value)
					n++
				}
			}
			if n != listings {
				t.Fatalf("%d rows, want %d", n, listings)
			}
			return float64(sum) / listings
		}
		for sku, level := range levels {
			b.offer("web", sku, level+1, 1000, 20)
		}
		stop := b.work()
		for range 3 {
			pass(time.Minute)
			b.mark("web")
		}
		pass(time.Minute)
		atRest := sizes()
		m.meetsWith(func(int, call) meets { return meets{after: &publisher.RequestError{Class: publisher.ServerError}} })
		for sku, level := range levels {
			b.offer("web", sku, level+7, 1002, 20)
		}
		pass(time.Minute)
		underWay := sizes()
		if err := stop(); err != nil {
			t.Error(err)
		}
		t.Logf("key and value: %.0f bytes a listing at rest, %.0f with a request of unknown outcome", atRest, underWay)
		if atRest > 56 || underWay > 120 {
			t.Error("want 56 and 120 at the most")
		}
	})
}
