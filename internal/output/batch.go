package output

import (
	"cmp"
	"slices"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// An Entry is a journal entry of a run with its version.
type Entry struct {
	Version stock.Version
	*record.JournalEntry
}

// A Batch is what a run of entries has to say. Its slices are valid until the next Fill; the zero value is ready. It is used by
// one goroutine at a time.
type Batch struct {
	// Messages are the newest availability, allocation, channel state and offer of each key, then shipments and rejections.
	Messages []stream.Message
	// Marks must be written after Messages are acknowledged: an offer may overtake a mark, a mark never an offer it covers.
	Marks []stream.Message
	// Rows are the new values of the rows that changed. Of a row that comes twice the last one counts.
	Rows []engine.RowWrite

	arena []byte
	spans []span // of Messages, then Marks
	rows  []byte
	ends  []int // of the values of Rows in rows, one after the other; −1 for a row that goes
}

// A span is where in the arena a message has its key, its value and its partition key.
type span struct{ key, value, partition, end int }

// Fill replaces the batch with what the run collected in c. entries are the run's entries in journal order; only those with a
// rejection are looked at, for where they came from. journal is the journal's partition.
func (b *Batch) Fill(s *engine.State, c *engine.Changes, journal int32, entries []Entry) {
	b.FillMessages(s, c, journal, entries)
	b.FillRows(s, c)
}

// FillRows is the part of [Batch.Fill] that makes Rows. It may run at the same time as [Batch.FillMessages].
func (b *Batch) FillRows(s *engine.State, c *engine.Changes) {
	b.Rows, b.ends = b.Rows[:0], b.ends[:0]
	end := 0
	b.rows = s.AppendRows(b.rows[:0], c, func(r engine.RowWrite) {
		at := -1
		if r.Value != nil {
			end += len(r.Value)
			at = end
		}
		b.Rows, b.ends = append(b.Rows, engine.RowWrite{RowKey: r.RowKey}), append(b.ends, at)
	})
	from := 0
	for i, end := range b.ends { // they do not move any more; capped, so that nobody who appends to one writes into the next
		if end >= 0 {
			b.Rows[i].Value = b.rows[from:end:end]
			from = end
		}
	}
}

// FillMessages is the part of [Batch.Fill] that makes Messages and Marks.
func (b *Batch) FillMessages(s *engine.State, c *engine.Changes, journal int32, entries []Entry) {
	b.Messages, b.Marks = b.Messages[:0], b.Marks[:0]
	b.arena, b.spans = b.arena[:0], b.spans[:0]

	s.EachAvailability(c, func(a *record.Availability) {
		m := b.begin()
		b.arena = stream.AppendKey(b.arena, a.Pool, a.SKU)
		b.value(&m)
		b.arena = codec.AppendAvailability(b.arena, a)
		b.message(m, stream.Availability, "")
	})
	s.EachAllocation(c, func(a *record.Allocation) {
		m := b.begin()
		b.arena = stream.AppendKey(b.arena, a.Pool, a.Channel, a.OrderID)
		b.value(&m)
		b.arena = codec.AppendAllocation(b.arena, a)
		b.message(m, stream.Allocations, "")
	})
	s.EachOffer(c, func(o *record.OfferRecord) {
		m := b.begin()
		b.arena = appendOfferKey(b.arena, o)
		b.value(&m)
		b.arena = codec.AppendOfferRecord(b.arena, o)
		b.message(m, stream.Offers, account(o))
	})
	shipments := c.Shipments()
	for i := range shipments {
		m := b.begin()
		b.arena = append(b.arena, ShipmentKey(&shipments[i])...)
		b.value(&m)
		b.arena = codec.AppendShipmentNotice(b.arena, &shipments[i])
		b.message(m, stream.Shipments, shipments[i].Account)
	}
	b.rejections(c.Rejections(), journal, entries)

	messages := len(b.Messages)
	for _, mark := range c.Marks() {
		o := record.OfferRecord{Mark: &mark}
		m := b.begin()
		b.arena = appendOfferKey(b.arena, &o)
		b.value(&m)
		b.arena = codec.AppendOfferRecord(b.arena, &o)
		b.message(m, stream.Offers, mark.Account)
	}
	b.resolve()
	b.Marks = append(b.Marks, b.Messages[messages:]...)
	b.Messages = b.Messages[:messages]
}

// rejections adds the run's rejections with where the events came from and their bytes.
func (b *Batch) rejections(rejections []record.Rejection, journal int32, entries []Entry) {
	for i := range rejections {
		r := rejections[i]
		n, ok := slices.BinarySearchFunc(entries, r.Version, func(e Entry, v stock.Version) int { return cmp.Compare(e.Version, v) })
		if ok {
			e := entries[n].JournalEntry
			r.Topic, r.Partition, r.Offset = e.Origin.Topic, e.Origin.Partition, e.Origin.Offset
			r.RejectedAt = e.EntryTime // not the clock: a rejection that is made again must be equal
			r.Value = codec.AppendEvent(nil, &e.Event)
		}
		m := b.begin()
		b.arena = append(b.arena, RejectionKey(journal, r.Version, r.Ordinal)...)
		b.value(&m)
		b.arena = codec.AppendRejection(b.arena, &r)
		b.message(m, stream.Rejections, "")
	}
}

func account(o *record.OfferRecord) string {
	switch {
	case o.Offer != nil:
		return o.Offer.Account
	case o.ChannelState != nil:
		return o.ChannelState.Channel.AccountID()
	case o.Mark != nil:
		return o.Mark.Account
	}
	return ""
}

// begin starts a message: its key is appended to the arena next, then value is called, then its value is appended.
func (b *Batch) begin() span { return span{key: len(b.arena)} }

func (b *Batch) value(s *span) { s.value = len(b.arena) }

func (b *Batch) message(s span, topic stream.Topic, partitionKey string) {
	s.partition = len(b.arena)
	b.arena = append(b.arena, partitionKey...)
	s.end = len(b.arena)
	b.spans = append(b.spans, s)
	b.Messages = append(b.Messages, stream.Message{Topic: topic, Partition: stream.Any, ContentType: stream.ContentTypeProtobuf})
}

// resolve cuts the slices out of the arena, which does not move any more. Each is capped, so that nobody who appends to one
// writes into the next.
func (b *Batch) resolve() {
	for i := range b.Messages {
		m, s := &b.Messages[i], b.spans[i]
		m.Key = b.arena[s.key:s.value:s.value]
		m.Value = b.arena[s.value:s.partition:s.partition]
		if s.partition < s.end {
			m.PartitionKey = b.arena[s.partition:s.end:s.end]
		}
	}
}
