// Package channelsim holds what the simulated channels share: a shop's own levels and sales, the shoppers that lower them, and
// the faults it answers with. It keeps the truth, what a customer saw and bought, so that tests and the demonstration can hold
// it against what we believe. Each vendor below it speaks one protocol.
package channelsim

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// A Place is one level of a shop: an item at a location.
type Place struct{ Item, Location string }

// A Sale is an order that a shopper placed.
type Sale struct {
	OrderID  string
	Place    Place
	Quantity stock.Quantity
	At       time.Time
}

// A Change is one change of a level, in the order they happened.
type Change struct {
	Place         Place
	Before, After stock.Quantity
	Cause         string         // set, sale, restock, hand
	Key           string         // of the request behind a set
	Sold          stock.Quantity // of the place after it: units sold and not cancelled
}

// Faults say how often a request meets one, as parts in a thousand. What a request meets depends on the seed and on how many
// came before it.
type Faults struct {
	Throttle      int // refused with 429 and Retry-After
	ErrorBefore   int // 500, nothing applied
	ErrorAfter    int // applied, then 500
	TimeoutAfter  int // applied, and never answered
	CutAfter      int // applied, and the connection is cut
	RetryAfter    time.Duration
	ThrottleAbove int // more requests a second than this are throttled; 0: none are
}

// A Shelf is a shop's levels, safe for concurrent use.
type Shelf struct {
	name string

	mu       sync.Mutex
	random   *rand.Rand               // guarded by mu
	faults   Faults                   // guarded by mu
	script   []Fault                  // of the next requests, guarded by mu
	injected int                      // guarded by mu
	levels   map[Place]stock.Quantity // guarded by mu
	sold     map[Place]stock.Quantity // net, guarded by mu
	changes  []Change                 // guarded by mu
	orders   int                      // guarded by mu
	second   int64                    // guarded by mu; of the throttle's window
	requests int                      // in that second, guarded by mu
}

// NewShelf returns an empty shop. Its order ids begin with its name.
func NewShelf(name string, seed uint64, faults Faults) *Shelf {
	return &Shelf{
		name: name, random: rand.New(rand.NewPCG(seed, 7)), faults: faults,
		levels: map[Place]stock.Quantity{}, sold: map[Place]stock.Quantity{},
	}
}

// List puts an item on sale at a level, or sets its level by hand, as a merchant does in the shop's own back office.
func (s *Shelf) List(p Place, level stock.Quantity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change(p, level, "hand", "")
}

func (s *Shelf) change(p Place, after stock.Quantity, cause, key string) {
	s.changes = append(s.changes, Change{p, s.levels[p], after, cause, key, s.sold[p]})
	s.levels[p] = after
}

// Sell lets a shopper buy, if the shop shows enough: it lowers its level at once, before anybody else knows.
func (s *Shelf) Sell(p Place, quantity stock.Quantity, now time.Time) (Sale, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	level, ok := s.levels[p]
	if !ok || level < quantity {
		return Sale{}, false
	}
	s.sold[p] += quantity
	s.change(p, level-quantity, "sale", "")
	s.orders++
	return Sale{OrderID: fmt.Sprintf("%s-%06d", s.name, s.orders), Place: p, Quantity: quantity, At: now}, true
}

// Cancel takes an order back; restock puts its units on sale again. It returns when: no set of the level comes in between.
func (s *Shelf) Cancel(sale Sale, restock bool) (at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at = time.Now()
	s.sold[sale.Place] -= sale.Quantity
	if restock {
		s.change(sale.Place, s.levels[sale.Place]+sale.Quantity, "restock", "")
	}
	return at
}

// Level returns the level a customer sees, ok false for an item that is not on sale.
func (s *Shelf) Level(p Place) (level stock.Quantity, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	level, ok = s.levels[p]
	return level, ok
}

// Places returns every place that is, or was, on sale, in order.
func (s *Shelf) Places() []Place {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.levels), func(a, b Place) int {
		return cmp.Or(strings.Compare(a.Item, b.Item), strings.Compare(a.Location, b.Location))
	})
}

// Sold returns the units sold and not cancelled.
func (s *Shelf) Sold(p Place) stock.Quantity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sold[p]
}

// Changes returns every change so far.
func (s *Shelf) Changes() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.changes)
}

// Injected returns how many faults were met.
func (s *Shelf) Injected() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.injected
}

// SetFaults replaces the faults.
func (s *Shelf) SetFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// Meet makes the next requests meet these faults, one each (None: none), before any is drawn again.
func (s *Shelf) Meet(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, faults...)
}

