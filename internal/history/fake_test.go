package history_test

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A fakeLog is one partition. Records that are added wake its reader.
type fakeLog struct {
	topicID string
	start   int64

	mu      sync.Mutex
	records []stream.Record // guarded by mu
	added   chan struct{}   // guarded by mu; closed when records are added
}

func newFakeLog(records ...stream.Record) *fakeLog {
	return &fakeLog{topicID: "one", records: records, added: make(chan struct{})}
}

func (l *fakeLog) add(records ...stream.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, records...)
	close(l.added)
	l.added = make(chan struct{})
}

func (l *fakeLog) TopicID(context.Context, stream.Topic) (string, error) { return l.topicID, nil }

func (l *fakeLog) Bounds(context.Context, stream.Partition) (stream.Bounds, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := stream.Bounds{Start: l.start, End: l.start}
	if n := len(l.records); n > 0 {
		b.End = l.records[n-1].Offset + 1
	}
	return b, nil
}

func (l *fakeLog) Open(_ context.Context, _ stream.Partition, from int64) (stream.Reader, error) {
	return &fakeReader{log: l, next: from}, nil
}

type fakeReader struct {
	log   *fakeLog
	next  int64
	given []stream.Record
}

func (r *fakeReader) Read(ctx context.Context) ([]stream.Record, error) {
	for _, old := range r.given { // the contract: what was given is valid until now
		clear(old.Key)
		clear(old.Value)
	}
	r.given = nil
	for {
		r.log.mu.Lock()
		var found []stream.Record
		for _, x := range r.log.records {
			if x.Offset >= r.next {
				x.Key, x.Value = slices.Clone(x.Key), slices.Clone(x.Value)
				found = append(found, x)
			}
		}
		added := r.log.added
		r.log.mu.Unlock()
		if len(found) > 0 {
			r.next = found[len(found)-1].Offset + 1
			r.given = found
			return found, nil
		}
		select {
		case <-added:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *fakeReader) Close() {}

var errAway = errors.New("the store is away")

// A fakeStore keeps batches, and is away for a number of calls.
type fakeStore struct {
	mu      sync.Mutex
	batches []history.Batch // guarded by mu
	topicID string
	next    int64 // guarded by mu
	away    int   // guarded by mu: calls that fail yet

	generation     uint8
	generationAway int // calls that fail yet
}

// generationOf says what the journal's generation is, which it is asked for the journal only.
func (s *fakeStore) generationOf(_ context.Context, partition int32, topicID string, _ int64) (uint8, error) {
	if s.generationAway > 0 {
		s.generationAway--
		return 0, errAway
	}
	if partition != 2 || topicID != "one" {
		return 0, errors.New("of another journal")
	}
	return s.generation, nil
}

func (s *fakeStore) answer() error {
	if s.away > 0 {
		s.away--
		return errAway
	}
	return nil
}

func (s *fakeStore) Position(context.Context, stream.Partition) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next, s.answer()
}

func (s *fakeStore) TopicID(context.Context, stream.Partition) (string, error) { return s.topicID, nil }

func (s *fakeStore) Append(_ context.Context, b *history.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.answer(); err != nil {
		return err
	}
	kept := *b
	kept.Rows = append([]history.Row(nil), b.Rows...)
	s.batches = append(s.batches, kept)
	s.next, s.topicID = b.Last+1, b.TopicID
	return nil
}

func (s *fakeStore) sizes() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	sizes := []int{}
	for i := range s.batches {
		sizes = append(sizes, len(s.batches[i].Rows))
	}
	return sizes
}

// A fakeAssignment is one partition of the group.
type fakeAssignment struct {
	partition stream.Partition
	mu        sync.Mutex
	lag       int64 // guarded by mu
}

func (a *fakeAssignment) Partition() stream.Partition              { return a.partition }
func (a *fakeAssignment) Committed(context.Context) (int64, error) { return 99, nil }
func (a *fakeAssignment) Commit(context.Context, int64) error {
	return errors.New("not the group's offset")
}

func (a *fakeAssignment) CommitLag(next int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lag = next
}
