package publisher_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A sell-out comes while a bulk of listings is going out on the same account, 250 in a call of 300 ms: it is told within a
// second. Behind what stands before it, as in one lane, it would have waited for the rest of the bulk. BULK says how many
// listings (10,000).
func TestASellOutPassesABulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listings := 10_000
		if n, err := strconv.Atoi(os.Getenv("BULK")); err == nil {
			listings = n
		}
		lane, behind := sellOutDuringABulk(t, listings)
		t.Logf("during a bulk of %d listings a sell-out is acknowledged after %v; in one lane it would be after %v", listings, lane, behind)
		if lane > time.Second || behind < 5*lane {
			t.Error("want a second at the most, and a bulk that takes much longer")
		}
	})
}

// sellOutDuringABulk returns how long it takes during a bulk until a sell-out is acknowledged, and until what stood before it is.
func sellOutDuringABulk(t *testing.T, listings int) (lane, behind time.Duration) {
	levels := map[string]stock.Quantity{"HOT": 5}
	sku := func(i int) string { return fmt.Sprintf("SKU-%06d", i) }
	for i := range listings {
		levels[sku(i)] = 0
	}
	m := newMarket(true, levels)
	m.traits.BatchRows, m.traits.RequestsPerSecond = 250, 10
	b := newBench(t, map[string]publisher.Connector{"web": m})
	b.declare("web", nil)
	b.offer("web", "HOT", 5, 0, 0)
	b.work()
	for i := range listings {
		b.offer("web", sku(i), 0, 0, 0)
	}
	for range 3 {
		pass(2 * time.Minute)
		b.mark("web")
	}
	pass(2 * time.Minute)
	const takes = 300 * time.Millisecond // of a call
	m.meetsWith(func(int, call) meets { return meets{slow: takes} })
	for i := range listings {
		b.offer("web", sku(i), 7, 0, 0)
	}
	pass(3 * time.Second) // the debounce has ended, and the first calls are under way
	came := time.Now()
	b.offer("web", "HOT", 0, 0, 0)
	pass(10 * time.Minute)
	for _, c := range m.sets() {
		for _, r := range c.rows {
			switch {
			case r.SKU == "HOT" && r.Quantity == 0:
				lane = c.at.Sub(came) + takes
			case r.Quantity == 7:
				behind = max(behind, c.at.Sub(came)+takes)
			}
		}
	}
	if lane == 0 {
		t.Fatal("the sell-out was not sent")
	}
	return lane, behind
}
