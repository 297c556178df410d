package engine_test

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/shelfwire/shelfwire/internal/allocation"
	"github.com/shelfwire/shelfwire/internal/allocation/allocationtest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A model is the pipeline's decisions for one pool a second time, as dumb as possible: it keeps facts and orders as lists
// and adds everything up anew whenever it is asked. It shares no code with the engine, and none of its ideas about rows,
// queues, touched SKUs or increments; only the rules are the same.
type model struct {
	clock     stock.Instant
	entry     int
	decision  int
	settings  record.Pool
	outlets   map[string]record.Outlet // declared ones
	known     map[string]bool          // and those that a fact has named
	channels  map[string]record.Channel
	kits      map[string]map[string]stock.Quantity
	listings  map[[2]string]record.Listing // by channel and SKU
	facts     []mFact
	rows      map[[2]string]*mRow // by SKU and outlet
	orders    []*mOrder
	counters  map[[3]string]mCounters // by channel, SKU and location
	told      map[[3]string]mTold
	heard     heard
	again     map[[3]string]bool // is to be said again
	origins   map[mOrigin]int64
	sources   map[string]*mSource
	eventIDs  map[[2]string]stock.Instant // when each was seen
	forgotten [][2]string                 // orders
	refused   []string                    // classes of what the present entry did not apply
}

// A fact is a movement, or what a count found, at a second.
type mFact struct {
	sku, outlet string
	delta       stock.Quantity
	at          int64
}

// A row is when a shelf was last counted, and since when its facts are remembered one by one.
type mRow struct{ counted, floor int64 }

type mCounters struct{ sold, released stock.Quantity }

type mTold struct {
	mCounters
	quantity stock.Quantity
	stopped  bool
}

// heard is what the counters of an offer were when it was last worked out, said or not.
type heard = map[[3]string]mCounters

type mOrigin struct {
	topic     string
	partition int32
}

type mSource struct {
	epoch, high int64
	seen        map[int64]bool
}

type mOrder struct {
	channel, id   string
	seen          bool // a snapshot has been accepted
	counted       bool
	status        record.OrderStatus
	updated, read stock.Instant
	expires       stock.Instant
	last          stock.Instant // when it last changed, in journal time
	by            record.Fulfiller
	lines         []*mLine
	reports       map[string]bool
	early         []*record.Fulfilment
}

type mLine struct {
	id, sku, item, pin, location                        string
	parts                                               map[string]stock.Quantity // what a unit takes
	declined                                            map[string]bool
	ordered, channelTotal, channelReports, warehouseSum stock.Quantity
	fulfilled, waiting                                  stock.Quantity
	since                                               int // the entry since which it waits
	allocs                                              []mAlloc
	mCounters
}

type mAlloc struct {
	outlet            string
	quantity, shipped stock.Quantity
	when              []int // which decision each of the open units is of, the newest last
}

// modelSKUs are all there are.
var modelSKUs = []string{"k", "x", "y", "z"}

func newModel() *model {
	return &model{
		settings: record.Pool{
			ReleaseOn: record.OnCancel, FulfilmentLowersOnHand: true, CountWindow: 6 * time.Hour,
			Prefer: record.FewestOutlets, SingleOutlet: true, SplitOrders: true, SplitLines: true,
		},
		outlets: map[string]record.Outlet{}, known: map[string]bool{}, channels: map[string]record.Channel{}, rows: map[[2]string]*mRow{}, kits: map[string]map[string]stock.Quantity{},
		listings: map[[2]string]record.Listing{}, counters: map[[3]string]mCounters{}, told: map[[3]string]mTold{}, heard: heard{},
		origins: map[mOrigin]int64{}, sources: map[string]*mSource{}, eventIDs: map[[2]string]stock.Instant{},
	}
}

