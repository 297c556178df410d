package explain

import (
	"fmt"
	"strings"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
)

// causeOf puts an event in words, of an order what it asks of the SKU.
func causeOf(e *record.Event, sku string) string {
	switch e.Kind() {
	case record.KindMovement:
		return movementWords(e.Movement)
	case record.KindOrder:
		return orderWords(e.Order, sku)
	case record.KindFulfilment:
		f := e.Fulfilment
		return fmt.Sprintf("despatch %s of order %s of %s%s", f.FulfilmentID, f.OrderID, f.Channel, fromWord(f.Outlet))
	case record.KindDecline:
		d := e.Decline
		return fmt.Sprintf("%s declines %d of line %s of order %s of %s%s", d.Outlet, d.Quantity, d.LineID, d.OrderID, d.Channel, inBrackets(d.Reason))
	case record.KindReassign:
		r := e.Reassign
		return fmt.Sprintf("%d of line %s of order %s of %s are moved from %s to %s", r.Quantity, r.LineID, r.OrderID, r.Channel, r.From, r.To)
	case record.KindOutlet:
		return fmt.Sprintf("outlet %s is set: safety stock %d, %s", e.Outlet.Outlet, e.Outlet.SafetyStock, sellsWord(e.Outlet))
	case record.KindKit:
		parts := make([]string, len(e.Kit.Components))
		for i, c := range e.Kit.Components {
			parts[i] = fmt.Sprintf("%d × %s", c.Quantity, c.SKU)
		}
		return "kit " + e.Kit.SKU + " is set: " + strings.Join(parts, ", ")
	case record.KindListing:
		return fmt.Sprintf("listing %s of %s is set: %s", e.Listing.SKU, e.Listing.Channel, policyWords(len(e.Listing.Policies)))
	case record.KindChannel:
		return fmt.Sprintf("channel %s is set: %s", e.Channel.Channel, policyWords(len(e.Channel.Policies)))
	case record.KindPool:
		return "the settings are set"
	case record.KindMark:
		return "orders of " + e.Mark.Channel + " until " + e.Mark.OrdersUntil.String() + " are in"
	case record.KindRefresh:
		return "everything is written again"
	case record.KindTick:
		return "something became due"
	}
	return "?"
}

func movementWords(m *record.Movement) string {
	where := " at " + m.Outlet
	if m.Counterpart != "" {
		where = " from " + m.Outlet + " to " + m.Counterpart
	}
	id := m.EventID
	if m.Source != "" {
		id = strings.TrimSpace(fmt.Sprintf("%s %d", m.Source, m.Sequence))
	}
	return fmt.Sprintf("%s of %d × %s%s%s%s", codec.MovementKindWord(m.Kind), m.Quantity, m.SKU, where, inBrackets(m.Reason), inBrackets(id))
}

func orderWords(o *record.Order, sku string) string {
	var lines []string
	for i := range o.Lines {
		if l := &o.Lines[i]; l.SKU == sku {
			lines = append(lines, fmt.Sprintf("line %s: %d × %s", l.LineID, l.Quantity, l.SKU))
		}
	}
	text := fmt.Sprintf("order %s of %s, %s", o.OrderID, o.Channel, codec.OrderStatusWord(o.Status))
	if len(lines) > 0 {
		text += ", " + strings.Join(lines, ", ")
	}
	return text
}

func sellsWord(o *record.Outlet) string {
	if o.Deleted {
		return "deleted"
	}
	if !o.SellsOnline {
		return "it does not sell online"
	}
	return "it sells online"
}

func policyWords(n int) string {
	switch n {
	case 0:
		return "no policy of its own"
	case 1:
		return "one policy"
	}
	return fmt.Sprintf("%d policies", n)
}

func fromWord(outlet string) string {
	if outlet == "" {
		return ""
	}
	return " from " + outlet
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
