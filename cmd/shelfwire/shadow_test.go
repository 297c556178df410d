package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/shadow"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func TestAShadowIsExplained(t *testing.T) {
	const from stock.Instant = 1_795_168_800_000_000
	r := shadow.Report{
		Pool: "acme", From: from, Until: from.Add(26*time.Hour + 30*time.Minute), Entries: 12,
		Changes: []catalogue.Change{{
			Object: catalogue.Object{Kind: record.KindChannel, Channel: "web"}, Verb: catalogue.Alter,
			Fields: []catalogue.FieldChange{{Field: "policies[0].buffer", Old: "0", New: "5"}},
		}},
		Offers: shadow.Pair{Real: 10, Shadow: 9}, Beyond: shadow.Pair{Shadow: 2}, Waiting: shadow.Pair{Real: 5400, Shadow: 360}, Parcels: shadow.Pair{Real: 4, Shadow: 5},
		Channels: []shadow.Channel{{Channel: "web", Offers: shadow.Pair{Real: 10, Shadow: 9}, Listings: 3, Differing: 2, Less: 36000}},
		Listings: []shadow.Listing{
			{Channel: "web", SKU: "SHIRT", Offers: shadow.Pair{Real: 6, Shadow: 5}, Differed: 2 * time.Hour, Less: 30000, Most: -5, Last: shadow.Pair{Real: 10, Shadow: 5}},
			{Channel: "web", SKU: "HAT", Location: "7", Offers: shadow.Pair{Real: 4, Shadow: 4}, Differed: 90 * time.Second, Less: 6000, Most: -70},
		},
	}
	want := `pool acme, 2026-11-20 10:00:00 UTC to 2026-11-21 12:30:00 UTC (26h30m): 12 entries

~ acme: channel web
    policies[0].buffer: 0 → 5

                                      as it was         shadow
offers                                       10              9
units ordered beyond the offer                0              2
backordered, unit-hours                     0.0            0.0
waiting in orders, unit-hours               1.5            0.1
outlets serving orders                        4              5

channel  offers  shadow  listings  differing  less, unit-hours  more, unit-hours
web      10      9       3         2          10.0              0.0

channel  SKU    location  offers  shadow  differed for  on average by  at most by  in the end  shadow
web      SHIRT            6       5       2h00m         -4.1           -5          10          5
and 1 more listings: --limit shows more, --json all
`
	if got := explainShadow(&r, 1); got != want {
		t.Errorf("explainShadow() =\n%s\nwant\n%s", got, want)
	}
}

func TestShadowReplaysTheJournal(t *testing.T) {
	t.Parallel()
	env := quietEnv("SHELFWIRE_DATA=" + t.TempDir())
	stop := startRun(t, env)
	stocked := func(want string) {
		t.Helper()
		eventually(t, "stock is "+want, func() bool {
			stdout, _, _ := cli(t, env, "", "stock", "acme", "SHIRT")
			return strings.Contains(stdout, want)
		})
	}
	receipt := func() {
		t.Helper()
		now := time.Now().UTC().Format(time.RFC3339Nano)
		must(t, env, `{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":10,"occurred_at":"`+now+`"}}`+"\n", "send")
	}
	must(t, env, "", "apply", write(t, "acme.yaml", "pool: acme\noutlets: {MTL: }\nchannels: {web: {outlets: [MTL]}}\nlistings: {web: {SHIRT: }}\n"))
	receipt()
	stocked("MTL 10/0")
	from := time.Now().UTC().Add(time.Millisecond).Format(time.RFC3339Nano)
	receipt()
	stocked("MTL 20/0")
	if status := stop(); status != 0 {
		t.Fatalf("run ended with status %d", status)
	}

	policy := write(t, "policy.yaml", "pool: acme\nchannels: {web: {outlets: [MTL], policies: [{buffer: 3}]}}\n")
	stdout := must(t, env, "", "shadow", "--policy", policy, "--from", from, "--json")
	var r shadowJSON
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Listings) != 1 || r.Listings[0].Last != (pairJSON{20, 17}) || r.Listings[0].Most != -3 || r.Entries != 1 || len(r.Changes) != 1 || r.Changes[0] != "channel web" {
		t.Errorf("shadow says %s", stdout)
	}
	if stdout = must(t, env, "", "shadow", "--policy", policy, "--from", from); !strings.Contains(stdout, "at most by") {
		t.Errorf("shadow says\n%s", stdout)
	}
	_, stderr, status := cli(t, env, "", "shadow", "--policy", policy, "--from", "2090-01-01T00:00:00Z")
	if status != 1 || !strings.Contains(stderr, "there is nothing to compare") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

func TestAShadowBeginsWithASnapshot(t *testing.T) {
	t.Parallel()
	env := quietEnv("SHELFWIRE_DATA=" + t.TempDir())
	file := filepath.Join(t.TempDir(), "copy")
	moment := func() string { return time.Now().UTC().Add(time.Millisecond).Format(time.RFC3339Nano) }
	first := moment()
	units := 0
	receipt := func() {
		t.Helper()
		units += 10
		must(t, env, `{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":10,"occurred_at":"`+moment()+`"}}`+"\n", "send")
		eventually(t, "the receipt is folded", func() bool {
			stdout, _, _ := cli(t, env, "", "stock", "acme", "SHIRT")
			return strings.Contains(stdout, fmt.Sprintf("MTL %d/0", units))
		})
	}
	stop := startRun(t, env)
	must(t, env, "", "apply", write(t, "acme.yaml", "pool: acme\noutlets: {MTL: }\nchannels: {web: {outlets: [MTL]}}\nlistings: {web: {SHIRT: }}\n"))
	receipt()
	stop()
	must(t, env, "", "snapshot", file)
	var trial string
	for range 3 { // until the journal is cut behind the last but one
		stop = startRun(t, env)
		trial = moment()
		receipt()
		stop()
		must(t, env, "", "stock", "acme") // which is answered when the history has everything, so that it holds nothing back
	}

	later := filepath.Join(t.TempDir(), "later")
	must(t, env, "", "snapshot", later)
	policy := write(t, "policy.yaml", "pool: acme\nchannels: {web: {outlets: [MTL], policies: [{buffer: 3}]}}\n")
	stdout := must(t, env, "", "shadow", "--policy", policy, "--from", trial, "--json")
	var r shadowJSON
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Listings) != 1 || r.Listings[0].Last != (pairJSON{40, 37}) || r.Listings[0].Most != -3 || r.Entries < 1 {
		t.Errorf("shadow says %s", stdout)
	}
	for _, c := range []struct {
		from string
		more []string
		want string
	}{
		{from: first, want: "choose a --from after that, or name an older snapshot"},
		{from: trial, more: []string{"--snapshot", file}, want: "the entries between are gone"},
		{from: trial, more: []string{"--snapshot", later}, want: "or name an older snapshot"},
	} {
		args := append([]string{"shadow", "--policy", policy, "--from", c.from}, c.more...)
		if _, stderr, status := cli(t, env, "", args...); status != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("shadow %v: status %d, %s", c.more, status, stderr)
		}
	}
}