// fold plays one journal entry.
func (m *model) fold(e *record.JournalEntry) {
	m.entry++
	m.refused = nil
	if from := (mOrigin{e.Origin.TopicID, e.Origin.Partition}); e.Origin.TopicID != "" {
		if last, ok := m.origins[from]; ok && e.Origin.Offset <= last {
			return
		}
		m.origins[from] = e.Origin.Offset
	}
	m.clock = max(m.clock, e.EntryTime)
	m.due()
	switch ev := &e.Event; {
	case ev.Movement != nil:
		m.movement(ev.Movement)
	case ev.Order != nil:
		m.order(ev.Order, e.EntryTime)
	case ev.Fulfilment != nil:
		m.fulfilment(ev.Fulfilment)
	case ev.Decline != nil:
		m.decline(ev.Decline)
	case ev.Reassign != nil:
		m.reassign(ev.Reassign)
	case ev.Mark != nil:
		if _, ok := m.channels[ev.Mark.Channel]; !ok {
			m.refused = append(m.refused, "refused")
		}
	case ev.Refresh != nil:
		if _, ok := m.channels[ev.Refresh.Channel]; !ok && ev.Refresh.Channel != "" {
			m.refused = append(m.refused, "refused")
		}
		m.again = map[[3]string]bool{}
		for key := range m.told {
			m.again[key] = ev.Refresh.Channel == "" || ev.Refresh.Channel == key[0]
		}
	case ev.Outlet != nil:
		m.outlets[ev.Outlet.Outlet] = *ev.Outlet
		m.known[ev.Outlet.Outlet] = true
	case ev.Kit != nil:
		m.kit(ev.Kit)
	case ev.Channel != nil:
		m.channels[ev.Channel.Channel] = *ev.Channel
	case ev.Listing != nil:
		m.listings[[2]string{ev.Listing.Channel, ev.Listing.SKU}] = *ev.Listing
		m.identify()
	case ev.Pool != nil:
		m.settings = *ev.Pool
	}
	m.takeBack()
	m.serveWaiting()
	m.tell()
}

func (m *model) remembers(id [2]string) bool {
	at, ok := m.eventIDs[id]
	return ok && m.clock.Sub(at) < 24*time.Hour
}

// due does what only time does: forgets, and releases holds.
func (m *model) due() {
	const long = 60 * 24 * time.Hour
	var kept []*mOrder
	for _, o := range m.orders {
		expired := o.status == record.Pending && o.expires != 0 && o.expires <= m.clock
		if over := !o.seen || o.closed() || expired && !o.open(); over && o.last.Add(long) <= m.clock {
			if !o.seen {
				for range o.early {
					m.refused = append(m.refused, "refused")
				}
			}
			m.forgotten = append(m.forgotten, [2]string{o.channel, o.id})
			continue
		}
		kept = append(kept, o)
		if expired && o.open() {
			for _, l := range o.lines {
				m.target(o, l)
			}
			o.last = m.clock
		}
	}
	m.orders = kept
	m.serveWaiting()
	m.tell()
}

func (o *mOrder) open() bool {
	for _, l := range o.lines {
		if l.waiting > 0 || l.open() > 0 {
			return true
		}
	}
	return false
}

func (o *mOrder) closed() bool {
	shipped := false
	for _, l := range o.lines {
		shipped = shipped || l.fulfilled > 0
	}
	return !o.open() && (shipped || o.status == record.Shipped || o.status == record.Cancelled || o.status == record.Archived)
}

func (m *model) movement(in *record.Movement) {
	if in.Source != "" && (in.Epoch != 0 || in.Sequence != 0) {
		s := m.sources[in.Source]
		if s == nil || in.Epoch > s.epoch {
			s = &mSource{epoch: in.Epoch, high: in.Sequence, seen: map[int64]bool{}}
			m.sources[in.Source] = s
		}
		switch {
		case in.Epoch < s.epoch, in.Sequence <= s.high-4096:
			m.refused = append(m.refused, "late")
			return
		case s.seen[in.Sequence]:
			m.refused = append(m.refused, "duplicate")
			return
		}
		s.seen[in.Sequence] = true
		s.high = max(s.high, in.Sequence)
	} else if in.EventID != "" {
		id := [2]string{in.Source, in.EventID}
		if m.remembers(id) {
			m.refused = append(m.refused, "duplicate")
			return
		}
		m.eventIDs[id] = m.clock
	}
	if in.Kind == stock.Count {
		m.count(in)
		return
	}
	if in.Kind == stock.Transfer {
		left := m.fact(in.SKU, in.Outlet, -in.Quantity, in.OccurredAt)
		if !m.fact(in.SKU, in.Counterpart, in.Quantity, in.OccurredAt) && !left {
			m.refused = append(m.refused, "late")
		}
		return
	}
	delta := in.Quantity
	switch in.Kind {
	case stock.Sale, stock.Shipment, stock.WriteOff, stock.TransferOut:
		delta = -delta
	}
	if !m.fact(in.SKU, in.Outlet, delta, in.OccurredAt) {
		m.refused = append(m.refused, "late")
	}
}

// fact adds a fact, unless its shelf was counted since.
func (m *model) fact(sku, outlet string, delta stock.Quantity, at stock.Instant) bool {
	m.known[outlet] = true
	r := m.row(sku, outlet)
	f := mFact{sku, outlet, delta, int64(at) / 1e6}
	if f.at <= r.counted {
		return false
	}
	r.floor = max(r.floor, m.horizon())
	m.facts = append(m.facts, f)
	return true
}

