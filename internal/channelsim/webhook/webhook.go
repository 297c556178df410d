// Package webhook simulates a marketplace behind a generic webhook: it takes the events that channel/webhook sends, lowers its own
// levels when it sells, and tells nobody. It checks requests strictly: the signature, the CloudEvents form, no unknown field.
package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The types of event that the receiver knows.
const (
	EventType         = "io.shelfwire.inventory.level.set.v1"
	ShipmentEventType = "io.shelfwire.order.shipped.v1"
)

const maxBytes = 1 << 20

// A Receiver is a simulated marketplace. It serves HTTP.
type Receiver struct {
	*channelsim.Shelf
	secrets []signature.Secret
	seen    channelsim.Seen
	mux     *http.ServeMux

	mu        sync.Mutex
	shipments []Shipment // guarded by mu
}

// New returns a receiver that takes events signed with any of the secrets.
func New(name string, secrets []signature.Secret, seed uint64, faults channelsim.Faults) *Receiver {
	r := &Receiver{Shelf: channelsim.NewShelf(name, seed, faults), secrets: secrets, mux: http.NewServeMux()}
	r.mux.HandleFunc("POST /inventory/levels", r.take(r.apply))
	r.mux.HandleFunc("POST /orders/shipments", r.take(r.ship))
	return r
}

// Save returns what the shop must not forget.
func (v *Receiver) Save() channelsim.State { return channelsim.Save(v.Shelf, &v.seen) }

// Restore puts back what Save returned, before the shop is asked anything.
func (v *Receiver) Restore(st channelsim.State) error {
	channelsim.Restore(st, v.Shelf, &v.seen)
	return nil
}

// ServeHTTP implements http.Handler.
func (v *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) { v.mux.ServeHTTP(w, r) }

type event struct {
	SpecVersion string          `json:"specversion"`
	Type        string          `json:"type"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Time        string          `json:"time"`
	ContentType string          `json:"datacontenttype"`
	Data        json.RawMessage `json:"data"`
}

type level struct {
	SKU       string          `json:"sku"`
	Location  string          `json:"location"`
	Item      string          `json:"item"`
	Available *stock.Quantity `json:"available"`
	Version   int64           `json:"version"`
	AsOf      string          `json:"as_of"`
}

type result struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// take answers an event that is signed and well-formed, once for each id. do says what is wrong with what the event says, or does it.
func (v *Receiver) take(do func(event) (func() []byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
		if err != nil {
			http.Error(w, `{"error":"too long"}`, http.StatusRequestEntityTooLarge)
			return
		}
		id := r.Header.Get(signature.HeaderID)
		err = signature.Verify(v.secrets, id, r.Header.Get(signature.HeaderTimestamp), r.Header.Get(signature.HeaderSignature),
			stock.InstantOf(time.Now()), body)
		if err != nil {
			http.Error(w, fmt.Sprintf(`{"error":%q}`, err), http.StatusUnauthorized)
			return
		}
		fault, after := v.Next(time.Now())
		if channelsim.Refuse(w, fault, after) {
			return
		}
		var handle func() []byte
		in, err := parse(body, id)
		if err == nil {
			handle, err = do(in)
		}
		if err != nil {
			http.Error(w, fmt.Sprintf(`{"error":%q}`, err), http.StatusBadRequest)
			return
		}
		answer, err := v.seen.Once(id, body, handle)
		if err != nil {
			http.Error(w, fmt.Sprintf(`{"error":%q}`, err), http.StatusConflict)
			return
		}
		channelsim.Answer(w, r, fault, answer)
	}
}

func parse(body []byte, id string) (event, error) {
	var in event
	if err := strict(body, &in); err != nil {
		return in, err
	}
	switch {
	case in.SpecVersion != "1.0" || in.Source == "" || in.ContentType != "application/json":
		return in, errors.New("no CloudEvents event of JSON")
	case in.ID != id:
		return in, errors.New("the event's id is not the webhook-id")
	}
	return in, nil
}

// strict reads JSON that has no other fields, and nothing behind it.
func strict(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("something follows the event")
	}
	return nil
}

// A Shipment is a despatch that the receiver was told of.
type Shipment struct {
	OrderID      string `json:"order_id"`
	FulfilmentID string `json:"fulfilment_id"`
	ShippedAt    string `json:"shipped_at"`
	Carrier      string `json:"carrier"`
	Tracking     string `json:"tracking"`
	Lines        []struct {
		LineID   string         `json:"line_id"`
		Quantity stock.Quantity `json:"quantity"`
	} `json:"lines"`
}

// Shipments returns every despatch that the receiver was told of.
func (v *Receiver) Shipments() []Shipment {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.shipments)
}

func (v *Receiver) ship(in event) (func() []byte, error) {
	var s Shipment
	if in.Type != ShipmentEventType {
		return nil, fmt.Errorf("no event of type %s", ShipmentEventType)
	}
	if err := strict(in.Data, &s); err != nil {
		return nil, err
	}
	if s.OrderID == "" || s.FulfilmentID == "" || s.Carrier == "" || s.Tracking == "" || len(s.Lines) == 0 {
		return nil, errors.New("order_id, fulfilment_id, carrier, tracking and lines are needed")
	}
	return func() []byte {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.shipments = append(v.shipments, s)
		return []byte("{}")
	}, nil
}

func (v *Receiver) apply(in event) (func() []byte, error) {
	var data struct {
		Levels []level `json:"levels"`
	}
	if in.Type != EventType {
		return nil, fmt.Errorf("no event of type %s", EventType)
	}
	if err := strict(in.Data, &data); err != nil {
		return nil, err
	}
	if len(data.Levels) == 0 {
		return nil, errors.New("no levels")
	}
	for i, l := range data.Levels {
		if l.SKU == "" || l.Available == nil || *l.Available < 0 || l.Version <= 0 {
			return nil, fmt.Errorf("levels[%d]: sku, available (0 or more) and version are needed", i)
		}
	}
	return func() []byte { return v.set(in.ID, data.Levels) }, nil
}

func (v *Receiver) set(key string, levels []level) []byte {
	var out struct {
		Results []result `json:"results"`
	}
	for _, l := range levels {
		res := result{Status: "applied"}
		if _, _, ok := v.Update(channelsim.Place{Item: l.SKU, Location: l.Location}, *l.Available, nil, key); !ok {
			res = result{Status: "unknown_sku", Reason: "the marketplace has no such item"}
		}
		out.Results = append(out.Results, res)
	}
	answer, err := json.Marshal(out)
	if err != nil {
		panic(err) // plain strings
	}
	return answer
}
