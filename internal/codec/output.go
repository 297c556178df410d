package codec

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/shelfwire/shelfwire/internal/record"
)

func availabilityFields(c *coder, a *record.Availability) {
	c.text(1, "pool", &a.Pool, 0)
	c.text(2, "sku", &a.SKU, 0)
	c.version(3, "version", &a.Version)
	c.instant(4, "changed_at", &a.ChangedAt, nullable)
	c.quantity(5, "on_hand", &a.OnHand, 0)
	c.quantity(6, "on_order", &a.OnOrder, 0)
	c.quantity(7, "reserved", &a.Reserved, 0)
	c.quantity(8, "available", &a.Available, 0)
	c.quantity(9, "backordered", &a.Backordered, 0)
	for i := c.list(10, "outlets", len(a.Outlets), 0); c.next(&i); {
		o := element(c, &a.Outlets, i)
		c.text(1, "outlet", &o.Outlet, 0)
		c.quantity(2, "on_hand", &o.OnHand, 0)
		c.quantity(3, "reserved", &o.Reserved, 0)
		c.boolean(4, "undeclared", &o.Undeclared, whenSet)
	}
	if c.mode != writeJSON { // the contract's shape of this one ends here
		timesFields(c, 11, &a.Times)
	}
}

func timesFields(c *coder, num protowire.Number, t *record.Times) {
	c.enter(num, "times", 0)
	c.instant(1, "occurred", &t.Occurred, nullable)
	c.instant(2, "origin", &t.Origin, nullable)
	c.instant(3, "entry", &t.Entry, nullable)
	c.leave()
}

func allocationFields(c *coder, a *record.Allocation) {
	c.text(1, "pool", &a.Pool, 0)
	c.text(2, "channel", &a.Channel, 0)
	c.text(3, "order_id", &a.OrderID, unique)
	c.enum(4, "state", (*uint8)(&a.State), orderStatuses, 0, 0)
	c.version(5, "version", &a.Version)
	c.instant(6, "changed_at", &a.ChangedAt, nullable)
	c.instant(7, "updated_at", &a.UpdatedAt, nullable)
	c.enum(8, "fulfilled_by", (*uint8)(&a.FulfilledBy), fulfillers, 0, 0)
	for i := c.list(9, "lines", len(a.Lines), 0); c.next(&i); {
		allocationLineFields(c, element(c, &a.Lines, i))
	}
	c.enter(10, "decision", 0)
	decisionFields(c, &a.Decision)
	c.leave()
	timesFields(c, 11, &a.Times)
}

func allocationLineFields(c *coder, l *record.AllocationLine) {
	c.text(1, "line_id", &l.LineID, 0)
	c.text(2, "sku", &l.SKU, 0)
	c.quantity(3, "ordered", &l.Ordered, 0)
	c.quantity(4, "waiting", &l.Waiting, 0)
	c.quantity(5, "fulfilled", &l.Fulfilled, 0)
	for i := c.list(6, "allocations", len(l.Allocations), 0); c.next(&i); {
		a := element(c, &l.Allocations, i)
		c.text(1, "outlet", &a.Outlet, 0)
		c.quantity(2, "quantity", &a.Quantity, 0)
		c.quantity(3, "fulfilled", &a.Fulfilled, 0)
	}
	c.boolean(7, "held", &l.Held, whenSet)
}

func decisionFields(c *coder, d *record.Decision) {
	c.text(1, "rule", &d.Rule, 0)
	c.boolean(2, "exact", &d.Exact, 0)
	for i := c.list(3, "candidates", len(d.Candidates), 0); c.next(&i); {
		candidate := element(c, &d.Candidates, i)
		c.text(1, "outlet", &candidate.Outlet, 0)
		for j := c.list(2, "lacks", len(candidate.Lacks), 0); c.next(&j); {
			lack := element(c, &candidate.Lacks, j)
			c.text(1, "line_id", &lack.LineID, 0)
			c.quantity(2, "quantity", &lack.Quantity, 0)
		}
	}
}

