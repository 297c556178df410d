// Package workload makes the journals that the benchmarks fold: the same entries for the same load, whoever works them off.
package workload

import (
	"fmt"
	"math/rand/v2"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Pool is the one pool of every workload.
const Pool = "bench"

const (
	outlets    = 4 // over which each SKU is spread
	channels   = 3 // of a load with orders: each lists every SKU
	orderEvery = 10
	orderLines = 2
)

// A Load says what a journal is made of.
type Load struct {
	Name string
	Zipf float64 // > 1: SKUs are drawn by Zipf's law with this exponent; 0: evenly
	// Orders makes every tenth entry an order of two lines. Three channels list every SKU then, and the catalogue and a
	// first receipt of every SKU come before what is measured.
	Orders bool
}

// A Generator makes the entries of one journal, one after the other. It is used by one goroutine.
type Generator struct {
	skus, setup int
	orders      bool
	n           int64
	rnd         *rand.Rand
	draw        func() uint64
	onHand      []stock.Quantity // by SKU and outlet
}

// New returns the generator of a load over so many SKUs. Equal arguments give equal entries, but for their times.
func New(l Load, skus int) *Generator {
	g := &Generator{skus: skus, orders: l.Orders, rnd: rand.New(rand.NewPCG(1, 2)), onHand: make([]stock.Quantity, skus*outlets)}
	if l.Orders {
		g.setup = outlets + channels + (channels+1)*skus
	}
	g.draw = func() uint64 { return uint64(g.rnd.IntN(skus)) }
	if l.Zipf > 0 {
		g.draw = rand.NewZipf(g.rnd, l.Zipf, 1, uint64(skus-1)).Uint64
	}
	return g
}

// Setup returns how many entries come before those that are measured.
func (g *Generator) Setup() int { return g.setup }

// Append appends the next entry, journalled at now, to b. sku is that of a movement, empty for any other event.
func (g *Generator) Append(b []byte, now stock.Instant) (entry []byte, sku string) {
	var e record.Event
	switch {
	case g.n < int64(g.setup):
		e = g.catalogue(int(g.n), now)
	case g.orders && g.n%orderEvery == 0:
		e.Order = g.order(now)
	default:
		e.Movement = g.movement(int(g.draw()), now)
	}
	if e.Movement != nil {
		sku = e.Movement.SKU
	}
	entry = codec.AppendJournalEntry(b, &record.JournalEntry{
		EntryTime: now, Event: e,
		Origin: record.Origin{TopicID: "00112233445566778899aabbccddeeff", Topic: "movements", Offset: g.n, Previous: g.n - 1, Time: now},
	})
	g.n++
	return entry, sku
}

// movement is a receipt, or a sale of what is there, seven of eight times where there is any.
func (g *Generator) movement(sku int, now stock.Instant) *record.Movement {
	outlet := g.rnd.IntN(outlets)
	onHand := &g.onHand[sku*outlets+outlet]
	kind, quantity := stock.Receipt, stock.Quantity(5+g.rnd.IntN(20))
	if sale := stock.Quantity(1 + g.rnd.IntN(3)); *onHand >= sale && g.rnd.IntN(8) > 0 {
		kind, quantity = stock.Sale, sale
	}
	*onHand += kind.Delta(quantity)
	return &record.Movement{
		Pool: Pool, Outlet: outletName(outlet), SKU: skuName(sku), Kind: kind,
		Quantity: quantity, OccurredAt: now, Source: "wms", Epoch: 1, Sequence: g.n + 1,
	}
}

func (g *Generator) order(now stock.Instant) *record.Order {
	o := &record.Order{
		Pool: Pool, Channel: channelName(g.rnd.IntN(channels)), OrderID: fmt.Sprint(g.n), Status: record.Open,
		PlacedAt: now, UpdatedAt: now, FulfilledBy: record.ByMerchant,
	}
	for i := range orderLines {
		o.Lines = append(o.Lines, record.OrderLine{LineID: fmt.Sprint(i + 1), SKU: skuName(int(g.draw())), Quantity: 1})
	}
	return o
}

// catalogue is entry n of the setup: outlets, channels, every listing, and what is there of every SKU at first.
func (g *Generator) catalogue(n int, now stock.Instant) record.Event {
	if n < outlets {
		return record.Event{Outlet: &record.Outlet{Pool: Pool, Outlet: outletName(n), Priority: int32(n), SellsOnline: true, FulfilsOrders: true}}
	}
	if n -= outlets; n < channels {
		c := &record.Channel{
			Pool: Pool, Channel: channelName(n), Vendor: "webhook", RouteOrders: true, LowersOwnLevel: true, WhenStopped: record.StopZero,
			CountStatuses:    record.CountStatuses{Merchant: []record.OrderStatus{record.Pending, record.Open, record.Cancelled}},
			LoweringStatuses: []record.OrderStatus{record.Pending, record.Open, record.Shipped},
			Flows:            record.Flows{Stock: true, Orders: true},
			Policies:         []record.Policy{{Percent: 100, Buffer: 1}},
		}
		for i := range outlets {
			c.Outlets = append(c.Outlets, outletName(i))
		}
		return record.Event{Channel: c}
	}
	if n -= channels; n < channels*g.skus {
		return record.Event{Listing: &record.Listing{
			Pool: Pool, Channel: channelName(n % channels), SKU: skuName(n / channels), OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant,
			ChannelIDs: record.Dict{{Key: "item", Value: fmt.Sprint(n)}},
		}}
	}
	return record.Event{Movement: g.movement(n-channels*g.skus, now)}
}

// OnHand returns the units of every SKU at every outlet after the entries so far, without those of none.
func (g *Generator) OnHand() map[string]map[string]stock.Quantity {
	all := make(map[string]map[string]stock.Quantity, g.skus)
	for i, units := range g.onHand {
		if units == 0 {
			continue
		}
		sku := skuName(i / outlets)
		if all[sku] == nil {
			all[sku] = make(map[string]stock.Quantity, outlets)
		}
		all[sku][outletName(i%outlets)] = units
	}
	return all
}

func skuName(i int) string     { return fmt.Sprintf("SKU-%06d", i) }
func outletName(i int) string  { return fmt.Sprintf("OUT-%d", i) }
func channelName(i int) string { return fmt.Sprintf("channel-%d", i) }
