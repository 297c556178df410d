package engine_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// BenchmarkMemory prints what one thing of each kind takes, for the ids of which it allows ten bytes each: "row-B" in the store
// and "heap-B" in memory, both without the ids themselves. "limit-B" is what a row is allowed.
func BenchmarkMemory(b *testing.B) {
	const n, outlets = 20_000, 20
	at := func(i int) stock.Instant { return journalStart + stock.Instant(i)*1000 }
	receipt := func(i, outlet int) record.Event {
		return record.Event{Movement: &record.Movement{
			Pool: "p", Outlet: fmt.Sprintf("OUTLET-%03d", outlet), SKU: fmt.Sprintf("SKU-%06d", i), Kind: stock.Receipt,
			Quantity: 12_345, OccurredAt: at(i),
		}}
	}
	catalogue := func(m *memory) {
		var ids []string
		for o := range outlets {
			ids = append(ids, fmt.Sprintf("OUTLET-%03d", o))
			m.apply(b, record.Event{Outlet: &record.Outlet{Pool: "p", Outlet: ids[o], Priority: int32(o), SellsOnline: true, FulfilsOrders: true}})
		}
		m.apply(b, record.Event{Channel: &record.Channel{
			Pool: "p", Channel: "channel-01", Vendor: "webhook", Outlets: ids, RouteOrders: true, WhenStopped: record.StopZero,
			CountStatuses:    record.CountStatuses{Merchant: []record.OrderStatus{record.Pending, record.Open, record.Cancelled}},
			LoweringStatuses: []record.OrderStatus{record.Pending, record.Open, record.Shipped},
		}})
	}
	for _, kind := range []struct {
		name  string
		table engine.Table
		limit float64
		ids   int // in one of them
		per   int // of them, what the limit is of
		begin func(m *memory)
		each  func(m *memory, i int)
	}{
		{
			"SKU at 20 outlets", engine.TableStock, 450, 1 + outlets, 1, catalogue,
			func(m *memory, i int) {
				for o := range outlets {
					m.apply(b, receipt(i, o))
				}
			},
		},
		{
			"listing", engine.TableListings, 40, 2, 1, catalogue,
			func(m *memory, i int) {
				m.apply(b, record.Event{Listing: &record.Listing{
					Pool: "p", Channel: "channel-01", SKU: fmt.Sprintf("SKU-%06d", i), OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant,
				}})
			},
		},
		{
			"recent delta", engine.TableRecent, 12, 1 + 1, 50, catalogue,
			func(m *memory, i int) {
				for k := range 50 {
					e := receipt(i, 0)
					e.Movement.OccurredAt += stock.Instant(k) * 1_000_000
					m.apply(b, e)
				}
			},
		},
		{
			"closed order of 3 lines from one outlet", engine.TableOrders, 100, 2 + 2*3 + 3 + 1, 1,
			func(m *memory) {
				catalogue(m)
				for l := range 3 {
					e := receipt(l, 0)
					e.Movement.Quantity = 1_000_000
					m.apply(b, e)
				}
			},
			func(m *memory, i int) {
				o := &record.Order{
					Pool: "p", Channel: "channel-01", OrderID: fmt.Sprintf("%010d", i), Status: record.Open, UpdatedAt: at(i), PlacedAt: at(i), FulfilledBy: record.ByMerchant,
				}
				f := &record.Fulfilment{
					Pool: "p", Channel: "channel-01", OrderID: o.OrderID, FulfilmentID: fmt.Sprintf("F%09d", i), ReportedBy: record.Warehouse,
					Outlet: "OUTLET-000", ShippedAt: at(i),
				}
				for l := range 3 {
					id := fmt.Sprintf("LINE-%05d", l)
					o.Lines = append(o.Lines, record.OrderLine{LineID: id, SKU: fmt.Sprintf("SKU-%06d", l), Quantity: 1})
					f.Lines = append(f.Lines, record.FulfilmentLine{LineID: id, Quantity: 1})
				}
				m.apply(b, record.Event{Order: o})
				m.apply(b, record.Event{Fulfilment: f})
			},
		},
		{
			"event id", engine.TableSeen, 100, 1, 1, catalogue,
			func(m *memory, i int) {
				e := receipt(0, 0)
				e.Movement.EventID = fmt.Sprintf("wms-%06d", i)
				m.apply(b, e)
			},
		},
	} {
		b.Run(kind.name, func(b *testing.B) {
			m := memory{state: engine.NewState(), of: kind.table}
			if err := m.state.LoadPool("p", nil); err != nil {
				b.Fatal(err)
			}
			kind.begin(&m)
			m.flush()
			m.rows = map[string]int{}
			before := heap()
			for i := range n {
				kind.each(&m, i)
				m.flush()
			}
			held := heap() - before
			stored := 0
			for id, size := range m.rows {
				stored += size + len(id)
			}
			things := float64(n * kind.per)
			ids := float64(10*kind.ids) / float64(kind.per)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(stored)/things-ids, "row-B")
			b.ReportMetric(float64(held)/things-ids, "heap-B")
			b.ReportMetric(kind.limit, "limit-B")
			runtime.KeepAlive(m.state)
		})
	}
}

// memory applies events and knows how large the rows of one table are.
type memory struct {
	state   *engine.State
	changes engine.Changes
	version stock.Version
	of      engine.Table
	rows    map[string]int
	keys    []engine.RowKey
}

func (m *memory) apply(b *testing.B, event record.Event) {
	m.version++
	e := record.JournalEntry{Event: event, EntryTime: journalStart + stock.Instant(m.version)*10}
	for {
		if m.keys = m.state.Missing(m.keys[:0], &e); len(m.keys) == 0 {
			break
		}
		for _, k := range m.keys {
			if err := m.state.Load(k, nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := m.state.Apply(m.version, &e, &m.changes); err != nil {
		b.Fatal(err)
	}
}

func (m *memory) flush() {
	m.state.EachRow(&m.changes, func(w engine.RowWrite) {
		if w.Table == m.of && m.rows != nil {
			m.rows[w.ID] = len(w.Value)
		}
	})
	m.changes.Reset()
}

func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
