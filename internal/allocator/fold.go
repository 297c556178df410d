package allocator

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/output"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// prefetchRounds bounds how often a batch's missing rows are asked for together. Each round asks for what the rows of the round
// before have named (an order that waits for a SKU, the other SKUs of that order); what is still missing then is loaded when
// its entry is due.
const prefetchRounds = 3

// A batch is a run of entries with what it says and where it leads. It belongs to one goroutine at a time.
type batch struct {
	out          output.Batch
	before, next stream.Position

	entries, resent int
	firstEntry      stock.Instant
	perTopic        map[stream.Topic]int
	rejections      map[string]int // by class
}

// A fold is the state of one partition in memory, as its only writer keeps it.
type fold struct {
	store     Store
	partition int32

	state   *engine.State
	changes engine.Changes
	missing []engine.RowKey
	// incomplete is scratch of prefetch.
	incomplete []output.Entry

	// ends are where the newest batches end, the oldest first; the last is the position of the state in memory. While one batch is
	// filled all others may be on their way, so for as long as the partition is ours the store is at one of these.
	ends [batches]stream.Position
}

// newFold returns a fold that goes on from the stored position, zero where nothing is stored.
func newFold(store Store, partition int32, stored stream.Position) *fold {
	f := &fold{store: store, partition: partition, state: engine.NewState()}
	f.committed(stored)
	return f
}

// committed notes that everything up to the position is committed.
func (f *fold) committed(at stream.Position) {
	for i := range f.ends {
		f.ends[i] = at
	}
}

// last is the position of the state in memory, which the store will be at when all batches are committed.
func (f *fold) last() stream.Position { return f.ends[batches-1] }

// ours reports whether a position found in the store is one that this worker has put there, or is about to.
func (f *fold) ours(stored stream.Position) bool { return slices.Contains(f.ends[:], stored) }

// batch folds the run and fills b with what it has to say. After an error the fold must not be used any more.
func (f *fold) batch(ctx context.Context, r *run, b *batch) error {
	f.changes.Reset()
	prefetched, looked := prefetchedNone, 0
	for i, e := range r.entries {
		if i == looked {
			looked += f.state.Look(r.records[i:])
		}
		if err := f.need(ctx, r, i, &prefetched); err != nil {
			return err
		}
		if err := f.state.Apply(e.Version, e.JournalEntry, &f.changes); err != nil {
			return stream.Alarm(fmt.Errorf("fold entry %d: %w", e.Version.Offset(), err))
		}
	}
	var rows sync.WaitGroup
	rows.Go(func() { b.out.FillRows(f.state, &f.changes) })
	b.out.FillMessages(f.state, &f.changes, f.partition, r.entries)
	rows.Wait()
	f.describe(r, b)
	b.before, b.next = f.last(), r.end
	copy(f.ends[:], f.ends[1:])
	f.ends[batches-1] = r.end
	return nil
}

// evict lets go of rows until at most keep are held. Everything that was folded has been committed: rows of the last batch may be
// loaded from now on.
func (f *fold) evict(keep int) {
	f.committed(f.last())
	f.changes.Reset()
	f.state.Evict(keep)
}

// What has been loaded ahead of a run.
type prefetched int

const (
	prefetchedNone   prefetched = iota
	prefetchedOrders            // for all entries but movements
	prefetchedAll
)

// need loads what entry i of the run needs. The first that needs something loads for all that follow as well: a movement for every one,
// anything else for its like, since orders are new in nearly every run and what moves is mostly in memory.
func (f *fold) need(ctx context.Context, r *run, i int, done *prefetched) error {
	e := r.entries[i].JournalEntry
	if err := f.pool(ctx, e.Event.PoolID()); err != nil {
		return err
	}
	f.missing = f.state.Missing(f.missing[:0], e)
	if len(f.missing) == 0 {
		return nil
	}
	load := prefetchedOrders
	if e.Event.Movement != nil {
		load = prefetchedAll
	}
	if load > *done {
		*done = load
		if err := f.prefetch(ctx, r, i, load); err != nil {
			return err
		}
		f.missing = f.state.Missing(f.missing[:0], e)
	}
	for len(f.missing) > 0 {
		if err := f.load(ctx, f.missing); err != nil {
			return err
		}
		f.missing = f.state.Missing(f.missing[:0], e)
	}
	return nil
}

