package publisher_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// Listings change one after the other, each by itself, as tills and shoppers have it: they are told together, each within its longest
// wait, and what is sold out does not wait for them but takes them along.
func TestChangesLeaveTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const listings, quiet, longest = 300, 2 * time.Second, 10 * time.Second
		levels := map[string]stock.Quantity{}
		for i := range listings {
			levels[fmt.Sprint("SKU-", i)] = 5
		}
		levels["A"] = 5
		m := newMarket(true, levels)
		m.traits.BatchRows = 250
		b := settled(t, m, 5)
		for sku := range levels {
			b.offer("web", sku, 5, 0, 0)
		}
		for range 2 {
			pass(time.Minute)
			b.mark("web")
		}
		pass(time.Minute)
		before := len(m.sets())

		random := rand.New(rand.NewPCG(1, 1))
		type change struct {
			at   time.Time
			sku  string
			zero bool
		}
		var changes []change
		for n := range 1200 { // 20 a second
			c := change{at: time.Now(), sku: fmt.Sprint("SKU-", random.IntN(listings)), zero: n%100 == 99}
			quantity := stock.Quantity(10 + n) // never what is told already
			if c.zero {
				quantity = 0
			}
			b.offer("web", c.sku, quantity, 0, 0)
			changes = append(changes, c)
			pass(50 * time.Millisecond)
		}
		pass(longest)
		calls := m.sets()[before:]
		t.Logf("%d changes in %d calls, %.0f times fewer", len(changes), len(calls), float64(len(changes))/float64(len(calls)))
		if 20*len(calls) > len(changes) {
			t.Errorf("%d calls for %d changes, want 20 times fewer", len(calls), len(changes))
		}
		alone := 0
		for _, c := range calls {
			if len(c.rows) == 1 {
				alone++
			}
		}
		if alone > len(calls)/4 {
			t.Errorf("%d of %d calls hold one row", alone, len(calls))
		}
		for _, c := range changes {
			within := longest
			if c.zero {
				within = 100 * time.Millisecond
			}
			told := false
			for _, call := range calls {
				for _, r := range call.rows {
					told = told || r.SKU == c.sku && !call.at.Before(c.at) && call.at.Sub(c.at) <= within
				}
			}
			if !told {
				t.Errorf("%s changed at %v (sold out: %t) and was not told within %v", c.sku, c.at, c.zero, within)
			}
		}
	})
}

// The only change is told after its quiet time. Those that follow wait until as long after it for others, unless they fill a request.
func TestAChangeWaitsForOthersOnlyAfterACall(t *testing.T) {
	const late = 10 * time.Millisecond
	for name, rows := range map[string]int{"a full request": 10, "all but a full one": 9} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMarket(true, map[string]stock.Quantity{"A": 5})
				b := settled(t, m, 5)
				for i := range rows {
					sku := fmt.Sprint("SKU-", i)
					m.mu.Lock()
					m.levels[sku] = 5
					m.mu.Unlock()
					b.offer("web", sku, 5, 0, 0)
				}
				for range 2 {
					pass(time.Minute)
					b.mark("web")
				}
				pass(time.Minute)
				began, before := time.Now(), len(m.sets())
				b.offer("web", "A", 4, 0, 0)
				pass(time.Second)
				for i := range rows {
					b.offer("web", fmt.Sprint("SKU-", i), 7, 0, 0)
				}
				pass(9 * time.Second)
				sets := m.sets()[before:]
				if len(sets) != 2 || len(sets[0].rows) != 1 || len(sets[1].rows) != rows {
					t.Fatalf("the calls are %v, want one of a row and one of %d", sets, rows)
				}
				want := 4 * time.Second
				if rows == m.traits.BatchRows {
					want = 3 * time.Second
				}
				if first, second := sets[0].at.Sub(began), sets[1].at.Sub(began); first > 2*time.Second+late || second < want || second > want+late {
					t.Errorf("the calls came after %v and %v, want 2s and %v", first, second, want)
				}
			})
		})
	}
}

// A sell-out takes along what waits for more, but not where one stale row has the whole call turned away.
func TestWhatASellOutTakesAlong(t *testing.T) {
	for _, spoils := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := newMarket(true, map[string]stock.Quantity{"A": 5, "B": 5, "C": 5})
			m.traits.StaleSpoils = spoils
			b := settled(t, m, 5)
			b.offer("web", "B", 5, 0, 0)
			b.offer("web", "C", 5, 0, 0)
			for range 2 {
				pass(time.Minute)
				b.mark("web")
			}
			pass(time.Minute)
			before := len(m.sets())
			b.offer("web", "A", 4, 0, 0)
			pass(time.Second)
			b.offer("web", "B", 3, 0, 0)
			pass(2500 * time.Millisecond) // A has left, B waits for more
			b.offer("web", "C", 0, 0, 0)
			pass(10 * time.Millisecond)
			sets := m.sets()[before:]
			if len(sets) != 2 || m.level("C") != 0 {
				t.Fatalf("%d calls, C shows %d, want the second one to tell the sell-out", len(sets), m.level("C"))
			}
			if alone := len(sets[1].rows) == 1; alone != spoils {
				t.Errorf("the sell-out went with %d rows, where one stale row spoils all: %t", len(sets[1].rows), spoils)
			}
			pass(time.Second)
			if m.level("B") != 3 {
				t.Errorf("B shows %d, want 3", m.level("B"))
			}
		})
	}
}
