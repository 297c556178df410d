package chstore

import (
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
)

func availabilityTable() *table {
	changedAt := func(r *row) time.Time { return when(r.Availability.ChangedAt) }
	outlets := func(r *row, value func(*record.OutletLevel) int64) []int64 {
		return list(r.Availability.Outlets, value)
	}
	return newTable("availability_versions", changedAt,
		col("pool", func(r *row) string { return r.Availability.Pool }),
		col("sku", func(r *row) string { return r.Availability.SKU }),
		col("version", func(r *row) uint64 { return uint64(r.Availability.Version) }),
		col("changed_at", changedAt),
		col("on_hand", func(r *row) int64 { return int64(r.Availability.OnHand) }),
		col("on_order", func(r *row) int64 { return int64(r.Availability.OnOrder) }),
		col("reserved", func(r *row) int64 { return int64(r.Availability.Reserved) }),
		col("available", func(r *row) int64 { return int64(r.Availability.Available) }),
		col("backordered", func(r *row) int64 { return int64(r.Availability.Backordered) }),
		col("outlets", func(r *row) []string {
			return list(r.Availability.Outlets, func(o *record.OutletLevel) string { return o.Outlet })
		}),
		col("outlet_on_hand", func(r *row) []int64 { return outlets(r, func(o *record.OutletLevel) int64 { return int64(o.OnHand) }) }),
		col("outlet_reserved", func(r *row) []int64 {
			return outlets(r, func(o *record.OutletLevel) int64 { return int64(o.Reserved) })
		}),
		col("occurred_at", func(r *row) time.Time { return when(r.Availability.Times.Occurred) }),
		col("origin_at", func(r *row) time.Time { return when(r.Availability.Times.Origin) }),
		col("entry_at", func(r *row) time.Time { return when(r.Availability.Times.Entry) }),
		col("emitted_at", recordedAt),
	)
}

func allocationTable() *table {
	changedAt := func(r *row) time.Time { return when(r.Allocation.ChangedAt) }
	lines := func(r *row, value func(*record.AllocationLine) int64) []int64 { return list(r.Allocation.Lines, value) }
	outlets := func(r *row, value func(*record.LineAllocation) int64) [][]int64 {
		return list(r.Allocation.Lines, func(l *record.AllocationLine) []int64 { return list(l.Allocations, value) })
	}
	return newTable("allocation_versions", changedAt,
		col("pool", func(r *row) string { return r.Allocation.Pool }),
		col("channel", func(r *row) string { return r.Allocation.Channel }),
		col("order_id", func(r *row) string { return r.Allocation.OrderID }),
		col("version", func(r *row) uint64 { return uint64(r.Allocation.Version) }),
		col("changed_at", changedAt),
		col("updated_at", func(r *row) time.Time { return when(r.Allocation.UpdatedAt) }),
		col("state", func(r *row) string { return codec.OrderStatusWord(r.Allocation.State) }),
		col("fulfilled_by", func(r *row) string { return codec.FulfillerWord(r.Allocation.FulfilledBy) }),
		col("line_ids", func(r *row) []string {
			return list(r.Allocation.Lines, func(l *record.AllocationLine) string { return l.LineID })
		}),
		col("line_skus", func(r *row) []string {
			return list(r.Allocation.Lines, func(l *record.AllocationLine) string { return l.SKU })
		}),
		col("line_ordered", func(r *row) []int64 {
			return lines(r, func(l *record.AllocationLine) int64 { return int64(l.Ordered) })
		}),
		col("line_waiting", func(r *row) []int64 {
			return lines(r, func(l *record.AllocationLine) int64 { return int64(l.Waiting) })
		}),
		col("line_fulfilled", func(r *row) []int64 {
			return lines(r, func(l *record.AllocationLine) int64 { return int64(l.Fulfilled) })
		}),
		col("line_outlets", func(r *row) [][]string {
			return list(r.Allocation.Lines, func(l *record.AllocationLine) []string {
				return list(l.Allocations, func(a *record.LineAllocation) string { return a.Outlet })
			})
		}),
		col("line_outlet_quantities", func(r *row) [][]int64 {
			return outlets(r, func(a *record.LineAllocation) int64 { return int64(a.Quantity) })
		}),
		col("line_outlet_fulfilled", func(r *row) [][]int64 {
			return outlets(r, func(a *record.LineAllocation) int64 { return int64(a.Fulfilled) })
		}),
		col("rule", func(r *row) string { return r.Allocation.Decision.Rule }),
		col("exact", func(r *row) bool { return r.Allocation.Decision.Exact }),
		col("allocation", func(r *row) string { return string(codec.AppendAllocationJSON(nil, r.Allocation)) }),
		col("emitted_at", recordedAt),
	)
}

