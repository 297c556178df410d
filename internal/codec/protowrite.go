package codec

import (
	"encoding/binary"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// putPair writes a tag and the number or length that follows it, most often one byte each.
func (c *coder) putPair(num protowire.Number, typ protowire.Type, v uint64) {
	tag := protowire.EncodeTag(num, typ)
	if tag < 0x80 && v < 0x80 {
		c.out = append(c.out, byte(tag), byte(v))
		return
	}
	c.out = binary.AppendUvarint(binary.AppendUvarint(c.out, tag), v)
}

func (c *coder) putVarint(num protowire.Number, v uint64) { c.putPair(num, protowire.VarintType, v) }

func (c *coder) putText(num protowire.Number, s string) {
	c.putPair(num, protowire.BytesType, uint64(len(s)))
	c.out = append(c.out, s...)
}

// beginWire writes the tag of a message and leaves one byte for its length.
func (c *coder) beginWire(num protowire.Number) {
	c.frames[c.depth-1].start = len(c.out)
	c.putPair(num, protowire.BytesType, 0)
}

// endWire fills in the length of the message that f began. An empty message that was not asked for is taken back.
func (c *coder) endWire(f *frame) {
	body := f.start + protowire.SizeTag(f.num) + 1
	if len(c.out) == body && f.rule&always == 0 {
		c.out = c.out[:f.start]
		return
	}
	c.out = sized(c.out, body)
}

// sized fills in the length of the message that begins at body and ends b, for which one byte has been left before it.
func sized(b []byte, body int) []byte {
	size := len(b) - body
	if size < 0x80 {
		b[body-1] = byte(size)
		return b
	}
	more := protowire.SizeVarint(uint64(size)) - 1
	for range more {
		b = append(b, 0)
	}
	copy(b[body+more:], b[body:body+size])
	protowire.AppendVarint(b[:body-1], uint64(size))
	return b
}

// putSpan writes a google.protobuf.Timestamp or Duration.
func (c *coder) putSpan(num protowire.Number, seconds, nanos int64) {
	c.out = appendSpan(binary.AppendUvarint(c.out, protowire.EncodeTag(num, protowire.BytesType)), seconds, nanos)
}

// appendSpan appends the length and the fields of a span.
func appendSpan(b []byte, seconds, nanos int64) []byte {
	b = append(b, 0)
	body := len(b)
	if seconds != 0 {
		b = binary.AppendUvarint(append(b, secondsTag), uint64(seconds))
	}
	if nanos != 0 {
		b = binary.AppendUvarint(append(b, nanosTag), uint64(nanos))
	}
	b[body-1] = byte(len(b) - body) // at most 22
	return b
}

func (c *coder) putInstant(num protowire.Number, t stock.Instant) {
	seconds, nanos := instantParts(t)
	c.putSpan(num, seconds, nanos)
}

func instantParts(t stock.Instant) (seconds, nanos int64) {
	seconds, micros := int64(t)/1_000_000, int64(t)%1_000_000
	if micros < 0 {
		seconds, micros = seconds-1, micros+1_000_000
	}
	return seconds, micros * 1_000
}

func (c *coder) putDuration(num protowire.Number, d time.Duration) {
	c.putSpan(num, int64(d/time.Second), int64(d%time.Second))
}
