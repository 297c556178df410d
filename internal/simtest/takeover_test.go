//go:build integration

package simtest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kmsg"

	shopconnector "github.com/shelfwire/shelfwire/internal/channel/shop"
	webhookconnector "github.com/shelfwire/shelfwire/internal/channel/webhook"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	shopsim "github.com/shelfwire/shelfwire/internal/channelsim/shop"
	webhooksim "github.com/shelfwire/shelfwire/internal/channelsim/webhook"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A moment is how far a request has come when its publisher is struck.
type moment string

const (
	written  moment = "between the attempt and its request" // the attempt is in Kafka, the publisher has not heard so yet
	writing  moment = "in the middle of its request"        // the channel has a part of it, and takes no more
	underWay moment = "between the request and the channel" // the request has left and lands late
	applied  moment = "between the channel and its reply"
	answered moment = "between the reply and the outcome" // the publisher has the reply, Kafka has no outcome
)

var moments = []moment{written, writing, underWay, applied, answered}

// A publisher is struck with requests of two channels at a moment, and another takes over: every channel shows the last offer, each
// request happened once, and no sold stock was given back.
func TestTakeOver(t *testing.T) {
	in := newInstallation(t)
	for _, name := range []string{"ingest", "allocator", "audit"} {
		in.start(name).ready()
	}
	for i, m := range moments {
		t.Run("stopped "+string(m), func(t *testing.T) { openTakeOver(t, in, fmt.Sprint("stopped-", i)).stopped(m) })
		if m == writing {
			continue // what is not whole when its sender dies is nothing
		}
		t.Run("killed "+string(m), func(t *testing.T) { openTakeOver(t, in, fmt.Sprint("killed-", i)).killed(m) })
	}
}

// stopped stops a publisher past its session. When it wakes it sends nothing and changes nothing, and what it says late changes
// nobody's mind.
func (w *takeOver) stopped(m moment) {
	w.narrow = m == writing
	first := w.publisher("1")
	w.begin(first, m)
	first.signal(syscall.SIGSTOP)
	w.sellOn()
	second := w.publisher("2") // the group gives it the partitions when the session of the first is over
	w.rest()
	w.settle()
	before, rows := first.requests(), w.toldRows()
	first.reading.open() // when it wakes, the channel takes the rest
	first.signal(syscall.SIGCONT)
	first.release()
	w.in.pause(2*takeOverTimeout, []*process{first.process, second.process})
	if n := first.requests() - before; n != 0 {
		w.t.Errorf("the one that woke sent %d requests, want none", n)
	}
	if woken := w.toldRows(); !maps.Equal(rows, woken) {
		w.t.Errorf("the one that woke changed the told state:\nfrom %q\nto   %q", rows, woken)
	}
	w.goOn()
	w.check()
}

// killed kills a publisher, and starts it again.
func (w *takeOver) killed(m moment) {
	first := w.publisher("1")
	w.begin(first, m)
	first.kill()
	first.kafka.requests.lose()
	w.sellOn()
	w.publisher("1")
	if m == underWay { // it lands on what the new one has done
		w.rest()
	}
	first.release()
	w.rest()
	w.goOn()
	w.check()
}

const (
	takeOverSKUs    = 4
	takeOverUnits   = 5
	takeOverTimeout = 3 * time.Second // of a request
)

// A takeOver is a retailer with two channels on real servers, whose publishers reach Kafka and the channels through doors that can be
// held shut.
type takeOver struct {
	t           *testing.T
	in          *installation
	pool        string
	cluster     *kafka.Cluster
	producer    *kafka.Producer
	shops       map[string]*channelsim.Shelf
	handlers    map[string]http.Handler
	secret      string
	certificate []byte // of the channels' servers, where they have one
	narrow      bool   // requests go a few bytes at a time, as the channel takes them

	sequence int64
	told     stock.Instant // when the newest marks were sent
	pending  []order
	avail    [takeOverSKUs]stock.Quantity
}

type order struct {
	channel string
	item    int
	sale    channelsim.Sale
}

