package history_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/history"
)

// An opening is a stage that waits for its store, in a synctest bubble.
type opening struct {
	registry *prometheus.Registry
	logged   bytes.Buffer
	cancel   context.CancelFunc
	ended    chan error

	mu    sync.Mutex
	err   error  // what the store says; guarded by mu
	asked int    // guarded by mu
	told  []bool // guarded by mu
}

// await begins to wait for a store that says err.
func await(t *testing.T, err error) *opening {
	t.Helper()
	o := &opening{registry: prometheus.NewRegistry(), ended: make(chan error, 1), err: err}
	stage, err := history.New(history.Config{}, history.Deps{
		Now: time.Now, Logger: slog.New(slog.NewTextHandler(&o.logged, nil)), Registerer: o.registry,
		Waiting: func(waiting bool) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.told = append(o.told, waiting)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.cancel = cancel
	go func() {
		o.ended <- stage.Await(ctx, func(context.Context) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.asked++
			return o.err
		})
	}()
	return o
}

func (o *opening) says(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

// waiting returns the gauge of what waits.
func (o *opening) waiting(t *testing.T) float64 {
	t.Helper()
	families, err := o.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "shelfwire_history_waiting" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("no gauge")
	return 0
}

func TestAStoreThatAnswersIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := await(t, nil)
		equal(t, "ended with", <-o.ended, error(nil))
		equal(t, "told", len(o.told), 0)
		equal(t, "said", o.logged.String(), "")
	})
}

// A store that is away is asked every few seconds; that it is away is said once, and once that it is back.
func TestAStoreThatIsAwayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := await(t, history.Away(errAway))
		time.Sleep(time.Hour)
		synctest.Wait()
		equal(t, "told", o.told, []bool{true})
		equal(t, "that wait", o.waiting(t), 1.0)
		if o.asked < 3600/8 || o.asked > 3600/2 {
			t.Errorf("asked %d times in an hour, want every five seconds, more or less", o.asked)
		}
		o.says(nil)
		began := time.Now()
		equal(t, "ended with", <-o.ended, error(nil))
		if took := time.Since(began); took > 8*time.Second {
			t.Errorf("saw after %v that the store was back", took)
		}
		equal(t, "told", o.told, []bool{true, false})
		equal(t, "that wait", o.waiting(t), 0.0)
		logged := o.logged.String()
		equal(t, "warnings", strings.Count(logged, "level=WARN"), 1)
		equal(t, "said that it is back", strings.Count(logged, "level=INFO"), 1)
		equal(t, "errors", strings.Count(logged, "level=ERROR"), 0)
	})
}

// A store that came back as another than it has to be is for a person, who is told so every minute until it is put right.
func TestAStoreThatIsWrongIsSaidToBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := await(t, history.Away(errAway))
		time.Sleep(time.Minute)
		o.says(errors.New("run `shelfwire migrate`"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		logged := o.logged.String()
		if n := strings.Count(logged, "level=ERROR"); n < 8 || n > 10 || strings.Count(logged, "shelfwire migrate") != n {
			t.Errorf("said %d times in ten minutes what is wrong, want once a minute:\n%s", n, logged)
		}
		equal(t, "told", o.told, []bool{true})
		o.says(nil)
		equal(t, "ended with", <-o.ended, error(nil))
		equal(t, "told", o.told, []bool{true, false})
	})
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := await(t, history.Away(errAway))
		time.Sleep(time.Minute)
		o.cancel()
		if err := <-o.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Await() = %v, want that it was cancelled", err)
		}
		equal(t, "said that it is back", strings.Count(o.logged.String(), "level=INFO"), 0)
	})
}
