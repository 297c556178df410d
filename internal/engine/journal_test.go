package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// journalStart is the entry time around which random journals begin.
const journalStart stock.Instant = 1_795_000_000_000_000

// drawJournal draws a journal of one pool in a small world, where everything meets everything: 5 outlets (one of a channel,
// one that is seldom declared), 3 SKUs, 3 channels (one with locations), 4 order ids.
//
// The same seed gives the same journal.
func drawJournal(seed uint64, most int) []record.JournalEntry {
	g := journalDraw{r: rand.New(rand.NewPCG(seed, 0)), offsets: map[mOrigin]int64{}}
	// Most journals start with a catalogue, so that not every run is about facts that precede it.
	if g.likely(8) {
		for _, id := range []string{"A", "B", "C"} {
			g.add(record.Event{Outlet: g.outlet(id)})
		}
		for _, id := range []string{"c1", "c2"} {
			g.add(record.Event{Channel: g.channel(id)})
			if id == "c2" && g.one(2) {
				g.add(record.Event{Kit: &record.Kit{Pool: "p", SKU: "k", Components: []record.Component{{SKU: "x", Quantity: g.q(2)}, {SKU: "y", Quantity: 1}}}})
			}
			for _, sku := range []string{"x", "y", "k"} {
				g.add(record.Event{Listing: g.listing(id, sku)})
			}
		}
	}
	for range g.n(1, most) {
		if len(g.journal) > 0 && g.one(15) {
			g.journal = append(g.journal, one(&g, g.journal)) // an origin sends it again
			continue
		}
		switch {
		case g.one(300):
			g.skipped += 61 * 24 * 3600 * 1_000_000 // what is closed is forgotten
		case g.one(20):
			g.skipped += stock.Instant(g.n(1, 30) * 1_000_000)
		}
		g.add(g.event())
	}
	return g.journal
}

type journalDraw struct {
	r       *rand.Rand
	journal []record.JournalEntry
	offsets map[mOrigin]int64
	orders  [][2]string   // channel and id of open ones
	skipped stock.Instant // how much time has passed besides a second an entry
}

func (g *journalDraw) n(lo, hi int) int         { return lo + g.r.IntN(hi-lo+1) }
func (g *journalDraw) one(in int) bool          { return g.n(1, in) == in }
func (g *journalDraw) likely(in int) bool       { return !g.one(in) }
func (g *journalDraw) of(ids ...string) string  { return one(g, ids) }
func (g *journalDraw) q(hi int) stock.Quantity  { return stock.Quantity(g.n(1, hi)) }
func (g *journalDraw) q0(hi int) stock.Quantity { return stock.Quantity(g.n(0, hi)) }

// now is about when the next entry is made.
func (g *journalDraw) now() stock.Instant {
	return journalStart + g.skipped + stock.Instant(len(g.journal))*1_000_000
}

// soon draws a moment in the seconds around the next entry, or one that never comes.
func (g *journalDraw) soon() stock.Instant {
	if g.one(4) {
		return g.now() + one(g, []stock.Instant{-1e12, 1e14})
	}
	return g.now() + stock.Instant(g.n(-5, 25)*1_000_000)
}

// someOrder draws the channel and id of an order, mostly of one that may have something to despatch.
func (g *journalDraw) someOrder() (channel, id string) {
	if len(g.orders) > 0 && g.likely(4) {
		o := one(g, g.orders[max(0, len(g.orders)-3):])
		return o[0], o[1]
	}
	return g.of("c1", "c1", "c1", "c2", "c2", "c3"), g.of("1", "2", "3", "4")
}

// lately draws a moment of the last seconds before the next entry.
func (g *journalDraw) lately(seconds int) stock.Instant {
	return g.now() - stock.Instant(g.n(0, seconds*10)*100_000)
}

func one[T any](g *journalDraw, of []T) T { return of[g.r.IntN(len(of))] }

