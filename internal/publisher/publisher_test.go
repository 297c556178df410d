package publisher_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// pass lets time pass, and everything that is due in it happen.
func pass(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

// settled gives a bench whose one channel is declared and whose SKU A has a known level, which is its offer.
func settled(t *testing.T, m *market, level stock.Quantity) *bench {
	b := newBench(t, map[string]publisher.Connector{"web": m})
	b.declare("web", nil)
	b.offer("web", "A", level, 0, 0)
	b.work()
	pass(time.Minute)
	b.mark("web")
	pass(time.Minute)
	b.mark("web")
	pass(time.Minute)
	if got := m.level("A"); got != level {
		t.Fatalf("the level is %d at first, want %d", got, level)
	}
	if n := b.stage.Pending(); n != 0 {
		t.Fatalf("Pending() = %d at rest, want 0", n)
	}
	m.mu.Lock()
	m.calls = nil
	m.mu.Unlock()
	b.said.mu.Lock()
	b.said.all = nil
	b.said.mu.Unlock()
	return b
}

func wantSaid(t *testing.T, b *bench, sku string, want ...string) {
	t.Helper()
	if got := b.said.about(sku); !slices.Equal(got, want) {
		t.Errorf("said about %s:\n%s\nwant\n%s", sku, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	checkSaid(t, b.said.list())
}

func TestFirstContactWaitsForAMark(t *testing.T) {
	for _, compare := range []bool{true, false} {
		t.Run(fmt.Sprintf("compare and set %t", compare), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMarket(compare, map[string]stock.Quantity{"A": 9})
				b := newBench(t, map[string]publisher.Connector{"web": m})
				b.declare("web", nil)
				b.offer("web", "A", 4, 0, 0)
				b.work()
				pass(time.Minute)
				if n := len(m.sets()); n != 0 {
					t.Errorf("%d sets before a mark, want none", n)
				}
				if n := b.stage.Pending(); n != 0 {
					t.Errorf("Pending() = %d while it waits for a mark, want 0", n)
				}
				b.mark("web")
				pass(time.Minute)
				if n := len(m.sets()); n != 1 || m.level("A") != 4 {
					t.Errorf("%d sets and a level of %d after a mark, want 1 and 4", n, m.level("A"))
				}
				checkSaid(t, b.said.list())
			})
		})
	}
}

func TestOwnSalesAreNotEchoed(t *testing.T) {
	for _, compare := range []bool{true, false} {
		t.Run(fmt.Sprintf("compare and set %t", compare), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMarket(compare, map[string]stock.Quantity{"A": 5})
				b := settled(t, m, 5)
				for i := range stock.Quantity(4) {
					m.put("A", -1)
					pass(time.Second)
					b.offer("web", "A", 4-i, i+1, 0)
					pass(20 * time.Second)
					b.mark("web")
				}
				pass(time.Minute)
				if n := len(m.sets()); n != 0 {
					t.Errorf("%d sets after own sales only, want none", n)
				}
			})
		})
	}
}

func TestDebounce(t *testing.T) {
	start := func(t *testing.T) (*bench, *market) {
		m := newMarket(true, map[string]stock.Quantity{"A": 20})
		return settled(t, m, 20), m
	}
	sent := func(m *market, begun time.Time) string {
		var list []string
		for _, c := range m.sets() {
			list = append(list, fmt.Sprintf("%d after %s", c.rows[0].Quantity, c.at.Sub(begun).Round(10*time.Millisecond)))
		}
		return strings.Join(list, ", ")
	}
	for _, tt := range []struct {
		name string
		do   func(b *bench)
		want string
	}{
		{"a change goes when it has been quiet", func(b *bench) { b.offer("web", "A", 25, 0, 0) }, "25 after 2s"},
		{"a sell-out goes at once", func(b *bench) { b.offer("web", "A", 0, 0, 0) }, "0 after 0s"},
		{"the low mark goes at once", func(b *bench) { b.offer("web", "A", 1, 0, 0) }, "1 after 0s"},
		{"the newest value wins", func(b *bench) {
			for q := range stock.Quantity(3) {
				b.offer("web", "A", 21+q, 0, 0)
				pass(time.Second)
			}
		}, "23 after 4s"},
		{"a change that never rests goes after the longest wait", func(b *bench) {
			for q := range stock.Quantity(12) {
				b.offer("web", "A", 21+q, 0, 0)
				pass(time.Second)
			}
		}, "30 after 10s, 32 after 13s"},
		{"what ends as it began is not sent", func(b *bench) {
			b.offer("web", "A", 25, 0, 0)
			pass(time.Second)
			b.offer("web", "A", 20, 0, 0)
		}, ""},
		{"a sell-out does not wait for a raise's debounce", func(b *bench) {
			b.offer("web", "A", 25, 0, 0)
			pass(time.Second)
			b.offer("web", "A", 0, 0, 0)
		}, "0 after 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, m := start(t)
				begun := time.Now()
				tt.do(b)
				pass(time.Minute)
				got := sent(m, begun)
				if got != tt.want && !strings.HasPrefix(tt.name, "a change that never rests") {
					t.Errorf("sent %s, want %s", got, tt.want)
				}
				if strings.HasPrefix(tt.name, "a change that never rests") {
					sets := m.sets()
					if len(sets) != 2 || sets[0].at.Sub(begun) > 11*time.Second || sets[0].at.Sub(begun) < 9*time.Second || sets[1].rows[0].Quantity != 32 {
						t.Errorf("sent %s, want one after the longest wait of 10 s and the last value", got)
					}
				}
				if n := b.stage.Pending(); n != 0 {
					t.Errorf("Pending() = %d at rest, want 0", n)
				}
			})
		})
	}
}

