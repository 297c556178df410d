package engine

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/shelfwire/shelfwire/internal/offer"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A pool is the part of a State that belongs to one pool.
type pool struct {
	id       string
	clock    stock.Instant // journal time
	settings record.Pool
	outlets  map[string]*outlet
	numbered []*outlet        // the same by their index
	safety   []stock.Quantity // of the same: what is kept back at each
	channels map[string]*channel
	origins  map[originKey]*originMark
	sources  map[string]*sourceMark
	seen     seenWindow

	lastOrigin memo[originKey, originMark]
	lastSource memo[string, sourceMark]

	skus   rowTable[sku, *sku]     // rows in memory
	orders rowTable[order, *order] // likewise, those among them that are known not to exist
	items  map[string]*item        // likewise, by id; nil: known not to exist
	index  skuIndex                // every SKU that has a row anywhere
	due    dueIndex
	sweeps []sweep // the next to go on first

	spots  map[spot]*spot      // each that an offer was ever made at, once
	kits   map[string][]part   // by SKU, components by SKU
	partOf map[string][]string // the kits that a SKU is a component of, by SKU

	question   question            // asked of one order after the other
	edition    int                 // moves on with every edit of an outlet or channel
	touched    []*sku              // by the entry being applied
	clockDirty bool                // by the run
	sweptDirty bool                // likewise
	dueDirty   map[string]struct{} // likewise
	private    packer              // scratch of a stock row
	key        []byte              // scratch of a key that is looked for
	takes      []part              // scratch of what a snapshot's lines take
}

// An outlet is a place with stock; declared is false until the catalogue has named it. Its index numbers the outlets in
// memory; it is not stored.
type outlet struct {
	def      record.Outlet
	declared bool
	index    int32
	quoted   []byte // its id as stock rows name it
}

// An outletSet holds outlets by index.
type outletSet []uint64

func (s outletSet) has(outlet int32) bool {
	word := int(outlet / 64)
	return word < len(s) && s[word]&(1<<(outlet%64)) != 0
}

func (s outletSet) with(outlet int32) outletSet {
	for len(s) <= int(outlet/64) {
		s = append(s, 0)
	}
	s[outlet/64] |= 1 << (outlet % 64)
	return s
}

// offered reports whether the outlet's stock may be shown and promised to customers of a channel.
func (o *outlet) offered() bool {
	return o.declared && !o.def.Deleted && !o.def.ChannelOwned && o.def.SellsOnline && o.def.FulfilsOrders
}

// fulfils reports whether orders may be allocated to the outlet.
func (o *outlet) fulfils() bool {
	return o.declared && !o.def.Deleted && !o.def.ChannelOwned && o.def.FulfilsOrders
}

// A channel is a declared channel. Its places and candidates are worked out anew when the pool's edition has moved on.
type channel struct {
	def        record.Channel
	account    string // def.AccountID(), worked out once: every offer carries it
	edition    int
	places     []place
	candidates []*outlet // those that may serve its orders, best priority first
}

// A place is a spot of a channel with the outlets whose stock may be shown there.
type place struct {
	at      *spot
	offered outletSet
}

// places returns the channel's locations, by id.
func (p *pool) places(ch *channel) []place {
	p.renew(ch)
	return ch.places
}

// renew works out what follows from the channel's and its outlets' definitions, if these have changed.
func (p *pool) renew(ch *channel) {
	if ch.edition == p.edition {
		return
	}
	locations := ch.def.Locations
	if len(locations) == 0 {
		locations = []record.Location{{Outlets: ch.def.Outlets}}
	}
	ch.places, ch.edition = make([]place, len(locations)), p.edition
	for i, l := range locations {
		ch.places[i].at = p.spot(ch.def.Channel, l.Location)
		for _, id := range l.Outlets {
			if o, ok := p.outlets[id]; ok && o.offered() {
				ch.places[i].offered = ch.places[i].offered.with(o.index)
			}
		}
	}
	ids := ch.def.Outlets
	switch {
	case ch.def.Deleted:
		ids = nil
	case !ch.def.RouteOrders && ch.def.DefaultOutlet != "":
		ids = []string{ch.def.DefaultOutlet}
	}
	ch.candidates = p.able(ids, nil)
}

// A sku is the rows of one SKU. There are very many, spread over memory, and a movement waits for most of what it looks at: so what
// every movement looks at comes first, in few pieces and without pointers between them.
type sku struct {
	id       string
	levels   []level // by outlet id
	deltas   []delta // of all outlets, in the order of levels, then by time
	onOrder  stock.Quantity
	version  stock.Version // of the last change of the counts; 0: no stock row yet
	run      uint64        // the newest that changed a row
	slot     int32         // 1 + index of the change of its counts in the Changes of that run, 0: none
	changed  skuRows       // by that run
	loaded   skuRows       // in memory, even if empty
	apart    bool          // the recent row exists: the stock row has not what it holds
	indexed  bool          // in the pool's index
	used     bool          // since the last Evict
	touched  bool          // by the entry: something changed
	freed    bool          // by the entry: units became free
	less     bool          // by the entry: less is on hand somewhere
	counts   bool          // by the entry: its counts changed
	open     bool          // by the run: records of its offers are to be completed before its levels change
	offers   []offerState  // by spot
	listings []listing     // by channel id
	waiting  []waiting     // first come first served
	promises []promise     // in the order they were made
}