func offerTable() *table {
	offer := func(r *row) *record.Offer { return r.Offer.Offer }
	outlets := func(r *row, value func(*record.OfferOutlet) int64) []int64 {
		return list(r.Offer.Offer.Inputs.Outlets, value)
	}
	changedAt := func(r *row) time.Time { return when(offer(r).ChangedAt) }
	return newTable("offer_versions", changedAt,
		col("pool", func(r *row) string { return offer(r).Pool }),
		col("channel", func(r *row) string { return offer(r).Channel }),
		col("account", func(r *row) string { return offer(r).Account }),
		col("sku", func(r *row) string { return offer(r).SKU }),
		col("location", func(r *row) string { return offer(r).Location }),
		col("version", func(r *row) uint64 { return uint64(offer(r).Version) }),
		col("changed_at", changedAt),
		col("quantity", func(r *row) int64 { return int64(offer(r).Quantity) }),
		col("sold", func(r *row) int64 { return int64(offer(r).Sold) }),
		col("released", func(r *row) int64 { return int64(offer(r).Released) }),
		col("reason", func(r *row) string { return offer(r).Reason }),
		col("stopped", func(r *row) bool { return offer(r).Stopped }),
		col("outlets", func(r *row) []string {
			return list(offer(r).Inputs.Outlets, func(o *record.OfferOutlet) string { return o.Outlet })
		}),
		col("outlet_on_hand", func(r *row) []int64 { return outlets(r, func(o *record.OfferOutlet) int64 { return int64(o.OnHand) }) }),
		col("outlet_reserved", func(r *row) []int64 {
			return outlets(r, func(o *record.OfferOutlet) int64 { return int64(o.Reserved) })
		}),
		col("outlet_safety_stock", func(r *row) []int64 {
			return outlets(r, func(o *record.OfferOutlet) int64 { return int64(o.SafetyStock) })
		}),
		col("outlet_available", func(r *row) []int64 {
			return outlets(r, func(o *record.OfferOutlet) int64 { return int64(o.Available) })
		}),
		col("waiting", func(r *row) int64 { return int64(offer(r).Inputs.Waiting) }),
		col("buffer", func(r *row) int64 { return int64(offer(r).Inputs.Buffer) }),
		col("percent", func(r *row) int32 { return offer(r).Inputs.Percent }),
		col("cap", func(r *row) *int64 { return nullable(offer(r).Inputs.Cap) }),
		col("floor", func(r *row) int64 { return int64(offer(r).Inputs.Floor) }),
		col("channel_ids", func(r *row) map[string]string { return offer(r).ChannelIDs.Map() }),
		col("occurred_at", func(r *row) time.Time { return when(offer(r).Times.Occurred) }),
		col("origin_at", func(r *row) time.Time { return when(offer(r).Times.Origin) }),
		col("entry_at", func(r *row) time.Time { return when(offer(r).Times.Entry) }),
		col("emitted_at", recordedAt),
	)
}

func channelTable() *table {
	channel := func(r *row) *record.Channel { return &r.Offer.ChannelState.Channel }
	return newTable("channel_versions", always,
		col("pool", func(r *row) string { return channel(r).Pool }),
		col("channel", func(r *row) string { return channel(r).Channel }),
		col("version", func(r *row) uint64 { return uint64(r.Offer.ChannelState.Version) }),
		col("account", func(r *row) string { return channel(r).AccountID() }),
		col("vendor", func(r *row) string { return channel(r).Vendor }),
		col("deleted", func(r *row) bool { return channel(r).Deleted }),
		col("state", func(r *row) string { return string(codec.AppendOfferRecordJSON(nil, r.Offer)) }),
		col("emitted_at", recordedAt),
	)
}

func markTable() *table {
	mark := func(r *row) *record.ChannelMark { return r.Offer.Mark }
	return newTable("channel_marks", recordedAt,
		col("pool", func(r *row) string { return mark(r).Pool }),
		col("channel", func(r *row) string { return mark(r).Channel }),
		col("version", func(r *row) uint64 { return uint64(mark(r).Version) }),
		col("orders_until", func(r *row) time.Time { return when(mark(r).OrdersUntil) }),
		col("emitted_at", recordedAt),
	)
}

