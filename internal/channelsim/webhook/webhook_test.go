package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/channelsim/webhook"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
)

const newSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func secret(t *testing.T, text string) signature.Secret {
	t.Helper()
	s, err := signature.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const good = `{"specversion":"1.0","type":"io.shelfwire.inventory.level.set.v1","id":"k","source":"/s","time":"2026-11-20T10:00:00Z",` +
	`"datacontenttype":"application/json","data":{"levels":[{"sku":"A","location":"","item":"","available":5,"version":7,"as_of":"2026-11-20T10:00:00Z"}]}}`

// What no connector of ours should ever send is refused, and changes nothing.
func TestStrictness(t *testing.T) {
	for _, tt := range []struct {
		name   string
		body   string
		header func(h http.Header)
		status int
	}{
		{"a good event", good, nil, 200},
		{"no signature", good, func(h http.Header) { h.Del(signature.HeaderSignature) }, 401},
		{"no id", good, func(h http.Header) { h.Del(signature.HeaderID) }, 401},
		{"another's signature", good, func(h http.Header) {
			h.Set(signature.HeaderSignature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
		}, 401},
		{"the id of another", good, func(h http.Header) { h.Set(signature.HeaderID, "j") }, 401},
		{"an old timestamp", good, func(h http.Header) { h.Set(signature.HeaderTimestamp, "1614265330") }, 401},
		{"an id that is not the event's", strings.Replace(good, `"id":"k"`, `"id":"j"`, 1), nil, 400},
		{"no JSON", "{", nil, 400},
		{"something after it", good + "{}", nil, 400},
		{"an unknown field", strings.Replace(good, `"item"`, `"price":1,"item"`, 1), nil, 400},
		{"another version of CloudEvents", strings.Replace(good, `"1.0"`, `"0.3"`, 1), nil, 400},
		{"another type", strings.Replace(good, "set.v1", "set.v2", 1), nil, 400},
		{"no source", strings.Replace(good, `"/s"`, `""`, 1), nil, 400},
		{"no levels", regexp.MustCompile(`\[.*\]`).ReplaceAllString(good, "[]"), nil, 400},
		{"a level without version", strings.Replace(good, `"version":7,`, "", 1), nil, 400},
		{"a negative level", strings.Replace(good, `:5`, `:-5`, 1), nil, 400},
		{"a level without a quantity", strings.Replace(good, `"available":5,`, "", 1), nil, 400},
		{"more than a mebibyte", strings.Replace(good, `"A"`, `"`+strings.Repeat("A", 1<<20)+`"`, 1), nil, 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := secret(t, newSecret)
			sim := webhook.New("market", []signature.Secret{key}, 1, channelsim.Faults{})
			sim.List(channelsim.Place{Item: "A"}, 1)
			timestamp, signatures := signature.Sign([]signature.Secret{key}, "k", stock.InstantOf(time.Now()), []byte(tt.body))
			r := httptest.NewRequest(http.MethodPost, "/inventory/levels", strings.NewReader(tt.body))
			r.Header.Set(signature.HeaderID, "k")
			r.Header.Set(signature.HeaderTimestamp, timestamp)
			r.Header.Set(signature.HeaderSignature, signatures)
			if tt.header != nil {
				tt.header(r.Header)
			}
			w := httptest.NewRecorder()
			sim.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("the status is %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			level, _ := sim.Level(channelsim.Place{Item: "A"})
			if applied := level == 5; applied != (tt.status == 200) {
				t.Errorf("the level is %d after status %d", level, w.Code)
			}
		})
	}
}
