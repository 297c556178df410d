// Package verify proves an installation: it folds the journal again from its first entry, with nothing but the journal, and
// compares what comes out with what is there: every row in Redis, every record of the output topics, and the newest rows of the
// history. Where the beginning of the journal is gone the fold begins with a snapshot, which is a fold of it.
//
// It only reads, and it may run beside a pipeline at work. Which versions were written depends on how the entries were cut into
// batches, so it asks of the topics: each record equals the fold at its own version, and the newest of each key is there.
//
// It holds the whole fold in memory, and a hash for every row and record.
package verify

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Log gives the topics to read. It is safe for concurrent use.
type Log interface {
	Opener
	// TopicID returns the id that the topic got when it was created.
	TopicID(ctx context.Context, t stream.Topic) (string, error)
	// Partitions returns how many partitions the topic has.
	Partitions(ctx context.Context, t stream.Topic) (int32, error)
	// Bounds returns which offsets the partition holds now.
	Bounds(ctx context.Context, p stream.Partition) (stream.Bounds, error)
}

// A Store holds the rows to compare.
type Store interface {
	// Meta returns the position of a journal partition, zero where nothing was committed.
	Meta(ctx context.Context, partition int32) (stream.Position, error)
	// EachRow calls f with every row of a journal partition once. Rows that are written meanwhile may be seen before or after
	// the change.
	EachRow(ctx context.Context, partition int32, f func(engine.RowWrite) error) error
}

// A Base is a state that the fold begins with instead of the journal's first entry.
type Base interface {
	// Position returns where the state of a journal partition stands.
	Position(partition int32) (stream.Position, error)
	// EachRow calls f with every row of the partition once. f may keep the row.
	EachRow(partition int32, f func(engine.RowWrite) error) error
}

// Config says what is compared.
type Config struct {
	Pool string // only this pool; "" is all
	Base Base   // where the fold begins; nil: with the first entry of the journal
	// HistoryWait is how long the history may take to catch up with the topics; 0 is 30 s.
	HistoryWait time.Duration
	// Quiet is how long a topic may give nothing before its end is believed; 0 is 5 s. It only matters for a topic whose
	// last records were removed.
	Quiet time.Duration
	// Progress, where set, is called now and then from the goroutine that called Run.
	Progress func(Progress)
}

// Progress says how far Run is.
type Progress struct {
	Step        string // rows, outputs, fold, history
	Done, Total int64  // of the step; Total 0: not known
}

const defaultQuiet = 5 * time.Second

// Deps is what Run reads.
type Deps struct {
	Log     Log
	Store   Store
	History History // nil: the history is not compared
}

// A Report is what was compared and what differed.
type Report struct {
	Rows        int          // rows and records compared
	Differences int          // all of them
	Details     []Difference // the first MaxDetails
	Notes       []string     // what could not be compared, and why
}

// MaxDetails bounds Report.Details.
const MaxDetails = 100

// A Difference is one row or record that is not what the fold says.
type Difference struct {
	Where string // redis/stock, …, a topic's name, or history/…
	Key   string
	What  string // missing, unexpected, differs
	Note  string // more, for people
}

// String returns the difference as one line.
func (d Difference) String() string {
	s := d.Where + " " + d.Key + ": " + d.What
	if d.Note != "" {
		s += " (" + d.Note + ")"
	}
	return s
}

func (r *Report) differs(where, key, what, note string) {
	r.Differences++
	if len(r.Details) < MaxDetails {
		r.Details = append(r.Details, Difference{Where: where, Key: key, What: what, Note: note})
	}
}

// Run compares everything and returns what it found. An error says that the comparison could not be made; differences are not an
// error.
func Run(ctx context.Context, cfg Config, deps Deps) (Report, error) {
	if cfg.HistoryWait == 0 {
		cfg.HistoryWait = 30 * time.Second
	}
	if cfg.Progress == nil {
		cfg.Progress = func(Progress) {}
	}
	v := &verification{cfg: cfg, deps: deps, seed: maphash.MakeSeed(), said: newSaid()}
	if err := v.run(ctx); err != nil {
		return Report{}, fmt.Errorf("verify: %w", err)
	}
	return v.report, nil
}

type verification struct {
	cfg    Config
	deps   Deps
	seed   maphash.Seed
	report Report

	partitions []*partition
	said       *said
	poolOf     map[string]int32 // journal partition of every pool that the fold met
}

// run takes what is there in the order in which it is made durable, last first: rows and position, then outputs. So whatever the
// position covers must be among the outputs, and rows and outputs beyond it are not held against a pipeline at work.
func (v *verification) run(ctx context.Context) error {
	n, err := v.deps.Log.Partitions(ctx, stream.Journal)
	if err != nil {
		return fmt.Errorf("ask for the journal's partitions: %w", err)
	}
	for id := range n {
		p, err := v.readRows(ctx, id)
		if err != nil {
			return err
		}
		v.partitions = append(v.partitions, p)
	}
	if err := v.readOutputs(ctx); err != nil {
		return err
	}
	v.poolOf = map[string]int32{}
	tail := false
	for _, p := range v.partitions {
		if err := v.fold(ctx, p); err != nil {
			return fmt.Errorf("journal partition %d: %w", p.id, err)
		}
		tail = tail || p.bounds.End > p.after.Offset
	}
	v.compareOutputs(tail)
	if v.deps.History == nil {
		return nil
	}
	return v.compareHistory(ctx)
}

