package publisher_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// taker is a market that is told of despatches.
type taker struct {
	*market
	ships   []shipped                                    // guarded by mu
	shipsAs func(ctx context.Context, n int) (err error) // guarded by mu; of the n-th, from 1
}

type shipped struct {
	key string
	publisher.Shipment
	at time.Time
}

func (c *taker) Ship(ctx context.Context, key string, s publisher.Shipment) (publisher.Shipped, error) {
	c.mu.Lock()
	c.ships = append(c.ships, shipped{key, s, time.Now()})
	n, as := len(c.ships), c.shipsAs
	c.mu.Unlock()
	if as != nil {
		if err := as(ctx, n); err != nil {
			return publisher.Shipped{}, err
		}
	}
	return publisher.Shipped{ID: "their-" + s.ID}, nil
}

func (c *taker) told() []shipped {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ships)
}

func (c *taker) takes(as func(ctx context.Context, n int) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shipsAs = as
}

func shipBench(t *testing.T) (*taker, *bench) {
	t.Helper()
	c := &taker{market: newMarket(true, map[string]stock.Quantity{"A": 5})}
	b := newBench(t, map[string]publisher.Connector{"web": c})
	b.declare("web", func(ch *record.Channel) { ch.Carriers = record.Dict{{Key: "Colissimo", Value: "La Poste"}} })
	b.offer("web", "A", 5, 0, 0)
	b.work()
	pass(time.Minute)
	b.mark("web")
	pass(time.Minute)
	return c, b
}

// despatch writes a notice of two units.
func (b *bench) despatch(order string, change func(*record.ShipmentNotice)) {
	b.version++
	n := record.ShipmentNotice{
		Pool: "acme", Channel: "web", Account: "account", OrderID: order, FulfilmentID: "f-" + order, Outlet: "MTL",
		ShippedAt: stock.InstantOf(time.Now()), Carrier: "Colissimo", Tracking: "6A" + order,
		Lines: []record.FulfilmentLine{{LineID: "1", Quantity: 2}}, Version: b.version,
	}
	if change != nil {
		change(&n)
	}
	b.shipments.appendRaw(codec.AppendShipmentNotice(nil, &n))
}

// saidOf returns what was said of the despatches of an order: state and try.
func (b *bench) saidOf(order string) (list []string) {
	for _, c := range b.said.list() {
		if c.OrderID != order {
			continue
		}
		if c.Kind != record.ConfirmShipment || c.FulfilmentID != "f-"+order || c.SKU != "" || c.Quantity != 2 || c.OfferVersion == 0 {
			b.t.Errorf("a communication about order %s is %+v", order, c)
		}
		list = append(list, codec.CommunicationStateWord(c.State)+fmt.Sprintf("/%d", c.Attempt))
	}
	return list
}

func (b *bench) wantOf(order string, want ...string) {
	b.t.Helper()
	if got := b.saidOf(order); !slices.Equal(got, want) {
		b.t.Errorf("said of order %s: %v, want %v", order, got, want)
	}
}

// A despatch is told once, also where its notice is written twice and over a restart, and carriers have the channel's names.
func TestDespatchesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := shipBench(t)
		b.despatch("1", nil)
		b.despatch("2", func(n *record.ShipmentNotice) { n.Carrier = "UPS" })
		b.despatch("2", func(n *record.ShipmentNotice) { n.Version-- })
		pass(10 * time.Second)
		told := c.told()
		if len(told) != 2 || told[0].Carrier != "La Poste" || told[0].OrderID != "1" || told[0].ID != "f-1" || told[0].Tracking != "6A1" ||
			told[0].Lines[0].Quantity != 2 || told[0].ShippedAt == 0 || told[1].Carrier != "UPS" || told[0].key == told[1].key {
			t.Errorf("told: %+v", told)
		}
		b.wantOf("1", "attempted/1", "acknowledged/1")
		if err := b.stop(); err != nil {
			t.Error(err)
		}
		b.despatch("3", nil)
		b.work()
		pass(10 * time.Second)
		if told := c.told(); len(told) != 3 || told[2].OrderID != "3" {
			t.Errorf("told after a restart: %+v, want the third despatch only", told[2:])
		}
		if b.stage.Pending() != 0 {
			t.Errorf("%d pending", b.stage.Pending())
		}
		checkSaid(t, b.said.list())
	})
}