// failOnce returns a trouble that the first set meets.
func failOnce(what meets) func(int, call) meets {
	met := false
	return func(_ int, c call) meets {
		if met || c.key == "" {
			return meets{}
		}
		met = true
		return what
	}
}

func TestUnknownOutcomeIsReplayedUnderItsKey(t *testing.T) {
	server := &publisher.RequestError{Class: publisher.ServerError, Reason: "500"}
	for name, what := range map[string]meets{
		"applied, and no answer":       {hang: true},
		"applied, then 500":            {after: server},
		"applied, then cut":            {after: errBroken},
		"lost, and no answer":          {lost: true},
		"not applied, and 500":         {before: server},
		"not applied, nobody answered": {before: &publisher.RequestError{Class: publisher.Connection, Reason: "refused"}},
	} {
		for _, compare := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, compare and set %t", name, compare), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := newMarket(compare, map[string]stock.Quantity{"A": 5})
					b := settled(t, m, 5)
					m.meetsWith(failOnce(what))
					b.offer("web", "A", 3, 0, 0)
					pass(2500 * time.Millisecond)
					// A newer offer comes meanwhile, with another item id: neither may change what is sent again.
					later := b.anOffer("web", "A", 2, 0, 0)
					later.Offer.ChannelIDs = record.Dict{{Key: "item", Value: "another"}}
					b.offers.append(later)
					pass(time.Minute)
					b.mark("web") // the other item is met for the first time
					pass(time.Minute)
					sets := m.sets()
					if len(sets) != 3 || sets[0].key != sets[1].key || sets[2].key == sets[0].key {
						t.Fatalf("the sets were %+v, want two under one key and one under another", sets)
					}
					if first, second := describe(sets[0].rows), describe(sets[1].rows); first != second {
						t.Errorf("the second try was\n%s\nwant what the first was\n%s", second, first)
					}
					if m.level("A") != 2 {
						t.Errorf("the level is %d, want 2", m.level("A"))
					}
					want := []string{"attempted 3/1", "unknown 3/1", "attempted 3/2", "acknowledged 3/2"}
					if compare {
						want = append(want, "observed 3")
					}
					wantSaid(t, b, "A", append(want, "attempted 2/1", "acknowledged 2/1")...)
				})
			})
		}
	}
}

