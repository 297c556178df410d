package simtest_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	shopifysim "github.com/shelfwire/shelfwire/internal/channelsim/shopify"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/ingest"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// The shoppers' day in small: few SKUs, of each a handful of units.
const (
	daySKUs  = 10
	dayTicks = 500
)

// tickEvery is how long after the last thing the next happens.
const tickEvery = 3 * time.Millisecond

var dayOutlets = []string{"MTL", "LAV", "WHS"}

// Five channels of all three kinds sell the same scarce units, while tills, vans and counts change them, requests fail in every way,
// and the publisher is stopped and taken over. Every stage is the real one. Whatever was set too high at a channel is of a kind that
// no rule can avoid there, and no more than that explains; the audit shows it. At the end every channel shows its offer, and nothing
// that was sent is without an outcome that is told or listed as unknown. On some days nothing is heard of one channel's orders for two
// hours (silence_test.go).
//
// SEEDS says how many days (2), FROM the first of them (0). With the tag synctests they take no time but that of the machine:
// `make test-shoppers`. A seed decides what happens and which requests fail, not which goroutine runs first.
func TestShoppers(t *testing.T) {
	t.Parallel()
	first, days := number("FROM", 0), number("SEEDS", 2)
	var sum findings
	var mu sync.Mutex
	t.Run("days", func(t *testing.T) {
		for seed := first; seed < first+days; seed++ {
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					f := shoppersDay(t, seed)
					mu.Lock()
					defer mu.Unlock()
					sum.add(f)
				})
			})
		}
	})
	t.Logf("%d days: %s", days, sum)
}

