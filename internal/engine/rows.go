package engine

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// The ids of the rows of TablePool.
const (
	clockRow    = "clock"
	settingsRow = "settings"
	sweepsRow   = "sweeps"
)

func outletRow(id string) string  { return "outlet/" + id }
func channelRow(id string) string { return "channel/" + id }
func kitRow(id string) string     { return "kit/" + id }
func sourceRow(id string) string  { return "source/" + id }
func originRow(k originKey) string {
	return "origin/" + k.topicID + "/" + strconv.Itoa(int(k.partition))
}

// EachRow calls f with the present value of every row that changed, in an order that depends on the journal only. The value
// is valid during the call.
func (s *State) EachRow(c *Changes, f func(RowWrite)) {
	p := &c.packed
	c.eachRow(p, func(w RowWrite) {
		f(w)
		p.b = p.b[:0]
	})
}

// AppendRows is [State.EachRow] for whoever keeps the values: it appends them to b, one after the other.
func (s *State) AppendRows(b []byte, c *Changes, f func(RowWrite)) []byte {
	p := packer{b: b}
	c.eachRow(&p, f)
	return p.b
}

// eachRow calls f with the rows as it packs them. f may empty p.
func (c *Changes) eachRow(p *packer, f func(RowWrite)) {
	from := len(p.b)
	put := func(table Table, pool *pool, id string) {
		f(RowWrite{RowKey{table, pool.id, id}, p.b[from:]})
		from = len(p.b)
	}
	for _, pl := range c.clocks {
		p.instant(pl.clock)
		put(TablePool, pl, clockRow)
	}
	for _, pl := range c.swept {
		if len(pl.sweeps) == 0 {
			f(RowWrite{RowKey{TablePool, pl.id, sweepsRow}, nil})
			continue
		}
		pl.packSweeps(p)
		put(TablePool, pl, sweepsRow)
	}
	for _, x := range c.dues {
		at := x.pool.due.at[x.id]
		if at == 0 {
			f(RowWrite{RowKey{TableDue, x.pool.id, x.id}, nil})
			continue
		}
		p.instant(at)
		put(TableDue, x.pool, x.id)
	}
	for _, x := range c.pools {
		if !x.pool.packPoolRow(p, x.id) {
			f(RowWrite{RowKey{TablePool, x.pool.id, x.id}, nil})
			continue
		}
		put(TablePool, x.pool, x.id)
	}
	for _, x := range c.origins {
		p.int(x.pool.origins[x.key].offset)
		put(TablePool, x.pool, originRow(x.key))
	}
	for _, x := range c.sources {
		x.mark.appendTo(p)
		put(TablePool, x.pool, sourceRow(x.id))
	}
	for _, x := range c.seen {
		if x.gone {
			f(RowWrite{RowKey{TableSeen, x.pool.id, x.id}, nil})
			continue
		}
		p.uint(uint64(x.version))
		p.instant(x.at)
		put(TableSeen, x.pool, x.id)
	}
	for i, x := range c.skus {
		c.written.look(i, len(c.skus), func(k int) *sku { return c.skus[k].sku }, lookAtPacked)
		for _, t := range skuTables {
			switch {
			case x.sku.changed&t.row == 0:
			case x.pool.packSKURow(x.sku, t.row, p):
				put(t.table, x.pool, x.sku.id)
			default:
				f(RowWrite{RowKey{t.table, x.pool.id, x.sku.id}, nil})
			}
		}
	}
	for _, x := range c.items {
		it := x.pool.items[x.id]
		if it.empty() {
			f(RowWrite{RowKey{TableItems, x.pool.id, x.id}, nil})
			continue
		}
		it.pack(p)
		put(TableItems, x.pool, x.id)
	}
	for _, x := range c.orders {
		if x.order.gone {
			f(RowWrite{RowKey{TableOrders, x.pool.id, x.order.key}, nil})
			continue
		}
		x.order.pack(p)
		put(TableOrders, x.pool, x.order.key)
	}
}

