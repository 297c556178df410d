package replay_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// BenchmarkRun folds movements over 100,000 SKUs at 4 outlets in runs of 5,000 as they come from the journal, all of whose rows are at
// hand.
func BenchmarkRun(b *testing.B) {
	const run, skus, outlets = 5000, 100_000, 4
	rnd, offset := rand.New(rand.NewPCG(1, 2)), int64(0)
	records := func(sku func(i int) int) []stream.Record {
		list := make([]stream.Record, run)
		for i := range list {
			at := stock.Instant(1_700_000_000_000_000) + stock.Instant(offset)*1000
			list[i] = stream.Record{Offset: offset, Value: codec.AppendJournalEntry(nil, &record.JournalEntry{
				EntryTime: at,
				Origin:    record.Origin{TopicID: "00112233445566778899aabbccddeeff", Topic: "movements", Offset: offset, Previous: offset - 1, Time: at},
				Event: record.Event{Movement: &record.Movement{
					Pool: "bench", Outlet: fmt.Sprintf("OUT-%d", rnd.IntN(outlets)), SKU: fmt.Sprintf("SKU-%06d", sku(i)), Kind: stock.Receipt,
					Quantity: stock.Quantity(1 + rnd.IntN(20)), OccurredAt: at, Source: "wms", Epoch: 1, Sequence: offset + 1,
				}},
			})}
			offset++
		}
		return list
	}
	fold, err := replay.New(0, stream.Position{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for first := 0; first < 2*skus; first += run {
		if err := fold.Run(records(func(i int) int { return (first + i) % skus })); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		list := records(func(int) int { return rnd.IntN(skus) })
		b.StartTimer()
		if err := fold.Run(list); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(run*b.N)/b.Elapsed().Seconds(), "entries/s")
}
