package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/channel/webhook"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	simulated "github.com/shelfwire/shelfwire/internal/channelsim/webhook"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/publisher/connectortest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// secretText returns a signing secret of 32 equal bytes, as people write it.
func secretText(b byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), 32)))
}

func secret(t *testing.T, b byte) signature.Secret {
	t.Helper()
	s, err := signature.ParseSecret(secretText(b))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t *testing.T, e channel.Endpoint) *webhook.Connector {
	t.Helper()
	e.AllowPrivate = true
	c, err := webhook.New("acme", "market", e, time.Now)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	return c
}

func TestConformance(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Channel {
		sim := simulated.New("m", []signature.Secret{secret(t, 'a')}, 1, channelsim.Faults{})
		server := httptest.NewServer(sim)
		t.Cleanup(server.Close)
		place := func(i publisher.Item) channelsim.Place { return channelsim.Place{Item: i.SKU, Location: i.Location} }
		return connectortest.Channel{
			// The secret is being replaced: the sender has both, the receiver still the older one.
			Connector: connect(t, channel.Endpoint{URL: server.URL, Secrets: []string{secretText('b'), secretText('a')}}),
			Stranger:  connect(t, channel.Endpoint{URL: server.URL, Secrets: []string{secretText('c')}}),
			Secret:    secretText('c'),
			Put:       func(i publisher.Item, level stock.Quantity) { sim.List(place(i), level) },
			Sell: func(i publisher.Item) {
				if _, ok := sim.Sell(place(i), 1, time.Now()); !ok {
					t.Errorf("nobody could buy %s", i.SKU)
				}
			},
			Level: func(i publisher.Item) stock.Quantity { level, _ := sim.Level(place(i)); return level },
			Meet:  func(f connectortest.Fault) { sim.Meet(faultOf[f]) },
		}
	})
}

var faultOf = map[connectortest.Fault]channelsim.Fault{
	connectortest.Throttle: channelsim.Throttle, connectortest.ErrorBefore: channelsim.ErrorBefore,
	connectortest.ErrorAfter: channelsim.ErrorAfter, connectortest.CutAfter: channelsim.CutAfter,
	connectortest.TimeoutAfter: channelsim.TimeoutAfter,
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	for _, tt := range []struct {
		name     string
		endpoint channel.Endpoint
		want     string
	}{
		{"no secret", channel.Endpoint{URL: "https://market.example"}, "secret"},
		{"a secret that is none", channel.Endpoint{URL: "https://market.example", Secrets: []string{"whsec_!hidden!"}}, "secret"},
		{"no url", channel.Endpoint{Secrets: []string{secretText('a')}}, "url"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := webhook.New("acme", "market", tt.endpoint, time.Now)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("New() = %v, want an error that names the %s and tells none", err, tt.want)
			}
		})
	}
}

// A replay has the same id and the same bytes; only the time of the attempt and with it the signatures are new.
func TestBytesOfARequest(t *testing.T) {
	type request struct {
		header http.Header
		body   string
	}
	var got []request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, request{r.Header, r.Method + " " + r.URL.Path + " " + string(body)})
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	c, err := webhook.New("acme", "market", channel.Endpoint{
		URL: server.URL + "/hooks/", Secrets: []string{secretText('b'), secretText('a')}, AllowPrivate: true,
	}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	at := stock.InstantOf(now)
	rows := []publisher.Row{{Item: publisher.Item{SKU: "SHIRT", Location: "L1", ChannelItem: "7"}, Quantity: 0, Version: 42, At: at}}
	for range 2 {
		reply, err := c.Set(t.Context(), "sw-1", rows)
		if err != nil || len(reply.Rows) != 1 || reply.Rows[0].Outcome != publisher.RowApplied {
			t.Fatalf("Set() = %+v, %v, want applied: the receiver says nothing of its rows", reply, err)
		}
		now = now.Add(time.Minute)
	}
	want := `POST /hooks/inventory/levels {"specversion":"1.0","type":"io.shelfwire.inventory.level.set.v1","id":"sw-1",` +
		`"source":"/shelfwire/pools/acme/channels/market","time":"2026-11-20T10:00:00Z","datacontenttype":"application/json",` +
		`"data":{"levels":[{"sku":"SHIRT","location":"L1","item":"7","available":0,"version":42,"as_of":"2026-11-20T10:00:00Z"}]}}`
	for i, r := range got {
		if r.body != want {
			t.Errorf("request %d:\n%s\nwant\n%s", i, r.body, want)
		}
		if id, kind := r.header.Get("webhook-id"), r.header.Get("Content-Type"); id != "sw-1" || kind != "application/cloudevents+json" {
			t.Errorf("request %d: id %q, content type %q", i, id, kind)
		}
		_, body, _ := strings.Cut(r.body, "levels ")
		for _, s := range []signature.Secret{secret(t, 'a'), secret(t, 'b')} {
			err := signature.Verify([]signature.Secret{s}, "sw-1", r.header.Get("webhook-timestamp"), r.header.Get("webhook-signature"),
				at.Add(time.Duration(i)*time.Minute), []byte(body))
			if err != nil {
				t.Errorf("request %d does not verify: %v", i, err)
			}
		}
	}
	if len(got) == 2 && got[0].header.Get("webhook-timestamp") == got[1].header.Get("webhook-timestamp") {
		t.Error("both attempts have one timestamp")
	}
}

