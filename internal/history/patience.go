package history

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A patience says once that partitions wait for the store, however many do, and once that all go on.
type patience struct {
	log     *slog.Logger
	now     func() time.Time
	waiting prometheus.Gauge

	mu    sync.Mutex
	count int       // partitions that wait; guarded by mu
	since time.Time // when the first of them began; guarded by mu
}

// wait notes that err keeps a partition from its work.
func (p *patience) wait(ctx context.Context, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	p.waiting.Set(float64(p.count))
	if p.count == 1 {
		p.since = p.now()
		p.log.WarnContext(ctx, "waiting for the history store", "err", err)
	}
}

// goOn notes that a partition that waited goes on, or gives up with its context.
func (p *patience) goOn(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count--
	p.waiting.Set(float64(p.count))
	if p.count == 0 && ctx.Err() == nil {
		p.log.InfoContext(ctx, "going on: the history store is back", "waited", p.now().Sub(p.since).Round(time.Millisecond))
	}
}
