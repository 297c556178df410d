package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	simshopify "github.com/shelfwire/shelfwire/internal/channelsim/shopify"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// markEvery is how often each channel's orders are marked as complete up to now.
const markEvery = 500 * time.Millisecond

// declare sends the catalogue and the opening stock.
func (d *day) declare(ctx context.Context) error {
	events := catalogue(d.options.Seed, channels(), now())
	for batch := range slices.Chunk(events, 500) {
		if err := d.post(ctx, batch...); err != nil {
			return err
		}
	}
	fmt.Fprintf(d.options.Out, "%d outlets, %d SKUs and %d channels are declared; seed %d\n", len(outlets), skuCount, len(d.shops), d.options.Seed)
	return nil
}

// play takes one step after the other until the day is over.
func (d *day) play(ctx context.Context) error {
	script := newScript(d.options.Seed)
	end := time.Now().Add(d.options.For)
	next, nextMark := time.Now(), time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	p := player{day: d, epoch: time.Now().UnixMicro(), open: map[string]*placed{}}
	for steps := 0; ; steps++ {
		s := script.next()
		next = next.Add(time.Duration(float64(s.after) / d.options.Speed))
		for {
			if d.options.For > 0 && time.Now().After(end) {
				return nil
			}
			if at := time.Now(); !at.Before(nextMark) {
				nextMark = at.Add(markEvery)
				if err := d.marks(ctx); err != nil {
					return err
				}
			}
			wait := time.Until(next)
			if wait <= 0 {
				break
			}
			timer.Reset(min(wait, time.Until(nextMark)))
			select {
			case <-timer.C:
			case <-ctx.Done():
				return nil
			}
		}
		if err := p.take(ctx, s); err != nil {
			return err
		}
	}
}

// A player takes the steps and remembers which orders are open.
type player struct {
	day       *day
	epoch     int64
	sequence  int64
	shipments int64
	open      map[string]*placed
	ids       []string // keys of open, in the order they were placed
}

// A placed order: what its channel sold to one shopper.
type placed struct {
	channel, id string
	own         string // the channel's own name of it, where that is another
	lines       []line
}

// A line of an order.
type line struct {
	id, sku string
	sale    channelsim.Sale
}

// buy lets a shopper buy what the channel shows of the basket, nil if it shows nothing of it: the shopper goes elsewhere.
func (d *day) buy(channel string, basket []want) *placed {
	sim, at := d.shops[channel], time.Now()
	o := &placed{channel: channel}
	if sim.shopify != nil {
		wants := make([]simshopify.Want, len(basket))
		skus := map[channelsim.Place]string{}
		for i, w := range basket {
			wants[i] = simshopify.Want{Place: sim.places[w.sku], Quantity: w.quantity}
			skus[wants[i].Place] = w.sku
		}
		order, _ := sim.shopify.Checkout(at, wants)
		o.id, o.own = path.Base(order.ID), order.ID
		for _, l := range order.Lines {
			o.lines = append(o.lines, line{path.Base(l.ID), skus[l.Place], channelsim.Sale{Place: l.Place, Quantity: l.Ordered, At: at}})
		}
	} else {
		for _, w := range basket {
			if sale, ok := sim.shelf.Sell(sim.places[w.sku], w.quantity, at); ok {
				o.lines = append(o.lines, line{strconv.Itoa(len(o.lines) + 1), w.sku, sale})
			}
		}
		if len(o.lines) > 0 {
			o.id = o.lines[0].sale.OrderID
		}
	}
	if len(o.lines) == 0 {
		return nil
	}
	return o
}

// cancel takes an order back; restock puts its units on sale again.
func (d *day) cancel(o *placed, restock bool) {
	sim := d.shops[o.channel]
	if sim.shopify != nil {
		sim.shopify.CancelOrder(o.own, restock, time.Now())
		return
	}
	for _, l := range o.lines {
		sim.shelf.Cancel(l.sale, restock)
	}
}

