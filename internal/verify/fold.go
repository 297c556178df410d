package verify

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// progressEvery is how many entries lie between two calls of Progress.
const progressEvery = 20_000

// begin returns the fold of the partition where it begins.
func (v *verification) begin(p *partition) (*replay.Fold, error) {
	at := p.base
	if at == (stream.Position{}) {
		at = stream.Position{TopicID: p.after.TopicID, Generation: p.after.Generation}
	}
	rows := replay.Rows{}
	if v.cfg.Base != nil {
		err := v.cfg.Base.EachRow(p.id, func(w engine.RowWrite) error {
			if v.wanted(w.Pool) {
				rows[w.RowKey] = w.Value
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	f, err := replay.New(p.id, at, rows)
	if err != nil {
		return nil, err
	}
	f.Only(v.cfg.Pool)
	return f, nil
}

// fold folds the partition's entries up to the position after the rows were read, compares the outputs entry by entry, and the
// rows at the position before they were read.
func (v *verification) fold(ctx context.Context, p *partition) error {
	f, err := v.begin(p)
	if err != nil {
		return err
	}
	if p.before.Offset == p.base.Offset {
		if p.base != (stream.Position{}) && p.before.Hash != p.base.Hash {
			return fmt.Errorf("the state and the snapshot are both at offset %d, but of different entries: the journal lost its tail and was written on", p.base.Offset)
		}
		v.compareRows(p, f)
	}
	journal := stream.Partition{Topic: stream.Journal, ID: p.id}
	err = v.each(ctx, journal, stream.Bounds{Start: p.base.Offset, End: p.after.Offset}, func(r *stream.Record) error {
		if err := v.entry(p, f, r); err != nil {
			return err
		}
		if r.Offset+1 == p.before.Offset {
			v.compareRows(p, f)
		}
		if r.Offset+1 == p.after.Offset && f.Position().Hash != p.after.Hash {
			return fmt.Errorf("entry %d is not the one that was folded: the journal lost its tail and was written on", r.Offset)
		}
		if (r.Offset+1)%progressEvery == 0 {
			v.cfg.Progress(Progress{Step: "fold", Done: r.Offset + 1 - p.base.Offset, Total: p.after.Offset - p.base.Offset})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if p.open == nil {
		return fmt.Errorf("offset %d, where the rows were read, is not the end of an entry", p.before.Offset)
	}
	for _, pool := range f.Pools() {
		v.poolOf[pool] = p.id
	}
	for _, k := range slices.SortedFunc(maps.Keys(p.open), engine.CompareRowKeys) {
		_, there := p.rows[k]
		_, said := f.Rows()[k]
		what := "differs"
		switch {
		case !there:
			what = "missing"
		case !said:
			what = "unexpected"
		}
		v.report.differs("redis/"+k.Table.String(), k.Pool+" "+k.ID, what, fmt.Sprintf("journal partition %d", p.id))
	}
	v.cfg.Progress(Progress{Step: "fold", Done: p.after.Offset - p.base.Offset, Total: p.after.Offset - p.base.Offset})
	return nil
}

// entry folds one entry as a batch of its own. A row that was open fits if it had its new value when it was read.
func (v *verification) entry(p *partition, f *replay.Fold, r *stream.Record) error {
	b, err := f.Say(r)
	if err != nil || b == nil {
		return err
	}
	version := stock.VersionAt(p.after.Generation, r.Offset)
	for i := range b.Messages {
		if m := &b.Messages[i]; v.wantedKey(m.Topic, string(m.Key)) {
			v.met(m, version)
		}
	}
	for i := range b.Marks {
		v.met(&b.Marks[i], version)
	}
	for _, w := range b.Rows {
		if _, open := p.open[w.RowKey]; open && v.fits(p, f, w.RowKey) {
			delete(p.open, w.RowKey)
		}
	}
	return nil
}

// fits reports whether Redis and the fold agree on a row.
func (v *verification) fits(p *partition, f *replay.Fold, k engine.RowKey) bool {
	ours, said := f.Rows()[k]
	theirs, there := p.rows[k]
	return said == there && (!said || maphash.Bytes(v.seed, ours) == theirs)
}

// compareRows compares every row, both ways.
func (v *verification) compareRows(p *partition, f *replay.Fold) {
	p.open = map[engine.RowKey]struct{}{}
	for k := range f.Rows() {
		v.report.Rows++
		if !v.fits(p, f, k) {
			p.open[k] = struct{}{}
		}
	}
	for k := range p.rows {
		if _, said := f.Rows()[k]; !said {
			v.report.Rows++
			p.open[k] = struct{}{}
		}
	}
}
