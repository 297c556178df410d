// Package simserver serves the simulated channels to whoever wants to try connectors against them: each shop under its name, and
// beside it, under /sim/, what a shop has besides its interface: a back office, shoppers, and a hand to break it with.
//
//	/NAME/…                    the shop's own interface: the url of a channel is http://ADDRESS/NAME
//	GET  /sim/NAME             its levels, what it has sold, its orders, and what it was told of despatches
//	PUT  /sim/NAME/levels      {"item":…,"location":…,"level":5}: a merchant sets a level by hand, or puts an item on sale
//	POST /sim/NAME/orders      {"item":…,"location":…,"quantity":1}: a shopper buys
//	POST /sim/NAME/cancels     {"order":…,"restock":true}: an order is cancelled
//	PUT  /sim/NAME/faults      {"error_before":1000}: parts in a thousand from now on
//	PUT  /sim/NAME/script      ["timeout_after"]: what the next requests meet
package simserver

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel/amazon"
	"github.com/shelfwire/shelfwire/internal/channel/shop"
	"github.com/shelfwire/shelfwire/internal/channel/shopify"
	"github.com/shelfwire/shelfwire/internal/channel/webhook"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	simamazon "github.com/shelfwire/shelfwire/internal/channelsim/amazon"
	simshop "github.com/shelfwire/shelfwire/internal/channelsim/shop"
	simshopify "github.com/shelfwire/shelfwire/internal/channelsim/shopify"
	simwebhook "github.com/shelfwire/shelfwire/internal/channelsim/webhook"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A Server serves simulated shops. It is safe for concurrent use.
type Server struct {
	mux   *http.ServeMux
	shops map[string]*simulated
}

// A simulated shop with what is asked of it.
type simulated struct {
	vendor, token string
	shelf         *channelsim.Shelf
	shopify       *simshopify.Shop // where it is one
	amazon        *simamazon.Shop  // likewise
	webhook       *simwebhook.Receiver

	seed           uint64
	salesPerMinute int

	mu    sync.Mutex
	sales map[string]channelsim.Sale // by order; guarded by mu
}

// New returns a server of the file's shops, or of one of each vendor where it names none.
func New(f File) (*Server, error) {
	if len(f.Shops) == 0 {
		f.Shops = map[string]Shop{amazon.Vendor: {}, shopify.Vendor: {}, shop.Vendor: {}, webhook.Vendor: {}}
	}
	s := &Server{mux: http.NewServeMux(), shops: map[string]*simulated{}}
	for i, name := range slices.Sorted(maps.Keys(f.Shops)) {
		if name == "" || name == "sim" || strings.ContainsAny(name, "/{} ") {
			return nil, fmt.Errorf("shops: %q cannot be the name of a shop", name)
		}
		if err := s.add(name, f.Shops[name], f.Seed+uint64(i)); err != nil {
			return nil, fmt.Errorf("shops.%s: %w", name, err)
		}
	}
	s.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.Lines()) })
	return s, nil
}

func (s *Server) add(name string, c Shop, seed uint64) error {
	if c.Vendor == "" {
		c.Vendor = name
	}
	if c.Token == "" {
		c.Token = DefaultToken
	}
	m := &simulated{vendor: c.Vendor, token: "token " + c.Token, sales: map[string]channelsim.Sale{}, seed: seed, salesPerMinute: c.SalesPerMinute}
	var handler http.Handler
	switch c.Vendor {
	case shopify.Vendor:
		m.shopify = simshopify.New(name, c.Token, seed, c.Faults.of(), simshopify.Options{
			ClientID: "app", Secret: c.Token, Maximum: c.Points, Restore: c.PointsPerSecond,
		})
		m.shelf, handler = m.shopify.Shelf, m.shopify
	case amazon.Vendor:
		sim := simamazon.New(name, simamazon.Credentials{
			ClientID: "app", Secret: c.Token, Refresh: c.Token, Seller: "SELLER", Marketplace: "MARKET",
		}, seed, c.Faults.of(), simamazon.Options{
			Later: c.AppliesLater, Lost: c.Lost, FeedTakes: c.FeedTakes, FeedFatal: c.FeedFatal, PaysAfter: c.PaysAfter, OrdersEnd: c.OrdersEnd,
		})
		m.amazon, m.shelf, handler = sim, sim.Shelf, sim
		m.token = "client_id app, secret and token " + c.Token + ", seller_id SELLER, marketplace_id MARKET, token_url as url"
	case shop.Vendor:
		sim := simshop.New(name, c.Token, seed, c.Faults.of())
		m.shelf, handler = sim.Shelf, sim
	case webhook.Vendor:
		if c.Secret == "" {
			c.Secret = DefaultSecret
		}
		secret, err := signature.ParseSecret(c.Secret)
		if err != nil {
			return err
		}
		sim := simwebhook.New(name, []signature.Secret{secret}, seed, c.Faults.of())
		m.webhook, m.shelf, handler, m.token = sim, sim.Shelf, sim, "secret "+c.Secret
	default:
		return fmt.Errorf("no simulator for vendor %q (there are %s, %s, %s and %s)", c.Vendor, amazon.Vendor, shopify.Vendor, shop.Vendor, webhook.Vendor)
	}
	met, err := script(c.Script)
	if err != nil {
		return err
	}
	m.shelf.Meet(met...)
	for _, p := range c.Products {
		m.put(p)
	}
	s.shops[name] = m
	s.mux.Handle("/"+name+"/", http.StripPrefix("/"+name, handler))
	s.mux.HandleFunc("GET /sim/"+name, m.state)
	handle(s.mux, "PUT /sim/"+name+"/levels", func(p Product) (any, error) { m.put(p); return p, nil })
	handle(s.mux, "POST /sim/"+name+"/orders", m.buy)
	handle(s.mux, "POST /sim/"+name+"/cancels", m.cancel)
	handle(s.mux, "PUT /sim/"+name+"/faults", func(f Faults) (any, error) {
		if err := f.check(); err != nil {
			return nil, err
		}
		m.shelf.SetFaults(f.of())
		return f, nil
	})
	handle(s.mux, "PUT /sim/"+name+"/script", func(names []string) (any, error) {
		met, err := script(names)
		m.shelf.Meet(met...)
		return names, err
	})
	return nil
}