func (s *sku) rowID() string { return s.id }

// skuRows are some of the rows of a SKU.
type skuRows uint8

const (
	stockRow skuRows = 1 << iota
	listingsRow
	recentRow
	promisesRow
	allRows = stockRow | listingsRow | recentRow | promisesRow
)

// skuTables are the tables that have a row for every SKU.
var skuTables = [...]struct {
	table Table
	row   skuRows
}{{TableStock, stockRow}, {TableListings, listingsRow}, {TableRecent, recentRow}, {TablePromises, promisesRow}}

// skuRowOf returns the row that a SKU has in the table.
func skuRowOf(table Table) skuRows {
	for _, t := range skuTables {
		if t.table == table {
			return t.row
		}
	}
	return 0
}

// A level is what one outlet holds of the SKU, has promised, and remembers of its movements.
type level struct {
	onHand, reserved stock.Quantity
	outlet           int32  // its index
	deltas           int32  // how many of the SKU's deltas are this outlet's
	counted          second // of the last count; 0: never counted. What happened by then is in it
	floor            second // what happened by then is not in deltas any more: an older count cannot be taken
}

// empty reports whether there is nothing to say of the counts: rows leave such levels out, so nothing may hang on one.
func (l *level) empty() bool { return l.onHand == 0 && l.reserved == 0 }

// moved reports whether there is something to remember of the outlet's movements: rows leave out the others.
func (l *level) moved() bool { return l.deltas != 0 || l.counted != 0 || l.floor != 0 }

func (l *level) free() stock.Quantity { return max(0, l.onHand-l.reserved) }

// available is what may still be promised to customers where so much is kept back.
func (l *level) available(safety stock.Quantity) stock.Quantity {
	return max(0, l.onHand-l.reserved-safety)
}

// A waiting entry is the part of an order line that nobody has promised yet. It carries what offers must know of the order,
// so that an offer never needs order rows.
type waiting struct {
	order, line, channel string
	only                 []string // the only outlets that may serve it, by id; none: any of the channel's
	declined             []string // the outlets that will not, by id; shared with the order line
	quantity             stock.Quantity
}

// A listing is a SKU on a channel, as far as offers hang on it; packed is all that was declared of it, as its row holds it.
type listing struct {
	of       *channel // nil: not looked up yet, or not declared
	channel  string
	terms    offer.Terms
	ids      record.Dict
	policies []record.Policy
	packed   []byte
}

func newPool(id string) *pool {
	return &pool{
		id:       id,
		settings: defaultSettings(id),
		edition:  1,
		outlets:  map[string]*outlet{},
		channels: map[string]*channel{},
		origins:  map[originKey]*originMark{},
		sources:  map[string]*sourceMark{},
		seen:     newSeenWindow(),
		items:    map[string]*item{},
		due:      newDueIndex(),
		spots:    map[spot]*spot{},
		kits:     map[string][]part{},
		partOf:   map[string][]string{},
		dueDirty: map[string]struct{}{},
	}
}

// sku returns the row in memory, making an empty one if there is none.
func (p *pool) sku(id string) *sku {
	s := p.skus.find(id)
	if s == nil {
		s = &sku{id: id}
		p.skus.add(s)
	}
	return s
}

// held returns the row if all its parts are in memory.
func (p *pool) held(id string) (*sku, bool) {
	s := p.skus.find(id)
	return s, s != nil && s.loaded == allRows
}

// note puts the SKU into the pool's index.
func (p *pool) note(s *sku) {
	if !s.indexed {
		s.indexed = true
		p.index.add(s.id)
	}
}

// touch adds the row to those whose offers are worked out when the entry has been applied.
func (p *pool) touch(s *sku) {
	if !s.touched {
		s.touched = true
		p.touched = append(p.touched, s)
	}
}

// count touches the row because its counts changed.
func (p *pool) count(s *sku) {
	s.counts = true
	p.touch(s)
}

// level returns the SKU's level at the outlet, making an empty one if there is none, and where its deltas begin. The pointer holds
// until the next call.
func (p *pool) level(s *sku, o *outlet) (l *level, from int) {
	for i := range s.levels {
		if l := &s.levels[i]; l.outlet == o.index {
			return l, from
		}
		from += int(s.levels[i].deltas)
	}
	at, from := 0, 0
	for ; at < len(s.levels) && p.outletOf(&s.levels[at]).def.Outlet < o.def.Outlet; at++ {
		from += int(s.levels[at].deltas)
	}
	if n := len(s.levels); n == cap(s.levels) { // most SKUs stop at a few outlets: the room that append would leave is never used
		s.levels = append(make([]level, 0, n+1+n/8), s.levels...)
	}
	s.levels = slices.Insert(s.levels, at, level{outlet: o.index})
	return &s.levels[at], from
}

