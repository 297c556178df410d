package codec

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// A mode is what a coder does with the fields it is shown.
type mode uint8

const (
	writeProto mode = iota + 1
	writeJSON
	readProto
	readJSON
	check // compare values with their rules, touch nothing
)

// A rule says what a field must hold, beyond its type. Rules are looked at in check mode, but for nullable,
// whenSet and always, which change how a field is written, and required, which makes a reader notice a missing number.
type rule uint16

const (
	required    rule = 1 << iota // must be given
	id                           // 1–200 bytes without control characters, or empty where not required
	notNegative                  // ≥ 0
	positive                     // > 0
	nullable                     // JSON: null stands for "not given"
	whenSet                      // JSON: left out when false or empty
	unique                       // seldom the same twice: not worth interning
	always                       // a message: written even when it is empty; a number: even when it is 0
)

const (
	maxIDBytes = 200
	maxNesting = 6 // frames; how deep the messages below nest is known, so this is never reached by data
)

// A coder carries one message in one direction. Every message is described once, by a function that shows the coder each
// field in ascending order of its protobuf number; the mode decides what "show" does. It is a concrete type with a
// switch in each method, not an interface with an implementation per direction: behind an interface the coder, and
// what it points at, would escape to the heap on every record.
type coder struct {
	mode    mode
	unknown unknownPolicy
	depth   int // frames in use
	frames  [maxNesting]frame
	err     *FieldError  // the first thing that was wrong; afterwards nothing is read
	future  bool         // err is something that a newer program wrote
	absent  string       // path of the first required number that was not there
	out     []byte       // writing: what was written so far
	wire    protoReader  // reading protobuf
	doc     jsonReader   // reading JSON
	shared  *internTable // reading: strings seen before; nil: none are kept
	slab    *movementSlab
}

// A frame is one message, or one list, that the coder is inside of.
type frame struct {
	name  string
	index int32 // element of a list; −1 for a message that is not in a list
	count int32 // writing and checking: elements of the list
	num   protowire.Number
	rule  rule
	start int         // writing protobuf: where the tag began
	wire  protoReader // reading: the message around this one
	doc   jsonObject  // reading: the object around this one
	items []byte      // reading JSON: what is left of the list
}

// An unknownPolicy says what a protobuf field without a description means.
type unknownPolicy uint8

const (
	refuseUnknown unknownPolicy = iota // an input: the sender's mistake
	futureUnknown                      // a journal entry: a newer program wrote it, guessing would be wrong
	skipUnknown                        // an output: what is not known is not needed
)

func (c *coder) reading() bool { return c.mode == readProto || c.mode == readJSON }

// fail notes what is wrong with the named field of the present message, unless something was wrong before.
// Inlined, it would swell every field's path.
//
//go:noinline
func (c *coder) fail(name, reason string) {
	if c.err == nil {
		c.err = &FieldError{Field: c.path(name), Reason: reason}
		c.wire = protoReader{next: endOfMessage}
	}
}

// path returns where the named field of the present message is, as in order.lines[2].quantity; the name may be "".
func (c *coder) path(name string) string {
	var p []byte
	for i := range c.depth {
		f := &c.frames[i]
		if len(p) > 0 {
			p = append(p, '.')
		}
		p = append(p, f.name...)
		if f.index >= 0 {
			p = append(p, '[')
			p = strconv.AppendInt(p, int64(f.index), 10)
			p = append(p, ']')
		}
	}
	if name != "" {
		if len(p) > 0 {
			p = append(p, '.')
		}
		p = append(p, name...)
	}
	return string(p)
}

func (c *coder) push(num protowire.Number, name string, how rule) *frame {
	f := &c.frames[c.depth]
	c.depth++
	f.name, f.index, f.num, f.rule = name, -1, num, how
	return f
}