// A partition is one journal partition with the rows that Redis had.
type partition struct {
	id            int32
	bounds        stream.Bounds
	base          stream.Position          // where the fold begins
	before, after stream.Position          // before and after the rows were read
	rows          map[engine.RowKey]uint64 // hash of each value

	// open are the rows that did not fit the fold at before. One that is being written may fit at a later entry, up to after.
	open map[engine.RowKey]struct{}
}

func (v *verification) readRows(ctx context.Context, id int32) (*partition, error) {
	p := &partition{id: id, rows: map[engine.RowKey]uint64{}}
	var err error
	if p.before, err = v.deps.Store.Meta(ctx, id); err != nil {
		return nil, err
	}
	err = v.deps.Store.EachRow(ctx, id, func(w engine.RowWrite) error {
		if v.wanted(w.Pool) {
			p.rows[w.RowKey] = maphash.Bytes(v.seed, w.Value)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the rows of journal partition %d: %w", id, err)
	}
	if p.after, err = v.deps.Store.Meta(ctx, id); err != nil {
		return nil, err
	}
	if p.after.Offset < p.before.Offset {
		return nil, fmt.Errorf("the position of journal partition %d went back from %v to %v meanwhile: try again", id, p.before, p.after)
	}
	if p.bounds, err = v.deps.Log.Bounds(ctx, stream.Partition{Topic: stream.Journal, ID: id}); err != nil {
		return nil, err
	}
	v.cfg.Progress(Progress{Step: "rows", Done: int64(id) + 1})
	if err := v.usable(ctx, p); err != nil {
		return nil, err
	}
	if p.base.Offset > 0 {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("journal partition %d: begun with the snapshot at offset %d: outputs of entries before it were not compared", id, p.base.Offset))
	}
	return p, nil
}

// usable refuses a journal that the state cannot be compared with.
func (v *verification) usable(ctx context.Context, p *partition) error {
	topicID, err := v.deps.Log.TopicID(ctx, stream.Journal)
	if err != nil {
		return err
	}
	if v.cfg.Base != nil {
		if p.base, err = v.cfg.Base.Position(p.id); err != nil {
			return err
		}
	}
	switch {
	case p.base == stream.Position{} && p.bounds.Start > 0:
		return fmt.Errorf("journal partition %d begins at offset %d: what was before it is gone, and a fold that begins in the middle proves nothing. "+
			"Begin with a snapshot from before that offset", p.id, p.bounds.Start)
	case p.base.Offset < p.bounds.Start:
		return fmt.Errorf("the snapshot of journal partition %d is at offset %d, but the journal begins at offset %d: begin with a newer one", p.id, p.base.Offset, p.bounds.Start)
	case p.base != stream.Position{} && p.base.TopicID != topicID:
		return fmt.Errorf("the snapshot of journal partition %d was folded from journal %s, but the journal is now %s", p.id, p.base.TopicID, topicID)
	case p.base.Offset > p.before.Offset:
		return fmt.Errorf("the snapshot of journal partition %d is at offset %d, newer than the state at %d: wait until the allocator has got there, or begin with an older one",
			p.id, p.base.Offset, p.before.Offset)
	case p.after != stream.Position{} && p.after.TopicID != topicID:
		return fmt.Errorf("the state of journal partition %d was folded from journal %s, but the journal is now %s", p.id, p.after.TopicID, topicID)
	case p.after.Offset > p.bounds.End:
		return fmt.Errorf("the state of journal partition %d is at offset %d, but the journal ends at %d: it lost its tail", p.id, p.after.Offset, p.bounds.End)
	}
	return nil
}

func (v *verification) wanted(pool string) bool { return v.cfg.Pool == "" || v.cfg.Pool == pool }

// each reads the records of a partition from its start up to end.
func (v *verification) each(ctx context.Context, p stream.Partition, b stream.Bounds, f func(r *stream.Record) error) error {
	return EachRecord(ctx, v.deps.Log, p, b, v.cfg.Quiet, f)
}

// An Opener opens partitions to read.
type Opener interface {
	// Open starts to read a partition at offset from.
	Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error)
}

// EachRecord calls f with the records of a partition from the start of the bounds up to their end, which must not lie beyond the
// partition's. quiet is how long a topic may give nothing before its end is believed; 0 is 5 s. It only matters where the last records
// were removed, and a journal that gives nothing before its end is an error.
func EachRecord(ctx context.Context, log Opener, p stream.Partition, b stream.Bounds, quiet time.Duration, f func(r *stream.Record) error) error {
	if b.Start >= b.End {
		return nil
	}
	if quiet == 0 {
		quiet = defaultQuiet
	}
	reader, err := log.Open(ctx, p, b.Start)
	if err != nil {
		return fmt.Errorf("open %s/%d: %w", p.Topic, p.ID, err)
	}
	defer reader.Close()
	for next := b.Start; next < b.End; {
		waiting, cancel := context.WithTimeout(ctx, quiet)
		records, err := reader.Read(waiting)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil && p.Topic != stream.Journal {
			return nil // the last offsets of a compacted topic may hold nothing any more
		}
		if err != nil {
			return fmt.Errorf("read %s/%d at offset %d: %w", p.Topic, p.ID, next, err)
		}
		for i := range records {
			if records[i].Offset >= b.End {
				return nil
			}
			if err := f(&records[i]); err != nil {
				return err
			}
			next = records[i].Offset + 1
		}
	}
	return nil
}
