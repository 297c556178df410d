package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/litestore"
)

// The page answers from the first moment on; from the history it does as soon as that is in order.
func TestThePageWaitsForTheHistory(t *testing.T) {
	store, err := litestore.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		began := time.Now()
		past := &opening{store: store, check: func(context.Context) error {
			switch now := time.Since(began); {
			case now < time.Minute:
				return history.Away(errors.New("dial tcp 10.0.0.7:9000: connection refused"))
			case now < 2*time.Minute:
				return errors.New("10.0.0.7:9000 has no database: run `shelfwire migrate`")
			}
			return nil
		}}
		if err := past.Check(t.Context()); err == nil {
			t.Fatal("the history is there at once")
		}
		stage, err := history.New(history.Config{}, history.Deps{Store: store, Now: time.Now, Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		page, err := auditview.New(auditview.Config{}, auditview.Deps{Queries: past.store, NotYet: past.notYet, Now: time.Now, Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		want := func(path string, status int, says string) {
			t.Helper()
			w := httptest.NewRecorder()
			page.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
			if body := w.Body.String(); w.Code != status || !strings.Contains(body, says) || strings.Contains(body, "10.0.0.7") {
				t.Errorf("after %v %s = %d %s, want %d with %q and no address", time.Since(began), path, w.Code, body, status, says)
			}
		}
		ended := make(chan error, 1)
		go func() { ended <- stage.Await(t.Context(), past.Check) }()
		time.Sleep(50 * time.Second)
		want("/", http.StatusServiceUnavailable, "does not answer yet")
		want("/api/v1/stock", http.StatusServiceUnavailable, "does not answer yet")
		time.Sleep(time.Minute)
		want("/", http.StatusServiceUnavailable, "somebody puts it right")
		if err := <-ended; err != nil {
			t.Fatalf("Await() = %v", err)
		}
		if took := time.Since(began); took > 2*time.Minute+8*time.Second {
			t.Errorf("began %v after the start, want soon after the second minute", took)
		}
		want("/", http.StatusOK, "")
		want("/api/v1/stock", http.StatusOK, "")
	})
}
