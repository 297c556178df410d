package publisher

import (
	"encoding/json"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// feedRow is the told row of what is known of a channel's orders. A listing's key holds a '/', so none is equal.
const feedRow = "orders"

// A feed is how far a channel's orders are known. It is stored.
type feed struct {
	// Marked is the newest mark's; 0: there has never been one.
	Marked stock.Instant `json:",omitempty"`
}

func (f feed) pack() ([]byte, error) { return json.Marshal(f) }

func (f *feed) unpack(value []byte) error {
	if err := json.Unmarshal(value, f); err != nil {
		return fmt.Errorf("orders row: %w", err)
	}
	return nil
}

// lapse treats grace as a mark, for a channel that has never had one: of what was sold longer ago than that, all is taken to be
// folded. A channel that had marks and has none any more is waited for: its feed is silent, and its sales are unknown.
func (c *channel) lapse(now stock.Instant) {
	grace := c.state.Channel.Publish.Grace
	if grace <= 0 || c.feed.Marked != 0 || !c.settings.Lowers || now < c.lapsed.Add(maxSleep) {
		return
	}
	c.lapsed = now
	c.mark(now.Add(-grace), now)
}
