package history

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A patience says once that partitions, or the stage itself, wait for the store, however many do, and once that all go on.
type patience struct {
	log     *slog.Logger
	now     func() time.Time
	waiting prometheus.Gauge
	tell    func(waiting bool) // may be nil

	mu    sync.Mutex
	count int       // how many wait; guarded by mu
	since time.Time // when the first of them began; guarded by mu
}

// wait notes that err keeps one from its work.
func (p *patience) wait(ctx context.Context, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	p.waiting.Set(float64(p.count))
	if p.count == 1 {
		p.since = p.now()
		p.log.WarnContext(ctx, "waiting for the history store, which nothing else waits for", "err", err)
		if p.tell != nil {
			p.tell(true)
		}
	}
}

// goOn notes that one that waited goes on, or gives up with its context.
func (p *patience) goOn(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count--
	p.waiting.Set(float64(p.count))
	if p.count > 0 {
		return
	}
	if ctx.Err() == nil {
		p.log.InfoContext(ctx, "going on: the history store is back", "waited", p.now().Sub(p.since).Round(time.Millisecond))
	}
	if p.tell != nil {
		p.tell(false)
	}
}