func (m *model) row(sku, outlet string) *mRow {
	key := [2]string{sku, outlet}
	if m.rows[key] == nil {
		m.rows[key] = &mRow{}
	}
	return m.rows[key]
}

func (m *model) horizon() int64 { return int64(m.clock.Add(-m.settings.CountWindow)) / 1e6 }

// count takes what was counted for everything that had happened by then.
func (m *model) count(in *record.Movement) {
	at, r := int64(in.OccurredAt)/1e6, m.row(in.SKU, in.Outlet)
	if at < r.counted || at < r.floor || at < m.horizon() {
		m.refused = append(m.refused, "late")
		return
	}
	m.known[in.Outlet] = true
	m.facts = slices.DeleteFunc(m.facts, func(f mFact) bool { return f.sku == in.SKU && f.outlet == in.Outlet && f.at <= at })
	m.facts = append(m.facts, mFact{in.SKU, in.Outlet, in.Quantity, at})
	r.counted, r.floor = at, max(r.floor, m.horizon())
}

func (m *model) kit(in *record.Kit) {
	parts := map[string]stock.Quantity{}
	bad := false
	for _, c := range in.Components {
		bad = bad || c.SKU == in.SKU || m.kits[c.SKU] != nil || parts[c.SKU] != 0
		parts[c.SKU] = c.Quantity
	}
	for _, k := range m.kits {
		bad = bad || k[in.SKU] != 0
	}
	switch {
	case in.Deleted:
		delete(m.kits, in.SKU)
	case bad:
		m.refused = append(m.refused, "refused")
	default:
		m.kits[in.SKU] = parts
	}
}

// partsOf returns what a unit of the SKU takes off the shelves now.
func (m *model) partsOf(sku string) map[string]stock.Quantity {
	if k := m.kits[sku]; k != nil {
		return k
	}
	return map[string]stock.Quantity{sku: 1}
}

// What everything adds up to.

func (m *model) onHand(sku, outlet string) stock.Quantity {
	var sum stock.Quantity
	for _, f := range m.facts {
		if f.sku == sku && f.outlet == outlet {
			sum += f.delta
		}
	}
	return sum
}

func (m *model) eachLine(f func(o *mOrder, l *mLine)) {
	for _, o := range m.orders {
		for _, l := range o.lines {
			f(o, l)
		}
	}
}

func (m *model) reserved(sku, outlet string) stock.Quantity {
	var sum stock.Quantity
	m.eachLine(func(_ *mOrder, l *mLine) {
		for _, a := range l.allocs {
			if a.outlet == outlet {
				sum += (a.quantity - a.shipped) * l.parts[sku]
			}
		}
	})
	return sum
}

func (m *model) onOrder(sku string) stock.Quantity {
	var sum stock.Quantity
	m.eachLine(func(_ *mOrder, l *mLine) {
		sum += (l.waiting + l.open()) * l.parts[sku]
	})
	return sum
}

func (l *mLine) open() stock.Quantity {
	var sum stock.Quantity
	for _, a := range l.allocs {
		sum += a.quantity - a.shipped
	}
	return sum
}

func (l *mLine) despatched() stock.Quantity {
	return max(l.channelTotal, l.channelReports, l.warehouseSum)
}

// Orders.

func (m *model) find(channel, id string) *mOrder {
	for _, o := range m.orders {
		if o.channel == channel && o.id == id {
			return o
		}
	}
	return nil
}

func (o *mOrder) line(id string) *mLine {
	for _, l := range o.lines {
		if l.id == id {
			return l
		}
	}
	return nil
}

func (m *model) counts(in *record.Order) bool {
	c, ok := m.channels[in.Channel]
	switch {
	case !ok:
		return in.Status != record.Shipped && in.Status != record.Archived
	case in.FulfilledBy == record.ByChannel:
		return slices.Contains(c.CountStatuses.Channel, in.Status)
	}
	return slices.Contains(c.CountStatuses.Merchant, in.Status)
}

func (m *model) lowers(channel string, status record.OrderStatus) bool {
	if c, ok := m.channels[channel]; ok {
		return slices.Contains(c.LoweringStatuses, status)
	}
	return status == record.Pending || status == record.Open || status == record.Shipped
}

