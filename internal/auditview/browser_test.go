//go:build integration

package auditview_test

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