// A source is a URI reference, whatever the ids hold.
func TestSourceIsAReference(t *testing.T) {
	var source string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e webhook.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		source = e.Source
	}))
	defer server.Close()
	c, err := webhook.New("a b/ü", "x?y", channel.Endpoint{URL: server.URL, Secrets: []string{secretText('a')}, AllowPrivate: true}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Set(t.Context(), "k", []publisher.Row{{Item: publisher.Item{SKU: "A"}, Version: 1}}); err != nil {
		t.Fatal(err)
	}
	if want := "/shelfwire/pools/a%20b%2F%C3%BC/channels/x%3Fy"; source != want {
		t.Errorf("source %q, want %q", source, want)
	}
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		body string
		want publisher.Class // OK: the row was applied
		row  publisher.Outcome
	}{
		{"", publisher.OK, publisher.RowApplied},
		{"thank you", publisher.OK, publisher.RowApplied},
		{`{"ok":true}`, publisher.OK, publisher.RowApplied},
		{`{"results":[]}`, publisher.OK, publisher.RowApplied},
		{`{"results":[{"status":"applied"}]}`, publisher.OK, publisher.RowApplied},
		{`{"results":[{"status":"ineligible","reason":"withdrawn"}]}`, publisher.OK, publisher.RowRefused},
		{`{"results":[{"status":"a status of next year"}]}`, publisher.OK, publisher.RowRefused},
		{`{"results":[{"status":"applied"},{"status":"applied"}]}`, publisher.ServerError, 0},
		{`{"results":[{"status":"appl`, publisher.ServerError, 0},
		{`<html><body>Sign in to the hotel's network`, publisher.ServerError, 0},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, tt.body) }))
		c := connect(t, channel.Endpoint{URL: server.URL, Secrets: []string{secretText('a')}})
		reply, err := c.Set(t.Context(), "k", []publisher.Row{{Item: publisher.Item{SKU: "A"}, Version: 1}})
		failed, _ := errors.AsType[*publisher.RequestError](err)
		switch {
		case tt.want != publisher.OK:
			if failed == nil || failed.Class != tt.want {
				t.Errorf("Set() answered by %q = %v, want %s", tt.body, err, tt.want)
			}
		case err != nil || reply.Rows[0].Outcome != tt.row:
			t.Errorf("Set() answered by %q = %+v, %v, want outcome %d", tt.body, reply, err, tt.row)
		}
		server.Close()
	}
}

// A despatch is told once under its key, whatever becomes of the answers; a receiver that knows no despatches is not at fault.
func TestShip(t *testing.T) {
	sim := simulated.New("w", []signature.Secret{secret(t, 'a')}, 1, channelsim.Faults{})
	server := httptest.NewServer(sim)
	defer server.Close()
	c := connect(t, channel.Endpoint{URL: server.URL, Secrets: []string{secretText('a')}})
	s := publisher.Shipment{
		OrderID: "1", ID: "f1", ShippedAt: stock.InstantOf(time.Now()), Carrier: "UPS", Tracking: "1Z", Lines: []record.FulfilmentLine{{LineID: "1", Quantity: 2}},
	}
	sim.Meet(channelsim.CutAfter)
	if _, err := c.Ship(t.Context(), "k", s); err == nil {
		t.Error("Ship() whose answer is cut says nothing of it")
	}
	if _, err := c.Ship(t.Context(), "k", s); err != nil {
		t.Errorf("Ship() again = %v", err)
	}
	if got := sim.Shipments(); len(got) != 1 || got[0].OrderID != "1" || got[0].Tracking != "1Z" || got[0].Lines[0].Quantity != 2 {
		t.Errorf("the receiver was told %+v, want one despatch", got)
	}
	s.Tracking = "another"
	if _, err := c.Ship(t.Context(), "k", s); !refused(err) {
		t.Errorf("Ship() of another despatch under the key = %v, want refused", err)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	old := connect(t, channel.Endpoint{URL: other.URL, Secrets: []string{secretText('a')}})
	if _, err := old.Ship(t.Context(), "k", s); !refused(err) {
		t.Errorf("Ship() to a receiver without despatches = %v, want refused, the despatch alone", err)
	}
}

func refused(err error) bool {
	e, ok := errors.AsType[*publisher.RequestError](err)
	return ok && e.Class == publisher.Refused && !e.WholeChannel
}
