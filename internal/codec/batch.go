package codec

import (
	"bytes"
	"iter"
)

// A Row is one event of a batch, as the sender wrote it.
type Row struct {
	Index int    // 0 for the first
	Line  int    // the line of the batch it begins on, 1 for the first
	Value []byte // belongs to the batch; for [ParseEvent]
	Err   *FieldError
}

// Batch returns the rows of body, which is one JSON event, a JSON array of events, or NDJSON (one event a line; empty
// lines are skipped). What a row holds is not looked at, so that one bad row spoils no other: its Err is set only where
// it is longer than [MaxEventBytes], or where an array breaks off, which ends the batch.
func Batch(body []byte) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		b := batch{yield: yield, line: 1}
		switch start := afterSpace(body); {
		case len(start) == 0:
		case start[0] == '[':
			b.array(body)
		case start[0] == '{' && spansLines(start):
			b.skipSpace(&body)
			b.row(bytes.TrimRight(body, " \t\r\n"))
		default:
			b.lines(body)
		}
	}
}

// spansLines reports whether b is one value and nothing else, but over several lines.
func spansLines(b []byte) bool {
	n := skipValue(b)
	return n > 0 && bytes.IndexByte(b[:n], '\n') >= 0 && len(afterSpace(b[n:])) == 0
}

type batch struct {
	yield func(Row) bool
	index int
	line  int
}

// row yields the next row and reports whether another is wanted.
func (b *batch) row(value []byte) bool {
	r := Row{Index: b.index, Line: b.line, Value: value}
	if len(value) > MaxEventBytes {
		r.Err = &FieldError{Reason: tooLarge}
	}
	b.index++
	b.line += bytes.Count(value, newline)
	return b.yield(r)
}

var newline = []byte{'\n'}

func (b *batch) lines(body []byte) {
	for len(body) > 0 {
		line, rest, _ := bytes.Cut(body, newline)
		if line = bytes.Trim(line, " \t\r"); len(line) > 0 && !b.row(line) {
			return
		}
		b.line++
		body = rest
	}
}

func (b *batch) skipSpace(body *[]byte) {
	rest := afterSpace(*body)
	b.line += bytes.Count((*body)[:len(*body)-len(rest)], newline)
	*body = rest
}

func (b *batch) array(body []byte) {
	b.skipSpace(&body)
	body = body[1:]
	b.skipSpace(&body)
	if len(body) > 0 && body[0] == ']' {
		b.end(body[1:])
		return
	}
	for {
		n := skipValue(body)
		if n <= 0 {
			b.broken("is not JSON: the array breaks off")
			return
		}
		if !b.row(body[:n]) {
			return
		}
		body = body[n:]
		b.skipSpace(&body)
		switch {
		case len(body) > 0 && body[0] == ',':
			body = body[1:]
			b.skipSpace(&body)
		case len(body) > 0 && body[0] == ']':
			b.end(body[1:])
			return
		default:
			b.broken("is not JSON: the array breaks off")
			return
		}
	}
}

func (b *batch) end(rest []byte) {
	if b.skipSpace(&rest); len(rest) > 0 {
		b.broken("is not JSON: something follows the array")
	}
}

// broken yields a last row for what cannot be read on from.
func (b *batch) broken(reason string) {
	b.yield(Row{Index: b.index, Line: b.line, Err: &FieldError{Reason: reason}})
}
