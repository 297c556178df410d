//go:build integration

package chstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/shelfwire/shelfwire/internal/chstore"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/schemas"
)

// TestNewestRowsOutliveTheirRetention stores what did not change for longer than anything is kept, has ClickHouse clear up, and
// asks again: the newest rows are there, whole, and what they replaced is gone.
func TestNewestRowsOutliveTheirRetention(t *testing.T) {
	cfg := database(t)
	if _, err := chstore.Migrate(t.Context(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	s := open(t, cfg)
	conn := client(t, cfg, cfg.Database)
	tables := []string{"availability_versions", "offer_versions", "communication_records"}
	for _, table := range tables { // or it clears up while the rows are being written
		exec(t.Context(), t, cfg, cfg.Database, "SYSTEM STOP MERGES "+table)
	}
	old := time.Now().UTC().AddDate(-3, 0, 0)
	at := func(second int) stock.Instant {
		return stock.InstantOf(time.Date(old.Year(), old.Month(), 10, 10, 0, second, 0, time.UTC))
	}
	var availability, offers, said []history.Row
	for i := range 10 {
		q, version := stock.Quantity(i+1), stock.Version(i+1)
		availability = append(availability, history.Row{Availability: &record.Availability{
			Pool: "acme", SKU: "SHIRT", Version: version, ChangedAt: at(i), OnHand: q, Available: q, Outlets: []record.OutletLevel{{Outlet: fmt.Sprint("O", i), OnHand: q}},
		}})
		offer := shirtOffer(version, at(i), q)
		offer.Offer.Offer.ChannelIDs = record.Dict{{Key: "item", Value: fmt.Sprint(i)}}
		if i < 9 {
			offer.Offer.Offer.Inputs.Cap = &q // the newest has none
		}
		offers = append(offers, offer)
		for _, state := range []record.CommunicationState{record.Attempted, record.Acknowledged, record.Observed} {
			c := say("SHIRT", state, version, q, at(i))
			c.Communication.Sequence = 2
			if i < 9 {
				c.Communication.Compare = &q
			}
			said = append(said, c)
		}
	}
	// A former owner's word about the first offer comes last, with what the newest has not.
	late := say("SHIRT", record.Acknowledged, 1, 1, at(0))
	late.Communication.Compare, late.Communication.Sequence = new(stock.Quantity), 1
	said = append(said, late, say("HAT", record.Unknown, 5, 3, at(0)), say("SOCK", record.Acknowledged, 6, 2, at(0)), say("SOCK", record.Quarantined, 6, 2, at(1)))
	for i := range offers {
		offers[i].Time, availability[i].Time = at(i), at(i)
	}
	store(t, s, stream.Availability, availability...)
	store(t, s, stream.Offers, offers...)
	store(t, s, stream.Communications, said...)

	questions := []string{
		"SELECT * FROM told_now ORDER BY sku", "SELECT * FROM failed_communications ORDER BY sku", "SELECT * FROM drift WHERE level = 10",
		"SELECT * FROM offer_versions WHERE version = 10", "SELECT * FROM availability_versions WHERE version = 10",
		"SELECT * FROM communication_records WHERE offset >= 27 AND offset != 30 ORDER BY offset",
		"SELECT * FROM told_history WHERE offset >= 27 AND offset != 30 ORDER BY offset",
		"SELECT * FROM true_at(at = now64(6))", "SELECT * FROM unconfirmed",
	}
	before := make([]string, len(questions))
	for i, q := range questions {
		before[i] = ask(t, conn, q)
	}
	for _, table := range tables {
		exec(t.Context(), t, cfg, cfg.Database, "SYSTEM START MERGES "+table)
		exec(t.Context(), t, cfg, cfg.Database, "OPTIMIZE TABLE "+table+" FINAL")
	}
	for i, q := range questions {
		if after := ask(t, conn, q); after != before[i] {
			t.Errorf("%s:\n got %s\nwant %s", q, after, before[i])
		}
	}
	// One row a listing and state: three of SHIRT, one of HAT, two of SOCK.
	if got := ask(t, conn, "SELECT (SELECT count() FROM availability_versions), (SELECT count() FROM offer_versions), (SELECT count() FROM communication_records)"); got != "1 1 6" {
		t.Errorf("rows kept: got %s, want 1 1 6", got)
	}
}

// TestAnOlderDatabaseRollsUpByTheNewestWord stores rows in the schema before the roll-up went by (sequence, offset), and migrates.
func TestAnOlderDatabaseRollsUpByTheNewestWord(t *testing.T) {
	cfg := database(t)
	migrations, err := schemas.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	exec(t.Context(), t, cfg, "", "CREATE DATABASE "+cfg.Database)
	for _, m := range migrations[:4] {
		for _, statement := range m.Statements {
			exec(t.Context(), t, cfg, cfg.Database, statement)
		}
	}
	exec(t.Context(), t, cfg, cfg.Database, "SYSTEM STOP MERGES communication_records")
	conn := client(t, cfg, cfg.Database)
	exec(t.Context(), t, cfg, cfg.Database, `INSERT INTO communication_records
		(pool, channel, sku, partition, offset, recorded_at, replied_at, state, quantity, compare, sequence, offer_version) VALUES
		('acme', 'shop', 'HAT', 0, 1, '2020-01-10 10:00:00', '2020-01-10 10:00:00', 'acknowledged', 5, 4, 7, 1),
		('acme', 'shop', 'HAT', 0, 2, '2020-01-10 11:00:00', '2020-01-10 11:00:00', 'acknowledged', 6, NULL, 8, 2),
		('acme', 'shop', 'HAT', 0, 3, '2020-01-10 10:00:01', '2020-01-10 10:00:01', 'acknowledged', 1, 5, 7, 1)`)
	if _, err := chstore.Migrate(t.Context(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	exec(t.Context(), t, cfg, cfg.Database, "SYSTEM START MERGES communication_records")
	exec(t.Context(), t, cfg, cfg.Database, "OPTIMIZE TABLE communication_records FINAL")
	if got := ask(t, conn, "SELECT offset, quantity, compare, sequence, offer_version FROM communication_records"); got != "2 6 NULL 8 2" {
		t.Errorf("what stayed is %s, want the newest owner's last word: 2 6 NULL 8 2", got)
	}
}

// TestOneKeyReadsFewRows fills the tables and asks the views for one key: they must not read the others.
func TestOneKeyReadsFewRows(t *testing.T) {
	cfg := database(t)
	if _, err := chstore.Migrate(t.Context(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	conn := client(t, cfg, cfg.Database)
	const rows = 1_000_000 // 100 of each of 10,000 keys
	for _, fill := range []string{
		"INSERT INTO allocation_versions (pool, channel, order_id, version, changed_at, line_ids, line_skus, line_ordered, line_waiting, line_fulfilled, " +
			"line_outlets, line_outlet_quantities, line_outlet_fulfilled) SELECT 'acme', 'shop', toString(intDiv(number, 100)), number + 1, now64(6), ['1'], " +
			"['S'], [1], [1], [0], [[]], [[]], [[]] FROM numbers(%d)",
		"INSERT INTO offer_versions (pool, channel, sku, version, changed_at, quantity) SELECT 'acme', 'shop', toString(intDiv(number, 100)), number + 1, now64(6), 1 FROM numbers(%d)",
		"INSERT INTO availability_versions (pool, sku, version, changed_at) SELECT 'acme', toString(intDiv(number, 100)), number + 1, now64(6) FROM numbers(%d)",
		"INSERT INTO communication_records (pool, channel, sku, offset, recorded_at, replied_at, state, quantity, idempotency_key, offer_version) SELECT 'acme', 'shop', " +
			"toString(intDiv(number, 100)), number, now64(6), now64(6), if(number %% 100 = 99, 'rejected', 'acknowledged'), 2, toString(number), number + 1 FROM numbers(%d)",
	} {
		exec(t.Context(), t, cfg, cfg.Database, fmt.Sprintf(fill, rows))
	}
	const order, listing = "pool = 'acme' AND channel = 'shop' AND order_id = '4711'", "pool = 'acme' AND channel = 'shop' AND sku = '4711'"
	for _, q := range []string{
		"SELECT * FROM allocations WHERE " + order,
		"SELECT * FROM failed_communications WHERE " + listing, "SELECT * FROM told_now WHERE " + listing, "SELECT * FROM offers WHERE " + listing,
		"SELECT * FROM told_history WHERE " + listing, "SELECT * FROM unconfirmed WHERE " + listing, "SELECT * FROM drift WHERE " + listing,
		"SELECT * FROM told_and_true WHERE " + listing, "SELECT * FROM exposure WHERE " + listing,
		"SELECT * FROM true_at(at = now64(6)) WHERE " + listing,
	} {
		var read uint64
		ctx := clickhouse.Context(context.Background(), clickhouse.WithProgress(func(p *clickhouse.Progress) { read += p.Rows }))
		if err := conn.Exec(ctx, q); err != nil {
			t.Errorf("%s: %v", q, err)
		}
		t.Logf("%d rows read: %s", read, q)
		// A granule is 8,192 rows; a key is in two at most, per month and part.
		if read == 0 || read > 100_000 {
			t.Errorf("%s: %d rows were read of %d a table, want few", q, read, rows)
		}
	}
}
