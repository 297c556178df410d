package codec

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Nearly every journal entry is a movement, written by this program, and each has an availability written, and an offer for every
// channel. The functions of this file read the one and write the others in less than half the time that their descriptions take.
//
// Reading takes the one form in which an entry is written, fields in the order of their numbers and each once, and gives up on
// anything else, right or wrong: the description has the last word on it. A field that is described in event.go and not here
// is such a thing, so what is missing here costs time and nothing else.

// A plainReader reads one message that has this form; bad says that it has not.
type plainReader struct {
	c   *coder
	b   []byte
	at  int
	bad bool
}

const (
	textTag   = byte(protowire.BytesType)
	numberTag = byte(protowire.VarintType)
)

// has consumes the tag of the field, if it is the next.
func (r *plainReader) has(num, typ byte) bool {
	if r.at < len(r.b) && r.b[r.at] == num<<3|typ {
		r.at++
		return true
	}
	return false
}

// body consumes the length of the field and what it holds.
func (r *plainReader) body() []byte {
	if r.at >= len(r.b) {
		r.bad = true
		return nil
	}
	begin, size := r.at+1, int(r.b[r.at])
	if size >= 0x80 {
		if begin >= len(r.b) || r.b[begin] >= 0x80 {
			r.bad = true
			return nil
		}
		size = size&0x7f | int(r.b[begin])<<7
		begin++
	}
	if size > len(r.b)-begin {
		r.bad = true
		return nil
	}
	r.at = begin + size
	return r.b[begin:r.at]
}

func (r *plainReader) message(num byte) plainReader {
	if !r.has(num, textTag) {
		return plainReader{c: r.c}
	}
	return plainReader{c: r.c, b: r.body()}
}

// end ends a message inside of r: it must have been read to its end.
func (r *plainReader) end(inner *plainReader) {
	r.bad = r.bad || inner.bad || inner.at != len(inner.b)
}

// text reads a text of which there are few different ones.
func (r *plainReader) text(num byte) string {
	if !r.has(num, textTag) {
		return ""
	}
	return r.c.shared.text(r.c, "", r.body())
}

// same reads a text that is mostly that of the record before, which last is.
func (r *plainReader) same(num byte, last *string) string {
	if !r.has(num, textTag) {
		return ""
	}
	if b := r.body(); string(b) != *last {
		*last = r.c.shared.text(r.c, "", b)
	}
	return *last
}

// newText reads a text that is seldom the same twice.
func (r *plainReader) newText(num byte) string {
	if !r.has(num, textTag) {
		return ""
	}
	return r.c.newText("", r.body())
}

func (r *plainReader) number(num byte) int64 {
	if !r.has(num, numberTag) {
		return 0
	}
	if r.at < len(r.b) && r.b[r.at] < 0x80 {
		r.at++
		return int64(r.b[r.at-1])
	}
	v, n := longVarint(r.b[r.at:])
	if n < 0 {
		r.bad = true
		return 0
	}
	r.at += n
	return int64(v)
}

func (r *plainReader) instant(num byte) stock.Instant {
	if !r.has(num, textTag) {
		return 0
	}
	seconds, nanos, ok := plainSpan(r.body())
	r.bad = r.bad || !ok || !isInstant(seconds, nanos)
	return instantAt(seconds, nanos)
}

// lastTexts are texts that a movement mostly has in common with the one before.
type lastTexts struct{ pool, source, topicID, topic string }

// plainMovement reads the journal entry of a movement and reports whether it has the form; where it has not, e is not to be used.
func (d *Decoder) plainMovement(b []byte, e *record.JournalEntry) bool {
	entry := plainReader{c: &d.coder, b: b}
	event := entry.message(1)
	movement := event.message(1)
	if len(movement.b) == 0 {
		return false
	}
	m := d.slab.take()
	m.Pool = movement.same(1, &d.last.pool)
	m.Outlet = movement.text(2)
	m.SKU = movement.text(3)
	kind := movement.number(4)
	m.Kind = stock.MovementKind(kind)
	m.Quantity = stock.Quantity(movement.number(5))
	m.OccurredAt = movement.instant(6)
	m.EventID = movement.newText(7)
	m.Source = movement.same(8, &d.last.source)
	m.Epoch = movement.number(9)
	m.Sequence = movement.number(10)
	m.Reason = movement.newText(11)
	m.Counterpart = movement.text(12)
	event.end(&movement)
	entry.end(&event)

	e.Event = record.Event{Movement: m}
	origin, o := entry.message(2), &e.Origin
	o.TopicID = origin.same(1, &d.last.topicID)
	o.Topic = origin.same(2, &d.last.topic)
	o.Partition = int32(origin.number(3))
	o.Offset = origin.number(4)
	o.Previous = origin.number(5)
	o.Time = origin.instant(6)
	entry.end(&origin)

	e.EntryTime = entry.instant(3)
	if entry.bad || entry.at != len(b) || uint64(kind) >= uint64(len(movementKinds)) || d.coder.err != nil {
		d.slab.giveBack()
		return false
	}
	return true
}

