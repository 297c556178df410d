// Package enginetest drives the engine the way the allocator does, over rows in memory, for tests of the engine and of what
// is built on it. It decides nothing itself: it loads what [engine.State.Missing] asks for, applies, collects and commits.
package enginetest

import (
	"fmt"
	"slices"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Rows is a store of state rows. A row that is not there does not exist.
type Rows map[engine.RowKey][]byte

// Clone returns a copy that shares nothing with r.
func (r Rows) Clone() Rows {
	c := make(Rows, len(r))
	for k, v := range r {
		c[k] = slices.Clone(v)
	}
	return c
}

// Outputs is what one batch gave, each list in the order in which the engine gave it. It shares nothing with the state.
type Outputs struct {
	Availability []record.Availability
	Allocations  []record.Allocation
	Offers       []record.OfferRecord // channel states and offers
	Marks        []record.ChannelMark
	Shipments    []record.ShipmentNotice
	Rejections   []record.Rejection
	Resent       int // entries that an origin had sent before
}

// An Output is one record of what came out, in both forms.
type Output struct {
	Topic          string
	Protobuf, JSON []byte
}

// Records returns all that came out: availability, allocations, offers with the channel states before and the marks behind them,
// shipments, rejections.
func (o *Outputs) Records() []Output {
	var all []Output
	for i := range o.Availability {
		x := &o.Availability[i]
		all = append(all, Output{"availability", codec.AppendAvailability(nil, x), codec.AppendAvailabilityJSON(nil, x)})
	}
	for i := range o.Allocations {
		x := &o.Allocations[i]
		all = append(all, Output{"allocations", codec.AppendAllocation(nil, x), codec.AppendAllocationJSON(nil, x)})
	}
	for i := range o.Offers {
		x := &o.Offers[i]
		all = append(all, Output{"offers", codec.AppendOfferRecord(nil, x), codec.AppendOfferRecordJSON(nil, x)})
	}
	for i := range o.Marks {
		x := &record.OfferRecord{Mark: &o.Marks[i]}
		all = append(all, Output{"offers", codec.AppendOfferRecord(nil, x), codec.AppendOfferRecordJSON(nil, x)})
	}
	for i := range o.Shipments {
		x := &o.Shipments[i]
		all = append(all, Output{"shipments", codec.AppendShipmentNotice(nil, x), codec.AppendShipmentNoticeJSON(nil, x)})
	}
	for i := range o.Rejections {
		x := &o.Rejections[i]
		all = append(all, Output{"rejections", codec.AppendRejection(nil, x), codec.AppendRejectionJSON(nil, x)})
	}
	return all
}

// A Pipeline is a state with its rows. The zero value is an empty installation whose next entry is the journal's first.
type Pipeline struct {
	Rows Rows
	Next int64 // journal offset of the next entry

	state   *engine.State
	changes engine.Changes
}

// Fold applies the entries as one batch and commits it. After an error the pipeline is as it was before the batch, with
// nothing in memory.
func (p *Pipeline) Fold(batch ...record.JournalEntry) (Outputs, error) {
	if err := p.apply(batch); err != nil {
		p.Restart()
		return Outputs{}, err
	}
	out := p.collect()
	if p.Rows == nil {
		p.Rows = Rows{}
	}
	p.state.EachRow(&p.changes, func(w engine.RowWrite) {
		if w.Value == nil {
			delete(p.Rows, w.RowKey)
			return
		}
		p.Rows[w.RowKey] = slices.Clone(w.Value)
	})
	p.Next += int64(len(batch))
	p.changes.Reset()
	return out, nil
}

// Restart drops everything that is in memory: the next batch starts from the rows.
func (p *Pipeline) Restart() { p.state, p.changes = nil, engine.Changes{} }

// Crash applies the entries and forgets what came of it, as an allocator does that dies between its acks and its commit.
// What it had emitted by then is returned.
func (p *Pipeline) Crash(batch ...record.JournalEntry) (Outputs, error) {
	defer p.Restart()
	if err := p.apply(batch); err != nil {
		return Outputs{}, err
	}
	return p.collect(), nil
}

func (p *Pipeline) apply(batch []record.JournalEntry) error {
	if p.state == nil {
		p.state = engine.NewState()
	}
	// As the allocator does it: one read for the whole batch, then what only shows once earlier entries are applied.
	for i := range batch {
		if err := p.load(&batch[i], 1); err != nil {
			return err
		}
	}
	for i := range batch {
		if err := p.load(&batch[i], maxRounds); err != nil {
			return err
		}
		if err := p.state.Apply(stock.VersionAt(0, p.Next+int64(i)), &batch[i], &p.changes); err != nil {
			return fmt.Errorf("entry %d: %w", p.Next+int64(i), err)
		}
	}
	return nil
}

// maxRounds is how often an entry may ask for more rows: its own, the orders that wait for those, the lines of these.
const maxRounds = 8

func (p *Pipeline) load(e *record.JournalEntry, rounds int) error {
	pool := e.Event.PoolID()
	if !p.state.HasPool(pool) {
		if err := p.state.LoadPool(pool, p.poolRows(pool)); err != nil {
			return fmt.Errorf("load pool %q: %w", pool, err)
		}
	}
	var keys []engine.RowKey
	for range rounds {
		if keys = p.state.Missing(keys[:0], e); len(keys) == 0 {
			return nil
		}
		for _, k := range keys {
			if err := p.state.Load(k, p.Rows[k]); err != nil {
				return fmt.Errorf("load a row: %w", err)
			}
		}
	}
	if rounds < maxRounds {
		return nil
	}
	return fmt.Errorf("after %d rounds %d rows are still missing", rounds, len(p.state.Missing(keys[:0], e)))
}

// poolRows returns a pool's rows in no order, as a store does.
func (p *Pipeline) poolRows(pool string) []engine.RowWrite {
	var rows []engine.RowWrite
	for k, v := range p.Rows {
		if k.Pool != pool {
			continue
		}
		switch k.Table {
		case engine.TablePool, engine.TableSeen, engine.TableDue:
			rows = append(rows, engine.RowWrite{RowKey: k, Value: v})
		case engine.TableStock, engine.TableListings:
			rows = append(rows, engine.RowWrite{RowKey: k})
		}
	}
	return rows
}

func (p *Pipeline) collect() Outputs {
	out := Outputs{Resent: p.changes.Resent}
	p.state.EachAvailability(&p.changes, func(a *record.Availability) {
		c := *a
		c.Outlets = slices.Clone(a.Outlets)
		out.Availability = append(out.Availability, c)
	})
	p.state.EachAllocation(&p.changes, func(a *record.Allocation) {
		c := *a
		c.Lines = slices.Clone(a.Lines)
		for i := range c.Lines {
			c.Lines[i].Allocations = slices.Clone(c.Lines[i].Allocations)
		}
		out.Allocations = append(out.Allocations, c)
	})
	p.state.EachOffer(&p.changes, func(o *record.OfferRecord) {
		out.Offers = append(out.Offers, cloneOffer(o))
	})
	out.Marks = slices.Clone(p.changes.Marks())
	out.Shipments = slices.Clone(p.changes.Shipments())
	out.Rejections = slices.Clone(p.changes.Rejections())
	return out
}

func cloneOffer(o *record.OfferRecord) record.OfferRecord {
	if o.Offer == nil {
		return *o
	}
	c := *o.Offer
	c.Inputs.Outlets = slices.Clone(o.Offer.Inputs.Outlets)
	c.ChannelIDs = slices.Clone(o.Offer.ChannelIDs)
	return record.OfferRecord{Offer: &c}
}