func shipmentTable() *table {
	notice := func(r *row) *record.ShipmentNotice { return r.Shipment }
	return newTable("shipment_notices", recordedAt,
		col("pool", func(r *row) string { return notice(r).Pool }),
		col("channel", func(r *row) string { return notice(r).Channel }),
		col("account", func(r *row) string { return notice(r).Account }),
		col("order_id", func(r *row) string { return notice(r).OrderID }),
		col("fulfilment_id", func(r *row) string { return notice(r).FulfilmentID }),
		col("version", func(r *row) uint64 { return uint64(notice(r).Version) }),
		col("outlet", func(r *row) string { return notice(r).Outlet }),
		col("shipped_at", func(r *row) time.Time { return when(notice(r).ShippedAt) }),
		col("carrier", func(r *row) string { return notice(r).Carrier }),
		col("tracking", func(r *row) string { return notice(r).Tracking }),
		col("line_ids", func(r *row) []string {
			return list(notice(r).Lines, func(l *record.FulfilmentLine) string { return l.LineID })
		}),
		col("line_quantities", func(r *row) []int64 {
			return list(notice(r).Lines, func(l *record.FulfilmentLine) int64 { return int64(l.Quantity) })
		}),
		col("emitted_at", recordedAt),
	)
}

func confirmationTable() *table {
	said := func(r *row) *record.Communication { return r.Communication }
	return newTable("confirmation_records", recordedAt,
		col("pool", func(r *row) string { return said(r).Pool }),
		col("channel", func(r *row) string { return said(r).Channel }),
		col("account", func(r *row) string { return said(r).Account }),
		col("order_id", func(r *row) string { return said(r).OrderID }),
		col("fulfilment_id", func(r *row) string { return said(r).FulfilmentID }),
		col("partition", func(r *row) int32 { return r.partition }),
		col("offset", func(r *row) int64 { return r.Offset }),
		col("recorded_at", recordedAt),
		col("state", func(r *row) string { return codec.CommunicationStateWord(said(r).State) }),
		col("attempt", func(r *row) int32 { return said(r).Attempt }),
		col("idempotency_key", func(r *row) string { return said(r).IdempotencyKey }),
		col("version", func(r *row) uint64 { return uint64(said(r).OfferVersion) }),
		col("quantity", func(r *row) int64 { return int64(said(r).Quantity) }),
		col("sequence", func(r *row) int64 { return said(r).Sequence }),
		col("reply_id", func(r *row) string { return said(r).ReplyID }),
		col("reply_class", func(r *row) string { return said(r).ReplyClass }),
		col("reply", func(r *row) string { return said(r).Reply }),
		col("reason", func(r *row) string { return said(r).Reason }),
		col("command", func(r *row) string { return said(r).Command }),
		col("shipped_at", func(r *row) time.Time { return when(said(r).OccurredAt) }),
		col("attempted_at", func(r *row) time.Time { return when(said(r).AttemptedAt) }),
		col("replied_at", func(r *row) time.Time { return when(said(r).RepliedAt) }),
	)
}

func communicationTable() *table {
	said := func(r *row) *record.Communication { return r.Communication }
	return newTable("communication_records", recordedAt,
		col("pool", func(r *row) string { return said(r).Pool }),
		col("channel", func(r *row) string { return said(r).Channel }),
		col("account", func(r *row) string { return said(r).Account }),
		col("sku", func(r *row) string { return said(r).SKU }),
		col("location", func(r *row) string { return said(r).Location }),
		col("partition", func(r *row) int32 { return r.partition }),
		col("offset", func(r *row) int64 { return r.Offset }),
		col("recorded_at", recordedAt),
		col("kind", func(r *row) string { return codec.CommunicationKindWord(said(r).Kind) }),
		col("state", func(r *row) string { return codec.CommunicationStateWord(said(r).State) }),
		col("attempt", func(r *row) int32 { return said(r).Attempt }),
		col("idempotency_key", func(r *row) string { return said(r).IdempotencyKey }),
		col("offer_version", func(r *row) uint64 { return uint64(said(r).OfferVersion) }),
		col("quantity", func(r *row) int64 { return int64(said(r).Quantity) }),
		col("compare", func(r *row) *int64 { return nullable(said(r).Compare) }),
		col("expected", func(r *row) *int64 { return nullable(said(r).Expected) }),
		col("level", func(r *row) *int64 { return nullable(said(r).Level) }),
		col("sold", func(r *row) int64 { return int64(said(r).Sold) }),
		col("released", func(r *row) int64 { return int64(said(r).Released) }),
		col("sequence", func(r *row) int64 { return said(r).Sequence }),
		col("request_id", func(r *row) string { return said(r).RequestID }),
		col("reply_id", func(r *row) string { return said(r).ReplyID }),
		col("reply_class", func(r *row) string { return said(r).ReplyClass }),
		col("reply", func(r *row) string { return said(r).Reply }),
		col("reason", func(r *row) string { return said(r).Reason }),
		col("command", func(r *row) string { return said(r).Command }),
		col("offered_at", func(r *row) time.Time { return when(said(r).OfferedAt) }),
		col("occurred_at", func(r *row) time.Time { return when(said(r).OccurredAt) }),
		col("attempted_at", func(r *row) time.Time { return when(said(r).AttemptedAt) }),
		col("replied_at", func(r *row) time.Time { return when(said(r).RepliedAt) }),
	)
}
