package simtest_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	shopconnector "github.com/shelfwire/shelfwire/internal/channel/shop"
	webhookconnector "github.com/shelfwire/shelfwire/internal/channel/webhook"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	shopsim "github.com/shelfwire/shelfwire/internal/channelsim/shop"
	webhooksim "github.com/shelfwire/shelfwire/internal/channelsim/webhook"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/embedded"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const (
	tellPool = "acme"
	tellSKUs = 12
)

// A teller is a retailer in small: it offers its whole stock on two channels that sell by themselves, hears of their orders late,
// and writes what the allocator would write to the offers topic.
type teller struct {
	t        *testing.T
	random   *rand.Rand
	producer *kafka.Producer
	shops    map[string]*channelsim.Shelf
	avail    map[string]stock.Quantity
	sold     map[channelSKU]stock.Quantity
	released map[channelSKU]stock.Quantity
	pending  []told // orders that have not been polled
	open     []told // orders that may be cancelled
	version  stock.Version
}

type channelSKU struct{ channel, sku string }

type told struct {
	channel   string
	sale      channelsim.Sale
	cancelled bool
}

func skuOf(i int) string { return fmt.Sprintf("SKU-%02d", i) }

func (r *teller) write(records ...record.OfferRecord) {
	r.t.Helper()
	messages := make([]stream.Message, len(records))
	for i := range records {
		var key, account string
		switch rec := &records[i]; {
		case rec.Offer != nil:
			key, account = stream.JoinKey(rec.Offer.Pool, rec.Offer.Channel, rec.Offer.SKU, ""), rec.Offer.Account
		case rec.ChannelState != nil:
			account = rec.ChannelState.Channel.AccountID()
			key = account
		case rec.Mark != nil:
			account = rec.Mark.Account
			key = account + "/mark"
		}
		messages[i] = stream.Message{
			Topic: stream.Offers, Partition: stream.Any, Key: []byte(key), PartitionKey: []byte(account),
			Value: codec.AppendOfferRecord(nil, &records[i]), ContentType: stream.ContentTypeProtobuf,
		}
	}
	if err := r.producer.Produce(r.t.Context(), messages); err != nil {
		r.t.Fatal(err)
	}
}

// offers returns the offers of a SKU on both channels.
func (r *teller) offers(sku string) []record.OfferRecord {
	r.version++
	now := stock.InstantOf(time.Now())
	var all []record.OfferRecord
	for id := range r.shops {
		at := channelSKU{id, sku}
		all = append(all, record.OfferRecord{Offer: &record.Offer{
			Pool: tellPool, Channel: id, Account: tellPool + "/" + id, SKU: sku, Version: r.version, ChangedAt: now,
			Quantity: max(0, r.avail[sku]), Sold: r.sold[at], Released: r.released[at], Reason: "in_stock", Times: record.Times{Occurred: now},
		}})
	}
	return all
}

func (r *teller) declare(vendors map[string]string) {
	for id, vendor := range vendors {
		r.version++
		r.write(record.OfferRecord{ChannelState: &record.ChannelState{Version: r.version, Channel: record.Channel{
			Pool: tellPool, Channel: id, Vendor: vendor, LowersOwnLevel: true, Flows: record.Flows{Stock: true},
			Publish: record.Publish{
				Quiet: 20 * time.Millisecond, LongestWait: 100 * time.Millisecond, LowMark: 1, Settle: 500 * time.Millisecond, CorrectDrift: true,
			},
		}}})
	}
	for i := range tellSKUs {
		r.write(r.offers(skuOf(i))...)
	}
}

