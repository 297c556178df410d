package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/daemon"
)

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// lasting returns an actor that waits for the end and then takes drain to stop.
func lasting(name string, drain time.Duration, err error) daemon.Actor {
	return daemon.Actor{Name: name, Run: func(ctx context.Context) error {
		<-ctx.Done()
		sleep(context.WithoutCancel(ctx), drain)
		return err
	}}
}

func TestRunWaitsForEveryActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		err := daemon.Run(ctx, lasting("a", time.Second, nil), lasting("b", 3*time.Second, context.DeadlineExceeded))
		if err != nil {
			t.Errorf("Run() = %v, want a clean stop", err)
		}
		if took := time.Since(start); took != time.Hour+3*time.Second {
			t.Errorf("Run() took %v, want 1h0m3s", took)
		}
	})
}

func TestRunEndsAllWhenOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, late := errors.New("broken"), errors.New("late")
		err := daemon.Run(t.Context(),
			lasting("a", time.Second, fmt.Errorf("read: %w", context.Canceled)),
			daemon.Actor{Name: "b", Run: func(ctx context.Context) error { sleep(ctx, time.Minute); return broken }},
			lasting("c", 0, late))
		if !errors.Is(err, broken) || !errors.Is(err, late) || errors.Is(err, context.Canceled) {
			t.Errorf("Run() = %v, want b's and c's errors alone", err)
		}
		if got, want := err.Error(), "b: broken\nc: late"; got != want {
			t.Errorf("Run() = %q, want %q", got, want)
		}
	})
}

func TestRunEndsAllWhenOneIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := daemon.Actor{Name: "done", Run: func(context.Context) error { return nil }}
		if err := daemon.Run(t.Context(), lasting("a", time.Second, nil), done); err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	})
}

func TestAContextErrorBeforeTheEndIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := daemon.Actor{Name: "slow", Run: func(context.Context) error { return context.DeadlineExceeded }}
		if err := daemon.Run(t.Context(), slow); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run() = %v, want the actor's own timeout", err)
		}
	})
}

func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := daemon.NewReadiness("ingest", "audit")
		done := make(chan error, 1)
		go func() { done <- r.Wait(t.Context()) }()
		r.Set("audit", true)
		r.Set("audit", true)
		synctest.Wait()
		if got, ok := r.Waiting(); len(got) != 1 || got[0] != "ingest" || ok || len(done) > 0 {
			t.Errorf("Waiting() = %v, want ingest", got)
		}
		r.Set("ingest", true)
		if err := <-done; err != nil {
			t.Errorf("Wait() = %v", err)
		}
		r.Set("audit", false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait() = %v for a part that is not ready again, want the deadline", err)
		}
	})
}

func TestReadinessWithoutASparePart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := daemon.NewReadiness("ingest", "history")
		done := make(chan error, 1)
		go func() { done <- r.Wait(t.Context()) }()
		r.Set("ingest", true)
		synctest.Wait()
		if len(done) > 0 {
			t.Error("Wait() has returned before a part that is not spare was ready")
		}
		r.Spare("history")
		if err := <-done; err != nil {
			t.Errorf("Wait() = %v", err)
		}
		if got, ok := r.Waiting(); !slices.Equal(got, []string{"history"}) || !ok {
			t.Errorf("Waiting() = %v, %v, want history and true", got, ok)
		}
		r.Set("ingest", false)
		if got, ok := r.Waiting(); !slices.Equal(got, []string{"history", "ingest"}) || ok {
			t.Errorf("Waiting() = %v, %v, want both and false", got, ok)
		}
	})
}