func openTakeOver(t *testing.T, in *installation, pool string) *takeOver {
	t.Helper()
	own := *in
	own.t = t
	w := &takeOver{t: t, in: &own, pool: pool, secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", 32)))}
	log := slog.New(slog.DiscardHandler)
	var err error
	w.cluster, err = kafka.Open(t.Context(), kafka.Config{Brokers: []string{mustEnv(t, "SHELFWIRE_TEST_KAFKA")}, Prefix: w.in.name + "."}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cluster.Close)
	if w.producer, err = w.cluster.NewProducer(kafka.ProducerConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.producer.Close)
	secret, err := signature.ParseSecret(w.secret)
	if err != nil {
		t.Fatal(err)
	}
	shop := shopsim.New("shop", frontToken, 1, channelsim.Faults{})
	market := webhooksim.New("market", []signature.Secret{secret}, 2, channelsim.Faults{})
	w.shops = map[string]*channelsim.Shelf{"shop": shop.Shelf, "market": market.Shelf}
	w.handlers = map[string]http.Handler{"shop": shop, "market": market}
	w.declare()
	return w
}

func (w *takeOver) declare() {
	counted := record.CountStatuses{
		Merchant: []record.OrderStatus{record.Pending, record.Open, record.Cancelled}, Channel: []record.OrderStatus{record.Shipped, record.Cancelled},
	}
	events := []record.Event{
		{Pool: &record.Pool{
			Pool: w.pool, Ruleset: 1, Prefer: record.FewestOutlets, ReleaseOn: record.OnCancel, FulfilmentLowersOnHand: true,
			CountWindow: 6 * time.Hour, SingleOutlet: true, SplitOrders: true, SplitLines: true,
		}},
		{Outlet: &record.Outlet{Pool: w.pool, Outlet: "MTL", Priority: 1, SellsOnline: true, FulfilsOrders: true}},
	}
	for id, vendor := range map[string]string{"shop": shopconnector.Vendor, "market": webhookconnector.Vendor} {
		events = append(events, record.Event{Channel: &record.Channel{
			Pool: w.pool, Channel: id, Vendor: vendor, Outlets: []string{"MTL"}, RouteOrders: true, LowersOwnLevel: true,
			Flows: record.Flows{Stock: true, Orders: true}, CountStatuses: counted,
			LoweringStatuses: []record.OrderStatus{record.Pending, record.Open, record.Shipped},
			Publish: record.Publish{
				Quiet: 20 * time.Millisecond, LongestWait: 100 * time.Millisecond, LowMark: 1, Settle: time.Second, CorrectDrift: true,
			},
			Policies: []record.Policy{{Percent: 100}}, WhenStopped: record.StopZero,
		}})
		for i := range takeOverSKUs {
			w.shops[id].List(channelsim.Place{Item: skuOf(i)}, 0)
			events = append(events, record.Event{Listing: &record.Listing{
				Pool: w.pool, Channel: id, SKU: skuOf(i), OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant, Title: skuOf(i),
			}})
		}
	}
	w.send(stream.Catalogue, events...)
}

func (w *takeOver) send(topic stream.Topic, events ...record.Event) {
	w.t.Helper()
	messages := make([]stream.Message, len(events))
	for i := range events {
		messages[i] = stream.Message{
			Topic: topic, Partition: stream.Any, Key: []byte(w.pool), Value: codec.AppendEvent(nil, &events[i]), ContentType: stream.ContentTypeProtobuf,
		}
	}
	if err := w.producer.Produce(w.t.Context(), messages); err != nil {
		w.t.Fatal(err)
	}
}

// move lets units come, or go where there are less than none.
func (w *takeOver) move(item int, units stock.Quantity) {
	w.t.Helper()
	w.avail[item] += units
	kind := stock.Receipt
	if units < 0 {
		kind, units = stock.Sale, -units
	}
	w.sequence++
	w.send(stream.Movements, record.Event{Movement: &record.Movement{
		Pool: w.pool, Outlet: "MTL", SKU: skuOf(item), Kind: kind, Quantity: units, OccurredAt: stock.InstantOf(time.Now()),
		Source: "tills", Epoch: 1, Sequence: w.sequence,
	}})
}

// buy lets a shopper buy a unit, of which nobody hears until tell.
func (w *takeOver) buy(channel string, item int) {
	w.t.Helper()
	sale, ok := w.shops[channel].Sell(channelsim.Place{Item: skuOf(item)}, 1, time.Now())
	if !ok {
		w.t.Fatalf("%s sells no %s", channel, skuOf(item))
	}
	w.pending = append(w.pending, order{channel, item, sale})
}

// tell tells every order, and that no other is missing.
func (w *takeOver) tell() {
	w.t.Helper()
	now := stock.InstantOf(time.Now())
	w.told = now
	var events []record.Event
	for _, p := range w.pending {
		w.avail[p.item] -= p.sale.Quantity
		at := stock.InstantOf(p.sale.At)
		events = append(events, record.Event{Order: &record.Order{
			Pool: w.pool, Channel: p.channel, OrderID: p.sale.OrderID, Status: record.Open, PlacedAt: at, UpdatedAt: at, ReadAt: now,
			FulfilledBy: record.ByMerchant, Lines: []record.OrderLine{{LineID: "1", SKU: skuOf(p.item), Quantity: p.sale.Quantity}},
		}})
	}
	w.pending = nil
	for id := range w.shops {
		events = append(events, record.Event{Mark: &record.Mark{Pool: w.pool, Channel: id, OrdersUntil: now}})
	}
	w.send(stream.Orders, events...)
}

// begin brings the channels to rest, and then a request of each to the moment.
func (w *takeOver) begin(p *publisherProcess, m moment) {
	w.t.Helper()
	for i := range takeOverSKUs {
		w.move(i, takeOverUnits)
	}
	w.rest()
	switch m {
	case written:
		p.kafka.answers.shut()
	case writing:
		p.reading.shut()
	case underWay:
		p.arriving.shut()
	case applied, answered:
		p.leaving.shut()
	}
	before := p.requests()
	w.move(0, -1)
	if m == written {
		w.in.wait("the attempts are written down", 30*time.Second, func() (bool, error) {
			attempted := map[string]bool{}
			for _, c := range w.communications() {
				if c.State == record.Attempted && c.SKU == skuOf(0) && c.Quantity == takeOverUnits-1 {
					attempted[c.Channel] = true
				}
			}
			return len(attempted) == len(w.shops), nil
		})
		return
	}
	if m == writing {
		w.in.wait("the requests have arrived in part", 30*time.Second, func() (bool, error) { return p.reading.waiting() == len(w.shops), nil })
		return
	}
	w.in.wait("the requests have arrived", 30*time.Second, func() (bool, error) { return p.requests()-before == len(w.shops), nil })
	if m == answered {
		p.kafka.requests.shut()
		p.leaving.open()
		w.in.wait("an outcome is on its way", 30*time.Second, func() (bool, error) { return p.kafka.requests.waiting() > 0, nil })
	}
}

// sellOn lets the world go on while nobody publishes: shoppers buy what was asked about, and the tills sell another item out.
func (w *takeOver) sellOn() {
	w.t.Helper()
	for id := range w.shops {
		w.buy(id, 0)
	}
	w.move(0, -1)
	w.move(1, -takeOverUnits)
	w.tell()
}

// goOn lets units come, which whoever owns the channels now tells.
func (w *takeOver) goOn() {
	w.t.Helper()
	w.move(0, 3)
	w.move(1, 2)
	w.rest()
}

// rest tells orders until every channel shows what is right and has acknowledged what it was told last.
func (w *takeOver) rest() {
	w.t.Helper()
	told := time.Now()
	w.tell()
	var wrong string
	deadline := time.Now().Add(time.Minute)
	w.in.wait("every channel shows the last offer", 2*time.Minute, func() (bool, error) {
		wrong = ""
		for id, shop := range w.shops {
			for i := range takeOverSKUs {
				if level, _ := shop.Level(channelsim.Place{Item: skuOf(i)}); level != max(0, w.avail[i]) {
					wrong += fmt.Sprintf("%s shows %d of %s, %d is right; ", id, level, skuOf(i), max(0, w.avail[i]))
				}
			}
		}
		if wrong == "" {
			wrong = w.open()
		}
		if wrong != "" && time.Now().After(deadline) {
			return false, errors.New(wrong)
		}
		if time.Since(told) > time.Second { // a mark that came before a reply does not close it
			told = time.Now()
			w.tell()
		}
		return wrong == "", nil
	})
}

// settle tells that no order is missing, and waits until the publisher has stored what it made of that.
func (w *takeOver) settle() {
	w.t.Helper()
	w.tell()
	w.in.wait("the publisher has stored what the marks close", time.Minute, func() (bool, error) {
		marked := map[string]bool{}
		each(w.t, w.cluster, stream.Offers, 8, codec.DecodeOfferRecord, func(r *record.OfferRecord) {
			if m := r.Mark; m != nil && m.Pool == w.pool && m.OrdersUntil >= w.told {
				marked[m.Channel] = true
			}
		})
		if len(marked) < len(w.shops) {
			return false, nil
		}
		for id := range int32(8) {
			bounds, err := w.cluster.Bounds(w.t.Context(), stream.Partition{Topic: stream.Offers, ID: id})
			if err != nil {
				return false, err
			}
			taken, err := w.in.servers.redis.HGet(w.t.Context(), fmt.Sprintf("%s:{o%d}:meta", w.in.name, id), "offset").Int64()
			if err != nil && !errors.Is(err, redis.Nil) {
				return false, err
			}
			if taken < bounds.End {
				return false, nil
			}
		}
		return true, nil
	})
}

// open says which attempt has no outcome, "" for none.
func (w *takeOver) open() string {
	for at, state := range w.outcomes() {
		if state == record.Attempted || state == record.Unknown {
			return fmt.Sprintf("%v has no outcome", at)
		}
	}
	return ""
}

type attemptRow struct{ channel, key, sku string }

// outcomes returns what is said of every row of every request, by the newest owner that says anything.
func (w *takeOver) outcomes() map[attemptRow]record.CommunicationState {
	states, owners := map[attemptRow]record.CommunicationState{}, map[attemptRow]int64{}
	for _, c := range w.communications() {
		if at := (attemptRow{c.Channel, c.IdempotencyKey, c.SKU}); c.IdempotencyKey != "" && c.Sequence >= owners[at] {
			states[at], owners[at] = c.State, c.Sequence
		}
	}
	return states
}

func (w *takeOver) communications() []record.Communication {
	var all []record.Communication
	each(w.t, w.cluster, stream.Communications, 8, codec.DecodeCommunication, func(c *record.Communication) {
		if c.Pool == w.pool {
			all = append(all, *c)
		}
	})
	return all
}

// toldRows returns the told state of the listings, by channel and listing.
func (w *takeOver) toldRows() map[string]string {
	w.t.Helper()
	rows := map[string]string{}
	keys := w.in.servers.redis.Scan(w.t.Context(), 0, w.in.name+":{o*}:told:"+w.pool+"/*", 1000).Iterator()
	for keys.Next(w.t.Context()) {
		hash, err := w.in.servers.redis.HGetAll(w.t.Context(), keys.Val()).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			w.t.Fatal(err)
		}
		for field, value := range hash {
			if strings.Contains(field, "/") {
				rows[keys.Val()+" "+field] = value
			}
		}
	}
	if err := keys.Err(); err != nil {
		w.t.Fatal(err)
	}
	if len(rows) != len(w.shops)*takeOverSKUs {
		w.t.Fatalf("%d told rows, want one a listing", len(rows))
	}
	return rows
}