// add journals the event as ingest would: through the codec, so that it is valid and its defaults are filled in.
func (g *journalDraw) add(e record.Event) {
	var ready record.Event
	if e.Tick != nil { // has no origin either
		g.journal = append(g.journal, record.JournalEntry{Event: e, EntryTime: g.now(), Origin: record.Origin{Previous: -1}})
		return
	}
	if err := codec.ParseEvent("application/x-protobuf", codec.AppendEvent(nil, &e), &ready); err != nil {
		panic(fmt.Sprintf("the generator made a bad event: %v", err))
	}
	from := mOrigin{g.of("aa", "bb"), int32(g.n(0, 1))}
	previous, ok := g.offsets[from]
	if !ok {
		previous = -1
	}
	offset := previous + int64(g.n(1, 3))
	g.offsets[from] = offset
	at := g.now() + stock.Instant(g.n(-2, 2)*700_000)
	g.journal = append(g.journal, record.JournalEntry{Event: ready, EntryTime: at, Origin: record.Origin{
		TopicID: from.topic, Topic: "movements", Partition: from.partition, Offset: offset, Previous: previous, Time: at - 1000,
	}})
}

func (g *journalDraw) event() record.Event {
	switch n := g.n(1, 100); {
	case n <= 30:
		return record.Event{Movement: g.movement()}
	case n <= 65:
		return record.Event{Order: g.order()}
	case n <= 74:
		return record.Event{Fulfilment: g.fulfilment()}
	case n <= 77:
		channel, id := g.someOrder()
		return record.Event{Decline: &record.Decline{
			Pool: "p", EventID: g.of("e1", "e2", "e3", "e4"), Channel: channel, OrderID: id,
			LineID: g.of("1", "1", "2"), Outlet: g.of("A", "A", "B"), Quantity: g.q(2), Reason: "damaged",
		}}
	case n <= 80:
		channel, id := g.someOrder()
		return record.Event{Reassign: &record.Reassign{
			Pool: "p", EventID: g.of("e1", "e2", "e3", "e4"), Channel: channel, OrderID: id,
			LineID: g.of("1", "1", "2"), From: g.of("A", "B"), To: g.of("C", "C", "D"), Quantity: g.q(2),
		}}
	case n <= 81:
		k := &record.Kit{Pool: "p", SKU: g.of("k", "k", "k", "k", "z", "x"), Deleted: g.one(6)}
		for _, sku := range []string{"x", "y", "z", "k"} {
			if g.one(2) {
				k.Components = append(k.Components, record.Component{SKU: sku, Quantity: g.q(2)})
			}
		}
		if len(k.Components) == 0 {
			k.Components = []record.Component{{SKU: "y", Quantity: 2}}
		}
		return record.Event{Kit: k}
	case n <= 85:
		return record.Event{Outlet: g.outlet(g.of("A", "B", "C", "D", "E"))}
	case n <= 90:
		return record.Event{Listing: g.listing(g.of("c1", "c2", "c3"), g.of("x", "y", "z", "k"))}
	case n <= 94:
		return record.Event{Channel: g.channel(g.of("c1", "c2", "c3"))}
	case n <= 95:
		return record.Event{Tick: &record.Tick{Pool: "p"}}
	case n <= 96:
		if g.one(2) {
			return record.Event{Refresh: &record.Refresh{Pool: "p", Channel: g.of("", "c1", "c2")}}
		}
		return record.Event{Mark: &record.Mark{Pool: "p", Channel: g.of("c1", "c2", "c3"), OrdersUntil: journalStart}}
	}
	p := &record.Pool{CountWindow: one(g, []time.Duration{0, 10 * time.Second, 25 * time.Second, time.Hour}), Pool: "p", Ruleset: 1, Prefer: record.FewestOutlets, ReleaseOn: record.OnCancel, FulfilmentLowersOnHand: g.likely(3)}
	if g.one(2) {
		p.ReleaseOn = record.OnArchive
	}
	if g.one(4) {
		p.Prefer = record.PriorityFirst
	}
	p.SingleOutlet, p.SplitOrders, p.SplitLines, p.ShipComplete = g.likely(4), g.likely(3), g.likely(2), g.one(4)
	return record.Event{Pool: p}
}

