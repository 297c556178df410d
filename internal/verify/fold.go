package verify

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/output"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// progressEvery is how many entries lie between two calls of Progress.
const progressEvery = 20_000

// refold is the fold of one partition from nothing.
type refold struct {
	state   *engine.State
	changes engine.Changes
	decoder *codec.Decoder
	batch   output.Batch
	missing []engine.RowKey
	rows    map[engine.RowKey]uint64 // hash of each row's value
}

// fold folds the partition's entries up to the position after the rows were read, compares the outputs entry by entry, and the
// rows at the position before they were read.
func (v *verification) fold(ctx context.Context, p *partition) error {
	f := &refold{state: engine.NewState(), decoder: codec.NewDecoder(), rows: map[engine.RowKey]uint64{}}
	if p.before.Offset == 0 {
		v.compareRows(p, f)
	}
	journal := stream.Partition{Topic: stream.Journal, ID: p.id}
	err := v.each(ctx, journal, stream.Bounds{Start: p.bounds.Start, End: p.after.Offset}, func(r *stream.Record) error {
		if err := v.entry(p, f, r); err != nil {
			return fmt.Errorf("entry %d: %w", r.Offset, err)
		}
		if r.Offset+1 == p.before.Offset {
			v.compareRows(p, f)
		}
		if r.Offset+1 == p.after.Offset {
			if hash := stream.HashValue(r.Value); hash != p.after.Hash {
				return fmt.Errorf("entry %d is not the one that was folded: the journal lost its tail and was written on", r.Offset)
			}
		}
		if (r.Offset+1)%progressEvery == 0 {
			v.cfg.Progress(Progress{Step: "fold", Done: r.Offset + 1, Total: p.after.Offset})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if p.open == nil {
		return fmt.Errorf("offset %d, where the rows were read, is not the end of an entry", p.before.Offset)
	}
	for _, k := range slices.SortedFunc(maps.Keys(p.open), compareRowKeys) {
		_, there := p.rows[k]
		_, said := f.rows[k]
		what := "differs"
		switch {
		case !there:
			what = "missing"
		case !said:
			what = "unexpected"
		}
		v.report.differs("redis/"+tableName(k.Table), k.Pool+" "+k.ID, what, fmt.Sprintf("journal partition %d", p.id))
	}
	v.cfg.Progress(Progress{Step: "fold", Done: p.after.Offset, Total: p.after.Offset})
	return nil
}

// entry folds one entry as a batch of its own.
func (v *verification) entry(p *partition, f *refold, r *stream.Record) error {
	var e record.JournalEntry
	f.decoder.Recycle()
	if err := f.decoder.JournalEntry(r.Value, &e); err != nil {
		return err
	}
	pool := e.Event.PoolID()
	if !f.state.HasPool(pool) {
		v.poolOf[pool] = p.id
		if err := f.state.LoadPool(pool, nil); err != nil {
			return err
		}
	}
	if !v.wanted(pool) {
		return nil
	}
	// Nothing is stored anywhere but in this fold's memory, so what is missing does not exist.
	for f.missing = f.state.Missing(f.missing[:0], &e); len(f.missing) > 0; f.missing = f.state.Missing(f.missing[:0], &e) {
		for _, k := range f.missing {
			if err := f.state.Load(k, nil); err != nil {
				return err
			}
		}
	}
	version := stock.VersionAt(p.after.Generation, r.Offset)
	if err := f.state.Apply(version, &e, &f.changes); err != nil {
		return err
	}
	f.batch.Fill(f.state, &f.changes, p.id, []output.Entry{{Version: version, JournalEntry: &e}})
	f.changes.Reset()
	for i := range f.batch.Messages {
		if m := &f.batch.Messages[i]; v.wantedKey(m.Topic, string(m.Key)) {
			v.met(m, version)
		}
	}
	for i := range f.batch.Marks {
		v.met(&f.batch.Marks[i], version)
	}
	for _, w := range f.batch.Rows {
		v.row(p, f, w)
	}
	return nil
}

// row keeps the fold's new value of a row. A row that was open fits if it had this value when it was read.
func (v *verification) row(p *partition, f *refold, w engine.RowWrite) {
	if w.Value == nil {
		delete(f.rows, w.RowKey)
	} else {
		f.rows[w.RowKey] = maphash.Bytes(v.seed, w.Value)
	}
	if _, open := p.open[w.RowKey]; open && f.fits(p, w.RowKey) {
		delete(p.open, w.RowKey)
	}
}

// fits reports whether Redis and the fold agree on a row.
func (f *refold) fits(p *partition, k engine.RowKey) bool {
	ours, said := f.rows[k]
	theirs, there := p.rows[k]
	return said == there && ours == theirs
}

// compareRows compares every row, both ways.
func (v *verification) compareRows(p *partition, f *refold) {
	p.open = map[engine.RowKey]struct{}{}
	for k := range f.rows {
		v.report.Rows++
		if !f.fits(p, k) {
			p.open[k] = struct{}{}
		}
	}
	for k := range p.rows {
		if _, said := f.rows[k]; !said {
			v.report.Rows++
			p.open[k] = struct{}{}
		}
	}
}

func tableName(t engine.Table) string {
	switch t {
	case engine.TablePool:
		return "pool"
	case engine.TableSeen:
		return "seen"
	case engine.TableStock:
		return "stock"
	case engine.TableListings:
		return "listings"
	case engine.TableOrders:
		return "orders"
	case engine.TableRecent:
		return "recent"
	case engine.TablePromises:
		return "promises"
	case engine.TableItems:
		return "items"
	case engine.TableDue:
		return "due"
	}
	return "unknown"
}

func compareRowKeys(a, b engine.RowKey) int {
	if a.Table != b.Table {
		return int(a.Table) - int(b.Table)
	}
	if c := strings.Compare(a.Pool, b.Pool); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}
