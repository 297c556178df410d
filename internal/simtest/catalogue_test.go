//go:build integration

package simtest_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A retailer's files on the real servers: the catalogue of two pools, stock from a CSV, what another buffer would have offered, and the
// catalogue pruned to a few listings. In the end every row is what the journal says.
func TestFilesOnRealServers(t *testing.T) {
	in := newInstallation(t)
	run := in.start("run")
	run.ready()
	const listings = 3000
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	catalogue := func(n int, more string) string {
		var b strings.Builder
		for _, pool := range []string{"north", "south"} {
			fmt.Fprintf(&b, "---\npool: %s\noutlets: {A: {priority: 1}, B: {priority: 2}}\nchannels: {web: {outlets: [A, B]%s}}\nlistings:\n  web:\n", pool, more)
			for i := range n {
				fmt.Fprintf(&b, "    SKU-%04d: {title: Number %d, channel_ids: {item: %d}}\n", i, i, i)
			}
		}
		return b.String()
	}
	all := file("all.yaml", catalogue(listings, ""))
	if _, _, status := in.command("apply", "--dry-run", all); status != 1 {
		t.Errorf("a first dry run has the status %d, want 1", status)
	}
	if out := in.must("apply", all); !strings.HasSuffix(out, fmt.Sprintf("%d changes are in force\n", 2*(listings+3))) {
		t.Errorf("apply says …%s", out[max(0, len(out)-100):])
	}
	if out := in.must("apply", "--dry-run", "--prune", all); out != "nothing differs\n" {
		t.Errorf("after it was applied: %s", out)
	}

	var rows strings.Builder
	rows.WriteString("sku;units;when\n")
	when := time.Now().UTC().Format("2006-01-02 15:04:05")
	for i := range listings {
		fmt.Fprintf(&rows, "SKU-%04d;10,0;%s\n", i, when)
	}
	m := file("map.yaml", `
event: movement
delimiter: ";"
columns: {sku: sku, units: {field: quantity, decimal: ","}, when: {field: occurred_at, format: YYYY-MM-DD hh:mm:ss, zone: UTC}}
values: {pool: north, outlet: A, kind: receipt, event_id: "opening-{sku}"}
`)
	from := time.Now().UTC()
	for range 2 { // the second time changes nothing: every row has its id
		in.must("import", "--map", m, file("stock.csv", rows.String()))
	}
	in.wait("the stock is folded", time.Minute, in.servers.settled)
	counts := in.servers.onHand()
	if len(counts) != listings || counts[shelf{"north", "SKU-0007", "A"}] != 10 {
		t.Errorf("%d counts, want %d of 10", len(counts), listings)
	}

	var report struct {
		Listings []struct{ Last struct{ Real, Shadow int } }
	}
	tried := file("tried.yaml", "pool: north\nchannels: {web: {outlets: [A, B], policies: [{buffer: 4}]}}\n")
	if err := json.Unmarshal([]byte(in.must("shadow", "--policy", tried, "--from", from.Format(time.RFC3339Nano), "--json")), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Listings) != listings || report.Listings[0].Last.Real != 10 || report.Listings[0].Last.Shadow != 6 {
		t.Errorf("the shadow has %d listings that differ, want %d of 10 and 6", len(report.Listings), listings)
	}

	few := file("few.yaml", catalogue(5, ", policies: [{buffer: 1}]"))
	if out := in.must("apply", "--prune", few); !strings.HasSuffix(out, fmt.Sprintf("%d changes are in force\n", 2*(listings-5+1))) {
		t.Errorf("apply --prune says …%s", out[max(0, len(out)-100):])
	}
	if out := in.must("verify"); !strings.Contains(out, ", 0 differences") {
		t.Errorf("verify says %s", out)
	}
	if status := run.stop(); status != 0 {
		t.Errorf("run ended with status %d", status)
	}
}
