package amazon_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/channel/amazon"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	simulated "github.com/shelfwire/shelfwire/internal/channelsim/amazon"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/publisher/connectortest"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func credentials() simulated.Credentials {
	return simulated.Credentials{ClientID: "amzn1.app", Secret: "s3cr&t", Refresh: "Atzr|refresh", Seller: "A2SELLER", Marketplace: "A2EUQ1WTGCTBG2"}
}

func endpoint(url string) channel.Endpoint {
	c := credentials()
	return channel.Endpoint{
		URL: url, TokenURL: url, ClientID: c.ClientID, Secrets: []string{c.Secret}, Token: c.Refresh, Seller: c.Seller,
		Marketplace: c.Marketplace, AllowPrivate: true,
	}
}

func connect(t *testing.T, e channel.Endpoint) *amazon.Connector {
	t.Helper()
	c, err := amazon.New(e, time.Now)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	return c
}

// start serves an account and returns it with a connector.
func start(t *testing.T, o simulated.Options) (*simulated.Shop, *amazon.Connector, string) {
	t.Helper()
	sim := simulated.New("a", credentials(), 1, channelsim.Faults{}, o)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, connect(t, endpoint(server.URL)), server.URL
}

func row(sku string, to stock.Quantity) publisher.Row {
	return publisher.Row{Item: publisher.Item{SKU: sku}, Quantity: to, Version: 1, At: 1_700_000_000_000_000}
}

func level(sim *simulated.Shop, sku string) stock.Quantity {
	l, _ := sim.Level(channelsim.Place{Item: sku})
	return l
}

func TestConformance(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Channel {
		sim, connector, url := start(t, simulated.Options{})
		stranger := endpoint(url)
		stranger.Token = "Atzr|of-another"
		return connectortest.Channel{
			Connector: connector, Stranger: connect(t, stranger), Secret: stranger.Token, Later: true,
			Put:   func(i publisher.Item, l stock.Quantity) { sim.Put(i.ChannelItem, l) },
			Level: func(i publisher.Item) stock.Quantity { return level(sim, i.ChannelItem) },
			Sell: func(i publisher.Item) {
				if _, ok := sim.Sell(channelsim.Place{Item: i.ChannelItem}, 1, time.Now()); !ok {
					t.Errorf("nobody could buy %s", i.ChannelItem)
				}
			},
			// A row that was not read of late is read first: the fault is for what comes after.
			Meet: func(f connectortest.Fault) { sim.Meet(channelsim.None, faultOf[f]) },
		}
	})
}

var faultOf = map[connectortest.Fault]channelsim.Fault{
	connectortest.Throttle: channelsim.Throttle, connectortest.ErrorBefore: channelsim.ErrorBefore,
	connectortest.ErrorAfter: channelsim.ErrorAfter, connectortest.CutAfter: channelsim.CutAfter,
	connectortest.TimeoutAfter: channelsim.TimeoutAfter,
}

// What Amazon ships is never patched, not even to zero and not even if nobody has read it before: that would make it the seller's to ship.
func TestFBAIsNeverSet(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{})
	sim.PutFBA("F", 40)
	sim.Put("M", 5)
	reply, err := c.Set(t.Context(), "k", []publisher.Row{row("F", 0), row("M", 0), row("none", 0)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		outcome publisher.Outcome
		reason  string
	}{{publisher.RowRefused, "Amazon ships it"}, {publisher.RowPending, "ACCEPTED"}, {publisher.RowRefused, "no such listing"}} {
		if r := reply.Rows[i]; r.Outcome != want.outcome || !strings.Contains(r.Reason, want.reason) {
			t.Errorf("row %d = %+v, want outcome %d, %q", i, r, want.outcome, want.reason)
		}
	}
	if sim.Ships("F") != "AMAZON_NA" || level(sim, "F") != 40 || level(sim, "M") != 0 {
		t.Errorf("F is shipped by %s with %d, M has %d; want AMAZON_NA with 40, and 0", sim.Ships("F"), level(sim, "F"), level(sim, "M"))
	}
	if sim.LeadTime("M") != 2 {
		t.Error("the patch has wiped the lead time")
	}
	sim.PutFBA("M", 9) // the seller has sent it to Amazon meanwhile: the next read says so
	reading, err := c.Read(t.Context(), []publisher.Item{{SKU: "M"}})
	if err != nil || reading.Levels[0].Quantity != nil {
		t.Fatalf("Read() = %+v, %v, want not eligible", reading, err)
	}
	if reply, err := c.Set(t.Context(), "k", []publisher.Row{row("M", 0)}); err != nil || reply.Rows[0].Outcome != publisher.RowRefused {
		t.Errorf("Set() after it = %+v, %v, want refused", reply, err)
	}
}

