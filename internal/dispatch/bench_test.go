package dispatch_test

import (
	"testing"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// One offer's way through the rule: it is taken in, decided, sent, acknowledged, and closed by a mark.
func BenchmarkOffer(b *testing.B) {
	b.ReportAllocs()
	w := newWorld(shop, 4)
	now := stock.Instant(1)
	for b.Loop() {
		now += 10
		w.l.Offer(shop, now, stock.Version(now), 3+stock.Quantity(now/10%2), 0, 0)
		if a := w.l.Decide(shop, now); a.Kind == dispatch.CompareAndSet {
			w.l.Begin(shop, a, "key", now, now+1)
			w.l.Applied(shop, now+2)
		}
		w.l.Mark(now + 3)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "offers/s")
}
