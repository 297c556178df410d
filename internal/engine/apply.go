package engine

import (
	"fmt"
	"time"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Ruleset is the newest set of rules that this program has.
const Ruleset = 1

func defaultSettings(id string) record.Pool {
	return record.Pool{
		Pool: id, Ruleset: Ruleset, Prefer: record.FewestOutlets, ReleaseOn: record.OnCancel, FulfilmentLowersOnHand: true,
		CountWindow: 6 * time.Hour, SingleOutlet: true, SplitOrders: true, SplitLines: true,
	}
}

// Refused says why the engine does not take this event, "" if it does. Ingest asks before it journals, so that a journal
// never holds what the rules in force do not know.
func Refused(e *record.Event) string {
	if e.Pool != nil && e.Pool.Ruleset > Ruleset {
		return fmt.Sprintf("ruleset %d is not known: the newest is %d", e.Pool.Ruleset, Ruleset)
	}
	return ""
}

// Apply folds the entry with version v into the state and adds what changed to c. Versions rise from call to call.
//
// Apply is pure: equal rows and an equal entry give equal results, on any machine and for ever (per ruleset). It keeps none
// of the slices of e, but may keep its strings. An entry that cannot be applied leaves the counts as they were and adds a
// rejection to c, never an error; the error is ErrInvariant, ErrUnknownRuleset or ErrGap, and the caller must stop the
// partition and drop the state.
func (s *State) Apply(v stock.Version, e *record.JournalEntry, c *Changes) error {
	p, ok := s.pool(e.Event.PoolID())
	if !ok {
		return fmt.Errorf("version %d: pool %q is not loaded: %w", v, e.Event.PoolID(), ErrInvariant)
	}
	if why := Refused(&e.Event); why != "" || e.Event.Kind() == 0 {
		return fmt.Errorf("version %d: %s: %w", v, why, ErrUnknownRuleset)
	}
	if c.run == 0 {
		s.runs++
		c.run = s.runs
	}
	c.ordinal = 0
	fresh, err := p.pass(&e.Origin, c)
	if err != nil || !fresh {
		return err
	}
	c.Entries++
	if e.EntryTime > p.clock {
		p.clock = e.EntryTime
		if !p.clockDirty {
			p.clockDirty = true
			c.clocks = append(c.clocks, p)
		}
	}
	p.seen.forget(p, p.clock, c)

	a := applying{pool: p, version: v, entry: e, changes: c}
	a.handleDue()
	a.goOn()
	if len(p.touched) > 0 {
		a.settle() // who waited for what became free comes before the event
	}
	switch e.Event.Kind() {
	case record.KindMovement:
		a.movement(e.Event.Movement)
	case record.KindOrder:
		a.order(e.Event.Order)
	case record.KindFulfilment:
		a.fulfilment(e.Event.Fulfilment)
	case record.KindDecline:
		a.decline(e.Event.Decline)
	case record.KindReassign:
		a.reassign(e.Event.Reassign)
	case record.KindMark:
		a.mark(e.Event.Mark)
	case record.KindOutlet:
		a.outlet(e.Event.Outlet)
	case record.KindKit:
		a.kit(e.Event.Kit)
	case record.KindListing:
		a.listing(e.Event.Listing)
	case record.KindChannel:
		a.channel(e.Event.Channel)
	case record.KindRefresh:
		a.refresh(e.Event.Refresh)
	case record.KindPool:
		a.settings(e.Event.Pool)
	}
	a.settle()
	return a.broken
}

// applying is one entry on its way through the state.
type applying struct {
	pool    *pool
	version stock.Version
	entry   *record.JournalEntry
	changes *Changes
	again   []*order // lost a promise, and are decided again
	broken  error    // the state cannot be what it is
}

// settle takes back what can no longer be kept and serves who waited for what the entry made free, then works out the offers of every SKU it touched.
func (a *applying) settle() {
	p := a.pool
	a.decideAgain()
	a.serveWaiting() // touches further SKUs but frees nothing, so once is enough
	for i := 0; i < len(p.touched); i++ {
		s := p.touched[i]
		if s.counts {
			if s.version == 0 && s.offered() > 0 {
				a.changes.row(p, s, listingsRow) // where they stood until now
			}
			s.version = a.version
			a.changes.count(p, s, p.clock, a.times())
			a.touchKits(s)
		}
		a.offer(s)
		s.counts = false
	}
	for _, s := range p.touched {
		s.touched = false
	}
	p.touched, a.again = p.touched[:0], a.again[:0]
}

// times are the moments the entry has passed.
func (a *applying) times() record.Times {
	t := record.Times{Origin: a.entry.Origin.Time, Entry: a.entry.EntryTime}
	switch e := &a.entry.Event; e.Kind() {
	case record.KindMovement:
		t.Occurred = e.Movement.OccurredAt
	case record.KindOrder:
		t.Occurred = e.Order.UpdatedAt
	case record.KindFulfilment:
		t.Occurred = e.Fulfilment.ShippedAt
	}
	return t
}

func (a *applying) reject(class, field, reason string) {
	a.changes.reject(a.version, a.pool.id, class, field, reason)
}

func (a *applying) flag(class, field, reason string) {
	a.changes.flag(a.version, a.pool.id, class, field, reason)
}

func (a *applying) mark(m *record.Mark) {
	ch, ok := a.pool.channels[m.Channel]
	if !ok {
		a.reject(classRefused, "channel", fmt.Sprintf("channel %q is not declared", m.Channel))
		return
	}
	a.changes.mark(record.ChannelMark{Pool: m.Pool, Channel: m.Channel, Account: ch.account, OrdersUntil: m.OrdersUntil, Version: a.version})
}
