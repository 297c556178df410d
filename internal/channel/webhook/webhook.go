// Package webhook tells levels to a receiver of our own convention, for channels that we know nothing else of: a CloudEvents
// 1.0 event in structured JSON, signed as Standard Webhooks. The receiver is blind to us: it takes levels and tells none.
//
//	POST {url}/inventory/levels
//	{"specversion":"1.0","type":"io.shelfwire.inventory.level.set.v1","id":…,"source":…,"time":…,
//	 "data":{"levels":[{"sku":…,"location":…,"item":…,"available":7,"version":42,"as_of":…}]}}
//
//
//	POST {url}/orders/shipments   type io.shelfwire.order.shipped.v1
//	 "data":{"order_id":…,"fulfilment_id":…,"shipped_at":…,"carrier":…,"tracking":…,"lines":[{"line_id":…,"quantity":1}]}
//
// The event's id is the webhook-id: the same for every try, with the same bytes. A receiver that knows the id answers as it did
// the first time. It answers 2xx, with {"results":[{"status":"applied","reason":""}]} in the order of the levels where rows can
// fail by themselves; without results every row was applied. CloudEvents is used as a form only: we sign instead of carrying
// the bearer token of its web-hook annex.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// EventType is the CloudEvents type of the events sent.
const EventType = "io.shelfwire.inventory.level.set.v1"

// Path is where below the channel's URL they are sent.
const Path = "/inventory/levels"

// ShipmentEventType and ShipmentPath are those of despatches.
const (
	ShipmentEventType = "io.shelfwire.order.shipped.v1"
	ShipmentPath      = "/orders/shipments"
)

// Vendor is the channel's vendor in the catalogue.
const Vendor = "webhook"

// A Connector sends to one receiver. It implements [publisher.Connector] and [publisher.ShipmentTarget].
type Connector struct {
	client  *channel.Client
	source  string
	secrets []signature.Secret
	timeout time.Duration
	now     func() time.Time
}

// New returns the connector of the channel. It needs a URL and at least one secret; the first signs first.
func New(pool, id string, e channel.Endpoint, now func() time.Time) (*Connector, error) {
	client, err := channel.NewClient(e)
	if err != nil {
		return nil, err
	}
	c := &Connector{client: client, source: "/shelfwire/pools/" + url.PathEscape(pool) + "/channels/" + url.PathEscape(id), timeout: e.Timeout, now: now}
	if c.timeout <= 0 {
		c.timeout = 15 * time.Second
	}
	for _, text := range e.Secrets {
		s, err := signature.ParseSecret(text)
		if err != nil {
			return nil, err
		}
		c.secrets = append(c.secrets, s)
	}
	if len(c.secrets) == 0 {
		return nil, errors.New("the channel has no signing secret")
	}
	return c, nil
}

// keysLast is how long a receiver must remember a webhook-id to be told unknown outcomes again.
const keysLast = 24 * time.Hour

// Traits implements [publisher.Connector].
func (c *Connector) Traits() publisher.Traits {
	return publisher.Traits{Access: dispatch.Blind, KeysLast: keysLast, BatchRows: 50, RequestsPerSecond: 20, Burst: 20, Timeout: c.timeout}
}

// An Event is the body of a request.
type Event struct {
	SpecVersion string `json:"specversion"`
	Type        string `json:"type"`
	ID          string `json:"id"`
	Source      string `json:"source"`
	Time        string `json:"time"`
	ContentType string `json:"datacontenttype"`
	Data        any    `json:"data"` // Data, Shipment
}

// Data is what the event says.
type Data struct {
	Levels []Level `json:"levels"`
}

// A Shipment is what an event of a despatch says.
type Shipment struct {
	OrderID      string         `json:"order_id"`
	FulfilmentID string         `json:"fulfilment_id"`
	ShippedAt    string         `json:"shipped_at"`
	Carrier      string         `json:"carrier"`
	Tracking     string         `json:"tracking"`
	Lines        []ShipmentLine `json:"lines"`
}

// A ShipmentLine is how many units of an order's line have left.
type ShipmentLine struct {
	LineID   string         `json:"line_id"`
	Quantity stock.Quantity `json:"quantity"`
}

// A Level is one level to show.
type Level struct {
	SKU       string         `json:"sku"`
	Location  string         `json:"location"`
	Item      string         `json:"item"`
	Available stock.Quantity `json:"available"`
	Version   stock.Version  `json:"version"` // rises per SKU and location: a receiver may drop what is lower
	AsOf      string         `json:"as_of"`
}

