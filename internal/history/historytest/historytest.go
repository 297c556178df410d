// Package historytest says what a history store owes to the history stage, to the page and to verify, as tests that every store
// must pass.
package historytest

import (
	"reflect"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/internal/verify"
)

// A Store is everything that is asked of a history store.
type Store interface {
	history.Store
	auditview.Queries
	verify.History
}

// Run checks the stores that open gives; each subtest asks for an empty one, which open closes and removes at its end.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, test := range map[string]func(*testing.T, Store){
		"nothing stored":                testEmpty,
		"position":                      testPosition,
		"once, however often given":     testOnce,
		"another run of offsets":        testOtherBatches,
		"again at another offset":       testEmittedAgain,
		"an older run does not go back": testOlderRun,
		"months":                        testMonths,
		"every field comes back":        testFields,
		"questions":                     testQuestions,
		"failures":                      testFailures,
		"a former owner speaks late":    testLate,
		"failed despatches":             testFailedDespatches,
		"pages":                         testPages,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

const topicID = "0123456789abcdef0123456789abcdef"

// base is when the fixtures begin: recent, because stores forget what is old.
func base() stock.Instant {
	now := time.Now().UTC()
	return stock.InstantOf(time.Date(now.Year(), now.Month(), 1, 10, 0, 0, 123456000, time.UTC))
}

func at(seconds int) stock.Instant { return base().Add(time.Duration(seconds) * time.Second) }

func quantity(q stock.Quantity) *stock.Quantity { return &q }

func give(t *testing.T, s Store, topic stream.Topic, partition int32, rows ...history.Row) {
	t.Helper()
	first, last := rows[0].Offset, rows[len(rows)-1].Offset
	b := &history.Batch{Partition: stream.Partition{Topic: topic, ID: partition}, TopicID: topicID, First: first, Last: last, Rows: rows}
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatalf("Append %s/%d %d-%d: %v", topic, partition, first, last, err)
	}
}

func movement(offset int64) history.Row {
	return history.Row{Offset: offset, Time: at(int(offset)), Journal: &record.JournalEntry{
		Event: record.Event{Movement: &record.Movement{
			Pool: "acme", Outlet: "LAV", SKU: "SHIRT", Kind: stock.Receipt, Quantity: 5, OccurredAt: at(int(offset) - 1),
		}},
		Origin:    record.Origin{TopicID: topicID, Topic: "movements", Partition: 3, Offset: offset * 2, Previous: -1, Time: at(int(offset) - 1)},
		EntryTime: at(int(offset)),
	}}
}

func availability(offset int64, sku string, version stock.Version, onHand stock.Quantity) history.Row {
	return history.Row{Offset: offset, Time: at(int(version)), Availability: &record.Availability{
		Pool: "acme", SKU: sku, Version: version, ChangedAt: at(int(version)), OnHand: onHand, OnOrder: 3, Reserved: 2, Available: onHand - 3,
		Backordered: max(0, 3-onHand), Outlets: []record.OutletLevel{{Outlet: "LAV", OnHand: onHand, Reserved: 2}},
		Times: record.Times{Occurred: at(1), Origin: at(2), Entry: at(3)},
	}}
}

func offer(offset int64, channel, sku string, version stock.Version, q stock.Quantity) history.Row {
	return history.Row{Offset: offset, Time: at(int(version)), Offer: &record.OfferRecord{Offer: &record.Offer{
		Pool: "acme", Channel: channel, Account: "acme/" + channel, SKU: sku, Version: version, ChangedAt: at(int(version)), Quantity: q,
		Sold: 4, Released: 1, Reason: "in_stock",
		Inputs: record.OfferInputs{
			Outlets: []record.OfferOutlet{{Outlet: "LAV", OnHand: q + 3, Reserved: 2, SafetyStock: 1, Available: q}}, Waiting: 1, Buffer: 2, Percent: 90,
			Cap: quantity(50), Floor: 2,
		},
		ChannelIDs: record.Dict{{Key: "item", Value: "gid/1"}},
		Times:      record.Times{Occurred: at(1), Origin: at(2), Entry: at(3)},
	}}}
}

