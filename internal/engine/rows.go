package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
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
	s.pools[id], s.last = p, memo[string, pool]{}
	return nil
}

// Load puts one stored row of TableStock, TableListings, TableRecent, TablePromises, TableItems or TableOrders into memory; a nil value says that the row does not
// exist. A row that is already in memory is left as it is: memory is never older than the store. It keeps no slice. It
// returns an error that wraps ErrInvariant for a row that does not decode, or whose pool was not loaded.
func (s *State) Load(key RowKey, value []byte) error {
	p, ok := s.pool(key.Pool)
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
		p.packRecent(s, out, true)
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
		p.readRecent(s, &u, true)
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
