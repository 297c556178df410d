package publisher_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A row that the channel fails at, without saying so, holds up the rows of its batch for a while only.
func TestRowThatFailsItsBatch(t *testing.T) {
	for _, compare := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m := newMarket(compare, map[string]stock.Quantity{"A": 5, "BAD": 5, "C": 5})
			b := settled(t, m, 5)
			for _, sku := range []string{"BAD", "C"} {
				b.offer("web", sku, 5, 0, 0)
			}
			for range 2 {
				pass(time.Minute)
				b.mark("web")
			}
			pass(time.Minute)
			m.meetsWith(func(_ int, c call) meets {
				if c.key != "" && slices.ContainsFunc(c.rows, func(r publisher.Row) bool { return r.SKU == "BAD" }) {
					return meets{before: &publisher.RequestError{Class: publisher.ServerError, Reason: "500"}}
				}
				return meets{}
			})
			for _, sku := range []string{"A", "BAD", "C"} {
				b.offer("web", sku, 2, 0, 0)
			}
			pass(5 * time.Minute)
			if m.level("A") != 2 || m.level("C") != 2 {
				t.Errorf("the levels beside the bad row are %d and %d, want 2 (compare and set %t)", m.level("A"), m.level("C"), compare)
			}
			if m.level("BAD") != 5 || b.stage.Pending() != 1 {
				t.Errorf("the bad row's level is %d with %d pending, want 5 and 1: it is tried for ever", m.level("BAD"), b.stage.Pending())
			}
			m.meetsWith(nil)
			pass(5 * time.Minute)
			if m.level("BAD") != 2 || b.stage.Pending() != 0 {
				t.Errorf("the bad row's level is %d with %d pending when the channel can take it, want 2 and 0", m.level("BAD"), b.stage.Pending())
			}
			checkSaid(t, b.said.list())
		})
	}
}
