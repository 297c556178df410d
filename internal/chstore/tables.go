package chstore

import (
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A row is a record with the partition it is of.
type row struct {
	*history.Row
	partition  int32
	generation uint8
}

// A table says how records become the columns of a table.
type table struct {
	name    string
	insert  string               // INSERT with every column named
	time    func(*row) time.Time // what the table is partitioned by
	columns []column
}

// A column makes the values of one column, as a slice of the type that the client takes for it.
type column struct {
	name   string
	values func([]row) any
}

func col[V any](name string, value func(*row) V) column {
	return column{name: name, values: func(rows []row) any {
		all := make([]V, 0, len(rows))
		for i := range rows {
			all = append(all, value(&rows[i]))
		}
		return all
	}}
}

func newTable(name string, at func(*row) time.Time, columns ...column) *table {
	names := make([]string, 0, len(columns))
	for _, c := range columns {
		names = append(names, c.name)
	}
	return &table{name: name, insert: "INSERT INTO " + name + " (" + strings.Join(names, ", ") + ")", time: at, columns: columns}
}

// The tables that rows go to.
type tables struct {
	journal, availability, allocations, offers, channels, marks, communications, confirmations, rejections, shipments *table
}

func newTables() tables {
	return tables{
		journal: journalTable(), availability: availabilityTable(), allocations: allocationTable(), offers: offerTable(),
		channels: channelTable(), marks: markTable(), communications: communicationTable(), confirmations: confirmationTable(), rejections: rejectionTable(),
		shipments: shipmentTable(),
	}
}

// of returns the table of a row, nil for a row that holds nothing.
func (t *tables) of(r *history.Row) *table {
	switch {
	case r.Journal != nil:
		return t.journal
	case r.Availability != nil:
		return t.availability
	case r.Allocation != nil:
		return t.allocations
	case r.Offer != nil && r.Offer.Offer != nil:
		return t.offers
	case r.Offer != nil && r.Offer.ChannelState != nil:
		return t.channels
	case r.Offer != nil && r.Offer.Mark != nil:
		return t.marks
	case r.Communication != nil && r.Communication.Kind == record.ConfirmShipment:
		return t.confirmations
	case r.Communication != nil:
		return t.communications
	case r.Rejection != nil:
		return t.rejections
	case r.Shipment != nil:
		return t.shipments
	}
	return nil
}

func recordedAt(r *row) time.Time { return when(r.Time) }

// always is the time of the rows of a table that is not partitioned.
func always(*row) time.Time { return time.Time{} }

// list makes the values of an array column from what a record holds.
func list[E, V any](from []E, value func(*E) V) []V {
	all := make([]V, 0, len(from))
	for i := range from {
		all = append(all, value(&from[i]))
	}
	return all
}

func nullable(q *stock.Quantity) *int64 {
	if q == nil {
		return nil
	}
	v := int64(*q)
	return &v
}
