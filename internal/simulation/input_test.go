//go:build synctests

package simulation_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A shelf is one SKU at one outlet of one pool.
type shelf struct{ pool, sku, outlet string }

// An input is what the retailers send, in their order, and what its movements sum up to, worked out here and nowhere else.
type input struct {
	settings []sending // of the pools: folded before any of the events is sent
	events   []sending
	sums     map[shelf]stock.Quantity
}

// A sending is one event for one input topic.
type sending struct {
	topic stream.Topic
	event record.Event
}

var (
	outlets  = []string{"MTL", "SHE", "LAV"}
	channels = []string{"web", "shop"}
)

// newInput makes a catalogue of some pools and n events: movements, some of them sent twice under one identity, orders in all
// their states and some that expire, despatches and marks. Despatches do not lower what is on hand in these pools, so that it is
// the plain sum of the movements.
func newInput(rnd *rand.Rand, n int, begin time.Time) *input {
	in := &input{sums: map[shelf]stock.Quantity{}}
	// With few SKUs every row is soon in memory; with many, rows are loaded throughout the run.
	skus := []int{8, 80}[rnd.IntN(2)]
	var pools []string
	for i := range 2 + rnd.IntN(3) {
		pools = append(pools, fmt.Sprintf("pool/%d", i))
	}
	pick := func(s []string) string { return s[rnd.IntN(len(s))] }
	add := func(t stream.Topic, e record.Event) { in.events = append(in.events, sending{t, e}) }
	for _, pool := range pools {
		in.settings = append(in.settings, sending{stream.Catalogue, record.Event{Pool: &record.Pool{
			Pool: pool, Ruleset: 1, Prefer: record.FewestOutlets, ReleaseOn: record.OnCancel, CountWindow: time.Hour,
			SingleOutlet: true, SplitOrders: true, SplitLines: true,
		}}})
		for i, o := range outlets {
			add(stream.Catalogue, record.Event{Outlet: &record.Outlet{Pool: pool, Outlet: o, Priority: int32(i), SellsOnline: true, FulfilsOrders: true}})
		}
		for _, ch := range channels {
			add(stream.Catalogue, record.Event{Channel: &record.Channel{
				Pool: pool, Channel: ch, Vendor: "webhook", Outlets: outlets, RouteOrders: true, Account: "account-" + ch, WhenStopped: record.StopZero,
				CountStatuses:    record.CountStatuses{Merchant: []record.OrderStatus{record.Pending, record.Open, record.Cancelled}},
				LoweringStatuses: []record.OrderStatus{record.Pending, record.Open, record.Shipped},
				Flows:            record.Flows{Stock: true, Orders: true, ShipmentsOut: true},
				Policies:         []record.Policy{{Percent: 100}},
			}})
		}
	}
	sequences := map[string]int64{}
	var again []record.Event // movements that may be sent once more
	for i := range n {
		pool, channel, sku := pick(pools), pick(channels), fmt.Sprintf("SKU-%d", rnd.IntN(skus))
		at := stock.InstantOf(begin.Add(time.Duration(i) * 100 * time.Millisecond))
		order := fmt.Sprint(rnd.IntN(1 + n/20))
		switch rnd.IntN(14) {
		case 0:
			add(stream.Catalogue, record.Event{Listing: &record.Listing{
				Pool: pool, Channel: channel, SKU: sku, OptedIn: rnd.IntN(4) > 0, Tracked: true, FulfilledBy: record.ByMerchant,
				Policies: []record.Policy{{Percent: 100, Buffer: stock.Quantity(rnd.IntN(3))}}, PublishAt: at.Add(time.Duration(rnd.IntN(30)) * time.Second),
			}})
		case 1, 2, 3:
			o := &record.Order{Pool: pool, Channel: channel, OrderID: order, Status: record.Open, PlacedAt: at, UpdatedAt: at, FulfilledBy: record.ByMerchant}
			switch rnd.IntN(6) {
			case 0:
				o.Status = []record.OrderStatus{record.Cancelled, record.Shipped}[rnd.IntN(2)]
			case 1:
				o.Status, o.ExpiresAt = record.Pending, at.Add(time.Duration(5+rnd.IntN(40))*time.Second)
			}
			for l := range 1 + rnd.IntN(3) {
				o.Lines = append(o.Lines, record.OrderLine{LineID: fmt.Sprint(l), SKU: fmt.Sprintf("SKU-%d", rnd.IntN(skus)), Quantity: stock.Quantity(1 + rnd.IntN(4))})
			}
			add(stream.Orders, record.Event{Order: o})
		case 4:
			add(stream.Movements, record.Event{Fulfilment: &record.Fulfilment{
				Pool: pool, Channel: channel, OrderID: order, FulfilmentID: fmt.Sprint(i), ReportedBy: record.Warehouse,
				Outlet: pick(outlets), ShippedAt: at, Carrier: "Colissimo", Tracking: "6A", Lines: []record.FulfilmentLine{{LineID: "0", Quantity: 1}},
			}})
		case 5:
			add(stream.Orders, record.Event{Mark: &record.Mark{Pool: pool, Channel: channel, OrdersUntil: at}})
		case 6:
			if len(again) > 0 {
				add(stream.Movements, again[rnd.IntN(len(again))])
			}
		default:
			m := &record.Movement{Pool: pool, Outlet: pick(outlets), SKU: sku, Kind: stock.Receipt, Quantity: stock.Quantity(1 + rnd.IntN(9)), OccurredAt: at}
			in.sums[shelf{pool, sku, m.Outlet}] += m.Quantity
			if rnd.IntN(3) == 0 {
				m.Kind = stock.Sale
				in.sums[shelf{pool, sku, m.Outlet}] -= 2 * m.Quantity
			}
			switch rnd.IntN(3) {
			case 0:
				m.EventID = fmt.Sprintf("event-%d", i)
			case 1:
				sequences[pool]++
				m.Source, m.Epoch, m.Sequence = "wms", 1, sequences[pool]
			}
			e := record.Event{Movement: m}
			if m.EventID != "" || m.Source != "" {
				again = append(again, e)
			}
			add(stream.Movements, e)
		}
	}
	return in
}
