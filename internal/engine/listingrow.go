package engine

import (
	"slices"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func (s *sku) packListings(p *packer) {
	p.b = append(p.b, rowLayout)
	p.uint(uint64(len(s.listings)))
	for i := range s.listings {
		l := &s.listings[i]
		p.text(l.channel)
		p.uint(uint64(len(l.packed)))
		p.b = append(p.b, l.packed...)
	}
	if s.offersRow() == listingsRow && s.offered() > 0 {
		s.packOffers(p, 0)
	}
}

// readListings calls f with every listing of the row, by channel. packed is what was declared, as the row holds it.
func readListings(u *unpacker, key RowKey, f func(channel string, packed []byte, def *record.Listing)) {
	u.layout()
	for range u.count() {
		channel, packed := u.text(), u.bytes()
		var e record.Event
		if err := codec.DecodeEvent(packed, &e); u.bad || err != nil || e.Listing == nil {
			u.fail()
			return
		}
		e.Listing.Pool, e.Listing.Channel, e.Listing.SKU = key.Pool, channel, key.ID
		f(channel, packed, e.Listing)
	}
}

func (p *pool) loadListings(s *sku, key RowKey, value []byte) error {
	u := unpacker{b: value}
	readListings(&u, key, func(channel string, packed []byte, def *record.Listing) {
		s.listings = append(s.listings, listing{channel: p.channelID(channel), packed: slices.Clone(packed)})
		s.listings[len(s.listings)-1].set(def)
	})
	if len(u.b) > 0 {
		p.readOffers(s, &u, 0)
	}
	return u.done(key)
}

// offered returns how many of the SKU's offers there is something to remember of. Whether another is in memory hangs on restarts: rows
// leave it out.
func (s *sku) offered() int {
	n := 0
	for i := range s.offers {
		if !s.offers[i].empty() {
			n++
		}
	}
	return n
}

// packOffers writes the newest offers. They are seldom far from each other: each version is told by what it is different from last, the
// one before.
func (s *sku) packOffers(p *packer, last stock.Version) {
	p.uint(uint64(s.offered()))
	for i := range s.offers {
		o := &s.offers[i]
		if o.empty() {
			continue
		}
		p.flags(o.stopped, o.at.location != "", o.sold != 0, o.released != 0)
		p.text(o.at.channel)
		if o.at.location != "" {
			p.text(o.at.location)
		}
		p.int(int64(o.version - last))
		last = o.version
		p.qty(o.quantity)
		if o.sold != 0 {
			p.qty(o.sold)
		}
		if o.released != 0 {
			p.qty(o.released)
		}
	}
}

func (p *pool) readOffers(s *sku, u *unpacker, last stock.Version) {
	for range u.count() {
		f := u.flags()
		stopped, located, sold, released := f.next(), f.next(), f.next(), f.next()
		channel, location := u.text(), ""
		if located {
			location = u.text()
		}
		o := s.offer(p.spot(channel, location))
		last += stock.Version(u.int())
		o.stopped, o.version, o.quantity = stopped, last, u.qty()
		if sold {
			o.sold = u.qty()
		}
		if released {
			o.released = u.qty()
		}
	}
}
