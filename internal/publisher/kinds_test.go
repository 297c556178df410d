package publisher_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// settledAs brings a market of another kind to rest with every listing at level.
func settledAs(t *testing.T, m *market, traits func(*publisher.Traits), level stock.Quantity) *bench {
	t.Helper()
	traits(&m.traits)
	return settled(t, m, level)
}

// A channel without compare-and-set is read right before a set, and one that knows no keys is never sent anything twice.
func TestReadableChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(false, map[string]stock.Quantity{"A": 5})
		b := settledAs(t, m, func(tr *publisher.Traits) { tr.Access, tr.KeysLast = dispatch.Readable, 0 }, 5)
		reads := len(m.reads())
		b.offer("web", "A", 3, 0, 0)
		pass(10 * time.Second)
		if m.level("A") != 3 || len(m.reads()) != reads+1 {
			t.Fatalf("the level is %d after %d reads, want 3 after one", m.level("A"), len(m.reads())-reads)
		}
		last := m.sets()[len(m.sets())-1]
		if last.rows[0].Compare != nil {
			t.Errorf("row %+v compares, which the channel cannot", last.rows[0])
		}
		m.meetsWith(failOnce(meets{hang: true})) // applied, and never answered
		b.offer("web", "A", 1, 0, 0)
		pass(2 * time.Second)
		sent := len(m.sets())
		pass(20 * time.Second)
		if len(m.sets()) != sent {
			t.Errorf("%d sets while the outcome is unknown, want none", len(m.sets())-sent)
		}
		pass(time.Minute) // deadline and settle time have passed: it is read
		b.mark("web")
		pass(10 * time.Second)
		if m.level("A") != 1 || b.stage.Pending() != 0 {
			t.Errorf("the level is %d with %d pending, want 1 and 0", m.level("A"), b.stage.Pending())
		}
		keys := map[string]bool{}
		for _, c := range m.sets() {
			if keys[c.key] {
				t.Errorf("key %s was sent twice", c.key)
			}
			keys[c.key] = true
		}
	})
}

// A zero overtakes its row of a batch of unknown outcome. The rest of the batch is not what was sent: it is never sent again, and
// settles by itself, also after a restart.
func TestZeroOvertakesARowOfABatch(t *testing.T) {
	for _, restart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := newMarket(false, map[string]stock.Quantity{"A": 5, "B": 5, "C": 5})
			b := settled(t, m, 5)
			for _, sku := range []string{"B", "C"} {
				b.offer("web", sku, 5, 0, 0)
			}
			for range 2 {
				pass(time.Minute)
				b.mark("web")
			}
			pass(time.Minute)
			before := len(m.sets())
			m.meetsWith(func(n int, c call) meets { return meets{lost: len(c.rows) == 3} })
			for _, sku := range []string{"A", "B", "C"} {
				b.offer("web", sku, 3, 0, 0)
			}
			pass(4 * time.Second) // it has left
			b.offer("web", "B", 0, 0, 0)
			pass(7 * time.Second) // it is given up, and the zero goes
			if m.level("B") != 0 {
				t.Fatalf("the level is %d, want 0", m.level("B"))
			}
			if restart {
				b.work() // the former owner is fenced
			}
			m.meetsWith(nil)
			pass(2 * time.Minute)
			b.mark("web")
			pass(2 * time.Minute)
			for sku, want := range map[string]stock.Quantity{"A": 3, "B": 0, "C": 3} {
				if m.level(sku) != want {
					t.Errorf("the level of %s is %d, want %d (restart %t)", sku, m.level(sku), want, restart)
				}
			}
			for _, c := range m.sets()[before+1:] {
				if c.key == m.sets()[before].key {
					t.Errorf("the batch was sent again (restart %t)", restart)
				}
			}
			if b.stage.Pending() != 0 {
				t.Errorf("%d pending at rest", b.stage.Pending())
			}
		})
	}
}