// check holds what was said against what happened: each request once, as it was written down before, and never above what was right
// where the channel compares. In the audit nothing is left unconfirmed.
func (w *takeOver) check() {
	w.t.Helper()
	checkCommunications(w.t, w.communications(), w.shops)
	quantity := map[string]map[stock.Version]stock.Quantity{}
	each(w.t, w.cluster, stream.Offers, 8, codec.DecodeOfferRecord, func(r *record.OfferRecord) {
		if o := r.Offer; o != nil && o.Pool == w.pool && o.Channel == "shop" {
			if quantity[o.SKU] == nil {
				quantity[o.SKU] = map[stock.Version]stock.Quantity{}
			}
			quantity[o.SKU][o.Version] = o.Quantity
		}
	})
	sent := map[attemptRow]record.Communication{}
	for _, c := range w.communications() {
		if at := (attemptRow{c.Channel, c.IdempotencyKey, c.SKU}); c.State == record.Attempted && sent[at].Quantity == 0 {
			sent[at] = c
		}
	}
	for _, c := range w.shops["shop"].Changes() {
		if said := sent[attemptRow{"shop", c.Key, c.Place.Item}]; c.Cause == "set" {
			unfolded := c.Sold - (said.Sold - said.Released)
			if right := max(0, quantity[c.Place.Item][said.OfferVersion]-unfolded); c.After > right {
				w.t.Errorf("the shop was set to %d of %s under %s, %d is right: sold stock was given back", c.After, c.Place.Item, c.Key, right)
			}
		}
	}
	said := int64(len(w.communications()))
	db, err := clickhouse.Open(&clickhouse.Options{Addr: []string{mustEnv(w.t, "SHELFWIRE_TEST_CLICKHOUSE")}, Auth: clickhouse.Auth{Database: w.in.name}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	count := func(of string) int64 {
		var n int64
		if err := db.QueryRow(w.t.Context(), "SELECT toInt64(count()) FROM "+of+" WHERE pool = ?", w.pool).Scan(&n); err != nil {
			w.t.Fatal(err)
		}
		return n
	}
	w.in.wait("the history has every communication", time.Minute, func() (bool, error) {
		return count("(SELECT DISTINCT pool, partition, offset FROM communication_records)") == said, nil
	})
	if n := count("unconfirmed"); n != 0 {
		w.t.Errorf("%d requests are unconfirmed in the audit, want none", n)
	}
}

// A publisherProcess is a publisher with its own ways to Kafka and to the channels.
type publisherProcess struct {
	*process
	kafka *kafkaDoors
	// Of requests to the channels: before they are read to the end, before they land and before they are answered.
	reading, arriving, leaving *gate
	sets                       atomic.Int64
}

// publisher starts one. Two of one number have the same name in their group.
func (w *takeOver) publisher(number string) *publisherProcess {
	w.t.Helper()
	p := &publisherProcess{
		kafka: &kafkaDoors{requests: newGate(w.t), answers: newGate(w.t)}, reading: newGate(w.t), arriving: newGate(w.t), leaving: newGate(w.t),
	}
	toKafka := startKafkaProxy(w.t, mustEnv(w.t, "SHELFWIRE_TEST_KAFKA"), func(inner wire) wire { return &doorWire{wire: inner, doors: p.kafka} })
	channels := map[string]any{}
	for id, handler := range w.handlers {
		server := w.serve(p.door(handler))
		w.t.Cleanup(p.release) // first, or the server would wait for what is held
		channels[w.pool+"/"+id] = map[string]any{
			"url": server.URL, "token": frontToken, "secrets": []string{w.secret}, "timeout": takeOverTimeout.String(), "allow_private": true,
		}
	}
	certificates := filepath.Join(w.t.TempDir(), "certificates")
	if err := os.WriteFile(certificates, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.certificate}), 0o600); err != nil {
		w.t.Fatal(err)
	}
	text, err := json.Marshal(channels)
	if err != nil {
		w.t.Fatal(err)
	}
	own := *w.in
	own.ops = map[string]string{"publisher": freeAddress(w.t)}
	own.env = append(own.env[:len(own.env):len(own.env)], "SHELFWIRE_INSTANCE_ID="+w.pool+"-"+number, "SHELFWIRE_KAFKA_BROKERS="+toKafka.address,
		"SHELFWIRE_PUBLISHER_OPS_LISTEN="+own.ops["publisher"], "SHELFWIRE_CHANNELS="+string(text), "SSL_CERT_FILE="+certificates)
	p.process = own.start("publisher")
	return p
}

