package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/config"
	"github.com/shelfwire/shelfwire/internal/demo"
)

// A short, dense day through every real stage: at its end every row is what the journal says, and every shop shows its offer.
func TestAShortDay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	var out bytes.Buffer
	err := demo.Run(t.Context(), config.Default(), slog.New(slog.DiscardHandler), demo.Options{
		For: 4 * time.Second, Seed: 7, Speed: 8, Listen: "127.0.0.1:0", Report: path, Out: &out,
	})
	if err != nil {
		t.Fatalf("Run() = %v\n%s", err, out.String())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r demo.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{
		"movements": r.Movements, "orders": r.Orders, "allocations": r.Allocations, "offers": r.Offers,
		"acknowledged": r.Communications.Acknowledged, "faults_injected": r.FaultsInjected, "verify.rows": r.Verify.Rows,
	} {
		if n == 0 {
			t.Errorf("the report says %s: 0", name)
		}
	}
	if r.Verify.Differences != 0 || r.Levels.Different != 0 || r.Levels.Compared != 1500 || r.Seed != 7 {
		t.Errorf("report = %+v", r)
	}
	for _, channel := range []string{"shopify-ca", "shop-fr", "marketplace"} {
		if c := r.Calls[channel]; c.Calls == 0 || c.Changes < 10*c.Calls {
			t.Errorf("%s: %d calls for %d changed offers, want at most a tenth as many", channel, c.Calls, c.Changes)
		}
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"movements", "orders", "allocations", "offers", "communications", "rejections", "faults_injected", "verify", "latency_ms", "calls", "seed"} {
		if _, ok := keys[key]; !ok {
			t.Errorf("the report has no %q, which the contract promises; it has %v", key, slices.Sorted(maps.Keys(keys)))
		}
	}
}

// The installation remembers what the shops were told, and so do the shops what they show: a second day in the same directory ends as
// the first did, also after one that was cut short.
func TestASecondDayInTheSameDirectory(t *testing.T) {
	cfg := config.Default()
	cfg.Data = t.TempDir()
	day := func(ctx context.Context, seed uint64, lasts time.Duration, report string) string {
		t.Helper()
		var out bytes.Buffer
		err := demo.Run(ctx, cfg, slog.New(slog.DiscardHandler), demo.Options{
			For: lasts, Seed: seed, Speed: 8, Listen: "127.0.0.1:0", Report: report, Out: &out,
		})
		if err != nil {
			t.Fatalf("Run() = %v\n%s", err, out.String())
		}
		return out.String()
	}
	cut, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	day(cut, 7, 0, "")
	path := filepath.Join(t.TempDir(), "report.json")
	out := day(t.Context(), 8, 2*time.Second, path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r demo.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Levels.Compared != 1500 || r.Levels.Different != 0 || r.Verify.Differences != 0 {
		t.Errorf("report = %+v\n%s", r, out)
	}
}