// poll folds the orders of every channel in the order they were placed, and writes the marks behind them.
func (r *teller) poll() {
	until := stock.InstantOf(time.Now())
	changed := map[string]bool{}
	for _, o := range r.pending {
		sku := o.sale.Place.Item
		at := channelSKU{o.channel, sku}
		if o.cancelled {
			r.released[at] += o.sale.Quantity
			r.avail[sku] += o.sale.Quantity
		} else {
			r.sold[at] += o.sale.Quantity
			r.avail[sku] -= o.sale.Quantity
		}
		changed[sku] = true
	}
	r.pending = nil
	var records []record.OfferRecord
	for sku := range changed {
		records = append(records, r.offers(sku)...)
	}
	r.write(records...)
	r.version++
	for id := range r.shops {
		r.write(record.OfferRecord{Mark: &record.ChannelMark{
			Pool: tellPool, Channel: id, Account: tellPool + "/" + id, OrdersUntil: until, Version: r.version,
		}})
	}
}

// happen lets one thing happen.
func (r *teller) happen() {
	sku := skuOf(r.random.IntN(tellSKUs))
	id := []string{"shop", "market"}[r.random.IntN(2)]
	switch n := r.random.IntN(100); {
	case n < 55:
		if sale, ok := r.shops[id].Sell(channelsim.Place{Item: sku}, 1, time.Now()); ok {
			r.pending = append(r.pending, told{id, sale, false})
			r.open = append(r.open, told{id, sale, false})
		}
	case n < 60 && len(r.open) > 0:
		i := r.random.IntN(len(r.open))
		o := r.open[i]
		r.open[i] = r.open[len(r.open)-1]
		r.open = r.open[:len(r.open)-1]
		r.shops[o.channel].Cancel(o.sale, r.random.IntN(2) == 0)
		r.pending = append(r.pending, told{o.channel, o.sale, true})
	case n < 80:
		r.avail[sku]--
		r.write(r.offers(sku)...)
	case n < 90:
		r.avail[sku] += stock.Quantity(1 + r.random.IntN(6))
		r.write(r.offers(sku)...)
	case n < 95:
		r.poll()
	}
}

// atRest reports whether every channel shows what is right, and if not, what differs.
func (r *teller) atRest() (bool, string) {
	for i := range tellSKUs {
		sku := skuOf(i)
		for id, shop := range r.shops {
			if level, _ := shop.Level(channelsim.Place{Item: sku}); level != max(0, r.avail[sku]) {
				return false, fmt.Sprintf("%s shows %d of %s, %d is right", id, level, sku, max(0, r.avail[sku]))
			}
		}
	}
	return true, ""
}

