package codec

import (
	"encoding/binary"
	"math/bits"

	"github.com/shelfwire/shelfwire/internal/record"
)

// A Decoder reads many records with few allocations: strings that repeat (ids of pools, outlets, SKUs) are made once,
// movements come from slabs. What it has handed out stays valid for as long as it is kept. It is used by one goroutine.
type Decoder struct {
	coder   coder
	strings *internTable // nil until the first record: many decoders never see one
	slab    movementSlab
	last    lastTexts
}

// NewDecoder returns a decoder that remembers a bounded number of strings.
func NewDecoder() *Decoder { return &Decoder{} }

// JournalEntry reads a journal entry as [DecodeJournalEntry] does.
func (d *Decoder) JournalEntry(b []byte, e *record.JournalEntry) error {
	c := d.begin(futureUnknown)
	if d.plainMovement(b, e) {
		return nil
	}
	c.err = nil
	*e = record.JournalEntry{}
	c.openWire(b)
	journalEntryFields(c, e)
	return c.decoded("journal entry")
}

// OfferRecord reads a record of the offers topic as [DecodeOfferRecord] does.
func (d *Decoder) OfferRecord(b []byte, r *record.OfferRecord) error {
	*r = record.OfferRecord{}
	c := d.begin(skipUnknown)
	c.openWire(b)
	offerRecordFields(c, r)
	return c.decoded("offer record")
}

// Event reads an event from outside as [ParseEvent] does.
func (d *Decoder) Event(contentType string, value []byte, dst *record.Event) error {
	return d.begin(refuseUnknown).event(contentType, value, dst)
}

// begin makes the coder ready for the next record. Its frames need no clearing: each is set when it is entered.
func (d *Decoder) begin(unknown unknownPolicy) *coder {
	c := &d.coder
	c.mode, c.unknown, c.depth = readProto, unknown, 0
	c.err, c.future, c.absent = nil, false, ""
	c.wire = protoReader{}
	if cap(c.doc.members) > keptMembers {
		c.doc.members = nil
	}
	c.doc.members = c.doc.members[:0]
	if d.strings == nil {
		d.strings = new(internTable)
	}
	c.shared, c.slab = d.strings, &d.slab
	return c
}

// keptMembers is how many members of a JSON document there may have been for their memory to be kept.
const keptMembers = 256

const (
	internSlots    = 1 << 14
	maxInternBytes = 64 // longer strings seldom repeat
)

// An internTable remembers one string a slot; a newer one that falls on the same slot replaces it, which bounds it. Its hash is beside
// it, so that most strings that are not the same are not looked at.
type internTable [internSlots]struct {
	hash uint64
	text string
}

// text returns b as a string, the one it returned before where it still knows it.
func (t *internTable) text(c *coder, name string, b []byte) string {
	if len(b) == 0 || len(b) > maxInternBytes {
		return c.newText(name, b)
	}
	h := hash(b)
	slot := &t[h%internSlots]
	if slot.hash != h || slot.text != string(b) {
		s := c.newText(name, b) // only here must it be checked for UTF-8: what is in the table was
		if c.err != nil {
			return ""
		}
		slot.hash, slot.text = h, s
	}
	return slot.text
}

// hash mixes b eight bytes at a time. It decides only which strings displace each other, never a result.
func hash(b []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15
	h := uint64(len(b)) * odd
	for len(b) >= 8 {
		h = bits.RotateLeft64((h^binary.LittleEndian.Uint64(b))*odd, 29)
		b = b[8:]
	}
	var tail uint64
	for i, x := range b {
		tail |= uint64(x) << (8 * i)
	}
	h = (h ^ tail) * odd
	return h ^ h>>32
}

// Recycle says that no movement which d has handed out is in use any more: their memory is used for the next ones. A
// caller that works batch by batch calls it between them; calling it is never needed. Strings are not affected. Until then, or until the
// next record, d may point into the bytes of the last one.
func (d *Decoder) Recycle() {
	d.slab.next = 0
	c := &d.coder
	c.wire = protoReader{}
	clear(c.frames[:])
	clear(c.doc.members[:cap(c.doc.members)])
}

const (
	slabMovements = 64  // in one block
	maxSlabBlocks = 480 // kept for Recycle: more than a batch of the allocator
)

// A movementSlab hands out movements from blocks and keeps the first blocks to hand them out again.
type movementSlab struct {
	blocks [][]record.Movement
	next   int // movements handed out since Recycle
}

func (s *movementSlab) take() *record.Movement {
	block, i := s.next/slabMovements, s.next%slabMovements
	if block == maxSlabBlocks { // without Recycle: let the blocks live as long as their movements do
		clear(s.blocks)
		s.blocks = s.blocks[:0]
		block, s.next = 0, 0
	}
	if block == len(s.blocks) {
		s.blocks = append(s.blocks, make([]record.Movement, slabMovements))
	}
	s.next++
	m := &s.blocks[block][i]
	*m = record.Movement{}
	return m
}

// giveBack takes back what take has handed out last.
func (s *movementSlab) giveBack() { s.next-- }

// newOf returns a new T, from the slab where there is one for it.
func newOf[T any](c *coder) *T {
	if c.slab != nil {
		if _, ok := any((*T)(nil)).(*record.Movement); ok {
			return any(c.slab.take()).(*T)
		}
	}
	return new(T)
}
