package codec

import (
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// endOfMessage is the next field number where there is none; it is above every real one.
const endOfMessage protowire.Number = math.MaxInt32

// A protoReader is what is left of one message. Its framing has been checked and its fields are in ascending order of
// their numbers, so that showing the fields in that order consumes it in one pass.
//
// It holds a position, not a shrinking slice: while the collector runs, storing a pointer for every field costs more than
// reading the field.
type protoReader struct {
	buf  []byte // begins and ends with the message
	at   int    // where the value of field next begins
	next protowire.Number
	typ  protowire.Type
}

func (w *protoReader) rest() []byte { return w.buf[w.at:] }

// openWire makes b the message that is read. A message whose fields are out of order is sorted into a copy first.
func (c *coder) openWire(b []byte) {
	if c.err != nil {
		c.wire = protoReader{next: endOfMessage}
		return
	}
	ordered, ok := frameFields(b)
	if !ok {
		c.fail("", "is not protobuf")
		return
	}
	if !ordered {
		b = sortFields(b)
	}
	c.wire.buf, c.wire.at = b, 0
	c.advance()
}

// closeWire ends the message that is read and goes on with outer. What is left of the message has no description.
func (c *coder) closeWire(outer protoReader) {
	if c.wire.next != endOfMessage && c.unknown != skipUnknown {
		c.refuseField()
	}
	if c.err == nil {
		c.wire = outer
	}
}

func (c *coder) refuseField() {
	c.future = c.future || c.err == nil && c.unknown == futureUnknown
	c.fail("", "unknown field "+strconv.Itoa(int(c.wire.next)))
}

// frameFields checks the framing of a message and reports whether its fields are in ascending order.
func frameFields(b []byte) (ordered, ok bool) {
	ordered = true
	last := uint64(0)
	for i := 0; i < len(b); {
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			var n int
			if tag, n = longVarint(b[i-1:]); n < 0 || tag>>3 > uint64(protowire.MaxValidNumber) {
				return false, false
			}
			i += n - 1
		}
		num := tag >> 3
		if num == 0 {
			return false, false
		}
		ordered = ordered && num >= last
		last = num
		if protowire.Type(tag&7) == protowire.BytesType && i < len(b) && b[i] < 0x80 {
			if i += 1 + int(b[i]); i > len(b) {
				return false, false
			}
			continue
		}
		n := valueLen(b[i:], protowire.Type(tag&7))
		if n < 0 {
			return false, false
		}
		i += n
	}
	return ordered, true
}

// valueLen returns how many bytes the value at the beginning of b takes, −1 for one that is cut off or that we never
// write (groups).
func valueLen(b []byte, typ protowire.Type) int {
	switch typ {
	case protowire.VarintType:
		_, n := varint(b)
		return n
	case protowire.BytesType:
		size, n := varint(b)
		if n < 0 || size > uint64(len(b)-n) {
			return -1
		}
		return n + int(size)
	case protowire.Fixed32Type:
		if len(b) >= 4 {
			return 4
		}
	case protowire.Fixed64Type:
		if len(b) >= 8 {
			return 8
		}
	}
	return -1
}

// varint is protowire.ConsumeVarint with its commonest case inlined.
func varint(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return longVarint(b)
}

func longVarint(b []byte) (v uint64, n int) {
	for i, x := range b {
		if i == 9 && x > 1 {
			break
		}
		v |= uint64(x&0x7f) << (7 * i)
		if x < 0x80 {
			return v, i + 1
		}
	}
	return 0, -1
}

// sortFields returns a copy of the well-framed message b with its fields in ascending order; those of one number stay
// in their order.
func sortFields(b []byte) []byte {
	type field struct {
		num uint64
		raw []byte
	}
	var fields []field
	for rest := b; len(rest) > 0; {
		tag, n := varint(rest)
		n += valueLen(rest[n:], protowire.Type(tag&7))
		fields = append(fields, field{tag >> 3, rest[:n]})
		rest = rest[n:]
	}
	slices.SortStableFunc(fields, func(x, y field) int { return int(x.num) - int(y.num) })
	sorted := make([]byte, 0, len(b))
	for _, f := range fields {
		sorted = append(sorted, f.raw...)
	}
	return sorted
}

// advance reads the next tag.
func (c *coder) advance() {
	w := &c.wire
	if w.at >= len(w.buf) {
		w.next = endOfMessage
		return
	}
	tag, n := uint64(w.buf[w.at]), 1
	if tag >= 0x80 {
		tag, n = longVarint(w.rest())
	}
	w.at += n
	w.next, w.typ = protowire.Number(tag>>3), protowire.Type(tag&7)
}

// at reports whether the next field is num.
func (c *coder) at(num protowire.Number) bool {
	if c.wire.next < num {
		c.pass(num)
	}
	return c.wire.next == num
}

