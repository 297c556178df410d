//go:build integration

package chstore_test

import (
	"slices"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/chstore"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A journal that was rebased begins again at the first offsets: its entries stand beside the older ones and come behind them, also
// when ClickHouse has merged its parts, and each generation has a position of its own.
func TestAJournalOfTheNextGeneration(t *testing.T) {
	ctx, cfg := t.Context(), database(t)
	if _, err := chstore.Migrate(ctx, cfg, nil); err != nil {
		t.Fatal(err)
	}
	s := open(t, cfg)
	journal := stream.Partition{Topic: stream.Journal}
	day := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	give := func(generation uint8, topicID string, first int64, origins ...int64) {
		t.Helper()
		b := &history.Batch{Partition: journal.OfGeneration(generation), TopicID: topicID, Generation: generation, First: first, Last: first + int64(len(origins)) - 1}
		for i, origin := range origins {
			b.Rows = append(b.Rows, history.Row{Offset: first + int64(i), Journal: &record.JournalEntry{
				EntryTime: stock.InstantOf(day), Origin: record.Origin{TopicID: "in", Topic: "movements", Offset: origin},
				Event: record.Event{Movement: &record.Movement{Pool: "acme", Outlet: "MTL", SKU: "SHIRT", Kind: stock.Receipt, Quantity: 1, OccurredAt: stock.InstantOf(day)}},
			}})
		}
		if err := s.Append(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	give(0, "old", 0, 100, 101, 102, 103)
	give(1, "new", 1, 103, 104) // ingest sent 103 again
	for range 2 {
		for generation, want := range []int64{4, 2} {
			n, err := s.CountJournal(ctx, 0, uint8(generation), 10)
			if err != nil || n != want {
				t.Errorf("generation %d has %d entries, %v, want %d", generation, n, err, want)
			}
		}
		exec(ctx, t, cfg, cfg.Database, "OPTIMIZE TABLE journal_entries FINAL")
	}
	for generation, want := range []int64{4, 3} {
		at, err := s.Position(ctx, journal.OfGeneration(uint8(generation)))
		if err != nil || at != want {
			t.Errorf("generation %d is stored up to %d, %v, want %d", generation, at, err, want)
		}
	}
	rows, err := client(t, cfg, cfg.Database).Query(ctx, "SELECT version FROM movements ORDER BY version")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []stock.Version
	for rows.Next() {
		var v uint64
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		got = append(got, stock.Version(v))
	}
	// The input 103 counts where it came first.
	want := []stock.Version{stock.VersionAt(0, 0), stock.VersionAt(0, 1), stock.VersionAt(0, 2), stock.VersionAt(0, 3), stock.VersionAt(1, 2)}
	if err := rows.Err(); err != nil || !slices.Equal(got, want) {
		t.Errorf("movements have versions %d, %v, want %d", got, err, want)
	}
}