// number returns what a variable of the environment says.
func number(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

func shoppersDay(t *testing.T, seed uint64) findings {
	return live(t, seed).check()
}

// live lets a day pass, until everything is at rest.
func live(t *testing.T, seed uint64) *day {
	faults := channelsim.Faults{Throttle: 10, ErrorBefore: 40, ErrorAfter: 40, TimeoutAfter: 20, CutAfter: 40}
	m := openMemory(t, seed)
	d := openDay(t, m, seed, openFronts(t, m, seed*10, faults))
	if bubbles && seed%silentEvery == 3 {
		d.beSilent(d.fronts[seed/silentEvery%uint64(len(d.fronts))])
	}
	d.open()
	stop := d.publish()
	for n := range dayTicks {
		<-d.tick.C
		d.happen()
		switch n {
		case dayTicks / 3:
			stop()
			stop = d.publish()
		case dayTicks / 2:
			if d.silence.front != nil {
				stop = d.keepSilent(stop)
			}
		case 2 * dayTicks / 3: // two owners for a moment: the former does not know yet
			former := stop
			stop = d.publish()
			for range 20 {
				<-d.tick.C
				d.happen()
			}
			former()
		}
	}
	for _, f := range d.fronts {
		f.shelf.SetFaults(channelsim.Faults{})
	}
	d.rest()
	stop()
	return d
}

// A day is a retailer with channels, and the stages that serve them.
type day struct {
	t        *testing.T
	random   *rand.Rand
	fronts   []*front
	cluster  *kafka.Cluster
	producer *kafka.Producer
	store    *redisstore.Store
	tick     *time.Ticker
	stage    *publisher.Stage // the newest
	pace     publisher.Config
	logs     *slog.Logger // of the publishers
	silence  silence

	dawn     stock.Instant // when the first movement happened
	sequence int64
	onHand   map[shelfOf]stock.Quantity        // the truth
	placed   map[listed][]time.Time            // every sale, a unit each
	untold   []purchase                        // orders that their channel has not told yet
	said     map[listed][]record.Communication // in the end
	standing []purchase                        // orders that may be cancelled
}

type shelfOf struct {
	outlet string
	sku    int
}

// A listed is an item on a front.
type listed struct {
	channel string
	item    int
}

// A purchase is a shopper's order of one unit.
type purchase struct {
	front     *front
	item      int
	sale      channelsim.Sale
	order     string // of a front that tells its orders itself
	cancelled time.Time
}

func openDay(t *testing.T, m *memory, seed uint64, fronts []*front) *day {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	d := &day{
		pace: publisher.Config{
			ReadBackEvery: 400 * time.Millisecond, PollEvery: 100 * time.Millisecond, OrdersBack: time.Minute,
			RetryMin: 10 * time.Millisecond, RetryMax: 100 * time.Millisecond, RequestsAtOnce: 2,
		},
		logs: log,
		t:    t, dawn: stock.InstantOf(time.Now().Add(-time.Hour)), random: rand.New(rand.NewPCG(seed, 5)), fronts: fronts, cluster: m.cluster, producer: m.producer, store: m.store,
		said: map[listed][]record.Communication{}, tick: time.NewTicker(tickEvery), onHand: map[shelfOf]stock.Quantity{}, placed: map[listed][]time.Time{},
	}
	t.Cleanup(d.tick.Stop)

	topics := d.topics()
	intake, err := ingest.New(ingest.Config{}, ingest.Deps{Log: topics, Outputs: m.producer, Now: time.Now, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	fold, err := allocator.New(allocator.DefaultConfig(), allocator.Deps{Log: topics, Outputs: m.producer, Store: m.store, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	d.work(intake.Work, stream.Partition{Topic: stream.Movements}, stream.Partition{Topic: stream.Orders}, stream.Partition{Topic: stream.Catalogue})
	d.work(fold.Work, stream.Partition{Topic: stream.Journal})
	return d
}

func (d *day) topics() topicLog {
	d.t.Helper()
	readers, err := d.cluster.NewReaders(kafka.ReadersConfig{})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(readers.Close)
	return topicLog{d.cluster, readers}
}

// work lets a stage have partitions, without a group, whose assignments take seconds, until the test ends or stop is called.
func (d *day) work(worker stream.Worker, partitions ...stream.Partition) (stop func()) {
	ctx, cancel := context.WithCancel(d.t.Context())
	var running sync.WaitGroup
	for _, p := range partitions {
		running.Go(func() {
			if err := worker(ctx, fromStart{held{p}}); err != nil && ctx.Err() == nil {
				d.t.Errorf("work on %v: %v", p, err)
			}
		})
	}
	stop = func() { cancel(); running.Wait() }
	d.t.Cleanup(stop)
	return stop
}

// fromStart is a partition of which nothing was taken in, and everything is taken again after a failure.
type fromStart struct{ held }

func (fromStart) Committed(context.Context) (int64, error) { return 0, nil }

func (d *day) front(id string) *front {
	return d.fronts[slices.IndexFunc(d.fronts, func(f *front) bool { return f.id == id })]
}

// publish starts another publisher, which takes the partitions over.
func (d *day) publish() (stop func()) {
	connect := func(c *record.Channel) (publisher.Connector, error) {
		return d.front(c.Channel).connector, nil
	}
	stage, err := publisher.New(d.pace, publisher.Deps{
		Log: d.topics(), Outputs: d.producer, Told: d.store.Told(), Connect: connect, Now: time.Now, Logger: d.logs,
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.stage = stage
	return d.work(stage.Work, stream.Partition{Topic: stream.Offers, ID: 0}, stream.Partition{Topic: stream.Offers, ID: 1})
}

// send writes events to a topic in their order.
func (d *day) send(topic stream.Topic, events ...record.Event) {
	d.t.Helper()
	messages := make([]stream.Message, len(events))
	for i := range events {
		messages[i] = stream.Message{
			Topic: topic, Partition: stream.Any, Key: []byte(tellPool), Value: codec.AppendEvent(nil, &events[i]), ContentType: stream.ContentTypeProtobuf,
		}
	}
	if err := d.producer.Produce(d.t.Context(), messages); err != nil {
		d.t.Fatal(err)
	}
}

// open declares the retailer and receives the opening stock; the channels show what they showed before.
func (d *day) open() {
	counted := record.CountStatuses{
		Merchant: []record.OrderStatus{record.Pending, record.Open, record.Cancelled}, Channel: []record.OrderStatus{record.Shipped, record.Cancelled},
	}
	events := []record.Event{{Pool: &record.Pool{
		Pool: tellPool, Ruleset: 1, Prefer: record.FewestOutlets, ReleaseOn: record.OnCancel, FulfilmentLowersOnHand: true,
		CountWindow: 6 * time.Hour, SingleOutlet: true, SplitOrders: true, SplitLines: true,
	}}}
	for i, o := range dayOutlets {
		events = append(events, record.Event{Outlet: &record.Outlet{Pool: tellPool, Outlet: o, Name: o, Priority: int32(i + 1), SellsOnline: true, FulfilsOrders: true}})
	}
	for i, f := range d.fronts {
		policy := record.Policy{Percent: 100}
		if f.id == "bazaar" { // a marketplace that is told less than there is
			policy.Buffer = 1
		}
		c := record.Channel{
			Pool: tellPool, Channel: f.id, Vendor: f.vendor, Outlets: dayOutlets, RouteOrders: true, LowersOwnLevel: true,
			Flows: record.Flows{Stock: true, Orders: true}, CountStatuses: counted,
			LoweringStatuses: []record.OrderStatus{record.Pending, record.Open, record.Shipped},
			Publish: record.Publish{
				Quiet: 20 * time.Millisecond, LongestWait: 100 * time.Millisecond, LowMark: 1, Settle: 300 * time.Millisecond, CorrectDrift: true,
			},
			Policies: []record.Policy{policy}, WhenStopped: record.StopZero,
		}
		if f.shopify != nil {
			c.Locations = []record.Location{{Location: frontLocation, Outlets: dayOutlets}}
			c.Publish.VisibilityLag = 30 * time.Millisecond // the simulator lowers its level a moment before it shows the order
		}
		events = append(events, record.Event{Channel: &c})
		for n := range daySKUs {
			p := f.place(n)
			level := stock.Quantity((n + i) % 3)
			if f.shopify != nil {
				f.shopify.Put(p, shopifysim.Product{SKU: skuOf(n), Title: skuOf(n), Status: "ACTIVE", Tracked: true}, level)
			} else {
				f.shelf.List(p, level)
			}
			l := record.Listing{Pool: tellPool, Channel: f.id, SKU: skuOf(n), OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant, Title: skuOf(n)}
			if f.shopify != nil {
				l.ChannelIDs = record.Dict{{Key: "inventory_item_id", Value: p.Item}}
			}
			events = append(events, record.Event{Listing: &l})
		}
	}
	d.send(stream.Catalogue, events...)
	for n := range daySKUs {
		for _, o := range dayOutlets {
			d.move(stock.Receipt, shelfOf{o, n}, 1+stock.Quantity(d.random.IntN(4)))
		}
	}
}

// move is one movement at an outlet, a second after the former: what happened in the second of a count is in the count.
func (d *day) move(kind stock.MovementKind, at shelfOf, quantity stock.Quantity) {
	switch kind {
	case stock.Receipt:
		d.onHand[at] += quantity
	case stock.Count:
		d.onHand[at] = quantity
	default:
		d.onHand[at] -= quantity
	}
	d.sequence++
	d.send(stream.Movements, record.Event{Movement: &record.Movement{
		Pool: tellPool, Outlet: at.outlet, SKU: skuOf(at.sku), Kind: kind, Quantity: quantity, OccurredAt: d.dawn.Add(time.Duration(d.sequence) * time.Second),
		Source: "tills", Epoch: 1, Sequence: d.sequence,
	}})
}

// happen lets one thing happen.
func (d *day) happen() {
	n := min(d.random.IntN(daySKUs), d.random.IntN(daySKUs)) // the first sell most
	at := shelfOf{dayOutlets[d.random.IntN(len(dayOutlets))], n}
	f := d.fronts[d.random.IntN(len(d.fronts))]
	switch what := d.random.IntN(100); {
	case what < 45:
		d.buy(f, n)
	case what < 51:
		d.cancel()
	case what < 62 && d.onHand[at] > 0:
		d.move(stock.Sale, at, 1)
	case what < 75:
		d.move(stock.Receipt, at, 1+stock.Quantity(d.random.IntN(3)))
	case what < 78:
		d.move(stock.Count, at, max(0, d.onHand[at]+stock.Quantity(d.random.IntN(3)-1)))
	case what < 80 && f.access == dispatch.Comparing: // a merchant's hand in the shop's own back office
		if level, ok := f.shelf.Level(f.place(n)); ok {
			f.shelf.List(f.place(n), max(0, level+stock.Quantity(d.random.IntN(2)*2-1)))
		}
	case what < 88:
		d.poll(f)
	}
}

func (d *day) buy(f *front, n int) {
	now := time.Now()
	p := purchase{front: f, item: n}
	if f.shopify != nil {
		o, ok := f.shopify.Buy(now, 1, f.place(n))
		if !ok {
			return
		}
		p.order = o.ID
	} else {
		sale, ok := f.shelf.Sell(f.place(n), 1, now)
		if !ok {
			return
		}
		p.sale = sale
		d.untold = append(d.untold, p)
	}
	d.standing = append(d.standing, p)
	d.placed[listed{f.id, n}] = append(d.placed[listed{f.id, n}], now)
}

func (d *day) cancel() {
	if len(d.standing) == 0 {
		return
	}
	i := d.random.IntN(len(d.standing))
	p := d.standing[i]
	d.standing[i] = d.standing[len(d.standing)-1]
	d.standing = d.standing[:len(d.standing)-1]
	restock := d.random.IntN(2) == 0
	if p.front.shopify != nil {
		p.front.shopify.CancelOrder(p.order, restock, time.Now())
		return
	}
	p.cancelled = p.front.shelf.Cancel(p.sale, restock)
	d.untold = append(d.untold, p)
}

// poll tells every order of the front that changed, and that nothing older is missing.
func (d *day) poll(f *front) {
	if f.shopify != nil || f.mute.Load() {
		return // the publisher does, or nobody
	}
	now := stock.InstantOf(time.Now())
	var events []record.Event
	left := d.untold[:0]
	for _, p := range d.untold {
		if p.front != f {
			left = append(left, p)
			continue
		}
		o := record.Order{
			Pool: tellPool, Channel: f.id, OrderID: p.sale.OrderID, Status: record.Open, PlacedAt: stock.InstantOf(p.sale.At),
			UpdatedAt: stock.InstantOf(p.sale.At), ReadAt: now, FulfilledBy: record.ByMerchant,
			Lines: []record.OrderLine{{LineID: "1", SKU: skuOf(p.item), Quantity: 1}},
		}
		if !p.cancelled.IsZero() {
			o.Status, o.UpdatedAt = record.Cancelled, max(o.UpdatedAt+1, stock.InstantOf(p.cancelled))
		}
		events = append(events, record.Event{Order: &o})
	}
	d.untold = left
	events = append(events, record.Event{Mark: &record.Mark{Pool: tellPool, Channel: f.id, OrdersUntil: now}})
	d.send(stream.Orders, events...)
}

// rest polls until everything has been folded and told, and every channel shows what is right for so long that it was read back: Shopify
// dates a sale by the second, so until then the audit may take one for older than the level that it lowered.
func (d *day) rest() {
	d.t.Helper()
	calm := time.Now()
	deadline := calm.Add(300 * d.pace.PollEvery)
	for time.Since(calm) < d.pace.ReadBackEvery+2*d.pace.PollEvery {
		for _, f := range d.fronts {
			d.poll(f)
		}
		<-time.After(d.pace.PollEvery + d.pace.PollEvery/5)
		wrong := d.differs(d.fronts)
		if wrong != "" || d.stage.Pending() != 0 {
			calm = time.Now()
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("no rest: %s, %d pending", wrong, d.stage.Pending())
		}
	}
}

// differs says what is not at rest at the fronts, "" if all is.
func (d *day) differs(fronts []*front) string {
	have := map[string]stock.Quantity{}
	each(d.t, d.cluster, stream.Availability, 1, codec.DecodeAvailability, func(a *record.Availability) { have[a.SKU] = a.OnHand })
	for n := range daySKUs {
		sum := stock.Quantity(0)
		for _, o := range dayOutlets {
			sum += d.onHand[shelfOf{o, n}]
		}
		if have[skuOf(n)] != sum {
			return fmt.Sprintf("%d of %s on hand are counted, there are %d", have[skuOf(n)], skuOf(n), sum)
		}
	}
	newest := d.offers().newest
	for _, f := range fronts {
		for n := range daySKUs {
			o, level, sold := newest[listed{f.id, n}], stock.Quantity(0), f.shelf.Sold(f.place(n))
			if level, _ = f.shelf.Level(f.place(n)); level != o.Quantity || o.Sold-o.Released != sold {
				return fmt.Sprintf("%s shows %d of %s with %d sold, the offer is %d with %d", f.id, level, skuOf(n), sold, o.Quantity, o.Sold-o.Released)
			}
		}
	}
	return ""
}
