package replay_test

import (
	"testing"

	"github.com/shelfwire/shelfwire/benchmarks/workload"
	"github.com/shelfwire/shelfwire/internal/daemon"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// BenchmarkRun folds movements over 100,000 SKUs at 4 outlets in runs of 5,000 as they come from the journal, all of whose rows are at
// hand.
func BenchmarkRun(b *testing.B) {
	daemon.LargePages() // as the commands have that replay
	const run, skus = 5000, 100_000
	generator, offset := workload.New(workload.Load{}, skus), int64(0)
	records := func() []stream.Record {
		list := make([]stream.Record, run)
		for i := range list {
			value, _ := generator.Append(nil, stock.Instant(1_700_000_000_000_000)+stock.Instant(offset)*1000)
			list[i] = stream.Record{Offset: offset, Value: value}
			offset++
		}
		return list
	}
	fold, err := replay.New(0, stream.Position{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for range 5 * skus / run { // until nearly every SKU has its rows
		if err := fold.Run(records()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		list := records()
		b.StartTimer()
		if err := fold.Run(list); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(run*b.N)/b.Elapsed().Seconds(), "entries/s")
}
