package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// startSim starts `shelfwire sim` and returns its address.
func startSim(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr syncBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"sim", "--listen", "127.0.0.1:0"}, args...), quietEnv(), strings.NewReader(""), &stdout, &stderr)
	}()
	t.Cleanup(func() {
		cancel()
		if status := <-ended; status != 0 {
			t.Errorf("sim ended with status %d: %s", status, stderr.String())
		}
	})
	var address string
	eventually(t, "sim says where it is", func() bool {
		address = regexp.MustCompile(`http://[^/]+`).FindString(stdout.String())
		return address != ""
	})
	return address
}

// simAsk sends JSON to the simulator's own side and returns what it answers.
func simAsk(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s, %v: %s", method, url, resp.Status, err, answer)
	}
	return string(answer)
}

const (
	simItem     = "gid://shopify/InventoryItem/1"
	simLocation = "gid://shopify/Location/7"
)

func simLevel(t *testing.T, sim, item string) int64 {
	t.Helper()
	var state struct {
		Levels []struct {
			Item  string
			Level int64
		}
	}
	if err := json.Unmarshal([]byte(simAsk(t, http.MethodGet, sim+"/sim/shopify", "")), &state); err != nil {
		t.Fatal(err)
	}
	for _, l := range state.Levels {
		if l.Item == item {
			return l.Level
		}
	}
	return -1
}

