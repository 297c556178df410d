package shopify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/channel/shopify"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	simulated "github.com/shelfwire/shelfwire/internal/channelsim/shopify"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/publisher/connectortest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

const (
	token    = "shpat_4711"
	secret   = "shpss_0815"
	location = "gid://shopify/Location/7"
	other    = "gid://shopify/Location/8"
)

func connect(t *testing.T, e channel.Endpoint) *shopify.Connector {
	t.Helper()
	e.AllowPrivate = true
	c, err := shopify.New(e, time.Now)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	return c
}

// start serves a shop and returns it with a connector.
func start(t *testing.T, o simulated.Options) (*simulated.Shop, *shopify.Connector, string) {
	t.Helper()
	sim := simulated.New("s", token, 1, channelsim.Faults{}, o)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, connect(t, channel.Endpoint{URL: server.URL, Token: token}), server.URL
}

func place(i publisher.Item) channelsim.Place {
	return channelsim.Place{Item: i.ChannelItem, Location: i.Location}
}

func item(n int) publisher.Item {
	return publisher.Item{SKU: fmt.Sprintf("SKU-%03d", n), ChannelItem: fmt.Sprintf("gid://shopify/InventoryItem/%d", 1000+n), Location: location}
}

func active(sku string) simulated.Product {
	return simulated.Product{SKU: sku, Title: sku, Status: "ACTIVE", Tracked: true}
}

// row sets an item from one level to another.
func row(i publisher.Item, from, to stock.Quantity) publisher.Row {
	return publisher.Row{Item: i, Quantity: to, Compare: &from, Version: 1, At: 1_700_000_000_000_000}
}

func TestConformance(t *testing.T) {
	for name, options := range map[string]simulated.Options{
		"all or nothing": {}, "stale rows are named": {NamesStale: true}, "the others are set": {Partial: true},
		"tokens are issued": {ClientID: "app", Secret: secret},
	} {
		t.Run(name, func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) connectortest.Channel {
				sim, connector, url := start(t, options)
				stranger := channel.Endpoint{URL: url, Token: "shpat_of_another"}
				if options.ClientID != "" {
					connector = connect(t, channel.Endpoint{URL: url, ClientID: "app", Secrets: []string{secret}})
					stranger = channel.Endpoint{URL: url, ClientID: "app", Secrets: []string{"shpat_of_another"}}
				}
				return connectortest.Channel{
					Connector: connector, Stranger: connect(t, stranger), Secret: "shpat_of_another", Most: 1e9,
					Name: func(i publisher.Item) publisher.Item {
						return publisher.Item{SKU: i.SKU, ChannelItem: "1" + strings.TrimPrefix(i.SKU, "SKU-"), Location: "7"}
					},
					Put:   func(i publisher.Item, level stock.Quantity) { sim.Put(long(i), active(i.SKU), level) },
					Level: func(i publisher.Item) stock.Quantity { level, _ := sim.Level(long(i)); return level },
					Sell: func(i publisher.Item) {
						if _, ok := sim.Buy(time.Now(), 1, long(i)); !ok {
							t.Errorf("nobody could buy %s", i.SKU)
						}
					},
					Meet: func(f connectortest.Fault) { sim.Meet(faultOf[f]) },
				}
			})
		})
	}
}

// long is where the simulator keeps an item that is named by numbers.
func long(i publisher.Item) channelsim.Place {
	return channelsim.Place{Item: "gid://shopify/InventoryItem/" + i.ChannelItem, Location: "gid://shopify/Location/" + i.Location}
}

var faultOf = map[connectortest.Fault]channelsim.Fault{
	connectortest.Throttle: channelsim.Throttle, connectortest.ErrorBefore: channelsim.ErrorBefore,
	connectortest.ErrorAfter: channelsim.ErrorAfter, connectortest.CutAfter: channelsim.CutAfter,
	connectortest.TimeoutAfter: channelsim.TimeoutAfter,
}