func TestSecondTryTurnedAwaySaysNothingOfTheFirst(t *testing.T) {
	for _, tt := range []struct {
		name  string
		class publisher.Class
		sales stock.Quantity // at the channel after the first try landed
	}{
		{"throttled", publisher.Throttled, 0},
		{"unauthorised", publisher.Unauthorised, 0},
		{"throttled, and the channel sells", publisher.Throttled, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMarket(true, map[string]stock.Quantity{"A": 5})
				b := settled(t, m, 5)
				n := 0
				m.meetsWith(func(_ int, c call) meets {
					if c.key == "" {
						return meets{}
					}
					switch n++; n {
					case 1:
						return meets{hang: true}
					case 2, 3:
						return meets{before: &publisher.RequestError{Class: tt.class, Reason: "no", RetryAfter: time.Second}}
					}
					return meets{}
				})
				b.offer("web", "A", 7, 0, 0)
				pass(4 * time.Second)
				m.put("A", -tt.sales)
				pass(time.Minute)
				sets := m.sets()
				if len(sets) != 4 || sets[0].key != sets[3].key {
					t.Errorf("%d sets, want 4 under one key: %+v", len(sets), sets)
				}
				if want := 7 - tt.sales; m.level("A") != want {
					t.Errorf("the level is %d, want %d", m.level("A"), want)
				}
				wantSaid(t, b, "A", "attempted 7/1", "unknown 7/1", "attempted 7/2", "unknown 7/2", "attempted 7/3", "unknown 7/3",
					"attempted 7/4", "acknowledged 7/4")
			})
		})
	}
}

func TestSecondTryRefusedIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		n := 0
		m.meetsWith(func(_ int, c call) meets {
			if c.key == "" {
				return meets{}
			}
			switch n++; n {
			case 1:
				return meets{hang: true}
			case 2:
				return meets{before: &publisher.RequestError{Class: publisher.Refused, Reason: "410 Gone"}}
			}
			return meets{}
		})
		b.offer("web", "A", 7, 0, 0)
		pass(20 * time.Second)
		b.offer("web", "A", 6, 0, 0) // it must wait: the first try may still land
		pass(10 * time.Second)
		if n := len(m.sets()); n != 2 {
			t.Errorf("%d sets before the first try has settled, want 2", n)
		}
		pass(time.Minute)
		wantSaid(t, b, "A", "attempted 7/1", "unknown 7/1", "attempted 7/2", "unknown 7/2", "quarantined")
		b.offer("web", "A", 6, 0, 0) // a newer offer ends the quarantine, after a look at the level
		pass(time.Minute)
		b.mark("web")
		pass(time.Minute)
		if m.level("A") != 6 || len(m.reads()) == 0 {
			t.Errorf("the level is %d after %d reads, want 6 after some", m.level("A"), len(m.reads()))
		}
		checkSaid(t, b.said.list())
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5, "B": 5})
		m.traits.BatchRows = 1
		b := settled(t, m, 5)
		b.offer("web", "B", 5, 0, 0)
		pass(time.Second)
		b.mark("web")
		pass(time.Minute)
		// A is throttled while B is under way, and B succeeds afterwards: that must not end the pause.
		m.meetsWith(func(_ int, c call) meets {
			if c.key != "" && c.rows[0].SKU == "A" {
				return meets{before: &publisher.RequestError{Class: publisher.Throttled, Reason: "429", RetryAfter: 20 * time.Second}}
			}
			return meets{slow: time.Second}
		})
		asked := time.Now()
		b.offer("web", "A", 0, 0, 0)
		b.offer("web", "B", 0, 0, 0)
		pass(10 * time.Second)
		m.meetsWith(nil)
		b.offer("web", "B", 4, 0, 0)
		pass(time.Minute)
		for _, c := range m.sets() {
			if after := c.at.Sub(asked); after > 500*time.Millisecond && after < 20*time.Second {
				t.Errorf("a set of %s came after %s, want none for 20 s", c.rows[0].SKU, after)
			}
		}
		if m.level("A") != 0 || m.level("B") != 4 {
			t.Errorf("the levels are %d and %d, want 0 and 4", m.level("A"), m.level("B"))
		}
		checkSaid(t, b.said.list())
	})
}

