package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Limits of our HTTP servers. A request body has no limit of time here: handlers bound what they read.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 5 * time.Second
)

// NewRegistry returns a registry with the figures of the Go runtime and of the process.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// OpsHandler serves /metrics, /healthz (200 while the process lives) and /readyz (200 when the process is ready, else 503;
// either names the parts that are not).
func OpsHandler(reg *prometheus.Registry, ready *Readiness) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		waiting, ok := ready.Waiting()
		switch names := strings.Join(waiting, ", "); {
		case !ok:
			http.Error(w, "not ready: "+names, http.StatusServiceUnavailable)
		case names != "":
			fmt.Fprintln(w, "ok without: "+names)
		default:
			fmt.Fprintln(w, "ok")
		}
	})
	return mux
}

// Listen opens a TCP address for serving; key names the setting that it comes from in the error.
func Listen(ctx context.Context, key, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (another process may use the address: choose another, or port 0 for any)", key, err)
	}
	return l, nil
}

// HTTP returns an actor that serves h on l until its context ends, then lets requests that are under way finish for at
// most 5 s. It owns l.
func HTTP(name string, l net.Listener, h http.Handler, log *slog.Logger) Actor {
	return Actor{Name: name, Run: func(ctx context.Context) error {
		srv := &http.Server{
			Handler:           h,
			ReadHeaderTimeout: headerTimeout,
			IdleTimeout:       idleTimeout,
			ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
			BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		}
		return serve(ctx, srv, l)
	}}
}

// serve runs srv until ctx ends and its requests are done.
func serve(ctx context.Context, srv *http.Server, l net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := srv.Shutdown(drain)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were still open after %v: %w", drainTimeout, err), srv.Close())
	}
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
