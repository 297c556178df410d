//go:build integration

package chstore_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/shelfwire/shelfwire/internal/chstore"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// TestViews stores a small story twice, as after a crash, and asks what an analyst would.
//
// SHIRT: 10 at LAV, which ingest writes twice, and a receipt that is a duplicate by the sender's word; shop is offered and told 8 at second 5; an order takes 2 at second 8, and shop is offered 6, which times out. A
// read finds 7 where 8 was expected. HAT is quarantined. A COAT is sold and given back before anybody hears of it.
func TestViews(t *testing.T) {
	cfg := database(t)
	if _, err := chstore.Migrate(t.Context(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	s := open(t, cfg)
	start := time.Now().UTC().Truncate(time.Hour)
	at := func(seconds int) stock.Instant {
		return stock.InstantOf(start.Add(time.Duration(seconds) * time.Second))
	}
	text := func(seconds int) string { return at(seconds).Time().Format("2006-01-02 15:04:05.000000") }
	for range 2 {
		receipt := journal(at(4), 70, record.Event{Movement: &record.Movement{
			Pool: "acme", Outlet: "LAV", SKU: "SHIRT", Kind: stock.Receipt, Quantity: 10, OccurredAt: at(3),
		}})
		order := journal(at(8), 71, record.Event{Order: &record.Order{
			Pool: "acme", Channel: "shop", OrderID: "1001", Status: record.Open, FulfilledBy: record.ByMerchant, PlacedAt: at(7), UpdatedAt: at(7),
			Lines: []record.OrderLine{{LineID: "1", SKU: "SHIRT", Quantity: 2}},
		}})
		duplicate := receipt
		duplicate.Journal = new(record.JournalEntry)
		*duplicate.Journal = *receipt.Journal
		duplicate.Journal.Origin.Offset = 72
		cancelled := journal(at(9), 73, record.Event{Order: &record.Order{
			Pool: "acme", Channel: "shop", OrderID: "1002", Status: record.Cancelled, FulfilledBy: record.ByMerchant, PlacedAt: at(7), UpdatedAt: at(8),
			Lines: []record.OrderLine{{LineID: "1", SKU: "COAT", Quantity: 3}},
		}})
		store(t, s, stream.Journal, receipt, order, receipt, duplicate, cancelled)
		store(t, s, stream.Rejections, history.Row{Key: "journal/0/4/0", Rejection: &record.Rejection{
			Class: "duplicate", Pool: "acme", Version: 4, RejectedAt: at(8),
		}}, history.Row{Key: "journal/0/1/0", Rejection: &record.Rejection{Class: "undeclared", Pool: "acme", Version: 1, RejectedAt: at(4), Applied: true}})
		store(t, s, stream.Availability,
			history.Row{Availability: &record.Availability{Pool: "acme", SKU: "SHIRT", Version: 1, ChangedAt: at(4), OnHand: 10, Available: 10}},
			history.Row{Availability: &record.Availability{Pool: "acme", SKU: "SHIRT", Version: 2, ChangedAt: at(8), OnHand: 10, OnOrder: 2, Available: 8}})
		store(t, s, stream.Allocations, history.Row{Allocation: &record.Allocation{
			Pool: "acme", Channel: "shop", OrderID: "1001", State: record.Open, Version: 2, ChangedAt: at(8), FulfilledBy: record.ByMerchant,
			Lines: []record.AllocationLine{{
				LineID: "1", SKU: "SHIRT", Ordered: 2, Allocations: []record.LineAllocation{{Outlet: "LAV", Quantity: 2}},
			}},
			Decision: record.Decision{Rule: "one_outlet", Exact: true},
		}})
		store(t, s, stream.Offers, shirtOffer(1, at(4), 8), shirtOffer(2, at(8), 6))
		store(t, s, stream.Communications,
			say("SHIRT", record.Attempted, 1, 8, at(5)), say("SHIRT", record.Acknowledged, 1, 8, at(5)),
			say("SHIRT", record.Observed, 1, 7, at(6)), say("SHIRT", record.Attempted, 2, 6, at(9)), say("SHIRT", record.Unknown, 2, 6, at(10)),
			say("HAT", record.Quarantined, 1, 3, at(11)),
			// A former owner, of sequence 5, wakes when the new one has been told.
			by(5, say("SOCK", record.Attempted, 1, 4, at(12))), by(9, say("SOCK", record.Acknowledged, 1, 4, at(13))),
			by(5, say("SOCK", record.Unknown, 1, 4, at(14))))
	}
	for _, q := range []struct{ question, want string }{
		{"SELECT outlet, sku, kind, quantity, rejected, version FROM movements ORDER BY version",
			"LAV SHIRT receipt 10  1\nLAV SHIRT receipt 10 duplicate 4"},
		{"SELECT order_id, status, line_skus, line_quantities, version FROM orders ORDER BY version", "1001 open [SHIRT] [2] 2\n1002 cancelled [COAT] [3] 5"},
		{"SELECT order_id, state, line_id, sku, ordered, outlets, outlet_quantities FROM allocations", "1001 open 1 SHIRT 2 [LAV] [2]"},
		{"SELECT channel, sku, order_id, version, happened_at = '" + text(7) + "', units FROM own_changes ORDER BY version, happened_at",
			"shop SHIRT 1001 2 1 2\nshop COAT 1002 5 1 3\nshop COAT 1002 5 0 -3"},
		{"SELECT sku, version, quantity, outlets, outlet_available, buffer FROM offers ORDER BY version", "SHIRT 1 8 [LAV] [10] 2\nSHIRT 2 6 [LAV] [8] 2"},
		{"SELECT channel, sku, offered, told, told_version, state, observed FROM told_now", "shop SHIRT 6 8 1 unknown 7"},
		{"SELECT state, quantity, offer_version, offer_quantity, outlet_on_hand, buffer FROM told_history WHERE sku = 'SHIRT' ORDER BY offset DESC LIMIT 2",
			"unknown 6 2 6 [10] 2\nattempted 6 2 6 [10] 2"},
		{"SELECT count() FROM told_history", "9"},
		{"SELECT on_hand, available, offered, told FROM true_at(at = '" + text(4) + "')", "10 10 8 NULL"},
		{"SELECT on_hand, available, offered, told FROM true_at(at = '" + text(7) + "')", "10 10 8 8"},
		{"SELECT on_hand, available, offered, told FROM true_at(at = '" + text(8) + "')", "10 8 6 8"},
		{"SELECT sku, state, quantity FROM failed_communications ORDER BY sku", "HAT quarantined 3\nSHIRT unknown 6"},
		{"SELECT sku, state, quantity, attempts FROM unconfirmed", "SHIRT unknown 6 1"},
		{"SELECT sku, expected, level, difference FROM drift", "SHIRT 8 7 -1"},
		{"SELECT told, asked FROM told_and_true WHERE sku = 'SOCK' ORDER BY since DESC LIMIT 1", "4 0"},
	} {
		// A view inherits the settings of whoever asks, and some clients set this one.
		for _, settings := range []string{"", " SETTINGS join_use_nulls = 1"} {
			if got := ask(t, client(t, cfg, cfg.Database), q.question+settings); got != q.want {
				t.Errorf("%s:\n got %s\nwant %s", q.question+settings, got, q.want)
			}
		}
	}
}

func journal(at stock.Instant, origin int64, e record.Event) history.Row {
	return history.Row{Journal: &record.JournalEntry{EntryTime: at, Event: e, Origin: record.Origin{TopicID: "m", Topic: "movements", Offset: origin}}}
}

// store appends rows at offsets from 0.
func store(t *testing.T, s *chstore.Store, topic stream.Topic, rows ...history.Row) {
	t.Helper()
	for i := range rows {
		rows[i].Offset = int64(i)
		if rows[i].Time == 0 {
			rows[i].Time = stock.InstantOf(time.Now())
		}
	}
	b := &history.Batch{Partition: stream.Partition{Topic: topic}, TopicID: "t", Last: int64(len(rows) - 1), Rows: rows}
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func shirtOffer(version stock.Version, at stock.Instant, q stock.Quantity) history.Row {
	return history.Row{Offer: &record.OfferRecord{Offer: &record.Offer{
		Pool: "acme", Channel: "shop", SKU: "SHIRT", Version: version, ChangedAt: at, Quantity: q, Reason: "in_stock",
		Inputs: record.OfferInputs{
			Outlets: []record.OfferOutlet{{Outlet: "LAV", OnHand: 10, Reserved: 10 - q - 2, Available: q + 2}}, Buffer: 2, Percent: 100,
		},
	}}}
}

func say(sku string, state record.CommunicationState, version stock.Version, q stock.Quantity, at stock.Instant) history.Row {
	c := &record.Communication{
		Pool: "acme", Channel: "shop", SKU: sku, Kind: record.SetLevel, State: state, OfferVersion: version, Quantity: q, Attempt: 1,
		IdempotencyKey: fmt.Sprintf("k%d", version), AttemptedAt: at,
	}
	if state == record.Observed {
		expected := q + 1
		c.Kind, c.IdempotencyKey, c.Level, c.Expected = record.ReadLevel, "", &q, &expected
	}
	if state != record.Attempted {
		c.RepliedAt = at
	}
	return history.Row{Time: at, Communication: c}
}

// by makes a communication that of the owner of a sequence.
func by(sequence int64, r history.Row) history.Row {
	r.Communication.Sequence = sequence
	return r
}

// ask returns the rows of a question, one a line.
func ask(t *testing.T, conn driver.Conn, question string) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), question)
	if err != nil {
		t.Errorf("%s: %v", question, err)
		return ""
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		types := rows.ColumnTypes()
		values := make([]any, 0, len(types))
		for _, c := range types {
			values = append(values, newOf(c))
		}
		if err := rows.Scan(values...); err != nil {
			t.Errorf("%s: %v", question, err)
			return ""
		}
		words := make([]string, 0, len(values))
		for _, v := range values {
			words = append(words, shown(v))
		}
		lines = append(lines, strings.Join(words, " "))
	}
	if err := rows.Err(); err != nil {
		t.Errorf("%s: %v", question, err)
	}
	return strings.Join(lines, "\n")
}

