package codec

import (
	"github.com/shelfwire/shelfwire/internal/record"
)

func eventFields(c *coder, e *record.Event) {
	if m := part(c, 1, "movement", &e.Movement); m != nil {
		movementFields(c, m)
		c.leave()
		if c.mode == readProto && c.wire.next == endOfMessage {
			return // most records by far are done here
		}
	}
	if o := part(c, 2, "order", &e.Order); o != nil {
		orderFields(c, o)
		c.leave()
	}
	if f := part(c, 3, "fulfilment", &e.Fulfilment); f != nil {
		fulfilmentFields(c, f)
		c.leave()
	}
	if m := part(c, 4, "mark", &e.Mark); m != nil {
		markFields(c, m)
		c.leave()
	}
	if o := part(c, 5, "outlet", &e.Outlet); o != nil {
		outletFields(c, o)
		c.leave()
	}
	if k := part(c, 6, "kit", &e.Kit); k != nil {
		kitFields(c, k)
		c.leave()
	}
	if l := part(c, 7, "listing", &e.Listing); l != nil {
		listingFields(c, l)
		c.leave()
	}
	if ch := part(c, 8, "channel", &e.Channel); ch != nil {
		channelFields(c, ch)
		c.leave()
	}
	if p := part(c, 9, "pool", &e.Pool); p != nil {
		poolFields(c, p)
		c.leave()
	}
	if d := part(c, 10, "decline", &e.Decline); d != nil {
		declineFields(c, d)
		c.leave()
	}
	if r := part(c, 11, "reassign", &e.Reassign); r != nil {
		reassignFields(c, r)
		c.leave()
	}
	if r := part(c, 12, "refresh", &e.Refresh); r != nil {
		refreshFields(c, r)
		c.leave()
	}
	if t := part(c, 13, "tick", &e.Tick); t != nil {
		c.text(1, "pool", &t.Pool, required|id)
		c.leave()
	}
	if c.mode == check {
		checkParts(c, e)
	}
}

func movementFields(c *coder, m *record.Movement) {
	c.text(1, "pool", &m.Pool, required|id)
	c.text(2, "outlet", &m.Outlet, required|id)
	c.text(3, "sku", &m.SKU, required|id)
	c.enum(4, "kind", (*uint8)(&m.Kind), movementKinds, 0, required)
	c.quantity(5, "quantity", &m.Quantity, required)
	c.instant(6, "occurred_at", &m.OccurredAt, required)
	c.text(7, "event_id", &m.EventID, id|unique)
	c.text(8, "source", &m.Source, id)
	c.number(9, "epoch", &m.Epoch, notNegative)
	c.number(10, "sequence", &m.Sequence, notNegative)
	c.text(11, "reason", &m.Reason, unique)
	c.text(12, "counterpart", &m.Counterpart, id)
	if c.mode == check {
		checkMovement(c, m)
	}
}

func orderFields(c *coder, o *record.Order) {
	c.text(1, "pool", &o.Pool, required|id)
	c.text(2, "channel", &o.Channel, required|id)
	c.text(3, "order_id", &o.OrderID, required|id|unique)
	c.enum(4, "status", (*uint8)(&o.Status), snapshotStatuses, 0, required)
	c.instant(5, "placed_at", &o.PlacedAt, 0)
	c.instant(6, "updated_at", &o.UpdatedAt, required)
	c.instant(7, "read_at", &o.ReadAt, 0)
	c.enum(8, "fulfilled_by", (*uint8)(&o.FulfilledBy), fulfillers, uint8(record.ByMerchant), required)
	c.instant(9, "expires_at", &o.ExpiresAt, nullable)

	c.enter(10, "ship_to", 0)
	c.text(1, "country", &o.ShipTo.Country, 0)
	c.text(2, "postal_code", &o.ShipTo.PostalCode, 0)
	c.leave()

	c.enter(11, "payment", 0)
	c.text(1, "state", &o.Payment.State, 0)
	c.text(2, "amount", &o.Payment.Amount, unique)
	c.text(3, "currency", &o.Payment.Currency, 0)
	c.leave()

	for i := c.list(12, "lines", len(o.Lines), 0); c.next(&i); {
		orderLineFields(c, element(c, &o.Lines, i))
	}
	if c.mode == check {
		checkLineIDs(c, o)
	}
}

