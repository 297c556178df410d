package main

import (
	"fmt"
	"io"
	"time"

	"github.com/shelfwire/shelfwire/internal/daemon"
)

// A progress line tells a person at a terminal how far a command is; elsewhere it is silent. It is used by one goroutine.
type progress struct {
	w     io.Writer // nil: silent
	what  string    // of what is counted: "events"
	start time.Time
	shown time.Time
}

const progressEvery = 200 * time.Millisecond

func newProgress(w io.Writer, what string) *progress {
	now := time.Now()
	p := &progress{what: what, start: now, shown: now}
	if daemon.IsTerminal(w) {
		p.w = w
	}
	return p
}

// show says that n are done, of total where that is known (> 0).
func (p *progress) show(n, total int64) {
	if p.w == nil || time.Since(p.shown) < progressEvery {
		return
	}
	p.shown = time.Now()
	rate := float64(n) / time.Since(p.start).Seconds()
	if total > 0 {
		fmt.Fprintf(p.w, "\r\033[K%d of %d %s (%d %%), %.0f/s", n, total, p.what, n*100/total, rate)
		return
	}
	fmt.Fprintf(p.w, "\r\033[K%d %s, %.0f/s", n, p.what, rate)
}

// clear takes the line away, before something else is printed.
func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\033[K")
	}
}
