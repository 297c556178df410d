package demo

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The retailer of the demonstration: one pool, four outlets, five hundred SKUs, three channels.
const (
	poolID   = "maison"
	skuCount = 500
)

// The channels, by what they are: a shop that throttles, one that does not, and a marketplace behind a webhook that times
// out now and then.
const (
	ShopCA      = "shop-ca"
	ShopFR      = "shop-fr"
	Marketplace = "marketplace"
)

var outlets = []record.Outlet{
	{Outlet: "MTL", Name: "Montréal", Priority: 1, SafetyStock: 1},
	{Outlet: "SHE", Name: "Sherbrooke", Priority: 2, SafetyStock: 1},
	{Outlet: "LAV", Name: "Laval", Priority: 3},
	{Outlet: "WHS", Name: "Warehouse", Priority: 4},
}

// outletsOf says which outlets serve each channel.
var outletsOf = map[string][]string{
	ShopCA:      {"MTL", "SHE", "LAV", "WHS"},
	ShopFR:      {"LAV", "WHS"},
	Marketplace: {"MTL", "WHS"},
}

var (
	things = []string{"Shirt", "Hat", "Shoes", "Scarf", "Coat", "Belt", "Socks", "Bag", "Gloves", "Jumper"}
	shades = []string{"black", "white", "navy", "olive", "sand", "red", "grey", "teal", "plum", "rust"}
	sizes  = []string{"XS", "S", "M", "L", "XL"}
)

// An item is one SKU of the demonstration with its title.
type item struct{ sku, title string }

// items lists the SKUs; the first sell most.
func items() []item {
	all := make([]item, 0, skuCount)
	for _, thing := range things {
		for _, shade := range shades {
			for _, size := range sizes {
				all = append(all, item{
					sku:   fmt.Sprintf("%s-%s-%s", thing, shade, size),
					title: fmt.Sprintf("%s, %s, size %s", thing, shade, size),
				})
			}
		}
	}
	return all
}

// Channels returns the declarations of the channels; vendors names the connector of each.
func Channels(vendors map[string]string) []record.Channel {
	publish := record.Publish{
		Quiet: 2 * time.Second, LongestWait: 10 * time.Second, LowMark: 1, Settle: 2 * time.Second, CorrectDrift: true, // the defaults, but for settle
	}
	counted := record.CountStatuses{
		Merchant: []record.OrderStatus{record.Pending, record.Open, record.Cancelled},
		Channel:  []record.OrderStatus{record.Shipped, record.Cancelled},
	}
	var most stock.Quantity = 25
	policies := map[string]record.Policy{
		ShopCA:      {Percent: 100},
		ShopFR:      {Percent: 80, Buffer: 1},
		Marketplace: {Percent: 100, Buffer: 2, Cap: &most},
	}
	channels := make([]record.Channel, 0, len(outletsOf))
	for _, id := range []string{ShopCA, ShopFR, Marketplace} {
		channels = append(channels, record.Channel{
			Pool: poolID, Channel: id, Vendor: vendors[id], Outlets: outletsOf[id], RouteOrders: true, LowersOwnLevel: true,
			Flows: record.Flows{Stock: true, Orders: true}, CountStatuses: counted,
			LoweringStatuses: []record.OrderStatus{record.Pending, record.Open, record.Shipped},
			Publish:          publish, Policies: []record.Policy{policies[id]}, WhenStopped: record.StopZero,
		})
	}
	return channels
}

// catalogue returns what the retailer declares before the day begins, and the opening stock as receipts. Every item has
// stock somewhere; one in ten is scarce. now is when the goods came in.
func catalogue(seed uint64, channels []record.Channel, now stock.Instant) []record.Event {
	random := rand.New(rand.NewPCG(seed, 1))
	events := []record.Event{{Pool: &record.Pool{
		Pool: poolID, Ruleset: 1, Prefer: record.FewestOutlets, ReleaseOn: record.OnCancel, FulfilmentLowersOnHand: true,
		CountWindow: 6 * time.Hour, SingleOutlet: true, SplitOrders: true, SplitLines: true,
	}}}
	for _, o := range outlets {
		o.Pool, o.SellsOnline, o.FulfilsOrders = poolID, true, true
		events = append(events, record.Event{Outlet: &o})
	}
	for i := range channels {
		events = append(events, record.Event{Channel: &channels[i]})
	}
	sequence := int64(0)
	for i, it := range items() {
		for _, o := range outlets {
			quantity := stock.Quantity(random.IntN(20))
			if i%10 == 0 {
				quantity = stock.Quantity(random.IntN(3))
			}
			if quantity == 0 {
				continue
			}
			sequence++
			events = append(events, record.Event{Movement: &record.Movement{
				Pool: poolID, Outlet: o.Outlet, SKU: it.sku, Kind: stock.Receipt, Quantity: quantity, OccurredAt: now,
				Source: "opening", Epoch: int64(now), Sequence: sequence, Reason: "opening stock",
			}})
		}
		for _, ch := range channels {
			events = append(events, record.Event{Listing: &record.Listing{
				Pool: poolID, Channel: ch.Channel, SKU: it.sku, OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant,
				ChannelIDs: record.Dict{{Key: "item", Value: it.sku}}, Title: it.title,
			}})
		}
	}
	return events
}