func (m *model) order(in *record.Order, entryTime stock.Instant) {
	read := cmp.Or(in.ReadAt, entryTime)
	o := m.find(in.Channel, in.OrderID)
	if o == nil && in.UpdatedAt < m.clock.Add(-60*24*time.Hour) {
		m.refused = append(m.refused, "late")
		return
	}
	if o != nil && o.seen && (in.UpdatedAt < o.updated || in.UpdatedAt == o.updated && read <= o.read) {
		return
	}
	if (o == nil || !o.seen) && !m.counts(in) && !m.lowers(in.Channel, in.Status) {
		return
	}
	if o == nil {
		o = &mOrder{channel: in.Channel, id: in.OrderID, reports: map[string]bool{}}
		m.orders = append(m.orders, o)
	}
	o.seen, o.last, o.expires = true, m.clock, in.ExpiresAt
	o.status, o.updated, o.read, o.by = in.Status, in.UpdatedAt, read, in.FulfilledBy
	for _, l := range o.lines {
		l.ordered = 0
	}
	for i := range in.Lines {
		m.snapshotLine(o, in, &in.Lines[i])
	}
	slices.SortFunc(o.lines, func(a, b *mLine) int { return cmp.Compare(a.id, b.id) })
	m.reportEarly(o)
	for _, l := range o.lines {
		m.ledger(o, l)
	}
	o.counted = o.counted || m.counts(in)
	for _, l := range o.lines {
		m.target(o, l)
	}
	m.allocate(o)
}

func (m *model) snapshotLine(o *mOrder, in *record.Order, il *record.OrderLine) {
	l := o.line(il.LineID)
	sku, item := il.SKU, ""
	if sku == "" {
		item = il.Item
		if sku = m.skuOf(o.channel, item); l != nil && l.item == item && l.sku != "" {
			sku = l.sku
		}
	}
	since := m.entry
	if l != nil && (l.sku != sku || l.item != item && sku == "") {
		if l.sku == "" && l.item == item {
			since = l.since
		}
		m.move(o, l, 0, l.sold-l.released)
		o.lines = slices.DeleteFunc(o.lines, func(x *mLine) bool { return x == l })
		l = nil
	}
	location := m.location(o.channel, il.Location)
	if l == nil {
		l = &mLine{id: il.LineID, sku: sku, location: location, since: since, parts: m.partsOf(sku), declined: map[string]bool{}}
		o.lines = append(o.lines, l)
	}
	if l.location != location {
		net := l.sold - l.released
		m.move(o, l, 0, net)
		l.location = location
		m.move(o, l, net, 0)
	}
	l.item, l.pin, l.ordered = item, il.Outlet, il.Quantity
	l.channelTotal = max(l.channelTotal, il.Fulfilled)
	if in.Status == record.Shipped {
		l.channelTotal = max(l.channelTotal, il.Quantity)
	}
}

// skuOf returns the only SKU that carries the channel's id, "" if there is none or more.
func (m *model) skuOf(channel, item string) string {
	found := map[string]bool{}
	for key, l := range m.listings {
		for _, id := range l.ChannelIDs {
			if key[0] == channel && !l.Deleted && id.Value == item {
				found[key[1]] = true
			}
		}
	}
	if len(found) != 1 {
		return ""
	}
	return slices.Collect(maps.Keys(found))[0]
}

// identify finds out what can be found out of lines of which nobody knew what they were.
func (m *model) identify() {
	for _, o := range m.orders {
		var found []*mLine
		for _, l := range o.lines {
			if l.sku != "" || !o.seen {
				continue
			}
			if l.sku = m.skuOf(o.channel, l.item); l.sku != "" {
				l.parts = m.partsOf(l.sku)
				found = append(found, l)
			}
		}
		if len(found) == 0 {
			continue
		}
		m.reportEarly(o)
		for _, l := range found {
			since := l.since
			m.ledger(o, l)
			m.target(o, l)
			l.since = since
		}
		o.last = m.clock
	}
}

// reportEarly applies the reports all of whose lines are known by now.
func (m *model) reportEarly(o *mOrder) {
	early := o.early
	o.early = nil
	for _, f := range early {
		if o.holds(f) {
			o.early = append(o.early, f)
			continue
		}
		m.report(o, f)
	}
}

func (o *mOrder) holds(f *record.Fulfilment) bool {
	return slices.ContainsFunc(f.Lines, func(fl record.FulfilmentLine) bool {
		l := o.line(fl.LineID)
		return l != nil && l.sku == ""
	})
}

func (m *model) location(channel, named string) string {
	c := m.channels[channel]
	first := ""
	for _, l := range c.Locations {
		if l.Location == named {
			return named
		}
		if first == "" || l.Location < first {
			first = l.Location
		}
	}
	return first
}

// move moves the line's and its listing's counters.
func (m *model) move(o *mOrder, l *mLine, sold, released stock.Quantity) {
	l.sold, l.released = l.sold+sold, l.released+released
	key := [3]string{o.channel, l.sku, l.location}
	c := m.counters[key]
	m.counters[key] = mCounters{c.sold + sold, c.released + released}
}

