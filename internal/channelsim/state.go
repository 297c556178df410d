package channelsim

import (
	"encoding/json"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// A State is what a shop must not forget from one run to the next, in a form for JSON.
type State struct {
	Orders  int                 `json:"orders"` // ids given out
	Levels  []Level             `json:"levels"`
	Answers map[string]Answered `json:"answers"`        // by idempotency key
	Shop    json.RawMessage     `json:"shop,omitempty"` // what only a shop of its kind has
}

// A Level is what a shop shows and has sold at one place.
type Level struct {
	Place Place          `json:"place"`
	Level stock.Quantity `json:"level"`
	Sold  stock.Quantity `json:"sold"`
}

// An Answered is a request with the answer that it got.
type Answered struct {
	Request string `json:"request"`
	Answer  string `json:"answer"`
}

// Save returns the state of a shop and of what it has answered.
func Save(s *Shelf, seen *Seen) State {
	out := State{Answers: map[string]Answered{}}
	for _, p := range s.Places() {
		level, _ := s.Level(p)
		out.Levels = append(out.Levels, Level{p, level, s.Sold(p)})
	}
	s.mu.Lock()
	out.Orders = s.orders
	s.mu.Unlock()
	seen.mu.Lock()
	defer seen.mu.Unlock()
	for key, a := range seen.answers {
		out.Answers[key] = Answered{a.request, a.answer}
	}
	return out
}

// Restore puts a state back into a shop that nobody has asked anything yet.
func Restore(st State, s *Shelf, seen *Seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders = st.Orders
	for _, l := range st.Levels {
		s.levels[l.Place], s.sold[l.Place] = l.Level, l.Sold
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	seen.answers = map[string]seenAnswer{}
	for key, a := range st.Answers {
		seen.answers[key] = seenAnswer{a.Request, a.Answer}
	}
}
