package codec

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// text is a string field; it is absent when empty.
func (c *coder) text(num protowire.Number, name string, p *string, how rule) {
	switch c.mode {
	case writeProto:
		if *p != "" {
			c.putText(num, *p)
		}
	case writeJSON:
		if *p != "" || how&whenSet == 0 {
			c.putName(name)
			c.out = appendString(c.out, *p)
		}
	case readProto:
		for c.at(num) {
			*p = c.takeText(name, how)
		}
	case readJSON:
		if v := c.member(name); v != nil {
			*p = c.parseText(name, v, how)
		}
	case check:
		c.checkText(name, *p, how)
	}
}

// version is the version of a record.
func (c *coder) version(num protowire.Number, name string, p *stock.Version) {
	v := int64(*p)
	c.number(num, name, &v, 0)
	*p = stock.Version(v)
}

// quantity is a number of units.
func (c *coder) quantity(num protowire.Number, name string, p *stock.Quantity, how rule) {
	c.number(num, name, (*int64)(p), how)
	if c.mode == check && (*p > stock.MaxQuantity || *p < -stock.MaxQuantity) {
		c.fail(name, "must be within ±1000000000")
	}
}

// number is a 64-bit integer field; 0 is absent, unless it is required or always written.
func (c *coder) number(num protowire.Number, name string, p *int64, how rule) {
	switch c.mode {
	case writeProto:
		if *p != 0 || how&(required|always) != 0 {
			c.putVarint(num, uint64(*p))
		}
	case writeJSON:
		c.putNumber(name, *p)
	case readProto:
		if how&required != 0 && !c.at(num) {
			c.missing(name)
		}
		for c.at(num) {
			*p = int64(c.takeVarint(name))
		}
	case readJSON:
		if v := c.member(name); v != nil {
			*p = c.parseInt(name, v, 64)
		} else if how&required != 0 {
			c.missing(name)
		}
	case check:
		c.checkNumber(name, *p, how)
	}
}

// missing notes the first required number that is not there; the check that follows reports it in its turn.
func (c *coder) missing(name string) {
	if c.err == nil && c.absent == "" {
		c.absent = c.path(name)
	}
}

// quantityOr is a number of units that has a default when it is absent; it is always written.
func (c *coder) quantityOr(num protowire.Number, name string, p *stock.Quantity, how rule, byDefault stock.Quantity) {
	if c.reading() {
		*p = byDefault
	}
	c.quantity(num, name, p, how|always)
}

// maybeQuantity is a number of units that may be absent, which is not 0.
func (c *coder) maybeQuantity(num protowire.Number, name string, p **stock.Quantity, how rule) {
	switch c.mode {
	case writeProto:
		if *p != nil {
			c.putVarint(num, uint64(**p))
		}
	case writeJSON:
		if *p == nil {
			c.putNull(name)
		} else {
			c.putNumber(name, int64(**p))
		}
	case readProto:
		for c.at(num) {
			*p = new(stock.Quantity(c.takeVarint(name)))
		}
	case readJSON:
		if v := c.member(name); v != nil && !isNull(v) {
			*p = new(stock.Quantity(c.parseInt(name, v, 64)))
		}
	case check:
		if *p != nil {
			c.quantity(num, name, *p, how)
		}
	}
}

// small is a 32-bit integer field.
func (c *coder) small(num protowire.Number, name string, p *int32, how rule) {
	v := int64(*p)
	if c.mode == readJSON {
		if raw := c.member(name); raw != nil {
			v = c.parseInt(name, raw, 32)
		}
	} else {
		c.number(num, name, &v, how)
	}
	if c.reading() { // whoever writes may do so beside others
		*p = int32(v)
	}
}

// smallOr is a 32-bit integer field that has a default when it is absent; it is always written.
func (c *coder) smallOr(num protowire.Number, name string, p *int32, how rule, byDefault int32) {
	if c.reading() {
		*p = byDefault
	}
	c.small(num, name, p, how|always)
}

