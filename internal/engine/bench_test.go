package engine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

const (
	benchSKUs    = 100_000
	benchOutlets = 20
	benchBatch   = 1000 // movements of one run of Changes
)

// BenchmarkMovements folds movements over 100,000 SKUs in 20 outlets, all of them in memory, in runs of 1,000 as the allocator does,
// and collects each run's outputs and rows. "x-bare-map" is how many times the time of a bare map update a movement takes to be
// folded; the map takes turns with the fold, so that a busy machine slows down both.
func BenchmarkMovements(b *testing.B) {
	for _, channels := range []int{0, 3} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			f := newBenchFold(b, channels)
			bare := f.bareMap()
			b.ReportAllocs()
			var folding, collecting, updating time.Duration
			n := 0
			for b.Loop() {
				run := f.movements[n%len(f.movements):][:benchBatch]
				n += benchBatch
				start := time.Now()
				looked := 0
				for i := range run {
					f.number(&run[i])
					if i == looked {
						looked += f.state.Look(run[i:])
					}
					f.apply(b, &run[i])
				}
				folded := time.Now()
				f.collect()
				collected := time.Now()
				bare(run)
				folding, collecting, updating = folding+folded.Sub(start), collecting+collected.Sub(folded), updating+time.Since(collected)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(folding)/float64(updating), "x-bare-map")
			b.ReportMetric(float64(n)/folding.Seconds(), "movements/s")
			b.ReportMetric(float64(n)/collecting.Seconds(), "collected/s")
		})
	}
}

