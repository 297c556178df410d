// Package packed writes and reads small rows as varints and length-prefixed texts. One description of a row drives both ways, so that
// what is written is what is read.
//
// A row does not say what is in it. Its first byte names its layout, and a field that comes new is another layout.
package packed

import (
	"encoding/binary"
	"errors"
)

// A Row is being written or read. The zero value writes an empty row.
type Row struct {
	b       []byte
	reading bool
	bad     bool
}

// Read returns a row to be read: b behind its layout byte, which must be layout.
func Read(b []byte, layout byte) *Row {
	if len(b) == 0 || b[0] != layout {
		return &Row{reading: true, bad: true}
	}
	return &Row{b: b[1:], reading: true}
}

// Write returns a row that begins with its layout.
func Write(layout byte) *Row { return &Row{b: []byte{layout}} }

// Bytes returns what was written.
func (r *Row) Bytes() []byte { return r.b }

// ErrForm is returned by [Row.Done] for what is no row of its layout.
var ErrForm = errors.New("the row has another form")

// Done ends reading. It returns ErrForm unless everything was read and fitted; what was read then means nothing.
func (r *Row) Done() error {
	if r.reading && (r.bad || len(r.b) > 0) {
		return ErrForm
	}
	return nil
}

func (r *Row) fail() { r.bad, r.b = true, nil }

// Int is a number that may be negative; small ones are short. A reader finds 0 where something does not fit.
func Int[T ~int32 | ~int64](r *Row, v *T) {
	if !r.reading {
		r.b = binary.AppendVarint(r.b, int64(*v))
		return
	}
	n, size := binary.Varint(r.b)
	if size <= 0 || int64(T(n)) != n {
		r.fail()
		n, size = 0, 0
	}
	r.b = r.b[size:]
	*v = T(n)
}

// Uint is a number that is never negative.
func Uint[T ~uint32 | ~uint64](r *Row, v *T) {
	if !r.reading {
		r.b = binary.AppendUvarint(r.b, uint64(*v))
		return
	}
	n, size := binary.Uvarint(r.b)
	if size <= 0 || uint64(T(n)) != n {
		r.fail()
		n, size = 0, 0
	}
	r.b = r.b[size:]
	*v = T(n)
}

// Near is a number that is likely to be near base: only what lies between them is written.
func Near[T ~int32 | ~int64](r *Row, v *T, base T) {
	by := *v - base
	Int(r, &by)
	*v = base + by
}

// Text is any bytes.
func (r *Row) Text(v *string) {
	n := uint64(len(*v))
	Uint(r, &n)
	if !r.reading {
		r.b = append(r.b, *v...)
		return
	}
	if n > uint64(len(r.b)) {
		r.fail()
		n = 0
	}
	*v = string(r.b[:n])
	r.b = r.b[n:]
}

// Flags are up to 63 flags as one number: the first ones are the cheapest. Those that say whether something follows are read before it.
func (r *Row) Flags(flags ...*bool) {
	var set uint64
	for i, on := range flags {
		if *on {
			set |= 1 << i
		}
	}
	Uint(r, &set)
	for i, on := range flags {
		*on = set>>i&1 != 0
	}
	if set>>len(flags) != 0 {
		r.fail()
	}
}

// Optional is something that is there if there is true, as a flag says that came before.
func Optional[T any](r *Row, v **T, there bool, fields func(*T)) {
	if r.reading {
		*v = nil
		if there {
			*v = new(T)
		}
	}
	if there {
		fields(*v)
	}
}

// List is some things of at least one byte each.
func List[T any](r *Row, v *[]T, fields func(*T)) {
	n := uint64(len(*v))
	Uint(r, &n)
	if r.reading {
		if n > uint64(len(r.b)) { // so that a spoilt row cannot ask for more memory than it has
			r.fail()
			n = 0
		}
		*v = nil
		if n > 0 {
			*v = make([]T, n)
		}
	}
	for i := range *v {
		fields(&(*v)[i])
	}
}