func (g *journalDraw) movement() *record.Movement {
	m := &record.Movement{
		Pool: "p", Outlet: g.of("A", "A", "B", "B", "C", "D", "E"), SKU: g.of("x", "x", "y", "z"), Quantity: g.q(9),
		Kind: one(g, []stock.MovementKind{
			stock.Receipt, stock.Receipt, stock.Receipt, stock.Production, stock.Return, stock.TransferIn,
			stock.Sale, stock.Shipment, stock.WriteOff, stock.TransferOut, stock.Adjustment, stock.Count, stock.Count, stock.Transfer,
		}),
		OccurredAt: g.lately(30),
	}
	if m.Kind == stock.Transfer {
		if m.Counterpart = g.of("A", "B", "C"); m.Counterpart == m.Outlet {
			m.Counterpart = "E"
		}
		if m.Outlet == m.Counterpart {
			m.Outlet = "A"
		}
	}
	if m.Kind == stock.Count {
		m.Quantity = g.q0(8)
	}
	if m.Kind == stock.Adjustment && g.one(2) {
		m.Quantity = -m.Quantity
	}
	switch g.n(1, 6) {
	case 1:
		m.Source, m.Epoch, m.Sequence = g.of("s1", "s2"), int64(g.n(1, 2)), int64(g.n(1, 12))
		if g.one(4) {
			m.Sequence += int64(g.n(4090, 4110))
		}
	case 2:
		m.EventID = g.of("e1", "e2", "e3", "e4")
		if g.one(2) {
			m.Source = "s1"
		}
	}
	return m
}

func (g *journalDraw) order() *record.Order {
	o := &record.Order{
		Pool: "p", Channel: g.of("c1", "c1", "c1", "c2", "c2", "c3"), OrderID: g.of("1", "2", "3", "4"), FulfilledBy: record.ByMerchant,
		Status: one(g, []record.OrderStatus{
			record.Open, record.Open, record.Open, record.Open, record.Pending, record.Shipped, record.Cancelled, record.Cancelled, record.Archived,
		}),
		PlacedAt: journalStart, UpdatedAt: g.now() + stock.Instant(g.n(-3, 2)*1_000_000),
	}
	if g.one(2) && o.Status == record.Pending {
		o.ExpiresAt = g.soon()
	}
	if g.one(12) {
		o.FulfilledBy = record.ByChannel
	} else if o.Status == record.Open {
		g.orders = append(g.orders, [2]string{o.Channel, o.OrderID})
	}
	if g.one(5) {
		o.ReadAt = journalStart + stock.Instant(g.n(0, 3))
	}
	for _, id := range []string{"1", "2", "3"} {
		if !g.one(2) && id != "1" {
			continue
		}
		l := record.OrderLine{LineID: id, SKU: g.of("x", "x", "y"), Quantity: g.q(4)}
		if g.likely(6) { // the SKU of a line seldom changes
			l.SKU = map[string]string{"1": "x", "2": "y", "3": "x"}[id]
		}
		if g.one(5) {
			l.SKU = "k"
		}
		if g.one(6) {
			l.SKU, l.Item = "", g.of("ix", "ix", "iy", "iz", "v")
		}
		if g.one(5) {
			l.Fulfilled = g.q0(int(l.Quantity))
		}
		if g.one(6) {
			l.Outlet = g.of("A", "B", "E")
		}
		if g.one(3) {
			l.Location = g.of("L1", "L2", "L9")
		}
		o.Lines = append(o.Lines, l)
	}
	return o
}

func (g *journalDraw) fulfilment() *record.Fulfilment {
	channel, id := g.someOrder()
	f := &record.Fulfilment{
		Pool: "p", Channel: channel, OrderID: id, FulfilmentID: g.of("f1", "f2", "f3", "f4", "f5"),
		ReportedBy: record.Warehouse, Outlet: g.of("", "A", "A", "B", "E"), ShippedAt: g.lately(20),
	}
	if g.one(3) {
		f.ReportedBy = record.ChannelReport
	}
	f.Lines = append(f.Lines, record.FulfilmentLine{LineID: g.of("1", "1", "2", "3", "9"), Quantity: g.q(3)})
	if g.one(4) {
		f.Lines = append(f.Lines, record.FulfilmentLine{LineID: g.of("2", "3"), Quantity: g.q(3)})
		if f.Lines[0].LineID == f.Lines[1].LineID {
			f.Lines = f.Lines[:1]
		}
	}
	return f
}

