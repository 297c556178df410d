// Package shadow answers what would have been offered under another policy. It folds a pool's journal twice, from its first entry or
// from a state that was folded before: once as it is, and once with the events of a catalogue file taking force at a moment. What the two say between that moment and another is
// compared. It is pure: who has the journal gives it entry by entry.
//
// In the shadow, from the moment on:
//
//   - What the file says of an outlet, kit, channel, listing or the settings is in force, and what the journal says of the same ones is
//     left out. What the file does not name goes on as in the journal.
//   - Orders, despatches and movements are those of the journal. A shop that is told less would have sold less, and one that is told
//     more may have sold more: that no replay can know. Units that were ordered although the offer had no room for them are counted.
//   - What is due in the shadow alone, as the beginning of one of its policies, is handled by a tick of its own, as the allocator would
//     have written it, where the journal has nothing for a while.
//
// Offers are counted as the fold makes them, entry by entry. A pipeline folds in batches, and the publisher waits for quiet: both send
// fewer.
package shadow

import (
	"fmt"
	"maps"
	"time"

	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const (
	// tickAfter is how long something that is due in the shadow alone waits, as long as with the allocator.
	tickAfter = 5 * time.Second
	// patience is for how long the journal must have nothing after that before the shadow makes a tick. It is longer than the
	// allocator takes to write one, so that a due moment that both folds have is handled by the tick in the journal.
	patience = 2 * tickAfter
)

// A Replay folds one pool's journal as it is and in the shadow. It belongs to one goroutine.
type Replay struct {
	pool     *catalogue.Pool
	from, to stock.Instant
	named    map[catalogue.Object]bool

	real, shadow *replay.Fold
	started      bool
	done         bool
	now          stock.Instant // journal time of the entry before
	totals       totals
	report       Report
}

// A State is what a replay begins with. The zero value: with the journal's first entry.
type State struct {
	At   stream.Position
	Rows replay.Rows // of the pool alone, which the replay owns from now on
}

// A LateError says that a state has folded entries of the time that is to be replayed: up to At.
type LateError struct{ At stock.Instant }

// Error implements error.
func (e *LateError) Error() string {
	return e.At.String() + ", which is not before what is to be replayed"
}

// New begins a replay in which the policy p takes force at from, which is compared up to to (exclusive). The error is a [*LateError]
// for a state with an entry at or after from.
func New(p *catalogue.Pool, begin State, from, to stock.Instant) (*Replay, error) {
	r := &Replay{pool: p, from: from, to: to, named: map[catalogue.Object]bool{}}
	for i := range p.Entries {
		o, _ := catalogue.ObjectOf(&p.Entries[i].Event)
		r.named[o] = true
	}
	var err error
	if r.real, err = replay.New(0, begin.At, maps.Clone(begin.Rows)); err != nil {
		return nil, err
	}
	if r.shadow, err = replay.New(0, begin.At, begin.Rows); err != nil {
		return nil, err
	}
	if r.now = r.real.State().Clock(p.ID); r.now >= from {
		return nil, &LateError{At: r.now}
	}
	r.totals.init()
	r.report = Report{Pool: p.ID, From: from}
	if err := r.recall(begin.Rows); err != nil {
		return nil, err
	}
	return r, nil
}

// Done reports whether the journal has reached the end of what is compared: no further entry is needed.
func (r *Replay) Done() bool { return r.done }

// Entry folds the next entry of the pool.
func (r *Replay) Entry(e *record.JournalEntry) error {
	if r.done {
		return nil
	}
	at := max(r.now, e.EntryTime)
	if !r.started && at >= r.from {
		if err := r.start(); err != nil {
			return err
		}
	}
	if r.started {
		if err := r.ticks(min(at, r.to)); err != nil {
			return err
		}
	}
	if at >= r.to {
		r.now, r.done = r.to, true
		return nil
	}
	r.now = at
	if r.started {
		r.report.Entries++
	}
	if err := r.real.Step(e, r.observe(sideReal)); err != nil {
		return err
	}
	ours := *e
	if o, ok := catalogue.ObjectOf(&e.Event); ok && r.started && r.named[o] {
		ours.Event = record.Event{Tick: &record.Tick{Pool: r.pool.ID}}
	}
	return r.shadow.Step(&ours, r.observe(sideShadow))
}

// End returns what differed, up to the end of what is compared or of the journal, whichever was first.
func (r *Replay) End() (Report, error) {
	if !r.started {
		return r.report, fmt.Errorf("the journal of pool %q ends at %s, before %s: there is nothing to compare", r.pool.ID, r.now, r.from)
	}
	r.report.Until = max(r.now, r.from)
	r.totals.end(&r.report, r.report.Until)
	return r.report, nil
}

// start puts the policy in force in the shadow.
func (r *Replay) start() error {
	r.started = true
	r.now = max(r.now, r.from)
	c := catalogue.Compare(r.pool, false)
	for _, e := range r.shadow.State().Catalogue(r.pool.ID) {
		c.InForce(&e)
	}
	for k, value := range r.shadow.Rows() {
		if k.Table != engine.TableListings {
			continue
		}
		listings, err := engine.Listings(engine.RowWrite{RowKey: k, Value: value})
		if err != nil {
			return err
		}
		for _, l := range listings {
			c.InForce(&record.Event{Listing: l})
		}
	}
	r.report.Changes = c.Changes()
	for i := range r.report.Changes {
		change := &r.report.Changes[i]
		if why := engine.Refused(&change.Event); why != "" {
			return fmt.Errorf("%w", change.Entry.Problem("is refused: "+why))
		}
		refused, err := r.event(change.Event, r.from)
		if err != nil {
			return err
		}
		if refused != "" {
			return fmt.Errorf("%w", change.Entry.Problem("is refused: "+refused))
		}
	}
	if len(r.report.Changes) == 0 {
		return nil
	}
	return r.settle(r.from)
}

// event folds an event in the shadow alone and returns why the engine refuses it.
func (r *Replay) event(e record.Event, at stock.Instant) (refused string, err error) {
	err = r.shadow.Step(&record.JournalEntry{Event: e, EntryTime: at, Origin: record.Origin{Previous: -1}}, func(s *engine.State, c *engine.Changes) {
		for _, rejection := range c.Rejections() {
			if !rejection.Applied && refused == "" {
				refused = rejection.Reason
			}
		}
		r.observe(sideShadow)(s, c)
	})
	return refused, err
}

func (r *Replay) tick(at stock.Instant) error {
	_, err := r.event(record.Event{Tick: &record.Tick{Pool: r.pool.ID}}, at)
	return err
}

// settle makes ticks until the shadow has nothing left over.
func (r *Replay) settle(at stock.Instant) error {
	for {
		if backlog, _ := r.shadow.State().Waiting(r.pool.ID, at); !backlog {
			return nil
		}
		if err := r.tick(at); err != nil {
			return err
		}
	}
}

// ticks handles what is due in the shadow long before the moment up to which the journal has nothing.
func (r *Replay) ticks(until stock.Instant) error {
	if until.Sub(r.now) <= patience {
		return nil
	}
	for {
		due, ok := r.shadow.State().NextDue(r.pool.ID, until.Add(-patience))
		if !ok {
			break
		}
		r.now = max(r.now, due).Add(tickAfter)
		if err := r.tick(r.now); err != nil {
			return err
		}
		if err := r.settle(r.now); err != nil {
			return err
		}
	}
	return r.settle(r.now)
}
