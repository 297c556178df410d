package allocator_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/engine/enginetest"
	"github.com/shelfwire/shelfwire/internal/output"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// day is when the test's events happen.
var day = stock.InstantOf(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))

// entries makes n journal entries of two pools: a small catalogue, then movements, orders in all their states, despatches, marks,
// and what a pool must refuse.
func entries(seed uint64, n int) []record.JournalEntry {
	rnd := rand.New(rand.NewPCG(seed, 1))
	var events []record.Event
	add := func(e record.Event) { events = append(events, e) }
	pools := []string{"acme", "b/1"}
	outlets, channels := []string{"MTL", "SHE", "LAV"}, []string{"web", "shop"}
	for _, pool := range pools {
		for i, o := range outlets {
			add(record.Event{Outlet: &record.Outlet{Pool: pool, Outlet: o, Priority: int32(i), SellsOnline: true, FulfilsOrders: true}})
		}
		for _, ch := range channels {
			add(record.Event{Channel: &record.Channel{
				Pool: pool, Channel: ch, Vendor: "webhook", Outlets: outlets, RouteOrders: true, Account: "account-" + ch, WhenStopped: record.StopZero,
				CountStatuses:    record.CountStatuses{Merchant: []record.OrderStatus{record.Pending, record.Open, record.Cancelled}},
				LoweringStatuses: []record.OrderStatus{record.Pending, record.Open, record.Shipped},
				Flows:            record.Flows{Stock: true, Orders: true, ShipmentsOut: true},
				Policies:         []record.Policy{{Percent: 100}},
			}})
		}
	}
	pick := func(s []string) string { return s[rnd.IntN(len(s))] }
	for i := len(events); i < n; i++ {
		pool, channel, sku := pick(pools), pick(channels), fmt.Sprintf("SKU-%d", rnd.IntN(12))
		at := day.Add(time.Duration(i) * time.Second)
		order := fmt.Sprintf("%d", rnd.IntN(1+n/20))
		switch rnd.IntN(12) {
		case 0:
			add(record.Event{Listing: &record.Listing{Pool: pool, Channel: channel, SKU: sku, OptedIn: rnd.IntN(4) > 0, Tracked: true, FulfilledBy: record.ByMerchant,
				ChannelIDs: record.Dict{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}, Policies: []record.Policy{{Percent: 100, Buffer: stock.Quantity(rnd.IntN(3))}}}})
		case 1, 2, 3:
			o := &record.Order{Pool: pool, Channel: channel, OrderID: order, Status: record.Open, PlacedAt: day, UpdatedAt: at, FulfilledBy: record.ByMerchant}
			if rnd.IntN(5) == 0 {
				o.Status = []record.OrderStatus{record.Cancelled, record.Shipped, record.Pending}[rnd.IntN(3)]
			}
			for l := range 1 + rnd.IntN(3) {
				o.Lines = append(o.Lines, record.OrderLine{LineID: fmt.Sprint(l), SKU: fmt.Sprintf("SKU-%d", rnd.IntN(12)), Quantity: stock.Quantity(1 + rnd.IntN(4))})
			}
			add(record.Event{Order: o})
		case 4:
			add(record.Event{Fulfilment: &record.Fulfilment{Pool: pool, Channel: channel, OrderID: order, FulfilmentID: fmt.Sprint(i), ReportedBy: record.Warehouse,
				Outlet: pick(outlets), ShippedAt: at, Carrier: "Colissimo", Tracking: "6A", Lines: []record.FulfilmentLine{{LineID: "0", Quantity: 1}}}})
		case 5:
			add(record.Event{Mark: &record.Mark{Pool: pool, Channel: pick([]string{"web", "shop", "unknown"}), OrdersUntil: at}})
		case 6:
			add(record.Event{Outlet: &record.Outlet{Pool: pool, Outlet: pick(outlets), Priority: int32(rnd.IntN(3)), SellsOnline: rnd.IntN(4) > 0, FulfilsOrders: true, SafetyStock: 1}})
		default:
			m := &record.Movement{Pool: pool, Outlet: pick([]string{"MTL", "SHE", "LAV", "undeclared"}), SKU: sku, Kind: stock.Receipt, Quantity: stock.Quantity(1 + rnd.IntN(9)), OccurredAt: at}
			if rnd.IntN(2) == 0 {
				m.Kind = stock.Sale
			}
			if rnd.IntN(3) == 0 {
				m.EventID = fmt.Sprintf("event-%d", rnd.IntN(n/8+1))
			} else if rnd.IntN(3) == 0 {
				m.Source, m.Epoch, m.Sequence = "wms", 1, int64(rnd.IntN(n/4+1))
			}
			add(record.Event{Movement: m})
		}
	}
	journal := make([]record.JournalEntry, 0, len(events))
	for i, e := range events {
		at := day.Add(time.Duration(i) * time.Second)
		journal = append(journal, record.JournalEntry{
			Event: e, EntryTime: at,
			Origin: record.Origin{TopicID: "aa", Topic: "movements", Partition: int32(i % 2), Offset: int64(i), Previous: -1, Time: at},
		})
		if rnd.IntN(20) == 0 { // ingest crashed and sent it again
			journal = append(journal, journal[rnd.IntN(len(journal))])
		}
	}
	return journal[:n]
}

// said names one output record.
type said struct {
	topic   stream.Topic
	key     string
	version stock.Version
}

// An oracle is the journal folded entry by entry by somebody else.
type oracle struct {
	rows   enginetest.Rows
	said   map[said]string // every record that any batching may give
	newest map[said]said   // by topic and key (version 0): the record that must be there
}

