package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/daemon"
)

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

func TestOpsHandler(t *testing.T) {
	ready := daemon.NewReadiness("ingest", "allocator")
	h := daemon.OpsHandler(daemon.NewRegistry(), ready)
	if code, _ := get(t, h, "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz = %d, want 200", code)
	}
	if code, body := get(t, h, "/readyz"); code != http.StatusServiceUnavailable || body != "not ready: allocator, ingest\n" {
		t.Errorf("/readyz = %d %q, want 503 with both parts", code, body)
	}
	ready.Set("ingest", true)
	ready.Set("allocator", true)
	if code, _ := get(t, h, "/readyz"); code != http.StatusOK {
		t.Errorf("/readyz = %d, want 200", code)
	}
	ready.Set("history", false)
	ready.Spare("history")
	if code, body := get(t, h, "/readyz"); code != http.StatusOK || body != "ok without: history\n" {
		t.Errorf("/readyz = %d %q, want 200 that names the part that is not needed", code, body)
	}
	if code, body := get(t, h, "/metrics"); code != http.StatusOK || !strings.Contains(body, "go_goroutines") || !strings.Contains(body, "process_") {
		t.Errorf("/metrics = %d without the runtime's figures", code)
	}
	if code, _ := get(t, h, "/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("/debug/pprof/ = %d on the operational address, want 404", code)
	}
}

func TestHTTPLetsARequestFinish(t *testing.T) {
	l, err := daemon.Listen(t.Context(), "test.listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started, finish := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-finish
		if r.Context().Err() != nil {
			t.Error("the request was cancelled by the stop")
		}
		_, _ = io.WriteString(w, "done")
	})
	ctx, cancel := context.WithCancel(t.Context())
	stopped, answer := make(chan error, 1), make(chan string, 1)
	go func() {
		stopped <- daemon.Run(ctx, daemon.HTTP("test", l, h, slog.New(slog.DiscardHandler)))
	}()
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String(), nil)
		if err != nil {
			answer <- err.Error()
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-started
	cancel()
	close(finish)
	if got := <-answer; got != "done" {
		t.Errorf("answer = %q, want done", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run() = %v", err)
	}
}

func TestListenSaysWhichSetting(t *testing.T) {
	l, err := daemon.Listen(t.Context(), "audit.listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = daemon.Listen(t.Context(), "audit.listen", l.Addr().String())
	if err == nil || !strings.HasPrefix(err.Error(), "audit.listen: ") {
		t.Errorf("Listen() on a used address = %v, want an error that names audit.listen", err)
	}
}

func TestLoggerWritesJSONOffATerminal(t *testing.T) {
	var b bytes.Buffer
	log := daemon.NewLogger(&b, slog.LevelInfo)
	log.Debug("quiet")
	log.Info("hello", "count", 3)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line["msg"] != "hello" || line["count"] != float64(3) {
		t.Errorf("logged %q, want one JSON line (%v)", b.String(), err)
	}
}

// The test binary runs itself as a process that drains for ever: the first signal starts the stop, the second ends it.
func TestASecondSignalCutsShort(t *testing.T) {
	if os.Getenv("DAEMON_TEST_CHILD") != "" {
		ctx, stop := daemon.SignalContext(context.Background())
		defer stop()
		os.Stdout.WriteString("up\n")
		<-ctx.Done()
		os.Stdout.WriteString("stopping\n")
		select {}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestASecondSignalCutsShort$", "-test.timeout=30s")
	cmd.Env = append(os.Environ(), "DAEMON_TEST_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(out, got); err != nil || string(got) != want {
			t.Fatalf("the process said %q (%v), want %q", got, err, want)
		}
	}
	expect("up\n")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	expect("stopping\n")
	// The default effect is restored beside the context's end, so the second signal may come a moment too early once.
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // the status is in cmd.ProcessState
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			if s, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() {
				t.Errorf("the process ended with %v, want by the signal", cmd.ProcessState)
			}
			return
		case <-tick.C:
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
}