func TestBadRowIsPutAside(t *testing.T) {
	for _, whole := range []bool{true, false} {
		t.Run(fmt.Sprintf("the whole batch is refused %t", whole), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				levels := map[string]stock.Quantity{}
				for i := range 8 {
					levels[fmt.Sprintf("S%d", i)] = 0
				}
				m := newMarket(false, levels)
				b := newBench(t, map[string]publisher.Connector{"web": m})
				b.declare("web", nil)
				for i := range 8 {
					b.offer("web", fmt.Sprintf("S%d", i), 3, 0, 0)
				}
				bad := "S3"
				m.meetsWith(func(_ int, c call) meets {
					if whole && slices.ContainsFunc(c.rows, func(r publisher.Row) bool { return r.SKU == bad }) {
						return meets{before: &publisher.RequestError{Class: publisher.Refused, Reason: "400 S3 is bad"}}
					}
					return meets{}
				})
				if !whole {
					delete(m.levels, bad)
				}
				b.work()
				pass(time.Second)
				b.mark("web")
				pass(3 * time.Minute)
				for i := range 8 {
					sku := fmt.Sprintf("S%d", i)
					said := b.said.about(sku)
					if sku == bad {
						if said[len(said)-1] != "quarantined" {
							t.Errorf("said of %s: %v, want it quarantined", sku, said)
						}
					} else if m.level(sku) != 3 {
						t.Errorf("the level of %s is %d, want 3: %v", sku, m.level(sku), said)
					}
				}
				if n := b.stage.Pending(); n != 0 {
					t.Errorf("Pending() = %d, want 0", n)
				}
				before := len(m.sets())
				m.meetsWith(nil)
				m.put(bad, 0)
				b.offer("web", bad, 2, 0, 0)
				pass(time.Minute)
				if m.level(bad) != 2 || len(m.sets()) != before+1 {
					t.Errorf("after a newer offer the level is %d with %d sets more, want 2 with 1", m.level(bad), len(m.sets())-before)
				}
				checkSaid(t, b.said.list())
			})
		})
	}
}

func TestItemUnknownToTheChannelIsPutAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		b.offer("web", "GHOST", 3, 0, 0)
		b.offer("web", "A", 6, 0, 0)
		pass(time.Minute)
		wantSaid(t, b, "GHOST", "quarantined")
		if m.level("A") != 6 {
			t.Errorf("the level of the other is %d, want 6", m.level("A"))
		}
		if n := b.stage.Pending(); n != 0 {
			t.Errorf("Pending() = %d, want 0", n)
		}
	})
}

// A channel that nobody has configured, one whose flow is off and one that was never declared hold their offers, and the owner
// sleeps.
func TestHeldOffersAndNoSpinning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 1})
		b := newBench(t, map[string]publisher.Connector{"off": m})
		b.declare("nowhere", nil)
		b.declare("off", func(c *record.Channel) { c.Flows.Stock = false })
		for _, channel := range []string{"nowhere", "off", "undeclared"} {
			b.offer(channel, "A", 4, 0, 0)
		}
		b.work()
		pass(time.Second)
		var held []string
		for _, c := range b.said.list() {
			if c.State == record.Held {
				held = append(held, fmt.Sprintf("%s/%s of %s: %s", c.Pool, c.Channel, c.Account, c.Reason))
			}
		}
		want := []string{
			"acme/nowhere of account: no end point is configured for the channel", "acme/off of account: the channel's stock flow is off",
			"acme/undeclared of account: the channel is not declared",
		}
		if !slices.Equal(held, want) {
			t.Errorf("held\n%s\nwant\n%s", strings.Join(held, "\n"), strings.Join(want, "\n"))
		}
		if n := b.stage.Pending(); n != 0 {
			t.Errorf("Pending() = %d, want 0", n)
		}
		before := b.looks.Load()
		pass(time.Hour)
		if n := b.looks.Load() - before; n > 5*3600 {
			t.Errorf("the owner looked at the clock %d times in an idle hour, want a few times a second", n)
		}
		b.declare("off", nil) // switched on
		pass(time.Second)
		b.mark("off")
		pass(time.Minute)
		if m.level("A") != 4 {
			t.Errorf("the level is %d after the flow is on, want 4", m.level("A"))
		}
	})
}

// The owner must not spin in any of the states in which it waits.
func TestNoSpinningWhileItWaits(t *testing.T) {
	for name, what := range map[string]meets{
		"for a retry":  {before: &publisher.RequestError{Class: publisher.Throttled, Reason: "429", RetryAfter: time.Hour}},
		"for a replay": {before: &publisher.RequestError{Class: publisher.ServerError, Reason: "503", RetryAfter: time.Hour}},
		"for a reply":  {lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMarket(true, map[string]stock.Quantity{"A": 5, "B": 5})
				m.traits.Timeout, m.traits.RequestsPerSecond, m.traits.Burst = time.Hour, 1, 1
				b := settled(t, m, 5)
				m.meetsWith(func(int, call) meets { return what })
				b.offer("web", "A", 9, 0, 0)
				b.offer("web", "B", 9, 0, 0)
				pass(time.Minute)
				store := b.told.(*memory)
				store.mu.Lock()
				saves := store.saves
				store.mu.Unlock()
				looks := b.looks.Load()
				pass(20 * time.Minute)
				if n := b.looks.Load() - looks; n > 5*1200 {
					t.Errorf("the owner looked at the clock %d times in 20 minutes of waiting, want a few times a second", n)
				}
				store.mu.Lock()
				if n := store.saves - saves; n > 20 {
					t.Errorf("%d saves in 20 minutes of waiting, want hardly any", n)
				}
				store.mu.Unlock()
			})
		})
	}
}

func TestHangingChannelHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newMarket(true, map[string]stock.Quantity{"A": 5})
		fast := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := newBench(t, map[string]publisher.Connector{"slow": slow, "fast": fast})
		slow.meetsWith(func(int, call) meets { return meets{lost: true, hang: true} })
		b.declare("slow", nil)
		b.declare("fast", nil)
		for _, channel := range []string{"slow", "fast"} {
			b.offer(channel, "A", 0, 0, 0)
		}
		b.work()
		pass(100 * time.Millisecond)
		if fast.level("A") != 0 {
			t.Errorf("the level of the channel that answers is %d, want 0", fast.level("A"))
		}
		pass(time.Minute)
		slow.meetsWith(nil)
		pass(time.Minute)
		if slow.level("A") != 0 {
			t.Errorf("the level of the channel that hung is %d when it answers again, want 0", slow.level("A"))
		}
	})
}

func TestSellOutDoesNotWaitForABulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		levels := map[string]stock.Quantity{"HOT": 5}
		for i := range 60 {
			levels[fmt.Sprintf("BULK%d", i)] = 0
		}
		m := newMarket(false, levels)
		m.traits.BatchRows, m.traits.Timeout = 5, time.Minute
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.declare("web", nil)
		for sku := range levels {
			b.offer("web", sku, 5, 0, 0)
		}
		m.meetsWith(func(_ int, c call) meets { // the bulk hangs
			return meets{lost: !slices.ContainsFunc(c.rows, func(r publisher.Row) bool { return r.SKU == "HOT" })}
		})
		b.work()
		pass(time.Second)
		b.mark("web")
		pass(10 * time.Second)
		b.offer("web", "HOT", 0, 0, 0)
		pass(time.Second)
		if m.level("HOT") != 0 {
			t.Errorf("the level is %d a second after the sell-out, want 0: it stands behind a bulk", m.level("HOT"))
		}
	})
}

func TestDecreasesGoBeforeRaises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		levels := map[string]stock.Quantity{}
		for i := range 30 {
			levels[fmt.Sprintf("S%02d", i)] = 5
		}
		m := newMarket(true, levels)
		m.traits.BatchRows, m.traits.RequestsPerSecond, m.traits.Burst = 10, 1, 1
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.declare("web", nil)
		for sku := range levels {
			b.offer("web", sku, 5, 0, 0)
		}
		b.work()
		pass(time.Minute)
		b.mark("web")
		pass(time.Minute)
		for i := range 30 {
			b.offer("web", fmt.Sprintf("S%02d", i), []stock.Quantity{9, 2, 0}[i%3], 0, 0)
		}
		pass(time.Minute)
		var order []int
		for _, c := range m.sets() {
			for _, r := range c.rows {
				order = append(order, map[stock.Quantity]int{0: 0, 2: 1, 9: 2}[r.Quantity])
			}
		}
		if len(order) != 30 || !slices.IsSorted(order) {
			t.Errorf("the order of the sets was %v, want 10 sell-outs, 10 decreases, 10 raises", order)
		}
	})
}

func TestRestartReplaysAnOpenAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5, "B": 5})
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.declare("web", nil)
		b.offer("web", "A", 5, 0, 0)
		b.offer("web", "B", 5, 0, 0)
		stop := b.work()
		pass(time.Second)
		b.mark("web")
		pass(time.Minute)
		m.meetsWith(failOnce(meets{hang: true}))
		b.offer("web", "A", 0, 0, 0)
		b.offer("web", "B", 0, 0, 0)
		pass(time.Second)
		if err := stop(); err != nil {
			t.Errorf("Work() = %v after the end of its context, want nil", err)
		}
		m.put("A", 3) // somebody adds three, which a request that is applied twice would take away
		b.work()
		pass(time.Minute)
		sets := m.sets()
		if len(sets) != 2 || sets[0].key != sets[1].key || describe(sets[0].rows) != describe(sets[1].rows) {
			t.Errorf("the sets were %+v, want two that are the same", sets)
		}
		if m.level("A") != 3 {
			t.Errorf("the level is %d, want the 3 that were added afterwards", m.level("A"))
		}
		said := b.said.about("A")
		if want := []string{"attempted 0/1", "attempted 0/2", "acknowledged 0/2"}; !slices.Equal(said[len(said)-3:], want) {
			t.Errorf("said %v, want %v at the end", said, want)
		}
	})
}

