// Package replay folds a journal partition with nothing but its entries and, where one is given, a state to begin from: all rows
// are at hand, and none is read from a store. It is how a snapshot moves forward, how verify makes the state again, and how a
// shadow tries another policy.
//
// It is pure, and equal entries give the rows that the allocator commits, byte for byte.
package replay

import (
	"fmt"
	"maps"
	"slices"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/output"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// Rows are the rows of one journal partition by key.
type Rows map[engine.RowKey][]byte

// A Fold is the state of one journal partition. It keeps every row packed, and of the engine's form of them the part that was
// used of late. It is used by one goroutine.
type Fold struct {
	partition int32
	only      string
	at        stream.Position
	rows      Rows

	state   *engine.State
	changes engine.Changes
	decoder *codec.Decoder
	entries []record.JournalEntry
	missing []engine.RowKey
	batch   output.Batch
}

// New returns a fold that goes on from rows as of the position. A fold that begins with the journal's first entry has no rows, and
// a position that names the journal's topic and generation only. The fold owns the rows from now on.
func New(partition int32, at stream.Position, rows Rows) (*Fold, error) {
	if rows == nil {
		rows = Rows{}
	}
	f := &Fold{partition: partition, at: at, rows: rows, state: engine.NewState(), decoder: codec.NewDecoder()}
	whole := map[string][]engine.RowWrite{}
	for k, value := range rows {
		pool := whole[k.Pool]
		switch k.Table {
		case engine.TablePool, engine.TableSeen, engine.TableDue:
			pool = append(pool, engine.RowWrite{RowKey: k, Value: value})
		case engine.TableStock, engine.TableListings:
			pool = append(pool, engine.RowWrite{RowKey: k})
		}
		whole[k.Pool] = pool
	}
	for pool, of := range whole {
		// In one order on any machine, since an outlet's number in memory follows from it.
		slices.SortFunc(of, func(a, b engine.RowWrite) int { return engine.CompareRowKeys(a.RowKey, b.RowKey) })
		if err := f.state.LoadPool(pool, of); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Only makes the fold pass over the entries of every other pool. It is called before the first entry.
func (f *Fold) Only(pool string) { f.only = pool }

// Position returns what has been folded. After [Fold.Step] its offset counts entries, and is none of the journal's.
func (f *Fold) Position() stream.Position { return f.at }

// Rows returns the present rows. They belong to the fold and change with the next entry.
func (f *Fold) Rows() Rows {
	f.endRun()
	return f.rows
}

// State returns the state in the engine's form, to be read only. Of the tables that are loaded row by row it has what was used of
// late: all of them are in [Fold.Rows].
func (f *Fold) State() *engine.State { return f.state }

// Pools returns the pools that the fold has met, those that it passes over included, by id.
func (f *Fold) Pools() []string { return f.state.Pools() }

// Run folds the records, which follow the position in order. It keeps none of their slices. After an error the fold must not be
// used any more.
func (f *Fold) Run(records []stream.Record) error {
	if len(records) == 0 {
		return nil
	}
	f.decoder.Recycle()
	if cap(f.entries) < len(records) {
		f.entries = make([]record.JournalEntry, len(records))
	}
	f.entries = f.entries[:len(records)]
	for i := range records {
		if err := f.decode(&records[i], &f.entries[i]); err != nil {
			return err
		}
	}
	f.changes.RowsOnly = true
	looked := 0
	for i := range records {
		if i == looked {
			looked += f.state.Look(f.entries[i:])
		}
		if _, err := f.apply(&records[i], &f.entries[i]); err != nil {
			return err
		}
	}
	f.at.Hash = stream.HashValue(records[len(records)-1].Value)
	if f.changes.Entries >= unkeptMost || f.state.Held() > unpackedMost {
		f.keep()
	}
	return nil
}

// unkeptMost bounds the entries of runs whose rows are not packed yet: a row that changes again and again is packed once.
const unkeptMost = 250_000

// endRun packs what [Fold.Run] has left unpacked.
func (f *Fold) endRun() {
	if f.changes.RowsOnly {
		f.keep()
	}
}

// keep packs the rows that changed.
func (f *Fold) keep() {
	f.state.EachRow(&f.changes, func(w engine.RowWrite) { f.put(w) })
	f.changes.Reset()
	f.changes.RowsOnly = false
	f.makeRoom()
}

// unpackedMost bounds how many rows are held in the engine's form as well, which is several times as large.
const unpackedMost = 200_000

func (f *Fold) makeRoom() {
	if f.state.Held() > unpackedMost {
		f.state.Evict(unpackedMost / 2)
	}
}

// Say folds one record and returns what the allocator has to say of it, and the rows that changed. The batch is valid until the
// next call; it is nil for an entry that is passed over.
func (f *Fold) Say(r *stream.Record) (*output.Batch, error) {
	var e record.JournalEntry
	folded, err := f.one(r, &e)
	if err != nil || !folded {
		return nil, err
	}
	f.batch.Fill(f.state, &f.changes, f.partition, []output.Entry{{Version: f.version(r), JournalEntry: &e}})
	f.changes.Reset()
	for _, w := range f.batch.Rows {
		f.put(w)
	}
	f.makeRoom()
	return &f.batch, nil
}

// See folds one record and calls observe with the entry, its version and what it changed, all valid during the call. It does not call it
// for an entry that is passed over.
func (f *Fold) See(r *stream.Record, observe func(stock.Version, *record.JournalEntry, *engine.State, *engine.Changes)) error {
	var e record.JournalEntry
	folded, err := f.one(r, &e)
	if err != nil || !folded {
		return err
	}
	observe(f.version(r), &e, f.state, &f.changes)
	f.keep()
	return nil
}

// Step folds an entry that is in no journal, or is to stand elsewhere than there, as the next one. observe is called with what it
// changed, which is valid during the call. It keeps nothing of the entry. After an error the fold must not be used any more.
func (f *Fold) Step(e *record.JournalEntry, observe func(*engine.State, *engine.Changes)) error {
	f.endRun()
	v := stock.VersionAt(f.at.Generation, f.at.Offset)
	f.at.Offset++
	if err := f.fold(v, e); err != nil {
		return err
	}
	observe(f.state, &f.changes)
	f.keep()
	return nil
}

func (f *Fold) version(r *stream.Record) stock.Version {
	return stock.VersionAt(f.at.Generation, r.Offset)
}

// one folds a record by itself into the state in memory and decodes it into e.
func (f *Fold) one(r *stream.Record, e *record.JournalEntry) (folded bool, err error) {
	f.endRun()
	f.decoder.Recycle()
	if err := f.decode(r, e); err != nil {
		return false, err
	}
	f.at.Hash = stream.HashValue(r.Value)
	return f.apply(r, e)
}

func (f *Fold) decode(r *stream.Record, e *record.JournalEntry) error {
	if err := f.decoder.JournalEntry(r.Value, e); err != nil {
		return fmt.Errorf("read entry %d: %w", r.Offset, err)
	}
	return nil
}

// apply folds one record, decoded in e, into the state in memory. The hash in the position is the caller's to set.
func (f *Fold) apply(r *stream.Record, e *record.JournalEntry) (folded bool, err error) {
	if r.Offset < f.at.Offset {
		return false, fmt.Errorf("entry %d comes after %d entries have been folded", r.Offset, f.at.Offset)
	}
	pool := e.Event.PoolID()
	f.at.Offset, f.at.LeaderEpoch = r.Offset+1, r.LeaderEpoch
	if f.only != "" && pool != f.only {
		return false, f.meet(pool)
	}
	if err := f.fold(f.version(r), e); err != nil {
		return false, fmt.Errorf("fold entry %d: %w", r.Offset, err)
	}
	return true, nil
}

// meet makes a pool known that has no rows yet.
func (f *Fold) meet(pool string) error {
	if f.state.HasPool(pool) {
		return nil
	}
	return f.state.LoadPool(pool, nil)
}

// fold loads what the entry needs and applies it.
func (f *Fold) fold(v stock.Version, e *record.JournalEntry) error {
	if err := f.meet(e.Event.PoolID()); err != nil {
		return err
	}
	for f.missing = f.state.Missing(f.missing[:0], e); len(f.missing) > 0; f.missing = f.state.Missing(f.missing[:0], e) {
		for _, k := range f.missing {
			if err := f.state.Load(k, f.rows[k]); err != nil {
				return err
			}
		}
	}
	return f.state.Apply(v, e, &f.changes)
}

func (f *Fold) put(w engine.RowWrite) {
	if w.Value == nil {
		delete(f.rows, w.RowKey)
		return
	}
	f.rows[w.RowKey] = slices.Clone(w.Value)
}

// Keys returns the keys of the rows in order.
func (r Rows) Keys() []engine.RowKey {
	return slices.SortedFunc(maps.Keys(r), engine.CompareRowKeys)
}
