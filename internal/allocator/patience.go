package allocator

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// patience says once that a worker waits for something, and once that it goes on.
type patience struct {
	logger *slog.Logger

	mu    sync.Mutex
	since time.Time // guarded by mu; zero: not waiting
}

// wait notes that err keeps the worker from its work.
func (p *patience) wait(ctx context.Context, err error) {
	p.mu.Lock()
	first := p.since.IsZero()
	if first {
		p.since = time.Now()
	}
	p.mu.Unlock()
	if first {
		p.logger.WarnContext(ctx, "waiting", "err", err)
		return
	}
	p.logger.DebugContext(ctx, "still waiting", "err", err)
}

// goOn notes that the work goes on.
func (p *patience) goOn(ctx context.Context) {
	p.mu.Lock()
	since := p.since
	p.since = time.Time{}
	p.mu.Unlock()
	if !since.IsZero() {
		p.logger.InfoContext(ctx, "going on", "waited", time.Since(since).Round(time.Millisecond))
	}
}

func (p *patience) waiting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.since.IsZero()
}