// A try of unknown outcome may land until its deadline and the channel's settle time are over: only then is it told again, under the
// same key, by whoever owns the channel. Levels do not wait for it.
func TestADespatchOfUnknownOutcome(t *testing.T) {
	for name, restart := range map[string]bool{"the same owner": false, "another owner": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, b := shipBench(t)
				c.takes(func(ctx context.Context, n int) error {
					if n == 1 {
						<-ctx.Done()
						return ctx.Err()
					}
					return nil
				})
				begun := time.Now()
				b.despatch("1", nil)
				pass(time.Second)
				b.offer("web", "A", 0, 0, 0)
				pass(time.Second)
				if c.level("A") != 0 {
					t.Error("a sell-out waits for a despatch")
				}
				if restart {
					if err := b.stop(); err != nil {
						t.Error(err)
					}
					b.work()
				}
				pass(time.Minute)
				told := c.told()
				if len(told) != 2 || told[0].key != told[1].key {
					t.Fatalf("told: %+v, want twice under one key", told)
				}
				if after := told[1].at.Sub(begun); after < 35*time.Second || after > 40*time.Second { // 5 s of the request, 30 s of settling
					t.Errorf("told again after %s, want 35 s", after)
				}
				if got := b.saidOf("1"); !slices.Equal(got[len(got)-2:], []string{"attempted/2", "acknowledged/2"}) {
					t.Errorf("said: %v", got)
				}
			})
		})
	}
}

// What the channel does not take is put aside until somebody asks; what lacks a carrier or a tracking number is never sent. The others
// go on.
func TestDespatchesThatAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, b := shipBench(t)
		c.takes(func(_ context.Context, n int) error {
			if n == 1 {
				return &publisher.RequestError{Class: publisher.Refused, Reason: "no such order"}
			}
			return nil
		})
		b.despatch("1", nil)
		b.despatch("2", func(n *record.ShipmentNotice) { n.Tracking = "" })
		b.despatch("3", func(n *record.ShipmentNotice) { n.Carrier = "" })
		b.despatch("4", nil)
		pass(time.Minute)
		b.wantOf("1", "attempted/1", "rejected/1", "quarantined/1")
		b.wantOf("2", "held/0")
		b.wantOf("3", "held/0")
		b.wantOf("4", "attempted/1", "acknowledged/1")
		if err := b.stop(); err != nil { // another owner knows of them
			t.Error(err)
		}
		b.work()
		pass(time.Minute)
		if len(c.told()) != 2 {
			t.Errorf("%d were told, want 2: nobody has asked yet", len(c.told()))
		}
		wantDone(t, b.ask(record.Command{ID: "r", Channel: "web", Kind: record.CommandRetry}), record.CommandDone{Count: 3, Failed: 2})
		b.wantOf("1", "attempted/1", "rejected/1", "quarantined/1", "attempted/2", "acknowledged/2")
		b.wantOf("2", "held/0", "held/0")
		if got := b.answers("r"); len(got) != 4 {
			t.Errorf("%d communications name the command, want 4", len(got))
		}
		wantDone(t, b.ask(record.Command{ID: "s", Channel: "web", Kind: record.CommandRetry, SKU: "A"}), record.CommandDone{})
	})
}

// A channel that throttles, fails or has a wrong token is told later; a plan of despatches that is spent holds up nothing else.
func TestDespatchesAreToldLater(t *testing.T) {
	for name, failed := range map[string]*publisher.RequestError{
		"throttled apart": {Class: publisher.Throttled, Apart: true, RetryAfter: 20 * time.Second},
		"throttled":       {Class: publisher.Throttled, RetryAfter: 20 * time.Second},
		"wrong token":     {Class: publisher.Unauthorised, WholeChannel: true},
		"an error":        {Class: publisher.ServerError},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, b := shipBench(t)
				c.takes(func(_ context.Context, n int) error {
					if n <= 2 {
						return failed
					}
					return nil
				})
				b.despatch("1", nil)
				pass(time.Second)
				b.offer("web", "A", 0, 0, 0)
				pass(time.Second)
				if waits := c.level("A") != 0; failed.Apart && waits {
					t.Error("a sell-out waits for a spent plan of despatches")
				}
				pass(3 * time.Minute)
				if got := b.saidOf("1"); len(got) != 6 || got[5] != "acknowledged/3" || c.level("A") != 0 {
					t.Errorf("said: %v, the level is %d", got, c.level("A"))
				}
			})
		})
	}
}

// A vendor that is told of no despatches is left alone.
func TestAChannelThatTakesNoDespatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := settled(t, newMarket(true, map[string]stock.Quantity{"A": 5}), 5)
		b.despatch("1", nil)
		pass(time.Minute)
		if b.wantOf("1"); b.stage.Pending() != 0 {
			t.Errorf("%d pending", b.stage.Pending())
		}
	})
}