func (m *model) ledger(o *mOrder, l *mLine) {
	if o.by == record.ByChannel || l.sku == "" {
		return
	}
	if o.status == record.Cancelled {
		m.move(o, l, max(0, l.ordered-l.sold), 0)
		m.move(o, l, 0, max(0, l.sold-l.released-l.despatched()))
		return
	}
	if m.lowers(o.channel, o.status) {
		change := l.ordered - (l.sold - l.released)
		m.move(o, l, max(0, change), max(0, -change))
	}
}

// target makes the line's open units what its order asks for.
func (m *model) target(o *mOrder, l *mLine) {
	if l.sku == "" {
		return
	}
	if o.by == record.ByChannel {
		m.giveBack(l, l.waiting+l.open())
		m.leaveOwnOutlet(o, l, o.updated)
		return
	}
	if !o.counted {
		return
	}
	m.despatch(o, l, "", min(l.despatched(), max(l.ordered, l.fulfilled))-l.fulfilled, o.updated)
	want := l.ordered
	if o.status == record.Pending && o.expires != 0 && o.expires <= m.clock || o.status == record.Shipped || o.status == record.Archived || o.status == record.Cancelled && m.settings.ReleaseOn == record.OnCancel {
		want = l.fulfilled
	}
	change := want - l.fulfilled - l.waiting - l.open()
	if change < 0 {
		m.giveBack(l, -change)
	}
	if change > 0 {
		if l.waiting == 0 {
			l.since = m.entry
		}
		l.waiting += change
	}
}

func (m *model) leaveOwnOutlet(o *mOrder, l *mLine, at stock.Instant) {
	c := m.channels[o.channel]
	if units := l.despatched() - l.fulfilled; c.OwnOutlet != "" && units > 0 {
		l.fulfilled += units
		m.fact(l.sku, c.OwnOutlet, -units, at)
	}
}

// giveBack gives back what waits first, then the newest promises.
func (m *model) giveBack(l *mLine, units stock.Quantity) {
	w := min(units, l.waiting)
	l.waiting -= w
	units -= w
	for i := len(l.allocs) - 1; i >= 0; i-- {
		n := min(units, l.allocs[i].quantity-l.allocs[i].shipped)
		l.allocs[i].quantity -= n
		l.allocs[i].when = l.allocs[i].when[:len(l.allocs[i].when)-int(n)]
		units -= n
	}
	l.allocs = slices.DeleteFunc(l.allocs, func(a mAlloc) bool { return a.quantity == 0 })
}

func (m *model) fulfilment(in *record.Fulfilment) {
	o := m.find(in.Channel, in.OrderID)
	if o == nil && in.ShippedAt < m.clock.Add(-60*24*time.Hour) {
		m.refused = append(m.refused, "late")
		return
	}
	if o == nil {
		o = &mOrder{channel: in.Channel, id: in.OrderID, reports: map[string]bool{}}
		m.orders = append(m.orders, o)
	}
	if o.reports[in.FulfilmentID] {
		m.refused = append(m.refused, "duplicate")
		return
	}
	if !o.seen || o.holds(in) {
		o.reports[in.FulfilmentID] = true
		o.early = append(o.early, in)
		o.last = m.clock
		return
	}
	if m.report(o, in) {
		o.last = m.clock
		o.reports[in.FulfilmentID] = true
	}
}

func (m *model) report(o *mOrder, in *record.Fulfilment) bool {
	sums := map[string]stock.Quantity{}
	for _, fl := range in.Lines {
		sums[fl.LineID] += fl.Quantity
	}
	for id, sum := range sums {
		l := o.line(id)
		if l == nil || in.ReportedBy == record.Warehouse && l.warehouseSum+sum > max(l.ordered, l.fulfilled) {
			m.refused = append(m.refused, "refused")
			return false
		}
	}
	for _, fl := range in.Lines {
		l := o.line(fl.LineID)
		if in.ReportedBy == record.Warehouse {
			l.warehouseSum += fl.Quantity
		} else {
			l.channelReports = min(l.channelReports+fl.Quantity, max(l.ordered, l.channelReports))
		}
		if o.by == record.ByChannel {
			m.leaveOwnOutlet(o, l, in.ShippedAt)
			continue
		}
		m.despatch(o, l, in.Outlet, min(l.despatched(), max(l.ordered, l.fulfilled))-l.fulfilled, in.ShippedAt)
	}
	return true
}

