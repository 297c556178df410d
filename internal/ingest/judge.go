package ingest

import (
	"errors"
	"fmt"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// maxAhead is how far ahead of ours a sender's clock may be.
const maxAhead = 5 * time.Minute

// A parser is [codec.ParseEvent], or a decoder's for whoever reads many events.
type parser func(contentType string, value []byte, dst *record.Event) error

// judge reads an event of the input topic and decides whether it may enter the journal at the moment now. It returns nil with
// the event in dst, or the rejection with its class, field and reason.
func judge(parse parser, topic stream.Topic, contentType string, value []byte, now stock.Instant, dst *record.Event) *record.Rejection {
	if err := parse(contentType, value, dst); err != nil {
		reject := &record.Rejection{Class: "malformed", Reason: err.Error(), Pool: dst.PoolID()}
		if fe, ok := errors.AsType[*codec.FieldError](err); ok {
			reject.Field, reject.Reason = fe.Field, fe.Reason
		}
		return reject
	}
	reject := func(field, reason string) *record.Rejection {
		return &record.Rejection{Class: "refused", Field: field, Reason: reason, Pool: dst.PoolID()}
	}
	if why := engine.Refused(dst); why != "" {
		return reject(refusedField(dst), why)
	}
	if dst.Mark != nil && topic != stream.Orders {
		return reject("mark", "is accepted on the topic orders only, behind the orders it speaks of")
	}
	for _, m := range moments(dst) {
		if m.at > now.Add(maxAhead) {
			return reject(m.field, fmt.Sprintf("is %s, more than %s ahead of this clock, %s", m.at, maxAhead, now))
		}
	}
	return nil
}

// refusedField names what the engine does not take of an event: what its kind is refused for, or the kind itself.
func refusedField(e *record.Event) string {
	switch e.Kind() {
	case record.KindMovement:
		return "movement.kind"
	case record.KindOrder:
		return "order.lines"
	case record.KindPool:
		return "pool.ruleset"
	case record.KindKit:
		return "kit"
	case record.KindDecline:
		return "decline"
	case record.KindReassign:
		return "reassign"
	case record.KindRefresh:
		return "refresh"
	default:
		return ""
	}
}

type moment struct {
	field string
	at    stock.Instant
}

// moments are the times at which the event says that something has happened. One from the future would outlive every truth
// that follows it.
func moments(e *record.Event) []moment {
	switch {
	case e.Movement != nil:
		return []moment{{"movement.occurred_at", e.Movement.OccurredAt}}
	case e.Order != nil:
		return []moment{{"order.updated_at", e.Order.UpdatedAt}, {"order.read_at", e.Order.ReadAt}}
	case e.Fulfilment != nil:
		return []moment{{"fulfilment.shipped_at", e.Fulfilment.ShippedAt}}
	case e.Mark != nil:
		return []moment{{"mark.orders_until", e.Mark.OrdersUntil}}
	}
	return nil
}
