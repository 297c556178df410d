package engine

import (
	"encoding/binary"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// Rows are packed as varints and length-prefixed strings behind one byte that names the layout.
const rowLayout = 5

type packer struct{ b []byte }

func (p *packer) uint(v uint64)           { p.b = binary.AppendUvarint(p.b, v) }
func (p *packer) int(v int64)             { p.b = binary.AppendVarint(p.b, v) }
func (p *packer) qty(q stock.Quantity)    { p.int(int64(q)) }
func (p *packer) instant(i stock.Instant) { p.int(int64(i)) }
func (p *packer) text(s string)           { p.uint(uint64(len(s))); p.b = append(p.b, s...) }
func (p *packer) texts(list []string) {
	p.uint(uint64(len(list)))
	for _, s := range list {
		p.text(s)
	}
}
func (p *packer) parts(list []part) {
	p.uint(uint64(len(list)))
	for _, pt := range list {
		p.text(pt.sku)
		p.qty(pt.per)
	}
}
func (p *packer) bool(v bool) {
	if v {
		p.b = append(p.b, 1)
		return
	}
	p.b = append(p.b, 0)
}

// flags writes up to 63 flags as one number: the first ones are the cheapest.
func (p *packer) flags(set ...bool) {
	var v uint64
	for i, on := range set {
		if on {
			v |= 1 << i
		}
	}
	p.uint(v)
}

// flags are read one by one, in the order in which they were written.
type flags uint64

func (f *flags) next() bool {
	on := *f&1 != 0
	*f >>= 1
	return on
}

// An unpacker reads what a packer wrote. After the first thing that does not fit, bad is set and everything reads as zero.
type unpacker struct {
	b   []byte
	bad bool
}

func (u *unpacker) fail() { u.bad, u.b = true, nil }

func (u *unpacker) uint() uint64 {
	v, n := binary.Uvarint(u.b)
	if n <= 0 {
		u.fail()
		return 0
	}
	u.b = u.b[n:]
	return v
}

func (u *unpacker) int() int64 {
	v, n := binary.Varint(u.b)
	if n <= 0 {
		u.fail()
		return 0
	}
	u.b = u.b[n:]
	return v
}

func (u *unpacker) flags() flags           { return flags(u.uint()) }
func (u *unpacker) qty() stock.Quantity    { return stock.Quantity(u.int()) }
func (u *unpacker) instant() stock.Instant { return stock.Instant(u.int()) }
func (u *unpacker) text() string           { return string(u.bytes()) }

func (u *unpacker) texts() []string {
	var list []string
	for range u.count() {
		list = append(list, u.text())
	}
	return list
}

// parts reads the components of a kit. What one unit takes is never 0: it is divided by.
func (u *unpacker) parts() []part {
	var list []part
	for range u.count() {
		pt := part{sku: u.text(), per: u.qty()}
		if pt.per <= 0 {
			u.fail()
			return nil
		}
		list = append(list, pt)
	}
	return list
}

func (u *unpacker) bytes() []byte {
	n := u.uint()
	if n > uint64(len(u.b)) {
		u.fail()
		return nil
	}
	v := u.b[:n]
	u.b = u.b[n:]
	return v
}

func (u *unpacker) bool() bool {
	if len(u.b) == 0 || u.b[0] > 1 {
		u.fail()
		return false
	}
	v := u.b[0] == 1
	u.b = u.b[1:]
	return v
}

// count reads how many items follow, each of at least one byte, so that a corrupt row cannot ask for more memory than it has.
func (u *unpacker) count() int {
	n := u.uint()
	if n > uint64(len(u.b)) {
		u.fail()
		return 0
	}
	return int(n)
}

// layout reads the leading layout byte.
func (u *unpacker) layout() {
	if len(u.b) == 0 || u.b[0] != rowLayout {
		u.fail()
		return
	}
	u.b = u.b[1:]
}

// done returns an error that wraps ErrInvariant unless everything was read and fitted.
func (u *unpacker) done(key RowKey) error {
	if u.bad || len(u.b) != 0 {
		return fmt.Errorf("row %s of pool %q in table %d does not decode: %w", key.ID, key.Pool, key.Table, ErrInvariant)
	}
	return nil
}
