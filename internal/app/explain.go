package app

import (
	"context"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/explain"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/snapshot"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/internal/verify"
)

// ExplainOptions say which told number is explained.
type ExplainOptions struct {
	Pool, Channel, SKU string
	At                 stock.Instant // the newest that was told until then; 0: the newest
	Limit              int           // entries of each number; > 0
	// Snapshot is where the fold begins. Where none is named: with the journal's first entry, or, where that is gone, with the oldest
	// snapshot that an embedded installation made for itself.
	Snapshot string
	// Progress, where set, is called now and then with the entries that were read and how many there are.
	Progress func(done, total int64)
}

// An Explanation leads from what a channel was told to the journal.
type Explanation struct {
	Told      auditview.ToldRow
	Partition int32           // of the journal
	Base      stream.Position // where the fold began; zero: with the journal's first entry
	Numbers   []explain.Number
}

// Explain finds what a channel was told and folds the journal of its pool up to the offer that it came from.
func (inst *Installation) Explain(ctx context.Context, o ExplainOptions) (Explanation, error) {
	var x Explanation
	past, err := inst.History(ctx)
	if err != nil {
		return x, err
	}
	if x.Told, err = findTold(ctx, past, o); err != nil {
		return x, err
	}
	state, store, partition, err := inst.loadPool(ctx, o.Pool)
	if err != nil {
		return x, err
	}
	x.Partition = partition
	q := explain.Question{Pool: o.Pool, Channel: o.Channel, SKU: o.SKU, Until: x.Told.OfferVersion, Limit: o.Limit, Parts: partsOf(state.Catalogue(o.Pool), o.SKU)}
	now, err := store.Meta(ctx, partition)
	if err != nil {
		return x, err
	}
	log, err := inst.snapshotLog(ctx)
	if err != nil {
		return x, err
	}
	journal := stream.Partition{Topic: stream.Journal, ID: partition}
	bounds, err := log.Bounds(ctx, journal)
	if err != nil {
		return x, err
	}
	if now.Generation != x.Told.OfferVersion.Generation() {
		return x, fmt.Errorf("the offer is of generation %d of the journal, which is now at %d: its entries are in a journal that is gone", x.Told.OfferVersion.Generation(), now.Generation)
	}
	begin := stream.Position{TopicID: now.TopicID, Generation: now.Generation}
	var rows replay.Rows
	if path := o.Snapshot; path != "" || bounds.Start > 0 {
		if path == "" {
			path = inst.oldestState()
		}
		if path == "" {
			return x, fmt.Errorf("the journal begins at offset %d, what was before it is gone: name a snapshot from before %s (--snapshot)", bounds.Start, x.Told.OfferedAt)
		}
		if begin, rows, err = poolRows(ctx, path, log, o.Pool, partition); err != nil {
			return x, err
		}
		if x.Base = begin; begin == (stream.Position{}) {
			begin.TopicID, begin.Generation = now.TopicID, now.Generation
		}
	}
	end := x.Told.OfferVersion.Offset() + 1
	if begin.Offset >= end {
		return x, fmt.Errorf("the offer was made by entry %d, but the fold begins at %d: name an older snapshot that the journal, which begins at %d, still reaches back to (--snapshot)", end-1, begin.Offset, bounds.Start)
	}
	fold, err := replay.New(partition, begin, rows)
	if err != nil {
		return x, err
	}
	trace, err := explain.New(q, fold)
	if err != nil {
		return x, err
	}
	err = verify.EachRecord(ctx, log, journal, stream.Bounds{Start: begin.Offset, End: min(end, bounds.End)}, 0, func(r *stream.Record) error {
		if o.Progress != nil && r.Offset%shadowProgressEvery == 0 {
			o.Progress(r.Offset-begin.Offset, end-begin.Offset)
		}
		return trace.Fold(r)
	})
	if err != nil {
		return x, fmt.Errorf("fold journal partition %d: %w", partition, err)
	}
	x.Numbers = trace.Numbers()
	return x, nil
}

// partsOf returns the components of a kit as they are in force now; none of what is no kit.
func partsOf(catalogue []record.Event, sku string) []string {
	var parts []string
	for i := range catalogue {
		if k := catalogue[i].Kit; k != nil && k.SKU == sku {
			for _, c := range k.Components {
				parts = append(parts, c.SKU)
			}
		}
	}
	return parts
}

// oldestState returns the oldest snapshot of an embedded installation, "" where there is none.
func (inst *Installation) oldestState() string {
	path := ""
	for _, p := range inst.stateFiles() {
		if exists(p) {
			path = p
		}
	}
	return path
}

// poolRows returns a pool's rows from a snapshot that the journal goes on from, and where that is.
func poolRows(ctx context.Context, path string, log snapshotLog, pool string, partition int32) (stream.Position, replay.Rows, error) {
	f, err := snapshot.Open(path)
	if err != nil {
		return stream.Position{}, nil, err
	}
	defer f.Close()
	at, err := f.Fits(ctx, log, partition)
	if err != nil {
		return at, nil, fmt.Errorf("%s: %w", path, err)
	}
	rows := replay.Rows{}
	err = f.EachRow(partition, func(w engine.RowWrite) error {
		if w.Pool == pool {
			rows[w.RowKey] = w.Value
		}
		return nil
	})
	if err != nil {
		return at, nil, fmt.Errorf("%s: %w", path, err)
	}
	return at, rows, nil
}

const (
	toldPage  = 500
	toldPages = 40 // at most so many are looked through
)

// findTold returns the newest communication until a moment that the channel acknowledged, or else the newest that asked for a level.
func findTold(ctx context.Context, past auditview.Queries, o ExplainOptions) (auditview.ToldRow, error) {
	var asked *auditview.ToldRow
	f := auditview.ToldFilter{Pool: o.Pool, Channel: o.Channel, SKU: o.SKU, Limit: toldPage}
	for range toldPages {
		rows, err := past.Told(ctx, f)
		if err != nil {
			return auditview.ToldRow{}, err
		}
		for i := range rows {
			r := &rows[i]
			if r.Kind == record.ReadLevel || r.OfferVersion == 0 || o.At != 0 && r.RecordedAt > o.At {
				continue
			}
			if r.State == record.Acknowledged {
				return *r, nil
			}
			if asked == nil {
				asked = r
			}
		}
		if len(rows) < toldPage {
			break
		}
		f.Before = rows[len(rows)-1].Offset
	}
	if asked == nil {
		return auditview.ToldRow{}, fmt.Errorf("channel %s was told nothing about SKU %q until then: `shelfwire told` shows what there is", stream.JoinKey(o.Pool, o.Channel), o.SKU)
	}
	return *asked, nil
}