// boolean is a field that is false when absent.
func (c *coder) boolean(num protowire.Number, name string, p *bool, how rule) {
	switch c.mode {
	case writeProto:
		if *p || how&always != 0 {
			c.putVarint(num, protowire.EncodeBool(*p))
		}
	case writeJSON:
		if *p || how&whenSet == 0 {
			c.putName(name)
			c.out = strconv.AppendBool(c.out, *p)
		}
	case readProto:
		for c.at(num) {
			*p = c.takeVarint(name) != 0
		}
	case readJSON:
		if v := c.member(name); v != nil {
			*p = c.parseBool(name, v)
		}
	}
}

// booleanTrue is a field that is true when absent; it is always written.
func (c *coder) booleanTrue(num protowire.Number, name string, p *bool) {
	if c.reading() {
		*p = true
	}
	c.boolean(num, name, p, always)
}

// enum is a field that holds one of words by its index; 0 is absent and reads as byDefault.
func (c *coder) enum(num protowire.Number, name string, p *uint8, words []string, byDefault uint8, how rule) {
	switch c.mode {
	case writeProto:
		if *p != 0 {
			c.putVarint(num, uint64(*p))
		}
	case writeJSON:
		c.putName(name)
		c.out = appendString(c.out, word(words, *p))
	case readProto:
		for c.at(num) {
			*p = c.takeEnum(name, words)
		}
	case readJSON:
		if v := c.member(name); v != nil {
			*p = c.parseEnum(name, v, words)
		}
	case check:
		switch {
		case int(*p) >= len(words):
			c.fail(name, oneOf(words))
		case *p == 0 && how&required != 0:
			c.fail(name, "is required")
		}
	}
	if *p == 0 && c.reading() {
		*p = byDefault
	}
}

// instant is a field that is absent when 0.
func (c *coder) instant(num protowire.Number, name string, p *stock.Instant, how rule) {
	switch c.mode {
	case writeProto:
		if *p != 0 {
			c.putInstant(num, *p)
		}
	case writeJSON:
		switch {
		case *p != 0:
			c.putName(name)
			c.out = append(c.out, '"')
			c.out = p.Time().AppendFormat(c.out, time.RFC3339Nano)
			c.out = append(c.out, '"')
		case how&nullable != 0:
			c.putNull(name)
		}
	case readProto:
		if c.at(num) {
			*p = c.takeInstant(num, name)
			c.givenInstant(name, *p)
		}
	case readJSON:
		if v := c.member(name); v != nil && (how&nullable == 0 || !isNull(v)) {
			*p = c.parseInstant(name, v)
			c.givenInstant(name, *p)
		}
	case check:
		if *p != 0 {
			c.givenInstant(name, *p)
		} else if how&required != 0 {
			c.fail(name, "is required")
		}
	}
}

// duration is a field that has a default when it is absent; it is always written.
func (c *coder) duration(num protowire.Number, name string, p *time.Duration, byDefault time.Duration) {
	if c.reading() {
		*p = byDefault
	}
	switch c.mode {
	case writeProto:
		c.putDuration(num, *p)
	case writeJSON:
		c.putName(name)
		c.out = append(c.out, '"')
		c.out = appendDuration(c.out, *p)
		c.out = append(c.out, '"')
	case readProto:
		if c.at(num) {
			*p = c.takeDuration(num, name)
		}
	case readJSON:
		if v := c.member(name); v != nil {
			*p = c.parseDuration(name, v)
		}
	case check:
		if *p < 0 {
			c.fail(name, "must not be negative")
		}
	}
}

// blob is a field of bytes. In JSON it is a string where it is UTF-8, otherwise the name gets "_base64" and the string is that.
func (c *coder) blob(num protowire.Number, name string, p *[]byte) {
	switch c.mode {
	case writeProto:
		if len(*p) > 0 {
			c.putPair(num, protowire.BytesType, uint64(len(*p)))
			c.out = append(c.out, *p...)
		}
	case writeJSON:
		if utf8.Valid(*p) {
			c.putName(name)
			c.out = appendString(c.out, string(*p))
			return
		}
		c.putName(name + "_base64")
		c.out = append(c.out, '"')
		c.out = base64.StdEncoding.AppendEncode(c.out, *p)
		c.out = append(c.out, '"')
	case readProto:
		for c.at(num) {
			*p = bytes.Clone(c.takeBytes(name))
		}
	}
}
