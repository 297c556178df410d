// Package explain leads the numbers that an offer was computed from back to the journal entries that made them. The journal is folded up
// to the offer (package replay), and what each entry did to the counts of the offer's SKUs is noted, not guessed from the entry: an order
// that reserved nothing, or a movement that came twice, made no number. It is pure.
package explain

import (
	"cmp"
	"slices"
	"strings"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Question says which offer is explained.
type Question struct {
	Pool, Channel, SKU string
	Parts              []string // of a kit, its components: their counts make its own
	Until              stock.Version
	Limit              int // entries that are kept of each number, the newest; > 0
}

// A Number is one count, or the rules, that the offer was computed from.
type Number struct {
	What    What
	SKU     string // "" for the rules
	Outlet  string // "" for what waits, and for the rules
	Value   stock.Quantity
	Base    stock.Quantity // before the first entry that was folded
	Entries []Entry        // newest first
	Earlier int            // more entries that made it, not kept
}

// What says which number it is.
type What uint8

// The numbers: what lies at an outlet, what of it is promised, what waits in orders, and the settings that the arithmetic follows.
const (
	OnHand What = iota + 1
	Reserved
	Waiting
	Rules
)

// An Entry is one journal entry that changed a number.
type Entry struct {
	Version   stock.Version // its offset in the journal is in it
	EntryTime stock.Instant
	Origin    record.Origin  // TopicID "" for a tick, which the allocator wrote
	From, To  stock.Quantity // the number before and after; both 0 for rules
	Cause     string         // the event in words
}

type numberKey struct {
	what        What
	sku, outlet string
}

// A Trace collects what made the numbers. It is used by one goroutine.
type Trace struct {
	q       Question
	fold    *replay.Fold
	skus    map[string]bool
	numbers map[numberKey]*Number
}

// New returns a trace over a fold that has not reached the offer. What the fold has already is the numbers' base.
func New(q Question, fold *replay.Fold) (*Trace, error) {
	t := &Trace{q: q, fold: fold, skus: map[string]bool{q.SKU: true}, numbers: map[numberKey]*Number{}}
	for _, part := range q.Parts {
		t.skus[part] = true
	}
	fold.Only(q.Pool)
	state := fold.State()
	for sku := range t.skus {
		key := engine.RowKey{Table: engine.TableStock, Pool: q.Pool, ID: sku}
		value, ok := fold.Rows()[key]
		if !ok {
			continue
		}
		if err := state.Load(key, value); err != nil {
			return nil, err
		}
		var a record.Availability
		if state.Availability(q.Pool, sku, &a) {
			t.counts(&a, nil)
		}
	}
	return t, nil
}

// Fold folds the next record of the journal, and notes what it made.
func (t *Trace) Fold(r *stream.Record) error {
	return t.fold.See(r, func(v stock.Version, e *record.JournalEntry, s *engine.State, c *engine.Changes) {
		if v > t.q.Until {
			return
		}
		at := &Entry{Version: v, EntryTime: e.EntryTime, Origin: e.Origin}
		s.EachAvailability(c, func(a *record.Availability) {
			if a.Pool != t.q.Pool || !t.skus[a.SKU] {
				return
			}
			if at.Cause == "" {
				at.Cause = causeOf(&e.Event, a.SKU)
			}
			t.counts(a, at)
		})
		if t.rules(&e.Event) && c.Resent == 0 && !refused(c) {
			at.Cause = causeOf(&e.Event, "")
			t.number(numberKey{what: Rules}).add(*at, t.q.Limit)
		}
	})
}

func refused(c *engine.Changes) bool {
	return slices.ContainsFunc(c.Rejections(), func(r record.Rejection) bool { return !r.Applied })
}

// Numbers returns the numbers in the order SKU, outlet, what. What waits comes behind its SKU's outlets, the rules come last.
func (t *Trace) Numbers() []Number {
	numbers := make([]Number, 0, len(t.numbers))
	for _, kept := range t.numbers {
		n := *kept
		n.Entries = slices.Clone(n.Entries)
		slices.Reverse(n.Entries)
		numbers = append(numbers, n)
	}
	slices.SortFunc(numbers, func(a, b Number) int {
		return cmp.Or(order(a.What == Rules, b.What == Rules), strings.Compare(a.SKU, b.SKU), order(a.What == Waiting, b.What == Waiting),
			strings.Compare(a.Outlet, b.Outlet), cmp.Compare(a.What, b.What))
	})
	return numbers
}

// order puts what is true behind what is not.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// counts notes the counts of a SKU after an entry; at is nil for what the fold began with.
func (t *Trace) counts(a *record.Availability, at *Entry) {
	there := map[string]bool{}
	for _, o := range a.Outlets {
		there[o.Outlet] = true
		t.set(numberKey{OnHand, a.SKU, o.Outlet}, o.OnHand, at)
		t.set(numberKey{Reserved, a.SKU, o.Outlet}, o.Reserved, at)
	}
	for k := range t.numbers {
		if k.sku == a.SKU && k.outlet != "" && !there[k.outlet] {
			t.set(k, 0, at) // an outlet that is left out has none of either
		}
	}
	t.set(numberKey{Waiting, a.SKU, ""}, a.Backordered, at)
}

func (t *Trace) set(k numberKey, value stock.Quantity, at *Entry) {
	if t.numbers[k] == nil && value == 0 {
		return
	}
	n := t.number(k)
	switch {
	case at == nil:
		n.Base, n.Value = value, value
	case value != n.Value:
		e := *at
		e.From, e.To = n.Value, value
		n.Value = value
		n.add(e, t.q.Limit)
	}
}

func (t *Trace) number(k numberKey) *Number {
	n := t.numbers[k]
	if n == nil {
		n = &Number{What: k.what, SKU: k.sku, Outlet: k.outlet}
		t.numbers[k] = n
	}
	return n
}

// add keeps the newest entries, the oldest first.
func (n *Number) add(e Entry, limit int) {
	if len(n.Entries) == limit {
		n.Entries = slices.Delete(n.Entries, 0, 1)
		n.Earlier++
	}
	n.Entries = append(n.Entries, e)
}

// rules reports whether an event is one of the settings that the offer follows.
func (t *Trace) rules(e *record.Event) bool {
	switch e.Kind() {
	case record.KindOutlet:
		return true
	case record.KindPool:
		return true
	case record.KindChannel:
		return e.Channel.Channel == t.q.Channel
	case record.KindListing:
		return e.Listing.Channel == t.q.Channel && e.Listing.SKU == t.q.SKU
	case record.KindKit:
		return e.Kit.SKU == t.q.SKU
	}
	return false
}
