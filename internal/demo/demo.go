// Package demo is a small retailer's day on embedded parts: the whole pipeline in one process, three simulated channels that
// sell by themselves, one of them a Shopify shop, tills, vans, and channels that throttle and time out. Movements and shoppers' attempts depend on the seed
// only; what the shoppers get depends on what the channels show at that moment, as it does in life.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	simshop "github.com/shelfwire/shelfwire/internal/channelsim/shop"
	simshopify "github.com/shelfwire/shelfwire/internal/channelsim/shopify"
	simwebhook "github.com/shelfwire/shelfwire/internal/channelsim/webhook"
	"github.com/shelfwire/shelfwire/internal/config"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/verify"
)

// Options say how the day goes.
type Options struct {
	For    time.Duration // how long the day lasts; 0: until ctx ends
	Seed   uint64
	Speed  float64 // how much denser than a real day; 1 is 25 events a second
	Listen string  // address of the audit page
	Report string  // file for the report as JSON; "": none
	Out    io.Writer
}

// shopToken and shopSecret are the credentials of the simulated channels, which listen on loopback only.
const (
	shopToken  = "demo-token"
	shopSecret = "whsec_c2hlbGZ3aXJlLWRlbW8tc2lnbmluZy1zZWNyZXQ="
)

// ErrDifferences says that what was stored is not what the journal says, or that a shop at rest does not show its offer.
var ErrDifferences = errors.New("differences were found")

// Run runs the day in the data directory of cfg, or in a throw-away one where none is set.
func Run(ctx context.Context, cfg config.Config, log *slog.Logger, o Options) (err error) {
	if cfg.Data == "" {
		dir, err := os.MkdirTemp("", "shelfwire-demo-")
		if err != nil {
			return fmt.Errorf("demo directory: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		cfg.Data = dir
	}
	cfg.Ingest.Listen, cfg.Audit.Listen = "127.0.0.1:0", o.Listen

	d := &day{options: o, dir: cfg.Data, log: log, client: &http.Client{Timeout: 30 * time.Second}, shops: map[string]*simulated{}}
	if err := d.open(ctx, &cfg); err != nil {
		return err
	}
	defer d.close()

	inst, err := app.Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, inst.Close()) }()
	d.inst = inst
	// The directory is ours from here to the deferred Close, and no shop is asked anything before Run or after it.
	if err := d.remember(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.keep()) }()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready := make(chan app.Running, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- inst.Run(ctx, app.Stages(), app.RunOptions{
			OpsListen: "127.0.0.1:0", OpsKey: "run.ops_listen", Ready: func(r app.Running) { ready <- r },
		})
	}()
	select {
	case d.running = <-ready:
	case err := <-ended:
		return err
	}
	lived := make(chan error, 1)
	go func() { lived <- d.live(ctx) }()
	var result error
	select {
	case result = <-lived:
		if ctx.Err() != nil { // cut short, perhaps in the middle of a request
			result = nil
		}
		stop()
		return errors.Join(result, <-ended)
	case result = <-ended: // a stage failed, or the day was cut short
		stop()
		if err := <-lived; result == nil && ctx.Err() == nil {
			result = err
		}
		return result
	}
}

// A seller is what the demonstration asks of a simulated channel besides its shelf.
type seller interface {
	http.Handler
	Save() channelsim.State
	Restore(channelsim.State) error
}

// A simulated is one simulated channel at work.
type simulated struct {
	shelf    *channelsim.Shelf
	seller   seller
	places   map[string]channelsim.Place // by SKU
	shopify  *simshopify.Shop            // where it is one: it keeps its own orders
	server   *http.Server
	listener net.Listener

	mu     sync.Mutex
	unsent map[string]*record.Order // orders placed and not yet acknowledged by ingest, guarded by mu
}

// A day is a demonstration under way.
type day struct {
	options  Options
	dir      string
	log      *slog.Logger
	client   *http.Client
	inst     *app.Installation
	running  app.Running
	shops    map[string]*simulated
	servers  sync.WaitGroup
	producer *kafka.Producer
}