// LoadPool makes the pool known with every stored row of its TablePool, TableSeen and TableDue, and with the ids (the values are not
// looked at) of its TableStock and TableListings; none for a new pool. It keeps no slice. It returns an error that wraps
// ErrInvariant for a row that does not decode, or ErrUnknownRuleset for a pool whose rules this program does not have.
func (s *State) LoadPool(id string, rows []RowWrite) error {
	p := newPool(id)
	for _, r := range rows {
		var err error
		switch r.Table {
		case TablePool:
			err = p.loadPoolRow(r)
		case TableSeen:
			u := unpacker{b: r.Value}
			p.seen.queue = append(p.seen.queue, seenID{id: r.ID, version: stock.Version(u.uint()), at: u.instant()})
			p.seen.ids[r.ID] = struct{}{}
			err = u.done(r.RowKey)
		case TableDue:
			u := unpacker{b: r.Value}
			p.due.set(r.ID, u.instant())
			err = u.done(r.RowKey)
		case TableStock, TableListings:
			p.index.add(r.ID)
		default:
			err = fmt.Errorf("table %d is not loaded with a pool: %w", r.Table, ErrInvariant)
		}
		if err != nil {
			return err
		}
	}
	slices.SortFunc(p.seen.queue, func(a, b seenID) int {
		if a.version != b.version {
			if a.version < b.version {
				return -1
			}
			return 1
		}
		return strings.Compare(a.id, b.id)
	})
	s.pools[id] = p
	return nil
}

// Load puts one stored row of TableStock, TableListings, TableRecent, TablePromises, TableItems or TableOrders into memory; a nil value says that the row does not
// exist. A row that is already in memory is left as it is: memory is never older than the store. It keeps no slice. It
// returns an error that wraps ErrInvariant for a row that does not decode, or whose pool was not loaded.
func (s *State) Load(key RowKey, value []byte) error {
	p, ok := s.pools[key.Pool]
	if !ok {
		return fmt.Errorf("row %q: pool %q is not loaded: %w", key.ID, key.Pool, ErrInvariant)
	}
	switch key.Table {
	case TableStock, TableListings, TableRecent, TablePromises:
		x, row := p.sku(key.ID), skuRowOf(key.Table)
		if x.loaded&row != 0 {
			return nil
		}
		x.loaded |= row
		if value != nil {
			return p.loadSKURow(x, row, key, value)
		}
	case TableItems:
		if _, held := p.items[key.ID]; held {
			return nil
		}
		p.items[key.ID] = nil
		if value != nil {
			it, err := loadItem(key, value)
			p.items[key.ID] = it
			return err
		}
	case TableOrders:
		if p.orders.find(key.ID) != nil {
			return nil
		}
		if value == nil {
			p.orders.add(&order{key: key.ID, absent: true})
			return nil
		}
		return p.loadOrder(key, value)
	default:
		return fmt.Errorf("table %d is loaded with its pool: %w", key.Table, ErrInvariant)
	}
	return nil
}

// packSKURow appends the row's value, or reports that there is none any more.
func (p *pool) packSKURow(s *sku, row skuRows, out *packer) bool {
	switch row {
	case stockRow:
		out.b = p.appendStock(s, out.b)
	case listingsRow:
		if len(s.listings) == 0 && (s.offersRow() != listingsRow || s.offered() == 0) {
			return false
		}
		s.packListings(out)
	case recentRow:
		if !s.apart {
			return false
		}
		out.b = append(out.b, rowLayout)
		p.packRecent(s, out)
	case promisesRow:
		if len(s.promises) == 0 {
			return false
		}
		s.packPromises(out)
	}
	return true
}

func (p *pool) loadSKURow(s *sku, row skuRows, key RowKey, value []byte) error {
	switch row {
	case stockRow:
		if !p.parseStock(s, value) {
			return fmt.Errorf("stock row of %q in pool %q does not decode: %w", key.ID, key.Pool, ErrInvariant)
		}
	case listingsRow:
		return p.loadListings(s, key, value)
	case recentRow:
		u := unpacker{b: value}
		u.layout()
		u.bad = s.moved() > 0
		s.apart = true
		p.readRecent(s, &u)
		return u.done(key)
	case promisesRow:
		return p.loadPromises(s, key, value)
	}
	return nil
}

