package history

import (
	"context"
	"errors"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Store keeps rows. It is safe for concurrent use, but one partition is written by one caller at a time; a second one that does
// not know that it was replaced writes the same rows, which changes nothing.
type Store interface {
	// Position returns the next offset of the partition that is not stored, 0 where nothing is.
	Position(ctx context.Context, p stream.Partition) (int64, error)
	// TopicID returns the id of the topic that the partition's rows came from, "" where nothing is stored.
	TopicID(ctx context.Context, p stream.Partition) (string, error)
	// Append stores the rows of a batch, then that the partition is stored up to and with Last. After an error any part of it
	// may be stored: the caller gives the same records again, in this batch or in others, and each row is kept once. A
	// position never goes back. The store keeps nothing of the batch.
	Append(ctx context.Context, b *Batch) error
}

// ErrAway is wrapped by the error of a store whose server does not answer now, or answers that it cannot now. Nothing is known to be
// wrong with it.
var ErrAway = errors.New("the history store is away")

// Away wraps err with [ErrAway].
func Away(err error) error { return &away{err} }

type away struct{ err error }

func (a *away) Error() string   { return a.err.Error() }
func (a *away) Unwrap() []error { return []error{ErrAway, a.err} }

// A Batch is the rows of a run of offsets of one partition. Offsets without a row are there where records were compacted away.
type Batch struct {
	Partition   stream.Partition // as [stream.Partition.OfGeneration]
	TopicID     string
	Generation  uint8 // of the journal; 0 for every other topic
	First, Last int64 // both inclusive
	Rows        []Row // by offset
}

// A Row is one record: exactly one of the pointers is set. A record that follows from the journal is the same row whatever its
// offset, by its key and version; an input or a communication is it by its offset, a rejection by Key.
type Row struct {
	Offset int64
	Time   stock.Instant // the record's own timestamp
	Key    string        // of a rejection: where it came from

	Journal       *record.JournalEntry
	Availability  *record.Availability
	Allocation    *record.Allocation
	Offer         *record.OfferRecord
	Shipment      *record.ShipmentNotice
	Communication *record.Communication
	Rejection     *record.Rejection

	Unreadable bool // Rejection says why the record could not be read
}
