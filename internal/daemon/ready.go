package daemon

import (
	"context"
	"slices"
	"sync"
)

// A Readiness knows which parts of a process are ready. It is safe for concurrent use.
type Readiness struct {
	mu      sync.Mutex
	waiting []string      // guarded by mu; sorted
	ready   chan struct{} // closed while nothing is waited for; guarded by mu
}

// NewReadiness returns a Readiness that waits for the named parts.
func NewReadiness(parts ...string) *Readiness {
	r := &Readiness{ready: make(chan struct{})}
	if len(parts) == 0 {
		close(r.ready)
	}
	for _, p := range parts {
		r.Set(p, false)
	}
	return r
}

// Set says whether a part is ready.
func (r *Readiness) Set(part string, ready bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, found := slices.BinarySearch(r.waiting, part)
	switch {
	case ready && found:
		r.waiting = slices.Delete(r.waiting, at, at+1)
		if len(r.waiting) == 0 {
			close(r.ready)
		}
	case !ready && !found:
		if len(r.waiting) == 0 {
			select {
			case <-r.ready:
				r.ready = make(chan struct{})
			default:
			}
		}
		r.waiting = slices.Insert(r.waiting, at, part)
	}
}

// Waiting lists the parts that are not ready, sorted.
func (r *Readiness) Waiting() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.waiting)
}

// Wait waits until every part is ready at once, or ctx ends.
func (r *Readiness) Wait(ctx context.Context) error {
	r.mu.Lock()
	ready := r.ready
	r.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