// packPoolRow appends the row's value, or reports that there is none any more.
func (p *pool) packPoolRow(out *packer, id string) bool {
	kind, name, _ := strings.Cut(id, "/")
	switch {
	case id == settingsRow:
		out.b = codec.AppendEvent(out.b, &record.Event{Pool: &p.settings})
	case kind == "outlet":
		o := p.outlets[name]
		out.bool(o.declared)
		out.b = codec.AppendEvent(out.b, &record.Event{Outlet: &o.def})
	case kind == "channel":
		out.b = codec.AppendEvent(out.b, &record.Event{Channel: &p.channels[name].def})
	case kind == "kit":
		kit, ok := p.kits[name]
		if !ok {
			return false
		}
		out.parts(kit)
	}
	return true
}

func (p *pool) loadPoolRow(r RowWrite) error {
	u := unpacker{b: r.Value}
	kind, name, _ := strings.Cut(r.ID, "/")
	var e record.Event
	event := func() error {
		if err := codec.DecodeEvent(u.b, &e); err != nil {
			return fmt.Errorf("row %q of pool %q: %w: %w", r.ID, r.Pool, err, ErrInvariant)
		}
		u.b = nil
		return nil
	}
	switch {
	case r.ID == clockRow:
		p.clock = u.instant()
	case r.ID == sweepsRow:
		p.loadSweeps(&u)
	case r.ID == settingsRow:
		if err := event(); err != nil {
			return err
		}
		u.bad = e.Pool == nil || e.Pool.Pool != p.id
		if !u.bad && e.Pool.Ruleset > Ruleset {
			return fmt.Errorf("pool %q is under ruleset %d, the newest known is %d: %w", p.id, e.Pool.Ruleset, Ruleset, ErrUnknownRuleset)
		}
		if !u.bad {
			p.settings = *e.Pool
		}
	case kind == "outlet":
		declared := u.bool()
		if err := event(); err != nil {
			return err
		}
		u.bad = e.Outlet == nil || e.Outlet.Outlet != name
		if !u.bad {
			p.addOutlet(&outlet{def: *e.Outlet, declared: declared})
		}
	case kind == "channel":
		if err := event(); err != nil {
			return err
		}
		u.bad = e.Channel == nil || e.Channel.Channel != name
		if !u.bad {
			p.setChannel(*e.Channel)
		}
	case kind == "kit":
		p.setKit(name, u.parts())
	case kind == "origin":
		topicID, partition, _ := strings.Cut(name, "/")
		n, err := strconv.ParseInt(partition, 10, 32)
		u.bad = err != nil
		p.origins[originKey{topicID, int32(n)}] = &originMark{offset: u.int()}
	case kind == "source":
		m := &sourceMark{}
		m.read(&u)
		p.sources[name] = m
	default:
		u.bad = true
	}
	return u.done(r.RowKey)
}

// appendStock writes the public form of the row: what a storefront reads, with the waiting queue, the last offers and what is remembered
// of movements packed under "_". Outlets with nothing in them are left out, and so is "_" where it would be empty.
func (p *pool) appendStock(s *sku, b []byte) []byte {
	b = append(b, `{"version":`...)
	b = strconv.AppendUint(b, uint64(s.version), 10)
	b = append(b, `,"on_order":`...)
	b = strconv.AppendInt(b, int64(s.onOrder), 10)
	var onHand stock.Quantity
	for i := range s.levels {
		if l := &s.levels[i]; !p.outletOf(l).def.ChannelOwned {
			onHand += l.onHand
		}
	}
	b = append(b, `,"backordered":`...)
	b = strconv.AppendInt(b, int64(max(0, s.onOrder-onHand)), 10)
	b = append(b, `,"outlets":{`...)
	first := true
	for i := range s.levels {
		l := &s.levels[i]
		if l.empty() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, p.outletOf(l).quoted...)
		b = append(b, ':', '[')
		b = strconv.AppendInt(b, int64(l.onHand), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(l.reserved), 10)
		b = append(b, ']')
	}
	b = append(b, '}')
	if recent := !s.apart && s.moved() > 0; recent || len(s.waiting) > 0 || s.offered() > 0 {
		b = append(b, `,"_":"`...)
		b = p.appendPrivate(s, b)
		b = append(b, '"')
	}
	return append(b, '}')
}

