package simtest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	shopconnector "github.com/shelfwire/shelfwire/internal/channel/shop"
	shopifyconnector "github.com/shelfwire/shelfwire/internal/channel/shopify"
	webhookconnector "github.com/shelfwire/shelfwire/internal/channel/webhook"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	shopsim "github.com/shelfwire/shelfwire/internal/channelsim/shop"
	shopifysim "github.com/shelfwire/shelfwire/internal/channelsim/shopify"
	webhooksim "github.com/shelfwire/shelfwire/internal/channelsim/webhook"
	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/signature"
)

const (
	frontToken    = "token-of-the-shop"
	frontLocation = "gid://shopify/Location/1"
	frontTimeout  = 200 * time.Millisecond
)

// A front is a simulated channel of the shoppers' day, with the connector that speaks to it.
type front struct {
	id, vendor string
	access     dispatch.Access
	shelf      *channelsim.Shelf
	shopify    *shopifysim.Shop // whose orders the publisher reads by itself; nil: the test tells them
	read       *readable        // nil: it is no such channel
	connector  publisher.Connector
	mute       *atomic.Bool // nothing is to be heard of its orders
}

// place is where the front has an item.
func (f *front) place(i int) channelsim.Place {
	if f.shopify != nil {
		return channelsim.Place{Item: fmt.Sprintf("gid://shopify/InventoryItem/%d", 100+i), Location: frontLocation}
	}
	return channelsim.Place{Item: skuOf(i)}
}

// openFronts starts five channels of all three kinds. Another vendor is another line of each part.
func openFronts(t *testing.T, m *memory, seed uint64, faults channelsim.Faults) []*front {
	t.Helper()
	secretText := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", 32)))
	secret, err := signature.ParseSecret(secretText)
	if err != nil {
		t.Fatal(err)
	}
	serve := func(h http.Handler) channel.Endpoint {
		return channel.Endpoint{URL: m.serve(h), Token: frontToken, Secrets: []string{secretText}, Timeout: frontTimeout, Dial: m.network.DialContext}
	}
	hooked := func(id string, seed uint64) (*webhooksim.Receiver, publisher.Connector) {
		sim := webhooksim.New(id, []signature.Secret{secret}, seed, faults)
		c, err := webhookconnector.New(tellPool, id, serve(sim), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return sim, c
	}

	shopify := shopifysim.New("shopify", frontToken, seed, faults, shopifysim.Options{Maximum: 20_000, Restore: 20_000})
	mute := &atomic.Bool{}
	toShopify, err := shopifyconnector.New(serve(withoutOrders(shopify, mute)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	shop := shopsim.New("shop", frontToken, seed+1, faults)
	toShop, err := shopconnector.New(serve(shop))
	if err != nil {
		t.Fatal(err)
	}
	site, toSite := hooked("site", seed+2)
	read := &readable{Connector: toSite, shelf: site.Shelf, before: map[channelsim.Place]int{}, sets: map[pushed]int{}}
	market, toMarket := hooked("market", seed+3)
	bazaar, toBazaar := hooked("bazaar", seed+4)
	fronts := []*front{
		{mute: mute, id: "shopify", vendor: shopifyconnector.Vendor, access: dispatch.Comparing, shelf: shopify.Shelf, shopify: shopify, connector: toShopify},
		{id: "shop", vendor: shopconnector.Vendor, access: dispatch.Comparing, shelf: shop.Shelf, connector: toShop},
		{id: "site", vendor: webhookconnector.Vendor, access: dispatch.Readable, shelf: site.Shelf, read: read, connector: read},
		{id: "market", vendor: webhookconnector.Vendor, access: dispatch.Blind, shelf: market.Shelf, connector: toMarket},
		{id: "bazaar", vendor: webhookconnector.Vendor, access: dispatch.Blind, shelf: bazaar.Shelf, connector: toBazaar},
	}
	for _, f := range fronts[1:] {
		f.mute = &atomic.Bool{}
	}
	return fronts
}

// withoutOrders is a shop that does not answer for its orders while it is mute.
func withoutOrders(shop http.Handler, mute *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if mute.Load() && bytes.Contains(body, []byte("query Orders")) {
			http.Error(w, "orders are not to be had", http.StatusServiceUnavailable)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		shop.ServeHTTP(w, r)
	})
}

// A pushed is one row of one request.
type pushed struct {
	key   string
	place channelsim.Place
}

// A readable makes of a channel that takes plain sets one that can be read as well and knows no keys. It remembers how much was sold
// before each read that a set goes by.
type readable struct {
	publisher.Connector
	shelf *channelsim.Shelf

	mu     sync.Mutex
	before map[channelsim.Place]int // sales before the newest read; guarded by mu
	sets   map[pushed]int           // sales before the read that the set goes by; guarded by mu
}

func (r *readable) Traits() publisher.Traits {
	t := r.Connector.Traits()
	t.Access, t.KeysLast = dispatch.Readable, 0
	return t
}

func (r *readable) Set(ctx context.Context, key string, rows []publisher.Row) (publisher.Reply, error) {
	r.mu.Lock()
	for _, row := range rows {
		p := channelsim.Place{Item: row.SKU, Location: row.Location}
		r.sets[pushed{key, p}] = r.before[p]
	}
	r.mu.Unlock()
	return r.Connector.Set(ctx, key, rows)
}

// Read answers a moment after it has looked, so that something is sold meanwhile.
func (r *readable) Read(ctx context.Context, items []publisher.Item) (publisher.Reading, error) {
	reading := r.look(items)
	late := time.NewTimer(10 * time.Millisecond)
	defer late.Stop()
	select {
	case <-late.C:
		return reading, nil
	case <-ctx.Done():
		return publisher.Reading{}, ctx.Err()
	}
}

func (r *readable) look(items []publisher.Item) publisher.Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	sales := map[channelsim.Place]int{}
	for _, c := range r.shelf.Changes() {
		if c.Cause == "sale" {
			sales[c.Place]++
		}
	}
	reading := publisher.Reading{Levels: make([]publisher.Level, len(items))}
	for i, item := range items {
		p := channelsim.Place{Item: item.SKU, Location: item.Location}
		r.before[p] = sales[p]
		if level, ok := r.shelf.Level(p); ok {
			reading.Levels[i].Quantity = &level
		} else {
			reading.Levels[i].Reason = "the site has no such item"
		}
	}
	return reading
}
