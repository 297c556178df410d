package simserver_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/channel/shop"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/simserver"
	"github.com/shelfwire/shelfwire/internal/stock"
)

const file = `
seed: 7
shops:
  ca:
    vendor: shop
    token: t1
    script: [none, error_before, throttle]
    products: [{item: SHIRT, level: 5}]
  web:
    vendor: webhook
`

func serve(t *testing.T, text string) string {
	t.Helper()
	f, err := simserver.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := simserver.New(f)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

func ask(t *testing.T, method, url, body string) (int, string) {
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
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// A shop serves its own interface under its name, meets what its script says, and has a back office and shoppers beside it.
func TestAShop(t *testing.T) {
	url := serve(t, file)
	c, err := shop.New(channel.Endpoint{URL: url + "/ca", Token: "t1", AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	read := func() (stock.Quantity, error) {
		r, err := c.Read(t.Context(), []publisher.Item{{SKU: "SHIRT"}})
		if err != nil {
			return 0, err
		}
		return *r.Levels[0].Quantity, nil
	}
	if level, err := read(); err != nil || level != 5 {
		t.Fatalf("the first read = %d, %v, want 5", level, err)
	}
	if _, err := read(); err == nil || !strings.Contains(err.Error(), "server_error") {
		t.Errorf("the second read = %v, want what the script says", err)
	}
	if _, err := read(); err == nil || !strings.Contains(err.Error(), "throttled") {
		t.Errorf("the third read = %v, want what the script says", err)
	}
	code, order := ask(t, http.MethodPost, url+"/sim/ca/orders", `{"item":"SHIRT","quantity":2}`)
	if level, _ := read(); code != http.StatusOK || level != 3 {
		t.Errorf("a shopper bought 2 of 5 (%d): the level is %d", code, level)
	}
	if code, answer := ask(t, http.MethodPost, url+"/sim/ca/orders", `{"item":"SHIRT","quantity":9}`); code != http.StatusBadRequest {
		t.Errorf("a shopper bought 9 of 3: %d %s", code, answer)
	}
	id := strings.Split(order, `"`)[3]
	if code, answer := ask(t, http.MethodPost, url+"/sim/ca/cancels", `{"order":"`+id+`","restock":true}`); code != http.StatusOK {
		t.Errorf("cancel = %d %s", code, answer)
	}
	ask(t, http.MethodPut, url+"/sim/ca/levels", `{"item":"HAT","level":9}`)
	_, state := ask(t, http.MethodGet, url+"/sim/ca", "")
	if state := strings.Join(strings.Fields(state), ""); !strings.Contains(state, `{"item":"HAT","location":"","level":9,"sold":0},{"item":"SHIRT","location":"","level":5,"sold":0}`) {
		t.Errorf("the state is %s", state)
	}
	ask(t, http.MethodPut, url+"/sim/ca/faults", `{"error_before":1000}`)
	if _, err := read(); err == nil {
		t.Error("Read() = nil error where every request fails")
	}
	if code, _ := ask(t, http.MethodPut, url+"/sim/ca/script", `["nonsense"]`); code != http.StatusBadRequest {
		t.Errorf("status %d for a script of nonsense, want 400", code)
	}
	if _, lines := ask(t, http.MethodGet, url, ""); !strings.Contains(lines, "/ca  vendor shop, token t1") || !strings.Contains(lines, "/web  vendor webhook, secret whsec_") {
		t.Errorf("the front page says %s", lines)
	}
}

// Shoppers buy by themselves, and never more than is shown.
func TestShoppers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := simserver.Parse([]byte("shops: {shop: {sales_per_minute: 6, products: [{item: A, level: 5}, {item: B, level: 5}]}}"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := simserver.New(f)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		state := func() string {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sim/shop", http.NoBody))
			return strings.Join(strings.Fields(w.Body.String()), "")
		}
		wait := func(d time.Duration) { timer := time.NewTimer(d); <-timer.C; synctest.Wait() }
		wait(30*time.Second + time.Millisecond)
		sold := 0
		for _, part := range strings.Split(state(), `"sold":`)[1:] {
			sold += int(part[0] - '0')
		}
		if sold != 3 {
			t.Errorf("%d units were sold in half a minute of 6 a minute, want 3: %s", sold, state())
		}
		wait(time.Hour)
		if got := state(); strings.Count(got, `"level":0,"sold":5`) != 2 {
			t.Errorf("after an hour: %s, want both sold out", got)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run() = %v", err)
		}
	})
}

func TestWhatIsWrongWithAFile(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"seed: x", "line 1"},
		{"shops: {ca: {vendor: nobody}}", "no simulator for vendor"},
		{"shops: {ca: {vendor: shop, tokens: t}}", "tokens"},
		{"shops: {ca: {vendor: shop, faults: {throttle: 1001}}}", "parts in a thousand"},
		{"shops: {ca: {vendor: shop, script: [never]}}", "never"},
		{"shops: {shop: {sales_per_minute: -1}}", "sales_per_minute"},
		{"shops: {sim: {vendor: shop}}", "name of a shop"},
		{"shops: {ca: {vendor: webhook, secret: short}}", "shops.ca"},
	} {
		f, err := simserver.Parse([]byte(tt.text))
		if err == nil {
			_, err = simserver.New(f)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", tt.text, err, tt.want)
		}
	}
}

// The example that the help names is a good one.
func TestTheExample(t *testing.T) {
	text, err := os.ReadFile("../../examples/faults.yml")
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, string(text))
	if code, state := ask(t, http.MethodGet, url+"/sim/ca", ""); code != http.StatusOK || !strings.Contains(state, "InventoryItem/2") {
		t.Errorf("the shop's state = %d %s", code, state)
	}
}
