package publisher_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A bulkBench has 40 listings at rest at 5, beside A, on a channel that is read and then set, and takes bulks from 20 rows on.
func bulkBench(t *testing.T) (*market, *bench) {
	t.Helper()
	levels := map[string]stock.Quantity{"A": 5}
	for i := range 40 {
		levels[bulkSKU(i)] = 5
	}
	m := newMarket(false, levels)
	b := settledAs(t, m, func(tr *publisher.Traits) {
		tr.Access, tr.KeysLast, tr.Settle, tr.BatchRows = dispatch.Readable, 0, 10*time.Minute, 4
		tr.Bulk = publisher.Bulk{From: 20, Rows: 30, Timeout: 5 * time.Minute}
	}, 5)
	for i := range 40 {
		b.offer("web", bulkSKU(i), 5, 0, 0)
	}
	pass(time.Minute)
	b.mark("web")
	pass(time.Minute)
	return m, b
}

func bulkSKU(i int) string { return fmt.Sprintf("B%02d", i) }

// Many rows make a bulk, which is read at once and set at once. While it takes its time, a sell-out goes within a second, and a decrease
// after its quiet time; neither is in it.
func TestABulkHasASlotOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := bulkBench(t)
		m.meetsWith(func(_ int, c call) meets {
			if c.key != "" && len(c.rows) > 4 {
				return meets{slow: 4 * time.Minute}
			}
			return meets{}
		})
		reads, sets := len(m.reads()), len(m.sets())
		var offers []record.OfferRecord
		for i := range 40 {
			offers = append(offers, b.anOffer("web", bulkSKU(i), 9, 0, 0))
		}
		b.offers.append(offers...)
		pass(10 * time.Second)
		largest := 0
		for _, c := range m.sets()[sets:] {
			largest = max(largest, len(c.rows))
		}
		if got := len(m.reads()) - reads; got > 10 || largest < 20 || largest > 30 {
			t.Fatalf("%d reads, the largest set has %d rows, want a bulk of 20 to 30 read and set", got, largest)
		}
		b.offer("web", "A", 3, 0, 0)
		pass(10 * time.Second)
		if m.level("A") != 3 {
			t.Errorf("the level is %d ten seconds after the decrease, want 3: the bulk is under way", m.level("A"))
		}
		b.offer("web", "A", 0, 0, 0)
		pass(time.Second)
		if m.level("A") != 0 {
			t.Errorf("the level is %d a second after the sell-out, want 0", m.level("A"))
		}
		b.mark("web")
		pass(20 * time.Minute)
		for i := range 40 {
			if m.level(bulkSKU(i)) != 9 {
				t.Errorf("the level of %s is %d, want 9", bulkSKU(i), m.level(bulkSKU(i)))
			}
		}
		if b.stage.Pending() != 0 {
			t.Errorf("%d pending at rest", b.stage.Pending())
		}
		for _, c := range m.sets()[sets:] {
			for _, r := range c.rows {
				if len(c.rows) > 4 && (r.SKU == "A" || r.Quantity == 0) {
					t.Errorf("%+v is in a bulk", r)
				}
			}
		}
	})
}

// Who takes over from an owner whose bulk is open sends nothing about its rows until it cannot land any more: its own time, then the
// channel's. Then they are read.
func TestABulkIsOpenAtTakeover(t *testing.T) {
	for name, applied := range map[string]bool{"it landed": true, "it was lost": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, b := bulkBench(t)
				m.meetsWith(func(_ int, c call) meets {
					return meets{hang: applied && c.key != "" && len(c.rows) > 4, lost: !applied && c.key != "" && len(c.rows) > 4}
				})
				sets := len(m.sets())
				for i := range 25 {
					b.offer("web", bulkSKU(i), 9, 0, 0)
				}
				pass(10 * time.Second)
				open := map[string]bool{}
				for _, c := range m.sets()[sets:] {
					for _, r := range c.rows {
						open[r.SKU] = open[r.SKU] || len(c.rows) > 4
					}
				}
				if len(open) < 20 {
					t.Fatalf("%d rows are in a bulk, want more", len(open))
				}
				if err := b.stop(); err != nil {
					t.Error(err)
				}
				sets, reads := len(m.sets()), len(m.reads())
				m.meetsWith(nil)
				stop := b.work()
				pass(15*time.Minute - 30*time.Second)
				for _, c := range append(m.sets()[sets:], m.reads()[reads:]...) {
					for _, r := range c.rows {
						if open[r.SKU] {
							t.Fatalf("a call about %s before the bulk's time and the channel's were over", r.SKU)
						}
					}
				}
				pass(time.Minute)
				for range 5 {
					b.mark("web")
					pass(time.Minute)
				}
				for i := range 25 {
					if m.level(bulkSKU(i)) != 9 {
						t.Errorf("the level of %s is %d, want 9", bulkSKU(i), m.level(bulkSKU(i)))
					}
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
