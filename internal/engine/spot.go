package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// A spot is where offers are made: a stock location of a channel, "" where it has none of its own. A pool has each spot once, so
// that millions of offers share its ids and are told apart by a pointer.
type spot struct{ channel, location string }

// An offerState is the last offer of a SKU at a spot; version 0: none was made yet, but orders moved its counters.
type offerState struct {
	at             *spot
	version        stock.Version
	quantity       stock.Quantity
	sold, released stock.Quantity
	run            uint64 // the newest run that moved it
	slot           int32  // the index of its record in the Changes of that run
	stopped        bool
	counters       bool // the entry being applied moved sold or released
}

// empty reports whether there is nothing to remember of the offer.
func (o *offerState) empty() bool { return o.version == 0 && o.sold == 0 && o.released == 0 }

// spot returns the pool's spot of these ids.
func (p *pool) spot(channel, location string) *spot {
	at, ok := p.spots[spot{channel, location}]
	if !ok {
		at = &spot{p.channelID(channel), location}
		p.spots[*at] = at
	}
	return at
}

func (x *spot) compare(y *spot) int {
	return cmp.Or(strings.Compare(x.channel, y.channel), strings.Compare(x.location, y.location))
}

// offer returns the SKU's offer at the spot, making an empty one if there is none. The pointer holds until the next call that makes one.
func (s *sku) offer(at *spot) *offerState {
	for i := range s.offers {
		if s.offers[i].at == at {
			return &s.offers[i]
		}
	}
	i := 0
	for i < len(s.offers) && s.offers[i].at.compare(at) < 0 {
		i++
	}
	if n := len(s.offers); n == cap(s.offers) { // few channels come later
		s.offers = append(make([]offerState, 0, max(len(s.listings), n+1)), s.offers...)
	}
	s.offers = slices.Insert(s.offers, i, offerState{at: at})
	return &s.offers[i]
}

// offersOn returns at how many spots of the channel the SKU has an offer.
func (s *sku) offersOn(channel string) int {
	n := 0
	for i := range s.offers {
		if s.offers[i].at.channel == channel {
			n++
		}
	}
	return n
}

// offersRow is the row that holds the SKU's offers: the stock row where there is one, so that a movement that moves offers writes one row
// and not two.
func (s *sku) offersRow() skuRows {
	if s.version != 0 {
		return stockRow
	}
	return listingsRow
}
