// Package shop speaks the protocol of the simulated shop (see channelsim/shop): levels that can be read and that are set on
// condition of the present level, row by row, under an idempotency key. It stands for channels that have all of that.
//
//	POST {url}/levels/set   {"idempotency_key":…,"rows":[{"item":…,"location":…,"quantity":7,"compare":6}]}
//	                        → {"request_id":…,"rows":[{"outcome":"applied","level":7}]}
//	POST {url}/levels/get   {"items":[{"item":…,"location":…}]} → {"levels":[7,null]}
package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Vendor is the channel's vendor in the catalogue.
const Vendor = "shop"

// keysLast is how long a shop remembers a key.
const keysLast = 24 * time.Hour

// The paths below the channel's URL.
const (
	SetPath = "/levels/set"
	GetPath = "/levels/get"
)

// A SetRequest sets levels.
type SetRequest struct {
	IdempotencyKey string   `json:"idempotency_key"`
	Rows           []SetRow `json:"rows"`
}

// A SetRow is one level; Compare is what it must be before.
type SetRow struct {
	Item     string          `json:"item"`
	Location string          `json:"location"`
	Quantity stock.Quantity  `json:"quantity"`
	Compare  *stock.Quantity `json:"compare"`
}

// A SetReply says what became of each row: applied, stale, or anything else, which is refused.
type SetReply struct {
	RequestID string      `json:"request_id"`
	Rows      []RowResult `json:"rows"`
}

// A RowResult is one row's outcome with the level after it.
type RowResult struct {
	Outcome string          `json:"outcome"`
	Level   *stock.Quantity `json:"level"`
	Reason  string          `json:"reason,omitempty"`
}

// A GetRequest asks for levels.
type GetRequest struct {
	Items []GetItem `json:"items"`
}

// A GetItem names one level.
type GetItem struct {
	Item     string `json:"item"`
	Location string `json:"location"`
}

// A GetReply has the levels in the order they were asked for; null for an item the shop does not have.
type GetReply struct {
	Levels []*stock.Quantity `json:"levels"`
}

// A Connector speaks to one shop. It implements [publisher.Connector].
type Connector struct {
	client  *channel.Client
	token   string
	timeout time.Duration
}

// New returns the connector of a shop. It needs a URL and a token.
func New(e channel.Endpoint) (*Connector, error) {
	client, err := channel.NewClient(e)
	if err != nil {
		return nil, err
	}
	if e.Token == "" {
		return nil, errors.New("the channel has no token")
	}
	c := &Connector{client: client, token: e.Token, timeout: e.Timeout}
	if c.timeout <= 0 {
		c.timeout = 10 * time.Second
	}
	return c, nil
}

// Traits implements [publisher.Connector].
func (c *Connector) Traits() publisher.Traits {
	return publisher.Traits{Access: dispatch.Comparing, KeysLast: keysLast, BatchRows: 100, RequestsPerSecond: 20, Burst: 40, Timeout: c.timeout}
}

// Set implements [publisher.Connector].
func (c *Connector) Set(ctx context.Context, key string, rows []publisher.Row) (publisher.Reply, error) {
	in := SetRequest{IdempotencyKey: key}
	for _, r := range rows {
		in.Rows = append(in.Rows, SetRow{Item: itemOf(r.Item), Location: r.Location, Quantity: r.Quantity, Compare: r.Compare})
	}
	var out SetReply
	if err := c.post(ctx, SetPath, in, &out); err != nil {
		return publisher.Reply{}, err
	}
	if len(out.Rows) != len(rows) {
		return publisher.Reply{}, unreadable(fmt.Sprintf("%d outcomes for %d rows", len(out.Rows), len(rows)))
	}
	reply := publisher.Reply{ID: c.client.Reason(out.RequestID)}
	for _, r := range out.Rows {
		row := publisher.RowReply{Outcome: publisher.RowRefused, Level: r.Level, Reason: c.client.Reason(r.Reason)}
		switch r.Outcome {
		case "applied":
			row.Outcome = publisher.RowApplied
		case "stale":
			row.Outcome = publisher.RowStale
		default:
			if row.Reason == "" {
				row.Reason = c.client.Reason(r.Outcome)
			}
		}
		reply.Rows = append(reply.Rows, row)
	}
	return reply, nil
}

// Read implements [publisher.Connector].
func (c *Connector) Read(ctx context.Context, items []publisher.Item) (publisher.Reading, error) {
	var in GetRequest
	for _, i := range items {
		in.Items = append(in.Items, GetItem{Item: itemOf(i), Location: i.Location})
	}
	var out GetReply
	if err := c.post(ctx, GetPath, in, &out); err != nil {
		return publisher.Reading{}, err
	}
	if len(out.Levels) != len(items) {
		return publisher.Reading{}, unreadable(fmt.Sprintf("%d levels for %d items", len(out.Levels), len(items)))
	}
	reading := publisher.Reading{Levels: make([]publisher.Level, len(items))}
	for i, level := range out.Levels {
		if reading.Levels[i].Quantity = level; level == nil {
			reading.Levels[i].Reason = "the shop has no such item"
		}
	}
	return reading, nil
}

// itemOf is how the shop calls the listing: by its own id where the catalogue has one.
func itemOf(i publisher.Item) string {
	if i.ChannelItem != "" {
		return i.ChannelItem
	}
	return i.SKU
}

func (c *Connector) post(ctx context.Context, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("Authorization", "Bearer "+c.token)
	answer, err := c.client.Do(ctx, path, header, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return unreadable("the answer is not the JSON that was agreed")
	}
	return nil
}

// unreadable is an answer that says nothing: the request may have been applied.
func unreadable(reason string) error {
	return &publisher.RequestError{Class: publisher.ServerError, Reason: reason}
}
