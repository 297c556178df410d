package engine

import (
	"fmt"
	"maps"
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
		if l := o.line(in.LineID); l != nil && l.item == in.Item && l.sku != "" {
			return l.sku
		}
	}
	return p.items[ItemID(channel, in.Item)].sku()
}

// hold keeps the line of which nobody knows what it is until a listing says so.
func (a *applying) hold(o *order, l *line) {
	l.since = a.version
	id := ItemID(o.channel, l.item)
	it := a.pool.item(id)
	what := "is not listed"
	if len(it.skus) > 1 {
		what = fmt.Sprintf("is listed %d times", len(it.skus))
	}
	a.flag(classHeld, "lines.item", fmt.Sprintf("line %q of %s is held: item %q %s", l.id, a.describe(o), l.item, what))
	if !slices.Contains(it.held, o.key) {
		it.held = append(it.held, o.key)
		a.changes.item(a.pool, id)
	}
}

// itemsOf returns the ids that a listing carries, sorted, each once.
func itemsOf(l *record.Listing) []string {
	if l.Deleted {
		return nil
	}
	ids := slices.Sorted(maps.Values(l.ChannelIDs))
	return slices.DeleteFunc(slices.Compact(ids), func(id string) bool { return id == "" })
}

// relist tells the items what the SKU's listing carries now, and goes on with the orders that were held for them.
func (a *applying) relist(channel, sku string, before, after []string) {
	for _, name := range before {
		if slices.Contains(after, name) {
			continue
		}
		id := ItemID(channel, name)
		it := a.pool.item(id)
		it.skus = slices.DeleteFunc(it.skus, func(s string) bool { return s == sku })
		a.changes.item(a.pool, id)
		a.identify(it, name)
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
		a.identify(it, name)
	}
}

// identify goes on with the orders that were held for the item, if it stands for one SKU now. They wait since they were held.
func (a *applying) identify(it *item, name string) {
	sku := it.sku()
	if sku == "" {
		return
	}
	for _, key := range it.held {
		o := a.pool.orders[key]
		if o == nil {
			continue
		}
		for i := range o.lines {
			if l := &o.lines[i]; l.sku == "" && l.item == name {
				since := l.since
				l.sku, l.kit = sku, a.pool.kitOf(sku)
				a.applyEarly(o)
				a.ledger(o, l)
				if a.target(o, l); l.waiting > 0 {
					l.since = since
				}
				a.decideOrder(o)
			}
		}
	}
	it.held = nil
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
