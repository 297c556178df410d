package historytest

import (
	"testing"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// testFields stores records with every field set and gets them back.
func testFields(t *testing.T, s Store) {
	ctx := t.Context()
	c := said(0, "shop", "SHIRT", record.Unknown, 5, 7)
	c.Communication.Location, c.Communication.Kind, c.Communication.Compare = "loc/1", record.CompareAndSet, quantity(0)
	c.Communication.Expected, c.Communication.Level, c.Communication.Reply = quantity(-1), quantity(3), "déjà “vu”"
	c.Communication.Command, c.Communication.Attempt = "push-1", 2
	o := offer(0, "shop", "SHIRT", 5, 7)
	o.Offer.Offer.Location, o.Offer.Offer.Stopped = "loc/1", true
	bare := offer(1, "shop", "SHIRT", 6, 0)
	bare.Offer.Offer.Inputs, bare.Offer.Offer.ChannelIDs, bare.Offer.Offer.Times = record.OfferInputs{}, nil, record.Times{}
	give(t, s, stream.Communications, 1, c)
	give(t, s, stream.Offers, 1, o, bare)
	x := rejection(0, "journal/0/12/3")
	give(t, s, stream.Rejections, 0, x)

	same(t, "told", told(t, s, "shop", "SHIRT"), []auditview.ToldRow{{
		Told: auditview.Told{Communication: *c.Communication, Offset: 0, RecordedAt: at(0)}, Offer: o.Offer.Offer,
	}})
	same(t, "offers", must(s.Offers(ctx, "acme", "shop", "SHIRT", 10))(t), []record.Offer{*o.Offer.Offer, *bare.Offer.Offer})
	same(t, "the newest offer", must(s.Offers(ctx, "acme", "shop", "SHIRT", 1))(t), []record.Offer{*bare.Offer.Offer})
	same(t, "rejections", must(s.Rejections(ctx, "", 10))(t), []record.Rejection{*x.Rejection})

	// What no question asks for is stored all the same.
	give(t, s, stream.Allocations, 0, history.Row{Offset: 0, Time: at(1), Allocation: &record.Allocation{
		Pool: "acme", Channel: "shop", OrderID: "1001", State: record.PartiallyShipped, Version: 9, ChangedAt: at(9), UpdatedAt: at(8),
		FulfilledBy: record.ByMerchant, Decision: record.Decision{Rule: "one_outlet", Exact: true},
		Lines: []record.AllocationLine{
			{LineID: "1", SKU: "SHIRT", Ordered: 3, Waiting: 1, Fulfilled: 1, Allocations: []record.LineAllocation{{Outlet: "LAV", Quantity: 2, Fulfilled: 1}}},
			{LineID: "2", SKU: "", Held: true},
		},
	}})
	give(t, s, stream.Shipments, 0, history.Row{Offset: 0, Time: at(1), Shipment: &record.ShipmentNotice{
		Pool: "acme", Channel: "shop", Account: "acme/shop", OrderID: "1001", FulfilmentID: "f1", Outlet: "LAV", ShippedAt: at(9), Carrier: "DHL",
		Tracking: "00340", Lines: []record.FulfilmentLine{{LineID: "1", Quantity: 1}}, Version: 10,
	}})
	order := movement(4)
	order.Journal.Event = record.Event{Order: &record.Order{
		Pool: "acme", Channel: "shop", OrderID: "1001", Status: record.Open, PlacedAt: at(1), UpdatedAt: at(2), FulfilledBy: record.ByMerchant,
		Lines: []record.OrderLine{{LineID: "1", SKU: "SHIRT", Quantity: 3, Fulfilled: 1}},
	}}
	tick := movement(5)
	tick.Journal.Event, tick.Journal.Origin = record.Event{Tick: &record.Tick{Pool: "acme"}}, record.Origin{Previous: -1}
	give(t, s, stream.Journal, 0, movement(3), order, tick)
	same(t, "entries", must(s.CountJournal(ctx, 0, 0, 6))(t), int64(3))
	give(t, s, stream.Offers, 0, history.Row{Offset: 0, Time: at(1), Offer: &record.OfferRecord{Mark: &record.ChannelMark{
		Pool: "acme", Channel: "shop", Account: "acme/shop", OrdersUntil: at(7), Version: 11,
	}}})
}

func channelState(offset int64, channel, vendor string, version stock.Version, deleted bool) history.Row {
	return history.Row{Offset: offset, Time: at(int(version)), Offer: &record.OfferRecord{ChannelState: &record.ChannelState{
		Channel: record.Channel{Pool: "acme", Channel: channel, Vendor: vendor, Deleted: deleted, LowersOwnLevel: channel == "shop"}, Version: version,
	}}}
}

func markOf(offset int64, channel string, until int, version stock.Version) history.Row {
	return history.Row{Offset: offset, Time: at(until), Offer: &record.OfferRecord{Mark: &record.ChannelMark{
		Pool: "acme", Channel: channel, Account: "acme/" + channel, OrdersUntil: at(until), Version: version,
	}}}
}

func testQuestions(t *testing.T, s Store) {
	ctx := t.Context()
	stopped := offer(5, "shop", "SOCK", 9, 0)
	stopped.Offer.Offer.Stopped = true
	give(t, s, stream.Journal, 0, movement(0), movement(3))
	give(t, s, stream.Availability, 0, availability(0, "SHIRT", 5, 10), availability(1, "HAT", 6, 1), availability(2, "SHIRT", 8, 9))
	give(t, s, stream.Offers, 0,
		channelState(0, "shop", "shopify", 2, false), channelState(1, "market", "webhook", 3, false), channelState(2, "market", "webhook", 10, true),
		offer(3, "shop", "SHIRT", 5, 7), offer(4, "market", "SHIRT", 5, 6), stopped, offer(6, "shop", "SHIRT", 8, 6),
		markOf(7, "shop", 4, 9), markOf(8, "shop", 6, 12))
	give(t, s, stream.Communications, 0,
		said(0, "shop", "SHIRT", record.Observed, 5, 2), said(1, "shop", "SHIRT", record.Attempted, 5, 7), said(2, "shop", "SHIRT", record.Acknowledged, 5, 7),
		said(3, "shop", "SHIRT", record.Attempted, 8, 6))
	give(t, s, stream.Communications, 3, said(0, "market", "SHIRT", record.Attempted, 5, 6), said(1, "market", "SHIRT", record.Unknown, 5, 6))

	same(t, "pools", must(s.Pools(ctx))(t), []string{"acme"})
	same(t, "channels", must(s.Channels(ctx, "acme"))(t), []auditview.ChannelRow{
		{Channel: "market", Vendor: "webhook", Account: "acme/market", Deleted: true, Listings: 1, Failing: 1},
		{Channel: "shop", Vendor: "shopify", Account: "acme/shop", LowersOwnLevel: true, Listings: 1, OrdersUntil: at(6)},
	})
	same(t, "shop lowers its own level", must(s.LowersOwnLevel(ctx, "acme", "shop"))(t), true)
	same(t, "market lowers its own level", must(s.LowersOwnLevel(ctx, "acme", "market"))(t), false)
	same(t, "a channel without settings lowers its own level", must(s.LowersOwnLevel(ctx, "acme", "nobody"))(t), true)
	same(t, "totals", must(s.Totals(ctx, "acme"))(t), auditview.Totals{
		SKUs: 3, OnHand: 10, OnOrder: 6, Available: 4, Backordered: 2, Listings: 2, Failing: 1, Communications: 3, LastEntry: at(3), LastCommunication: at(3),
	})
	same(t, "stock", must(s.Stock(ctx, auditview.StockFilter{Pool: "acme", Limit: 10}))(t), []auditview.StockRow{
		{SKU: "HAT", OnHand: 1, OnOrder: 3, Available: -2, Backordered: 2, Version: 6, ChangedAt: at(6)},
		{SKU: "SHIRT", OnHand: 9, OnOrder: 3, Available: 6, Version: 8, ChangedAt: at(8), Channels: []auditview.ChannelStock{
			{
				Channel: "market", Offer: auditview.OfferNow{Quantity: 6, Sold: 4, Released: 1, Version: 5, ChangedAt: at(5), Reason: "in_stock"},
				State: record.Unknown, StateAt: at(1), Failing: true,
			},
			{
				Channel: "shop", Offer: auditview.OfferNow{Quantity: 6, Sold: 4, Released: 1, Version: 8, ChangedAt: at(8), Reason: "in_stock"},
				Told: auditview.ToldNow{Quantity: 7, Sold: 4, Released: 1, Version: 5, At: at(2)}, State: record.Attempted, StateAt: at(3),
				Observed: quantity(2), ObservedAt: at(0),
			},
		}},
		{SKU: "SOCK", Channels: []auditview.ChannelStock{
			{Channel: "shop", Offer: auditview.OfferNow{Sold: 4, Released: 1, Version: 9, ChangedAt: at(9), Reason: "in_stock", Stopped: true}},
		}},
	})
	rows := told(t, s, "shop", "SHIRT")
	same(t, "told", offsets(rows), []int64{3, 2, 1, 0})
	for _, r := range rows {
		if r.Offer == nil || r.Offer.Version != r.OfferVersion {
			t.Errorf("communication %d: got offer %+v, want version %d", r.Offset, r.Offer, r.OfferVersion)
		}
	}
	page := must(s.Told(ctx, auditview.ToldFilter{Pool: "acme", Channel: "shop", SKU: "SHIRT", Before: 3, Limit: 2}))(t)
	same(t, "told before 3", offsets(page), []int64{2, 1})
}

func testPages(t *testing.T, s Store) {
	ctx := t.Context()
	give(t, s, stream.Availability, 0, availability(0, "b-1", 1, 1), availability(1, "B-2", 2, 1), availability(2, "a_%", 3, 1), availability(3, "ö", 4, 1))
	skus := func(f auditview.StockFilter) []string {
		f.Pool = "acme"
		all := []string{}
		for _, r := range must(s.Stock(ctx, f))(t) {
			all = append(all, r.SKU)
		}
		return all
	}
	same(t, "all", skus(auditview.StockFilter{Limit: 10}), []string{"B-2", "a_%", "b-1", "ö"})
	same(t, "first page", skus(auditview.StockFilter{Limit: 2}), []string{"B-2", "a_%"})
	same(t, "second page", skus(auditview.StockFilter{After: "a_%", Limit: 2}), []string{"b-1", "ö"})
	same(t, "search", skus(auditview.StockFilter{Search: "b-", Limit: 10}), []string{"B-2", "b-1"})
	same(t, "search for a wildcard", skus(auditview.StockFilter{Search: "_%", Limit: 10}), []string{"a_%"})
	same(t, "search for nothing there", skus(auditview.StockFilter{Search: "'", Limit: 10}), []string{})
	same(t, "another pool", len(must(s.Stock(ctx, auditview.StockFilter{Pool: "acm", Limit: 10}))(t)), 0)
}

// testFailedDespatches plays what may come of telling a despatch. Each order is one interleaving.
func testFailedDespatches(t *testing.T, s Store) {
	const (
		attempted, acked, rejected = record.Attempted, record.Acknowledged, record.CommunicationRejected
		unknown, quarantined       = record.Unknown, record.Quarantined
	)
	offset := int64(0)
	want := []string{}
	for _, p := range []struct {
		order  string
		states []record.CommunicationState
		fails  bool
	}{
		{"told", []record.CommunicationState{attempted, acked}, false},
		{"under way", []record.CommunicationState{attempted}, false},
		{"unknown", []record.CommunicationState{attempted, unknown}, true},
		{"unknown, told", []record.CommunicationState{attempted, unknown, attempted, acked}, false},
		{"put aside", []record.CommunicationState{attempted, rejected, quarantined}, true},
		{"put aside, tried again", []record.CommunicationState{attempted, rejected, quarantined, attempted}, true},
		{"held", []record.CommunicationState{record.Held}, true},
	} {
		rows := make([]history.Row, 0, len(p.states))
		for _, state := range p.states {
			rows = append(rows, history.Row{Offset: offset, Time: at(int(offset)), Communication: &record.Communication{
				Pool: "acme", Channel: "shop", Account: "acme/shop", OrderID: p.order, FulfilmentID: "f", Kind: record.ConfirmShipment, State: state,
				Attempt: 1, IdempotencyKey: "key", RequestID: "key", OfferVersion: 7, Quantity: 2, Sequence: 9, Reason: "why", Command: "c",
				OccurredAt: at(1), AttemptedAt: at(2), RepliedAt: at(3), ReplyClass: "refused", Reply: "no", ReplyID: "theirs",
			}})
			offset++
		}
		give(t, s, stream.Communications, 0, rows...)
		if p.fails {
			want = append([]string{p.order}, want...)
		}
	}
	give(t, s, stream.Communications, 0, said(offset, "shop", "A", record.Held, 5, 7))
	got := []string{}
	rows := must(s.Failures(t.Context(), "acme", 100))(t)
	same(t, "the newest", rows[0].SKU, "A")
	for _, r := range rows[1:] {
		got = append(got, r.OrderID)
	}
	same(t, "despatches that failed, newest first", got, want)
	same(t, "newest two", len(must(s.Failures(t.Context(), "", 2))(t)), 2)
	same(t, "of another pool", len(must(s.Failures(t.Context(), "other", 100))(t)), 0)
	f := rows[1]
	whole := record.Communication{
		Pool: "acme", Channel: "shop", Account: "acme/shop", OrderID: "held", FulfilmentID: "f", Kind: record.ConfirmShipment, State: record.Held,
		Attempt: 1, IdempotencyKey: "key", RequestID: "key", OfferVersion: 7, Quantity: 2, Sequence: 9, Reason: "why", Command: "c",
		OccurredAt: at(1), AttemptedAt: at(2), RepliedAt: at(3), ReplyClass: "refused", Reply: "no", ReplyID: "theirs",
	}
	same(t, "a failed despatch", f.Communication, whole)
	// They are of no listing: no table shows one for them.
	same(t, "SKUs", must(s.Totals(t.Context(), "acme"))(t).SKUs, int64(1))
	same(t, "rows of the table", len(must(s.Stock(t.Context(), auditview.StockFilter{Pool: "acme", Limit: 100}))(t)), 1)
}

// testFailures plays what may come after a failure. Each SKU is one interleaving.
func testFailures(t *testing.T, s Store) {
	const (
		attempted, acked, rejected = record.Attempted, record.Acknowledged, record.CommunicationRejected
		unknown, observed          = record.Unknown, record.Observed
		held, quarantined          = record.Held, record.Quarantined
	)
	plays := []struct {
		sku    string
		states []record.CommunicationState
		want   record.CommunicationState // 0: not failing
	}{
		{"acknowledged", []record.CommunicationState{attempted, acked}, 0},
		{"rejected", []record.CommunicationState{attempted, rejected}, rejected},
		{"rejected, tried again", []record.CommunicationState{attempted, rejected, attempted}, rejected},
		{"rejected, then acknowledged", []record.CommunicationState{attempted, rejected, attempted, acked}, 0},
		{"stale, then read", []record.CommunicationState{attempted, rejected, observed}, 0},
		{"unknown", []record.CommunicationState{attempted, unknown}, unknown},
		{"unknown, read back", []record.CommunicationState{attempted, unknown, observed}, 0},
		{"read, then unknown", []record.CommunicationState{observed, attempted, unknown}, unknown},
		{"unknown, replayed", []record.CommunicationState{attempted, unknown, attempted, acked}, 0},
		{"quarantined", []record.CommunicationState{rejected, quarantined}, quarantined},
		{"quarantined, read", []record.CommunicationState{quarantined, observed}, quarantined},
		{"held", []record.CommunicationState{acked, held}, held},
		{"only read", []record.CommunicationState{observed}, 0},
	}
	offset := int64(0)
	want := []string{}
	for _, p := range plays {
		rows := make([]history.Row, 0, len(p.states))
		for _, state := range p.states {
			rows = append(rows, said(offset, "shop", p.sku, state, 5, 7))
			offset++
		}
		give(t, s, stream.Communications, 0, rows...)
		if p.want != 0 {
			want = append([]string{p.sku}, want...)
		}
	}
	got := []string{}
	rows := must(s.Failures(t.Context(), "acme", 100))(t)
	for _, r := range rows {
		got = append(got, r.SKU)
		for _, p := range plays {
			if p.sku == r.SKU && p.want != r.State {
				t.Errorf("%s: got state %d, want %d", p.sku, r.State, p.want)
			}
		}
	}
	same(t, "failing, newest first", got, want)
	same(t, "newest two", len(must(s.Failures(t.Context(), "", 2))(t)), 2)
	same(t, "of another pool", len(must(s.Failures(t.Context(), "other", 100))(t)), 0)
	for _, r := range must(s.Stock(t.Context(), auditview.StockFilter{Pool: "acme", Limit: 100}))(t) {
		for _, p := range plays {
			if p.sku == r.SKU && r.Channels[0].Failing != (p.want != 0) {
				t.Errorf("%s: failing %v in the table", p.sku, r.Channels[0].Failing)
			}
		}
	}
}

// testLate has a former owner of a channel write what it has to say after the new one has had its say: the new owner's word holds,
// whatever the offsets.
func testLate(t *testing.T, s Store) {
	word := func(offset, sequence int64, sku string, state record.CommunicationState, q stock.Quantity) history.Row {
		r := said(offset, "shop", sku, state, 5, q)
		r.Communication.Sequence = sequence
		return r
	}
	give(t, s, stream.Communications, 0,
		word(0, 5, "told", record.Attempted, 7), word(1, 8, "told", record.Attempted, 7), word(2, 9, "told", record.Acknowledged, 7),
		word(3, 9, "told", record.Observed, 7),
		word(4, 6, "told", record.Acknowledged, 3), word(5, 6, "told", record.Observed, 3), word(6, 6, "told", record.Unknown, 3),

		word(7, 5, "unknown", record.Attempted, 7), word(8, 8, "unknown", record.Unknown, 7), word(9, 6, "unknown", record.Acknowledged, 7),
		word(10, 5, "unread", record.Attempted, 7), word(11, 8, "unread", record.Unknown, 7), word(12, 6, "unread", record.Observed, 7),
	)
	failing := []string{}
	for _, r := range must(s.Failures(t.Context(), "acme", 10))(t) {
		failing = append(failing, r.SKU)
		same(t, "what failed of "+r.SKU, r.State, record.Unknown)
	}
	same(t, "failures", failing, []string{"unread", "unknown"})
	rows := must(s.Stock(t.Context(), auditview.StockFilter{Pool: "acme", Search: "told", Limit: 10}))(t)
	if len(rows) != 1 || len(rows[0].Channels) != 1 {
		t.Fatalf("stock: got %+v, want one listing", rows)
	}
	got := rows[0].Channels[0]
	same(t, "told", got.Told, auditview.ToldNow{Quantity: 7, Sold: 4, Released: 1, Version: 5, At: at(2)})
	same(t, "state", got.State, record.Observed)
	same(t, "observed", got.Observed, quantity(7))
	same(t, "failing", got.Failing, false)
	for _, r := range must(s.Stock(t.Context(), auditview.StockFilter{Pool: "acme", Search: "un", Limit: 10}))(t) {
		same(t, r.SKU+" is failing", r.Channels[0].Failing, true)
	}
}