// Results is the body of an answer.
type Results struct {
	Results []Result `json:"results"`
}

// A Result is what became of one level: applied, stale, unknown_sku, ineligible or error.
type Result struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// Set implements [publisher.Connector].
func (c *Connector) Set(ctx context.Context, key string, rows []publisher.Row) (publisher.Reply, error) {
	var data Data
	for _, r := range rows {
		data.Levels = append(data.Levels, Level{
			SKU: r.SKU, Location: r.Location, Item: r.ChannelItem, Available: r.Quantity, Version: r.Version, AsOf: r.At.String(),
		})
	}
	answer, err := c.post(ctx, Path, Event{Type: EventType, ID: key, Time: rows[0].At.String(), Data: data})
	if err != nil {
		return publisher.Reply{}, err
	}
	return c.reply(answer, len(rows))
}

// Ship implements [publisher.ShipmentTarget]. A receiver that has no such path takes no despatches; that is no fault of its address.
func (c *Connector) Ship(ctx context.Context, key string, s publisher.Shipment) (publisher.Shipped, error) {
	data := Shipment{OrderID: s.OrderID, FulfilmentID: s.ID, ShippedAt: s.ShippedAt.String(), Carrier: s.Carrier, Tracking: s.Tracking}
	for _, l := range s.Lines {
		data.Lines = append(data.Lines, ShipmentLine{l.LineID, l.Quantity})
	}
	answer, err := c.post(ctx, ShipmentPath, Event{Type: ShipmentEventType, ID: key, Time: s.ShippedAt.String(), Data: data})
	if failed, ok := errors.AsType[*publisher.RequestError](err); ok && failed.Class == publisher.Refused {
		failed.WholeChannel = false
	}
	if err == nil && bytes.HasPrefix(bytes.TrimSpace(answer), []byte("<")) {
		err = &publisher.RequestError{Class: publisher.ServerError, Reason: "the answer is a page, not the receiver's"}
	}
	return publisher.Shipped{}, err
}

// post sends an event, signed, and returns the answer's body. Every error is a [*publisher.RequestError].
func (c *Connector) post(ctx context.Context, path string, event Event) ([]byte, error) {
	event.SpecVersion, event.Source, event.ContentType = "1.0", c.source, "application/json"
	body, err := json.Marshal(event)
	if err != nil {
		panic(err) // plain strings and numbers
	}
	key := event.ID
	timestamp, signatures := signature.Sign(c.secrets, key, stock.InstantOf(c.now()), body)
	header := http.Header{}
	header.Set("Content-Type", "application/cloudevents+json")
	header.Set(signature.HeaderID, key)
	header.Set(signature.HeaderTimestamp, timestamp)
	header.Set(signature.HeaderSignature, signatures)
	return c.client.Do(ctx, path, header, body)
}

// reply reads an answer. One that says nothing of its rows has applied them all.
func (c *Connector) reply(answer []byte, rows int) (publisher.Reply, error) {
	out := publisher.Reply{Rows: make([]publisher.RowReply, rows)}
	var results Results
	switch text := bytes.TrimSpace(answer); {
	case bytes.HasPrefix(text, []byte("<")): // a page of something that stands in between: the receiver may not have heard of it
		return out, &publisher.RequestError{Class: publisher.ServerError, Reason: "the answer is a page, not the receiver's"}
	case bytes.HasPrefix(text, []byte("{")), bytes.HasPrefix(text, []byte("[")):
		if err := json.Unmarshal(text, &results); err != nil {
			return out, &publisher.RequestError{Class: publisher.ServerError, Reason: "the answer is not the JSON that was agreed"}
		}
	}
	if n := len(results.Results); n != 0 && n != rows {
		return out, &publisher.RequestError{Class: publisher.ServerError, Reason: fmt.Sprintf("%d results for %d levels", n, rows)}
	}
	for i := range out.Rows {
		out.Rows[i].Outcome = publisher.RowApplied
		if len(results.Results) == 0 {
			continue
		}
		if r := results.Results[i]; r.Status != "applied" {
			reason := r.Status
			if r.Reason != "" {
				reason += ": " + r.Reason
			}
			out.Rows[i] = publisher.RowReply{Outcome: publisher.RowRefused, Reason: c.client.Reason(reason)}
		}
	}
	return out, nil
}

// Read implements [publisher.Connector]. A webhook's levels cannot be read, and Traits says so.
func (c *Connector) Read(context.Context, []publisher.Item) (publisher.Reading, error) {
	return publisher.Reading{}, &publisher.RequestError{Class: publisher.Refused, Reason: "a webhook tells no levels"}
}