// despatch takes units off the shelf, one by one: from the promise at the outlet, else from the newest promise, else from
// what waits, else from what was not wanted at all.
func (m *model) despatch(o *mOrder, l *mLine, outlet string, units stock.Quantity, at stock.Instant) {
	for range max(0, units) {
		l.fulfilled++
		from := outlet
		if where := slices.IndexFunc(l.allocs, func(a mAlloc) bool { return a.outlet == outlet && a.quantity > a.shipped }); where >= 0 {
			l.allocs[where].ship()
			m.leave(l, from, at)
			continue
		}
		newest := -1
		for i, a := range l.allocs {
			if a.quantity > a.shipped {
				newest = i
			}
		}
		if newest >= 0 && outlet == "" {
			l.allocs[newest].ship()
			m.leave(l, l.allocs[newest].outlet, at)
			continue
		}
		if newest >= 0 {
			m.drop(l, newest)
		} else if l.waiting > 0 {
			l.waiting--
		}
		if from == "" {
			from = m.channels[o.channel].DefaultOutlet
		}
		if from == "" {
			if c := m.candidates(o.channel, "", nil); len(c) > 0 {
				from = c[0]
			}
		}
		if from == "" {
			continue
		}
		m.leave(l, from, at)
		where := slices.IndexFunc(l.allocs, func(a mAlloc) bool { return a.outlet == from })
		if where < 0 {
			where = len(l.allocs)
			l.allocs = append(l.allocs, mAlloc{outlet: from})
		}
		l.allocs[where].quantity++
		l.allocs[where].shipped++
	}
}

func (m *model) drop(l *mLine, i int) {
	l.allocs[i].quantity--
	l.allocs[i].when = l.allocs[i].when[:len(l.allocs[i].when)-1]
	if l.allocs[i].quantity == 0 {
		l.allocs = slices.Delete(l.allocs, i, i+1)
	}
}

func (m *model) leave(l *mLine, outlet string, at stock.Instant) {
	for sku, n := range l.parts {
		if m.settings.FulfilmentLowersOnHand {
			m.fact(sku, outlet, -n, at)
		}
	}
}

// Allocation.

func (m *model) fulfils(id string) bool {
	o, ok := m.outlets[id]
	return ok && !o.Deleted && !o.ChannelOwned && o.FulfilsOrders
}

func (m *model) candidates(channel, pin string, declined map[string]bool) []string {
	c, ok := m.channels[channel]
	ids := c.Outlets
	switch {
	case pin != "":
		ids = []string{pin}
	case !ok || c.Deleted:
		return nil
	case !c.RouteOrders && c.DefaultOutlet != "":
		ids = []string{c.DefaultOutlet}
	}
	var able []string
	for _, id := range ids {
		if m.fulfils(id) && !declined[id] && !slices.Contains(able, id) {
			able = append(able, id)
		}
	}
	return m.byPriority(able)
}

func (m *model) byPriority(ids []string) []string {
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(m.outlets[a].Priority, m.outlets[b].Priority), cmp.Compare(a, b))
	})
	return ids
}

// allocate takes the best of all answers for what waits of the order, until there is none any more.
func (m *model) allocate(o *mOrder) {
	for o.status == record.Pending || o.status == record.Open {
		if !m.allocateOnce(o) {
			return
		}
	}
}

func (m *model) allocateOnce(o *mOrder) (served bool) {
	r := allocation.Request{Rules: allocation.Rules{
		Prefer: m.settings.Prefer, SingleOutlet: m.settings.SingleOutlet, SplitOrders: m.settings.SplitOrders,
		SplitLines: m.settings.SplitLines, ShipComplete: m.settings.ShipComplete,
	}}
	const nothing = 4 // an SKU that nobody has
	able := map[string]bool{}
	var lines []*mLine
	waits := false
	for _, l := range o.lines {
		ask := allocation.Line{ID: l.id, Need: l.waiting, SKU: nothing, Outlet: l.pin}
		if l.sku == "" && m.settings.ShipComplete {
			ask.Need = max(0, l.ordered-l.despatched())
		}
		if ask.Need == 0 {
			continue
		}
		waits = waits || l.waiting > 0
		if l.sku != "" {
			for _, id := range m.mayServe(o, l) {
				able[id] = true
			}
			for i, sku := range modelSKUs {
				if n := l.parts[sku]; n > 0 {
					ask.Kit = append(ask.Kit, allocation.Part{SKU: i, Quantity: n})
				}
			}
		}
		lines = append(lines, l)
		r.Lines = append(r.Lines, ask)
	}
	if !waits {
		return false
	}
	some := false
	ids := m.byPriority(slices.Collect(maps.Keys(able)))
	for _, id := range ids {
		out := allocation.Outlet{ID: id}
		for _, sku := range modelSKUs {
			free := max(0, m.onHand(sku, id)-m.reserved(sku, id))
			some = some || free > 0
			out.Free = append(out.Free, free)
		}
		out.Free = append(out.Free, 0)
		r.Outlets = append(r.Outlets, out)
	}
	for i, l := range lines {
		may := m.mayServe(o, l)
		for _, id := range ids {
			if !slices.Contains(may, id) {
				r.Lines[i].Excluded = append(r.Lines[i].Excluded, id)
			}
		}
	}
	if !some {
		return false
	}
	takes, _ := allocationtest.Best(&r)
	for i, row := range takes {
		for j, units := range row {
			if units > 0 {
				m.give(lines[i], ids[j], units)
				lines[i].waiting -= units
				served = true
			}
		}
	}
	return served
}

