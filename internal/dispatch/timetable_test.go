package dispatch_test

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// waiter is what a listing keeps for its debounce.
type waiter struct {
	first, last stock.Instant
	slot        dispatch.Slot
}

func newTimetable() *dispatch.Timetable[*waiter] {
	return dispatch.NewTimetable(func(w *waiter) *dispatch.Slot { return &w.slot })
}

// Times are set, moved and cleared at random; a map that is searched from end to end says whose time has come.
func TestTimetableAgainstAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 9))
	table := newTimetable()
	all := make([]waiter, 40)
	times := map[*waiter]stock.Instant{}
	scales := []int{1, 100, 5_000, 300_000} // of µs: within one span, and further than the wheel goes round
	now := stock.Instant(1)
	for step := range 40_000 {
		now += stock.Instant(random.IntN(3) * scales[random.IntN(3)])
		if step%1000 == 999 {
			now = now.Add(time.Duration(random.IntN(100)) * time.Second)
		}
		w := &all[random.IntN(len(all))]
		switch random.IntN(8) {
		case 0:
			w.slot.Clear()
			delete(times, w)
		case 1, 2, 3, 4:
			at := now + stock.Instant(1+random.IntN(200)*scales[random.IntN(len(scales))])
			table.Set(w, at)
			times[w] = at
		}
		for {
			v, wake, ok := table.Next(now)
			if !ok {
				for _, at := range times {
					if at <= now || wake == 0 || wake > at {
						t.Fatalf("at %d somebody waits for %d, the timetable for %d", now, at, wake)
					}
				}
				break
			}
			if at, waits := times[v]; !waits || at > now || v.slot.At() != 0 {
				t.Fatalf("at %d it is the turn of one that waits for %d (%t)", now, at, waits)
			}
			delete(times, v)
		}
	}
}

const debounced = 1_000_000 // listings

// BenchmarkDebounce is one change of a random listing among a million, each of which is sent once in its longest wait, beside the
// bare update of a map of as many. The two take turns, so that a busy machine slows down both.
func BenchmarkDebounce(b *testing.B) {
	b.Run("change", func(b *testing.B) {
		const quiet, longest, turn = 2 * time.Second, 10 * time.Second, 10_000
		const step = 10 * time.Microsecond // 100,000 changes a second
		table, listings, bare := newTimetable(), make(map[int64]*waiter, debounced), make(map[int64]stock.Instant, debounced)
		all := make([]waiter, debounced)
		for i := range all {
			listings[int64(i)] = &all[i]
			bare[int64(i)] = 1
		}
		now, random := stock.Instant(1), rand.New(rand.NewPCG(1, 1))
		change := func() {
			now = now.Add(step)
			w := listings[random.Int64N(debounced)]
			if w.first == 0 {
				w.first = now
			}
			w.last = now
			table.Set(w, dispatch.Due(w.first, w.last, quiet, longest))
			for {
				v, _, ok := table.Next(now)
				if !ok {
					break
				}
				v.first, v.last = 0, 0
			}
		}
		for range 2 * debounced { // until as many leave as come
			change()
		}
		var ours, theirs time.Duration
		for b.Loop() {
			start := time.Now()
			for range turn {
				bare[random.Int64N(debounced)] = now
			}
			middle := time.Now()
			for range turn {
				change()
			}
			theirs += middle.Sub(start)
			ours += time.Since(middle)
		}
		b.ReportMetric(float64(ours)/float64(b.N*turn), "ns/change")
		b.ReportMetric(float64(ours)/float64(theirs), "x-bare-map")
		runtime.KeepAlive(all)
	})
	// Allocation is measured by itself: two full collections a round, so give it few rounds.
	b.Run("memory", func(b *testing.B) {
		all := make([]waiter, debounced)
		var before, after runtime.MemStats
		for b.Loop() {
			clear(all)
			runtime.GC()
			runtime.ReadMemStats(&before)
			table := newTimetable()
			for i := range all {
				table.Set(&all[i], stock.Instant(i))
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(table)
		}
		// What a listing holds itself is in all, which was there before.
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/debounced+40, "B/listing")
	})
}