// pass goes by the fields below num: they have no description.
func (c *coder) pass(num protowire.Number) {
	for c.wire.next < num {
		if c.unknown != skipUnknown {
			c.refuseField()
			return
		}
		c.wire.at += valueLen(c.wire.rest(), c.wire.typ)
		c.advance()
	}
}

func (c *coder) wrongType(name string) {
	c.fail(name, "has the wrong wire type")
}

// takeVarint consumes the next field, a varint.
func (c *coder) takeVarint(name string) uint64 {
	if c.wire.typ != protowire.VarintType {
		c.wrongType(name)
		return 0
	}
	if v := c.wire.buf[c.wire.at]; v < 0x80 {
		c.wire.at++
		c.advance()
		return uint64(v)
	}
	v, n := longVarint(c.wire.rest())
	c.wire.at += n
	c.advance()
	return v
}

// takeBytes consumes the next field, length-delimited, and returns its bytes, which belong to the input.
func (c *coder) takeBytes(name string) []byte {
	if c.wire.typ != protowire.BytesType {
		c.wrongType(name)
		return nil
	}
	size, n := uint64(c.wire.buf[c.wire.at]), 1
	if size >= 0x80 {
		size, n = longVarint(c.wire.rest())
	}
	begin := c.wire.at + n
	end := begin + int(size)
	v := c.wire.buf[begin:end:end]
	c.wire.at = end
	c.advance()
	return v
}

// takeMessage consumes the message num, nil if it is not there. Several of one number are one message in pieces.
func (c *coder) takeMessage(num protowire.Number, name string) []byte {
	if !c.at(num) {
		return nil
	}
	body := c.takeBytes(name)
	for c.at(num) {
		body = append(body, c.takeBytes(name)...) // the capacity of body ends with it: this copies
	}
	return body
}

func (c *coder) takeText(name string, how rule) string {
	b := c.takeBytes(name)
	if c.shared != nil && how&unique == 0 {
		return c.shared.text(c, name, b)
	}
	return c.newText(name, b)
}

func (c *coder) newText(name string, b []byte) string {
	if !utf8.Valid(b) {
		c.fail(name, "is not UTF-8")
		return ""
	}
	return string(b)
}

// takeSpan consumes a google.protobuf.Timestamp or Duration, which look alike.
func (c *coder) takeSpan(num protowire.Number, name string) (seconds, nanos int64) {
	b := c.takeMessage(num, name)
	if seconds, nanos, ok := plainSpan(b); ok {
		return seconds, nanos
	}
	outer := c.wire
	c.push(num, name, 0)
	c.openWire(b)
	for c.at(1) {
		seconds = int64(c.takeVarint(""))
	}
	for c.at(2) {
		nanos = int64(int32(c.takeVarint("")))
	}
	c.closeWire(outer)
	c.depth--
	return seconds, nanos
}

// The tags of the two fields of a span.
const secondsTag, nanosTag = 1<<3 | byte(protowire.VarintType), 2<<3 | byte(protowire.VarintType)

// plainSpan reads a span as everybody writes it: seconds, then nanoseconds where there are any, and nothing else.
func plainSpan(b []byte) (seconds, nanos int64, ok bool) {
	if len(b) < 2 || b[0] != secondsTag {
		return 0, 0, false
	}
	v, n := longVarint(b[1:])
	if n < 0 {
		return 0, 0, false
	}
	seconds = int64(v)
	if b = b[1+n:]; len(b) == 0 {
		return seconds, 0, true
	}
	if b[0] != nanosTag {
		return 0, 0, false
	}
	v, n = longVarint(b[1:])
	return seconds, int64(int32(v)), n == len(b)-1
}

// The bounds of google.protobuf.Timestamp, 0001-01-01 to 9999-12-31.
const (
	firstSecond = -62_135_596_800
	lastSecond  = 253_402_300_799
)

func (c *coder) takeInstant(num protowire.Number, name string) stock.Instant {
	seconds, nanos := c.takeSpan(num, name)
	if !isInstant(seconds, nanos) {
		c.fail(name, "is not a valid timestamp")
		return 0
	}
	return instantAt(seconds, nanos)
}

func isInstant(seconds, nanos int64) bool {
	return seconds >= firstSecond && seconds <= lastSecond && nanos >= 0 && nanos < int64(time.Second)
}

func instantAt(seconds, nanos int64) stock.Instant {
	return stock.Instant(seconds*1_000_000 + nanos/1_000)
}

func (c *coder) takeDuration(num protowire.Number, name string) time.Duration {
	seconds, nanos := c.takeSpan(num, name)
	const most = math.MaxInt64/int64(time.Second) - 1
	if seconds < -most || seconds > most || nanos <= -int64(time.Second) || nanos >= int64(time.Second) ||
		seconds > 0 && nanos < 0 || seconds < 0 && nanos > 0 {
		c.fail(name, "is not a valid duration")
		return 0
	}
	return time.Duration(seconds)*time.Second + time.Duration(nanos)
}