// A request leaves only if the told state took its attempt, from the one who owns the partition.
func TestFencedOwnerSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		store := b.told.(*memory)
		taken := false
		store.before = func(rows []publisher.ToldRow) error {
			if taken || !slices.ContainsFunc(rows, func(r publisher.ToldRow) bool { return strings.Contains(string(r.Value), "sw-3-") }) {
				return nil
			}
			taken = true
			_, err := store.Take(t.Context(), 3, 0) // somebody else
			if n, said := len(m.sets()), b.said.count(); n != 0 || said != 0 {
				t.Errorf("%d requests and %d communications before the fence, want none", n, said)
			}
			return err
		}
		b.offer("web", "A", 0, 0, 0)
		pass(100 * time.Millisecond)
		if !taken {
			t.Fatal("no attempt was saved")
		}
		if n := len(m.sets()); n != 0 {
			t.Errorf("%d requests left behind the fence, want none", n)
		}
		if n := b.said.count(); n != 0 {
			t.Errorf("%d communications were written behind the fence, want none", n)
		}
		pass(time.Minute) // the group did not take the partition away: the owner takes it again
		if m.level("A") != 0 {
			t.Errorf("the level is %d after the owner has taken the partition again, want 0", m.level("A"))
		}
		if logs := b.logs.String(); strings.Count(logs, "fenced") != 1 {
			t.Errorf("the log says %d times that the owner was fenced, want once:\n%s", strings.Count(logs, "fenced"), logs)
		}
	})
}

// An owner that was fenced, and that the group does not know any more, takes nothing from the new one, however long it takes the
// group to say so.
func TestFencedOwnerAsksTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		unknown := errors.New("unknown member")
		b.refused.Store(&unknown)
		store := b.told.(*memory)
		next, err := store.Take(t.Context(), 3, 0) // another process
		if err != nil {
			t.Fatal(err)
		}
		b.offer("web", "A", 0, 0, 0)
		pass(time.Minute)
		if err := store.Save(t.Context(), 3, next.Sequence, next.ToldPosition, nil); err != nil {
			t.Errorf("Save() of the new owner = %v", err)
		}
		if n := len(m.sets()); n != 0 {
			t.Errorf("%d requests left, want none", n)
		}
		b.refused.Store(nil) // it was a mistake: the partition is still ours
		pass(time.Minute)
		if m.level("A") != 0 {
			t.Errorf("the level is %d after the group knows the owner again, want 0", m.level("A"))
		}
	})
}

// Nothing is communicated that is not written down: without Kafka no request leaves.
func TestNoRequestWithoutItsAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		b.said.mu.Lock()
		b.said.fault = func() error {
			timer := time.NewTimer(time.Second) // in which a request that did not wait would leave
			<-timer.C
			return errBroken
		}
		b.said.mu.Unlock()
		b.offer("web", "A", 0, 0, 0)
		pass(time.Minute)
		if n := len(m.sets()); n != 0 {
			t.Errorf("%d requests left, want none", n)
		}
		b.said.mu.Lock()
		b.said.fault = nil
		b.said.mu.Unlock()
		pass(time.Minute)
		if m.level("A") != 0 {
			t.Errorf("the level is %d when Kafka is back, want 0", m.level("A"))
		}
		checkSaid(t, b.said.list())
		if n := strings.Count(b.logs.String(), "publishing waits"); n != 1 {
			t.Errorf("the log says %d times that publishing waits, want once", n)
		}
	})
}

// Whatever fails, everything is told in the end, and once.
func TestStoreAndKafkaComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 50})
		b := settled(t, m, 50)
		store := b.told.(*memory)
		random := rand.New(rand.NewPCG(1, 1))
		fault := func() error {
			if random.IntN(4) == 0 {
				return errBroken
			}
			return nil
		}
		store.mu.Lock()
		store.before = func([]publisher.ToldRow) error { return fault() }
		store.mu.Unlock()
		b.said.mu.Lock()
		b.said.fault = fault
		b.said.mu.Unlock()
		for i := range stock.Quantity(20) {
			b.offer("web", "A", 49-i, 0, 0)
			pass(7 * time.Second)
		}
		pass(5 * time.Minute)
		if m.level("A") != 30 {
			t.Errorf("the level is %d, want 30", m.level("A"))
		}
		checkSaid(t, b.said.list())
	})
}