// at returns what the SKU has at the outlet, and the deltas that the outlet remembers, without making a level.
func (s *sku) at(o *outlet) (level, []delta) {
	from := 0
	for i := range s.levels {
		l := &s.levels[i]
		if l.outlet == o.index {
			return *l, s.deltas[from : from+int(l.deltas)]
		}
		from += int(l.deltas)
	}
	return level{outlet: o.index}, nil
}

// listing returns the SKU's listing on the channel, making an empty one if there is none. The pointer holds until the next call that
// makes one.
func (p *pool) listing(s *sku, channel string) *listing {
	i, found := s.findListing(channel)
	if !found {
		s.listings = slices.Insert(s.listings, i, listing{channel: p.channelID(channel)})
	}
	return &s.listings[i]
}

// channelID returns the id as the channel itself has it: what is kept a million times shares its bytes, and compares fast.
func (p *pool) channelID(id string) string {
	if ch, ok := p.channels[id]; ok {
		return ch.def.Channel
	}
	return id
}

// findListing returns where the listing on the channel is, or would be.
func (s *sku) findListing(channel string) (i int, found bool) {
	return sort.Find(len(s.listings), func(i int) int { return strings.Compare(channel, s.listings[i].channel) })
}

// channelOf returns the listing's channel, nil if nobody has declared it.
func (p *pool) channelOf(l *listing) *channel {
	if l.of == nil {
		l.of = p.channels[l.channel]
	}
	return l.of
}

// outlet returns the outlet of that id, making an undeclared one if the pool has never heard of it.
func (p *pool) outlet(id string) (o *outlet, known bool) {
	o, known = p.outlets[id]
	if !known {
		o = &outlet{def: record.Outlet{Pool: p.id, Outlet: id}}
		p.addOutlet(o)
	}
	return o, known
}

func (p *pool) addOutlet(o *outlet) {
	o.index = int32(len(p.numbered))
	p.numbered, p.safety = append(p.numbered, o), append(p.safety, o.def.SafetyStock)
	o.quoted = appendQuoted(nil, stream.EscapeID(o.def.Outlet))
	p.outlets[o.def.Outlet] = o
}

// outletOf returns the outlet whose level it is.
func (p *pool) outletOf(l *level) *outlet { return p.numbered[l.outlet] }

// candidates returns the outlets of the channel that may serve its orders, best priority first. only, where given, are the
// only ones allowed, whether of the channel or not; those in declined are not. The caller does not change what it gets.
func (p *pool) candidates(channelID string, only, declined []string) []*outlet {
	if len(only) > 0 {
		return p.able(only, declined)
	}
	ch, ok := p.channels[channelID]
	if !ok {
		return nil
	}
	p.renew(ch)
	if !slices.ContainsFunc(ch.candidates, func(o *outlet) bool { return slices.Contains(declined, o.def.Outlet) }) {
		return ch.candidates
	}
	return slices.DeleteFunc(slices.Clone(ch.candidates), func(o *outlet) bool { return slices.Contains(declined, o.def.Outlet) })
}

// able returns those of the outlets that fulfil orders and are not in declined, best priority first.
func (p *pool) able(ids, declined []string) []*outlet {
	outlets := make([]*outlet, 0, len(ids))
	for _, id := range ids {
		if o, ok := p.outlets[id]; ok && o.fulfils() && !slices.Contains(declined, id) {
			outlets = append(outlets, o)
		}
	}
	slices.SortFunc(outlets, byPriority)
	return slices.Compact(outlets)
}

func byPriority(a, b *outlet) int {
	return cmp.Or(cmp.Compare(a.def.Priority, b.def.Priority), strings.Compare(a.def.Outlet, b.def.Outlet))
}

// order returns the order in memory, nil for one that is known not to exist, and leaves its key in p.key.
func (p *pool) order(channel, id string) (o *order, held bool) {
	p.key = stream.AppendKey(p.key[:0], channel, id)
	return known(p.orders.findKey(p.key))
}

// orderRow is order by the order's key.
func (p *pool) orderRow(key string) (o *order, held bool) { return known(p.orders.find(key)) }

// known says what a row in memory, nil for none, tells of its order.
func known(row *order) (o *order, held bool) {
	if row == nil || row.absent {
		return nil, row != nil
	}
	return row, true
}

// orderAt returns the order of that key, nil if it does not exist or is not in memory.
func (p *pool) orderAt(key string) *order {
	o, _ := p.orderRow(key)
	return o
}

// beginOrder makes the order, which does not exist.
func (p *pool) beginOrder(channel, id string) *order {
	p.key = stream.AppendKey(p.key[:0], channel, id)
	o := p.orders.findKey(p.key)
	if o == nil {
		o = &order{key: string(p.key)}
		p.orders.add(o)
	}
	o.absent, o.channel, o.id = false, p.channelID(channel), id
	return o
}

// OrderID returns the id of an order's row in TableOrders.
func OrderID(channel, order string) string { return stream.JoinKey(channel, order) }
