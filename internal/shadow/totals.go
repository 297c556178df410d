package shadow

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A Report is what differed between the two folds of one pool, from From (inclusive) to Until (exclusive).
type Report struct {
	Pool        string
	From, Until stock.Instant
	Entries     int64              // of the journal that lie between
	Changes     []catalogue.Change // what the policy changed at From
	Offers      Pair               // how many were made
	Beyond      Pair               // units that were ordered beyond what was offered at that moment
	Backordered Pair               // unit-seconds
	Waiting     Pair               // unit-seconds of order lines
	Parcels     Pair               // outlets per order, summed over the orders that were decided
	Listings    []Listing          // those whose offers differed for a while, the most different first
	Channels    []Channel          // all that were offered anything, by id
}

// A Pair is a number as it was, and in the shadow.
type Pair struct{ Real, Shadow int64 }

// A Listing is how the offers of one listing, at one location of its channel, differed.
type Listing struct {
	Channel, SKU, Location string
	Offers                 Pair
	Beyond                 Pair           // see Report
	Differed               time.Duration  // for how long
	Less, More             int64          // unit-seconds for which the shadow offered less, or more
	Most                   stock.Quantity // the greatest difference: negative where the shadow offered less
	Last                   Pair           // what was offered in the end
}

// A Channel sums up its listings.
type Channel struct {
	Channel    string
	Offers     Pair
	Beyond     Pair
	Listings   int // all
	Differing  int // of these
	Less, More int64
}

// A side is one of the two folds.
type side int

const (
	sideReal side = iota
	sideShadow
)

func (p *Pair) at(s side) *int64 {
	if s == sideReal {
		return &p.Real
	}
	return &p.Shadow
}

// An area is units × time, kept to the microsecond. Units are at most 10⁹ at once, so it holds for centuries.
type area struct{ seconds, micros int64 }

const microsPerSecond = 1_000_000

func (a *area) add(units stock.Quantity, d time.Duration) {
	micros := d.Microseconds()
	a.seconds += int64(units) * (micros / microsPerSecond)
	a.micros += int64(units) * (micros % microsPerSecond)
	a.seconds += a.micros / microsPerSecond
	a.micros %= microsPerSecond
}

// A level is a number that stands for a while.
type level struct {
	now   stock.Quantity
	since stock.Instant
	sum   area
}

// A listingKey names a listing at a location.
type listingKey struct{ channel, sku, location string }

// A watched listing is what both sides offer of it.
type watched struct {
	Listing
	quantity   [2]stock.Quantity
	sold       stock.Quantity // in the journal as it is
	since      stock.Instant  // both stand as they are
	less, more area
}

// An orderKey names an order.
type orderKey struct{ channel, id string }

// totals is what is added up between the two moments.
type totals struct {
	listings    map[listingKey]*watched
	backordered map[string]*[2]level
	waiting     map[orderKey]*[2]level
	outlets     map[orderKey]*[2]int // of the orders that were decided between the moments
	gone        [2]area              // of orders that wait no longer
}

func (t *totals) init() {
	t.listings, t.backordered = map[listingKey]*watched{}, map[string]*[2]level{}
	t.waiting, t.outlets = map[orderKey]*[2]level{}, map[orderKey]*[2]int{}
}

// observe returns what is called with what an entry changed on a side.
func (r *Replay) observe(s side) func(*engine.State, *engine.Changes) {
	return func(state *engine.State, c *engine.Changes) {
		at := max(state.Clock(r.pool.ID), r.from)
		state.EachOffer(c, func(o *record.OfferRecord) {
			if o.Offer != nil {
				r.totals.offer(s, o.Offer, at, r.started)
			}
		})
		state.EachAvailability(c, func(a *record.Availability) {
			r.totals.availability(s, a, at)
		})
		state.EachAllocation(c, func(a *record.Allocation) { r.totals.allocation(s, a, at, r.started) })
	}
}

// move says that the level is another from a moment on. Before the comparison every moment is its beginning.
func (l *level) move(now stock.Quantity, at stock.Instant) {
	if l.since != 0 {
		l.sum.add(l.now, at.Sub(l.since))
	}
	l.now, l.since = now, at
}

func (t *totals) availability(s side, a *record.Availability, at stock.Instant) {
	levels, ok := t.backordered[a.SKU]
	if !ok {
		levels = &[2]level{}
		t.backordered[a.SKU] = levels
	}
	levels[s].move(a.Backordered, at)
}