func TestPartitionsThatMustNotGoOn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spoil  func(b *bench)
		phrase string
	}{
		{"a record that does not decode", func(b *bench) { b.offers.appendRaw([]byte("\xff\xff")) }, "offset 4 does not decode"},
		{"the topic was made anew", func(b *bench) { b.offers.id = "another" }, "made anew"},
		{"the topic has lost its tail", func(b *bench) { b.offers.records = b.offers.records[:2] }, "lost its tail"},
		{"a told row that does not decode", func(b *bench) {
			for key := range b.told.(*memory).partitions[3].rows {
				b.told.(*memory).partitions[3].rows[key] = []byte("{")
			}
		}, "does not decode"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMarket(true, map[string]stock.Quantity{"A": 5})
				b := newBench(t, map[string]publisher.Connector{"web": m})
				b.declare("web", nil)
				b.offer("web", "A", 5, 0, 0)
				b.offer("web", "A", 6, 0, 0)
				b.mark("web")
				stop := b.work()
				pass(time.Minute)
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				tt.spoil(b)
				stop = b.work()
				pass(time.Minute)
				if err := stop(); !errors.Is(err, stream.ErrStop) || !strings.Contains(err.Error(), tt.phrase) {
					t.Errorf("Work() = %v, want an alarm with %q", err, tt.phrase)
				}
			})
		})
	}
}

func TestDeletedOffersAreStoodOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.declare("web", nil)
		b.offer("web", "A", 5, 0, 0)
		stop := b.work()
		pass(time.Minute)
		_ = stop()
		b.offer("web", "A", 4, 0, 0)
		b.offer("web", "A", 0, 0, 0)
		b.offers.records, b.offers.start = b.offers.records[3:], 3
		b.work()
		pass(time.Minute)
		if m.level("A") != 0 {
			t.Errorf("the level is %d, want 0", m.level("A"))
		}
		if !strings.Contains(b.logs.String(), "refresh the pools") {
			t.Error("the log does not say that offers were deleted")
		}
	})
}

func TestDrift(t *testing.T) {
	for _, tt := range []struct {
		name    string
		by      stock.Quantity
		correct bool
		level   stock.Quantity
	}{
		{"a manual decrease is corrected", -2, true, 5},
		{"a manual increase is corrected", 2, true, 5},
		{"a manual decrease is left where that is the policy", -2, false, 3},
		{"a manual increase is left where that is the policy", 2, false, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMarket(true, map[string]stock.Quantity{"A": 5})
				b := newBench(t, map[string]publisher.Connector{"web": m})
				b.cfg.ReadBackEvery = 10 * time.Minute
				b.declare("web", func(c *record.Channel) { c.Publish.CorrectDrift = tt.correct })
				b.offer("web", "A", 5, 0, 0)
				b.work()
				for range 6 {
					pass(time.Minute)
					b.mark("web")
				}
				m.put("A", tt.by)
				for range 20 {
					pass(time.Minute)
					b.mark("web")
				}
				if m.level("A") != tt.level {
					t.Errorf("the level is %d, want %d", m.level("A"), tt.level)
				}
				drifts := 0
				for _, c := range b.said.list() {
					if c.Reason == "drift" {
						drifts++
						if *c.Level != 5+tt.by {
							t.Errorf("the drift recorded is to %d, want %d", *c.Level, 5+tt.by)
						}
					}
				}
				if drifts != 1 {
					t.Errorf("%d drifts recorded, want 1: %v", drifts, b.said.about("A"))
				}
			})
		})
	}
}

// Sales that have not been folded are no drift: a read-back in between must not say so, and least of all put the listing aside.
func TestUnfoldedSaleIsNoDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.cfg.ReadBackEvery = 10 * time.Minute
		b.declare("web", func(c *record.Channel) { c.Publish.CorrectDrift = false })
		b.offer("web", "A", 5, 0, 0)
		b.work()
		for range 6 {
			pass(time.Minute)
			b.mark("web")
		}
		m.put("A", -1) // sold
		pass(6 * time.Minute)
		b.offer("web", "A", 4, 1, 0) // folded
		pass(time.Minute)
		b.mark("web")
		pass(time.Minute)
		for _, c := range b.said.list() {
			if c.Reason == "drift" || c.State == record.Quarantined {
				t.Errorf("said %+v, want no drift", c)
			}
		}
		if len(m.reads()) < 2 {
			t.Errorf("%d reads, want a read-back as well", len(m.reads()))
		}
	})
}