// serve starts the server of a channel. Where requests are to go a few bytes at a time, it is HTTP/2, which has a window for that.
func (w *takeOver) serve(channel http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(channel)
	if w.t.Cleanup(server.Close); !w.narrow {
		server.Start()
		return server
	}
	server.EnableHTTP2, server.Config.HTTP2 = true, &http.HTTP2Config{MaxReceiveBufferPerStream: narrow}
	server.StartTLS()
	w.certificate = server.Certificate().Raw
	return server
}

// narrow is how many bytes of a request may be under way to a channel that takes few at a time. No request that sets a level is as short.
const narrow = 64

// door lets what the publisher sends through, and counts what sets a level.
func (p *publisherProcess) door(channel http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if _, err := io.CopyN(&body, r.Body, narrow/2); err == nil && p.reading.pass() != nil {
			return
		}
		if _, err := body.ReadFrom(r.Body); err != nil {
			return // it was not sent whole
		}
		own := r.Clone(r.Context())
		own.Body = io.NopCloser(&body)
		if strings.HasSuffix(r.URL.Path, "/get") {
			channel.ServeHTTP(w, own)
			return
		}
		p.sets.Add(1)
		if p.arriving.pass() != nil {
			return
		}
		reply := httptest.NewRecorder()
		channel.ServeHTTP(reply, own)
		if p.leaving.pass() != nil {
			return
		}
		maps.Copy(w.Header(), reply.Header())
		w.WriteHeader(reply.Code)
		_, _ = w.Write(reply.Body.Bytes()) // who asked may be gone
	})
}

