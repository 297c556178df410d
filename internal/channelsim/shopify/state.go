package shopify

import (
	"encoding/json"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/channelsim"
)

// A state is what a shop must not forget besides its shelf. Its products are put by whoever makes the shop.
type state struct {
	Serial int                   `json:"serial"`
	Orders []Order               `json:"orders"`
	Keys   map[string]remembered `json:"keys"`
}

// Save returns what the shop must not forget.
func (s *Shop) Save() channelsim.State {
	out := channelsim.Save(s.Shelf, &channelsim.Seen{})
	own := state{Orders: s.Orders()}
	s.mu.Lock()
	defer s.mu.Unlock()
	own.Serial, own.Keys = s.serial, s.keys
	out.Shop = marshal(own)
	return out
}

// Restore puts back what Save returned, before the shop is asked anything.
func (s *Shop) Restore(st channelsim.State) error {
	var own state
	if err := json.Unmarshal(st.Shop, &own); err != nil {
		return fmt.Errorf("a shop's orders and keys: %w", err)
	}
	channelsim.Restore(st, s.Shelf, &channelsim.Seen{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial, s.keys = own.Serial, own.Keys
	for i := range own.Orders {
		s.orders = append(s.orders, &own.Orders[i])
	}
	return nil
}