// appendPrivate writes what the stock row holds for the engine only.
func (p *pool) appendPrivate(s *sku, b []byte) []byte {
	out := &p.private
	out.b = append(out.b[:0], rowLayout)
	out.uint(uint64(len(s.waiting)))
	for i := range s.waiting {
		w := &s.waiting[i]
		out.text(w.order)
		out.text(w.line)
		out.text(w.channel)
		out.texts(w.only)
		out.texts(w.declined)
		out.qty(w.quantity)
	}
	s.packOffers(out)
	if !s.apart {
		p.packRecent(s, out)
	}
	return base64.RawStdEncoding.AppendEncode(b, out.b)
}

// appendQuoted writes an escaped id as a JSON string; control characters are percent-encoded already.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if c := s[i]; c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// parseStock reads what appendStock wrote, byte by byte: the row is ours and has one form.
func (p *pool) parseStock(s *sku, b []byte) bool {
	r := rowReader{b: b}
	r.expect(`{"version":`)
	s.version = stock.Version(r.number())
	r.expect(`,"on_order":`)
	s.onOrder = stock.Quantity(r.number())
	r.expect(`,"backordered":`)
	r.number()
	r.expect(`,"outlets":{`)
	for first := true; !r.bad && !r.skip(`}`); first = false {
		if !first {
			r.expect(`,`)
		}
		id := stream.SplitKey(r.quoted())[0]
		r.expect(`:[`)
		onHand := stock.Quantity(r.number())
		r.expect(`,`)
		reserved := stock.Quantity(r.number())
		r.expect(`]`)
		if r.bad {
			return false
		}
		o, known := p.outlet(id)
		if !known {
			return false
		}
		l, _ := p.level(s, o)
		l.onHand, l.reserved = onHand, reserved
	}
	if r.skip(`,"_":`) {
		packed, err := base64.RawStdEncoding.DecodeString(r.quoted())
		u := unpacker{b: packed, bad: err != nil}
		u.layout()
		for range u.count() {
			s.waiting = append(s.waiting, waiting{order: u.text(), line: u.text(), channel: u.text(), only: u.texts(), declined: u.texts(), quantity: u.qty()})
		}
		p.readOffers(s, &u)
		if len(u.b) > 0 && !s.apart {
			p.readRecent(s, &u)
		}
		if u.bad || len(u.b) > 0 {
			return false
		}
	}
	r.expect(`}`)
	return !r.bad && len(r.b) == 0
}

// A rowReader reads the fixed form of a stock row.
type rowReader struct {
	b   []byte
	bad bool
}

func (r *rowReader) skip(lit string) bool {
	if len(r.b) >= len(lit) && string(r.b[:len(lit)]) == lit {
		r.b = r.b[len(lit):]
		return true
	}
	return false
}

func (r *rowReader) expect(lit string) {
	if !r.skip(lit) {
		r.bad = true
	}
}

func (r *rowReader) number() int64 {
	n := 0
	for n < len(r.b) && (r.b[n] == '-' || r.b[n] >= '0' && r.b[n] <= '9') {
		n++
	}
	v, err := strconv.ParseInt(string(r.b[:n]), 10, 64)
	if err != nil {
		r.bad = true
	}
	r.b = r.b[n:]
	return v
}

func (r *rowReader) quoted() string {
	r.expect(`"`)
	var out []byte
	for i := 0; i < len(r.b); i++ {
		switch c := r.b[i]; {
		case c == '\\' && i+1 < len(r.b):
			i++
			out = append(out, r.b[i])
		case c == '"':
			r.b = r.b[i+1:]
			return string(out)
		default:
			out = append(out, c)
		}
	}
	r.bad = true
	return ""
}

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
		s.packOffers(p)
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
		p.readOffers(s, &u)
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

func (s *sku) packOffers(p *packer) {
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
		p.uint(uint64(o.version))
		p.qty(o.quantity)
		if o.sold != 0 {
			p.qty(o.sold)
		}
		if o.released != 0 {
			p.qty(o.released)
		}
	}
}

func (p *pool) readOffers(s *sku, u *unpacker) {
	for range u.count() {
		f := u.flags()
		stopped, located, sold, released := f.next(), f.next(), f.next(), f.next()
		channel, location := u.text(), ""
		if located {
			location = u.text()
		}
		o := s.offer(p.spot(channel, location))
		o.stopped, o.version, o.quantity = stopped, stock.Version(u.uint()), u.qty()
		if sold {
			o.sold = u.qty()
		}
		if released {
			o.released = u.qty()
		}
	}
}
