package auditview

import (
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/offer"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func (p *Page) functions() template.FuncMap {
	return template.FuncMap{
		"age":      func(at stock.Instant) string { return age(at, p.deps.Now()) },
		"silent":   func(c ChannelRow) bool { return c.Silent(stock.InstantOf(p.deps.Now())) },
		"utc":      utc,
		"iso":      stock.Instant.String,
		"quantity": quantity,
		"optional": optional,
		"count":    func(n int64) string { return quantity(stock.Quantity(n)) },
		"why":      reasonText,
		"link": func(path string, f frame) string {
			q := url.Values{}
			if f.Pool != "" {
				q.Set("pool", f.Pool)
			}
			if !f.Live {
				q.Set("live", "off")
			}
			return address(path, q)
		},
	}
}

// quantity writes a quantity with its thousands apart and a real minus sign.
func quantity(q stock.Quantity) string {
	digits := strconv.FormatInt(int64(q), 10)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return sign + digits
}

func optional(q *stock.Quantity) string {
	if q == nil {
		return "—"
	}
	return quantity(*q)
}

// utc writes an instant for people, to the millisecond.
func utc(at stock.Instant) string {
	if at == 0 {
		return ""
	}
	return at.Time().Format("2006-01-02 15:04:05.000") + " UTC"
}

// clockSkew is how far ahead of ours another machine's clock may be without a word.
const clockSkew = 5 * time.Second

// short writes an instant for people, to the second.
func short(at stock.Instant) string { return at.Time().Format("2006-01-02 15:04:05") + " UTC" }

// age says how long ago at was, in the largest unit that fits; "never" for 0.
func age(at stock.Instant, now time.Time) string {
	if at == 0 {
		return "never"
	}
	switch d := now.Sub(at.Time()); {
	case d < -clockSkew:
		return "in " + span(-d)
	case d < time.Second:
		return "just now"
	default:
		return span(d) + " ago"
	}
}

// span writes a duration of at least a second in the largest unit that fits, rounded down.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.FormatInt(int64(d/time.Second), 10) + " s"
	case d < time.Hour:
		return strconv.FormatInt(int64(d/time.Minute), 10) + " min"
	case d < 48*time.Hour:
		return strconv.FormatInt(int64(d/time.Hour), 10) + " h"
	}
	return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + " d"
}

// A stateWord is a state for people: Key is one word for programs and styles, Label one for reading.
type stateWord struct{ Key, Label, Sign, Meaning string }

// The states of a listing. Those of a communication have the same keys where they are the same.
var (
	stateTold        = stateWord{"told", "told", "✓", "the channel acknowledged the quantity on offer"}
	stateInStep      = stateWord{"in_step", "in step", "✓", "the level read at the channel is the quantity on offer"}
	statePending     = stateWord{"pending", "pending", "…", "the offer differs from what the channel was told"}
	stateNone        = stateWord{"none", "not offered", "–", "nothing is on offer there"}
	stateAttempted   = stateWord{"attempted", "attempted", "→", "a request has been written down and is being sent; no outcome yet"}
	stateAcked       = stateWord{"acknowledged", "acknowledged", "✓", "the channel acknowledged the request"}
	stateRejected    = stateWord{"rejected", "rejected", "✗", "the channel refused the request"}
	stateUnknown     = stateWord{"unknown", "unknown", "?", "no answer, or one that leaves open whether the channel took it"}
	stateObserved    = stateWord{"observed", "observed", "◦", "the level was read at the channel"}
	stateHeld        = stateWord{"held", "held", "‖", "not sent for now"}
	stateQuarantined = stateWord{"quarantined", "quarantined", "!", "set aside after repeated refusals"}
)

// legend lists the states that a listing can be in.
var legend = []stateWord{
	stateTold, stateInStep, statePending, stateAttempted, stateUnknown, stateRejected, stateHeld, stateQuarantined,
}

// stateOf returns the word for what came of one communication.
func stateOf(s record.CommunicationState) stateWord {
	switch s {
	case record.Attempted:
		return stateAttempted
	case record.Acknowledged:
		return stateAcked
	case record.CommunicationRejected:
		return stateRejected
	case record.Unknown:
		return stateUnknown
	case record.Observed:
		return stateObserved
	case record.Held:
		return stateHeld
	case record.Quarantined:
		return stateQuarantined
	}
	return stateNone
}

// listingState judges a listing by its newest facts. lowers says that the channel lowers its own level when it sells: what it
// sold since it was told needs no telling.
//
// An interleaving that this closes: told 10, the channel sells 1 and lowers itself to 9, the offer becomes 9. Nothing is sent,
// and nothing is pending.
func listingState(c *ChannelStock, lowers bool) stateWord {
	switch c.State {
	case record.Attempted, record.CommunicationRejected, record.Unknown, record.Held, record.Quarantined:
		return stateOf(c.State)
	}
	readAfter := c.Observed != nil && c.ObservedAt > c.Told.At
	switch {
	case c.Offer.Version == 0 && c.Told.Version == 0:
		return stateNone
	case c.Told.Version != 0 && c.Level(lowers) == c.Offer.Quantity:
		return stateTold
	case readAfter && *c.Observed == c.Offer.Quantity:
		return stateInStep
	case c.Offer.Stopped && c.Told.Version == 0:
		return stateNone
	}
	return statePending
}

// Level returns the level that a channel has by what it acknowledged last and, where it lowers its own level, by its own sales since.
// It means nothing where the channel acknowledged nothing (Told.Version 0).
func (c *ChannelStock) Level(lowers bool) stock.Quantity {
	if !lowers {
		return c.Told.Quantity
	}
	return c.Told.Quantity - (c.Offer.Sold - c.Told.Sold) + (c.Offer.Released - c.Told.Released)
}

// TooMuch reports whether the channel shows more than the offer, as far as is known: by what it acknowledged, unless no more than the
// offer was read there since.
func (c *ChannelStock) TooMuch(lowers bool) bool {
	switch {
	case c.Told.Version == 0 || c.Offer.Version <= c.Told.Version:
		return false
	case c.Observed != nil && c.ObservedAt > c.Told.At && *c.Observed <= c.Offer.Quantity:
		return false
	}
	return c.Level(lowers) > c.Offer.Quantity
}

// kindText says what was asked of a channel.
func kindText(k record.CommunicationKind) string {
	switch k {
	case record.SetLevel:
		return "set"
	case record.CompareAndSet:
		return "set if"
	case record.ReadLevel:
		return "read"
	case record.ConfirmShipment:
		return "despatch"
	}
	return "—"
}

// reasonText says an offer's reason in words; one that is not known is given as it is.
func reasonText(reason string) string {
	switch reason {
	case offer.InStock:
		return "in stock"
	case offer.SoldOut:
		return "sold out"
	case offer.BelowFloor:
		return "below the floor"
	case offer.Capped:
		return "capped"
	case offer.NotOptedIn:
		return "not opted in"
	case offer.Untracked:
		return "not tracked"
	case offer.Deleted:
		return "listing deleted"
	case offer.NotYet:
		return "before its publication date"
	case offer.ByChannel:
		return "fulfilled by the channel"
	case offer.ChannelGone:
		return "channel deleted"
	case offer.NoLocation:
		return "location removed"
	}
	return reason
}
