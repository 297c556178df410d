package engine

import (
	"slices"

	"github.com/shelfwire/shelfwire/internal/offer"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// offer works out what each of the SKU's listings may show, and writes an offer where that, or a counter, has changed.
func (a *applying) offer(s *sku) {
	for i := range s.listings {
		l := &s.listings[i]
		ch := a.pool.channelOf(l)
		if ch == nil {
			continue
		}
		stopped := offer.Stopped(&l.terms, &ch.def, a.pool.clock)
		places := a.pool.places(ch)
		for j := range places {
			a.offerAt(s, l, ch, &places[j], stopped)
		}
		if s.offersOn(l.channel) == len(places) {
			continue
		}
		for j := range s.offers {
			if at := s.offers[j].at; at.channel == l.channel && !hasLocation(&ch.def, at.location) {
				a.offerAt(s, l, ch, &place{at: at}, offer.NoLocation)
			}
		}
	}
}

func hasLocation(c *record.Channel, location string) bool {
	if len(c.Locations) == 0 {
		return location == ""
	}
	return slices.ContainsFunc(c.Locations, func(l record.Location) bool { return l.Location == location })
}

// offerAt works out one location's offer. stopped says why there is none; a listing that stops being offered gets one last
// offer of 0, unless its channel is to be left as it is.
func (a *applying) offerAt(s *sku, l *listing, ch *channel, at *place, stopped string) {
	o := s.offer(at.at)
	counters := o.counters
	o.counters = false
	if stopped != "" {
		leave := ch.def.WhenStopped == record.StopLeave
		if o.version == 0 || leave || o.stopped && !counters {
			if o.version != 0 && !o.stopped {
				o.stopped = true
				a.changes.row(a.pool, s, s.offersRow())
			}
			return
		}
		if rec := a.emit(s, l, ch, o, 0, true, stopped); rec != nil {
			rec.Inputs.Percent = 100
		}
		return
	}

	policy := offer.PolicyAt(l.policies, ch.def.Policies, a.pool.clock)
	kit := a.pool.kitOf(s.id)
	var available, held stock.Quantity
	if kit != nil {
		available, held = a.pool.kitsAvailable(kit, at.offered, nil), a.kitsWaiting(kit, at.offered)
	} else {
		available, held = a.pool.availableAt(s, at.offered), a.waitingFor(s, at.offered)
	}
	quantity, reason := offer.Quantity(available, held, policy)
	if o.version != 0 && !o.stopped && o.quantity == quantity && !counters {
		return
	}
	rec := a.emit(s, l, ch, o, quantity, false, reason)
	if rec == nil {
		return
	}
	rec.Inputs = record.OfferInputs{
		Outlets: rec.Inputs.Outlets, Waiting: held, Buffer: policy.Buffer, Percent: policy.Percent, Cap: policy.Cap, Floor: policy.Floor,
	}
	if kit != nil {
		a.pool.kitsAvailable(kit, at.offered, &rec.Inputs.Outlets)
		return
	}
	rec.sku, rec.outlets = s, at.offered
	s.open = true
}

// emit moves the listing's offer and fills the run's record of it, but for the inputs. nil: none is wanted.
func (a *applying) emit(s *sku, l *listing, ch *channel, o *offerState, quantity stock.Quantity, stopped bool, reason string) *offerChange {
	o.version, o.quantity, o.stopped = a.version, quantity, stopped
	a.changes.row(a.pool, s, s.offersRow())
	rec := a.changes.offer(o)
	if rec == nil {
		return nil
	}
	*rec = offerChange{pool: a.pool, Offer: record.Offer{
		Pool: a.pool.id, Channel: l.channel, Account: ch.account, SKU: s.id, Location: o.at.location,
		Version: a.version, ChangedAt: a.pool.clock, Quantity: quantity, Sold: o.sold, Released: o.released, Reason: reason,
		Inputs: record.OfferInputs{Outlets: rec.Inputs.Outlets[:0]}, ChannelIDs: l.ids, Stopped: stopped, Times: a.times(),
	}}
	return rec
}

// availableAt sums what the outlets may still promise to customers: per outlet, on hand less reserved less safety stock, not
// below 0.
func (p *pool) availableAt(s *sku, outlets outletSet) stock.Quantity {
	var sum stock.Quantity
	for i := range s.levels {
		if l := &s.levels[i]; outlets.has(l.outlet) {
			sum += l.available(p.safety[l.outlet])
		}
	}
	return sum
}

// levelsAt appends each of these outlets' part of what is available, in the order of the outlets' ids.
func (p *pool) levelsAt(s *sku, outlets outletSet, to []record.OfferOutlet) []record.OfferOutlet {
	for i := range s.levels {
		l := &s.levels[i]
		if l.empty() || !outlets.has(l.outlet) {
			continue
		}
		safety := p.safety[l.outlet]
		to = append(to, record.OfferOutlet{
			Outlet: p.outletOf(l).def.Outlet, OnHand: l.onHand, Reserved: l.reserved, SafetyStock: safety, Available: l.available(safety),
		})
	}
	return to
}

// waitingFor sums the waiting units of the SKU that only outlets of this set could serve: showing them again would sell
// them twice.
func (a *applying) waitingFor(s *sku, outlets outletSet) stock.Quantity {
	var sum stock.Quantity
	for i := range s.waiting {
		if w := &s.waiting[i]; a.onlyFrom(w, outlets) {
			sum += w.quantity
		}
	}
	return sum
}

// onlyFrom reports whether outlets of this set could serve who waits, and no others.
func (a *applying) onlyFrom(w *waiting, outlets outletSet) bool {
	candidates := a.pool.candidates(w.channel, w.only, w.declined)
	for _, o := range candidates {
		if !outlets.has(o.index) {
			return false
		}
	}
	return len(candidates) > 0
}
