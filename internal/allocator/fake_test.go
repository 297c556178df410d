package allocator_test

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const journalID = "6a6f75726e616c"

// journal is a log of one partition in memory.
type journal struct {
	mu      sync.Mutex
	id      string          // guarded by mu
	records []stream.Record // guarded by mu; records[0] has offset start
	start   int64           // guarded by mu
	more    chan struct{}   // guarded by mu; closed when something is appended
	batch   int             // how many records one read returns at most
}

func newJournal(batch int) *journal {
	return &journal{id: journalID, more: make(chan struct{}), batch: batch}
}

func (j *journal) append(entries ...record.JournalEntry) {
	for i := range entries {
		j.appendRaw(codec.AppendJournalEntry(nil, &entries[i]))
	}
}

func (j *journal) appendRaw(value []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, stream.Record{Offset: j.start + int64(len(j.records)), LeaderEpoch: 2, ContentType: stream.ContentTypeProtobuf, Value: value})
	close(j.more)
	j.more = make(chan struct{})
}

// trim deletes what is before start.
func (j *journal) trim(start int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = j.records[start-j.start:]
	j.start = start
}

// loseTail deletes what is from end on.
func (j *journal) loseTail(end int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = slices.Clone(j.records[:end-j.start])
}

func (j *journal) TopicID(context.Context, stream.Topic) (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.id, nil
}

func (j *journal) Bounds(context.Context, stream.Partition) (stream.Bounds, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return stream.Bounds{Start: j.start, End: j.start + int64(len(j.records))}, nil
}

func (j *journal) Open(_ context.Context, _ stream.Partition, from int64) (stream.Reader, error) {
	return &reader{journal: j, next: from}, nil
}

type reader struct {
	journal *journal
	next    int64
	given   []stream.Record
}

func (r *reader) Read(ctx context.Context) ([]stream.Record, error) {
	for _, old := range r.given { // the contract: what was given is valid until now
		clear(old.Value)
	}
	for {
		r.journal.mu.Lock()
		i, more := r.next-r.journal.start, r.journal.more
		if i < 0 || i > int64(len(r.journal.records)) {
			r.journal.mu.Unlock()
			return nil, stream.ErrOutOfRange
		}
		r.given = slices.Clone(r.journal.records[i:min(int64(len(r.journal.records)), i+int64(r.journal.batch))])
		r.journal.mu.Unlock()
		if len(r.given) > 0 {
			for k := range r.given {
				r.given[k].Value = slices.Clone(r.given[k].Value)
			}
			r.next += int64(len(r.given))
			return r.given, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *reader) Close() {}

// topics keeps what was produced.
type topics struct {
	mu       sync.Mutex
	messages []stream.Message // guarded by mu
	// fault, where set, is asked before and after the messages are kept; an error is returned to the producer.
	fault func(after bool) error
}

func (t *topics) Produce(ctx context.Context, messages []stream.Message) error {
	if err := errors.Join(ctx.Err(), t.ask(false)); err != nil {
		return err
	}
	t.mu.Lock()
	for _, m := range messages {
		m.Key, m.Value, m.PartitionKey = slices.Clone(m.Key), slices.Clone(m.Value), slices.Clone(m.PartitionKey)
		t.messages = append(t.messages, m)
	}
	t.mu.Unlock()
	return t.ask(true)
}

func (t *topics) ask(after bool) error {
	if t.fault == nil {
		return nil
	}
	return t.fault(after)
}

func (t *topics) all() []stream.Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.messages)
}

// faultyStore asks fault before and after each commit; an error is returned to the caller.
type faultyStore struct {
	allocator.Store
	fault func(after bool) error
}

func (f faultyStore) Commit(ctx context.Context, partition int32, expected, next stream.Position, rows []engine.RowWrite) error {
	if err := f.fault(false); err != nil {
		return err
	}
	if err := f.Store.Commit(ctx, partition, expected, next, rows); err != nil {
		return err
	}
	return f.fault(true)
}

// assignment is a partition that the group has given away for good.
type assignment struct {
	mu        sync.Mutex
	committed int64         // guarded by mu
	changed   chan struct{} // guarded by mu; closed when committed changes
	refuse    error         // what Commit says
}

func newAssignment() *assignment { return &assignment{committed: -1, changed: make(chan struct{})} }

func (*assignment) Partition() stream.Partition {
	return stream.Partition{Topic: stream.Journal, ID: 3}
}

func (a *assignment) Committed(context.Context) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.committed, nil
}

func (a *assignment) Commit(_ context.Context, next int64) error {
	if a.refuse == nil {
		a.CommitLag(next)
	}
	return a.refuse
}

func (a *assignment) CommitLag(next int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.committed = next
	close(a.changed)
	a.changed = make(chan struct{})
}