// Of a batch of unknown outcome one row is sold out, then another, and a third was sold out before: each is told at once, though the batch
// is not sent again and takes minutes to settle.
func TestSellOutsOfATornBatch(t *testing.T) {
	for _, keys := range []time.Duration{24 * time.Hour, 0} {
		t.Run(fmt.Sprint("keys last ", keys), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMarket(false, map[string]stock.Quantity{"A": 5, "B": 5, "C": 5, "D": 5, "X": 5})
				m.traits.KeysLast, m.traits.Settle = keys, 10*time.Minute
				b := settled(t, m, 5)
				for _, sku := range []string{"B", "C", "D", "X"} {
					b.offer("web", sku, 5, 0, 0)
				}
				for range 2 {
					pass(time.Minute)
					b.mark("web")
				}
				pass(time.Minute)
				m.meetsWith(func(_ int, c call) meets { return meets{lost: len(c.rows) == 4} })
				b.offer("web", "X", 4, 0, 0)
				pass(time.Second)
				for _, sku := range []string{"A", "B", "D"} {
					b.offer("web", sku, 3, 0, 0)
				}
				pass(2500 * time.Millisecond) // X has left, the others wait for more
				b.offer("web", "C", 0, 0, 0)
				pass(4 * time.Second)
				if sets := m.sets(); len(sets[len(sets)-1].rows) != 4 {
					t.Fatalf("the last call is %+v, want one of four rows", sets[len(sets)-1])
				}
				b.offer("web", "A", 0, 0, 0)
				pass(3 * time.Second) // it is given up, and the zeros go
				b.offer("web", "B", 0, 0, 0)
				pass(time.Second)
				for sku, want := range map[string]stock.Quantity{"A": 0, "B": 0, "C": 0, "D": 5} {
					if got := m.level(sku); got != want {
						t.Errorf("the level of %s is %d a second after the last sell-out, want %d: %v", sku, got, want, b.said.about(sku))
					}
				}
				pass(15 * time.Minute)
				for range 3 {
					b.mark("web")
					pass(15 * time.Minute)
				}
				for sku, want := range map[string]stock.Quantity{"A": 0, "B": 0, "C": 0, "D": 3} {
					if got := m.level(sku); got != want || b.stage.Pending() != 0 {
						t.Errorf("the level of %s is %d with %d pending in the end, want %d at rest: %v", sku, got, b.stage.Pending(), want, b.said.about(sku))
					}
				}
				checkSaid(t, b.said.list())
			})
		})
	}
}

// One bad row among many is found by halving, not by sending each row by itself.
func TestBisecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rows = 250
		levels := map[string]stock.Quantity{"BAD": 5}
		for i := range rows - 1 {
			levels[fmt.Sprintf("S%03d", i)] = 5
		}
		m := newMarket(true, levels)
		m.traits.BatchRows = rows
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.declare("web", nil)
		b.work()
		for sku := range levels {
			b.offer("web", sku, 5, 0, 0)
		}
		pass(time.Minute)
		b.mark("web")
		pass(time.Minute)
		m.meetsWith(func(_ int, c call) meets {
			if c.key != "" && slices.ContainsFunc(c.rows, func(r publisher.Row) bool { return r.SKU == "BAD" }) {
				return meets{before: &publisher.RequestError{Class: publisher.Refused, Reason: "a row is bad"}}
			}
			return meets{}
		})
		before := len(m.sets())
		for sku := range levels {
			b.offer("web", sku, 4, 0, 0)
		}
		pass(10 * time.Minute)
		for sku := range levels {
			if want := stock.Quantity(4); sku != "BAD" && m.level(sku) != want {
				t.Fatalf("the level of %s is %d, want %d", sku, m.level(sku), want)
			}
		}
		if n := len(m.sets()) - before; n > 20 {
			t.Errorf("%d requests, want at most 20 to find one row of %d", n, rows)
		}
		if about := b.said.about("BAD"); about[len(about)-1] != "quarantined" {
			t.Errorf("the bad row: %v, want it put aside", about)
		}
	})
}