// A request that is broken off says of every row how far it came: zeros first.
func TestBrokenOff(t *testing.T) {
	for _, tt := range []struct {
		fault  channelsim.Fault
		class  publisher.Class
		middle publisher.Outcome
	}{
		{channelsim.Throttle, publisher.Throttled, publisher.RowUnsent}, {channelsim.ErrorAfter, publisher.ServerError, publisher.RowPending},
	} {
		sim, c, _ := start(t, simulated.Options{})
		rows := []publisher.Row{row("A", 3), row("B", 4), row("C", 0)}
		for _, r := range rows {
			sim.Put(r.SKU, 5)
		}
		sim.Meet(channelsim.None, channelsim.None, tt.fault) // the read, the zero, the first of the others
		reply, err := c.Set(t.Context(), "k", rows)
		if err != nil {
			t.Fatal(err)
		}
		if reply.Failed == nil || reply.Failed.Class != tt.class {
			t.Errorf("Failed = %v, want %s", reply.Failed, tt.class)
		}
		for i, want := range []publisher.Outcome{tt.middle, publisher.RowUnsent, publisher.RowPending} {
			if reply.Rows[i].Outcome != want {
				t.Errorf("after fault %d row %d = %+v, want %d", tt.fault, i, reply.Rows[i], want)
			}
		}
		if level(sim, "C") != 0 || level(sim, "B") != 5 {
			t.Errorf("the levels are %d and %d, want the zero set and the last left alone", level(sim, "C"), level(sim, "B"))
		}
	}
}

// What fails before the patch has changed nothing, and is not said to be unknown.
func TestAFailedCheckIsNoUnknownOutcome(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{})
	sim.Put("A", 5)
	sim.Meet(channelsim.ErrorBefore)
	_, err := c.Set(t.Context(), "k", []publisher.Row{row("A", 0)})
	if e, ok := errors.AsType[*publisher.RequestError](err); !ok || e.Class != publisher.Throttled {
		t.Errorf("Set() = %v, want throttled: nothing was sent", err)
	}
}

// A bucket that another application has emptied is met as a 429 that does not say when to come back.
func TestAnotherApplicationSpendsThePlan(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{})
	sim.Put("A", 5)
	sim.Spend("patch", 5)
	_, err := c.Set(t.Context(), "k", []publisher.Row{row("A", 0)})
	if e, ok := errors.AsType[*publisher.RequestError](err); !ok || e.Class != publisher.Throttled || e.RetryAfter < time.Second {
		t.Errorf("Set() = %v, want throttled for a second", err)
	}
}

