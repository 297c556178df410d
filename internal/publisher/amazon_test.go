package publisher_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/channel/amazon"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	simamazon "github.com/shelfwire/shelfwire/internal/channelsim/amazon"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// hasty is the connector with times that a test can wait for.
type hasty struct{ *amazon.Connector }

func (h hasty) Traits() publisher.Traits {
	t := h.Connector.Traits()
	t.Settle, t.ReadLag, t.Timeout, t.RequestsPerSecond = 400*time.Millisecond, 0, 2*time.Second, 50
	t.Bulk = publisher.Bulk{From: 21, Rows: 60, Timeout: 2 * time.Second}
	return t
}

// Amazon accepts, and applies later, in another order or never; it fails in every way, ships some listings itself and sells. At rest it
// shows what is offered, and what it ships was never touched.
func TestAmazonComesToRest(t *testing.T) {
	t.Parallel()
	c := simamazon.Credentials{ClientID: "app", Secret: "app-s3cret", Refresh: "Atzr|r3fresh", Seller: "S", Marketplace: "M"}
	sim := simamazon.New("amazon", c, 5, channelsim.Faults{Throttle: 50, ErrorBefore: 50, ErrorAfter: 50, CutAfter: 50},
		simamazon.Options{Later: 300 * time.Millisecond, Lost: 200, Unlimited: true})
	// Beside what the seed has, one of each is met, however few requests it takes.
	sim.Meet(channelsim.None, channelsim.Throttle, channelsim.ErrorBefore, channelsim.None, channelsim.ErrorAfter, channelsim.CutAfter, channelsim.None, channelsim.ErrorAfter)
	server := httptest.NewServer(sim)
	defer server.Close()
	connector, err := amazon.New(channel.Endpoint{
		URL: server.URL, TokenURL: server.URL, ClientID: c.ClientID, Secrets: []string{c.Secret}, Token: c.Refresh, Seller: "S", Marketplace: "M",
		AllowPrivate: true,
	}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, map[string]publisher.Connector{"amazon": hasty{connector}})
	b.cfg.RetryMin, b.cfg.RetryMax = 20*time.Millisecond, 200*time.Millisecond
	b.declare("amazon", func(ch *record.Channel) {
		ch.Publish.Quiet, ch.Publish.LongestWait, ch.Publish.Settle = 20*time.Millisecond, 100*time.Millisecond, 0
	})
	const n = 12
	sold := map[string]stock.Quantity{}
	sku := func(i int) string { return fmt.Sprintf("SKU%02d", i) }
	for i := range n {
		if i%4 == 3 {
			sim.PutFBA("item-"+sku(i), 50)
		} else {
			sim.Put("item-"+sku(i), stock.Quantity(i))
		}
		b.offer("amazon", sku(i), 6, 0, 0)
	}
	stop := b.work()
	defer func() {
		if err := stop(); err != nil {
			t.Errorf("Work() = %v", err)
		}
	}()
	b.mark("amazon")
	want := func(i int) stock.Quantity { return stock.Quantity(max(0, i-2)) - sold[sku(i)] }
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	wrong := ""
	for tick := range 300 {
		<-ticker.C
		sim.Apply(time.Now())
		if tick == 10 {
			for i := range n {
				b.offer("amazon", sku(i), want(i), 0, 0)
			}
		}
		if tick == 25 { // a shopper buys what is shown, and it is folded
			sim.SetFaults(channelsim.Faults{})
			for i := range n {
				if _, ok := sim.Sell(channelsim.Place{Item: "item-" + sku(i)}, 1, time.Now()); ok && i%4 != 3 && want(i) > 0 {
					sold[sku(i)]++
				}
				b.offer("amazon", sku(i), max(0, want(i)), sold[sku(i)], 0)
			}
		}
		if tick%5 == 0 {
			b.mark("amazon")
		}
		wrong = ""
		for i := range n {
			if level, _ := sim.Level(channelsim.Place{Item: "item-" + sku(i)}); i%4 != 3 && level != max(0, want(i)) {
				wrong = fmt.Sprintf("%s shows %d, the offer is %d: %v", sku(i), level, max(0, want(i)), b.said.about(sku(i)))
			}
		}
		if tick > 30 && wrong == "" && b.stage.Pending() == 0 {
			break
		}
	}
	if wrong != "" || b.stage.Pending() != 0 {
		t.Errorf("no rest: %d pending, %s", b.stage.Pending(), wrong)
	}
	if sim.Injected() < 5 {
		t.Errorf("%d faults were met, want one of each and one more", sim.Injected())
	}
	for i := 3; i < n; i += 4 {
		if sim.Ships("item-"+sku(i)) != "AMAZON_NA" {
			t.Errorf("%s, which Amazon ships, was set", sku(i))
		}
	}
	for _, ch := range sim.Changes() {
		if ch.Cause == "set" && ch.After > 9 {
			t.Errorf("%+v was set, no offer was that large", ch)
		}
	}
}

// A bulk import goes by feeds, some of which end half done or are lost in part: at rest every listing shows its offer.
func TestAmazonBulkComesToRest(t *testing.T) {
	t.Parallel()
	c := simamazon.Credentials{ClientID: "app", Secret: "app-s3cret", Refresh: "Atzr|r3fresh", Seller: "S", Marketplace: "M"}
	sim := simamazon.New("amazon", c, 9, channelsim.Faults{}, simamazon.Options{
		Later: 200 * time.Millisecond, Lost: 100, FeedTakes: 150 * time.Millisecond, FeedFatal: 400, Unlimited: true,
	})
	server := httptest.NewServer(sim)
	defer server.Close()
	connector, err := amazon.New(channel.Endpoint{
		URL: server.URL, TokenURL: server.URL, ClientID: c.ClientID, Secrets: []string{c.Secret}, Token: c.Refresh, Seller: "S", Marketplace: "M",
		AllowPrivate: true,
	}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, map[string]publisher.Connector{"amazon": hasty{connector}})
	b.cfg.RetryMin, b.cfg.RetryMax = 20*time.Millisecond, 200*time.Millisecond
	b.declare("amazon", func(ch *record.Channel) {
		ch.Publish.Quiet, ch.Publish.LongestWait, ch.Publish.Settle = 20*time.Millisecond, 100*time.Millisecond, 0
	})
	const n = 80
	for i := range n {
		sim.Put(fmt.Sprintf("item-SKU%02d", i), 1)
		b.offer("amazon", fmt.Sprintf("SKU%02d", i), 9, 0, 0)
	}
	b.work()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	left := n
	for tick := 0; tick < 400 && (left > 0 || b.stage.Pending() > 0); tick++ {
		<-ticker.C
		sim.Apply(time.Now())
		if tick%5 == 0 {
			b.mark("amazon")
		}
		left = 0
		for i := range n {
			if level, _ := sim.Level(channelsim.Place{Item: fmt.Sprintf("item-SKU%02d", i)}); level != 9 {
				left++
			}
		}
	}
	byFeed := 0
	for _, ch := range sim.Changes() {
		if strings.HasPrefix(ch.Key, "feed-") {
			byFeed++
		}
	}
	if left > 0 || b.stage.Pending() > 0 || byFeed < n/2 {
		t.Errorf("%d listings do not show their offer, %d are pending, %d changes came by feeds", left, b.stage.Pending(), byFeed)
	}
}