// A wrong address or a revoked token is no row's fault: nothing is put aside, the channel is tried now and then, and goes on.
func TestWholeChannelIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5, "B": 5})
		b := settled(t, m, 5)
		m.meetsWith(func(int, call) meets {
			return meets{before: &publisher.RequestError{Class: publisher.Unauthorised, Reason: "401", WholeChannel: true}}
		})
		before := len(m.sets())
		b.offer("web", "A", 3, 0, 0)
		pass(time.Hour)
		if n := len(m.sets()) - before; n < 10 || n > int(2*time.Hour/b.cfg.RetryMax) {
			t.Errorf("%d requests in an hour, want one now and then", n)
		}
		if slices.Contains(b.said.about("A"), "quarantined") {
			t.Errorf("A was put aside: %v", b.said.about("A"))
		}
		m.meetsWith(nil)
		pass(2 * time.Minute)
		if m.level("A") != 3 {
			t.Errorf("the level is %d when the token is right again, want 3", m.level("A"))
		}
	})
}

// What the channel says of its account's allowance is kept to.
func TestAllowance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		levels := map[string]stock.Quantity{}
		for i := range 30 {
			levels[fmt.Sprintf("S%02d", i)] = 5
		}
		m := newMarket(true, levels)
		m.traits.BatchRows = 1
		m.allowance = &publisher.Allowance{Now: 0, Most: 20, PerSecond: 1, Cost: 10}
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.declare("web", nil)
		b.work()
		for sku := range levels {
			b.offer("web", sku, 5, 0, 0)
		}
		pass(100 * time.Second)
		if n := len(m.reads()); n < 9 || n > 14 {
			t.Errorf("%d reads in 100 s where one is earned every 10 s", n)
		}
	})
}

// A listing that the channel would not sell is put aside with the reason, said once, and taken up again when a later read finds it.
func TestUnsellable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{})
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.cfg.ReadBackEvery = 10 * time.Minute
		b.declare("web", nil)
		b.work()
		b.offer("web", "A", 5, 0, 0)
		pass(time.Hour)
		wantSaid(t, b, "A", "quarantined")
		m.put("A", 2)
		pass(15 * time.Minute)
		b.mark("web")
		pass(time.Minute)
		if m.level("A") != 5 {
			t.Errorf("the level is %d, want 5: %v", m.level("A"), b.said.about("A"))
		}
	})
}

// A channel that never had a mark is given its grace; one that had is waited for, also by the next owner.
func TestGrace(t *testing.T) {
	for _, marked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := newMarket(false, map[string]stock.Quantity{"A": 1})
			b := newBench(t, map[string]publisher.Connector{"web": m})
			b.declare("web", func(c *record.Channel) { c.Publish.Grace = 90 * time.Second })
			if marked {
				b.mark("web")
				stop := b.work()
				pass(time.Second)
				if err := stop(); err != nil {
					t.Fatal(err)
				}
			}
			b.offer("web", "A", 5, 0, 0)
			b.work()
			pass(80 * time.Second)
			if m.level("A") != 1 {
				t.Fatalf("the level is %d within the grace, want 1", m.level("A"))
			}
			pass(30 * time.Second)
			want := stock.Quantity(5)
			if marked {
				want = 1
			}
			if m.level("A") != want {
				t.Errorf("the level is %d after the grace, want %d (marked %t)", m.level("A"), want, marked)
			}
		})
	}
}

// A key is used as long as the channel is sure to know it, and not a moment longer: then the level is read.
func TestKeysExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := settledAs(t, m, func(tr *publisher.Traits) { tr.KeysLast = 2 * time.Minute }, 5)
		m.meetsWith(func(_ int, c call) meets { return meets{lost: c.key != ""} })
		b.offer("web", "A", 3, 0, 0)
		pass(10 * time.Minute)
		m.meetsWith(nil)
		pass(5 * time.Minute)
		if m.level("A") != 3 || b.stage.Pending() != 0 {
			t.Errorf("the level is %d with %d pending, want 3 and 0", m.level("A"), b.stage.Pending())
		}
		first := map[string]time.Time{}
		for _, c := range m.sets() {
			if _, ok := first[c.key]; !ok {
				first[c.key] = c.at
			}
			if age := c.at.Sub(first[c.key]); age > 2*time.Minute {
				t.Errorf("key %s was used %s after its first time", c.key, age)
			}
		}
		if len(first) < 3 {
			t.Errorf("%d keys in 10 minutes, want a new one after every two", len(first))
		}
	})
}
