package codec

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/shelfwire/shelfwire/internal/record"
)

// texts is a list of strings, each under the rules; it may be empty.
func (c *coder) texts(num protowire.Number, name string, p *[]string, how rule) {
	switch c.mode {
	case writeProto:
		for _, s := range *p {
			c.putText(num, s)
		}
	case writeJSON:
		c.putName(name)
		c.out = append(c.out, '[')
		for _, s := range *p {
			c.putComma()
			c.out = appendString(c.out, s)
		}
		c.out = append(c.out, ']')
	case readProto:
		for c.at(num) {
			*p = append(*p, c.takeText(name, how))
		}
	case readJSON:
		items := c.listOf(name)
		for v := c.item(&items); v != nil; v = c.item(&items) {
			*p = append(*p, c.parseString(name, v))
		}
	case check:
		seen := make(map[string]bool, len(*p))
		for i, s := range *p {
			if reason := badText(s, how); reason != "" {
				c.fail(indexed(name, i), reason)
			}
			if seen[s] {
				c.fail(indexed(name, i), "is named twice")
			}
			seen[s] = true
		}
	}
}

// statuses is a list of order statuses that has a default when it is absent. An empty list is not absent, so on the wire
// it is a message that holds the list as its field 1.
func (c *coder) statuses(num protowire.Number, name string, p *[]record.OrderStatus, byDefault ...record.OrderStatus) {
	switch c.mode {
	case writeProto:
		if len(*p) == 0 {
			c.putPair(num, protowire.BytesType, 0)
			return
		}
		// Every status takes one byte; check refuses a list that names one twice, so lengths stay below 128.
		c.putPair(num, protowire.BytesType, uint64(2+len(*p)))
		c.putPair(1, protowire.BytesType, uint64(len(*p)))
		for _, s := range *p {
			c.out = append(c.out, byte(s))
		}
	case writeJSON:
		c.putName(name)
		c.out = append(c.out, '[')
		for _, s := range *p {
			c.putComma()
			c.out = appendString(c.out, word(orderStatuses, uint8(s)))
		}
		c.out = append(c.out, ']')
	case readProto:
		if !c.at(num) {
			*p = slices.Clone(byDefault)
			return
		}
		c.enter(num, name, always)
		for c.at(1) {
			c.takeStatuses(p)
		}
		c.leave()
	case readJSON:
		if !c.given(name) {
			*p = slices.Clone(byDefault)
			return
		}
		items := c.listOf(name)
		for v := c.item(&items); v != nil; v = c.item(&items) {
			*p = append(*p, record.OrderStatus(c.parseEnum(name, v, snapshotStatuses)))
		}
	case check:
		for i, s := range *p {
			switch {
			case s == 0 || int(s) >= len(snapshotStatuses):
				c.fail(indexed(name, i), oneOf(snapshotStatuses))
			case slices.Contains((*p)[:i], s):
				c.fail(indexed(name, i), "is named twice")
			}
			if c.err != nil {
				return
			}
		}
	}
}

// takeStatuses consumes field 1 of a status list, packed or not.
func (c *coder) takeStatuses(p *[]record.OrderStatus) {
	if c.wire.typ == protowire.VarintType {
		*p = append(*p, record.OrderStatus(c.takeEnum("", snapshotStatuses)))
		return
	}
	for b := c.takeBytes(""); len(b) > 0; {
		v, n := varint(b)
		if n < 0 {
			c.fail("", "is not protobuf")
			return
		}
		b = b[n:]
		*p = append(*p, record.OrderStatus(c.knownEnum("", v, snapshotStatuses)))
	}
}

// dict is a map of strings, written in the order of its keys.
func (c *coder) dict(num protowire.Number, name string, p *record.Dict, how rule) {
	switch c.mode {
	case writeProto:
		for i := range *p {
			e := &(*p)[i]
			c.putPair(num, protowire.BytesType, uint64(2+protowire.SizeBytes(len(e.Key))+protowire.SizeBytes(len(e.Value))))
			c.putText(1, e.Key)
			c.putText(2, e.Value)
		}
	case writeJSON:
		if len(*p) == 0 && how&whenSet != 0 {
			return
		}
		c.putName(name)
		c.out = append(c.out, '{')
		for i := range *p {
			c.putComma()
			c.out = appendString(c.out, (*p)[i].Key)
			c.out = append(c.out, ':')
			c.out = appendString(c.out, (*p)[i].Value)
		}
		c.out = append(c.out, '}')
	case readProto:
		for c.at(num) {
			outer := c.takeEntry(name)
			var k, v string
			c.text(1, "", &k, 0)
			c.text(2, "", &v, 0)
			c.leaveEntry(outer)
			*p = append(*p, record.Pair{Key: k, Value: v})
		}
		order(p)
	case readJSON:
		c.readDict(name, p)
	case check:
		for i := range *p {
			e := &(*p)[i]
			if reason := badText(e.Key, how|required); reason != "" {
				c.fail(name, "key "+strconv.Quote(e.Key)+": "+reason)
			} else if reason := badText(e.Value, how); reason != "" {
				c.fail(name+"."+e.Key, reason)
			}
		}
	}
}

// order makes a dict of pairs as they were read. Of two with one key the later counts.
func order(p *record.Dict) {
	d := *p
	for i := 1; i < len(d); i++ {
		if d[i-1].Key >= d[i].Key {
			slices.Reverse(d)
			slices.SortStableFunc(d, func(a, b record.Pair) int { return strings.Compare(a.Key, b.Key) })
			*p = slices.CompactFunc(d, func(a, b record.Pair) bool { return a.Key == b.Key })
			return
		}
	}
}

func (c *coder) takeEntry(name string) (outer protoReader) {
	b := c.takeBytes(name)
	outer = c.wire
	c.push(0, name, 0)
	c.openWire(b)
	return outer
}

func (c *coder) leaveEntry(outer protoReader) {
	c.closeWire(outer)
	c.depth--
}

func indexed(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }

// word returns the contract's word for value v, "" for none.
func word(words []string, v uint8) string {
	if int(v) < len(words) {
		return words[v]
	}
	return ""
}

func oneOf(words []string) string { return "must be one of " + strings.Join(words[1:], ", ") }

// takeEnum consumes the next field, one of words by its index.
func (c *coder) takeEnum(name string, words []string) uint8 {
	return c.knownEnum(name, c.takeVarint(name), words)
}

func (c *coder) knownEnum(name string, v uint64, words []string) uint8 {
	if v < uint64(len(words)) {
		return uint8(v)
	}
	if c.unknown != skipUnknown {
		c.future = c.future || c.err == nil && c.unknown == futureUnknown
		c.fail(name, "unknown value "+strconv.FormatInt(int64(v), 10))
	}
	return 0
}