func orderLineFields(c *coder, l *record.OrderLine) {
	c.text(1, "line_id", &l.LineID, required|id)
	c.text(2, "sku", &l.SKU, id)
	c.text(3, "item", &l.Item, id)
	c.quantity(4, "quantity", &l.Quantity, required|notNegative)
	c.quantity(5, "fulfilled", &l.Fulfilled, notNegative)
	c.text(6, "outlet", &l.Outlet, id)
	c.text(7, "location", &l.Location, id)
	if c.mode == check && l.SKU == "" && l.Item == "" {
		c.fail("sku", "is required where there is no item")
	}
}

func fulfilmentFields(c *coder, f *record.Fulfilment) {
	c.text(1, "pool", &f.Pool, required|id)
	c.text(2, "channel", &f.Channel, required|id)
	c.text(3, "order_id", &f.OrderID, required|id|unique)
	c.text(4, "fulfilment_id", &f.FulfilmentID, required|id|unique)
	c.enum(5, "reported_by", (*uint8)(&f.ReportedBy), reporters, uint8(record.Warehouse), required)
	c.text(6, "outlet", &f.Outlet, id)
	c.instant(7, "shipped_at", &f.ShippedAt, required)
	c.text(8, "carrier", &f.Carrier, 0)
	c.text(9, "tracking", &f.Tracking, unique)
	for i := c.list(10, "lines", len(f.Lines), required); c.next(&i); {
		fulfilmentLineFields(c, element(c, &f.Lines, i))
	}
}

func fulfilmentLineFields(c *coder, l *record.FulfilmentLine) {
	c.text(1, "line_id", &l.LineID, required|id)
	c.quantity(2, "quantity", &l.Quantity, required|positive)
}

func markFields(c *coder, m *record.Mark) {
	c.text(1, "pool", &m.Pool, required|id)
	c.text(2, "channel", &m.Channel, required|id)
	c.instant(3, "orders_until", &m.OrdersUntil, required)
}

func declineFields(c *coder, d *record.Decline) {
	c.text(1, "pool", &d.Pool, required|id)
	c.text(2, "event_id", &d.EventID, required|id|unique)
	c.text(3, "channel", &d.Channel, required|id)
	c.text(4, "order_id", &d.OrderID, required|id|unique)
	c.text(5, "line_id", &d.LineID, required|id)
	c.text(6, "outlet", &d.Outlet, required|id)
	c.quantity(7, "quantity", &d.Quantity, required|positive)
	c.text(8, "reason", &d.Reason, unique)
}

func reassignFields(c *coder, r *record.Reassign) {
	c.text(1, "pool", &r.Pool, required|id)
	c.text(2, "event_id", &r.EventID, required|id|unique)
	c.text(3, "channel", &r.Channel, required|id)
	c.text(4, "order_id", &r.OrderID, required|id|unique)
	c.text(5, "line_id", &r.LineID, required|id)
	c.text(6, "from", &r.From, required|id)
	c.text(7, "to", &r.To, required|id)
	c.quantity(8, "quantity", &r.Quantity, required|positive)
	if c.mode == check && r.From == r.To {
		c.fail("to", "must differ from from")
	}
}

func refreshFields(c *coder, r *record.Refresh) {
	c.text(1, "pool", &r.Pool, required|id)
	c.text(2, "channel", &r.Channel, id)
}

func journalEntryFields(c *coder, e *record.JournalEntry) {
	c.enter(1, "event", always)
	eventFields(c, &e.Event)
	c.leave()
	if c.reading() && parts(&e.Event) != 1 {
		c.fail("event", oneFact)
	}
	c.enter(2, "origin", 0)
	originFields(c, &e.Origin)
	c.leave()
	c.instant(3, "entry_time", &e.EntryTime, nullable)
}

func originFields(c *coder, o *record.Origin) {
	c.text(1, "topic_id", &o.TopicID, 0)
	c.text(2, "topic", &o.Topic, 0)
	c.small(3, "partition", &o.Partition, 0)
	c.number(4, "offset", &o.Offset, 0)
	c.number(5, "previous", &o.Previous, 0)
	c.instant(6, "time", &o.Time, nullable)
}
