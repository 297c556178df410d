//go:build integration

package auditview_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/auditview"
)

// browser runs a headless Chromium on url with the flags and returns what it prints.
func browser(t *testing.T, url string, flags ...string) string {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Fatal("no Chromium found: install it (apt-get install chromium) and put it on the PATH")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars", "--window-size=1280,800", "--user-data-dir=" + t.TempDir(),
	}, flags...)
	out, err := exec.CommandContext(ctx, program, append(args, url)...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", program, url, err)
	}
	return string(out)
}

// Every answer is an hour later than the one before.
func TestAnOpenPageRefreshesItself(t *testing.T) {
	var answers atomic.Int64
	f := retailer()
	p, err := auditview.New(auditview.Config{Refresh: time.Second}, auditview.Deps{
		Queries: f, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return noon.Add(time.Duration(answers.Load()) * time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	page := p.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page.ServeHTTP(w, r)
		if r.URL.Path == "/" {
			answers.Add(1)
		}
	}))
	defer server.Close()
	dom := browser(t, server.URL+"/", "--dump-dom", "--virtual-time-budget=5000")
	if answers.Load() < 3 {
		t.Errorf("an open page asked %d times", answers.Load())
	}
	for _, stale := range []string{"12:00:00 UTC", "just now", "could not be refreshed"} {
		if strings.Contains(dom, stale) {
			t.Errorf("the refreshed page still says %q", stale)
		}
	}
	if !strings.Contains(dom, " h ago</time>") {
		t.Error("the refreshed page has lost its table")
	}
}

// With SHELFWIRE_TEST_SCREENSHOTS set to a directory, the pictures are kept there to be looked at.
func TestABrowserShowsThePages(t *testing.T) {
	server := httptest.NewServer(newPage(t, retailer(), auditview.Config{Refresh: time.Second}))
	defer server.Close()
	pages := []struct{ name, path, table string }{
		{"stock", "/", "COAT-WOOL-L-ALT"},
		{"told", "/told/acme/partner-hook/SHIRT", "MTL 33 on hand − 3 reserved − 1 safety = 29"},
		{"failures", "/failures", "JEANS-32-34"},
	}
	for _, page := range pages {
		t.Run(page.name, func(t *testing.T) {
			dom := browser(t, server.URL+page.path, "--dump-dom", "--virtual-time-budget=3000")
			for _, want := range []string{"<caption>", page.table, "refreshes every 1 s"} {
				if !strings.Contains(dom, want) {
					t.Errorf("the page in the browser lacks %q", want)
				}
			}
			if strings.Contains(dom, "could not be refreshed") {
				t.Error("the page could not refresh itself")
			}
			for theme, setting := range map[string]string{"light": "1", "dark": "0"} {
				if dir := os.Getenv("SHELFWIRE_TEST_SCREENSHOTS"); dir != "" {
					browser(t, server.URL+page.path, "--screenshot="+filepath.Join(dir, page.name+"-"+theme+".png"), "--blink-settings=preferredColorScheme="+setting)
				}
			}
		})
	}
}