func said(offset int64, channel, sku string, state record.CommunicationState, version stock.Version, q stock.Quantity) history.Row {
	c := &record.Communication{
		Pool: "acme", Channel: channel, Account: "acme/" + channel, SKU: sku, Kind: record.SetLevel, State: state, Attempt: 1,
		IdempotencyKey: "key-" + string(rune('a'+version)), OfferVersion: version, Quantity: q, Sold: 4, Released: 1, Sequence: 9,
		RequestID: "request", Reason: "raise", OfferedAt: at(int(version)), OccurredAt: at(1), AttemptedAt: at(int(offset)),
	}
	switch state {
	case record.Attempted, record.Held, record.Quarantined:
	case record.Observed:
		c.Kind, c.Level, c.Expected, c.RepliedAt, c.Reason = record.ReadLevel, quantity(q), quantity(q+1), at(int(offset)), "drift"
	default:
		c.RepliedAt, c.ReplyClass, c.ReplyID = at(int(offset)), "ok", "reply"
	}
	return history.Row{Offset: offset, Time: at(int(offset)), Communication: c}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func testEmpty(t *testing.T, s Store) {
	ctx := t.Context()
	p := stream.Partition{Topic: stream.Offers, ID: 3}
	same(t, "position", must(s.Position(ctx, p))(t), int64(0))
	same(t, "topic id", must(s.TopicID(ctx, p))(t), "")
	same(t, "entries", must(s.CountJournal(ctx, 0, 0, 100))(t), int64(0))
	same(t, "pools", len(must(s.Pools(ctx))(t)), 0)
	same(t, "channels", len(must(s.Channels(ctx, "acme"))(t)), 0)
	same(t, "totals", must(s.Totals(ctx, "acme"))(t), auditview.Totals{})
	same(t, "stock", len(must(s.Stock(ctx, auditview.StockFilter{Pool: "acme", Limit: 10}))(t)), 0)
	same(t, "told", len(must(s.Told(ctx, auditview.ToldFilter{Pool: "acme", Channel: "shop", SKU: "SHIRT", Limit: 10}))(t)), 0)
	same(t, "offers", len(must(s.Offers(ctx, "acme", "shop", "SHIRT", 10))(t)), 0)
	same(t, "failures", len(must(s.Failures(ctx, "", 10))(t)), 0)
	same(t, "rejections", len(must(s.Rejections(ctx, "", 10))(t)), 0)
}

func testPosition(t *testing.T, s Store) {
	ctx := t.Context()
	give(t, s, stream.Journal, 2, movement(0), movement(1), movement(7))
	p := stream.Partition{Topic: stream.Journal, ID: 2}
	same(t, "position", must(s.Position(ctx, p))(t), int64(8))
	same(t, "topic id", must(s.TopicID(ctx, p))(t), topicID)
	same(t, "position of another partition", must(s.Position(ctx, stream.Partition{Topic: stream.Journal, ID: 1}))(t), int64(0))
	same(t, "entries", must(s.CountJournal(ctx, 2, 0, 8))(t), int64(3))
	same(t, "entries below 7", must(s.CountJournal(ctx, 2, 0, 7))(t), int64(2))
	// A batch whose records were all tombstones, or compacted away, moves the position.
	if err := s.Append(ctx, &history.Batch{Partition: p, TopicID: topicID, First: 8, Last: 20}); err != nil {
		t.Fatal(err)
	}
	same(t, "position after a batch without rows", must(s.Position(ctx, p))(t), int64(21))
}

// testOnce gives the same batch again, as after a crash between the rows and the position, or after a reply that was lost.
func testOnce(t *testing.T, s Store) {
	for range 3 {
		give(t, s, stream.Journal, 0, movement(0), movement(1))
		give(t, s, stream.Communications, 0, said(0, "shop", "SHIRT", record.Attempted, 5, 7), said(1, "shop", "SHIRT", record.Acknowledged, 5, 7))
		give(t, s, stream.Rejections, 0, rejection(0, "movements/0/1"), rejection(1, "movements/0/2"))
	}
	same(t, "entries", must(s.CountJournal(t.Context(), 0, 0, 100))(t), int64(2))
	same(t, "communications", offsets(told(t, s, "shop", "SHIRT")), []int64{1, 0})
	same(t, "rejections", len(must(s.Rejections(t.Context(), "", 10))(t)), 2)
	same(t, "total of communications", must(s.Totals(t.Context(), "acme"))(t).Communications, int64(1))
}

// testOtherBatches gives the records of a crashed batch again, cut otherwise.
func testOtherBatches(t *testing.T, s Store) {
	give(t, s, stream.Journal, 0, movement(0), movement(1), movement(2))
	give(t, s, stream.Journal, 0, movement(0))
	give(t, s, stream.Journal, 0, movement(1), movement(2), movement(3))
	same(t, "entries", must(s.CountJournal(t.Context(), 0, 0, 100))(t), int64(4))
	same(t, "position", must(s.Position(t.Context(), stream.Partition{Topic: stream.Journal}))(t), int64(4))
}

// testEmittedAgain has the allocator write a version a second time, at a higher offset.
func testEmittedAgain(t *testing.T, s Store) {
	give(t, s, stream.Availability, 0, availability(0, "SHIRT", 5, 10), availability(1, "SHIRT", 6, 9))
	give(t, s, stream.Availability, 0, availability(2, "SHIRT", 5, 10), availability(3, "SHIRT", 6, 9))
	give(t, s, stream.Offers, 0, offer(0, "shop", "SHIRT", 5, 7), offer(1, "shop", "SHIRT", 6, 6))
	give(t, s, stream.Offers, 0, offer(2, "shop", "SHIRT", 5, 7))
	var rows []verify.AvailabilityRow
	err := s.EachAvailability(t.Context(), "", func(r verify.AvailabilityRow) error { rows = append(rows, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	same(t, "availability", rows, []verify.AvailabilityRow{{
		Pool: "acme", SKU: "SHIRT", Version: 6, OnHand: 9, OnOrder: 3, Reserved: 2, Available: 6,
	}})
	var offers []verify.OfferRow
	err = s.EachOffer(t.Context(), "acme", func(r verify.OfferRow) error { offers = append(offers, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	same(t, "offers", offers, []verify.OfferRow{{Pool: "acme", Channel: "shop", SKU: "SHIRT", Version: 6, Quantity: 6, Sold: 4, Released: 1}})
	err = s.EachOffer(t.Context(), "other", func(verify.OfferRow) error { t.Error("an offer of another pool"); return nil })
	if err != nil {
		t.Fatal(err)
	}
	same(t, "offers for the chart", len(must(s.Offers(t.Context(), "acme", "shop", "SHIRT", 10))(t)), 2)
}

// testOlderRun has a writer that does not know that it was replaced write what it still has.
func testOlderRun(t *testing.T, s Store) {
	give(t, s, stream.Availability, 1, availability(0, "SHIRT", 5, 10))
	give(t, s, stream.Availability, 1, availability(1, "SHIRT", 6, 9), availability(2, "SHIRT", 7, 8))
	give(t, s, stream.Availability, 1, availability(0, "SHIRT", 5, 10))
	same(t, "position", must(s.Position(t.Context(), stream.Partition{Topic: stream.Availability, ID: 1}))(t), int64(3))
	rows := must(s.Stock(t.Context(), auditview.StockFilter{Pool: "acme", Limit: 10}))(t)
	if len(rows) != 1 || rows[0].Version != 7 || rows[0].OnHand != 8 {
		t.Errorf("stock: got %+v, want version 7", rows)
	}
}

// testMonths has a batch whose rows are of two months.
func testMonths(t *testing.T, s Store) {
	old, now := movement(0), movement(1)
	old.Time = old.Time.Add(-40 * 24 * time.Hour)
	old.Journal.EntryTime = old.Time
	bad := rejection(2, "history/journal/0/2")
	for range 2 {
		give(t, s, stream.Journal, 0, old, now, bad)
	}
	same(t, "entries", must(s.CountJournal(t.Context(), 0, 0, 100))(t), int64(2))
	same(t, "rejections", len(must(s.Rejections(t.Context(), "acme", 10))(t)), 1)
	same(t, "last entry", must(s.Totals(t.Context(), "acme"))(t).LastEntry, now.Journal.EntryTime)
}

func rejection(offset int64, key string) history.Row {
	return history.Row{Offset: offset, Time: at(int(offset)), Key: key, Rejection: &record.Rejection{
		Class: "malformed", Reason: "must be greater than 0", Field: "quantity", Topic: "movements", Partition: 2, Offset: offset + 40, Index: 1,
		Pool: "acme", Version: 12, Ordinal: 3, RejectedAt: at(int(offset)), Applied: true, Value: []byte("{\xff\x00"),
	}}
}

func told(t *testing.T, s Store, channel, sku string) []auditview.ToldRow {
	t.Helper()
	return must(s.Told(t.Context(), auditview.ToldFilter{Pool: "acme", Channel: channel, SKU: sku, Limit: 100}))(t)
}

func offsets(rows []auditview.ToldRow) []int64 {
	all := make([]int64, 0, len(rows))
	for i := range rows {
		all = append(all, rows[i].Offset)
	}
	return all
}

// must turns a result and its error into a result for the test.
func must[T any](x T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
}
