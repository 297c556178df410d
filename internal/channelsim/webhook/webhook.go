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
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// EventType is the one type of event the receiver knows.
const EventType = "io.shelfwire.inventory.level.set.v1"

const maxBytes = 1 << 20

// A Receiver is a simulated marketplace. It serves HTTP.
type Receiver struct {
	*channelsim.Shelf
	secrets []signature.Secret
	seen    channelsim.Seen
	mux     *http.ServeMux
}

// New returns a receiver that takes events signed with any of the secrets.
func New(name string, secrets []signature.Secret, seed uint64, faults channelsim.Faults) *Receiver {
	r := &Receiver{Shelf: channelsim.NewShelf(name, seed, faults), secrets: secrets, mux: http.NewServeMux()}
	r.mux.HandleFunc("POST /inventory/levels", r.levels)
	return r
}

// Save returns what the shop must not forget.
func (v *Receiver) Save() channelsim.State { return channelsim.Save(v.Shelf, &v.seen) }

// Restore puts back what Save returned, before the shop is asked anything.
func (v *Receiver) Restore(st channelsim.State) { channelsim.Restore(st, v.Shelf, &v.seen) }

// ServeHTTP implements http.Handler.
func (v *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) { v.mux.ServeHTTP(w, r) }

type event struct {
	SpecVersion string `json:"specversion"`
	Type        string `json:"type"`
	ID          string `json:"id"`
	Source      string `json:"source"`
	Time        string `json:"time"`
	ContentType string `json:"datacontenttype"`
	Data        struct {
		Levels []level `json:"levels"`
	} `json:"data"`
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

func (v *Receiver) levels(w http.ResponseWriter, r *http.Request) {
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
	in, err := parse(body, id)
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"error":%q}`, err), http.StatusBadRequest)
		return
	}
	answer, err := v.seen.Once(id, body, func() []byte { return v.apply(in) })
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"error":%q}`, err), http.StatusConflict)
		return
	}
	channelsim.Answer(w, r, fault, answer)
}

func parse(body []byte, id string) (event, error) {
	var in event
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return in, err
	}
	switch {
	case decoder.More():
		return in, errors.New("something follows the event")
	case in.SpecVersion != "1.0" || in.Type != EventType || in.Source == "" || in.ContentType != "application/json":
		return in, fmt.Errorf("no event of type %s", EventType)
	case in.ID != id:
		return in, fmt.Errorf("the event's id is not the webhook-id")
	case len(in.Data.Levels) == 0:
		return in, fmt.Errorf("no levels")
	}
	for i, l := range in.Data.Levels {
		if l.SKU == "" || l.Available == nil || *l.Available < 0 || l.Version <= 0 {
			return in, fmt.Errorf("levels[%d]: sku, available (0 or more) and version are needed", i)
		}
	}
	return in, nil
}

func (v *Receiver) apply(in event) []byte {
	var out struct {
		Results []result `json:"results"`
	}
	for _, l := range in.Data.Levels {
		res := result{Status: "applied"}
		if _, _, ok := v.Update(channelsim.Place{Item: l.SKU, Location: l.Location}, *l.Available, nil, in.ID); !ok {
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
