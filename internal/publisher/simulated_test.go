package publisher_test

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/channel/shop"
	"github.com/shelfwire/shelfwire/internal/channel/shopify"
	"github.com/shelfwire/shelfwire/internal/channel/webhook"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	simshop "github.com/shelfwire/shelfwire/internal/channelsim/shop"
	simshopify "github.com/shelfwire/shelfwire/internal/channelsim/shopify"
	simwebhook "github.com/shelfwire/shelfwire/internal/channelsim/webhook"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
)

const (
	shopToken     = "tok-1f0c9d"
	webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// A retail is what the allocator knows of one listing.
type retail struct {
	channel, sku              string
	shelf                     *channelsim.Shelf
	place                     channelsim.Place
	supply                    stock.Quantity
	fixed                     bool // nothing is received: then what is shown and what is sold never exceed the supply
	folded, released, offered stock.Quantity
}

// An order is a sale that the channel has not told yet, or whose cancel it has not.
type order struct {
	of        *retail
	sale      channelsim.Sale
	cancelled bool
	folded    bool // the sale is
	at        time.Time
}

// A market day: real connectors, simulated channels that sell by themselves and fail in every way, a told store in Redis, and an
// owner that is started again twice.
func TestSimulatedChannels(t *testing.T) {
	t.Parallel()
	const long, longest = 2 * time.Second, 30 * time.Second
	faults := channelsim.Faults{Throttle: 10, ErrorBefore: 110, ErrorAfter: 110, TimeoutAfter: 60, CutAfter: 110}
	key, err := signature.ParseSecret(webhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	theShop := simshop.New("shop", shopToken, 1, faults)
	theMarket := simwebhook.New("market", []signature.Secret{key}, 2, faults)
	shopServer, marketServer := httptest.NewServer(theShop), httptest.NewServer(theMarket)
	defer shopServer.Close()
	defer marketServer.Close()
	toShop, err := shop.New(channel.Endpoint{URL: shopServer.URL, Token: shopToken, Timeout: 150 * time.Millisecond, AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	toMarket, err := webhook.New("acme", "market", channel.Endpoint{
		URL: marketServer.URL, Secrets: []string{webhookSecret}, Timeout: 150 * time.Millisecond, AllowPrivate: true,
	}, time.Now)
	if err != nil {
		t.Fatal(err)
	}

	theShopify := simshopify.New("shopify", shopToken, 3, faults, simshopify.Options{Maximum: 4000, Restore: 1000, Partial: true})
	shopifyServer := httptest.NewServer(theShopify)
	defer shopifyServer.Close()
	toShopify, err := shopify.New(channel.Endpoint{URL: shopifyServer.URL, Token: shopToken, Timeout: 150 * time.Millisecond, AllowPrivate: true}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, map[string]publisher.Connector{"shop": toShop, "market": toMarket, "shopify": toShopify})
	b.cfg.RetryMin, b.cfg.RetryMax, b.cfg.ReadBackEvery = 20*time.Millisecond, 200*time.Millisecond, 500*time.Millisecond
	store, err := redisstore.Open(t.Context(), redisstore.Config{Addresses: []string{miniredis.RunT(t).Addr()}, Prefix: "sw:"}, slogDiscard())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	b.told = store.Told()

	random := rand.New(rand.NewPCG(1, 3))
	var listings []*retail
	for _, c := range []struct {
		id    string
		shelf *channelsim.Shelf
	}{{"shop", theShop.Shelf}, {"market", theMarket.Shelf}, {"shopify", theShopify.Shelf}} {
		b.declare(c.id, func(ch *record.Channel) {
			ch.Publish.Quiet, ch.Publish.LongestWait, ch.Publish.Settle = 20*time.Millisecond, 100*time.Millisecond, 200*time.Millisecond
		})
		for i := range 24 {
			l := &retail{channel: c.id, sku: fmt.Sprintf("SKU%02d", i), shelf: c.shelf, supply: stock.Quantity(2 + random.IntN(12)), fixed: i%2 == 0}
			l.place = channelsim.Place{Item: "item-" + l.sku}
			switch c.id {
			case "market":
				l.place.Item = l.sku
			case "shopify":
				l.place = channelsim.Place{Item: fmt.Sprintf("gid://shopify/InventoryItem/%d", 100+i), Location: "gid://shopify/Location/1"}
				theShopify.Put(l.place, simshopify.Product{SKU: l.sku, Status: "ACTIVE", Tracked: true}, 0)
			}
			c.shelf.List(l.place, min(l.supply, stock.Quantity(random.IntN(5))))
			listings = append(listings, l)
			b.tell(l)
		}
	}

	stop := b.work()
	shelves := []*channelsim.Shelf{theShop.Shelf, theMarket.Shelf, theShopify.Shelf}
	calm := func(s *channelsim.Shelf) bool { return s.Injected() < 5 }
	day := b.trade(random, listings, func(at time.Duration) bool { // how many calls fit into a second depends on the machine
		return at < long || at < longest && slices.ContainsFunc(shelves, calm)
	}, func(at time.Duration) {
		if restart := long / 3; at%restart < 10*time.Millisecond && at >= restart {
			if err := stop(); err != nil {
				t.Errorf("Work() = %v", err)
			}
			stop = b.work()
		}
	})
	for _, s := range shelves {
		if calm(s) {
			t.Errorf("%d faults were met, want some", s.Injected())
		}
		s.SetFaults(channelsim.Faults{})
	}
	b.rest(listings, day)
	if err := stop(); err != nil {
		t.Errorf("Work() = %v", err)
	}

	checkSaid(t, b.said.list())
	checkKeys(t, b.said.list())
	for _, s := range shelves {
		checkAppliedOnce(t, s.Changes())
	}
	checkNothingGivenBack(t, listings)
	checkSecrets(t, b)
}

// tell makes the offer that the allocator would.
func (b *bench) tell(l *retail) {
	l.offered = max(0, l.supply-l.folded+l.released)
	o := b.anOffer(l.channel, l.sku, l.offered, l.folded, l.released)
	if o.Offer.Location = l.place.Location; l.place.Location != "" {
		o.Offer.ChannelIDs = record.Dict{{Key: "inventory_item_id", Value: l.place.Item}}
	}
	b.offers.append(o)
}

// trade lets shoppers, receipts, our own shops and polls happen while on says so; both functions are called every few milliseconds,
// with the time since the start. It returns the orders that are not folded.
func (b *bench) trade(random *rand.Rand, listings []*retail, on func(time.Duration) bool, tick func(time.Duration)) (open []*order) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	var standing []*order
	for n := 0; on(time.Duration(n) * 10 * time.Millisecond); n++ {
		<-ticker.C
		tick(time.Duration(n) * 10 * time.Millisecond)
		l := listings[random.IntN(len(listings))]
		switch random.IntN(8) {
		case 0, 1, 2, 3:
			if sale, ok := l.shelf.Sell(l.place, 1, time.Now()); ok {
				o := &order{of: l, sale: sale, at: time.Now()}
				open, standing = append(open, o), append(standing, o)
			}
		case 4:
			if !l.fixed {
				l.supply += stock.Quantity(random.IntN(5)) - 2
				b.tell(l)
			}
		case 5:
			if len(standing) > 0 && random.IntN(2) == 0 {
				i := random.IntN(len(standing))
				o := standing[i]
				standing = slices.Delete(standing, i, i+1)
				o.of.shelf.Cancel(o.sale, random.IntN(2) == 0)
				if o.cancelled, o.at = true, time.Now(); o.folded {
					open = append(open, o)
				}
			}
		case 6:
			if len(open) > 0 { // a webhook of the channel's brings one order early
				i := random.IntN(len(open))
				b.fold(open[i])
				open = slices.Delete(open, i, i+1)
			}
		}
		if n%15 == 14 {
			open = b.poll(open)
		}
	}
	return open
}

func (b *bench) fold(o *order) {
	if !o.folded {
		o.of.folded++
		o.folded = true
	}
	if o.cancelled {
		o.of.released++
	}
	b.tell(o.of)
}

// poll folds every order that changed before now, and marks that.
func (b *bench) poll(open []*order) (left []*order) {
	for _, o := range open {
		b.fold(o)
	}
	b.mark("shop")
	b.mark("market")
	b.mark("shopify")
	return nil
}

// rest polls until everything is told, and checks that every channel shows its offers.
func (b *bench) rest(listings []*retail, open []*order) {
	b.t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	wrong := ""
	for quiet, n := 0, 0; quiet < 4; n++ {
		if n == 400 {
			b.t.Fatalf("no rest after 20 s: %d pending, %s", b.stage.Pending(), wrong)
		}
		open = b.poll(open)
		<-ticker.C
		wrong = ""
		for _, l := range listings {
			if level, _ := l.shelf.Level(l.place); level != l.offered {
				wrong = fmt.Sprintf("%s of %s shows %d, the offer is %d: %s", l.sku, l.channel, level, l.offered, strings.Join(b.said.about(l.sku), ", "))
			}
		}
		if quiet++; wrong != "" || b.stage.Pending() != 0 {
			quiet = 0
		}
	}
}

// checkKeys checks that every attempt came to a known end, or, where the publisher gave up learning it (the channel is done with the call
// and does not say what became of a row, or a batch failed too often), that the level was read afterwards.
func checkKeys(t *testing.T, all []record.Communication) {
	t.Helper()
	last, read := map[string]record.Communication{}, map[string]stock.Instant{}
	var states [record.Quarantined + 1]int
	for _, c := range all {
		states[c.State]++
		if c.IdempotencyKey != "" {
			last[c.Channel+" "+c.SKU+" "+c.IdempotencyKey] = c
		}
		if c.State == record.Observed {
			read[c.Channel+" "+c.SKU] = c.AttemptedAt
		}
	}
	zeros := map[string]bool{} // listings with a zero that may have overtaken something
	for _, c := range last {
		if c.Quantity == 0 && c.State == record.Acknowledged {
			zeros[c.Channel+" "+c.SKU] = true
		}
	}
	for _, c := range last {
		overtaken := c.Channel == "market" && zeros[c.Channel+" "+c.SKU]
		settled := c.State == record.Unknown && read[c.Channel+" "+c.SKU] >= c.RepliedAt
		if open := c.State == record.Attempted || c.State == record.Unknown; open && !overtaken && !settled {
			t.Errorf("nobody knows what came of %s of %s under %s: state %d, %s", c.SKU, c.Channel, c.IdempotencyKey, c.State, c.Reply)
		}
	}
	for _, s := range []record.CommunicationState{record.Attempted, record.Acknowledged, record.Unknown, record.Observed} {
		if states[s] == 0 {
			t.Errorf("no communication is in state %d: the day was too quiet", s)
		}
	}
	if states[record.Quarantined] != 0 {
		t.Errorf("%d listings were put aside, want none", states[record.Quarantined])
	}
}

func checkAppliedOnce(t *testing.T, changes []channelsim.Change) {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range changes {
		if c.Key == "" {
			continue
		}
		if at := c.Key + " " + c.Place.Item; seen[at] {
			t.Errorf("key and item %s were set twice", at)
		} else {
			seen[at] = true
		}
	}
}

// checkNothingGivenBack walks what the shop's customers saw: what it shows and what it has sold is never more than there is, where
// nothing else happened. The first level was the shop's own.
func checkNothingGivenBack(t *testing.T, listings []*retail) {
	t.Helper()
	for _, l := range listings {
		if l.channel == "market" || !l.fixed {
			continue
		}
		sold := stock.Quantity(0)
		for _, c := range l.shelf.Changes() {
			if c.Place != l.place {
				continue
			}
			switch c.Cause {
			case "sale":
				sold++
			case "set":
				if c.After+sold-l.released > l.supply {
					t.Errorf("%s was set %d → %d with %d sold and %d given back of %d: sold stock was given back", l.sku, c.Before, c.After, sold, l.released, l.supply)
				}
			}
		}
	}
}

func checkSecrets(t *testing.T, b *bench) {
	t.Helper()
	texts := []string{b.logs.String()}
	for _, raw := range b.said.raw {
		texts = append(texts, string(raw))
	}
	for _, text := range texts {
		for _, secret := range []string{shopToken, webhookSecret, strings.TrimPrefix(webhookSecret, "whsec_")} {
			if strings.Contains(text, secret) {
				t.Errorf("%q tells a secret", text)
			}
		}
	}
}
