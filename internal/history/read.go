package history

import (
	"errors"
	"fmt"
	"slices"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A reading turns the records of one partition into rows, which share no memory with them.
type reading struct {
	partition stream.Partition
	decoder   *codec.Decoder
}

func newReading(p stream.Partition) *reading {
	return &reading{partition: p, decoder: codec.NewDecoder()}
}

// row returns the row of a record; none for a tombstone, which says nothing that happened.
func (rd *reading) row(r *stream.Record) (Row, bool) {
	if len(r.Value) == 0 {
		return Row{}, false
	}
	row := Row{Offset: r.Offset, Time: r.Time}
	if err := rd.decode(r, &row); err != nil {
		return rd.unreadable(r, err), true
	}
	return row, true
}

func (rd *reading) decode(r *stream.Record, row *Row) error {
	switch rd.partition.Topic {
	case stream.Journal:
		row.Journal = new(record.JournalEntry)
		return rd.decoder.JournalEntry(r.Value, row.Journal)
	case stream.Availability:
		row.Availability = new(record.Availability)
		return codec.DecodeAvailability(r.Value, row.Availability)
	case stream.Allocations:
		row.Allocation = new(record.Allocation)
		return codec.DecodeAllocation(r.Value, row.Allocation)
	case stream.Offers:
		row.Offer = new(record.OfferRecord)
		return rd.decoder.OfferRecord(r.Value, row.Offer)
	case stream.Shipments:
		row.Shipment = new(record.ShipmentNotice)
		return codec.DecodeShipmentNotice(r.Value, row.Shipment)
	case stream.Communications:
		row.Communication = new(record.Communication)
		return codec.DecodeCommunication(r.Value, row.Communication)
	case stream.Rejections:
		row.Rejection, row.Key = new(record.Rejection), string(r.Key)
		return codec.DecodeRejection(r.Value, row.Rejection)
	}
	return fmt.Errorf("topic %q is not kept", rd.partition.Topic)
}

// unreadable returns the row that keeps a record that does not decode.
func (rd *reading) unreadable(r *stream.Record, err error) Row {
	x := &record.Rejection{
		Class: "unreadable", Reason: err.Error(), Topic: string(rd.partition.Topic), Partition: rd.partition.ID, Offset: r.Offset,
		RejectedAt: r.Time, Value: slices.Clone(r.Value),
	}
	if field, ok := errors.AsType[*codec.FieldError](err); ok {
		x.Field = field.Field
	}
	return Row{
		Offset: r.Offset, Time: r.Time, Rejection: x, Unreadable: true,
		Key: fmt.Sprintf("history/%s/%d/%d", rd.partition.Topic, rd.partition.ID, r.Offset),
	}
}
