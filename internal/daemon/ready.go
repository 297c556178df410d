package daemon

import (
	"context"
	"slices"
	"sync"
)

// A Readiness knows which parts of a process are ready. It is safe for concurrent use.
type Readiness struct {
	mu      sync.Mutex
	waiting []string            // guarded by mu; sorted
	spare   map[string]struct{} // guarded by mu
	ready   chan struct{}       // closed while no part is waited for that is not spare; guarded by mu
}

// NewReadiness returns a Readiness that waits for the named parts.
func NewReadiness(parts ...string) *Readiness {
	r := &Readiness{spare: map[string]struct{}{}, ready: make(chan struct{})}
	close(r.ready)
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
	case !ready && !found:
		r.waiting = slices.Insert(r.waiting, at, part)
	}
	r.judge()
}

// Spare says that the process does its work without a part: it is ready whether that part is or not.
func (r *Readiness) Spare(part string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spare[part] = struct{}{}
	r.judge()
}

// judge opens or closes ready as needed. Callers hold mu.
func (r *Readiness) judge() {
	needed := slices.ContainsFunc(r.waiting, func(part string) bool {
		_, spare := r.spare[part]
		return !spare
	})
	select {
	case <-r.ready:
		if needed {
			r.ready = make(chan struct{})
		}
	default:
		if !needed {
			close(r.ready)
		}
	}
}

// Waiting lists the parts that are not ready, sorted, and reports whether the process is ready all the same.
func (r *Readiness) Waiting() (parts []string, ready bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.ready:
		ready = true
	default:
	}
	return slices.Clone(r.waiting), ready
}

// Wait waits until every part that is not spare is ready at once, or ctx ends.
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