// TestAnalyst asks as the user of roles.sql, who reads and does nothing else. A test server has that user for the database shelfwire.
func TestAnalyst(t *testing.T) {
	address := os.Getenv("SHELFWIRE_TEST_CLICKHOUSE")
	if address == "" {
		t.Fatal("SHELFWIRE_TEST_CLICKHOUSE is not set")
	}
	cfg := chstore.Config{Addresses: []string{address}, Database: "shelfwire", User: "default"}
	if _, err := chstore.Migrate(t.Context(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Password = "analyst", "analyst"
	conn := client(t, cfg, cfg.Database)
	for _, question := range []string{
		"SELECT count() FROM told_now", "SELECT count() FROM told_history", "SELECT count() FROM true_at(at = '2026-01-01 00:00:00')",
		"SELECT count() FROM movements", "SELECT count() FROM orders", "SELECT count() FROM allocations", "SELECT count() FROM offers",
		"SELECT count() FROM told_and_true", "SELECT count() FROM own_changes", "SELECT count() FROM exposure", "SELECT count() FROM oversold_lines",
		"SELECT count() FROM failed_communications", "SELECT count() FROM unconfirmed", "SELECT count() FROM drift", "SELECT count() FROM journal_entries",
	} {
		if got := ask(t, conn, question); got == "" {
			t.Errorf("%s: no answer", question)
		}
	}
	for _, statement := range []string{
		"INSERT INTO positions (topic, partition, topic_id, next) VALUES ('analyst', 0, '', 1)", "ALTER TABLE positions DELETE WHERE topic = 'analyst'",
		"TRUNCATE TABLE channel_marks", "DROP VIEW drift", "CREATE TABLE analysts (a Int8) ENGINE = Memory",
	} {
		if err := conn.Exec(t.Context(), statement); err == nil {
			t.Errorf("%s: it was done", statement)
		}
	}
}

// newOf returns a pointer that a value of the column can be read into.
func newOf(c driver.ColumnType) any { return reflect.New(c.ScanType()).Interface() }

// shown returns what v points to as text, NULL for none.
func shown(v any) string {
	x := reflect.ValueOf(v).Elem()
	if x.Kind() == reflect.Pointer {
		if x.IsNil() {
			return "NULL"
		}
		x = x.Elem()
	}
	return fmt.Sprint(x.Interface())
}
