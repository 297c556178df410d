package engine_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/daemon"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

const (
	benchSKUs    = 100_000
	benchOutlets = 20
	benchBatch   = 1000    // movements of one run of Changes
	benchOrders  = 100_000 // orders in memory at most: an allocator lets go of rows, too
)

// BenchmarkMovements folds movements over 100,000 SKUs in 20 outlets, all of them in memory, in runs of 1,000 as the allocator does,
// and collects each run's outputs and rows. "x-bare-map" is how many times the time of a bare map update a movement takes to be
// folded; the map takes turns with the fold, so that a busy machine slows down both.
func BenchmarkMovements(b *testing.B) {
	for _, channels := range []int{0, 3} {
		b.Run(fmt.Sprintf("channels=%d", channels), func(b *testing.B) {
			f := newBenchFold(b, channels, true)
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

// BenchmarkOrders folds orders of three lines: their first snapshot where one outlet can serve all, where two are needed, where every
// line also moves the offers of three channels, and that in turn with the despatch of each. "x-bare-map" is as in BenchmarkMovements, a
// map update for every line.
func BenchmarkOrders(b *testing.B) {
	for _, kind := range []struct {
		name                      string
		split, listed, despatched bool
	}{{name: "one outlet"}, {name: "two outlets", split: true}, {name: "three channels", listed: true}, {name: "despatched", listed: true, despatched: true}} {
		b.Run(kind.name, func(b *testing.B) {
			f := newBenchFold(b, 3, kind.listed)
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
			bare := f.bareMap()
			b.ReportAllocs()
			var folding, collecting, updating time.Duration
			n := 0
			var run []record.JournalEntry
			for b.Loop() {
				b.StopTimer()
				run = run[:0]
				for range benchBatch {
					n++
					order, despatch := benchOrder(r, n, kind.split)
					run = append(run, order)
					if kind.despatched {
						run = append(run, despatch)
					}
				}
				b.StartTimer()
				start := time.Now()
				looked := 0
				for i := range run {
					f.number(&run[i])
					run[i].EntryTime = journalStart + stock.Instant(f.version)*1000
					if i == looked {
						looked += f.state.Look(run[i:])
					}
					f.apply(b, &run[i])
				}
				folded := time.Now()
				before := f.collected
				f.collect()
				if f.collected == before {
					b.Fatal("no order has counted")
				}
				collected := time.Now()
				bare(run)
				folding, collecting, updating = folding+folded.Sub(start), collecting+collected.Sub(folded), updating+time.Since(collected)
				if n%benchOrders == 0 {
					b.StopTimer()
					folding += f.forgetOrders()
					b.StartTimer()
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(folding)/float64(updating), "x-bare-map")
			b.ReportMetric(float64(n)/folding.Seconds(), "orders/s")
			b.ReportMetric(float64(n)/collecting.Seconds(), "collected/s")
		})
	}
}

// benchOrder returns order n, of a unit of each of three SKUs, and its despatch. No outlet has the SKUs of a split order together.
func benchOrder(r *rand.Rand, n int, split bool) (order, despatch record.JournalEntry) {
	o := &record.Order{
		Pool: "p", Channel: "channel-0", OrderID: fmt.Sprintf("%08d", n), Status: record.Open, FulfilledBy: record.ByMerchant,
		UpdatedAt: journalStart + stock.Instant(n),
	}
	d := &record.Fulfilment{
		Pool: "p", Channel: o.Channel, OrderID: o.OrderID, FulfilmentID: "f", ReportedBy: record.Warehouse, ShippedAt: o.UpdatedAt,
	}
	for i, id := range []string{"1", "2", "3"} {
		sku := r.IntN(benchSKUs)
		if split {
			sku = sku/2*2 + i%2
		}
		o.Lines = append(o.Lines, record.OrderLine{LineID: id, SKU: benchSKU(sku), Quantity: 1})
		d.Lines = append(d.Lines, record.FulfilmentLine{LineID: id, Quantity: 1})
	}
	return record.JournalEntry{Event: record.Event{Order: o}}, record.JournalEntry{Event: record.Event{Fulfilment: d}}
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

// newBenchFold returns a fold whose SKUs have stock, and whose channels list all of them or none.
func newBenchFold(b *testing.B, channels int, listed bool) *benchFold {
	daemon.LargePages() // as an allocator has
	daemon.CollectAt(daemon.CollectRarely)
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
		apply(record.Event{Channel: &record.Channel{
			Pool: "p", Channel: fmt.Sprintf("channel-%d", c), Outlets: outlets[c:], RouteOrders: true, WhenStopped: record.StopZero, LowersOwnLevel: true,
			CountStatuses:    record.CountStatuses{Merchant: []record.OrderStatus{record.Pending, record.Open, record.Cancelled}},
			LoweringStatuses: []record.OrderStatus{record.Pending, record.Open, record.Shipped},
		}})
	}
	skus := make([]string, benchSKUs)
	for i := range skus {
		skus[i] = benchSKU(i)
		for c := range channels {
			if !listed {
				break
			}
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

// forgetOrders evicts the orders, but no SKU, and returns how long it takes.
func (f *benchFold) forgetOrders() time.Duration {
	for i := range benchSKUs {
		f.keys = f.state.Missing(f.keys[:0], &record.JournalEntry{Event: record.Event{Movement: &record.Movement{Pool: "p", SKU: benchSKU(i)}}})
	}
	start := time.Now()
	f.state.Evict(math.MaxInt)
	return time.Since(start)
}

// bareMap returns what adds movements to numbers in a map that holds all shelves, and takes order lines from them: the floor.
func (f *benchFold) bareMap() func([]record.JournalEntry) {
	type shelf struct{ pool, sku, outlet string }
	levels := make(map[shelf]stock.Quantity, benchSKUs*4)
	update := func(entries []record.JournalEntry) {
		for i := range entries {
			switch e := &entries[i].Event; {
			case e.Movement != nil:
				m := e.Movement
				levels[shelf{m.Pool, m.SKU, m.Outlet}] += m.Kind.Delta(m.Quantity)
			case e.Order != nil:
				for k := range e.Order.Lines {
					levels[shelf{e.Order.Pool, e.Order.Lines[k].SKU, "OUTLET-00"}] -= e.Order.Lines[k].Quantity
				}
			}
		}
	}
	update(f.movements)
	return update
}