// BenchmarkOrders folds orders of three lines: their first snapshot where one outlet can serve all, where two are needed, and in turn
// with the despatch of each.
func BenchmarkOrders(b *testing.B) {
	for _, kind := range []struct {
		name              string
		split, despatched bool
	}{{"one outlet", false, false}, {"two outlets", true, false}, {"despatched", false, true}} {
		b.Run(kind.name, func(b *testing.B) {
			f := newBenchFold(b, 3)
			r := rand.New(rand.NewPCG(2, 2))
			for i := range benchSKUs {
				if kind.split { // of every other SKU only the second outlet has any
					for o := range benchOutlets {
						m := &record.Movement{
							Pool: "p", Outlet: fmt.Sprintf("OUTLET-%02d", o), SKU: benchSKU(i), Kind: stock.Count, OccurredAt: journalStart,
						}
						if o == i%2 {
							m.Quantity = 1_000_000_000
						}
						f.fold(b, &record.JournalEntry{EntryTime: journalStart, Event: record.Event{Movement: m}})
					}
					continue
				}
				f.fold(b, &record.JournalEntry{EntryTime: journalStart, Event: record.Event{Movement: &record.Movement{
					Pool: "p", Outlet: "OUTLET-00", SKU: benchSKU(i), Kind: stock.Receipt, Quantity: 1_000_000, OccurredAt: journalStart,
				}}})
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				now := journalStart + stock.Instant(f.version)*1000
				order := &record.Order{
					Pool: "p", Channel: "channel-0", OrderID: fmt.Sprintf("%08d", n), Status: record.Open, UpdatedAt: now, FulfilledBy: record.ByMerchant,
				}
				despatch := &record.Fulfilment{
					Pool: "p", Channel: order.Channel, OrderID: order.OrderID, FulfilmentID: "f", ReportedBy: record.Warehouse, ShippedAt: now,
				}
				for i, id := range []string{"1", "2", "3"} {
					sku := benchSKU(r.IntN(benchSKUs/2)*2 + i%2)
					order.Lines = append(order.Lines, record.OrderLine{LineID: id, SKU: sku, Quantity: 1})
					despatch.Lines = append(despatch.Lines, record.FulfilmentLine{LineID: id, Quantity: 1})
				}
				f.fold(b, &record.JournalEntry{Event: record.Event{Order: order}, EntryTime: now})
				if kind.despatched {
					f.fold(b, &record.JournalEntry{Event: record.Event{Fulfilment: despatch}, EntryTime: now})
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "orders/s")
		})
	}
}

func benchSKU(i int) string { return fmt.Sprintf("SKU-%07d", i) }

type benchFold struct {
	state     *engine.State
	changes   engine.Changes
	movements []record.JournalEntry
	keys      []engine.RowKey
	version   stock.Version
	run       int
	collected int
}

func newBenchFold(b *testing.B, channels int) *benchFold {
	f := &benchFold{state: engine.NewState()}
	if err := f.state.LoadPool("p", nil); err != nil {
		b.Fatal(err)
	}
	f.settings(b)
	var outlets []string
	apply := func(e record.Event) {
		f.fold(b, &record.JournalEntry{Event: e, EntryTime: journalStart})
	}
	for i := range benchOutlets {
		outlets = append(outlets, fmt.Sprintf("OUTLET-%02d", i))
		apply(record.Event{Outlet: &record.Outlet{Pool: "p", Outlet: outlets[i], Priority: int32(i), SellsOnline: true, FulfilsOrders: true}})
	}
	for c := range channels {
		apply(record.Event{Channel: &record.Channel{Pool: "p", Channel: fmt.Sprintf("channel-%d", c), Outlets: outlets[c:], RouteOrders: true, WhenStopped: record.StopZero}})
	}
	skus := make([]string, benchSKUs)
	for i := range skus {
		skus[i] = benchSKU(i)
		for c := range channels {
			apply(record.Event{Listing: &record.Listing{
				Pool: "p", Channel: fmt.Sprintf("channel-%d", c), SKU: skus[i], OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant,
			}})
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range benchSKUs * 4 {
		sku := skus[r.IntN(len(skus))]
		kind := stock.Receipt
		if i%3 == 2 {
			kind = stock.Sale
		}
		f.movements = append(f.movements, record.JournalEntry{
			EntryTime: journalStart + stock.Instant(i),
			Origin:    record.Origin{TopicID: "0123456789abcdef", Topic: "movements", Partition: int32(i % 8), Offset: int64(i), Previous: -1},
			Event: record.Event{Movement: &record.Movement{
				Pool: "p", Outlet: outlets[r.IntN(benchOutlets)], SKU: sku, Kind: kind, Quantity: stock.Quantity(1 + r.IntN(20)), OccurredAt: journalStart,
				Source: "wms", Epoch: 1, Sequence: int64(i),
			}},
		})
	}
	for i := range f.movements { // every row is in memory, has its levels, and never runs out
		m := f.movements[i]
		fill := *m.Event.Movement
		fill.Kind, fill.Quantity = stock.Receipt, 1_000_000
		m.Event.Movement = &fill
		f.fold(b, &m)
	}
	return f
}

// settings gives the pool a window in which every shelf that moves does so more than once.
func (f *benchFold) settings(b *testing.B) {
	f.fold(b, &record.JournalEntry{EntryTime: journalStart, Event: record.Event{Pool: &record.Pool{
		Pool: "p", Ruleset: 1, Prefer: record.FewestOutlets, ReleaseOn: record.OnCancel, FulfilmentLowersOnHand: true, CountWindow: 20 * time.Minute,
		SingleOutlet: true, SplitOrders: true, SplitLines: true,
	}}})
}

// fold applies the entry and collects the run's changes every benchBatch entries.
func (f *benchFold) fold(b *testing.B, e *record.JournalEntry) {
	f.number(e)
	f.apply(b, e)
	if f.run++; f.run == benchBatch {
		f.run = 0
		f.collect()
	}
}

// number gives the entry the next version. What came before is sent again under new numbers, so that nothing is skipped.
func (f *benchFold) number(e *record.JournalEntry) {
	f.version++
	if e.Event.Movement != nil {
		e.Origin.Offset = int64(f.version)
		e.Event.Movement.Sequence = int64(f.version)
		e.EntryTime = journalStart + stock.Instant(f.version)*1000 // a thousand a second
		e.Event.Movement.OccurredAt = e.EntryTime
	}
}

func (f *benchFold) apply(b *testing.B, e *record.JournalEntry) {
	for {
		if f.keys = f.state.Missing(f.keys[:0], e); len(f.keys) == 0 {
			break
		}
		for _, k := range f.keys {
			if err := f.state.Load(k, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := f.state.Apply(f.version, e, &f.changes); err != nil {
		b.Fatal(err)
	}
}

func (f *benchFold) collect() {
	f.state.EachAvailability(&f.changes, func(a *record.Availability) { f.collected += len(a.Outlets) })
	f.state.EachOffer(&f.changes, func(o *record.OfferRecord) { f.collected++ })
	f.state.EachRow(&f.changes, func(w engine.RowWrite) { f.collected += len(w.Value) })
	f.changes.Reset()
}

// bareMap returns what adds movements to numbers in a map that holds all shelves: the floor.
func (f *benchFold) bareMap() func([]record.JournalEntry) {
	type shelf struct{ pool, sku, outlet string }
	levels := make(map[shelf]stock.Quantity, benchSKUs*4)
	update := func(entries []record.JournalEntry) {
		for i := range entries {
			m := entries[i].Event.Movement
			levels[shelf{m.Pool, m.SKU, m.Outlet}] += m.Kind.Delta(m.Quantity)
		}
	}
	update(f.movements)
	return update
}
