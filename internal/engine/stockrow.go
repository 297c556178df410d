package engine

import (
	"encoding/base64"
	"strconv"

	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// appendStock writes the public form of the row: what a storefront reads, with the waiting queue, the last offers and what is remembered
// of movements packed under "_". Outlets with nothing in them are left out, and so is "_" where it would be empty.
func (p *pool) appendStock(s *sku, b []byte) []byte {
	b = append(b, `{"version":`...)
	b = strconv.AppendUint(b, uint64(s.version), 10)
	b = append(b, `,"on_order":`...)
	b = strconv.AppendInt(b, int64(s.onOrder), 10)
	var onHand stock.Quantity
	for i := range s.levels {
		if l := &s.levels[i]; !p.outletOf(l).def.ChannelOwned {
			onHand += l.onHand
		}
	}
	b = append(b, `,"backordered":`...)
	b = strconv.AppendInt(b, int64(max(0, s.onOrder-onHand)), 10)
	b = append(b, `,"outlets":{`...)
	first := true
	for i := range s.levels {
		l := &s.levels[i]
		if l.empty() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, p.outletOf(l).quoted...)
		b = append(b, ':', '[')
		b = strconv.AppendInt(b, int64(l.onHand), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(l.reserved), 10)
		b = append(b, ']')
	}
	b = append(b, '}')
	if recent := !s.apart && s.moved() > 0; recent || len(s.waiting) > 0 || s.offered() > 0 {
		b = append(b, `,"_":"`...)
		b = p.appendPrivate(s, b)
		b = append(b, '"')
	}
	return append(b, '}')
}

// appendPrivate writes what the stock row holds for the engine only.
func (p *pool) appendPrivate(s *sku, b []byte) []byte {
	out := &p.private
	out.b = append(out.b[:0], rowLayout)
	out.uint(uint64(len(s.waiting)))
	for i := range s.waiting {
		w := &s.waiting[i]
		out.text(w.order)
		out.text(w.line)
		out.text(w.channel)
		out.texts(w.only)
		out.texts(w.declined)
		out.qty(w.quantity)
	}
	s.packOffers(out, s.version)
	if !s.apart {
		p.packRecent(s, out, false)
	}
	return base64.RawStdEncoding.AppendEncode(b, out.b)
}

// appendQuoted writes an escaped id as a JSON string; control characters are percent-encoded already.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// parseStock reads what appendStock wrote, byte by byte: the row is ours and has one form.
func (p *pool) parseStock(s *sku, b []byte) bool {
	r := rowReader{b: b}
	r.expect(`{"version":`)
	s.version = stock.Version(r.number())
	r.expect(`,"on_order":`)
	s.onOrder = stock.Quantity(r.number())
	r.expect(`,"backordered":`)
	r.number()
	r.expect(`,"outlets":{`)
	for first := true; !r.bad && !r.skip(`}`); first = false {
		if !first {
			r.expect(`,`)
		}
		id := stream.SplitKey(r.quoted())[0]
		r.expect(`:[`)
		onHand := stock.Quantity(r.number())
		r.expect(`,`)
		reserved := stock.Quantity(r.number())
		r.expect(`]`)
		if r.bad {
			return false
		}
		o, known := p.outlet(id)
		if !known {
			return false
		}
		l, _ := p.level(s, o)
		l.onHand, l.reserved = onHand, reserved
	}
	if r.skip(`,"_":`) {
		packed, err := base64.RawStdEncoding.DecodeString(r.quoted())
		u := unpacker{b: packed, bad: err != nil}
		u.layout()
		for range u.count() {
			s.waiting = append(s.waiting, waiting{order: u.text(), line: u.text(), channel: u.text(), only: u.texts(), declined: u.texts(), quantity: u.qty()})
		}
		p.readOffers(s, &u, s.version)
		if len(u.b) > 0 && !s.apart {
			p.readRecent(s, &u, false)
		}
		if u.bad || len(u.b) > 0 {
			return false
		}
	}
	r.expect(`}`)
	return !r.bad && len(r.b) == 0
}

// A rowReader reads the fixed form of a stock row.
type rowReader struct {
	b   []byte
	bad bool
}

func (r *rowReader) skip(lit string) bool {
	if len(r.b) >= len(lit) && string(r.b[:len(lit)]) == lit {
		r.b = r.b[len(lit):]
		return true
	}
	return false
}

func (r *rowReader) expect(lit string) {
	if !r.skip(lit) {
		r.bad = true
	}
}

func (r *rowReader) number() int64 {
	n := 0
	for n < len(r.b) && (r.b[n] == '-' || r.b[n] >= '0' && r.b[n] <= '9') {
		n++
	}
	v, err := strconv.ParseInt(string(r.b[:n]), 10, 64)
	if err != nil {
		r.bad = true
	}
	r.b = r.b[n:]
	return v
}

func (r *rowReader) quoted() string {
	r.expect(`"`)
	var out []byte
	for i := 0; i < len(r.b); i++ {
		switch c := r.b[i]; {
		case c == '\\' && i+1 < len(r.b):
			i++
			out = append(out, r.b[i])
		case c == '"':
			r.b = r.b[i+1:]
			return string(out)
		default:
			out = append(out, c)
		}
	}
	r.bad = true
	return ""
}