func TestTimesOfACommunicationAreThoseOfItsOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		m.meetsWith(failOnce(meets{hang: true}))
		happened := stock.InstantOf(time.Now())
		b.offer("web", "A", 0, 0, 0)
		told := b.version
		pass(time.Second)
		b.offer("web", "A", 3, 0, 0)
		pass(time.Minute)
		for _, c := range b.said.list() {
			if c.OfferVersion != told || c.State == record.Held {
				continue
			}
			if c.OccurredAt != happened || c.OfferedAt != happened || c.Quantity != 0 || c.Compare == nil || *c.Compare != 5 ||
				c.Expected == nil || *c.Expected != 5 || c.Kind != record.CompareAndSet || c.IdempotencyKey == "" || c.AttemptedAt == 0 {
				t.Errorf("said %+v, want what was sent and when it came about", c)
			}
			if done := c.State != record.Attempted; done != (c.RepliedAt != 0) || done != (c.ReplyClass != "") {
				t.Errorf("said %+v: an outcome has a reply's time and class, an attempt has none", c)
			}
			if c.State == record.Acknowledged && c.ReplyID == "" {
				t.Errorf("said %+v without the channel's own id", c)
			}
		}
	})
}

func TestChannelThatStopsLoweringItsLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		m.put("A", -1)
		b.offer("web", "A", 4, 1, 0) // a sale, which the level followed
		pass(time.Minute)
		b.declare("web", func(c *record.Channel) { c.LowersOwnLevel = false })
		pass(time.Minute)
		if len(m.sets()) != 0 || len(m.reads()) != 1 {
			t.Errorf("%d sets and %d reads after the change, want a read: what was known means something else now", len(m.sets()), len(m.reads()))
		}
		b.offer("web", "A", 3, 2, 0) // a sale, which the level does not follow
		pass(time.Minute)
		if m.level("A") != 3 || len(m.sets()) != 1 {
			t.Errorf("the level is %d after %d sets, want 3 after 1", m.level("A"), len(m.sets()))
		}
	})
}

func TestOldVersionsAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		older, newer := b.anOffer("web", "A", 1, 0, 0), b.anOffer("web", "A", 3, 0, 0)
		b.offers.append(newer, older)
		pass(time.Minute)
		if m.level("A") != 3 || len(m.sets()) != 1 {
			t.Errorf("the level is %d after %d sets, want 3 after 1", m.level("A"), len(m.sets()))
		}
	})
}

// A new installation of the told state reads every level before it sends anything.
func TestToldStateLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.declare("web", nil)
		b.offer("web", "A", 5, 0, 0)
		stop := b.work()
		pass(time.Minute)
		b.mark("web")
		pass(time.Minute)
		_ = stop()
		m.put("A", -2) // sold and not yet folded
		b.told = &memory{}
		b.work()
		pass(10 * time.Minute)
		if n := len(m.sets()); n != 0 {
			t.Errorf("%d sets before a mark, want none: the difference is two sales", n)
		}
		b.offer("web", "A", 3, 2, 0)
		b.mark("web")
		pass(time.Minute)
		if m.level("A") != 3 || len(m.sets()) != 0 {
			t.Errorf("the level is %d after %d sets, want 3 after none", m.level("A"), len(m.sets()))
		}
	})
}

func TestConfigurationOutOfRange(t *testing.T) {
	for _, change := range []func(*publisher.Config){
		func(c *publisher.Config) { c.RetryMin = 0 },
		func(c *publisher.Config) { c.RetryMax = c.RetryMin - 1 },
		func(c *publisher.Config) { c.RequestsAtOnce = 0 },
		func(c *publisher.Config) { c.ReadBackEvery = -1 },
	} {
		cfg := publisher.DefaultConfig()
		change(&cfg)
		if _, err := publisher.New(cfg, publisher.Deps{}); err == nil {
			t.Errorf("New(%+v) = nil, want an error", cfg)
		}
	}
}