// What the shop would not sell is not eligible, and the reason says why.
func TestNotEligible(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{})
	draft, untracked := active("B"), active("C")
	draft.Status, untracked.Tracked = "DRAFT", false
	sim.Put(place(item(1)), active("A"), 5)
	sim.Put(place(item(2)), draft, 5)
	sim.Put(place(item(3)), untracked, 5)
	sim.Put(place(item(4)), active("D"), 5)
	sim.Unstock(place(item(4)))
	elsewhere := item(1)
	elsewhere.Location = other
	nameless, nowhere := item(1), item(1)
	nameless.ChannelItem, nowhere.Location = "", ""
	got, err := c.Read(t.Context(), []publisher.Item{item(1), item(2), item(3), item(4), item(5), elsewhere, nameless, nowhere})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "product is draft", "not track", "not stocked", "no such inventory item", "not stocked", "inventory_item_id", "no locations"} {
		l := got.Levels[i]
		if want == "" && (l.Quantity == nil || *l.Quantity != 5) || want != "" && (l.Quantity != nil || !strings.Contains(l.Reason, want)) {
			t.Errorf("level %d = %+v, want reason %q", i, l, want)
		}
	}
	reply, err := c.Set(t.Context(), "k", []publisher.Row{row(nameless, 5, 4)})
	if err != nil || reply.Rows[0].Outcome != publisher.RowRefused {
		t.Errorf("Set() of a listing without an id = %+v, %v", reply, err)
	}
}

// Levels are of an item at a location: many of both are read and set together, within what a query may be worth.
func TestManyLocations(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{Maximum: 20_000, Restore: 1000})
	var items []publisher.Item
	var rows []publisher.Row
	for n := range 125 {
		for k, at := range []string{location, other} {
			i := item(n)
			i.Location = at
			sim.Put(place(i), active(i.SKU), stock.Quantity(n+k))
			items, rows = append(items, i), append(rows, row(i, stock.Quantity(n+k), stock.Quantity(2*n+k)))
		}
	}
	reading, err := c.Read(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range reading.Levels {
		if want := stock.Quantity(i/2 + i%2); l.Quantity == nil || *l.Quantity != want {
			t.Fatalf("level %d = %+v, want %d", i, l, want)
		}
	}
	reply, err := c.Set(t.Context(), "k", rows)
	if err != nil || slices.ContainsFunc(reply.Rows, func(r publisher.RowReply) bool { return r.Outcome != publisher.RowApplied }) {
		t.Fatalf("Set() of 250 rows = %v", err)
	}
	if a := reply.Allowance; a == nil || a.Most != 20_000 || a.PerSecond != 1000 || a.Cost < 10 {
		t.Errorf("Allowance = %+v, want the shop's own figures", a)
	}
}

// When the bucket is empty, also because of another application, the shop says so with status 200, and the figures say when to come.
func TestThrottledByPoints(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{Maximum: 100, Restore: 5})
	sim.Put(place(item(1)), active("A"), 5)
	sim.Spend(100)
	_, err := c.Set(t.Context(), "k", []publisher.Row{row(item(1), 5, 4)})
	failed, ok := errors.AsType[*publisher.RequestError](err)
	if !ok || failed.Class != publisher.Throttled || failed.RetryAfter < 2*time.Second || failed.RetryAfter > 5*time.Second {
		t.Errorf("Set() = %+v, want throttled for some seconds", err)
	}
	if failed.Allowance == nil || failed.Allowance.Now != 0 || failed.Allowance.PerSecond != 5 {
		t.Errorf("Allowance = %+v, want nothing now", failed.Allowance)
	}
}

// Tokens are asked for with the application's credentials, kept, and asked for again when they end or are turned away.
// A reading of more than the bucket holds ends in its midst: what was read is kept, and the rest is said to be unread.
func TestAReadingThatBreaksOff(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{Maximum: 1000, Restore: 1})
	items := make([]publisher.Item, 250)
	for i := range items {
		items[i] = item(i)
		sim.Put(place(items[i]), active(items[i].SKU), stock.Quantity(i+1))
	}
	reading, err := c.Read(t.Context(), items)
	if err != nil || reading.Failed == nil || reading.Failed.Class != publisher.Throttled {
		t.Fatalf("Read() = %+v, %v, want one that was throttled", reading.Failed, err)
	}
	read := 0
	for i, l := range reading.Levels {
		switch {
		case l.Unread:
		case l.Quantity == nil || *l.Quantity != stock.Quantity(i+1):
			t.Errorf("level %d is %+v, want %d", i, l, i+1)
		default:
			read++
		}
	}
	if want := c.Traits().ReadRows; read != want {
		t.Errorf("%d levels were read, want %d", read, want)
	}
}

