package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel/shop"
	"github.com/shelfwire/shelfwire/internal/channel/webhook"
	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// markEvery is how often each channel's orders are marked as complete up to now.
const markEvery = 500 * time.Millisecond

// declare sends the catalogue and the opening stock.
func (d *day) declare(ctx context.Context) error {
	vendors := map[string]string{ShopCA: shop.Vendor, ShopFR: shop.Vendor, Marketplace: webhook.Vendor}
	events := catalogue(d.options.Seed, Channels(vendors), now())
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
	ids       []string // of open, in the order they were placed
}

// A placed order: what its channel sold to one shopper, under the id of the first sale. Line n is sale n, from 1.
type placed struct {
	channel string
	sales   []channelsim.Sale
}

func (o *placed) id() string { return o.sales[0].OrderID }

func lineID(i int) string { return strconv.Itoa(i + 1) }

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
		sim := d.shops[s.channel]
		o := &placed{channel: s.channel}
		for _, w := range append([]want{{s.sku, s.quantity}}, s.more...) {
			// Where the shop shows too few, the shopper goes elsewhere.
			if sale, ok := sim.shelf.Sell(channelsim.Place{Item: w.sku}, w.quantity, time.Now()); ok {
				o.sales = append(o.sales, sale)
			}
		}
		if len(o.sales) == 0 {
			return nil
		}
		p.open[o.id()] = o
		p.ids = append(p.ids, o.id())
		return d.postOrder(ctx, o, record.Open)
	case stepDespatch, stepCancel:
		o := p.pick(s.pick)
		if o == nil {
			return nil
		}
		if s.kind == stepCancel {
			for _, sale := range o.sales {
				d.shops[o.channel].shelf.Cancel(sale, s.pick%3 != 0)
			}
			return d.postOrder(ctx, o, record.Cancelled)
		}
		p.shipments++
		f := &record.Fulfilment{
			Pool: poolID, Channel: o.channel, OrderID: o.id(), FulfilmentID: "F" + strconv.FormatInt(p.shipments, 10),
			ReportedBy: record.Warehouse, ShippedAt: now(), Carrier: "Colissimo", Tracking: fmt.Sprintf("6A%08d", p.shipments),
		}
		for i, sale := range o.sales {
			f.Lines = append(f.Lines, record.FulfilmentLine{LineID: lineID(i), Quantity: sale.Quantity})
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
// promise it.
func (d *day) postOrder(ctx context.Context, o *placed, status record.OrderStatus) error {
	sim := d.shops[o.channel]
	at := now()
	order := &record.Order{
		Pool: poolID, Channel: o.channel, OrderID: o.id(), Status: status, PlacedAt: stock.InstantOf(o.sales[0].At),
		UpdatedAt: at, ReadAt: at, FulfilledBy: record.ByMerchant,
	}
	for i, sale := range o.sales {
		order.Lines = append(order.Lines, record.OrderLine{LineID: lineID(i), SKU: sale.Place.Item, Quantity: sale.Quantity})
	}
	sim.mu.Lock()
	sim.unsent[order.OrderID] = order
	sim.mu.Unlock()
	err := d.post(ctx, record.Event{Order: order})
	if err == nil {
		sim.mu.Lock()
		delete(sim.unsent, o.id())
		sim.mu.Unlock()
	}
	return err
}

// marks says of each channel up to when its orders are all sent. A mark keeps its place behind them: same topic, same key, and
// ingest has acknowledged them.
func (d *day) marks(ctx context.Context) error {
	var messages []stream.Message
	for _, id := range []string{ShopCA, ShopFR, Marketplace} {
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
