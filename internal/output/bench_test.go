package output_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/daemon"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/output"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// BenchmarkRun does with runs of 5,000 movements all that the allocator does between Kafka and Redis: it reads the entries, folds
// them, and makes the messages and the rows. The movements are spread evenly over 100,000 SKUs at four outlets. Processor time
// is what counts: other work on the machine moves it less than it moves a clock, and the least of all runs hardly at all.
func BenchmarkRun(b *testing.B) {
	daemon.LargePages() // as an allocator has
	const run, skus, outlets = 5000, 100_000, 4
	var (
		state   = engine.NewState()
		changes engine.Changes
		batch   output.Batch
		decoder = codec.NewDecoder()
		rnd     = rand.New(rand.NewPCG(1, 2))
		offset  int64
		values  [][]byte
		records = make([]record.JournalEntry, run)
		entries = make([]output.Entry, run)
		missing []engine.RowKey
	)
	if err := state.LoadPool("bench", nil); err != nil {
		b.Fatal(err)
	}
	write := func(sku func(i int) int) {
		values = values[:0]
		for i := range run {
			at := stock.Instant(1_700_000_000_000_000) + stock.Instant(offset)*1000
			values = append(values, codec.AppendJournalEntry(nil, &record.JournalEntry{
				EntryTime: at,
				Origin:    record.Origin{TopicID: "00112233445566778899aabbccddeeff", Topic: "movements", Offset: offset, Previous: offset - 1, Time: at},
				Event: record.Event{Movement: &record.Movement{
					Pool: "bench", Outlet: fmt.Sprintf("OUT-%d", rnd.IntN(outlets)), SKU: fmt.Sprintf("SKU-%06d", sku(i)), Kind: stock.Receipt,
					Quantity: stock.Quantity(1 + rnd.IntN(20)), OccurredAt: at, Source: "wms", Epoch: 1, Sequence: offset + 1,
				}},
			}))
			offset++
		}
	}
	fold := func() {
		changes.Reset()
		decoder.Recycle()
		for i, value := range values {
			e := &records[i]
			if err := decoder.JournalEntry(value, e); err != nil {
				b.Fatal(err)
			}
			entries[i] = output.Entry{Version: stock.VersionAt(0, e.Origin.Offset), JournalEntry: e}
		}
		looked := 0
		for i, e := range entries {
			if i == looked {
				looked += state.Look(records[i:])
			}
			if missing = state.Missing(missing[:0], e.JournalEntry); len(missing) > 0 {
				b.Fatalf("%v is missing", missing)
			}
			if err := state.Apply(e.Version, e.JournalEntry, &changes); err != nil {
				b.Fatal(err)
			}
		}
		batch.Fill(state, &changes, 0, entries)
	}
	for first := 0; first < 8*skus; first += run {
		write(func(i int) int { return (first + i) % skus })
		fold()
	}
	var spent []int64
	for b.Loop() {
		write(func(int) int { return rnd.IntN(skus) })
		begin := cpu(b)
		fold()
		spent = append(spent, (cpu(b)-begin)/run)
	}
	slices.Sort(spent)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(spent[0]), "least-cpu-ns/movement")
	b.ReportMetric(float64(spent[len(spent)/2]), "cpu-ns/movement")
}

// cpu is the processor time of this process in nanoseconds, which other work on the machine moves less than a clock.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
