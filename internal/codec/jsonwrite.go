package codec

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// putComma separates what is written next from what stands before it in the same object or list.
func (c *coder) putComma() {
	if last := c.out[len(c.out)-1]; last != '{' && last != '[' {
		c.out = append(c.out, ',')
	}
}

// putName begins a member. Names need no escaping.
func (c *coder) putName(name string) {
	c.putComma()
	c.out = append(c.out, '"')
	c.out = append(c.out, name...)
	c.out = append(c.out, '"', ':')
}

func (c *coder) putNumber(name string, v int64) {
	c.putName(name)
	c.out = strconv.AppendInt(c.out, v, 10)
}

func (c *coder) putNull(name string) {
	c.putName(name)
	c.out = append(c.out, "null"...)
}

const hexDigits = "0123456789abcdef"

// AppendJSONString appends s as a JSON string, as every record is written.
func AppendJSONString(dst []byte, s string) []byte { return appendString(dst, s) }

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	plain := 0 // s[plain:i] needs no escaping
	for i := 0; i < len(s); {
		b := s[i]
		if b >= 0x20 && b < utf8.RuneSelf && b != '"' && b != '\\' {
			i++
			continue
		}
		size := 1
		if b >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[plain:i]...)
		switch {
		case b >= utf8.RuneSelf:
			dst = append(dst, `\ufffd`...)
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b == '\n':
			dst = append(dst, '\\', 'n')
		case b == '\r':
			dst = append(dst, '\\', 'r')
		case b == '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		}
		i += size
		plain = i
	}
	dst = append(dst, s[plain:]...)
	return append(dst, '"')
}

// appendDuration appends d in the largest of h, s, ms, us, ns that says it exactly.
func appendDuration(dst []byte, d time.Duration) []byte {
	unit, name := time.Nanosecond, "ns"
	switch {
	case d == 0:
		unit, name = time.Second, "s"
	case d%time.Hour == 0:
		unit, name = time.Hour, "h"
	case d%time.Second == 0:
		unit, name = time.Second, "s"
	case d%time.Millisecond == 0:
		unit, name = time.Millisecond, "ms"
	case d%time.Microsecond == 0:
		unit, name = time.Microsecond, "us"
	}
	dst = strconv.AppendInt(dst, int64(d/unit), 10)
	return append(dst, name...)
}