// prefetch loads what these of the run's entries need from the first on, as far as it can be told before they are applied. Later
// rounds only look at the entries that were not complete: memory only grows.
func (f *fold) prefetch(ctx context.Context, r *run, first int, load prefetched) error {
	f.incomplete = f.incomplete[:0]
	for _, e := range r.entries[first:] {
		if load == prefetchedAll || e.Event.Movement == nil {
			f.incomplete = append(f.incomplete, e)
		}
	}
	for round := range prefetchRounds {
		f.missing = f.missing[:0]
		left := f.incomplete[:0]
		looked := 0
		for i, e := range f.incomplete {
			if round == 0 && load == prefetchedAll && i == looked {
				looked += f.state.Glance(r.records[first+i:])
			}
			if err := f.pool(ctx, e.Event.PoolID()); err != nil {
				return err
			}
			before := len(f.missing)
			if f.missing = f.state.Missing(f.missing, e.JournalEntry); len(f.missing) > before {
				left = append(left, e)
			}
		}
		f.incomplete = left
		if len(left) == 0 {
			return nil
		}
		if err := f.load(ctx, f.missing); err != nil {
			return err
		}
	}
	return nil
}

// pool loads the tables of a pool that are kept whole.
func (f *fold) pool(ctx context.Context, id string) error {
	if f.state.HasPool(id) {
		return nil
	}
	rows, at, err := f.store.LoadPool(ctx, f.partition, id)
	if err != nil {
		return alarmIfDamaged(fmt.Errorf("load pool: %w", err))
	}
	if err := f.asOf(at); err != nil {
		return err
	}
	if at == (stream.Position{}) && len(rows) > 0 {
		return stream.Alarm(fmt.Errorf("the store has %d rows of pool %q but no position: restore a copy of the state, or delete the rows too if the journal is whole", len(rows), id))
	}
	if err := f.state.LoadPool(id, rows); err != nil {
		return stream.Alarm(err)
	}
	return nil
}

// load loads rows, each once.
func (f *fold) load(ctx context.Context, keys []engine.RowKey) error {
	wanted := make(map[engine.RowKey]struct{}, len(keys))
	unique := keys[:0]
	for _, k := range keys {
		if _, twice := wanted[k]; !twice {
			wanted[k] = struct{}{}
			unique = append(unique, k)
		}
	}
	values, at, err := f.store.Load(ctx, f.partition, unique)
	if err != nil {
		return alarmIfDamaged(err)
	}
	if err := f.asOf(at); err != nil {
		return err
	}
	for i, k := range unique {
		if k.Table == engine.TableStock && values[i] != nil {
			if err := f.torn(k, values[i]); err != nil {
				return err
			}
		}
		if err := f.state.Load(k, values[i]); err != nil {
			return stream.Alarm(err)
		}
	}
	return nil
}

// asOf makes sure that rows are from a state that this worker knows. Rows that another owner has already carried further must
// not be folded into: the outputs would be wrong before the commit could tell.
func (f *fold) asOf(at stream.Position) error {
	if f.ours(at) {
		return nil
	}
	return fmt.Errorf("%w: it is at %v, expected was %v", ErrMoved, at, f.last())
}

// torn stops the partition at a row that is newer than the position it was stored with: a commit that was applied by half (a
// restored file, keys copied by hand). Rows that this worker has changed since the oldest position are in memory and never loaded.
func (f *fold) torn(k engine.RowKey, value []byte) error {
	oldest := f.ends[0]
	v, ok := output.StockVersion(value)
	if ok && v <= stock.VersionAt(oldest.Generation, oldest.Offset-1) {
		return nil
	}
	return stream.Alarm(fmt.Errorf("stock row %q of pool %q is of version %d, but the stored position is %v: rows and position do not belong together, restore a copy of the state",
		k.ID, k.Pool, v, oldest))
}

// describe counts what the batch says, for metrics.
func (f *fold) describe(r *run, b *batch) {
	b.entries, b.resent = f.changes.Entries, f.changes.Resent
	b.firstEntry = r.entries[0].EntryTime
	if b.perTopic == nil {
		b.perTopic, b.rejections = map[stream.Topic]int{}, map[string]int{}
	}
	clear(b.perTopic)
	clear(b.rejections)
	for i := range b.out.Messages {
		b.perTopic[b.out.Messages[i].Topic]++
	}
	if n := len(b.out.Marks); n > 0 {
		b.perTopic[stream.Offers] += n
	}
	rejections := f.changes.Rejections()
	for i := range rejections {
		b.rejections[rejections[i].Class]++
	}
}
