// Package stream holds the words of the log: topics, partitions, positions and the bytes that travel. It lets the
// stages speak of Kafka records without a Kafka client.
package stream

import (
	"context"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// A Topic is the name of one of our topics without the installation's prefix.
type Topic string

// The topics of a pipeline. Movements, Orders and Catalogue are its input.
const (
	Movements      Topic = "movements"
	Orders         Topic = "orders"
	Catalogue      Topic = "catalogue"
	Journal        Topic = "journal"
	Commands       Topic = "commands"
	Availability   Topic = "availability"
	Allocations    Topic = "allocations"
	Offers         Topic = "offers"
	Shipments      Topic = "shipments"
	Communications Topic = "communications"
	Rejections     Topic = "rejections"
)

// Topics lists every topic, inputs first.
func Topics() []Topic {
	return []Topic{
		Movements, Orders, Catalogue, Journal, Commands, Availability,
		Allocations, Offers, Shipments, Communications, Rejections,
	}
}

// Inputs lists the topics that retailers and connectors write.
func Inputs() []Topic { return []Topic{Movements, Orders, Catalogue} }

// A Partition is one partition of one topic.
type Partition struct {
	Topic Topic
	ID    int32
}

// OfGeneration returns the name under which a history keeps how far it is with a partition: a journal that was rebased is another log
// under its topic's name, whose offsets begin anew, so from generation 1 on the generation is in the name. It is 0 for every other
// topic.
func (p Partition) OfGeneration(generation uint8) Partition {
	if generation > 0 {
		p.Topic = Topic(fmt.Sprintf("%s/%d", p.Topic, generation))
	}
	return p
}

// A Record is one record read from a partition. Key and Value belong to the reader and are valid until its next Read.
type Record struct {
	Offset      int64
	LeaderEpoch int32
	Time        stock.Instant // the record's own timestamp
	ContentType string        // header content-type; "" when absent
	Key         []byte
	Value       []byte
}

// ContentTypeProtobuf is the content-type header of a record whose value is binary protobuf.
const ContentTypeProtobuf = "application/x-protobuf"

// A Message is one record to be written. The writer keeps neither slice after it has returned.
type Message struct {
	Topic       Topic
	Partition   int32 // used when ≥ 0; negative: chosen by PartitionKey, or by Key where PartitionKey is empty
	Key         []byte
	Value       []byte
	ContentType string
	// PartitionKey, where set, chooses the partition instead of Key (offers are keyed by listing and placed by account).
	PartitionKey []byte
}

// Any is the Message.Partition of a message whose partition follows from its keys.
const Any int32 = -1

// A Reader reads one partition in order from where it was opened. It is used by one goroutine.
type Reader interface {
	// Read waits for at least one record and returns what is there, in order, at most the reader's batch. The records, and the
	// bytes of their keys and values, are valid until the next Read. It returns the context's error when ctx ends, ErrOutOfRange
	// when the next record has been deleted or never existed. A broker that is away is waited for, not an error.
	Read(ctx context.Context) ([]Record, error)
	// Close ends reading and frees what is buffered.
	Close()
}

// Bounds is the range of offsets that a partition holds: Start is the first, End is one past the last.
type Bounds struct{ Start, End int64 }
