package chstore

import (
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

const communicationFields = `offset, toUnixTimestamp64Micro(recorded_at), pool, channel, account, sku, location, kind, state, attempt, idempotency_key,
	offer_version, quantity, compare, expected, level, sold, released, sequence, request_id, reply_id, reply_class, reply, reason, command,
	toUnixTimestamp64Micro(offered_at), toUnixTimestamp64Micro(occurred_at), toUnixTimestamp64Micro(attempted_at), toUnixTimestamp64Micro(replied_at)`

// scanTold reads communicationFields.
func scanTold(r driver.Rows, x *auditview.Told) error {
	var kind, state string
	var compare, expected, level *int64
	err := r.Scan(&x.Offset, (*int64)(&x.RecordedAt), &x.Pool, &x.Channel, &x.Account, &x.SKU, &x.Location, &kind, &state, &x.Attempt, &x.IdempotencyKey,
		(*uint64)(&x.OfferVersion), (*int64)(&x.Quantity), &compare, &expected, &level, (*int64)(&x.Sold), (*int64)(&x.Released), &x.Sequence, &x.RequestID,
		&x.ReplyID, &x.ReplyClass, &x.Reply, &x.Reason, &x.Command,
		(*int64)(&x.OfferedAt), (*int64)(&x.OccurredAt), (*int64)(&x.AttemptedAt), (*int64)(&x.RepliedAt))
	x.Kind, x.State = kindOf(kind), stateOf(state)
	x.Compare, x.Expected, x.Level = units(compare), units(expected), units(level)
	return err
}

func units(v *int64) *stock.Quantity {
	if v == nil {
		return nil
	}
	q := stock.Quantity(*v)
	return &q
}

// stateOf returns the state that word is for, 0 for none.
func stateOf(word string) record.CommunicationState {
	for s := record.Attempted; codec.CommunicationStateWord(s) != ""; s++ {
		if codec.CommunicationStateWord(s) == word {
			return s
		}
	}
	return 0
}

// kindOf returns the kind that word is for, 0 for none.
func kindOf(word string) record.CommunicationKind {
	for k := record.SetLevel; codec.CommunicationKindWord(k) != ""; k++ {
		if codec.CommunicationKindWord(k) == word {
			return k
		}
	}
	return 0
}

const offerFields = `pool, channel, account, sku, location, version, toUnixTimestamp64Micro(changed_at), quantity, sold, released, reason, stopped,
	outlets, outlet_on_hand, outlet_reserved, outlet_safety_stock, outlet_available, waiting, buffer, percent, cap, floor, channel_ids,
	toUnixTimestamp64Micro(occurred_at), toUnixTimestamp64Micro(origin_at), toUnixTimestamp64Micro(entry_at)`

// scanOffer reads offerFields.
func scanOffer(r driver.Rows, x *record.Offer) error {
	var outlets []string
	var onHand, reserved, safetyStock, available []int64
	var limit *int64
	var ids map[string]string
	in := &x.Inputs
	err := r.Scan(&x.Pool, &x.Channel, &x.Account, &x.SKU, &x.Location, (*uint64)(&x.Version), (*int64)(&x.ChangedAt), (*int64)(&x.Quantity),
		(*int64)(&x.Sold), (*int64)(&x.Released), &x.Reason, &x.Stopped, &outlets, &onHand, &reserved, &safetyStock, &available,
		(*int64)(&in.Waiting), (*int64)(&in.Buffer), &in.Percent, &limit, (*int64)(&in.Floor), &ids,
		(*int64)(&x.Times.Occurred), (*int64)(&x.Times.Origin), (*int64)(&x.Times.Entry))
	if err != nil {
		return err
	}
	in.Cap = units(limit)
	for i, outlet := range outlets {
		in.Outlets = append(in.Outlets, record.OfferOutlet{
			Outlet: outlet, OnHand: stock.Quantity(onHand[i]), Reserved: stock.Quantity(reserved[i]),
			SafetyStock: stock.Quantity(safetyStock[i]), Available: stock.Quantity(available[i]),
		})
	}
	x.ChannelIDs = record.DictOf(ids)
	return nil
}