func (t *totals) offer(s side, o *record.Offer, at stock.Instant, counts bool) {
	key := listingKey{o.Channel, o.SKU, o.Location}
	w, ok := t.listings[key]
	if !ok {
		w = &watched{Listing: Listing{Channel: o.Channel, SKU: o.SKU, Location: o.Location}, since: at}
		t.listings[key] = w
	}
	w.stand(at)
	if counts {
		*w.Offers.at(s)++
		if s == sideReal {
			// The shadow has not folded this entry yet: both stand as they were when the order came.
			for i, quantity := range w.quantity {
				*w.Beyond.at(side(i)) += int64(max(0, o.Sold-w.sold-quantity))
			}
		}
	}
	if s == sideReal {
		w.sold = o.Sold
	}
	w.quantity[s] = o.Quantity
}

// stand adds up how the two stood until a moment.
func (w *watched) stand(at stock.Instant) {
	if d := w.quantity[sideShadow] - w.quantity[sideReal]; d != 0 && at > w.since {
		span := at.Sub(w.since)
		w.Differed += span
		if abs(d) > abs(w.Most) {
			w.Most = d
		}
		if d < 0 {
			w.less.add(-d, span)
		} else {
			w.more.add(d, span)
		}
	}
	w.since = at
}

func abs(q stock.Quantity) stock.Quantity { return max(q, -q) }

func (t *totals) allocation(s side, a *record.Allocation, at stock.Instant, counts bool) {
	key := orderKey{a.Channel, a.OrderID}
	var waits stock.Quantity
	var outlets []string
	for i := range a.Lines {
		waits += a.Lines[i].Waiting
		for _, al := range a.Lines[i].Allocations {
			if !slices.Contains(outlets, al.Outlet) {
				outlets = append(outlets, al.Outlet)
			}
		}
	}
	levels := t.waiting[key]
	if levels == nil && waits > 0 {
		levels = &[2]level{}
		t.waiting[key] = levels
	}
	if levels != nil {
		levels[s].move(waits, at)
		if levels[sideReal].now == 0 && levels[sideShadow].now == 0 {
			t.forget(key, levels)
		}
	}
	if counts {
		n := t.outlets[key]
		if n == nil {
			n = &[2]int{}
			t.outlets[key] = n
		}
		n[s] = len(outlets)
	}
}

// forget keeps the sums of an order that waits on neither side.
func (t *totals) forget(key orderKey, levels *[2]level) {
	for s := range levels {
		t.gone[s].join(levels[s].sum)
	}
	delete(t.waiting, key)
}

// end fills in the report with what stands until a moment.
func (t *totals) end(r *Report, until stock.Instant) {
	channels := map[string]*Channel{}
	for _, w := range t.listings {
		w.stand(until)
		w.Less, w.More = w.less.seconds, w.more.seconds
		w.Last = Pair{int64(w.quantity[sideReal]), int64(w.quantity[sideShadow])}
		c := channels[w.Channel]
		if c == nil {
			c = &Channel{Channel: w.Channel}
			channels[w.Channel] = c
		}
		c.add(&w.Listing)
		if w.Differed > 0 || w.Last.Real != w.Last.Shadow {
			r.Listings = append(r.Listings, w.Listing)
		}
	}
	slices.SortFunc(r.Listings, func(a, b Listing) int {
		return cmp.Or(cmp.Compare(b.Less+b.More, a.Less+a.More), strings.Compare(a.Channel, b.Channel), strings.Compare(a.SKU, b.SKU), strings.Compare(a.Location, b.Location))
	})
	for _, id := range slices.Sorted(maps.Keys(channels)) {
		c := channels[id]
		r.Channels = append(r.Channels, *c)
		r.Offers.add(c.Offers)
		r.Beyond.add(c.Beyond)
	}
	var backordered [2]area
	for _, levels := range t.backordered {
		for s := range levels {
			levels[s].move(levels[s].now, until)
			backordered[s].join(levels[s].sum)
		}
	}
	waiting := t.gone
	for _, levels := range t.waiting {
		for s := range levels {
			levels[s].move(levels[s].now, until)
			waiting[s].join(levels[s].sum)
		}
	}
	r.Backordered = Pair{backordered[sideReal].seconds, backordered[sideShadow].seconds}
	r.Waiting = Pair{waiting[sideReal].seconds, waiting[sideShadow].seconds}
	for _, n := range t.outlets {
		r.Parcels.add(Pair{int64(n[sideReal]), int64(n[sideShadow])})
	}
}

func (a *area) join(b area) {
	a.seconds += b.seconds + (a.micros+b.micros)/microsPerSecond
	a.micros = (a.micros + b.micros) % microsPerSecond
}

func (p *Pair) add(q Pair) { p.Real, p.Shadow = p.Real+q.Real, p.Shadow+q.Shadow }

func (c *Channel) add(l *Listing) {
	c.Listings++
	c.Offers.add(l.Offers)
	c.Beyond.add(l.Beyond)
	if l.Differed > 0 || l.Last.Real != l.Last.Shadow {
		c.Differing++
	}
	c.Less += l.Less
	c.More += l.More
}
