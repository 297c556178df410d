package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/offer"
	"github.com/shelfwire/shelfwire/internal/record"
)

// outlet declares an outlet or changes it. What it says may change the offers and the totals of everything the pool holds.
func (a *applying) outlet(def *record.Outlet) {
	o, _ := a.pool.outlet(def.Outlet)
	counts := !o.declared || o.def.ChannelOwned != def.ChannelOwned
	a.changes.outletsChange()
	o.def, o.declared = *def, true
	a.pool.safety[o.index] = def.SafetyStock
	a.pool.edition++
	a.changes.pools = append(a.changes.pools, poolChange{a.pool, outletRow(def.Outlet)})
	if counts {
		a.begin(sweepCounts, def.Outlet)
		return
	}
	a.begin(sweepOffers, "")
}

// channel declares a channel or changes it, with its outlets, locations and policies.
func (a *applying) channel(def *record.Channel) {
	kept := cloneChannel(def)
	a.pool.setChannel(kept)
	a.pool.edition++
	a.changes.pools = append(a.changes.pools, poolChange{a.pool, channelRow(def.Channel)})
	a.changes.channelState(record.ChannelState{Channel: kept, Version: a.version})
	a.schedule(dueChannel, def.Channel, nextPolicy(kept.Policies, a.pool.clock, 0))
	a.begin(sweepOffers, def.Channel)
}

// setChannel takes the definition over. The channel stays the one that listings point to.
func (p *pool) setChannel(def record.Channel) {
	ch, ok := p.channels[def.Channel]
	if !ok {
		ch = &channel{}
		p.channels[def.Channel] = ch
	}
	*ch = channel{def: def, account: def.AccountID()}
}

// channelState keeps the newest state of each channel of the run.
func (c *Changes) channelState(st record.ChannelState) {
	if c.RowsOnly {
		return
	}
	for i := range c.channels {
		if old := c.channels[i].ChannelState; old.Channel.Pool == st.Channel.Pool && old.Channel.Channel == st.Channel.Channel {
			c.channels[i].ChannelState = &st
			return
		}
	}
	c.channels = append(c.channels, record.OfferRecord{ChannelState: &st})
}

func (a *applying) listing(def *record.Listing) {
	s := a.pool.sku(def.SKU)
	a.pool.note(s)
	l := a.pool.listing(s, def.Channel)
	before := l.items()
	packed := *def
	packed.Pool, packed.Channel, packed.SKU = "", "", "" // the row says them already
	l.packed = codec.AppendEvent(nil, &record.Event{Listing: &packed})
	l.set(def)
	a.changes.row(a.pool, s, listingsRow)
	a.pool.touch(s)
	a.relist(def.Channel, def.SKU, before, l.items())
	a.scheduleSKU(s)
}

// set takes over what was declared.
func (l *listing) set(def *record.Listing) {
	l.terms, l.ids, l.policies = offer.TermsOf(def), slices.Clone(def.ChannelIDs), clonePolicies(def.Policies)
}

// settings changes the pool's rules. They hold from now on; who waits is looked at again, since others may be served now.
func (a *applying) settings(def *record.Pool) {
	if def.Ruleset < a.pool.settings.Ruleset {
		a.reject(classRefused, "ruleset", fmt.Sprintf("ruleset %d is in force: it is never lowered", a.pool.settings.Ruleset))
		return
	}
	a.pool.settings = *def
	a.changes.pools = append(a.changes.pools, poolChange{a.pool, settingsRow})
	a.begin(sweepOffers, "")
}

// The clones below own every slice and map, since Apply keeps nothing of the entry it is given but strings. Outlets and
// locations are sorted, so that what is computed from them does not hang on the order in which somebody wrote them.

func cloneChannel(c *record.Channel) record.Channel {
	k := *c
	k.Outlets = slices.Clone(c.Outlets)
	k.Locations = make([]record.Location, len(c.Locations))
	for i, l := range c.Locations {
		k.Locations[i] = record.Location{Location: l.Location, Outlets: slices.Clone(l.Outlets)}
	}
	slices.SortFunc(k.Locations, func(a, b record.Location) int { return strings.Compare(a.Location, b.Location) })
	k.CountStatuses.Merchant = slices.Clone(c.CountStatuses.Merchant)
	k.CountStatuses.Channel = slices.Clone(c.CountStatuses.Channel)
	k.LoweringStatuses = slices.Clone(c.LoweringStatuses)
	k.Policies = clonePolicies(c.Policies)
	k.Carriers = slices.Clone(c.Carriers)
	return k
}

func cloneListing(l *record.Listing) record.Listing {
	k := *l
	k.Policies = clonePolicies(l.Policies)
	k.ChannelIDs = slices.Clone(l.ChannelIDs)
	return k
}

func clonePolicies(policies []record.Policy) []record.Policy {
	k := slices.Clone(policies)
	for i := range k {
		if c := k[i].Cap; c != nil {
			most := *c
			k[i].Cap = &most
		}
	}
	return k
}
