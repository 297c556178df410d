package dispatch

import (
	"github.com/shelfwire/shelfwire/internal/packed"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Pack writes or reads the listing's durable fields: all but Fresh and Abandoned. base is a moment near its own ones, which are then short.
func (l *Listing) Pack(r *packed.Row, base stock.Instant) {
	seen, open, old := l.Seen != nil, l.Open != nil, l.Old != nil
	one, known, below := l.Lo == l.Hi, l.Hi < Unbounded, l.Lo > -Unbounded
	floor, since, handled, earlier := l.Floor != 0, l.Since != 0, l.Handled != 0, len(l.Earlier) > 0
	answered := l.Seen != nil && l.Seen.At == l.Handled // a level that is known from the reply to a set
	r.Flags(&one, &seen, &known, &below, &l.Loose, &answered, &handled, &l.Look, &open, &floor, &since, &l.MarkPassed, &old, &earlier)
	packed.Uint(r, &l.Version)
	packed.Int(r, &l.Quantity)
	packed.Int(r, &l.Sold)
	packed.Int(r, &l.Released)
	switch {
	case known:
		packed.Int(r, &l.Hi)
	default:
		l.Hi = Unbounded
	}
	switch {
	case one:
		l.Lo = l.Hi
	case below:
		packed.Near(r, &l.Lo, l.Hi)
	default:
		l.Lo = -Unbounded
	}
	if floor {
		packed.Int(r, &l.Floor)
	}
	packed.Optional(r, &l.Seen, seen, func(o *Observation) {
		packed.Int(r, &o.Level)
		packed.Near(r, &o.Sold, l.Sold)
		packed.Near(r, &o.Released, l.Released)
		packed.Near(r, &o.At, base)
	})
	switch {
	case answered && l.Seen != nil:
		l.Handled = l.Seen.At
	case handled:
		packed.Near(r, &l.Handled, base)
	}
	packed.Optional(r, &l.Open, open, func(at *Attempt) { at.pack(r, l, base) })
	packed.Optional(r, &l.Old, old, func(at *Attempt) { at.pack(r, l, base) })
	if since {
		packed.Near(r, &l.Since, base)
	}
	if earlier {
		packed.List(r, &l.Earlier, func(c *Counters) {
			packed.Near(r, &c.Sold, l.Sold)
			packed.Near(r, &c.Released, l.Released)
			packed.Near(r, &c.Until, base)
		})
	}
}

func (at *Attempt) pack(r *packed.Row, l *Listing, base stock.Instant) {
	compares := at.Base != nil
	r.Flags(&compares)
	packed.Int(r, &at.Value)
	packed.Optional(r, &at.Base, compares, func(q *stock.Quantity) { packed.Int(r, q) })
	packed.Near(r, &at.Sold, l.Sold)
	packed.Near(r, &at.Released, l.Released)
	packed.Uint(r, &at.Version)
	packed.Near(r, &at.Sent, base)
	packed.Near(r, &at.Deadline, at.Sent)
	r.Text(&at.Key)
	packed.Int(r, &at.Tries)
}