// enter begins the message that is the named field; the caller shows its fields and calls leave. A message that is not
// there reads as an empty one, so that its defaults are filled in.
func (c *coder) enter(num protowire.Number, name string, how rule) {
	switch c.mode {
	case writeProto:
		c.push(num, name, how)
		c.beginWire(num)
	case writeJSON:
		c.push(num, name, how)
		c.putName(name)
		c.out = append(c.out, '{')
	case readProto:
		body := c.takeMessage(num, name)
		c.push(num, name, how).wire = c.wire
		c.openWire(body)
	case readJSON:
		v := c.member(name)
		c.push(num, name, how).doc = c.doc.object
		c.openObject(v)
	case check:
		c.push(num, name, how)
	}
}

// leave ends the message that enter, part or the last next began.
func (c *coder) leave() {
	f := &c.frames[c.depth-1]
	switch c.mode {
	case writeProto:
		c.endWire(f)
	case writeJSON:
		c.out = append(c.out, '}')
	case readProto:
		c.closeWire(f.wire)
	case readJSON:
		c.closeObject()
		c.doc.object = f.doc
	}
	c.depth--
}

// part begins a message that may be absent and returns it, nil if it is; where it is not nil the caller shows its fields
// and calls leave.
func part[T any](c *coder, num protowire.Number, name string, p **T) *T {
	there := *p != nil
	switch c.mode {
	case readProto:
		there = c.at(num)
	case readJSON:
		there = c.given(name)
	}
	if !there || c.err != nil {
		return nil
	}
	if *p == nil {
		*p = newOf[T](c)
	}
	c.enter(num, name, always)
	return *p
}

// list begins the list that is the named field; count is how many elements it has now. It is used as
//
//	for i := c.list(8, "lines", len(o.Lines), 0); c.next(&i); {
//		orderLineFields(c, element(c, &o.Lines, i))
//	}
func (c *coder) list(num protowire.Number, name string, count int, how rule) int {
	f := c.push(num, name, how|always)
	f.count = int32(count)
	switch c.mode {
	case writeJSON:
		c.putName(name)
		c.out = append(c.out, '[')
	case readProto:
		f.wire = c.wire
	case readJSON:
		c.openList(f, name)
	}
	return -1
}

// next ends the element *i of the list and begins the one after it; at the end it leaves the list and returns false.
func (c *coder) next(i *int) bool {
	f := &c.frames[c.depth-1]
	if *i >= 0 {
		c.endElement(f)
	}
	*i++
	f.index = int32(*i)
	if c.err == nil && c.beginElement(f) {
		return true
	}
	if c.err == nil {
		f.index = -1
	}
	switch c.mode {
	case writeJSON:
		c.out = append(c.out, ']')
	case readProto:
		if c.err == nil {
			c.wire = f.wire
		}
	case readJSON:
		c.doc.object = f.doc
	}
	c.depth--
	if c.mode == check && f.rule&required != 0 && f.count == 0 {
		c.fail(f.name, "is required")
	}
	return false
}

func (c *coder) beginElement(f *frame) bool {
	switch c.mode {
	case writeProto:
		if f.index == f.count {
			return false
		}
		c.beginWire(f.num)
		return true
	case writeJSON:
		if f.index == f.count {
			return false
		}
		c.putComma()
		c.out = append(c.out, '{')
		return true
	case readProto:
		// Between elements the frame holds the message around the list, so that its next tag can be looked at.
		c.wire = f.wire
		if !c.at(f.num) {
			f.wire = c.wire
			return false
		}
		body := c.takeBytes(f.name)
		f.wire = c.wire
		c.openWire(body)
		return c.err == nil
	case readJSON:
		return c.openElement(f)
	default:
		return f.index < f.count
	}
}

func (c *coder) endElement(f *frame) {
	switch c.mode {
	case writeProto:
		c.endWire(f)
	case writeJSON:
		c.out = append(c.out, '}')
	case readProto:
		c.closeWire(protoReader{next: endOfMessage})
	case readJSON:
		c.closeObject()
	}
}

// element returns element i of a list, which is a new one when reading.
func element[T any](c *coder, list *[]T, i int) *T {
	if c.reading() {
		var zero T
		*list = append(*list, zero)
	}
	return &(*list)[i]
}
