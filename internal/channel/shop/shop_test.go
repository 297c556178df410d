package shop_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/channel/shop"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	simulated "github.com/shelfwire/shelfwire/internal/channelsim/shop"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/publisher/connectortest"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func connect(t *testing.T, e channel.Endpoint) *shop.Connector {
	t.Helper()
	e.AllowPrivate = true
	c, err := shop.New(e)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	return c
}

func TestConformance(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Channel {
		sim := simulated.New("s", "token-4711", 1, channelsim.Faults{})
		server := httptest.NewServer(sim)
		t.Cleanup(server.Close)
		place := func(i publisher.Item) channelsim.Place {
			return channelsim.Place{Item: i.ChannelItem, Location: i.Location}
		}
		return connectortest.Channel{
			Connector: connect(t, channel.Endpoint{URL: server.URL, Token: "token-4711"}),
			Stranger:  connect(t, channel.Endpoint{URL: server.URL, Token: "token-of-another"}),
			Secret:    "token-of-another",
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
		{"no token", channel.Endpoint{URL: "https://shop.example"}, "token"},
		{"no url", channel.Endpoint{Token: "t"}, "url"},
		{"another scheme", channel.Endpoint{URL: "file:///etc/passwd", Token: "t"}, "url"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := shop.New(tt.endpoint); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New() = %v, want an error that names the %s", err, tt.want)
			}
		})
	}
}

// An answer that is not what was agreed says nothing: the request may have been applied.
func TestUnreadableAnswers(t *testing.T) {
	for _, body := range []string{
		"", "null", "{}", "<html>", `{"rows":[]}`, `{"rows":[{"outcome":"applied"},{"outcome":"applied"}]}`, `{"rows":[{"outcome":"app`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, body) }))
		c := connect(t, channel.Endpoint{URL: server.URL, Token: "t"})
		compare := stock.Quantity(1)
		_, err := c.Set(context.Background(), "k", []publisher.Row{{Item: publisher.Item{SKU: "A"}, Quantity: 2, Compare: &compare}})
		if e, ok := err.(*publisher.RequestError); !ok || e.Class != publisher.ServerError { //nolint:errorlint // it must be exactly this
			t.Errorf("Set() answered by %q = %v, want an outcome that nobody knows", body, err)
		}
		if _, err = c.Read(context.Background(), []publisher.Item{{SKU: "A"}}); err == nil {
			t.Errorf("Read() answered by %q = nil error", body)
		}
		server.Close()
	}
}

// The shop knows a listing by its own id, or, where the catalogue has none, by the SKU; a replay has the same bytes.
func TestBytesOfARequest(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(body))
		_, _ = io.WriteString(w, `{"request_id":"r1","rows":[{"outcome":"applied","level":2},{"outcome":"no_such_outcome"}]}`)
	}))
	defer server.Close()
	c := connect(t, channel.Endpoint{URL: server.URL + "/", Token: "t"})
	one := stock.Quantity(1)
	rows := []publisher.Row{
		{Item: publisher.Item{SKU: "A", ChannelItem: "gid-1", Location: "L"}, Quantity: 2, Compare: &one},
		{Item: publisher.Item{SKU: "B"}, Quantity: 0, Compare: &one},
	}
	for range 2 {
		reply, err := c.Set(t.Context(), "k", rows)
		if err != nil || reply.ID != "r1" || reply.Rows[1].Outcome != publisher.RowRefused || reply.Rows[1].Reason == "" {
			t.Fatalf("Set() = %+v, %v", reply, err)
		}
	}
	want := `POST /levels/set application/json {"idempotency_key":"k","rows":[{"item":"gid-1","location":"L","quantity":2,"compare":1},` +
		`{"item":"B","location":"","quantity":0,"compare":1}]}`
	if !slices.Equal(bodies, []string{want, want}) {
		t.Errorf("requests:\n%s\nwant twice\n%s", strings.Join(bodies, "\n"), want)
	}
}
