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

// A placed order with the channel it belongs to.
type placed struct {
	channel string
	sale    channelsim.Sale
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
		sim := d.shops[s.channel]
		sale, ok := sim.shelf.Sell(channelsim.Place{Item: s.sku}, s.quantity, time.Now())
		if !ok {
			return nil // the shop shows too few, and the shopper goes elsewhere
		}
		o := &placed{s.channel, sale}
		p.open[sale.OrderID] = o
		p.ids = append(p.ids, sale.OrderID)
		return d.postOrder(ctx, o, record.Open)
	case stepDespatch, stepCancel:
		o := p.pick(s.pick)
		if o == nil {
			return nil
		}
		if s.kind == stepCancel {
			d.shops[o.channel].shelf.Cancel(o.sale, s.pick%3 != 0)
			return d.postOrder(ctx, o, record.Cancelled)
		}
		p.shipments++
		return d.post(ctx, record.Event{Fulfilment: &record.Fulfilment{
			Pool: poolID, Channel: o.channel, OrderID: o.sale.OrderID, FulfilmentID: "F" + strconv.FormatInt(p.shipments, 10),
			ReportedBy: record.Warehouse, ShippedAt: now(), Carrier: "Colissimo", Tracking: fmt.Sprintf("6A%08d", p.shipments),
			Lines: []record.FulfilmentLine{{LineID: "1", Quantity: o.sale.Quantity}},
		}})
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
	sim.mu.Lock()
	sim.unsent[o.sale.OrderID] = at.Time()
	sim.mu.Unlock()
	err := d.post(ctx, record.Event{Order: &record.Order{
		Pool: poolID, Channel: o.channel, OrderID: o.sale.OrderID, Status: status, PlacedAt: stock.InstantOf(o.sale.At),
		UpdatedAt: at, ReadAt: at, FulfilledBy: record.ByMerchant,
		Lines: []record.OrderLine{{LineID: "1", SKU: o.sale.Place.Item, Quantity: o.sale.Quantity}},
	}})
	if err == nil {
		sim.mu.Lock()
		delete(sim.unsent, o.sale.OrderID)
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
		for _, at := range sim.unsent {
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