// openParts starts a broker and a Redis in this process, with the topics made under the prefix, and opens them.
func openParts(t *testing.T, prefix string, log *slog.Logger) (*kafka.Cluster, *redisstore.Store, *kafka.Producer) {
	t.Helper()
	servers, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	cluster, err := kafka.Open(t.Context(), kafka.Config{Brokers: servers.KafkaAddresses(), Prefix: prefix}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	if _, err := cluster.ApplyTopics(t.Context(), kafka.Layout{Inputs: 1, Journal: 1, Accounts: 2, Outputs: 1, Replication: 1, Plain: true}); err != nil {
		t.Fatal(err)
	}
	store, err := redisstore.Open(t.Context(), redisstore.Config{Addresses: []string{servers.RedisAddress()}, Prefix: "sw:"}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	producer, err := cluster.NewProducer(kafka.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	return cluster, store, producer
}

// Offers go through a broker, the told store and HTTP to channels that fail in every way, and the publisher is ended in the midst
// and started again. At the end every channel shows what is right; what was written down before the requests explains every change
// at the channels, each of which happened once; and what is said to be acknowledged did happen.
func TestPublishedLevels(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	cluster, store, producer := openParts(t, "tell.", log)

	const token = "token-of-the-shop"
	secretText := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", 32)))
	secret, err := signature.ParseSecret(secretText)
	if err != nil {
		t.Fatal(err)
	}
	faults := channelsim.Faults{Throttle: 10, ErrorBefore: 40, ErrorAfter: 40, TimeoutAfter: 20, CutAfter: 40}
	shop := shopsim.New("shop", token, 1, faults)
	market := webhooksim.New("market", []signature.Secret{secret}, 2, faults)
	shopServer, marketServer := httptest.NewServer(shop), httptest.NewServer(market)
	t.Cleanup(shopServer.Close)
	t.Cleanup(marketServer.Close)
	const timeout = 300 * time.Millisecond
	connect := func(c *record.Channel) (publisher.Connector, error) {
		if c.Vendor == shopconnector.Vendor {
			return shopconnector.New(channel.Endpoint{URL: shopServer.URL, Token: token, Timeout: timeout, AllowPrivate: true})
		}
		return webhookconnector.New(c.Pool, c.Channel, channel.Endpoint{
			URL: marketServer.URL, Secrets: []string{secretText}, Timeout: timeout, AllowPrivate: true,
		}, time.Now)
	}

	r := &teller{
		t: t, random: rand.New(rand.NewPCG(3, 1)), producer: producer,
		shops: map[string]*channelsim.Shelf{"shop": shop.Shelf, "market": market.Shelf},
		avail: map[string]stock.Quantity{}, sold: map[channelSKU]stock.Quantity{}, released: map[channelSKU]stock.Quantity{},
	}
	for i := range tellSKUs {
		r.avail[skuOf(i)] = stock.Quantity(i % 5 * 3)
		for _, s := range r.shops {
			s.List(channelsim.Place{Item: skuOf(i)}, stock.Quantity(i%3))
		}
	}
	r.declare(map[string]string{"shop": shopconnector.Vendor, "market": webhookconnector.Vendor})

	publish := func() (*publisher.Stage, func()) {
		readers, err := cluster.NewReaders(kafka.ReadersConfig{})
		if err != nil {
			t.Fatal(err)
		}
		stage, err := publisher.New(
			publisher.Config{ReadBackEvery: 2 * time.Second, RetryMin: 10 * time.Millisecond, RetryMax: 100 * time.Millisecond, RequestsAtOnce: 2},
			publisher.Deps{
				Log: topicLog{cluster, readers}, Outputs: producer, Told: store.Told(), Connect: connect, Now: time.Now, Logger: log,
			})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for p := range int32(2) { // without a group, whose assignments take seconds
			running.Go(func() {
				if err := stage.Work(ctx, held{stream.Partition{Topic: stream.Offers, ID: p}}); err != nil {
					t.Errorf("Work() = %v", err)
				}
			})
		}
		return stage, func() { stop(); running.Wait(); readers.Close() }
	}

	tick := time.NewTicker(4 * time.Millisecond)
	defer tick.Stop()
	for range 4 {
		_, stop := publish()
		for range 180 {
			<-tick.C
			r.happen()
		}
		stop()
	}
	stage, stop := publish()
	defer func() { stop() }()
	var differs string
	for deadline := time.Now().Add(30 * time.Second); ; {
		for range 25 {
			<-tick.C
		}
		var ok bool
		if ok, differs = r.atRest(); ok && stage.Pending() == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no rest: %s, %d pending", differs, stage.Pending())
		}
		r.poll()
	}
	stop()
	stop = func() {}
	if shop.Injected() == 0 || market.Injected() == 0 {
		t.Error("no fault was met")
	}
	if unknown := checkCommunications(t, communications(t, cluster), r.shops); unknown == 0 {
		t.Error("no outcome was unknown: the faults had no effect")
	}
}

// checkCommunications holds what was said against what happened at the channels, and returns how often an outcome was unknown.
func checkCommunications(t *testing.T, said []record.Communication, shops map[string]*channelsim.Shelf) (unknown int) {
	t.Helper()
	type row struct{ channel, key, sku string }
	quantity := map[row]stock.Quantity{}
	outcome := map[row]record.CommunicationState{}
	open, torn := map[channelSKU]row{}, map[string]bool{} // the newest attempt of each listing; the requests that a zero has left
	said = slices.SortedStableFunc(slices.Values(said), func(a, b record.Communication) int { return cmp.Compare(a.Sequence, b.Sequence) })
	for _, c := range said {
		at := row{c.Channel, c.IdempotencyKey, c.SKU}
		switch c.State {
		case record.Attempted:
			before := open[channelSKU{c.Channel, c.SKU}]
			if _, known := outcome[before]; before != at && !known && c.Quantity == 0 && c.Channel != "shop" {
				torn[before.key] = true
			}
			open[channelSKU{c.Channel, c.SKU}] = at
			if q, again := quantity[at]; again && q != c.Quantity {
				t.Errorf("%v was attempted with %d and with %d", at, q, c.Quantity)
			}
			quantity[at] = c.Quantity
		case record.Unknown:
			unknown++
		case record.Acknowledged, record.CommunicationRejected:
			if _, ok := quantity[at]; !ok {
				t.Errorf("%v has an outcome and no attempt before it", at)
			}
			// A restart between the outcome's record and its state says it again.
			if was, again := outcome[at]; again && was != c.State {
				t.Errorf("%v has two outcomes, %d and %d", at, was, c.State)
			}
			outcome[at] = c.State
		}
	}
	happened := map[row]int{}
	for id, shop := range shops {
		for _, change := range shop.Changes() {
			if change.Cause != "set" {
				continue
			}
			at := row{id, change.Key, change.Place.Item}
			if q, ok := quantity[at]; !ok || q != change.After {
				t.Errorf("%v set the level to %d, but what was written down before is %d (%t)", at, change.After, q, ok)
			}
			if happened[at]++; happened[at] > 1 {
				t.Errorf("%v happened %d times", at, happened[at])
			}
		}
	}
	acknowledged := 0
	for at, state := range outcome {
		if state == record.Acknowledged {
			acknowledged++
		}
		if did := happened[at] > 0; did != (state == record.Acknowledged) {
			t.Errorf("%v: outcome %d, happened %d times", at, state, happened[at])
		}
	}
	// A row that a zero overtook: nobody asked for its outcome any more, nor for that of the others of its request, which was not whole
	// without it.
	for at := range quantity {
		if _, ok := outcome[at]; !ok && happened[at] > 0 && !torn[at.key] { // a loss
			t.Errorf("%v happened, and nobody said so", at)
		}
	}
	t.Logf("%d communications, %d acknowledged, %d unknown for a while", len(said), acknowledged, unknown)
	return unknown
}

// communications reads the whole topic.
func communications(t *testing.T, cluster *kafka.Cluster) []record.Communication {
	t.Helper()
	var all []record.Communication
	each(t, cluster, stream.Communications, 2, codec.DecodeCommunication, func(c *record.Communication) { all = append(all, *c) })
	return all
}

// each gives every record that a topic of so many partitions holds now.
func each[T any](t *testing.T, cluster *kafka.Cluster, topic stream.Topic, partitions int32, decode func([]byte, *T) error, give func(*T)) {
	t.Helper()
	readers, err := cluster.NewReaders(kafka.ReadersConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer readers.Close()
	for id := range partitions {
		p := stream.Partition{Topic: topic, ID: id}
		bounds, err := cluster.Bounds(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := readers.Open(t.Context(), p, bounds.Start)
		if err != nil {
			t.Fatal(err)
		}
		for next := bounds.Start; next < bounds.End; {
			records, err := reader.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range records {
				var v T
				if err := decode(rec.Value, &v); err != nil {
					t.Fatal(err)
				}
				give(&v)
				next = rec.Offset + 1
			}
		}
		reader.Close()
	}
}

type topicLog struct {
	*kafka.Cluster
	readers *kafka.Readers
}

func (l topicLog) Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	return l.readers.Open(ctx, p, from)
}

// held is a partition that nobody takes away.
type held struct{ partition stream.Partition }

func (h held) Partition() stream.Partition            { return h.partition }
func (held) Committed(context.Context) (int64, error) { return -1, nil }
func (held) Commit(context.Context, int64) error      { return nil }
func (held) CommitLag(int64)                          {}
