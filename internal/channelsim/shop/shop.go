// Package shop simulates a shop whose levels can be read and are set by compare-and-set. Its protocol is documented in
// channel/shop. It checks requests strictly: the token, the form, no unknown field, at most 100 rows.
package shop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// maxRows and maxBytes bound one request.
const (
	maxRows  = 100
	maxBytes = 1 << 20
)

// A Shop is a simulated shop. It serves HTTP.
type Shop struct {
	*channelsim.Shelf
	token    string
	seen     channelsim.Seen
	requests atomic.Int64
	mux      *http.ServeMux
}

// New returns a shop that is empty and takes requests with the token.
func New(name, token string, seed uint64, faults channelsim.Faults) *Shop {
	s := &Shop{Shelf: channelsim.NewShelf(name, seed, faults), token: token, mux: http.NewServeMux()}
	s.mux.HandleFunc("POST /levels/set", s.set)
	s.mux.HandleFunc("POST /levels/get", s.get)
	return s
}

// Save returns what the shop must not forget.
func (s *Shop) Save() channelsim.State { return channelsim.Save(s.Shelf, &s.seen) }

// Restore puts back what Save returned, before the shop is asked anything.
func (s *Shop) Restore(st channelsim.State) error {
	channelsim.Restore(st, s.Shelf, &s.seen)
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

type row struct {
	Item     *string         `json:"item"`
	Location *string         `json:"location"`
	Quantity *stock.Quantity `json:"quantity"`
	Compare  *stock.Quantity `json:"compare"`
}

type setRequest struct {
	Key  string `json:"idempotency_key"`
	Rows []row  `json:"rows"`
}

type result struct {
	Outcome string          `json:"outcome"`
	Level   *stock.Quantity `json:"level"`
	Reason  string          `json:"reason,omitempty"`
}

// read takes a request in, or answers it.
func (s *Shop) read(w http.ResponseWriter, r *http.Request, into any) (body []byte, fault channelsim.Fault, ok bool) {
	if r.Header.Get("Authorization") != "Bearer "+s.token {
		http.Error(w, `{"error":"wrong token"}`, http.StatusUnauthorized)
		return nil, 0, false
	}
	fault, after := s.Next(time.Now())
	if channelsim.Refuse(w, fault, after) {
		return nil, fault, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.DisallowUnknownFields()
		if err = decoder.Decode(into); err == nil && decoder.More() {
			err = errors.New("something follows the request")
		}
	}
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"error":%q}`, err), http.StatusBadRequest)
		return nil, fault, false
	}
	return body, fault, true
}

func (s *Shop) set(w http.ResponseWriter, r *http.Request) {
	var in setRequest
	body, fault, ok := s.read(w, r, &in)
	if !ok {
		return
	}
	if in.Key == "" || len(in.Rows) == 0 || len(in.Rows) > maxRows {
		http.Error(w, `{"error":"a key and 1 to 100 rows are needed"}`, http.StatusBadRequest)
		return
	}
	for i, row := range in.Rows {
		if row.Item == nil || row.Location == nil || row.Quantity == nil || row.Compare == nil || *row.Quantity < 0 {
			http.Error(w, fmt.Sprintf(`{"error":"rows[%d]: item, location, quantity (0 or more) and compare are needed"}`, i), http.StatusBadRequest)
			return
		}
	}
	answer, err := s.seen.Once(in.Key, body, func() []byte { return s.apply(in) })
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"error":%q}`, err), http.StatusConflict)
		return
	}
	channelsim.Answer(w, r, fault, answer)
}

func (s *Shop) apply(in setRequest) []byte {
	out := struct {
		ID   string   `json:"request_id"`
		Rows []result `json:"rows"`
	}{ID: "req-" + strconv.FormatInt(s.requests.Add(1), 10)}
	for _, row := range in.Rows {
		level, applied, ok := s.Update(channelsim.Place{Item: *row.Item, Location: *row.Location}, *row.Quantity, row.Compare, in.Key)
		res := result{Outcome: "stale", Level: &level}
		switch {
		case !ok:
			res = result{Outcome: "unknown_item", Reason: "the shop has no such item"}
		case applied:
			res.Outcome = "applied"
		}
		out.Rows = append(out.Rows, res)
	}
	answer, err := json.Marshal(out)
	if err != nil {
		panic(err) // plain strings and numbers
	}
	return answer
}

func (s *Shop) get(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Items []struct {
			Item     string `json:"item"`
			Location string `json:"location"`
		} `json:"items"`
	}
	_, fault, ok := s.read(w, r, &in)
	if !ok {
		return
	}
	if len(in.Items) == 0 || len(in.Items) > maxRows {
		http.Error(w, `{"error":"1 to 100 items are needed"}`, http.StatusBadRequest)
		return
	}
	levels := make([]*stock.Quantity, len(in.Items))
	for i, item := range in.Items {
		if level, ok := s.Level(channelsim.Place{Item: item.Item, Location: item.Location}); ok {
			levels[i] = &level
		}
	}
	answer, err := json.Marshal(map[string]any{"levels": levels})
	if err != nil {
		panic(err) // plain numbers
	}
	channelsim.Answer(w, r, fault, answer)
}