// mayServe returns who may serve what waits of the line: of the channel's outlets, those where the rest of what must not be
// split is, if any of them still can be asked.
func (m *model) mayServe(o *mOrder, l *mLine) []string {
	if l.pin == "" {
		var there []string
		for _, other := range o.lines {
			if m.oneOutlet(l, other) {
				for _, a := range other.allocs {
					if m.fulfils(a.outlet) && !l.declined[a.outlet] {
						there = append(there, a.outlet)
					}
				}
			}
		}
		if len(there) > 0 {
			return there
		}
	}
	return m.candidates(o.channel, l.pin, l.declined)
}

// oneOutlet reports whether the two lines must come from the same outlet.
func (m *model) oneOutlet(l, other *mLine) bool {
	switch {
	case m.settings.SplitOrders && m.settings.SplitLines:
		return false
	case m.settings.SplitOrders || l.pin != "":
		return l == other
	}
	return other.pin == ""
}

// decideTogether takes back all that is open of what must come from the same outlet as the line.
func (m *model) decideTogether(l *mLine) {
	m.eachLine(func(o *mOrder, x *mLine) {
		if x != l {
			return
		}
		for _, other := range o.lines {
			if m.oneOutlet(l, other) {
				other.waiting += other.open()
				for i := range other.allocs {
					other.allocs[i].quantity, other.allocs[i].when = other.allocs[i].shipped, nil
				}
				other.allocs = slices.DeleteFunc(other.allocs, func(a mAlloc) bool { return a.quantity == 0 })
			}
		}
	})
}

func (a *mAlloc) ship() {
	a.shipped++
	a.when = a.when[:len(a.when)-1]
}

func (m *model) decline(in *record.Decline) {
	l, at := m.promised("decline", in.EventID, in.Channel, in.OrderID, in.LineID, in.Outlet, in.Quantity)
	if l == nil {
		return
	}
	m.eventIDs[[2]string{"decline/", in.EventID}] = m.clock
	l.declined[in.Outlet] = true
	m.takeFrom(l, at, in.Quantity)
	l.waiting += in.Quantity
	m.decideTogether(l)
}

func (m *model) reassign(in *record.Reassign) {
	l, at := m.promised("reassign", in.EventID, in.Channel, in.OrderID, in.LineID, in.From, in.Quantity)
	if l == nil {
		return
	}
	bad := in.From == in.To || !m.fulfils(in.To)
	for sku, n := range l.parts {
		bad = bad || m.onHand(sku, in.To)-m.reserved(sku, in.To) < in.Quantity*n
	}
	if bad {
		m.refused = append(m.refused, "refused")
		return
	}
	m.eventIDs[[2]string{"reassign/", in.EventID}] = m.clock
	m.takeFrom(l, at, in.Quantity)
	m.give(l, in.To, in.Quantity)
}

func (m *model) takeFrom(l *mLine, at int, units stock.Quantity) {
	a := &l.allocs[at]
	for range units {
		a.quantity--
		a.when = a.when[:len(a.when)-1]
	}
	l.allocs = slices.DeleteFunc(l.allocs, func(a mAlloc) bool { return a.quantity == 0 })
}

// promised returns the line and which of its allocations owes it the units.
func (m *model) promised(kind, event, channel, order, line, outlet string, units stock.Quantity) (*mLine, int) {
	if m.remembers([2]string{kind + "/", event}) {
		m.refused = append(m.refused, "duplicate")
		return nil, 0
	}
	if o := m.find(channel, order); o != nil && o.seen {
		if l := o.line(line); l != nil {
			for i, a := range l.allocs {
				if a.outlet == outlet && a.quantity-a.shipped >= units {
					return l, i
				}
			}
		}
	}
	m.refused = append(m.refused, "refused")
	return nil, 0
}

// give promises units of one decision to the line.
func (m *model) give(l *mLine, outlet string, units stock.Quantity) {
	at := slices.IndexFunc(l.allocs, func(a mAlloc) bool { return a.outlet == outlet })
	if at < 0 {
		at = len(l.allocs)
		l.allocs = append(l.allocs, mAlloc{outlet: outlet})
	}
	m.decision++
	for range units {
		l.allocs[at].quantity++
		l.allocs[at].when = append(l.allocs[at].when, m.decision)
	}
}

