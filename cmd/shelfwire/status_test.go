package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func TestAStatusFitsOnAScreen(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	at := stock.InstantOf(now)
	st := app.Status{
		At: now, Over: 2 * time.Second,
		Stages: []app.StageStatus{{Stage: app.Ingest, Members: 2, PerSecond: 1200.25}, {Stage: app.Publisher, Waiting: 7, Oldest: at.Add(-90 * time.Second)}},
		Past: &app.PastStatus{
			Decrease: &app.Decrease{Pool: "acme", Channel: "web", SKU: "SHIRT", Location: "7", Shown: 9, Offered: 2, Since: at.Add(-time.Minute), State: record.Unknown},
			Looked:   20_000, Partly: true,
			Silent:     []app.Silent{{Pool: "acme", Channel: "shop", Since: at.Add(-2 * time.Hour)}},
			Pools:      []app.PoolStatus{{Pool: "acme", Totals: auditview.Totals{SKUs: 3, Listings: 2, Failing: 1, LastEntry: at.Add(-time.Second)}}},
			Failures:   []auditview.Told{{Communication: record.Communication{Pool: "acme", Channel: "web", SKU: "HAT", State: record.Held, ReplyClass: "unauthorised"}, RecordedAt: at.Add(-time.Hour)}},
			Rejections: []record.Rejection{{Pool: "acme", Class: "late", Reason: "too old", RejectedAt: at.Add(-2 * time.Second)}},
		},
	}
	want := `2026-11-20 10:00:00 UTC

stage      at work  to do  oldest of it  records/s
ingest     2        0      -             1200.2
publisher  0        7      1m30s         0.0

oldest decrease that no channel has acknowledged: acme/web SHIRT at 7: shows 9, offered 2, for at least 1m0s (outcome unknown) (of the first 20000 SKUs: there are more)

channels of whose orders nothing is heard, so that what they sell since is not known:
  acme/shop since 2026-11-20 08:00:00 UTC, 2h00m ago

pool  SKUs  listings  failing  backordered  last entry  last communication
acme  3     2         1        0            1s ago      -

listings that are not as they should be and despatches that were not taken, the newest:
  1h00m ago  acme/web HAT  held  unauthorised

inputs that were not applied or were flagged, the newest (shelfwire rejections list shows all):
  2s ago  acme  late  too old
`
	if got := explainStatus(&st); got != want {
		t.Errorf("explainStatus() =\n%s\nwant\n%s", got, want)
	}
}

func TestAStatusWithoutTheHistory(t *testing.T) {
	st := app.Status{
		At: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), Over: 2 * time.Second, Away: errors.New("connection refused"),
		Stages: []app.StageStatus{{Stage: app.Allocator, Members: 1, PerSecond: 3}, {Stage: app.Audit, Members: 1, Unknown: true}},
	}
	want := `2026-11-20 10:00:00 UTC

stage      at work  to do  oldest of it  records/s
allocator  1        0      -             3.0
audit      1        ?      -             ?

the history does not answer: how far audit is, counts, decreases and failures are not known
`
	if got := explainStatus(&st); got != want {
		t.Errorf("explainStatus() =\n%s\nwant\n%s", got, want)
	}
	var b bytes.Buffer
	if err := writeStatusJSON(&b, &st); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); !strings.Contains(got, `{"stage":"audit","at_work":1}`) {
		t.Errorf("JSON says of audit what nobody knows: %s", got)
	}
}

func TestStatusOfAnEmbeddedInstallation(t *testing.T) {
	t.Parallel()
	env := quietEnv("SHELFWIRE_DATA=" + filepath.Join(t.TempDir(), "data"))
	stop := startRun(t, env)
	sampleTravels(t, env)
	var st statusJSON
	look := func() {
		t.Helper()
		st = statusJSON{}
		if err := json.Unmarshal([]byte(must(t, env, "", "status", "--over", "100ms", "--json")), &st); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "nothing waits", func() bool {
		look()
		for _, s := range st.Stages {
			if s.Waiting == nil || *s.Waiting != 0 {
				return false
			}
		}
		return len(st.Stages) == 4
	})
	for i, want := range []string{"ingest", "allocator", "publisher", "audit"} {
		if s := st.Stages[i]; s.Stage != want || s.AtWork != 1 || s.PerSecond == nil {
			t.Errorf("stage %d is %+v, want %s at work", i, s, want)
		}
	}
	if st.Stopped || len(st.Pools) != 1 || st.Pools[0].Pool != "acme" || st.Pools[0].SKUs == 0 {
		t.Errorf("status = %+v", st)
	}
	stop()
	now := time.Now().UTC().Format(time.RFC3339Nano)
	must(t, env, `{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":10,"occurred_at":"`+now+`"}}`+"\n", "send")
	look()
	if !st.Stopped || *st.Stages[1].Waiting != 0 || *st.Stages[2].Waiting == 0 || st.Stages[2].Oldest == nil {
		t.Errorf("status of a stopped installation = %+v, want that the publisher has something to do", st.Stages)
	}
	if stdout := must(t, env, "", "status", "--over", "0s"); !strings.Contains(stdout, "does not run") {
		t.Errorf("status says\n%s", stdout)
	}
}
