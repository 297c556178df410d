package engine

import (
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The classes of rejection that the engine makes.
const (
	classRefused    = "refused"    // cannot be applied to the state as it is
	classDuplicate  = "duplicate"  // the sender sent it twice
	classLate       = "late"       // below a window in which duplicates can be told
	classNegative   = "negative"   // applied: on hand fell below zero
	classHeld       = "held"       // applied: a line waits for a listing that says what it is
	classUndeclared = "undeclared" // applied: the outlet is not in the catalogue yet
	classNoOutlet   = "no_outlet"  // applied: a despatch without an outlet
)

// Changes collects what a run of entries changed: which rows, and which outputs are due. It belongs to one State, from the
// first Apply of the run until Reset. The zero value is ready.
type Changes struct {
	// Entries counts the entries that were folded, Resent those that an origin sent again and that changed nothing.
	Entries, Resent int

	// RowsOnly leaves all outputs out: whoever wants nothing but rows is spared the work. It is set between two runs.
	RowsOnly bool

	// run numbers the runs of the state, so that no row need be told that a run is over; 0: none has begun.
	run uint64

	skus       []skuChange
	counts     []countChange
	orders     []orderChange
	items      []itemChange
	origins    []originChange
	sources    []sourceChange
	seen       []seenChange
	pools      []poolChange
	offers     []offerChange // slots; offered counts those in use
	offered    int
	channels   []record.OfferRecord
	marks      []record.ChannelMark
	shipments  []record.ShipmentNotice
	rejections []record.Rejection
	ordinal    int32 // of the next rejection of the entry being applied

	clocks []*pool
	swept  []*pool // those whose sweeps changed
	dues   []dueChange
	packed packer

	counted, written ahead // where its counts, and its rows, are being collected: that may be at the same time
}

// An ahead looks at the SKUs that are collected next: they have not been seen for as long as the run.
type ahead struct {
	skus   []*sku // scratch
	looked int32  // what the looks have returned
}

// look looks at those from i of n on, which of returns, whenever the ones before have been collected.
func (x *ahead) look(i, n int, of func(int) *sku, look func([]*sku) int32) {
	if i%lookMost != 0 {
		return
	}
	x.skus = x.skus[:0]
	for k := i; k < min(i+lookMost, n); k++ {
		x.skus = append(x.skus, of(k))
	}
	x.looked += look(x.skus)
}

type skuChange struct {
	pool *pool
	sku  *sku
}

// A countChange is what is to be said of a SKU's counts beyond what its row holds: it is of the newest entry that changed them.
type countChange struct {
	skuChange
	changedAt stock.Instant
	times     record.Times
}

// An offerChange is the run's record of an offer. What its outlets hold is written into it only when it is collected, or before one of
// them changes: most SKUs change once in a run, and it is the larger part of the record.
type offerChange struct {
	record.Offer
	pool    *pool
	sku     *sku      // whose levels are still to be written into the inputs; nil: they are complete
	outlets outletSet // of which levels those are
}

// An orderChange is an order whose row changed, and what its record says beyond what the row holds.
type orderChange struct {
	pool      *pool
	order     *order
	due       bool // the record changed as well
	changedAt stock.Instant
	updatedAt stock.Instant // the order's then: a later snapshot that changed nothing must not show
	times     record.Times
}

type dueChange struct {
	pool *pool
	id   string
}

type itemChange struct {
	pool *pool
	id   string
}

type originChange struct {
	pool *pool
	key  originKey
}

type sourceChange struct {
	pool *pool
	id   string
	mark *sourceMark
}

type seenChange struct {
	pool    *pool
	id      string
	at      stock.Instant
	version stock.Version
	gone    bool
}

// A poolChange is one row of TablePool that the catalogue changed.
type poolChange struct {
	pool *pool
	id   string
}

// Reset empties c and keeps its memory and RowsOnly: the run is over.
func (c *Changes) Reset() {
	for _, x := range c.orders {
		x.order.slot = 0
	}
	for _, x := range c.items {
		x.pool.items[x.id].changed = false
	}
	for _, x := range c.origins {
		x.pool.origins[x.key].dirty = false
	}
	for _, x := range c.sources {
		x.mark.dirty = false
	}
	for _, p := range c.clocks {
		p.clockDirty = false
	}
	for _, p := range c.swept {
		p.sweptDirty = false
	}
	for _, x := range c.dues {
		clear(x.pool.dueDirty)
	}
	*c = Changes{
		skus: c.skus[:0], counts: c.counts[:0], orders: c.orders[:0], items: c.items[:0], origins: c.origins[:0],
		sources: c.sources[:0], seen: c.seen[:0], pools: c.pools[:0], offers: c.offers,
		channels: c.channels[:0], marks: c.marks[:0], shipments: c.shipments[:0], rejections: c.rejections[:0],
		RowsOnly: c.RowsOnly, packed: packer{b: c.packed.b[:0]}, clocks: c.clocks[:0],
		swept: c.swept[:0], dues: c.dues[:0], counted: c.counted, written: c.written,
	}
}

// Marks returns the marks of the run in journal order. They must be written after the run's offers are acknowledged: an
// offer may overtake a mark, a mark never an offer it covers.
func (c *Changes) Marks() []record.ChannelMark { return c.marks }

// Shipments returns the shipment notices of the run in journal order.
func (c *Changes) Shipments() []record.ShipmentNotice { return c.shipments }

// Rejections returns the rejections of the run in journal order. Version and Ordinal name them; what the entry's origin
// and bytes were is the caller's to add.
func (c *Changes) Rejections() []record.Rejection { return c.rejections }

func (c *Changes) reject(v stock.Version, pool, class, field, reason string) {
	c.record(record.Rejection{Class: class, Field: field, Reason: reason, Pool: pool, Version: v})
}

// flag records something that was applied all the same.
func (c *Changes) flag(v stock.Version, pool, class, field, reason string) {
	c.record(record.Rejection{Class: class, Field: field, Reason: reason, Pool: pool, Version: v, Applied: true})
}

func (c *Changes) record(r record.Rejection) {
	if !c.RowsOnly {
		r.Ordinal = c.ordinal
		c.rejections = append(c.rejections, r)
		c.ordinal++
	}
}

func (c *Changes) mark(m record.ChannelMark) {
	if !c.RowsOnly {
		c.marks = append(c.marks, m)
	}
}

func (c *Changes) shipment(n record.ShipmentNotice) {
	if !c.RowsOnly {
		c.shipments = append(c.shipments, n)
	}
}

// row notes that a row of the SKU changed.
func (c *Changes) row(p *pool, s *sku, row skuRows) {
	if s.run != c.run {
		s.run, s.changed, s.slot, s.open = c.run, 0, 0, false
		c.skus = append(c.skus, skuChange{p, s})
	}
	s.changed |= row
}

// count notes that the SKU's counts changed, and when.
func (c *Changes) count(p *pool, s *sku, changedAt stock.Instant, times record.Times) {
	c.row(p, s, stockRow)
	if c.RowsOnly {
		return
	}
	if s.slot == 0 {
		c.counts = append(c.counts, countChange{skuChange: skuChange{p, s}})
		s.slot = int32(len(c.counts))
	}
	x := &c.counts[s.slot-1]
	x.changedAt, x.times = changedAt, times
}

func (c *Changes) item(p *pool, id string) {
	if it := p.items[id]; !it.changed {
		it.changed = true
		c.items = append(c.items, itemChange{p, id})
	}
}

func (c *Changes) sweeping(p *pool) {
	if !p.sweptDirty {
		p.sweptDirty = true
		c.swept = append(c.swept, p)
	}
}

func (c *Changes) due(p *pool, id string) {
	if _, known := p.dueDirty[id]; !known {
		p.dueDirty[id] = struct{}{}
		c.dues = append(c.dues, dueChange{p, id})
	}
}

// order notes that the order's row changed. The pointer holds until the next call.
func (c *Changes) order(p *pool, o *order) *orderChange {
	if o.slot == 0 {
		c.orders = append(c.orders, orderChange{pool: p, order: o})
		o.slot = int32(len(c.orders))
	}
	return &c.orders[o.slot-1]
}

// stamp notes that the order's record changed, as its row is now and at the pool's present time.
func (c *Changes) stamp(p *pool, o *order, times record.Times) {
	x := c.order(p, o)
	x.due, x.changedAt, x.updatedAt, x.times = true, p.clock, o.updatedAt, times
}

// offer returns the run's record of an offer, to be filled: the one it has had since the run began, if any. nil: none is wanted.
func (c *Changes) offer(o *offerState) *offerChange {
	if c.RowsOnly {
		return nil
	}
	if o.run != c.run {
		if c.offered == len(c.offers) {
			c.offers = append(c.offers, offerChange{})
		}
		o.run, o.slot = c.run, int32(c.offered)
		c.offered++
	}
	return &c.offers[o.slot]
}

// levelsChange completes the records of the SKU's offers before one of its levels changes.
func (c *Changes) levelsChange(s *sku) {
	if !s.open || s.run != c.run {
		return
	}
	s.open = false
	for i := range s.offers {
		if o := &s.offers[i]; o.run == c.run {
			c.offers[o.slot].complete()
		}
	}
}

// outletsChange completes all records of offers before what is known of an outlet changes.
func (c *Changes) outletsChange() {
	for i := range c.offers[:c.offered] {
		c.offers[i].complete()
	}
}

func (x *offerChange) complete() {
	if x.sku != nil {
		x.Inputs.Outlets = x.pool.levelsAt(x.sku, x.outlets, x.Inputs.Outlets[:0])
		x.sku = nil
	}
}

// The functions below read what was collected. Those that say something and those that give rows may do so at the same time.

// EachAvailability calls f with the present counts of every SKU that changed, in the order of their first change. a is valid
// during the call.
func (s *State) EachAvailability(c *Changes, f func(a *record.Availability)) {
	var a record.Availability
	for i := range c.counts {
		c.counted.look(i, len(c.counts), func(k int) *sku { return c.counts[k].sku }, glanceAt)
		x := &c.counts[i]
		x.pool.availability(x.sku, &a)
		a.ChangedAt, a.Times = x.changedAt, x.times
		f(&a)
	}
}

// EachAllocation calls f with every order that changed, in the order of their first change. a is valid during the call.
func (s *State) EachAllocation(c *Changes, f func(a *record.Allocation)) {
	var a record.Allocation
	for i := range c.orders {
		x := &c.orders[i]
		if !x.due {
			continue // only its row changed: it was read again, or a despatch came before it
		}
		if newer := x.pool.orderAt(x.order.key); x.order.gone && newer != nil && newer.slot > 0 && c.orders[newer.slot-1].due {
			continue // forgotten and heard of again in one run: the newest counts
		}
		x.order.allocation(x.pool.id, &a)
		a.ChangedAt, a.UpdatedAt, a.Times = x.changedAt, x.updatedAt, x.times
		f(&a)
	}
}

// EachOffer calls f with every changed channel's newest state, then every changed listing's newest offer, each in the order
// of their first change. o is valid during the call.
func (s *State) EachOffer(c *Changes, f func(o *record.OfferRecord)) {
	for i := range c.channels {
		f(&c.channels[i])
	}
	var r record.OfferRecord
	var outlets []record.OfferOutlet
	for i := range c.offers[:c.offered] {
		if i%lookMost == 0 {
			c.counted.looked += lookAtOffers(c.offers[i:min(i+lookMost, c.offered)])
		}
		x := &c.offers[i]
		kept := x.Inputs.Outlets
		if x.sku != nil {
			outlets = x.pool.levelsAt(x.sku, x.outlets, outlets[:0])
			x.Inputs.Outlets = outlets
		}
		r.Offer = &x.Offer
		f(&r)
		x.Inputs.Outlets = kept
	}
}
