package output

import (
	"strconv"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// AvailabilityKey is the key of a SKU's availability.
func AvailabilityKey(pool, sku string) string { return stream.JoinKey(pool, sku) }

// AllocationKey is the key of an order's allocation.
func AllocationKey(pool, channel, order string) string { return stream.JoinKey(pool, channel, order) }

// OfferKey is the key of a record of the offers topic. An offer has four parts, a channel's state two and a mark three, so
// that the three kinds never meet under compaction.
func OfferKey(o *record.OfferRecord) string { return string(appendOfferKey(nil, o)) }

func appendOfferKey(dst []byte, o *record.OfferRecord) []byte {
	switch {
	case o.Offer != nil:
		return stream.AppendKey(dst, o.Offer.Pool, o.Offer.Channel, o.Offer.SKU, o.Offer.Location)
	case o.ChannelState != nil:
		return stream.AppendKey(dst, o.ChannelState.Channel.Pool, o.ChannelState.Channel.Channel)
	case o.Mark != nil:
		return stream.AppendKey(dst, o.Mark.Pool, o.Mark.Channel, "mark")
	}
	return dst
}

// ShipmentKey is the key of a shipment notice: a despatch is told once per version.
func ShipmentKey(s *record.ShipmentNotice) string {
	return stream.JoinKey(s.Pool, s.Channel, s.OrderID, s.FulfilmentID)
}

// RejectionKey is the key of a rejection that the fold made. Versions are told apart by the journal's partition, so a
// rejection that is written again has the key it had.
func RejectionKey(journal int32, v stock.Version, ordinal int32) string {
	b := make([]byte, 0, 40)
	b = append(b, "journal/"...)
	b = strconv.AppendInt(b, int64(journal), 10)
	b = append(b, '/')
	b = strconv.AppendUint(b, uint64(v), 10)
	b = append(b, '/')
	return string(strconv.AppendInt(b, int64(ordinal), 10))
}
