package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
)

// shopsName is where the simulated shops keep what a shop does not forget, since the installation beside it remembers what they were
// told. It is written when the demonstration ends; one that was killed leaves an older one, whose differences a shop that tells its
// levels shows as drift.
const shopsName = "shops.json"

// A kept is what the file holds of one shop.
type kept struct {
	channelsim.State
	Unsent []json.RawMessage `json:"unsent"` // orders that ingest has not acknowledged, as events
}

// remember gives the shops back what they knew when the last demonstration in this directory ended.
func (d *day) remember() error {
	text, err := os.ReadFile(filepath.Join(d.dir, shopsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the shops of the last demonstration: %w", err)
	}
	var shops map[string]kept
	if err := json.Unmarshal(text, &shops); err != nil {
		return fmt.Errorf("read the shops of the last demonstration: %s: %w", filepath.Join(d.dir, shopsName), err)
	}
	for id, k := range shops {
		sim, ok := d.shops[id]
		if !ok {
			continue
		}
		if err := sim.seller.Restore(k.State); err != nil {
			return fmt.Errorf("read the shops of the last demonstration: %s: %w", id, err)
		}
		for _, line := range k.Unsent {
			var e record.Event
			if err := codec.ParseEvent("", line, &e); err != nil {
				return fmt.Errorf("read the orders of the last demonstration: %w", err)
			}
			if e.Order != nil {
				sim.unsent[e.Order.OrderID] = e.Order
			}
		}
	}
	return nil
}

// keep writes down what the shops must not forget.
func (d *day) keep() error {
	shops := map[string]kept{}
	for id, sim := range d.shops {
		k := kept{State: sim.seller.Save()}
		sim.mu.Lock()
		for _, o := range sim.unsent {
			k.Unsent = append(k.Unsent, codec.AppendEventJSON(nil, &record.Event{Order: o}))
		}
		sim.mu.Unlock()
		shops[id] = k
	}
	text, err := json.Marshal(shops)
	if err != nil {
		return fmt.Errorf("keep the shops: %w", err)
	}
	next := filepath.Join(d.dir, shopsName+".next")
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("keep the shops: %w", err)
	}
	if err := os.Rename(next, filepath.Join(d.dir, shopsName)); err != nil {
		return fmt.Errorf("keep the shops: %w", err)
	}
	return nil
}

// resend sends the orders that the last demonstration had no time for. One that had arrived all the same changes nothing.
func (d *day) resend(ctx context.Context) error {
	for _, sim := range d.shops {
		sim.mu.Lock()
		var events []record.Event
		for _, o := range sim.unsent {
			events = append(events, record.Event{Order: o})
		}
		sim.mu.Unlock()
		if len(events) == 0 {
			continue
		}
		if err := d.post(ctx, events...); err != nil {
			return err
		}
		sim.mu.Lock()
		clear(sim.unsent)
		sim.mu.Unlock()
	}
	return nil
}