func TestTokens(t *testing.T) {
	sim := simulated.New("s", "", 1, channelsim.Faults{}, simulated.Options{ClientID: "app", Secret: secret, TokenFor: 2 * time.Hour})
	server := httptest.NewServer(sim)
	defer server.Close()
	now := time.Now()
	c, err := shopify.New(channel.Endpoint{URL: server.URL, ClientID: "app", Secrets: []string{secret}, AllowPrivate: true}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	sim.Put(place(item(1)), active("A"), 5)
	read := func() error {
		_, err := c.Read(t.Context(), []publisher.Item{item(1)})
		return err
	}
	for range 3 {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	sim.Revoke()
	failed, ok := errors.AsType[*publisher.RequestError](read())
	if !ok || failed.Class != publisher.Unauthorised || !failed.WholeChannel {
		t.Fatalf("Read() with a revoked token = %v, want unauthorised, the whole channel", failed)
	}
	if err := read(); err != nil {
		t.Errorf("Read() after it = %v, want another token", err)
	}
	now = now.Add(3 * time.Hour)
	if err := read(); err != nil {
		t.Errorf("Read() after the token's end = %v, want another token", err)
	}
}

// What a shop says may hold the credentials; an error must not.
func TestSecretsAreNotTold(t *testing.T) {
	issued := "shpat_issued_1"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == shopify.TokenPath {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), "bad") {
				http.Error(w, "no such client: "+string(body), http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, `{"access_token":"`+issued+`","expires_in":3600}`)
			return
		}
		http.Error(w, "what is "+r.Header.Get("X-Shopify-Access-Token")+"?", http.StatusForbidden)
	}))
	defer server.Close()
	for _, e := range []channel.Endpoint{
		{Token: token}, {ClientID: "app", Secrets: []string{secret}}, {ClientID: "bad", Secrets: []string{"a secret&more"}},
	} {
		e.URL = server.URL
		_, err := connect(t, e).Read(t.Context(), []publisher.Item{item(1)})
		if err == nil {
			t.Fatal("Read() = nil error")
		}
		for _, s := range []string{token, secret, issued, "a secret&more", "a+secret%26more"} {
			if strings.Contains(err.Error(), s) {
				t.Errorf("%q tells a secret", err)
			}
		}
		if !strings.Contains(err.Error(), "[secret]") {
			t.Errorf("%q: the test's shop told no secret", err)
		}
	}
}

// An answer that is not what was agreed says nothing: the request may have been applied.
func TestUnreadableAnswers(t *testing.T) {
	for _, body := range []string{
		"", "null", "{}", "<html>", `{"data":null}`, `{"data":{}}`, `{"data":{"inventorySetQuantities":null}}`,
		`{"data":{"inventorySetQuantities":{"inventoryAdjustmentGroup":null}}}`, `{"data":{"inventorySetQuantities":{"userErrors":null}}}`,
		`{"errors":[{"message":"?","extensions":{"code":"NEVER_SEEN"}}]}`, `{"data":{"inventorySetQuantities":{"userErr`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, body) }))
		c := connect(t, channel.Endpoint{URL: server.URL, Token: "t"})
		_, err := c.Set(context.Background(), "k", []publisher.Row{row(item(1), 1, 2)})
		if e, ok := errors.AsType[*publisher.RequestError](err); !ok || e.Class != publisher.ServerError {
			t.Errorf("Set() answered by %q = %v, want an outcome that nobody knows", body, err)
		}
		if _, err = c.Read(context.Background(), []publisher.Item{item(1)}); err == nil {
			t.Errorf("Read() answered by %q = nil error", body)
		}
		server.Close()
	}
}