// Run lets shoppers buy until ctx ends. It does nothing for shops without any.
func (s *Server) Run(ctx context.Context) error {
	var shopping sync.WaitGroup
	defer shopping.Wait()
	for _, m := range s.shops {
		if m.salesPerMinute > 0 {
			shopping.Go(func() { m.shoppers(ctx) })
		}
	}
	<-ctx.Done()
	return nil
}

// shoppers buy one unit at a time of what the shop shows.
func (m *simulated) shoppers(ctx context.Context) {
	random := rand.New(rand.NewPCG(m.seed, 17))
	tick := time.NewTicker(time.Minute / time.Duration(m.salesPerMinute))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if places := m.shelf.Places(); len(places) > 0 {
			p := places[random.IntN(len(places))]
			_, _ = m.buy(purchase{Item: p.Item, Location: p.Location, Quantity: 1}) // sold out: the shopper goes home
		}
	}
}

// Lines says of each shop, in a line, where it is and with which credentials.
func (s *Server) Lines() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(s.shops)) {
		lines = append(lines, fmt.Sprintf("/%s  vendor %s, %s", name, s.shops[name].vendor, s.shops[name].token))
	}
	return lines
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// handle answers requests whose body is JSON of one form.
func handle[T any](mux *http.ServeMux, pattern string, f func(T) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var in T
		d := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
		d.DisallowUnknownFields()
		out, err := any(nil), d.Decode(&in)
		if err == nil {
			out, err = f(in)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		reply(w, out)
	})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
}

// put is a merchant's hand on the shop's own level.
func (m *simulated) put(p Product) {
	place := channelsim.Place{Item: p.Item, Location: p.Location}
	if m.amazon != nil {
		if p.FBA {
			m.amazon.PutFBA(p.Item, stock.Quantity(p.Level))
		} else {
			m.amazon.Put(p.Item, stock.Quantity(p.Level))
		}
		m.amazon.Name(p.Item, p.Title)
		return
	}
	if m.shopify == nil {
		m.shelf.List(place, stock.Quantity(p.Level))
		return
	}
	product := simshopify.Product{SKU: p.SKU, Title: p.Title, Status: p.Status, Tracked: !p.Untracked}
	if product.SKU == "" {
		product.SKU = p.Item
	}
	if product.Status == "" {
		product.Status = "ACTIVE"
	}
	m.shopify.Put(place, product, stock.Quantity(p.Level))
}

type purchase struct {
	Item     string         `json:"item"`
	Location string         `json:"location"`
	Quantity stock.Quantity `json:"quantity"`
}

func (m *simulated) buy(p purchase) (any, error) {
	place := channelsim.Place{Item: p.Item, Location: p.Location}
	p.Quantity = max(1, p.Quantity)
	if m.shopify != nil {
		if o, ok := m.shopify.Buy(time.Now(), p.Quantity, place); ok {
			return map[string]string{"order": o.ID}, nil
		}
	} else if m.amazon != nil {
		if o, ok := m.amazon.Buy(time.Now(), p.Quantity, p.Item); ok {
			return map[string]string{"order": o.ID}, nil
		}
	} else if sale, ok := m.shelf.Sell(place, p.Quantity, time.Now()); ok {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.sales[sale.OrderID] = sale
		return map[string]string{"order": sale.OrderID}, nil
	}
	return nil, fmt.Errorf("the shop does not show %d of %s", p.Quantity, p.Item)
}

type cancel struct {
	Order   string `json:"order"`
	Restock bool   `json:"restock"`
}

func (m *simulated) cancel(c cancel) (any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shopify != nil {
		if m.shopify.CancelOrder(c.Order, c.Restock, time.Now()) {
			return c, nil
		}
	} else if m.amazon != nil {
		if m.amazon.CancelOrder(c.Order, c.Restock, time.Now()) {
			return c, nil
		}
	} else if sale, ok := m.sales[c.Order]; ok {
		delete(m.sales, c.Order)
		m.shelf.Cancel(sale, c.Restock)
		return c, nil
	}
	return nil, fmt.Errorf("there is no order %q to cancel", c.Order)
}

// A shownLevel is what a customer sees, with what was sold and not cancelled.
type shownLevel struct {
	Item     string         `json:"item"`
	Location string         `json:"location"`
	Level    stock.Quantity `json:"level"`
	Sold     stock.Quantity `json:"sold"`
}

func (m *simulated) state(w http.ResponseWriter, _ *http.Request) {
	if m.amazon != nil {
		m.amazon.Apply(time.Now())
	}
	levels := []shownLevel{}
	for _, p := range m.shelf.Places() {
		level, _ := m.shelf.Level(p)
		levels = append(levels, shownLevel{p.Item, p.Location, level, m.shelf.Sold(p)})
	}
	out := map[string]any{"vendor": m.vendor, "levels": levels, "faults_injected": m.shelf.Injected()}
	switch {
	case m.shopify != nil:
		out["orders"] = m.shopify.Orders()
	case m.amazon != nil:
		out["orders"] = m.amazon.Orders()
	case m.webhook != nil:
		out["shipments"] = m.webhook.Shipments()
	}
	reply(w, out)
}
