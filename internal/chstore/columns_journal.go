package chstore

import (
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func journalTable() *table {
	// What is asked for in columns is of movements and orders; the rest of an event is in its JSON.
	movement := func(r *row) *record.Movement {
		if m := r.Journal.Event.Movement; m != nil {
			return m
		}
		return &record.Movement{}
	}
	order := func(r *row) *record.Order {
		if o := r.Journal.Event.Order; o != nil {
			return o
		}
		return &record.Order{}
	}
	origin := func(r *row) *record.Origin { return &r.Journal.Origin }
	entryTime := func(r *row) time.Time { return when(r.Journal.EntryTime) }
	return newTable("journal_entries", entryTime,
		col("partition", func(r *row) int32 { return r.partition }),
		col("offset", func(r *row) int64 { return r.Offset }),
		col("generation", func(r *row) uint8 { return r.generation }),
		col("version", func(r *row) uint64 { return uint64(stock.VersionAt(r.generation, r.Offset)) }),
		col("pool", func(r *row) string { return r.Journal.Event.PoolID() }),
		col("kind", func(r *row) string { return kindWord(r.Journal.Event.Kind()) }),
		col("entry_time", entryTime),
		col("occurred_at", func(r *row) time.Time { return when(occurredAt(&r.Journal.Event)) }),
		col("origin_topic_id", func(r *row) string { return origin(r).TopicID }),
		col("origin_topic", func(r *row) string { return origin(r).Topic }),
		col("origin_partition", func(r *row) int32 { return origin(r).Partition }),
		col("origin_offset", func(r *row) int64 { return origin(r).Offset }),
		col("origin_time", func(r *row) time.Time { return when(origin(r).Time) }),
		col("outlet", func(r *row) string {
			if f := r.Journal.Event.Fulfilment; f != nil {
				return f.Outlet
			}
			return movement(r).Outlet
		}),
		col("sku", func(r *row) string { return movement(r).SKU }),
		col("movement_kind", func(r *row) string { return codec.MovementKindWord(movement(r).Kind) }),
		col("quantity", func(r *row) int64 { return int64(movement(r).Quantity) }),
		col("counterpart", func(r *row) string { return movement(r).Counterpart }),
		col("reason", func(r *row) string { return movement(r).Reason }),
		col("event_id", func(r *row) string { return movement(r).EventID }),
		col("source", func(r *row) string { return movement(r).Source }),
		col("epoch", func(r *row) int64 { return movement(r).Epoch }),
		col("sequence", func(r *row) int64 { return movement(r).Sequence }),
		col("channel", func(r *row) string { return channelOf(&r.Journal.Event) }),
		col("order_id", func(r *row) string {
			if f := r.Journal.Event.Fulfilment; f != nil {
				return f.OrderID
			}
			return order(r).OrderID
		}),
		col("order_status", func(r *row) string { return codec.OrderStatusWord(order(r).Status) }),
		col("fulfilled_by", func(r *row) string { return codec.FulfillerWord(order(r).FulfilledBy) }),
		col("placed_at", func(r *row) time.Time { return when(order(r).PlacedAt) }),
		col("updated_at", func(r *row) time.Time { return when(order(r).UpdatedAt) }),
		col("line_ids", func(r *row) []string {
			if f := r.Journal.Event.Fulfilment; f != nil {
				return list(f.Lines, func(l *record.FulfilmentLine) string { return l.LineID })
			}
			return list(order(r).Lines, func(l *record.OrderLine) string { return l.LineID })
		}),
		col("line_skus", func(r *row) []string { return list(order(r).Lines, func(l *record.OrderLine) string { return l.SKU }) }),
		col("line_locations", func(r *row) []string {
			return list(order(r).Lines, func(l *record.OrderLine) string { return l.Location })
		}),
		col("line_quantities", func(r *row) []int64 {
			if f := r.Journal.Event.Fulfilment; f != nil {
				return list(f.Lines, func(l *record.FulfilmentLine) int64 { return int64(l.Quantity) })
			}
			return list(order(r).Lines, func(l *record.OrderLine) int64 { return int64(l.Quantity) })
		}),
		col("line_fulfilled", func(r *row) []int64 {
			return list(order(r).Lines, func(l *record.OrderLine) int64 { return int64(l.Fulfilled) })
		}),
		col("event", func(r *row) string { return string(codec.AppendEventJSON(nil, &r.Journal.Event)) }),
	)
}

func occurredAt(e *record.Event) stock.Instant {
	switch {
	case e.Movement != nil:
		return e.Movement.OccurredAt
	case e.Order != nil:
		return e.Order.UpdatedAt
	case e.Fulfilment != nil:
		return e.Fulfilment.ShippedAt
	}
	return 0
}

func channelOf(e *record.Event) string {
	switch {
	case e.Order != nil:
		return e.Order.Channel
	case e.Fulfilment != nil:
		return e.Fulfilment.Channel
	case e.Mark != nil:
		return e.Mark.Channel
	}
	return ""
}

func kindWord(k record.EventKind) string {
	words := [...]string{
		record.KindMovement: "movement", record.KindOrder: "order", record.KindFulfilment: "fulfilment", record.KindMark: "mark",
		record.KindOutlet: "outlet", record.KindKit: "kit", record.KindListing: "listing", record.KindChannel: "channel",
		record.KindPool: "pool", record.KindDecline: "decline", record.KindReassign: "reassign", record.KindRefresh: "refresh", record.KindTick: "tick",
	}
	if int(k) < len(words) {
		return words[k]
	}
	return ""
}

func rejectionTable() *table {
	rejectedAt := func(r *row) time.Time {
		if r.Rejection.RejectedAt == 0 {
			return when(r.Time)
		}
		return when(r.Rejection.RejectedAt)
	}
	return newTable("rejection_records", rejectedAt,
		col("record_key", func(r *row) string { return r.Key }),
		col("class", func(r *row) string { return r.Rejection.Class }),
		col("reason", func(r *row) string { return r.Rejection.Reason }),
		col("field", func(r *row) string { return r.Rejection.Field }),
		col("applied", func(r *row) bool { return r.Rejection.Applied }),
		col("pool", func(r *row) string { return r.Rejection.Pool }),
		col("topic", func(r *row) string { return r.Rejection.Topic }),
		col("partition", func(r *row) int32 { return r.Rejection.Partition }),
		col("offset", func(r *row) int64 { return r.Rejection.Offset }),
		col("row_index", func(r *row) int32 { return r.Rejection.Index }),
		col("version", func(r *row) uint64 { return uint64(r.Rejection.Version) }),
		col("ordinal", func(r *row) int32 { return r.Rejection.Ordinal }),
		col("rejected_at", rejectedAt),
		col("value", func(r *row) string { return string(r.Rejection.Value) }),
		col("recorded_at", recordedAt),
	)
}