func offerRecordFields(c *coder, r *record.OfferRecord) {
	if o := part(c, 1, "offer", &r.Offer); o != nil {
		offerFields(c, o)
		c.leave()
	}
	if s := part(c, 2, "channel_state", &r.ChannelState); s != nil {
		c.enter(1, "channel", always)
		channelFields(c, &s.Channel)
		c.leave()
		c.version(2, "version", &s.Version)
		c.leave()
	}
	if m := part(c, 3, "mark", &r.Mark); m != nil {
		channelMarkFields(c, m)
		c.leave()
	}
}

func offerFields(c *coder, o *record.Offer) {
	c.text(1, "pool", &o.Pool, 0)
	c.text(2, "channel", &o.Channel, 0)
	c.text(3, "account", &o.Account, 0)
	c.text(4, "sku", &o.SKU, 0)
	c.text(5, "location", &o.Location, 0)
	c.version(6, "version", &o.Version)
	c.instant(7, "changed_at", &o.ChangedAt, nullable)
	c.quantity(8, "quantity", &o.Quantity, 0)
	c.quantity(9, "sold", &o.Sold, 0)
	c.quantity(10, "released", &o.Released, 0)
	c.text(11, "reason", &o.Reason, 0)
	c.enter(12, "inputs", 0)
	offerInputsFields(c, &o.Inputs)
	c.leave()
	c.dict(13, "channel_ids", &o.ChannelIDs, 0)
	c.boolean(14, "stopped", &o.Stopped, 0)
	timesFields(c, 15, &o.Times)
}

func offerInputsFields(c *coder, in *record.OfferInputs) {
	for i := c.list(1, "outlets", len(in.Outlets), 0); c.next(&i); {
		o := element(c, &in.Outlets, i)
		c.text(1, "outlet", &o.Outlet, 0)
		c.quantity(2, "on_hand", &o.OnHand, 0)
		c.quantity(3, "reserved", &o.Reserved, 0)
		c.quantity(4, "safety_stock", &o.SafetyStock, 0)
		c.quantity(5, "available", &o.Available, 0)
	}
	c.quantity(2, "waiting", &in.Waiting, 0)
	c.quantity(3, "buffer", &in.Buffer, 0)
	c.small(4, "percent", &in.Percent, 0)
	c.maybeQuantity(5, "cap", &in.Cap, 0)
	c.quantity(6, "floor", &in.Floor, 0)
}

func channelMarkFields(c *coder, m *record.ChannelMark) {
	c.text(1, "pool", &m.Pool, 0)
	c.text(2, "channel", &m.Channel, 0)
	c.text(3, "account", &m.Account, 0)
	c.instant(4, "orders_until", &m.OrdersUntil, nullable)
	c.version(5, "version", &m.Version)
}

func shipmentNoticeFields(c *coder, n *record.ShipmentNotice) {
	c.text(1, "pool", &n.Pool, 0)
	c.text(2, "channel", &n.Channel, 0)
	c.text(3, "account", &n.Account, 0)
	c.text(4, "order_id", &n.OrderID, unique)
	c.text(5, "fulfilment_id", &n.FulfilmentID, unique)
	c.text(6, "outlet", &n.Outlet, 0)
	c.instant(7, "shipped_at", &n.ShippedAt, nullable)
	c.text(8, "carrier", &n.Carrier, 0)
	c.text(9, "tracking", &n.Tracking, unique)
	for i := c.list(10, "lines", len(n.Lines), 0); c.next(&i); {
		fulfilmentLineFields(c, element(c, &n.Lines, i))
	}
	c.version(11, "version", &n.Version)
}