func (g *journalDraw) outlet(id string) *record.Outlet {
	o := &record.Outlet{
		Pool: "p", Outlet: id, Priority: int32(g.n(1, 3)), SellsOnline: g.likely(6), FulfilsOrders: g.likely(6),
		ChannelOwned: id == "D" || g.one(12), Deleted: g.one(12),
	}
	if g.one(4) {
		o.SafetyStock = g.q(2)
	}
	return o
}

var outletSets = [][]string{{"A"}, {"A", "B"}, {"B", "A"}, {"B", "C"}, {"A", "B", "C"}, {"C", "E"}, {}}

func (g *journalDraw) channel(id string) *record.Channel {
	c := &record.Channel{
		Pool: "p", Channel: id, Vendor: "webhook", Outlets: one(g, outletSets), RouteOrders: g.likely(6),
		Deleted: g.one(15), Policies: g.policies(), WhenStopped: record.StopZero,
		CountStatuses: record.CountStatuses{
			Merchant: []record.OrderStatus{record.Pending, record.Open, record.Cancelled}, Channel: []record.OrderStatus{record.Shipped, record.Cancelled},
		},
		LoweringStatuses: []record.OrderStatus{record.Pending, record.Open, record.Shipped},
	}
	if g.one(4) {
		c.CountStatuses.Merchant = []record.OrderStatus{record.Open, record.Shipped}
	}
	if g.one(5) {
		c.LoweringStatuses = []record.OrderStatus{record.Open, record.Shipped}
	}
	if g.one(3) {
		c.DefaultOutlet = g.of("A", "B", "E")
	}
	if g.one(3) {
		c.OwnOutlet = "D"
	}
	if g.one(4) {
		c.WhenStopped = record.StopLeave
	}
	if g.one(3) {
		c.Flows.ShipmentsOut = true
	}
	if id == "c2" && g.likely(3) {
		c.Locations = []record.Location{{Location: "L2", Outlets: []string{"A"}}, {Location: "L1", Outlets: []string{"B", "C"}}}
		if g.one(4) {
			c.Locations = c.Locations[1:]
		}
		for _, l := range c.Locations {
			for _, outlet := range l.Outlets {
				if !slices.Contains(c.Outlets, outlet) {
					c.Outlets = append(c.Outlets, outlet)
				}
			}
		}
	}
	return c
}

func (g *journalDraw) listing(channel, sku string) *record.Listing {
	l := &record.Listing{
		Pool: "p", Channel: channel, SKU: sku, OptedIn: g.likely(6), Tracked: g.likely(10), FulfilledBy: record.ByMerchant, Deleted: g.one(12),
		Policies: g.policies(),
	}
	if g.one(15) {
		l.FulfilledBy = record.ByChannel
	}
	if g.one(8) {
		l.PublishAt = g.soon()
	}
	if g.one(3) {
		l.ChannelIDs = record.Dict{{Key: "a", Value: "b"}, {Key: "item", Value: "i" + sku}, {Key: "variant", Value: "v"}}
	}
	return l
}

// policies draws dated rows.
func (g *journalDraw) policies() []record.Policy {
	var rows []record.Policy
	if g.one(8) {
		rows = append(rows, record.Policy{To: g.soon(), Buffer: 100, Percent: 100})
	}
	if g.one(6) {
		p := record.Policy{From: g.soon(), Buffer: 1, Percent: 100}
		if g.one(2) {
			p.To = p.From + stock.Instant(g.n(1, 10)*1_000_000)
		}
		rows = append(rows, p)
	}
	if g.one(3) {
		p := record.Policy{Buffer: g.q0(2), Percent: int32(g.n(0, 100)), Floor: g.q0(2)}
		if g.one(2) {
			most := g.q0(5)
			p.Cap = &most
		}
		rows = append(rows, p)
	}
	return rows
}

// journalLines prints a journal as JSON lines, for a failing run: the events alone can be sent or made a scenario of.
func journalLines(journal []record.JournalEntry) string {
	var b strings.Builder
	for i := range journal {
		e := &journal[i]
		fmt.Fprintf(&b, "# %d: origin %s/%d/%d, entry time %s\n%s\n", i, e.Origin.TopicID, e.Origin.Partition, e.Origin.Offset,
			e.EntryTime, codec.AppendEventJSON(nil, &e.Event))
	}
	return b.String()
}