// Update sets the level of a place that is on sale if the condition holds, and returns the level after it. ok is false for an
// item the shop does not have, applied where the condition did not hold.
func (s *Shelf) Update(p Place, quantity stock.Quantity, compare *stock.Quantity, key string) (level stock.Quantity, applied, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	level, ok = s.levels[p]
	if !ok {
		return 0, false, false
	}
	if compare != nil && *compare != level {
		return level, false, true
	}
	s.change(p, quantity, "set", key)
	return quantity, true, true
}

// A Set is one level to be set on condition of the present one.
type Set struct {
	Place    Place
	Quantity stock.Quantity
	Compare  *stock.Quantity // nil: whatever it is
}

// UpdateAll sets levels in one step, if every condition holds, and returns which do not. Where it does not hold back, the others are
// set all the same. A place that was never on sale is put on sale.
func (s *Shelf) UpdateAll(sets []Set, key string, holdBack bool) (stale []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, set := range sets {
		if set.Compare != nil && *set.Compare != s.levels[set.Place] {
			stale = append(stale, i)
		}
	}
	if len(stale) > 0 && holdBack {
		return stale
	}
	for i, set := range sets {
		if !slices.Contains(stale, i) {
			s.change(set.Place, set.Quantity, "set", key)
		}
	}
	return stale
}

// A Fault is what a request meets.
type Fault uint8

// The faults of a request.
const (
	None Fault = iota
	Throttle
	ErrorBefore
	ErrorAfter
	TimeoutAfter
	CutAfter
)

// Next says what the next request meets, and how long it is to stay away where it is throttled.
func (s *Shelf) Next(now time.Time) (Fault, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := now.Unix(); second != s.second {
		s.second, s.requests = second, 0
	}
	s.requests++
	if len(s.script) > 0 {
		fault := s.script[0]
		s.script = s.script[1:]
		if fault != None {
			s.injected++
		}
		return fault, s.faults.RetryAfter
	}
	if s.faults.ThrottleAbove > 0 && s.requests > s.faults.ThrottleAbove {
		s.injected++
		return Throttle, s.faults.RetryAfter
	}
	drawn := s.random.IntN(1000)
	for _, f := range []struct {
		fault Fault
		parts int
	}{
		{Throttle, s.faults.Throttle}, {ErrorBefore, s.faults.ErrorBefore}, {ErrorAfter, s.faults.ErrorAfter},
		{TimeoutAfter, s.faults.TimeoutAfter}, {CutAfter, s.faults.CutAfter},
	} {
		if drawn < f.parts {
			s.injected++
			return f.fault, s.faults.RetryAfter
		}
		drawn -= f.parts
	}
	return None, 0
}

// Answer writes the answer of a request that was handled, in the dress of its fault.
func Answer(w http.ResponseWriter, r *http.Request, f Fault, body []byte) {
	switch f {
	case ErrorAfter:
		http.Error(w, "something went wrong", http.StatusInternalServerError)
	case TimeoutAfter:
		<-r.Context().Done() // until the client has given up
		panic(http.ErrAbortHandler)
	case CutAfter:
		panic(http.ErrAbortHandler)
	default:
		w.Header().Set("Content-Type", "application/json")
		if _, err := w.Write(body); err != nil {
			panic(http.ErrAbortHandler) // the client has gone
		}
	}
}

// Refuse answers a request that meets a fault before anything is applied, and reports whether it did.
func Refuse(w http.ResponseWriter, f Fault, retryAfter time.Duration) bool {
	switch f {
	case Throttle:
		w.Header().Set("Retry-After", fmt.Sprint(int(max(time.Second, retryAfter).Seconds())))
		http.Error(w, `{"error":"too many requests"}`, http.StatusTooManyRequests)
		return true
	case ErrorBefore:
		http.Error(w, "something went wrong", http.StatusInternalServerError)
		return true
	}
	return false
}

// Seen remembers what was answered to an idempotency key, safe for concurrent use. The zero value is ready.
type Seen struct {
	mu      sync.Mutex
	answers map[string]seenAnswer // guarded by mu
}

type seenAnswer struct{ request, answer string }

// Once returns the answer that the key's first request got, or calls handle for it. It returns an error for a key that came
// with another body before.
func (s *Seen) Once(key string, body []byte, handle func() []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.answers[key]; ok {
		if a.request != string(body) {
			return nil, fmt.Errorf("the key %q came with another body before", key)
		}
		return []byte(a.answer), nil
	}
	answer := handle()
	if s.answers == nil {
		s.answers = map[string]seenAnswer{}
	}
	s.answers[key] = seenAnswer{string(body), string(answer)}
	return answer, nil
}
