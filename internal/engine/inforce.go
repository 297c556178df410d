package engine

import (
	"cmp"
	"maps"
	"slices"

	"github.com/shelfwire/shelfwire/internal/record"
)

// Kept returns a catalogue event as the state keeps it: what is the same to the engine is the same here. An event of another kind
// is returned as it is. The result shares nothing with e but strings.
func Kept(e *record.Event) record.Event {
	switch e.Kind() {
	case record.KindKit:
		kit := *e.Kit
		kit.Components = keptComponents(e.Kit)
		return record.Event{Kit: &kit}
	case record.KindListing:
		listing := cloneListing(e.Listing)
		return record.Event{Listing: &listing}
	case record.KindChannel:
		channel := cloneChannel(e.Channel)
		return record.Event{Channel: &channel}
	}
	return *e
}

// keptComponents returns the components by SKU, none of a kit that is deleted.
func keptComponents(k *record.Kit) []record.Component {
	if k.Deleted {
		return nil
	}
	components := slices.Clone(k.Components)
	slices.SortFunc(components, func(a, b record.Component) int { return cmp.Compare(a.SKU, b.SKU) })
	return components
}

// Catalogue returns the pool's catalogue in force but for its listings, as the events that would say it: the settings, then the
// outlets that were declared, the kits and the channels, each by id. What was deleted is there and says so, but for kits, of which
// nothing is kept. It is nil for a pool that is not in memory. The events share slices with the state.
func (s *State) Catalogue(pool string) []record.Event {
	p, ok := s.pool(pool)
	if !ok {
		return nil
	}
	events := []record.Event{{Pool: &p.settings}}
	for _, id := range slices.Sorted(maps.Keys(p.outlets)) {
		if o := p.outlets[id]; o.declared {
			events = append(events, record.Event{Outlet: &o.def})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.kits)) {
		kit := &record.Kit{Pool: p.id, SKU: id}
		for _, pt := range p.kits[id] {
			kit.Components = append(kit.Components, record.Component{SKU: pt.sku, Quantity: pt.per})
		}
		events = append(events, record.Event{Kit: kit})
	}
	for _, id := range slices.Sorted(maps.Keys(p.channels)) {
		events = append(events, record.Event{Channel: &p.channels[id].def})
	}
	return events
}

// Listings returns the listings that a row of TableListings holds, by channel. It returns an error that wraps ErrInvariant for a row
// that does not decode.
func Listings(row RowWrite) ([]*record.Listing, error) {
	var listings []*record.Listing
	u := unpacker{b: row.Value}
	readListings(&u, row.RowKey, func(_ string, _ []byte, def *record.Listing) { listings = append(listings, def) })
	if u.bad {
		return nil, u.done(row.RowKey)
	}
	return listings, nil
}

// LastOffers returns the last offers that a row holds, by channel and location; the row has been loaded. They stand in the SKU's row
// of TableStock, and as long as there is none in that of TableListings. Of an offer only its listing, location, version, quantity,
// counters and whether it stopped are kept.
func (s *State) LastOffers(row RowKey) []record.Offer {
	p, ok := s.pool(row.Pool)
	if !ok {
		return nil
	}
	x := p.skus.find(row.ID)
	if x == nil || skuRowOf(row.Table) != x.offersRow() {
		return nil
	}
	var offers []record.Offer
	for i := range x.offers {
		o := &x.offers[i]
		if o.version == 0 {
			continue // only counters: nothing was offered yet
		}
		offers = append(offers, record.Offer{
			Pool: row.Pool, Channel: o.at.channel, SKU: row.ID, Location: o.at.location, Version: o.version,
			Quantity: o.quantity, Sold: o.sold, Released: o.released, Stopped: o.stopped,
		})
	}
	return offers
}