func (p *player) take(ctx context.Context, s step) error {
	d := p.day
	switch s.kind {
	case stepMovement:
		p.sequence++
		return d.post(ctx, record.Event{Movement: &record.Movement{
			Pool: poolID, Outlet: s.outlet, SKU: s.sku, Kind: s.movement, Quantity: s.quantity, OccurredAt: now(),
			Source: "tills", Epoch: p.epoch, Sequence: p.sequence,
		}})
	case stepShopper:
		o := d.buy(s.channel, append([]want{{s.sku, s.quantity}}, s.more...))
		if o == nil {
			return nil
		}
		key := stream.JoinKey(o.channel, o.id)
		p.open[key] = o
		p.ids = append(p.ids, key)
		return d.postOrder(ctx, o, record.Open)
	case stepDespatch, stepCancel:
		o := p.pick(s.pick)
		if o == nil {
			return nil
		}
		if s.kind == stepCancel {
			d.cancel(o, s.pick%3 != 0)
			return d.postOrder(ctx, o, record.Cancelled)
		}
		if sim := d.shops[o.channel]; sim.shopify != nil { // its labels are printed in the shop's own back office
			sim.shopify.Fulfil(o.own, time.Now())
			return nil
		}
		p.shipments++
		f := &record.Fulfilment{
			Pool: poolID, Channel: o.channel, OrderID: o.id, FulfilmentID: "F" + strconv.FormatInt(p.shipments, 10),
			ReportedBy: record.Warehouse, ShippedAt: now(), Carrier: "Colissimo", Tracking: fmt.Sprintf("6A%08d", p.shipments),
		}
		for _, l := range o.lines {
			f.Lines = append(f.Lines, record.FulfilmentLine{LineID: l.id, Quantity: l.sale.Quantity})
		}
		return d.post(ctx, record.Event{Fulfilment: f})
	}
	return nil
}

// pick takes one of the open orders, an old one rather than a new one.
func (p *player) pick(n uint64) *placed {
	if len(p.ids) == 0 {
		return nil
	}
	i := int(n % uint64(len(p.ids)/2+1))
	o := p.open[p.ids[i]]
	delete(p.open, p.ids[i])
	p.ids = slices.Delete(p.ids, i, i+1)
	return o
}

// postOrder sends a snapshot of the order and remembers until it is acknowledged that it has not been, so that no mark can
// promise it. A shop whose orders are read sends none.
func (d *day) postOrder(ctx context.Context, o *placed, status record.OrderStatus) error {
	sim := d.shops[o.channel]
	if sim.shopify != nil {
		return nil
	}
	at := now()
	order := &record.Order{
		Pool: poolID, Channel: o.channel, OrderID: o.id, Status: status, PlacedAt: stock.InstantOf(o.lines[0].sale.At),
		UpdatedAt: at, ReadAt: at, FulfilledBy: record.ByMerchant,
	}
	for _, l := range o.lines {
		order.Lines = append(order.Lines, record.OrderLine{LineID: l.id, SKU: l.sku, Quantity: l.sale.Quantity})
	}
	sim.mu.Lock()
	sim.unsent[order.OrderID] = order
	sim.mu.Unlock()
	err := d.post(ctx, record.Event{Order: order})
	if err == nil {
		sim.mu.Lock()
		delete(sim.unsent, o.id)
		sim.mu.Unlock()
	}
	return err
}

// heard has everything known that the channels have sold by now: of those that send, by a mark; those that do not are asked, and
// answer within patience, else the error wraps [app.ErrUnanswered].
func (d *day) heard(ctx context.Context, patience time.Duration) error {
	if err := d.marks(ctx); err != nil {
		return err
	}
	for id, sim := range d.shops {
		if sim.shopify == nil {
			continue
		}
		done, _, err := d.inst.Ask(ctx, record.Command{Kind: record.CommandOrders, Pool: poolID, Channel: id}, patience)
		if err != nil {
			return err
		}
		if done.Reason != "" {
			return fmt.Errorf("read the orders of channel %s: %s", id, done.Reason)
		}
	}
	return nil
}

// marks says of each channel that sends its orders up to when they are all sent. A mark keeps its place behind them: same topic, same
// key, and ingest has acknowledged them.
func (d *day) marks(ctx context.Context) error {
	var messages []stream.Message
	for _, id := range []string{shopFR, marketplace} {
		sim := d.shops[id]
		until := time.Now()
		sim.mu.Lock()
		for _, o := range sim.unsent {
			at := o.UpdatedAt.Time()
			if at.Before(until) {
				until = at
			}
		}
		sim.mu.Unlock()
		e := record.Event{Mark: &record.Mark{Pool: poolID, Channel: id, OrdersUntil: stock.InstantOf(until)}}
		messages = append(messages, stream.Message{
			Topic: stream.Orders, Partition: stream.Any, Key: []byte(poolID), Value: codec.AppendEvent(nil, &e),
			ContentType: stream.ContentTypeProtobuf,
		})
	}
	if err := d.producer.Produce(ctx, messages); err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	return nil
}

// post sends events over HTTP, as a retailer's systems do.
func (d *day) post(ctx context.Context, events ...record.Event) error {
	var body bytes.Buffer
	for i := range events {
		body.Write(codec.AppendEventJSON(nil, &events[i]))
		body.WriteByte('\n')
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.running.Events, &body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := d.client.Do(req)
	if err != nil {
		return fmt.Errorf("send %d events: %w", len(events), err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("send %d events: %w", len(events), err)
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"rejected":[]`)) {
		return fmt.Errorf("send %d events: %s: %s", len(events), resp.Status, bytes.TrimSpace(answer))
	}
	return nil
}
