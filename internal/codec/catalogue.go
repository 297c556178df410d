package codec

import (
	"time"

	"github.com/shelfwire/shelfwire/internal/record"
)

func outletFields(c *coder, o *record.Outlet) {
	c.text(1, "pool", &o.Pool, required|id)
	c.text(2, "outlet", &o.Outlet, required|id)
	c.text(3, "name", &o.Name, 0)
	c.small(4, "priority", &o.Priority, 0)
	c.booleanTrue(5, "sells_online", &o.SellsOnline)
	c.booleanTrue(6, "fulfils_orders", &o.FulfilsOrders)
	c.quantity(7, "safety_stock", &o.SafetyStock, notNegative)
	c.boolean(8, "channel_owned", &o.ChannelOwned, 0)
	c.boolean(9, "deleted", &o.Deleted, 0)
}

func kitFields(c *coder, k *record.Kit) {
	c.text(1, "pool", &k.Pool, required|id)
	c.text(2, "sku", &k.SKU, required|id)
	how := required
	if k.Deleted {
		how = 0
	}
	for i := c.list(3, "components", len(k.Components), how); c.next(&i); {
		component := element(c, &k.Components, i)
		c.text(1, "sku", &component.SKU, required|id)
		c.quantity(2, "quantity", &component.Quantity, required|positive)
	}
	c.boolean(4, "deleted", &k.Deleted, 0)
}

func listingFields(c *coder, l *record.Listing) {
	c.text(1, "pool", &l.Pool, required|id)
	c.text(2, "channel", &l.Channel, required|id)
	c.text(3, "sku", &l.SKU, required|id)
	c.booleanTrue(4, "opted_in", &l.OptedIn)
	c.booleanTrue(5, "tracked", &l.Tracked)
	c.enum(6, "fulfilled_by", (*uint8)(&l.FulfilledBy), fulfillers, uint8(record.ByMerchant), required)
	c.dict(7, "channel_ids", &l.ChannelIDs, id)
	c.text(8, "title", &l.Title, unique)
	for i := c.list(9, "policies", len(l.Policies), 0); c.next(&i); {
		policyFields(c, element(c, &l.Policies, i))
	}
	c.instant(10, "publish_at", &l.PublishAt, nullable)
	c.boolean(11, "deleted", &l.Deleted, 0)
}

func policyFields(c *coder, p *record.Policy) {
	c.instant(1, "from", &p.From, nullable)
	c.instant(2, "to", &p.To, nullable)
	c.quantity(3, "buffer", &p.Buffer, notNegative)
	c.maybeQuantity(4, "cap", &p.Cap, notNegative)
	c.smallOr(5, "percent", &p.Percent, notNegative, 100)
	c.quantity(6, "floor", &p.Floor, notNegative)
	if c.mode == check {
		checkPolicy(c, p)
	}
}

func channelFields(c *coder, ch *record.Channel) {
	c.text(1, "pool", &ch.Pool, required|id)
	c.text(2, "channel", &ch.Channel, required|id)
	c.text(3, "vendor", &ch.Vendor, id)
	c.texts(4, "outlets", &ch.Outlets, required|id)
	for i := c.list(5, "locations", len(ch.Locations), 0); c.next(&i); {
		l := element(c, &ch.Locations, i)
		c.text(1, "location", &l.Location, required|id)
		c.texts(2, "outlets", &l.Outlets, required|id)
	}
	c.text(6, "account", &ch.Account, id)
	c.booleanTrue(7, "route_orders", &ch.RouteOrders)
	c.text(8, "default_outlet", &ch.DefaultOutlet, id)
	c.text(9, "own_outlet", &ch.OwnOutlet, id)
	c.booleanTrue(10, "lowers_own_level", &ch.LowersOwnLevel)
	c.boolean(11, "deleted", &ch.Deleted, 0)

	c.enter(12, "flows", 0)
	c.booleanTrue(1, "stock", &ch.Flows.Stock)
	c.booleanTrue(2, "orders", &ch.Flows.Orders)
	c.booleanTrue(3, "shipments_out", &ch.Flows.ShipmentsOut)
	c.boolean(4, "shipments_in", &ch.Flows.ShipmentsIn, 0)
	c.boolean(5, "payments", &ch.Flows.Payments, 0)
	c.leave()

	c.enter(13, "count_statuses", 0)
	c.statuses(1, "merchant", &ch.CountStatuses.Merchant, record.Pending, record.Open, record.Cancelled)
	c.statuses(2, "channel", &ch.CountStatuses.Channel, record.Shipped, record.Cancelled)
	c.leave()

	c.statuses(14, "lowering_statuses", &ch.LoweringStatuses, record.Pending, record.Open, record.Shipped)

	c.enter(15, "publish", 0)
	publishFields(c, &ch.Publish)
	c.leave()

	for i := c.list(16, "policies", len(ch.Policies), 0); c.next(&i); {
		policyFields(c, element(c, &ch.Policies, i))
	}
	c.enum(17, "when_stopped", (*uint8)(&ch.WhenStopped), stops, uint8(record.StopZero), required)
	c.dict(18, "carriers", &ch.Carriers, whenSet)
	if c.mode == check {
		checkLocations(c, ch)
	}
}

func publishFields(c *coder, p *record.Publish) {
	c.duration(1, "quiet", &p.Quiet, 2*time.Second)
	c.duration(2, "longest_wait", &p.LongestWait, 10*time.Second)
	c.quantityOr(3, "low_mark", &p.LowMark, notNegative, 1)
	c.duration(4, "settle", &p.Settle, 30*time.Second)
	c.duration(5, "visibility_lag", &p.VisibilityLag, 0)
	c.duration(6, "grace", &p.Grace, time.Minute)
	c.booleanTrue(7, "correct_drift", &p.CorrectDrift)
}

func poolFields(c *coder, p *record.Pool) {
	c.text(1, "pool", &p.Pool, required|id)
	c.smallOr(2, "ruleset", &p.Ruleset, positive, 1)
	c.enum(3, "prefer", (*uint8)(&p.Prefer), preferences, uint8(record.FewestOutlets), required)
	c.enum(4, "release_on", (*uint8)(&p.ReleaseOn), releases, uint8(record.OnCancel), required)
	c.booleanTrue(5, "fulfilment_lowers_on_hand", &p.FulfilmentLowersOnHand)
	c.duration(6, "count_window", &p.CountWindow, 6*time.Hour)
	c.booleanTrue(7, "single_outlet", &p.SingleOutlet)
	c.booleanTrue(8, "split_orders", &p.SplitOrders)
	c.booleanTrue(9, "split_lines", &p.SplitLines)
	c.boolean(10, "ship_complete", &p.ShipComplete, 0)
}
