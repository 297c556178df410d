package engine_test

import (
	"fmt"
	"testing"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine/enginetest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A bigPool is a pool with more than one step of a sweep in it.
type bigPool struct {
	t       *testing.T
	p       enginetest.Pipeline
	journal []record.JournalEntry
	offers  map[string]stock.Quantity // the newest of each SKU
}

func newBigPool(t *testing.T, skus int) *bigPool {
	b := &bigPool{t: t, offers: map[string]stock.Quantity{}}
	b.fold(record.Event{Outlet: &record.Outlet{Pool: "p", Outlet: "A", SellsOnline: true, FulfilsOrders: true}})
	b.fold(record.Event{Channel: b.channel(0)})
	for i := range skus {
		b.fold(record.Event{Movement: &record.Movement{Pool: "p", Outlet: "A", SKU: b.sku(i), Kind: stock.Receipt, Quantity: 10, OccurredAt: journalStart}})
		b.list(b.sku(i))
	}
	return b
}

func (b *bigPool) sku(i int) string { return fmt.Sprintf("s%04d", (i*7919)%10000) }

func (b *bigPool) channel(buffer stock.Quantity) *record.Channel {
	return &record.Channel{Pool: "p", Channel: "c", Outlets: []string{"A"}, RouteOrders: true, WhenStopped: record.StopZero, Policies: []record.Policy{{Buffer: buffer, Percent: 100}}}
}

func (b *bigPool) list(sku string) {
	b.fold(record.Event{Listing: &record.Listing{Pool: "p", Channel: "c", SKU: sku, OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant}})
}

// fold journals the event a second after the last one and returns how many offers came of it.
func (b *bigPool) fold(e record.Event) int {
	return b.at(journalStart+stock.Instant(len(b.journal))*1_000_000, e)
}

func (b *bigPool) at(now stock.Instant, e record.Event) int {
	b.t.Helper()
	entry := record.JournalEntry{Event: e, EntryTime: now, Origin: record.Origin{Previous: -1}}
	out, err := b.p.Fold(entry)
	if err != nil {
		b.t.Fatal(err)
	}
	b.journal = append(b.journal, entry)
	n := 0
	for _, o := range out.Offers {
		if o.Offer != nil {
			b.offers[o.Offer.SKU] = o.Offer.Quantity
			n++
		}
	}
	return n
}

func (b *bigPool) tick() int { return b.fold(record.Event{Tick: &record.Tick{Pool: "p"}}) }

// ticks journals ticks until a sweep is through and returns how many offers they brought.
func (b *bigPool) ticks(most int) int {
	b.t.Helper()
	sum := 0
	for range 1000 {
		n := b.tick()
		if n > most {
			b.t.Fatalf("a tick brought %d offers, more than %d", n, most)
		}
		if sum += n; n == 0 {
			return sum
		}
	}
	b.t.Fatal("no end")
	return 0
}

func (b *bigPool) want(sku string, q stock.Quantity) {
	b.t.Helper()
	if b.offers[sku] != q {
		b.t.Errorf("%s is offered %d times, want %d", sku, b.offers[sku], q)
	}
}

// TestChannelSweep edits a channel of 1,000 listings: each entry brings at most 100 offers, all are brought, what a movement
// touches meanwhile is right at once, and a second edit does not wait for the first.
func TestChannelSweep(t *testing.T) {
	b := newBigPool(t, 1000)
	if n := b.fold(record.Event{Channel: b.channel(1)}); n != 100 {
		t.Errorf("the edit brought %d offers, want 100", n)
	}
	last := "s9999"
	b.fold(record.Event{Movement: &record.Movement{Pool: "p", Outlet: "A", SKU: last, Kind: stock.Sale, Quantity: 4, OccurredAt: journalStart}})
	b.list(last)
	b.fold(record.Event{Movement: &record.Movement{Pool: "p", Outlet: "A", SKU: b.sku(999), Kind: stock.Sale, Quantity: 4, OccurredAt: journalStart}})
	b.want(b.sku(999), 5)
	b.fold(record.Event{Channel: b.channel(2)})
	if n := b.ticks(100); n < 700 {
		t.Errorf("the ticks brought %d offers", n)
	}
	for i := range 999 {
		b.want(b.sku(i), 8)
	}
	b.want(b.sku(999), 4)
	sameHoweverCut(t, b.journal)
}

// TestOutletSweep makes an outlet a channel's own: every SKU says its counts anew, a step an entry.
func TestOutletSweep(t *testing.T) {
	b := newBigPool(t, 350)
	b.fold(record.Event{Outlet: &record.Outlet{Pool: "p", Outlet: "A", ChannelOwned: true, SellsOnline: true, FulfilsOrders: true}})
	b.ticks(100)
	for i := range 350 {
		b.want(b.sku(i), 0)
	}
	sameHoweverCut(t, b.journal)
}

// TestRefreshSweep says 250 offers again, each once.
func TestRefreshSweep(t *testing.T) {
	b := newBigPool(t, 250)
	n := b.fold(record.Event{Refresh: &record.Refresh{Pool: "p"}})
	if n += b.ticks(100); n != 250 {
		t.Errorf("%d offers, want 250", n)
	}
	sameHoweverCut(t, b.journal)
}

// TestKitsOfOneComponent sells a component of 250 kits: they are swept, and swept again for what happened meanwhile.
func TestKitsOfOneComponent(t *testing.T) {
	b := newBigPool(t, 1)
	for i := range 250 {
		kit := fmt.Sprintf("kit%03d", i)
		b.fold(record.Event{Kit: &record.Kit{Pool: "p", SKU: kit, Components: []record.Component{{SKU: b.sku(0), Quantity: 2}}}})
		b.list(kit)
	}
	b.ticks(100)
	sale := record.Event{Movement: &record.Movement{Pool: "p", Outlet: "A", SKU: b.sku(0), Kind: stock.Sale, Quantity: 2, OccurredAt: journalStart}}
	b.fold(sale)
	b.tick()
	b.fold(sale)
	b.ticks(101)
	for i := range 250 {
		b.want(fmt.Sprintf("kit%03d", i), 3)
	}
	sameHoweverCut(t, b.journal)
}

// TestManyDue publishes 1,200 listings at one moment: an entry handles 500, in the order of their ids.
func TestManyDue(t *testing.T) {
	b := newBigPool(t, 0)
	publish := journalStart + 24*3600*1_000_000
	for i := range 600 {
		b.fold(record.Event{Movement: &record.Movement{Pool: "p", Outlet: "A", SKU: b.sku(i), Kind: stock.Receipt, Quantity: 3, OccurredAt: journalStart}})
		b.fold(record.Event{Listing: &record.Listing{
			Pool: "p", Channel: "c", SKU: b.sku(i), OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant, PublishAt: publish,
		}})
	}
	if len(b.offers) != 0 {
		t.Fatalf("%d offers before the moment", len(b.offers))
	}
	for _, want := range []int{500, 100, 0} {
		if n := b.at(publish, record.Event{Tick: &record.Tick{Pool: "p"}}); n != want {
			t.Errorf("a tick brought %d offers, want %d", n, want)
		}
	}
	sameHoweverCut(t, b.journal)
}

// TestRejectionOfATick makes sure that nobody outside can write one.
func TestRejectionOfATick(t *testing.T) {
	var e record.Event
	if err := codec.ParseEvent("application/json", []byte(`{"tick":{"pool":"p"}}`), &e); err == nil {
		t.Error("a tick from outside was read")
	}
}
