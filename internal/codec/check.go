package codec

import (
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The instants that an input may name: the years 2000 to 2100.
const (
	earliest stock.Instant = 946_684_800_000_000
	latest   stock.Instant = 4_133_980_800_000_000 // exclusive
)

// Validate returns the first thing in e that the contract does not allow, nil if there is none. Its error is a
// [*FieldError]. It is what [ParseEvent] asks of every event, for one that was made in memory.
func Validate(e *record.Event) error {
	c := coder{mode: check}
	eventFields(&c, e)
	return c.result()
}

func (c *coder) checkText(name, s string, how rule) {
	if reason := badText(s, how); reason != "" {
		c.fail(name, reason)
	}
}

// badText returns what the rules have against s, "" for nothing.
func badText(s string, how rule) string {
	if s == "" {
		if how&required != 0 {
			return "is required"
		}
		return ""
	}
	if !utf8.ValidString(s) {
		return "is not UTF-8"
	}
	if how&id == 0 {
		return ""
	}
	if len(s) > maxIDBytes {
		return "must be at most 200 bytes long"
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return "must not hold control characters"
		}
	}
	return ""
}

func (c *coder) checkNumber(name string, v int64, how rule) {
	switch {
	case how&required != 0 && c.absent != "" && c.absent == c.path(name):
		c.fail(name, "is required")
	case how&positive != 0 && v <= 0:
		c.fail(name, "must be greater than 0")
	case how&notNegative != 0 && v < 0:
		c.fail(name, "must not be negative")
	}
}

// givenInstant refuses an input's instant that cannot be meant. Records of ours are read as they are.
func (c *coder) givenInstant(name string, t stock.Instant) {
	if (c.mode == check || c.unknown == refuseUnknown) && (t < earliest || t >= latest) {
		c.fail(name, "must lie in the years 2000 to 2100")
	}
}

const oneFact = "exactly one of movement, order, fulfilment, mark, outlet, kit, listing, channel, pool, decline, " +
	"reassign and refresh is required"

// checkParts refuses an event that is not exactly one fact from outside.
func checkParts(c *coder, e *record.Event) {
	if parts(e) != 1 {
		c.fail("", oneFact)
	}
	if e.Tick != nil {
		c.fail("tick", "is written by the pipeline itself")
	}
}

// parts returns how many facts e holds.
func parts(e *record.Event) int {
	n := 0
	for _, set := range [...]bool{
		e.Movement != nil, e.Order != nil, e.Fulfilment != nil, e.Mark != nil, e.Outlet != nil, e.Kit != nil,
		e.Listing != nil, e.Channel != nil, e.Pool != nil, e.Decline != nil, e.Reassign != nil, e.Refresh != nil,
		e.Tick != nil,
	} {
		if set {
			n++
		}
	}
	return n
}

func checkMovement(c *coder, m *record.Movement) {
	switch {
	case m.Kind == stock.Adjustment && m.Quantity == 0:
		c.fail("quantity", "must not be 0")
	case m.Kind == stock.Count && m.Quantity < 0:
		c.fail("quantity", "must not be negative")
	case m.Kind != stock.Adjustment && m.Kind != stock.Count && m.Quantity <= 0:
		c.fail("quantity", "must be greater than 0")
	case m.Kind == stock.Transfer && m.Counterpart == "":
		c.fail("counterpart", "is required for a transfer")
	case m.Kind == stock.Transfer && m.Counterpart == m.Outlet:
		c.fail("counterpart", "must differ from outlet")
	}
}

func checkPolicy(c *coder, p *record.Policy) {
	switch {
	case p.Percent > 100:
		c.fail("percent", "must be at most 100")
	case p.From != 0 && p.To != 0 && p.To <= p.From:
		c.fail("to", "must be after from")
	}
}

func checkLineIDs(c *coder, o *record.Order) {
	if len(o.Lines) < 2 || c.err != nil {
		return
	}
	seen := make(map[string]int, len(o.Lines))
	for i := range o.Lines {
		if first, twice := seen[o.Lines[i].LineID]; twice {
			c.fail(indexed("lines", i)+".line_id", "is that of line "+strconv.Itoa(first))
			return
		}
		seen[o.Lines[i].LineID] = i
	}
}

// checkLocations refuses a channel whose locations share a name or an outlet, since one outlet's stock would be shown twice, or have an
// outlet that is none of the channel's, since what is shown of it could never serve an order.
func checkLocations(c *coder, ch *record.Channel) {
	if c.err != nil {
		return
	}
	locations, owner := make(map[string]bool), make(map[string]string)
	for i := range ch.Locations {
		l := &ch.Locations[i]
		if locations[l.Location] {
			c.fail(indexed("locations", i)+".location", "is named twice")
		}
		locations[l.Location] = true
		for j, outlet := range l.Outlets {
			if other, taken := owner[outlet]; taken {
				c.fail(indexed(indexed("locations", i)+".outlets", j), "belongs to location "+strconv.Quote(other))
			}
			owner[outlet] = l.Location
			if !slices.Contains(ch.Outlets, outlet) {
				c.fail(indexed(indexed("locations", i)+".outlets", j), "is none of the channel's outlets: no order could be served from it")
			}
		}
	}
}
