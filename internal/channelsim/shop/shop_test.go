package shop_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/channelsim/shop"
)

const token = "tok-4711"

// What no connector of ours should ever send is refused, and changes nothing.
func TestStrictness(t *testing.T) {
	good := `{"idempotency_key":"k","rows":[{"item":"A","location":"","quantity":5,"compare":1}]}`
	for _, tt := range []struct {
		name, path, token, body string
		status                  int
	}{
		{"a good request", "/levels/set", token, good, 200},
		{"no token", "/levels/set", "", good, 401},
		{"another token", "/levels/set", token + "x", good, 401},
		{"no body", "/levels/set", token, "", 400},
		{"no JSON", "/levels/set", token, "{", 400},
		{"something after it", "/levels/set", token, good + "{}", 400},
		{"an unknown field", "/levels/set", token, strings.Replace(good, `"item"`, `"sku":"A","item"`, 1), 400},
		{"no key", "/levels/set", token, strings.Replace(good, `"k"`, `""`, 1), 400},
		{"no rows", "/levels/set", token, `{"idempotency_key":"k","rows":[]}`, 400},
		{"a row without compare", "/levels/set", token, strings.Replace(good, `,"compare":1`, "", 1), 400},
		{"a row with a null compare", "/levels/set", token, strings.Replace(good, `"compare":1`, `"compare":null`, 1), 400},
		{"a row without location", "/levels/set", token, strings.Replace(good, `"location":"",`, "", 1), 400},
		{"a negative quantity", "/levels/set", token, strings.Replace(good, `:5`, `:-5`, 1), 400},
		{"a quantity that is no whole number", "/levels/set", token, strings.Replace(good, `:5`, `:5.5`, 1), 400},
		{"a quantity as text", "/levels/set", token, strings.Replace(good, `:5`, `:"5"`, 1), 400},
		{"101 rows", "/levels/set", token, `{"idempotency_key":"k","rows":[` + strings.Repeat(`{"item":"A","location":"","quantity":5,"compare":1},`, 100) +
			`{"item":"A","location":"","quantity":5,"compare":1}]}`, 400},
		{"more than a mebibyte", "/levels/set", token, strings.Replace(good, `"A"`, `"`+strings.Repeat("A", 1<<20)+`"`, 1), 400},
		{"no items to read", "/levels/get", token, `{"items":[]}`, 400},
		{"another path", "/levels", token, good, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sim := shop.New("shop", token, 1, channelsim.Faults{})
			sim.List(channelsim.Place{Item: "A"}, 1)
			r := httptest.NewRequest(http.MethodPost, tt.path, strings.NewReader(tt.body))
			r.Header.Set("Authorization", "Bearer "+tt.token)
			w := httptest.NewRecorder()
			sim.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("the status is %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			level, _ := sim.Level(channelsim.Place{Item: "A"})
			if applied := level == 5; applied != (tt.status == 200) {
				t.Errorf("the level is %d after status %d", level, w.Code)
			}
			if strings.Contains(w.Body.String(), token) {
				t.Errorf("the answer tells the token: %s", w.Body)
			}
		})
	}
	w := httptest.NewRecorder()
	shop.New("shop", token, 1, channelsim.Faults{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/levels/set", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET has the status %d, want 405", w.Code)
	}
}

func TestThrottleAboveARate(t *testing.T) {
	sim := shop.New("shop", token, 1, channelsim.Faults{ThrottleAbove: 3, RetryAfter: 2 * time.Second})
	sim.List(channelsim.Place{Item: "A"}, 1)
	throttled := 0
	for i := range 20 { // within two seconds at most, of which each lets 3 through
		body := fmt.Sprintf(`{"idempotency_key":"k%d","rows":[{"item":"A","location":"","quantity":1,"compare":1}]}`, i)
		r := httptest.NewRequest(http.MethodPost, "/levels/set", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		sim.ServeHTTP(w, r)
		if w.Code == http.StatusTooManyRequests {
			throttled++
			if after := w.Header().Get("Retry-After"); after != "2" {
				t.Fatalf("Retry-After is %q, want 2", after)
			}
		}
	}
	if throttled < 14 {
		t.Errorf("%d of 20 requests were throttled, want at least 14", throttled)
	}
	if sim.Injected() != throttled {
		t.Errorf("Injected() = %d, want %d", sim.Injected(), throttled)
	}
}
