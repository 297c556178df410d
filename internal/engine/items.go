package engine

import (
	"fmt"
	"slices"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// An item is what a channel calls by one of its own ids: the SKUs whose listings there carry the id, and the orders that hold a
// line until there is exactly one.
type item struct {
	skus    []string // by id
	held    []string // order keys, in the order they came
	changed bool     // by the run
	used    bool     // since the last Evict
}

// ItemID returns the id of an item's row in TableItems.
func ItemID(channel, item string) string { return stream.JoinKey(channel, item) }

// item returns the item in memory, making an empty one if there is none.
func (p *pool) item(id string) *item {
	it := p.items[id]
	if it == nil {
		it = &item{}
		p.items[id] = it
	}
	return it
}

// sku returns the SKU that the id stands for, "" if there is none or more than one.
func (it *item) sku() string {
	if it == nil || len(it.skus) != 1 {
		return ""
	}
	return it.skus[0]
}

// skuOf returns the SKU of an order line: the one it names, else the one its item stood for when the order was first read, else
// the one it stands for now. "" if nobody can say.
func (p *pool) skuOf(o *order, channel string, in *record.OrderLine) string {
	if in.SKU != "" {
		return in.SKU
	}
	if o != nil {
		if l := o.line(in.LineID); l != nil && l.item() == in.Item && l.sku != "" {
			return l.sku
		}
	}
	return p.items[ItemID(channel, in.Item)].sku()
}

// hold keeps the line of which nobody knows what it is until a listing says so.
func (a *applying) hold(o *order, l *line) {
	l.since = a.version
	id := ItemID(o.channel, l.item())
	it := a.pool.item(id)
	what := "is not listed"
	if len(it.skus) > 1 {
		what = fmt.Sprintf("is listed %d times", len(it.skus))
	}
	a.flag(classHeld, "lines.item", fmt.Sprintf("line %q of %s is held: item %q %s", l.id, a.describe(o), l.item(), what))
	if !slices.Contains(it.held, o.key) {
		it.held = append(it.held, o.key)
		a.changes.item(a.pool, id)
	}
}

// itemsOf returns the ids that a listing carries, sorted, each once.
func itemsOf(l *record.Listing) []string { return itemsIn(l.Deleted, l.ChannelIDs) }

// items is itemsOf of what was declared.
func (l *listing) items() []string { return itemsIn(l.terms.Deleted, l.ids) }

func itemsIn(deleted bool, ids record.Dict) []string {
	if deleted {
		return nil
	}
	var items []string
	for _, p := range ids {
		if p.Value != "" {
			items = append(items, p.Value)
		}
	}
	slices.Sort(items)
	return slices.Compact(items)
}

// relist tells the items what the SKU's listing carries now, and goes on with the orders that were held for them.
func (a *applying) relist(channel, sku string, before, after []string) {
	var moved []string
	for _, name := range before {
		if slices.Contains(after, name) {
			continue
		}
		id := ItemID(channel, name)
		it := a.pool.item(id)
		it.skus = slices.DeleteFunc(it.skus, func(s string) bool { return s == sku })
		a.changes.item(a.pool, id)
		moved = append(moved, name)
	}
	for _, name := range after {
		if slices.Contains(before, name) {
			continue
		}
		id := ItemID(channel, name)
		it := a.pool.item(id)
		i, _ := slices.BinarySearch(it.skus, sku)
		it.skus = slices.Insert(it.skus, i, sku)
		a.changes.item(a.pool, id)
		moved = append(moved, name)
	}
	var keys []string
	for _, name := range moved {
		if it := a.pool.item(ItemID(channel, name)); it.sku() != "" {
			keys = append(keys, it.held...)
			it.held = nil
		}
	}
	for i, key := range keys {
		if o := a.pool.orderAt(key); o != nil && !slices.Contains(keys[:i], key) {
			a.identify(o)
		}
	}
}

// identify goes on with an order that was held for items that stand for one SKU now. Its lines wait since they were held. What
// was reported of it meanwhile is applied in the order in which it came, so all lines are named first.
func (a *applying) identify(o *order) {
	var named []*line
	for i := range o.lines {
		l := &o.lines[i]
		if l.sku != "" {
			continue
		}
		if l.sku = a.pool.items[ItemID(o.channel, l.item())].sku(); l.sku != "" {
			l.setKit(a.pool.kitOf(l.sku))
			named = append(named, l)
		}
	}
	if len(named) == 0 {
		return // the order that was held has been forgotten, and another of that name came
	}
	a.applyEarly(o)
	for _, l := range named {
		since := l.since
		a.ledger(o, l)
		if a.target(o, l); l.waiting > 0 {
			l.since = since
			a.queue(o, l)
		}
	}
	a.decideOrder(o)
}

// holds reports whether the report names a line of which nobody knows what it is.
func (o *order) holds(in *record.Fulfilment) bool {
	return slices.ContainsFunc(in.Lines, func(fl record.FulfilmentLine) bool {
		l := o.line(fl.LineID)
		return l != nil && l.sku == ""
	})
}

func (it *item) empty() bool { return len(it.skus) == 0 && len(it.held) == 0 }

func (it *item) pack(p *packer) {
	p.b = append(p.b, rowLayout)
	p.texts(it.skus)
	p.texts(it.held)
}

func loadItem(key RowKey, value []byte) (*item, error) {
	u := unpacker{b: value}
	u.layout()
	it := &item{skus: u.texts(), held: u.texts()}
	return it, u.done(key)
}
