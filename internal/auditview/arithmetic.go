package auditview

import (
	"strconv"
	"strings"

	"github.com/shelfwire/shelfwire/internal/offer"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Arithmetic spells out how an offer came to its quantity, outlet by outlet and step by step, from the numbers that it
// carries:
//
//	MTL 10 on hand − 3 reserved − 1 safety = 6; LAV 15 − 0 − 0 = 15; Σ 21 − waiting 0 − buffer 2 = 19 × 100 % → 19; cap —; floor 0 → 19
//
// Where the numbers do not give the quantity it says so instead of hiding it.
func Arithmetic(o *record.Offer) string {
	if o.Stopped {
		return "not offered (" + reasonText(o.Reason) + ") → " + quantity(o.Quantity)
	}
	in := &o.Inputs
	var b strings.Builder
	var sum stock.Quantity
	for i := range in.Outlets {
		sum += in.Outlets[i].Available
		outletTerm(&b, &in.Outlets[i], i == 0)
		b.WriteString("; ")
	}
	if len(in.Outlets) == 0 {
		b.WriteString("no outlet with stock; ")
	}
	left := sum - in.Waiting - in.Buffer
	share, _ := offer.Quantity(sum, in.Waiting, record.Policy{Buffer: in.Buffer, Percent: in.Percent})
	b.WriteString("Σ " + quantity(sum) + " − waiting " + quantity(in.Waiting) + " − buffer " + quantity(in.Buffer) + " = " + quantity(left) +
		" × " + strconv.Itoa(int(in.Percent)) + " % → " + quantity(share) + "; cap " + optional(in.Cap) + "; floor " + quantity(in.Floor))
	shown, _ := offer.Quantity(sum, in.Waiting, record.Policy{Buffer: in.Buffer, Percent: in.Percent, Cap: in.Cap, Floor: in.Floor})
	b.WriteString(" → " + quantity(shown))
	if shown != o.Quantity {
		b.WriteString(" (but the offer says " + quantity(o.Quantity) + ")")
	}
	return b.String()
}

// outletTerm writes one outlet's part; the first names its terms.
func outletTerm(b *strings.Builder, o *record.OfferOutlet, first bool) {
	names := [3]string{}
	if first {
		names = [3]string{" on hand", " reserved", " safety"}
	}
	b.WriteString(o.Outlet + " " + quantity(o.OnHand) + names[0] + " − " + quantity(o.Reserved) + names[1] +
		" − " + quantity(o.SafetyStock) + names[2] + " = ")
	switch left := o.OnHand - o.Reserved - o.SafetyStock; {
	case left == o.Available:
		b.WriteString(quantity(left))
	case left < 0 && o.Available == 0:
		b.WriteString(quantity(left) + " → 0")
	default:
		b.WriteString(quantity(left) + " (but the offer says " + quantity(o.Available) + ")")
	}
}

// derivation says how what was asked of the channel came from the offer. row is a communication that sets a level.
func derivation(c *record.Communication, o *record.Offer) string {
	if c.Kind == record.ReadLevel {
		return "a read asks for no quantity"
	}
	if o == nil {
		return "the offer at version " + strconv.FormatUint(uint64(c.OfferVersion), 10) + " is not in the history (any more)"
	}
	text := Arithmetic(o)
	if c.Quantity != o.Quantity {
		// The ledger rule: what the channel may have sold and not yet shown is kept out, what it sold itself needs no telling.
		text += "; asked for " + quantity(c.Quantity) + ", not " + quantity(o.Quantity) +
			", for the channel's own sales (sold " + quantity(c.Sold) + ", released " + quantity(c.Released) + ", expected level " + optional(c.Expected) + ")"
	}
	return text
}
