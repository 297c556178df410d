//go:build integration

package simtest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/shelfwire/shelfwire/internal/chstore"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// Shoppers' days in a real ClickHouse: the views show of every listing when and by how many units it was too high, as the second
// implementation does that the levels of the simulated channels are held against.
func TestExposureOfTheShoppersDays(t *testing.T) {
	cfg := chstore.Config{
		Addresses: []string{mustEnv(t, "SHELFWIRE_TEST_CLICKHOUSE")}, Database: fmt.Sprintf("days%d", time.Now().UnixNano()), User: "default",
	}
	t.Cleanup(func() {
		db, err := clickhouse.Open(&clickhouse.Options{Addr: cfg.Addresses})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Exec(context.WithoutCancel(t.Context()), "DROP DATABASE IF EXISTS "+cfg.Database+" SYNC"); err != nil {
			t.Error(err)
		}
	})
	if _, err := chstore.Migrate(t.Context(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	store, err := chstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	db, err := clickhouse.Open(&clickhouse.Options{Addr: cfg.Addresses, Auth: clickhouse.Auth{Database: cfg.Database}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	days := number("SEEDS", 2)
	rows := 0
	for seed := range days {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			d := live(t, 1000+seed)
			d.check()
			pool := fmt.Sprintf("day%d", seed) // in place of its own, which all days share
			d.append(store, pool)
			offers, own := d.offers(), d.ownChanges()
			for _, f := range d.fronts {
				for n := range daySKUs {
					at := listed{f.id, n}
					want, _ := exposures(offers.all[at], d.said[at], own[at])
					got := viewed(t, db, pool, at)
					if rows += len(got); !slices.Equal(join(got), join(want)) {
						t.Errorf("%v: the view shows\n%v, want\n%v", at, got, want)
					}
				}
			}
		})
	}
	t.Logf("%d days, %d stretches of time in which something was too high", days, rows)
	if rows == 0 {
		t.Error("nothing was too high: the days show nothing")
	}
}

// join puts together what follows each other by as many units: the view cuts at each attempt as well.
func join(all []stretch) (joined []stretch) {
	for _, s := range all {
		if n := len(joined); n > 0 && joined[n-1].until == s.since && joined[n-1].units == s.units {
			joined[n-1].until = s.until
			continue
		}
		joined = append(joined, s)
	}
	return joined
}

// viewed returns the stretches of a listing that told_and_true shows.
func viewed(t *testing.T, db clickhouse.Conn, pool string, at listed) (all []stretch) {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT toUnixTimestamp64Micro(since), ifNull(toUnixTimestamp64Micro(until), 0), assumeNotNull(told - greatest(0, offered - unfolded)) AS over
		FROM told_and_true WHERE pool = ? AND channel = ? AND sku = ? AND ifNull(told > greatest(0, offered - unfolded), false) ORDER BY since`, pool, at.channel, skuOf(at.item))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var since, until, units int64
		if err := rows.Scan(&since, &until, &units); err != nil {
			t.Fatal(err)
		}
		all = append(all, stretch{stock.Instant(since), stock.Instant(until), stock.Quantity(units)})
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// append stores what the day wrote, as that of a pool.
func (d *day) append(store *chstore.Store, pool string) {
	d.t.Helper()
	put := func(topic stream.Topic, rows []history.Row) {
		d.t.Helper()
		// Every day is a partition of its own, as those of one pool are.
		var id int32
		_, _ = fmt.Sscanf(pool, "day%d", &id)
		for i := range rows {
			rows[i].Offset, rows[i].Time = int64(i), stock.InstantOf(time.Now())
		}
		b := &history.Batch{Partition: stream.Partition{Topic: topic, ID: id}, TopicID: "t", Last: int64(len(rows) - 1), Rows: rows}
		if err := store.Append(d.t.Context(), b); err != nil {
			d.t.Fatal(err)
		}
	}
	var journal, offers, said []history.Row
	each(d.t, d.cluster, stream.Journal, 1, codec.DecodeJournalEntry, func(e *record.JournalEntry) {
		own := *e
		switch {
		case own.Event.Order != nil:
			own.Event.Order.Pool = pool
		case own.Event.Movement != nil:
			own.Event.Movement.Pool = pool
		}
		journal = append(journal, history.Row{Journal: &own})
	})
	each(d.t, d.cluster, stream.Offers, 2, codec.DecodeOfferRecord, func(r *record.OfferRecord) {
		switch {
		case r.Offer != nil:
			r.Offer.Pool = pool
		case r.ChannelState != nil:
			r.ChannelState.Channel.Pool = pool
		case r.Mark != nil:
			r.Mark.Pool = pool
		}
		own := *r
		offers = append(offers, history.Row{Offer: &own})
	})
	for _, c := range communications(d.t, d.cluster) {
		c.Pool = pool
		said = append(said, history.Row{Communication: &c})
	}
	put(stream.Journal, journal)
	put(stream.Offers, offers)
	put(stream.Communications, said)
}