// requests returns how many requests to set levels have arrived.
func (p *publisherProcess) requests() int { return int(p.sets.Load()) }

// release lets everything through that is held.
func (p *publisherProcess) release() {
	for _, g := range []*gate{p.kafka.requests, p.kafka.answers, p.reading, p.arriving, p.leaving} {
		g.open()
	}
}

func (p *publisherProcess) signal(s syscall.Signal) {
	p.in.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.in.t.Fatal(err)
	}
}

// A gate holds what passes while it is shut.
type gate struct {
	mu   sync.Mutex
	bar  chan struct{} // guarded by mu; nil: it is open
	lost bool          // guarded by mu: what is held goes no further
	held int           // guarded by mu
}

func newGate(t *testing.T) *gate {
	g := &gate{}
	t.Cleanup(g.open)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bar = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bar != nil {
		close(g.bar)
		g.bar = nil
	}
}

// lose opens the gate for nobody who waits or comes.
func (g *gate) lose() {
	g.mu.Lock()
	g.lost = true
	g.mu.Unlock()
	g.open()
}

// waiting returns how many are held.
func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// pass waits until the gate is open.
func (g *gate) pass() error {
	g.mu.Lock()
	bar := g.bar
	if bar != nil {
		g.held++
	}
	g.mu.Unlock()
	if bar != nil {
		<-bar
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if bar != nil {
		g.held--
	}
	if g.lost {
		return errors.New("it is lost")
	}
	return nil
}

// kafkaDoors hold what a process writes to Kafka, and what Kafka answers.
type kafkaDoors struct{ requests, answers *gate }

// A doorWire is a wire whose produce requests, and the answers of the connection that they go by, pass gates.
type doorWire struct {
	wire
	doors   *kafkaDoors
	produce atomic.Bool
}

func (w *doorWire) up(server io.Writer, client io.Reader) error {
	return w.wire.up(writerFunc(func(frame []byte) (int, error) {
		if len(frame) > 6 && kmsg.Key(int16(frame[4])<<8|int16(frame[5])) == kmsg.Produce {
			w.produce.Store(true)
			if err := w.doors.requests.pass(); err != nil {
				return 0, err
			}
		}
		return server.Write(frame)
	}), client)
}

func (w *doorWire) down(client io.Writer, server io.Reader) error {
	return w.wire.down(writerFunc(func(frame []byte) (int, error) {
		if w.produce.Load() {
			if err := w.doors.answers.pass(); err != nil {
				return 0, err
			}
		}
		return client.Write(frame)
	}), server)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
