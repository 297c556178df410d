package record

import "github.com/shelfwire/shelfwire/internal/stock"

// A JournalEntry is an event in its place in a pool's one order, with where it came from.
type JournalEntry struct {
	Event     Event
	Origin    Origin
	EntryTime stock.Instant // ingest's clock when it wrote the entry; journal time is the greatest so far
}

// An Origin is the input record an entry was made from. Offsets of one (TopicID, Partition) rise along the journal of a
// pool except where a run was sent again, which the engine skips. A tick has no origin (TopicID "").
type Origin struct {
	TopicID   string // the topic's id in lower-case hex: a re-created topic of the same name is another origin
	Topic     string
	Partition int32
	Offset    int64
	// Previous is the origin offset of the entry this writer sent before this one for the same pool and origin
	// partition, −1 where it does not know (its first after a start). One above the engine's mark is a gap.
	Previous int64
	Time     stock.Instant // the input record's own timestamp
}