// A shop that has retired the version serves another in silence; what that means is not known.
func TestRetiredVersion(t *testing.T) {
	_, c, _ := start(t, simulated.Options{Serves: "2027-10"})
	_, err := c.Read(t.Context(), []publisher.Item{item(1)})
	if e, ok := errors.AsType[*publisher.RequestError](err); !ok || !e.WholeChannel || !strings.Contains(e.Reason, "2027-10") {
		t.Errorf("Read() = %v, want the whole channel held, naming the version", err)
	}
}

func TestOrders(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{Maximum: 20_000, Restore: 1000})
	begin := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	var lines []channelsim.Place
	for n := range 130 {
		sim.Put(place(item(n)), active(item(n).SKU), 100)
		if n > 0 {
			lines = append(lines, place(item(n)))
		}
	}
	var ids []string
	for n := range 20 {
		o, ok := sim.Buy(begin.Add(time.Duration(n/3)*time.Second), 2, place(item(0)))
		if !ok {
			t.Fatal("nobody could buy")
		}
		ids = append(ids, o.ID)
	}
	sim.CancelOrder(ids[0], false, begin.Add(time.Minute))
	sim.Fulfil(ids[1], begin.Add(time.Minute))
	big, _ := sim.Buy(begin.Add(time.Minute), 1, lines...)
	outside, _ := sim.Buy(begin.Add(time.Hour), 1, place(item(0)))
	got := map[string]record.Order{}
	page, pages := "", 0
	for {
		p, err := c.Orders(t.Context(), stock.InstantOf(begin), stock.InstantOf(begin.Add(10*time.Minute)), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range p.Orders {
			got["gid://shopify/Order/"+o.OrderID] = o
		}
		if pages++; p.Next == "" {
			break
		}
		page = p.Next
	}
	if pages < 3 || len(got) != 21 {
		t.Errorf("%d orders on %d pages, want 21 on several", len(got), pages)
	}
	if _, ok := got[outside.ID]; ok {
		t.Error("an order outside the window was told")
	}
	if o := got[ids[0]]; o.Status != record.Cancelled || o.Lines[0].Quantity != 2 {
		t.Errorf("the cancelled order = %+v, want its 2 units", o)
	}
	if o := got[ids[1]]; o.Status != record.Shipped || o.Lines[0].Fulfilled != 2 {
		t.Errorf("the shipped order = %+v", o)
	}
	if o := got[ids[2]]; o.Status != record.Open || o.Lines[0].SKU != "SKU-000" || o.Lines[0].Location != location || o.UpdatedAt != stock.InstantOf(begin) {
		t.Errorf("an open order = %+v", o)
	}
	if o := got[big.ID]; len(o.Lines) != 129 || o.Lines[128].Location != location {
		t.Errorf("the big order has %d lines, want 129 with their location", len(o.Lines))
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	for _, tt := range []struct {
		name     string
		endpoint channel.Endpoint
		want     string
	}{
		{"no token", channel.Endpoint{URL: "https://shop.example"}, "token"},
		{"a client without its secret", channel.Endpoint{URL: "https://shop.example", ClientID: "app"}, "secret"},
		{"no url", channel.Endpoint{Token: "t"}, "url"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := shopify.New(tt.endpoint, time.Now); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New() = %v, want an error that names the %s", err, tt.want)
			}
		})
	}
}

// One order is read by its number; one that is not there is none.
func TestOrder(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{})
	sim.Put(place(item(1)), active("A"), 5)
	o, _ := sim.Buy(time.Now(), 2, place(item(1)))
	id := o.ID[strings.LastIndexByte(o.ID, '/')+1:]
	got, err := c.Order(t.Context(), id)
	if err != nil || len(got) != 1 || got[0].OrderID != id || got[0].Lines[0].Quantity != 2 || got[0].Lines[0].Location != location {
		t.Errorf("Order(%s) = %+v, %v", id, got, err)
	}
	if got, err := c.Order(t.Context(), "4711"); err != nil || len(got) != 0 {
		t.Errorf("Order() of none = %+v, %v", got, err)
	}
}