// takeBack takes units back one by one, of the newest decision first, until no shelf has promised more than it holds.
func (m *model) takeBack() {
	for _, sku := range modelSKUs {
		for _, outlet := range slices.Sorted(maps.Keys(m.known)) {
			for m.reserved(sku, outlet) > max(0, m.onHand(sku, outlet)) {
				var of *mLine
				at, newest := 0, 0
				m.eachLine(func(_ *mOrder, l *mLine) {
					for i, a := range l.allocs {
						if l.parts[sku] != 0 && a.outlet == outlet && len(a.when) > 0 && a.when[len(a.when)-1] > newest {
							of, at, newest = l, i, a.when[len(a.when)-1]
						}
					}
				})
				m.drop(of, at)
				of.waiting++
				m.decideTogether(of)
			}
		}
	}
}

// serveWaiting tries everybody who waits, who waited longest first.
func (m *model) serveWaiting() {
	since := map[*mOrder]int{}
	var waiting []*mOrder
	m.eachLine(func(o *mOrder, l *mLine) {
		if l.waiting == 0 {
			return
		}
		if first, ok := since[o]; !ok {
			waiting = append(waiting, o)
			since[o] = l.since
		} else {
			since[o] = min(first, l.since)
		}
	})
	slices.SortStableFunc(waiting, func(a, b *mOrder) int { return cmp.Compare(since[a], since[b]) })
	for _, o := range waiting {
		m.allocate(o)
	}
}

// Offers.

func (m *model) tell() {
	defer func() { m.again = nil }()
	for key, l := range m.listings {
		c, ok := m.channels[key[0]]
		if !ok {
			continue
		}
		locations := map[string][]string{}
		if len(c.Locations) == 0 {
			locations[""] = c.Outlets
		}
		for _, loc := range c.Locations {
			locations[loc.Location] = loc.Outlets
		}
		stopped := l.Deleted || c.Deleted || !l.OptedIn || !l.Tracked || l.FulfilledBy == record.ByChannel || l.PublishAt > m.clock
		for location, outlets := range locations {
			m.tellOne(&l, &c, location, outlets, stopped)
		}
		for told := range m.told {
			if _, ok := locations[told[2]]; !ok && told[0] == key[0] && told[1] == key[1] {
				m.tellOne(&l, &c, told[2], nil, true)
			}
		}
	}
}

func (m *model) tellOne(l *record.Listing, c *record.Channel, location string, outlets []string, stopped bool) {
	key := [3]string{l.Channel, l.SKU, location}
	old, ever := m.told[key]
	now := mTold{mCounters: m.counters[key], stopped: stopped}
	moved := m.heard[key] != now.mCounters || m.again[key]
	m.heard[key] = now.mCounters
	if stopped {
		switch {
		case !ever || old.stopped && !moved:
		case c.WhenStopped == record.StopLeave:
			old.stopped = true
			m.told[key] = old
		default:
			m.told[key] = now
		}
		return
	}
	policy := record.Policy{Percent: 100}
	for _, p := range append(slices.Clone(l.Policies), c.Policies...) {
		if (p.From == 0 || p.From <= m.clock) && (p.To == 0 || m.clock < p.To) {
			policy = p
			break
		}
	}
	var sum stock.Quantity
	var those []string
	for _, id := range outlets {
		if o := m.outlets[id]; m.fulfils(id) && o.SellsOnline && !slices.Contains(those, id) {
			those = append(those, id)
			least := stock.Quantity(math.MaxInt64)
			for sku, n := range m.partsOf(l.SKU) {
				least = min(least, max(0, m.onHand(sku, id)-m.reserved(sku, id)-o.SafetyStock)/n)
			}
			sum += least
		}
	}
	m.eachLine(func(o *mOrder, ol *mLine) {
		var most stock.Quantity // of what is listed, that the line waits for
		for sku, n := range m.partsOf(l.SKU) {
			most = max(most, (ol.waiting*ol.parts[sku]+n-1)/n)
		}
		if most == 0 {
			return
		}
		able := m.mayServe(o, ol)
		if len(able) > 0 && !slices.ContainsFunc(able, func(id string) bool { return !slices.Contains(those, id) }) {
			sum -= most
		}
	})
	q := max(0, sum-policy.Buffer) * stock.Quantity(policy.Percent) / 100
	if policy.Cap != nil {
		q = min(q, *policy.Cap)
	}
	if q < policy.Floor {
		q = 0
	}
	now.quantity = q
	m.told[key] = now
}
