package publisher_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/channel/shopify"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	simshopify "github.com/shelfwire/shelfwire/internal/channelsim/shopify"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// pipes is a network of one server, in memory.
type pipes struct {
	conns chan net.Conn
	end   chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error { close(p.end); return nil }

func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Ten minutes of the demonstration's day at a shop behind Shopify's own interface, with the default debounce: 500 SKUs, tills and vans
// change them and the shop sells, which is known when its orders are read, every 15 seconds. Shopify refuses a whole call where one level
// is not what it was expected to be, so a sale that is not known costs a read of the call's rows and another call; it is all counted. What is turned
// away must not be turned away again and again: meanwhile the shop shows what is not to be had.
func TestCallsSavedOnShopify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const skus, location = 500, "gid://shopify/Location/1"
		sim := simshopify.New("shopify", shopToken, 1, channelsim.Faults{}, simshopify.Options{})
		var sets, reads atomic.Int64
		network := pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			switch {
			case strings.Contains(string(body), "inventorySetQuantities"):
				sets.Add(1)
			default:
				reads.Add(1)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			sim.ServeHTTP(w, r)
		})}
		go func() { _ = server.Serve(network) }()
		defer server.Close()
		connector, err := shopify.New(channel.Endpoint{URL: "http://shop.example", Token: shopToken, AllowPrivate: true, Dial: network.dial}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		b := newBench(t, map[string]publisher.Connector{"shopify": connector})
		b.cfg.PollEvery = 0 // what it sells is folded below
		b.declare("shopify", func(c *record.Channel) {
			c.Locations = []record.Location{{Location: location, Outlets: []string{"MTL"}}}
		})
		random := rand.New(rand.NewPCG(1, 9))
		zipf := rand.NewZipf(random, 1.1, 8, skus-1)
		var listings [skus]struct{ supply, sold, told, unheard stock.Quantity }
		place := func(i int) channelsim.Place {
			return channelsim.Place{Item: fmt.Sprintf("gid://shopify/InventoryItem/%d", 1000+i), Location: location}
		}
		changes := 0
		offer := func(i int) {
			l := &listings[i]
			quantity := max(0, l.supply-l.sold)
			if quantity != l.told {
				changes++
			}
			l.told = quantity
			o := b.anOffer("shopify", fmt.Sprintf("SKU%03d", i), quantity, l.sold, 0)
			o.Offer.Location, o.Offer.ChannelIDs = location, record.Dict{{Key: "inventory_item_id", Value: place(i).Item}}
			b.offers.append(o)
		}
		for i := range skus {
			listings[i].supply = 10 + stock.Quantity(random.IntN(40))
			sim.Put(place(i), simshopify.Product{SKU: fmt.Sprintf("SKU%03d", i), Status: "ACTIVE", Tracked: true}, 0)
			offer(i)
		}
		stop := b.work()
		for range 3 {
			pass(time.Minute)
			b.mark("shopify")
		}
		pass(time.Minute)
		above := stock.Quantity(0) // units that the shop shows though they are not to be had, summed over the seconds
		sets.Store(0)
		reads.Store(0)
		changes = 0
		for n := range 10 * 60 * 20 { // 20 things a second
			i := int(zipf.Uint64())
			switch what := random.IntN(100); {
			case what < 20: // a shopper buys here
				if _, ok := sim.Sell(place(i), 1, time.Now()); ok {
					listings[i].unheard++
				}
			case what < 75: // at a till, or at another channel
				if listings[i].supply > 0 {
					listings[i].supply--
				}
				offer(i)
			case what < 90:
				listings[i].supply += 1 + stock.Quantity(random.IntN(8))
				offer(i)
			}
			if n%300 == 299 { // its orders are read
				for i := range listings {
					if l := &listings[i]; l.unheard > 0 {
						l.sold, l.unheard = l.sold+l.unheard, 0
						offer(i)
					}
				}
				b.mark("shopify")
			}
			pass(50 * time.Millisecond)
			if n%20 == 0 { // each second
				for i := range listings {
					level, _ := sim.Level(place(i))
					above += max(0, level-max(0, listings[i].told-listings[i].unheard))
				}
			}
		}
		above /= 600
		t.Logf("%d changed offers, %d calls that set levels (%.1f times fewer), %d that read them; %d units too many shown at any time", changes, sets.Load(), float64(changes)/float64(sets.Load()), reads.Load(), above)
		if 20*sets.Load() > int64(changes) {
			t.Errorf("%d calls for %d changed offers, want 20 times fewer", sets.Load(), changes)
		}
		if above > 60 {
			t.Errorf("the shop shows %d units at any time that are not to be had, want 60 at most", above)
		}
		for i := range listings {
			if l := &listings[i]; l.unheard > 0 {
				l.sold, l.unheard = l.sold+l.unheard, 0
				offer(i)
			}
		}
		for range 4 {
			pass(time.Minute)
			b.mark("shopify")
		}
		pass(time.Minute)
		for i := range listings {
			if level, _ := sim.Level(place(i)); level != listings[i].told {
				t.Errorf("SKU%03d shows %d at rest, want %d", i, level, listings[i].told)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
