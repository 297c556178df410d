package shopify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/ingest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The headers of a shop's webhook.
const (
	headerTopic = "X-Shopify-Topic"
	headerHMAC  = "X-Shopify-Hmac-Sha256"
)

// orderTopics are the webhooks that carry a whole order. orders/edited and orders/delete do not; what they are about is polled.
var orderTopics = []string{
	"orders/create", "orders/updated", "orders/cancelled", "orders/fulfilled", "orders/partially_fulfilled", "orders/paid",
}

// Webhooks takes a shop's order webhooks. They may come twice, late, in any order, or never, so orders are polled all the same. They
// do not say which location serves a line: a channel with several is better off without them.
type Webhooks struct {
	pool, channel string
	secrets       []string
}

// NewWebhooks returns what takes the order webhooks of a channel, signed with one of the application's secrets. After a secret was
// replaced the shop goes on to sign with the old one for up to an hour.
func NewWebhooks(pool, channel string, secrets []string) (*Webhooks, error) {
	if len(secrets) == 0 || slices.Contains(secrets, "") {
		return nil, errors.New("webhooks of a shop need the application's secret")
	}
	return &Webhooks{pool: pool, channel: channel, secrets: slices.Clone(secrets)}, nil
}

// Open implements [ingest.Webhook]. Of the order it reads what the journal needs and nothing about the customer.
func (w *Webhooks) Open(header http.Header, body []byte, _ stock.Instant) (ingest.Delivery, error) {
	if err := w.verify(header.Get(headerHMAC), body); err != nil {
		return ingest.Delivery{}, err
	}
	if !slices.Contains(orderTopics, header.Get(headerTopic)) {
		return ingest.Delivery{}, nil
	}
	var posted postedOrder
	if err := json.Unmarshal(body, &posted); err != nil {
		return ingest.Delivery{}, unreadableOrder(err)
	}
	if posted.ID <= 0 || posted.Created.IsZero() || posted.Updated.IsZero() || posted.Lines == nil {
		return ingest.Delivery{}, errors.New("the order has no id, created_at, updated_at or line_items")
	}
	if posted.Test || posted.unnamed() {
		return ingest.Delivery{}, nil
	}
	got := ingest.Delivery{}
	for _, o := range posted.order().records() {
		// Two states of one second cannot be told apart. The one that is polled wins: it was read later than this was written.
		o.Pool, o.Channel, o.ReadAt = w.pool, w.channel, o.UpdatedAt
		got.Events = append(codec.AppendEventJSON(got.Events, &record.Event{Order: &o}), '\n')
	}
	return got, nil
}

// verify compares the header with the body's MAC under each secret.
func (w *Webhooks) verify(header string, body []byte) error {
	given, err := base64.StdEncoding.DecodeString(header)
	if err != nil || header == "" {
		return fmt.Errorf("header %s is missing or no base64: %w", headerHMAC, signature.ErrInvalid)
	}
	for _, secret := range w.secrets {
		h := hmac.New(sha256.New, []byte(secret))
		h.Write(body)
		if hmac.Equal(given, h.Sum(nil)) {
			return nil
		}
	}
	return fmt.Errorf("%s does not match: %w", headerHMAC, signature.ErrInvalid)
}

// unreadableOrder says where a body is wrong without repeating any of it.
func unreadableOrder(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("the order cannot be read: field %s", wrong.Field)
	}
	return errors.New("the order is not the JSON that it should be")
}

// A postedOrder is an order as webhooks word it, in the way of the shop's older interface.
type postedOrder struct {
	ID          int64        `json:"id"`
	Created     time.Time    `json:"created_at"`
	Updated     time.Time    `json:"updated_at"`
	Cancelled   *time.Time   `json:"cancelled_at"`
	Test        bool         `json:"test"`
	Payment     string       `json:"financial_status"`
	Lines       []postedLine `json:"line_items"`
	Fulfilments []struct {
		Status string `json:"status"`
		Lines  []struct {
			ID       int64          `json:"id"`
			Quantity stock.Quantity `json:"quantity"`
		} `json:"line_items"`
	} `json:"fulfillments"`
}

type postedLine struct {
	ID      int64           `json:"id"`
	SKU     string          `json:"sku"`
	Variant *int64          `json:"variant_id"`
	Ordered stock.Quantity  `json:"quantity"`
	Current *stock.Quantity `json:"current_quantity"` // less what was refunded or edited away
}

// unnamed reports whether a product of the order has no SKU. Its inventory item, by which listings know it, is not said here.
func (p *postedOrder) unnamed() bool {
	return slices.ContainsFunc(p.Lines, func(l postedLine) bool { return l.SKU == "" && l.Variant != nil })
}

// order returns the order in the words of the interface that is polled.
func (p *postedOrder) order() *order {
	shipped := map[int64]stock.Quantity{}
	for _, f := range p.Fulfilments {
		if f.Status != "success" {
			continue
		}
		for _, l := range f.Lines {
			shipped[l.ID] += l.Quantity
		}
	}
	o := &order{ID: strconv.FormatInt(p.ID, 10), Created: p.Created, Updated: p.Updated, Cancelled: p.Cancelled, Payment: p.Payment}
	for _, l := range p.Lines {
		current := l.Ordered
		if l.Current != nil {
			current = *l.Current
		}
		o.Lines.Nodes = append(o.Lines.Nodes, line{
			ID: strconv.FormatInt(l.ID, 10), SKU: l.SKU, Ordered: l.Ordered, Current: current, Unfulfilled: max(0, current-shipped[l.ID]),
		})
	}
	return o
}