func communicationFields(c *coder, m *record.Communication) {
	c.text(1, "pool", &m.Pool, 0)
	c.text(2, "channel", &m.Channel, 0)
	c.text(3, "account", &m.Account, 0)
	c.text(4, "sku", &m.SKU, 0)
	c.text(5, "location", &m.Location, 0)
	c.enum(6, "kind", (*uint8)(&m.Kind), communicationKinds, 0, 0)
	c.enum(7, "state", (*uint8)(&m.State), communicationStates, 0, 0)
	c.small(8, "attempt", &m.Attempt, 0)
	c.text(9, "idempotency_key", &m.IdempotencyKey, unique)
	c.version(10, "offer_version", &m.OfferVersion)
	c.quantity(11, "quantity", &m.Quantity, 0)
	c.maybeQuantity(12, "compare", &m.Compare, 0)
	c.maybeQuantity(13, "expected", &m.Expected, 0)
	c.maybeQuantity(14, "level", &m.Level, 0)
	c.quantity(15, "sold", &m.Sold, 0)
	c.quantity(16, "released", &m.Released, 0)
	c.number(17, "sequence", &m.Sequence, 0)
	c.text(18, "request_id", &m.RequestID, unique)
	c.text(19, "reply_id", &m.ReplyID, unique)
	c.text(20, "reply_class", &m.ReplyClass, 0)
	c.text(21, "reply", &m.Reply, unique)
	c.text(22, "reason", &m.Reason, 0)
	c.text(23, "command", &m.Command, unique)
	c.instant(24, "offered_at", &m.OfferedAt, nullable)
	c.instant(25, "occurred_at", &m.OccurredAt, nullable)
	c.instant(26, "attempted_at", &m.AttemptedAt, nullable)
	c.instant(27, "replied_at", &m.RepliedAt, nullable)
	c.text(28, "order_id", &m.OrderID, unique|whenSet)
	c.text(29, "fulfilment_id", &m.FulfilmentID, unique|whenSet)
}

func rejectionFields(c *coder, r *record.Rejection) {
	c.text(1, "class", &r.Class, 0)
	c.text(2, "reason", &r.Reason, 0)
	c.text(3, "field", &r.Field, 0)
	c.text(4, "topic", &r.Topic, 0)
	c.small(5, "partition", &r.Partition, 0)
	c.number(6, "offset", &r.Offset, 0)
	c.small(7, "index", &r.Index, 0)
	c.text(8, "pool", &r.Pool, 0)
	c.version(9, "version", &r.Version)
	c.small(10, "ordinal", &r.Ordinal, 0)
	c.instant(11, "rejected_at", &r.RejectedAt, nullable)
	c.boolean(12, "applied", &r.Applied, 0)
	c.blob(13, "value", &r.Value)
}

func commandFields(c *coder, m *record.Command) {
	c.text(1, "id", &m.ID, unique)
	c.text(2, "pool", &m.Pool, 0)
	c.text(3, "channel", &m.Channel, 0)
	c.enum(4, "kind", (*uint8)(&m.Kind), commandKinds, 0, 0)
	c.text(5, "sku", &m.SKU, 0)
	c.boolean(6, "observe_only", &m.ObserveOnly, 0)
	c.instant(7, "since", &m.Since, nullable)
	c.instant(8, "issued_at", &m.IssuedAt, nullable)
	if d := part(c, 9, "done", &m.Done); d != nil {
		c.number(1, "count", &d.Count, 0)
		c.number(2, "drifted", &d.Drifted, 0)
		c.number(3, "failed", &d.Failed, 0)
		c.text(4, "reason", &d.Reason, 0)
		c.number(5, "waiting", &d.Waiting, 0)
		c.instant(6, "waits_until", &d.WaitsUntil, 0)
		c.text(7, "waits_for", &d.WaitsFor, whenSet)
		c.leave()
	}
	c.text(10, "order_id", &m.OrderID, unique|whenSet)
	c.instant(11, "answer_by", &m.AnswerBy, 0)
}
