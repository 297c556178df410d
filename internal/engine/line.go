package engine

import "github.com/shelfwire/shelfwire/internal/stock"

// A line is one order line. What the channel's snapshots, the channel's reports and the warehouse's reports say was
// despatched is kept apart, since each tells of the same parcels under its own name: the largest of them counts.
type line struct {
	id, sku        string   // sku is "" while nobody knows what the item is
	at             *spot    // where its counters stand
	special        *special // nil where there is nothing special about it
	ordered        stock.Quantity
	byChannel      stock.Quantity // despatched, as the channel's snapshots say in total
	byReports      stock.Quantity // despatched, summed over the channel's own reports
	byWarehouse    stock.Quantity // despatched, summed over the warehouse's own reports
	fulfilled      stock.Quantity // despatched and taken off the shelf
	waiting        stock.Quantity
	since          stock.Version  // of the entry since which it waits
	sold, released stock.Quantity // this line's part of its listing's counters
	allocations    []allocated    // in the order they were decided
}

// A special is what few order lines have any of: there are many lines.
type special struct {
	kit      []part   // what it is made of, where it is a kit: shared, nobody changes it
	item     string   // the channel's own id of it, where that is all the channel says
	outlet   string   // the only one that may serve it, "" for any
	declined []string // outlets that did not find it, by id
}

func (l *line) kit() []part {
	if l.special == nil {
		return nil
	}
	return l.special.kit
}

func (l *line) item() string {
	if l.special == nil {
		return ""
	}
	return l.special.item
}

func (l *line) outlet() string {
	if l.special == nil {
		return ""
	}
	return l.special.outlet
}

func (l *line) declined() []string {
	if l.special == nil {
		return nil
	}
	return l.special.declined
}

func (l *line) setKit(kit []part) {
	if kit != nil || l.special != nil {
		l.specially().kit = kit
	}
}

func (l *line) setItem(item string) {
	if item != "" || l.special != nil {
		l.specially().item = item
	}
}

func (l *line) setOutlet(outlet string) {
	if outlet != "" || l.special != nil {
		l.specially().outlet = outlet
	}
}

// specially returns what is special about the line, to be changed.
func (l *line) specially() *special {
	if l.special == nil {
		l.special = &special{}
	}
	return l.special
}

// despatched is what has left by the word of whoever says most.
func (l *line) despatched() stock.Quantity { return max(l.byChannel, l.byReports, l.byWarehouse) }

// unshipped is what has left and was not taken off the shelf yet. More than was ordered never leaves.
func (l *line) unshipped() stock.Quantity {
	return max(0, min(l.despatched(), max(l.ordered, l.fulfilled))-l.fulfilled)
}

type allocated struct {
	outlet              string
	quantity, fulfilled stock.Quantity // promised in all, and despatched of those
}

func (al *allocated) open() stock.Quantity { return al.quantity - al.fulfilled }

// promised is what the line's allocations still have to despatch.
func (l *line) promised() stock.Quantity {
	var sum stock.Quantity
	for i := range l.allocations {
		sum += l.allocations[i].open()
	}
	return sum
}
