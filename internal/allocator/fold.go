package allocator

import (
	"context"
	"fmt"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/output"
	"github.com/shelfwire/shelfwire/internal/record"
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
	decoder *codec.Decoder
	entries []record.JournalEntry
	run     []output.Entry
	missing []engine.RowKey
	// incomplete is scratch of prefetch.
	incomplete []output.Entry

	topicID    string
	generation uint8
	// last is the position of the state in memory, which the store will be at when the last batch handed over is committed;
	// previous is where it is until then. For as long as the partition is ours the store is at one of the two.
	last, previous stream.Position
}

// newFold returns a fold that goes on from the stored position, zero where nothing is stored.
func newFold(store Store, partition int32, topicID string, stored stream.Position) *fold {
	return &fold{
		store: store, partition: partition, topicID: topicID, generation: stored.Generation,
		state: engine.NewState(), decoder: codec.NewDecoder(), last: stored, previous: stored,
	}
}

// ours reports whether a position found in the store is one that this worker has put there, or is about to.
func (f *fold) ours(stored stream.Position) bool { return stored == f.last || stored == f.previous }

// batch folds the records and fills b with what they have to say. After an error the fold must not be used any more.
func (f *fold) batch(ctx context.Context, records []stream.Record, b *batch, maxSkew time.Duration) error {
	if err := f.decode(records, maxSkew); err != nil {
		return stream.Alarm(err)
	}
	f.changes.Reset()
	prefetched := false
	for i := range f.run {
		e := f.run[i]
		if err := f.need(ctx, i, &prefetched); err != nil {
			return err
		}
		if err := f.state.Apply(e.Version, e.JournalEntry, &f.changes); err != nil {
			return stream.Alarm(fmt.Errorf("fold entry %d: %w", records[i].Offset, err))
		}
	}
	b.out.Fill(f.state, &f.changes, f.partition, f.run)
	f.describe(b)

	end := records[len(records)-1]
	b.before = f.last
	b.next = stream.Position{
		TopicID: f.topicID, Generation: f.generation, Offset: end.Offset + 1,
		LeaderEpoch: end.LeaderEpoch, Hash: stream.HashValue(end.Value),
	}
	f.previous, f.last = f.last, b.next
	return nil
}

// decode reads the records and makes the runtime's checks. Ingest wrote the journal, so what does not decode was written by a
// newer program or by a stranger: it must not be guessed.
func (f *fold) decode(records []stream.Record, maxSkew time.Duration) error {
	if cap(f.entries) < len(records) {
		f.entries = make([]record.JournalEntry, len(records))
	}
	f.entries, f.run = f.entries[:len(records)], f.run[:0]
	// The engine keeps strings of entries only, so the movements of the last batch may be written over.
	f.decoder.Recycle()
	latest := now().Add(maxSkew)
	for i := range records {
		e := &f.entries[i]
		if err := f.decoder.JournalEntry(records[i].Value, e); err != nil {
			return fmt.Errorf("read entry %d: %w", records[i].Offset, err)
		}
		if e.EntryTime > latest {
			return fmt.Errorf("entry %d was journalled at %v, which is more than %v ahead of this machine's clock (%v): set the clock of the ingest machine, or of this one, and start again",
				records[i].Offset, e.EntryTime, maxSkew, now())
		}
		f.run = append(f.run, output.Entry{Version: stock.VersionAt(f.generation, records[i].Offset), JournalEntry: e})
	}
	return nil
}

// need loads what the run's entry i needs. The first entry that needs something loads for all that follow as well.
func (f *fold) need(ctx context.Context, i int, prefetched *bool) error {
	if err := f.pool(ctx, f.run[i].Event.PoolID()); err != nil {
		return err
	}
	f.missing = f.state.Missing(f.missing[:0], f.run[i].JournalEntry)
	if len(f.missing) == 0 {
		return nil
	}
	if !*prefetched {
		*prefetched = true
		if err := f.prefetch(ctx, f.run[i:]); err != nil {
			return err
		}
		f.missing = f.state.Missing(f.missing[:0], f.run[i].JournalEntry)
	}
	for len(f.missing) > 0 {
		if err := f.load(ctx, f.missing); err != nil {
			return err
		}
		f.missing = f.state.Missing(f.missing[:0], f.run[i].JournalEntry)
	}
	return nil
}

// prefetch loads what the entries of run need, as far as it can be told before they are applied. Later rounds only look at the
// entries that were not complete: memory only grows.
func (f *fold) prefetch(ctx context.Context, run []output.Entry) error {
	f.incomplete = append(f.incomplete[:0], run...)
	for range prefetchRounds {
		f.missing = f.missing[:0]
		left := f.incomplete[:0]
		for _, e := range f.incomplete {
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
	return fmt.Errorf("%w: it is at %v, expected was %v", ErrMoved, at, f.last)
}

// torn stops the partition at a row that is newer than the position it was stored with: a commit that was applied by half (a
// restored file, keys copied by hand). Rows that this worker has changed are in memory and never loaded.
func (f *fold) torn(k engine.RowKey, value []byte) error {
	v, ok := output.StockVersion(value)
	if ok && v <= stock.VersionAt(f.generation, f.previous.Offset-1) {
		return nil
	}
	return stream.Alarm(fmt.Errorf("stock row %q of pool %q is of version %d, but the stored position is %v: rows and position do not belong together, restore a copy of the state",
		k.ID, k.Pool, v, f.previous))
}

// describe counts what the batch says, for metrics.
func (f *fold) describe(b *batch) {
	b.entries, b.resent = f.changes.Entries, f.changes.Resent
	b.firstEntry = f.run[0].EntryTime
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