func newOracle(t *testing.T, journal int32, all []record.JournalEntry) *oracle {
	t.Helper()
	o := &oracle{said: map[said]string{}, newest: map[said]said{}}
	var p enginetest.Pipeline
	state := engine.NewState()
	for i := range all {
		if _, err := p.Fold(all[i]); err != nil {
			t.Fatalf("fold entry %d: %v", i, err)
		}
		o.speak(t, state, journal, int64(i), &all[i])
	}
	o.rows = p.Rows
	return o
}

// speak folds the entry as a batch of its own and keeps what it says.
func (o *oracle) speak(t *testing.T, state *engine.State, journal int32, offset int64, e *record.JournalEntry) {
	t.Helper()
	pool := e.Event.PoolID()
	if !state.HasPool(pool) {
		if err := state.LoadPool(pool, nil); err != nil {
			t.Fatal(err)
		}
	}
	for missing := state.Missing(nil, e); len(missing) > 0; missing = state.Missing(nil, e) {
		for _, k := range missing {
			if err := state.Load(k, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	var c engine.Changes
	v := stock.VersionAt(0, offset)
	if err := state.Apply(v, e, &c); err != nil {
		t.Fatal(err)
	}
	var b output.Batch
	b.Fill(state, &c, journal, []output.Entry{{Version: v, JournalEntry: e}})
	c.Reset()
	for _, m := range slices.Concat(b.Messages, b.Marks) {
		s := say(t, m)
		o.said[s] = string(m.Value)
		o.newest[said{topic: s.topic, key: s.key}] = s
	}
}

// say reads which record a message is.
func say(t *testing.T, m stream.Message) said {
	t.Helper()
	var v stock.Version
	var err error
	switch m.Topic {
	case stream.Availability:
		var r record.Availability
		err = codec.DecodeAvailability(m.Value, &r)
		v = r.Version
	case stream.Allocations:
		var r record.Allocation
		err = codec.DecodeAllocation(m.Value, &r)
		v = r.Version
	case stream.Offers:
		var r record.OfferRecord
		err = codec.DecodeOfferRecord(m.Value, &r)
		switch {
		case r.Offer != nil:
			v = r.Offer.Version
		case r.ChannelState != nil:
			v = r.ChannelState.Version
		case r.Mark != nil:
			v = r.Mark.Version
		}
	case stream.Shipments:
		var r record.ShipmentNotice
		err = codec.DecodeShipmentNotice(m.Value, &r)
		v = r.Version
	case stream.Rejections:
		var r record.Rejection
		err = codec.DecodeRejection(m.Value, &r)
		v = r.Version
	}
	if err != nil || v == 0 {
		t.Fatalf("message of %s with key %q: version %d, %v", m.Topic, m.Key, v, err)
	}
	return said{m.Topic, string(m.Key), v}
}

// covered checks that no mark stands before an offer that it covers: when it is written, of every listing of its channel a record
// at least as new as the newest offer up to the mark must be there.
func (o *oracle) covered(t *testing.T, messages []stream.Message) {
	t.Helper()
	written := map[string]stock.Version{} // by key, the newest so far
	for _, m := range messages {
		if m.Topic != stream.Offers {
			continue
		}
		mark := say(t, m)
		written[mark.key] = max(written[mark.key], mark.version)
		parts := stream.SplitKey(mark.key)
		if len(parts) != 3 {
			continue
		}
		for s := range o.said {
			offer := stream.SplitKey(s.key)
			if s.topic == stream.Offers && len(offer) == 4 && offer[0] == parts[0] && offer[1] == parts[1] && s.version <= mark.version && s.version > written[s.key] {
				t.Fatalf("the mark of version %d was written before offer %+v", mark.version, s)
			}
		}
	}
}

// check compares what was written with the oracle: every record is the fold's at its version, the newest of each key is there,
// and a mark never stands before an offer that it covers.
func (o *oracle) check(t *testing.T, messages []stream.Message, rows map[engine.RowKey][]byte) {
	t.Helper()
	if len(messages) == 0 || len(rows) == 0 {
		t.Fatalf("%d messages and %d rows were written", len(messages), len(rows))
	}
	written := map[said]bool{}
	for _, m := range messages {
		s := say(t, m)
		want, ok := o.said[s]
		if !ok {
			t.Fatalf("%+v was written, the fold never says it", s)
		}
		if want != string(m.Value) {
			t.Fatalf("%+v was written as %x, the fold says %x", s, m.Value, want)
		}
		written[s] = true
	}
	o.covered(t, messages)
	for _, s := range o.newest {
		if !written[s] {
			t.Errorf("%+v, the newest of its key, is not there", s)
		}
	}
	for s := range o.said {
		if (s.topic == stream.Rejections || s.topic == stream.Shipments) && !written[s] {
			t.Errorf("%+v is not there, and none may be left out", s)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(o.rows), compareKeys) {
		if string(rows[k]) != string(o.rows[k]) {
			t.Errorf("row %v = %q, want %q", k, rows[k], o.rows[k])
		}
	}
	for k := range rows {
		if _, ok := o.rows[k]; !ok {
			t.Errorf("row %v = %q, want none", k, rows[k])
		}
	}
}

func compareKeys(a, b engine.RowKey) int {
	switch {
	case a.Table != b.Table:
		return int(a.Table) - int(b.Table)
	case a.Pool != b.Pool:
		return slices.Compare([]byte(a.Pool), []byte(b.Pool))
	}
	return slices.Compare([]byte(a.ID), []byte(b.ID))
}