// appendAvailability appends what availabilityFields describes.
func appendAvailability(b []byte, a *record.Availability) []byte {
	b = appendText(b, 1, a.Pool)
	b = appendText(b, 2, a.SKU)
	b = appendNumber(b, 3, int64(a.Version))
	b = appendInstant(b, 4, a.ChangedAt)
	b = appendNumber(b, 5, int64(a.OnHand))
	b = appendNumber(b, 6, int64(a.OnOrder))
	b = appendNumber(b, 7, int64(a.Reserved))
	b = appendNumber(b, 8, int64(a.Available))
	b = appendNumber(b, 9, int64(a.Backordered))
	for i := range a.Outlets {
		o := &a.Outlets[i]
		b = append(b, 10<<3|textTag, 0)
		body := len(b)
		b = appendText(b, 1, o.Outlet)
		b = appendNumber(b, 2, int64(o.OnHand))
		b = appendNumber(b, 3, int64(o.Reserved))
		if o.Undeclared {
			b = append(b, 4<<3|numberTag, 1)
		}
		b = sized(b, body)
	}
	return appendTimes(b, 11, &a.Times)
}

// appendOffer appends what offerRecordFields describes of a record that is an offer.
func appendOffer(b []byte, o *record.Offer) []byte {
	b = append(b, 1<<3|textTag, 0)
	whole := len(b)
	b = appendText(b, 1, o.Pool)
	b = appendText(b, 2, o.Channel)
	b = appendText(b, 3, o.Account)
	b = appendText(b, 4, o.SKU)
	b = appendText(b, 5, o.Location)
	b = appendNumber(b, 6, int64(o.Version))
	b = appendInstant(b, 7, o.ChangedAt)
	b = appendNumber(b, 8, int64(o.Quantity))
	b = appendNumber(b, 9, int64(o.Sold))
	b = appendNumber(b, 10, int64(o.Released))
	b = appendText(b, 11, o.Reason)
	b = appendOfferInputs(b, 12, &o.Inputs)
	for i := range o.ChannelIDs {
		b = append(b, 13<<3|textTag, 0)
		body := len(b)
		b = appendEvenEmpty(b, 1, o.ChannelIDs[i].Key)
		b = appendEvenEmpty(b, 2, o.ChannelIDs[i].Value)
		b = sized(b, body)
	}
	if o.Stopped {
		b = append(b, 14<<3|numberTag, 1)
	}
	return sized(appendTimes(b, 15, &o.Times), whole)
}

func appendOfferInputs(b []byte, num byte, in *record.OfferInputs) []byte {
	b = append(b, num<<3|textTag, 0)
	whole := len(b)
	for i := range in.Outlets {
		o := &in.Outlets[i]
		b = append(b, 1<<3|textTag, 0)
		body := len(b)
		b = appendText(b, 1, o.Outlet)
		b = appendNumber(b, 2, int64(o.OnHand))
		b = appendNumber(b, 3, int64(o.Reserved))
		b = appendNumber(b, 4, int64(o.SafetyStock))
		b = appendNumber(b, 5, int64(o.Available))
		b = sized(b, body)
	}
	b = appendNumber(b, 2, int64(in.Waiting))
	b = appendNumber(b, 3, int64(in.Buffer))
	b = appendNumber(b, 4, int64(in.Percent))
	if in.Cap != nil {
		b = binary.AppendUvarint(append(b, 5<<3|numberTag), uint64(*in.Cap))
	}
	b = appendNumber(b, 6, int64(in.Floor))
	if len(b) == whole {
		return b[:whole-2]
	}
	return sized(b, whole)
}

func appendTimes(b []byte, num byte, t *record.Times) []byte {
	if *t == (record.Times{}) {
		return b
	}
	b = append(b, num<<3|textTag, 0)
	body := len(b)
	b = appendInstant(b, 1, t.Occurred)
	b = appendInstant(b, 2, t.Origin)
	b = appendInstant(b, 3, t.Entry)
	return sized(b, body)
}

func appendText(b []byte, num byte, s string) []byte {
	if s == "" {
		return b
	}
	return appendEvenEmpty(b, num, s)
}

// appendEvenEmpty is appendText of what is written where it is empty, too.
func appendEvenEmpty(b []byte, num byte, s string) []byte {
	b = append(b, num<<3|textTag)
	if len(s) < 0x80 {
		b = append(b, byte(len(s)))
	} else {
		b = binary.AppendUvarint(b, uint64(len(s)))
	}
	return append(b, s...)
}

func appendNumber(b []byte, num byte, v int64) []byte {
	switch {
	case v == 0:
		return b
	case uint64(v) < 0x80:
		return append(b, num<<3|numberTag, byte(v))
	}
	return binary.AppendUvarint(append(b, num<<3|numberTag), uint64(v))
}

func appendInstant(b []byte, num byte, t stock.Instant) []byte {
	if t == 0 {
		return b
	}
	seconds, nanos := instantParts(t)
	return appendSpan(append(b, num<<3|textTag), seconds, nanos)
}