// open starts the simulated channels and tells cfg where they are.
func (d *day) open(ctx context.Context, cfg *config.Config) error {
	secret, err := signature.ParseSecret(shopSecret)
	if err != nil {
		return err
	}
	seed := d.options.Seed
	// With the bucket of a shop on the plan Plus: each poll reads all of the day's orders again, because its window overlaps by minutes.
	throttled := simshopify.New("CA", shopToken, seed+1, channelsim.Faults{Throttle: 10}, simshopify.Options{Maximum: 20_000, Restore: 1000})
	plain := simshop.New("FR", shopToken, seed+2, channelsim.Faults{ErrorBefore: 5, ErrorAfter: 5})
	receiver := simwebhook.New("MP", []signature.Secret{secret}, seed+3, channelsim.Faults{TimeoutAfter: 15, CutAfter: 5})
	// However short the day, one of each is met.
	throttled.Meet(channelsim.None, channelsim.Throttle)
	receiver.Meet(channelsim.None, channelsim.TimeoutAfter)
	if cfg.Channels == nil {
		cfg.Channels = map[string]config.Channel{}
	}
	var listen net.ListenConfig
	for _, s := range []struct {
		id      string
		shelf   *channelsim.Shelf
		seller  seller
		channel config.Channel
	}{
		{shopifyCA, throttled.Shelf, throttled, config.Channel{Token: shopToken}},
		{shopFR, plain.Shelf, plain, config.Channel{Token: shopToken}},
		{marketplace, receiver.Shelf, receiver, config.Channel{Secrets: []config.Secret{shopSecret}}},
	} {
		l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("simulated channel %s: %w", s.id, err)
		}
		sim := &simulated{
			shelf: s.shelf, seller: s.seller, places: map[string]channelsim.Place{}, listener: l, unsent: map[string]*record.Order{},
			server: &http.Server{Handler: s.seller, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)},
		}
		d.shops[s.id] = sim
		sim.shopify, _ = s.seller.(*simshopify.Shop)
		// What the shop has on sale it shows with a level of its own, until it is told ours.
		for _, it := range items() {
			p := it.place(s.id)
			sim.places[it.sku] = p
			if sim.shopify != nil {
				sim.shopify.Put(p, simshopify.Product{SKU: it.sku, Title: it.title, Status: "ACTIVE", Tracked: true}, 0)
			} else {
				s.shelf.List(p, 0)
			}
		}
		d.servers.Go(func() { _ = sim.server.Serve(l) }) // ends with Close, which is what it would say
		s.channel.URL, s.channel.Timeout, s.channel.AllowPrivate = "http://"+l.Addr().String(), 2*time.Second, true
		cfg.Channels[poolID+"/"+s.id] = s.channel
	}
	return nil
}

func (d *day) close() {
	for _, s := range d.shops {
		_ = s.server.Close() // nobody waits for an answer any more
	}
	d.servers.Wait()
}

// live goes through the day: declare, live, come to rest, verify, report.
func (d *day) live(ctx context.Context) error {
	producer, err := d.inst.Producer(ctx)
	if err != nil {
		return err
	}
	d.producer = producer
	fmt.Fprintf(d.options.Out, "audit view   %s\nevents       POST %s\nmetrics      %smetrics\n", d.running.Page, d.running.Events, d.running.Ops)
	if d.options.For == 0 {
		fmt.Fprintln(d.options.Out, "Ctrl-C ends the demonstration.")
	}
	if err := d.declare(ctx); err != nil {
		return fmt.Errorf("declare the retailer: %w", err)
	}
	if err := d.resend(ctx); err != nil {
		return fmt.Errorf("send the last demonstration's orders: %w", err)
	}
	if err := d.stocked(ctx); err != nil {
		return err
	}
	if err := d.play(ctx); err != nil {
		return err
	}
	if d.options.For == 0 {
		return nil
	}
	fmt.Fprintln(d.options.Out, "the day is over: waiting for every channel to come to rest")
	if err := d.rest(ctx); err != nil {
		return err
	}
	result, err := d.inst.Verify(ctx, verify.Config{})
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	report, err := d.report(ctx, result)
	if err != nil {
		return err
	}
	report.print(d.options.Out)
	if d.options.Report != "" {
		if err := report.write(d.options.Report); err != nil {
			return err
		}
	}
	if result.Differences > 0 {
		for _, diff := range result.Details {
			fmt.Fprintf(d.options.Out, "%+v\n", diff)
		}
		return fmt.Errorf("%d of %d rows: %w", result.Differences, result.Rows, ErrDifferences)
	}
	if report.Levels.Different > 0 {
		return fmt.Errorf("%d of %d levels: %w", report.Levels.Different, report.Levels.Compared, ErrDifferences)
	}
	return nil
}

// stocked waits until every shop was told of its opening stock: before, shoppers find empty shelves, and a short day on a slow
// machine would pass without an order.
func (d *day) stocked(ctx context.Context) error {
	tick := time.NewTicker(markEvery)
	defer tick.Stop()
	for _, s := range d.shops {
		for !shows(s.shelf) {
			if err := d.heard(ctx, time.Second); err != nil && !errors.Is(err, app.ErrUnanswered) { // its channel may not be declared yet
				return err
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil // the day is cut short
			}
		}
	}
	return nil
}

// shows reports whether the shop offers at least one item in two.
func shows(shelf *channelsim.Shelf) bool {
	places, offered := shelf.Places(), 0
	for _, p := range places {
		if level, _ := shelf.Level(p); level > 0 {
			offered++
		}
	}
	return 2*offered > len(places)
}

// rest waits until nothing is under way any more: what was sent is folded, every channel is told, and the history has it. A push
// that follows a mark needs a mark behind it to be settled, hence the rounds.
func (d *day) rest(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("the channels did not come to rest within two minutes"))
	defer cancel()
	for range 3 {
		if err := d.heard(ctx, time.Minute); err != nil {
			return err
		}
		if err := d.quiet(ctx); err != nil {
			return err
		}
	}
	return nil
}

// quiet waits until everything is caught up and nothing pending, several times in a row.
func (d *day) quiet(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for seen := 0; seen < 4; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		caughtUp, err := d.inst.CaughtUp(ctx)
		if err != nil {
			return err
		}
		seen++
		if !caughtUp || d.running.Pending() > 0 {
			seen = 0
		}
	}
	return nil
}

func now() stock.Instant { return stock.InstantOf(time.Now()) }
