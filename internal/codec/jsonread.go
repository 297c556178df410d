package codec

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A jsonReader reads the objects of a text that checkJSON has found right.
type jsonReader struct {
	members []jsonMember // of every object that is open, outermost first
	object  jsonObject   // the innermost
}

// A jsonObject is the part of the members that belongs to one object.
type jsonObject struct {
	first, next int // members[first:]; next is where the next look-up begins, since fields mostly come in order
}

type jsonMember struct {
	name  []byte
	value []byte
	used  bool
}

// manyMembers is from where duplicates are looked for in a set and not one by one.
const manyMembers = 16

// openObject reads the members of the object v and makes it the present one; nil is an empty object.
func (c *coder) openObject(v []byte) {
	d := &c.doc
	first := len(d.members)
	d.object = jsonObject{first: first, next: first}
	if v == nil || c.err != nil {
		return
	}
	if v[0] != '{' {
		c.fail("", "must be an object")
		return
	}
	var seen map[string]bool
	for rest := afterSpace(v[1:]); rest[0] != '}'; {
		n := skipString(rest)
		name := rest[1 : n-1]
		if hasEscape(name) {
			name = []byte(unescape(name))
		}
		rest = afterSpace(afterSpace(rest[n:])[1:]) // the colon
		n = skipValue(rest)
		for _, m := range d.members[first:min(len(d.members), first+manyMembers)] {
			if string(m.name) == string(name) {
				c.fail(printable(name), "is given twice")
				return
			}
		}
		if len(d.members)-first >= manyMembers {
			if seen == nil {
				seen = make(map[string]bool)
			}
			if seen[string(name)] {
				c.fail(printable(name), "is given twice")
				return
			}
			seen[string(name)] = true
		}
		d.members = append(d.members, jsonMember{name: name, value: rest[:n:n]})
		if rest = afterSpace(rest[n:]); rest[0] == ',' {
			rest = afterSpace(rest[1:])
		}
	}
}

// closeObject ends the present object: a member that nobody looked up is unknown. The caller restores the one around it.
func (c *coder) closeObject() {
	d := &c.doc
	if c.err == nil {
		for _, m := range d.members[d.object.first:] {
			if !m.used {
				c.fail(printable(m.name), "is unknown")
				break
			}
		}
	}
	d.members = d.members[:d.object.first]
}

// member returns the value of the named member of the present object, nil if it is not there.
func (c *coder) member(name string) []byte {
	d := &c.doc
	if c.err != nil {
		return nil
	}
	count := len(d.members) - d.object.first
	for i := range count {
		at := d.object.next + i
		if at >= len(d.members) {
			at -= count
		}
		if m := &d.members[at]; string(m.name) == name {
			m.used = true
			d.object.next = at + 1
			return m.value
		}
	}
	return nil
}

func (c *coder) given(name string) bool { return c.member(name) != nil }

// openList finds the list that the frame f is for.
func (c *coder) openList(f *frame, name string) {
	f.doc = c.doc.object
	f.items = nil
	if v := c.member(name); v != nil {
		f.doc = c.doc.object
		f.items = c.itemsOf("", v)
	}
}

// openElement makes the next item of the list the present object.
func (c *coder) openElement(f *frame) bool {
	v := c.item(&f.items)
	if v == nil {
		return false
	}
	c.openObject(v)
	return c.err == nil
}

// listOf returns what is between the brackets of the named list, for item.
func (c *coder) listOf(name string) []byte {
	if v := c.member(name); v != nil {
		return c.itemsOf(name, v)
	}
	return nil
}

func (c *coder) itemsOf(name string, v []byte) []byte {
	if v[0] != '[' {
		c.fail(name, "must be a list")
		return nil
	}
	return v[1 : len(v)-1]
}

// item takes the next value off items, nil at their end.
func (c *coder) item(items *[]byte) []byte {
	rest := afterSpace(*items)
	if len(rest) == 0 || c.err != nil {
		return nil
	}
	n := skipValue(rest)
	v := rest[:n:n]
	if rest = afterSpace(rest[n:]); len(rest) > 0 {
		rest = rest[1:] // the comma
	}
	*items = rest
	return v
}

func (c *coder) readDict(name string, p *record.Dict) {
	v := c.member(name)
	if v == nil {
		return
	}
	outer := c.doc.object
	c.push(0, name, 0)
	c.openObject(v)
	for i := c.doc.object.first; i < len(c.doc.members); i++ {
		m := &c.doc.members[i]
		m.used = true
		*p = append(*p, record.Pair{Key: string(m.name), Value: c.parseString(printable(m.name), m.value)})
	}
	order(p)
	c.closeObject()
	c.doc.object = outer
	c.depth--
}

func afterSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

func isNull(v []byte) bool { return v[0] == 'n' }

func hasEscape(b []byte) bool {
	for _, c := range b {
		if c == '\\' {
			return true
		}
	}
	return false
}

// printable returns a sender's field name fit for a message: short and without control characters.
func printable(name []byte) string {
	s := string(name)
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "…"
	}
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// parseText returns the string v of a field, one that was made before where that may be.
func (c *coder) parseText(name string, v []byte, how rule) string {
	if c.shared != nil && how&unique == 0 && v[0] == '"' && !hasEscape(v) {
		return c.shared.text(c, name, v[1:len(v)-1])
	}
	return c.parseString(name, v)
}

// parseString returns the string v.
func (c *coder) parseString(name string, v []byte) string {
	if v[0] != '"' {
		c.fail(name, "must be a string")
		return ""
	}
	v = v[1 : len(v)-1]
	if hasEscape(v) {
		return unescape(v)
	}
	return string(v)
}

