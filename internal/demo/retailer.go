package demo

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel/shop"
	"github.com/shelfwire/shelfwire/internal/channel/shopify"
	"github.com/shelfwire/shelfwire/internal/channel/webhook"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The retailer of the demonstration: one pool, four outlets, five hundred SKUs, three channels.
const (
	poolID   = "maison"
	skuCount = 500
)

// The channels, by what they are: a shop behind Shopify's interface that throttles, one of the simplest kind that fails now and then,
// and a marketplace behind a webhook that times out now and then. Shopify's orders are read from it; the others' are sent.
const (
	shopifyCA   = "shopify-ca"
	shopFR      = "shop-fr"
	marketplace = "marketplace"
)

// shopifyLocation is where the Shopify shop has all of its stock.
const shopifyLocation = "gid://shopify/Location/101"

var outlets = []record.Outlet{
	{Outlet: "MTL", Name: "Montréal", Priority: 1, SafetyStock: 1},
	{Outlet: "SHE", Name: "Sherbrooke", Priority: 2, SafetyStock: 1},
	{Outlet: "LAV", Name: "Laval", Priority: 3},
	{Outlet: "WHS", Name: "Warehouse", Priority: 4},
}

var (
	things = []string{"Shirt", "Hat", "Shoes", "Scarf", "Coat", "Belt", "Socks", "Bag", "Gloves", "Jumper"}
	shades = []string{"black", "white", "navy", "olive", "sand", "red", "grey", "teal", "plum", "rust"}
	sizes  = []string{"XS", "S", "M", "L", "XL"}
)

// An item is one SKU of the demonstration with its title, and what the Shopify shop calls it.
type item struct{ sku, title, inventoryItem string }

// place returns where a channel has the item.
func (it item) place(channel string) channelsim.Place {
	if channel == shopifyCA {
		return channelsim.Place{Item: it.inventoryItem, Location: shopifyLocation}
	}
	return channelsim.Place{Item: it.sku}
}

// channelIDs returns how a channel's listing names the item.
func (it item) channelIDs(channel string) record.Dict {
	if channel == shopifyCA {
		return record.Dict{{Key: "inventory_item_id", Value: it.inventoryItem}}
	}
	return record.Dict{{Key: "item", Value: it.sku}}
}

// items lists the SKUs; the first sell most.
func items() []item {
	all := make([]item, 0, skuCount)
	for _, thing := range things {
		for _, shade := range shades {
			for _, size := range sizes {
				all = append(all, item{
					sku:   fmt.Sprintf("%s-%s-%s", thing, shade, size),
					title: fmt.Sprintf("%s, %s, size %s", thing, shade, size),

					inventoryItem: fmt.Sprintf("gid://shopify/InventoryItem/%d", 44_000_001+len(all)),
				})
			}
		}
	}
	return all
}

// channels returns the declarations of the channels.
func channels() []record.Channel {
	publish := record.Publish{
		Quiet: 2 * time.Second, LongestWait: 10 * time.Second, LowMark: 1, Settle: 2 * time.Second, CorrectDrift: true, // the defaults, but for settle
	}
	counted := record.CountStatuses{
		Merchant: []record.OrderStatus{record.Pending, record.Open, record.Cancelled},
		Channel:  []record.OrderStatus{record.Shipped, record.Cancelled},
	}
	var most stock.Quantity = 25
	everywhere := []string{"MTL", "SHE", "LAV", "WHS"}
	all := []record.Channel{
		{
			Channel: shopifyCA, Vendor: shopify.Vendor, Outlets: everywhere, Policies: []record.Policy{{Percent: 100}},
			Locations: []record.Location{{Location: shopifyLocation, Outlets: everywhere}},
		},
		{Channel: shopFR, Vendor: shop.Vendor, Outlets: []string{"LAV", "WHS"}, Policies: []record.Policy{{Percent: 80, Buffer: 1}}},
		{Channel: marketplace, Vendor: webhook.Vendor, Outlets: []string{"MTL", "WHS"}, Policies: []record.Policy{{Percent: 100, Buffer: 2, Cap: &most}}},
	}
	for i := range all {
		c := &all[i]
		c.Pool, c.RouteOrders, c.LowersOwnLevel, c.WhenStopped = poolID, true, true, record.StopZero
		c.Flows, c.CountStatuses, c.Publish = record.Flows{Stock: true, Orders: true}, counted, publish
		c.LoweringStatuses = []record.OrderStatus{record.Pending, record.Open, record.Shipped}
	}
	return all
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
				ChannelIDs: it.channelIDs(ch.Channel), Title: it.title,
			}})
		}
	}
	return events
}