// A Shopify shop is told what it may show, its orders are read, a level that was changed by hand is found and put right, and what was
// put aside is taken up again.
func TestAShopifyShop(t *testing.T) {
	t.Parallel()
	sim := startSim(t)
	put := func(item, sku string, level int, status string) {
		simAsk(t, http.MethodPut, sim+"/sim/shopify/levels", fmt.Sprintf(`{"item":%q,"location":%q,"level":%d,"sku":%q,"title":"","status":%q}`, item, simLocation, level, sku, status))
	}
	draft := "gid://shopify/InventoryItem/2"
	put(simItem, "SHIRT", 3, "ACTIVE")
	put(draft, "HAT", 0, "DRAFT")
	env := quietEnv("SHELFWIRE_DATA="+filepath.Join(t.TempDir(), "data"),
		fmt.Sprintf(`SHELFWIRE_CHANNELS={"acme/ca": {"url": %q, "token": "token", "allow_private": true}}`, sim+"/shopify"))
	startRun(t, env)
	now := time.Now().UTC().Format(time.RFC3339)
	must(t, env, strings.ReplaceAll(`{"outlet":{"pool":"acme","outlet":"MTL","name":"Montréal","priority":1,"sells_online":true,"fulfils_orders":true}}
{"channel":{"pool":"acme","channel":"ca","vendor":"shopify","outlets":["MTL"],"locations":[{"location":"`+simLocation+`","outlets":["MTL"]}],"publish":{"quiet":"100ms","longest_wait":"1s"}}}
{"listing":{"pool":"acme","channel":"ca","sku":"SHIRT","opted_in":true,"channel_ids":{"inventory_item_id":"1"}}}
{"listing":{"pool":"acme","channel":"ca","sku":"HAT","opted_in":true,"channel_ids":{"inventory_item_id":"2"}}}
{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":10,"occurred_at":"NOW","event_id":"e1"}}
{"movement":{"pool":"acme","outlet":"MTL","sku":"HAT","kind":"receipt","quantity":4,"occurred_at":"NOW","event_id":"e2"}}`, "NOW", now), "send")
	// A level is raised when all orders up to then are known to be in; reading them now saves waiting for the next time.
	ordersIn := func() {
		if stdout, stderr, status := cli(t, env, "", "orders", "sync", "acme/ca", "--wait", "10s"); status != 0 && !strings.Contains(stderr, "answered") {
			t.Errorf("orders sync: status %d, %s%s", status, stdout, stderr)
		}
	}
	eventually(t, "the channel is known", func() bool {
		return strings.Contains(must(t, env, "", "tail", "offers", "--from", "start", "--until-end"), `"sku":"HAT"`)
	})
	eventually(t, "the shop shows 10", func() bool { ordersIn(); return simLevel(t, sim, simItem) == 10 })

	// A shopper buys: the shop lowers its level, and the order is read and reserved without anything being pushed back.
	var bought struct{ Order string }
	if err := json.Unmarshal([]byte(simAsk(t, http.MethodPost, sim+"/sim/shopify/orders", fmt.Sprintf(`{"item":%q,"location":%q,"quantity":2}`, simItem, simLocation))), &bought); err != nil {
		t.Fatal(err)
	}
	id := bought.Order[strings.LastIndexByte(bought.Order, '/')+1:]
	if got := must(t, env, "", "orders", "sync", "acme/ca"); !strings.Contains(got, "1 order read") {
		t.Errorf("orders sync = %s", got)
	}
	eventually(t, "the order is known", func() bool {
		stdout, _, status := cli(t, env, "", "order", "acme", "ca", id)
		return status == 0 && strings.Contains(stdout, "MTL")
	})
	if level := simLevel(t, sim, simItem); level != 8 {
		t.Errorf("the shop shows %d after a sale of 2 of 10, want 8", level)
	}

	// Somebody changes the level in the shop.
	put(simItem, "SHIRT", 50, "ACTIVE")
	got := must(t, env, "", "sync", "acme/ca", "--observe-only")
	if !strings.Contains(got, "SHIRT at "+simLocation) || !strings.Contains(got, "shows 50 instead of 8") || !strings.Contains(got, "2 listings read, 1 drifted, 1 put aside") {
		t.Errorf("sync --observe-only = %s", got)
	}
	if level := simLevel(t, sim, simItem); level != 50 {
		t.Errorf("the shop shows %d after observing only, want 50", level)
	}
	must(t, env, "", "sync", "acme/ca")
	if level := simLevel(t, sim, simItem); level != 8 {
		t.Errorf("the shop shows %d after a sync, want 8", level)
	}

	// The draft is put aside, and taken up when it is active.
	eventually(t, "the draft is in the list of failures", func() bool {
		return strings.Contains(must(t, env, "", "failed", "list", "acme"), "not eligible: the product is draft")
	})
	for _, args := range [][]string{{"failed", "retry", "acme/ca"}, {"push", "acme/ca", "HAT"}} { // nobody has made it active yet
		stdout, stderr, status := cli(t, env, "", args...)
		if status != 1 || !strings.Contains(stdout, "HAT at "+simLocation) || !strings.Contains(stdout, "not eligible: the product is draft") ||
			!strings.Contains(stdout, "0 told, 1 put aside\n") || !strings.Contains(stderr, "channel acme/ca: 1 of 1 stay put aside\n") {
			t.Errorf("%v: status %d, %s%s; want 1, what stays and why", args, status, stdout, stderr)
		}
	}
	put(draft, "HAT", 0, "ACTIVE")
	must(t, env, "", "failed", "retry", "acme/ca", "HAT")
	eventually(t, "the hat is told", func() bool { ordersIn(); return simLevel(t, sim, draft) == 4 })
	must(t, env, "", "push", "acme/ca", "SHIRT")

	// A listing without the shop's id gets it by its SKU, and another one by the file: each is told without waiting for a movement.
	socks := [...]string{"gid://shopify/InventoryItem/3", "gid://shopify/InventoryItem/4"}
	put(socks[0], "SOCK", 0, "ACTIVE")
	put(socks[1], "SOCK-2", 0, "ACTIVE")
	must(t, env, strings.ReplaceAll(`{"listing":{"pool":"acme","channel":"ca","sku":"SOCK","opted_in":true}}
{"movement":{"pool":"acme","outlet":"MTL","sku":"SOCK","kind":"receipt","quantity":7,"occurred_at":"NOW","event_id":"e3"}}`, "NOW", now), "send")
	eventually(t, "the sock is put aside", func() bool {
		return strings.Contains(must(t, env, "", "failed", "list", "acme"), "no channel_ids.inventory_item_id")
	})
	if stdout, stderr, status := cli(t, env, "", "match", "acme/ca", "--apply"); status != 1 || !strings.Contains(stdout, "1 listing given the channel's id\n") {
		t.Errorf("match --apply: status %d, %s%s", status, stdout, stderr) // SOCK-2 has no listing
	}
	eventually(t, "the sock is told", func() bool { ordersIn(); return simLevel(t, sim, socks[0]) == 7 })
	must(t, env, "", "apply", write(t, "sock.yaml", "pool: acme\nlistings: {ca: {SOCK: {channel_ids: {inventory_item_id: \""+socks[1]+"\"}}}}\n"))
	eventually(t, "the other sock is told", func() bool { ordersIn(); return simLevel(t, sim, socks[1]) == 7 })
	must(t, env, "", "verify")

	for _, args := range [][]string{{"sync", "acme/nowhere", "--wait", "200ms"}, {"push", "acme/ca", "COAT"}} {
		if _, stderr, status := cli(t, env, "", args...); status != 1 || stderr == "" {
			t.Errorf("%v: status %d, said %q, want 1 with a reason", args, status, stderr)
		}
	}
}