// unescape undoes the escapes of a checked string.
func unescape(v []byte) string {
	s := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] != '\\' {
			s = append(s, v[i])
			continue
		}
		i++
		switch v[i] {
		case 'b':
			s = append(s, '\b')
		case 'f':
			s = append(s, '\f')
		case 'n':
			s = append(s, '\n')
		case 'r':
			s = append(s, '\r')
		case 't':
			s = append(s, '\t')
		case 'u':
			r, _ := hex4(v[i+1:])
			i += 4
			if r >= 0xd800 && r < 0xdc00 {
				low, _ := hex4(v[i+3:])
				i += 6
				r = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
			}
			s = utf8.AppendRune(s, r)
		default:
			s = append(s, v[i])
		}
	}
	return string(s)
}

func (c *coder) parseBool(name string, v []byte) bool {
	if v[0] != 't' && v[0] != 'f' {
		c.fail(name, "must be true or false")
	}
	return v[0] == 't'
}

// parseInt returns the whole number v, written as a number or as a string of one.
func (c *coder) parseInt(name string, v []byte, bits int) int64 {
	digits := v
	if v[0] == '"' {
		digits = v[1 : len(v)-1]
	}
	negative := len(digits) > 0 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && len(digits) > 1 && isDigit(digits[1]) {
		c.fail(name, "must be a whole number")
		return 0
	}
	limit := uint64(math.MaxInt64) >> (64 - bits)
	if negative {
		limit++
	}
	var n uint64
	for i, d := range digits {
		switch {
		case isDigit(d):
		case i > 0 && (d == '.' || d == 'e' || d == 'E'):
			c.fail(name, "must be a whole number, written without fraction and exponent")
			return 0
		default:
			c.fail(name, "must be a whole number")
			return 0
		}
		d -= '0'
		if n > (limit-uint64(d))/10 {
			c.fail(name, "does not fit "+strconv.Itoa(bits)+" bits")
			return 0
		}
		n = n*10 + uint64(d)
	}
	if negative {
		return -int64(n)
	}
	return int64(n)
}

func (c *coder) parseEnum(name string, v []byte, words []string) uint8 {
	if v[0] == '"' {
		s := v[1 : len(v)-1]
		for i := 1; i < len(words); i++ {
			if string(s) == words[i] {
				return uint8(i)
			}
		}
	}
	c.fail(name, oneOf(words))
	return 0
}

const notAnInstant = "must be an instant with a zone, like 2026-11-20T10:00:00Z"

// parseInstant returns the RFC 3339 instant v, cut to the microsecond.
func (c *coder) parseInstant(name string, v []byte) stock.Instant {
	t, ok := instantOf(v)
	if !ok {
		c.fail(name, notAnInstant)
	}
	return t
}

func instantOf(v []byte) (stock.Instant, bool) {
	const layout = "\"0000-00-00T00:00:00"
	if len(v) < len(layout)+2 || v[0] != '"' {
		return 0, false
	}
	for i := 1; i < len(layout); i++ {
		switch want := layout[i]; want {
		case '0':
			if !isDigit(v[i]) {
				return 0, false
			}
		case 'T':
			if v[i] != 'T' && v[i] != 't' {
				return 0, false
			}
		default:
			if v[i] != want {
				return 0, false
			}
		}
	}
	year, month, day := decimal(v[1:5]), decimal(v[6:8]), decimal(v[9:11])
	hour, minute, second := decimal(v[12:14]), decimal(v[15:17]), decimal(v[18:20])
	rest := v[20 : len(v)-1]
	micros := 0
	if len(rest) > 0 && rest[0] == '.' {
		n := 1
		for ; n < len(rest) && isDigit(rest[n]); n++ {
			if n <= 6 {
				micros = micros*10 + int(rest[n]-'0')
			}
		}
		if n == 1 {
			return 0, false
		}
		for i := n; i <= 6; i++ {
			micros *= 10
		}
		rest = rest[n:]
	}
	offset, ok := zoneOf(rest)
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if !ok || t.Day() != day || t.Month() != time.Month(month) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	return stock.Instant((t.Unix()-int64(offset))*1_000_000 + int64(micros)), true
}

// zoneOf returns the seconds east of UTC that a zone says.
func zoneOf(z []byte) (seconds int, ok bool) {
	if len(z) == 1 {
		return 0, z[0] == 'Z' || z[0] == 'z'
	}
	if len(z) != 6 || z[0] != '+' && z[0] != '-' || z[3] != ':' ||
		!isDigit(z[1]) || !isDigit(z[2]) || !isDigit(z[4]) || !isDigit(z[5]) {
		return 0, false
	}
	hours, minutes := decimal(z[1:3]), decimal(z[4:6])
	seconds = (hours*60 + minutes) * 60
	if z[0] == '-' {
		seconds = -seconds
	}
	return seconds, hours <= 23 && minutes <= 59
}

func decimal(digits []byte) int {
	n := 0
	for _, d := range digits {
		n = n*10 + int(d-'0')
	}
	return n
}

// parseDuration returns the span v, as in "2s" or "1h30m".
func (c *coder) parseDuration(name string, v []byte) time.Duration {
	if v[0] == '"' {
		if d, err := time.ParseDuration(string(v[1 : len(v)-1])); err == nil {
			return d
		}
	}
	c.fail(name, `must be a duration, like "2s" or "6h"`)
	return 0
}