// One exchange serves all who wait for it; a token that ended or was turned away is replaced.
func TestTokens(t *testing.T) {
	sim := simulated.New("a", credentials(), 1, channelsim.Faults{}, simulated.Options{Unlimited: true})
	server := httptest.NewServer(sim)
	defer server.Close()
	now := time.Now()
	c, err := amazon.New(endpoint(server.URL), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	sim.Put("A", 5)
	read := func() error {
		_, err := c.Read(t.Context(), []publisher.Item{{SKU: "A"}})
		return err
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := read(); err != nil {
				t.Error(err)
			}
		})
	}
	if all.Wait(); sim.Issued() != 1 {
		t.Errorf("%d tokens were issued to 8 at once, want 1", sim.Issued())
	}
	now = now.Add(59*time.Minute + time.Second)
	if err := read(); err != nil || sim.Issued() != 2 {
		t.Errorf("Read() at the token's end = %v with %d issued, want another token", err, sim.Issued())
	}
	sim.Revoke(false)
	if e, ok := errors.AsType[*publisher.RequestError](read()); !ok || e.Class != publisher.Unauthorised || !e.WholeChannel {
		t.Errorf("Read() with a revoked token = %v, want unauthorised, the whole channel", e)
	}
	if err := read(); err != nil {
		t.Errorf("Read() after it = %v, want another token", err)
	}
	sim.Revoke(true)
	_ = read()
	if e, ok := errors.AsType[*publisher.RequestError](read()); !ok || e.Class != publisher.Unauthorised || !strings.Contains(e.Reason, "no access token") {
		t.Errorf("Read() without an authorisation = %v", e)
	}
}

// What is said may hold the credentials; an error must not.
func TestSecretsAreNotTold(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.URL.Path == amazon.TokenPath && !refuse {
				_, _ = io.WriteString(w, `{"access_token":"Atza|issued","expires_in":3600}`)
				return
			}
			http.Error(w, fmt.Sprintf(`{"errors":[{"code":"Unauthorized","message":"%s %s"}]}`, body, r.Header.Get("X-Amz-Access-Token")), http.StatusForbidden)
		}))
		e := endpoint(server.URL)
		_, err := connect(t, e).Read(t.Context(), []publisher.Item{{SKU: "A"}})
		if err == nil || !strings.Contains(err.Error(), "[secret]") {
			t.Errorf("%v: the test's account told no secret", err)
		}
		for _, s := range []string{e.Token, e.Secrets[0], "Atzr%7Crefresh", "s3cr%26t", "Atza|issued"} {
			if err != nil && strings.Contains(err.Error(), s) {
				t.Errorf("%q tells %q", err, s)
			}
		}
		server.Close()
	}
}

func TestUnreadableAnswers(t *testing.T) {
	for _, body := range []string{"", "null", "{}", "<html>", `{"sku":"A","status":"VALID"}`, `{"sku":"A","sta`} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == amazon.TokenPath:
				_, _ = io.WriteString(w, `{"access_token":"t","expires_in":3600}`)
			case r.Method == http.MethodGet:
				_, _ = io.WriteString(w, `{"sku":"A","fulfillmentAvailability":[{"fulfillmentChannelCode":"DEFAULT","quantity":5}]}`)
			default:
				_, _ = io.WriteString(w, body)
			}
		}))
		_, err := connect(t, endpoint(server.URL)).Set(t.Context(), "k", []publisher.Row{row("A", 2)})
		if e, ok := errors.AsType[*publisher.RequestError](err); !ok || e.Class != publisher.ServerError {
			t.Errorf("Set() answered by %q = %v, want an outcome that nobody knows", body, err)
		}
		server.Close()
	}
}

func TestNewSaysWhatIsMissing(t *testing.T) {
	_, err := amazon.New(channel.Endpoint{URL: "https://sellingpartnerapi-eu.amazon.com"}, time.Now)
	for _, want := range []string{"seller_id", "marketplace_id", "client_id", "token", "secret"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New() = %v, want an error that names the %s", err, want)
		}
	}
}

// answering returns a connector to an account that answers everything but logins with one body.
func answering(t *testing.T, body string) *amazon.Connector {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == amazon.TokenPath {
			_, _ = io.WriteString(w, `{"access_token":"t","expires_in":3600}`)
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return connect(t, endpoint(server.URL))
}
