// Package daemon holds what every process of ours needs around its stages: a runner that starts and ends its parts
// together, signals, the logger, and the operational end points. It knows nothing of stock.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// An Actor is one long-running part of a process.
type Actor struct {
	Name string
	// Run works until ctx ends and returns soon after; nil, ctx's error or a wrapped one then means a clean stop.
	Run func(ctx context.Context) error
}

// Run runs every actor until ctx ends or one of them returns, then ends the others and waits for all of them. It returns
// what went wrong, each error with its actor's name, nil for a clean stop. An actor that returns nil before it was asked
// to ends the others without an error.
func Run(ctx context.Context, actors ...Actor) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error // guarded by mu
	)
	for _, a := range actors {
		wg.Go(func() {
			defer cancel()
			err := a.Run(ctx)
			if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, fmt.Errorf("%s: %w", a.Name, err))
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
