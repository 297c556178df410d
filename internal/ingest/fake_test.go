package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/ingest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const topicID = "6d6f76656d656e7473"

// now is what the clock of a stage under test shows.
var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// A partitionLog is one input partition in memory. It is read in batches of its size; behind its last record a reader
// waits for its context to end.
type partitionLog struct {
	records []stream.Record
	batch   int
	missing bool // reading finds that the next record is gone
}

func (l *partitionLog) add(contentType string, value []byte) {
	l.records = append(l.records, stream.Record{
		Offset: int64(len(l.records)), Time: stock.InstantOf(now), ContentType: contentType, Value: value,
	})
}

func (l *partitionLog) TopicID(context.Context, stream.Topic) (string, error) { return topicID, nil }

func (l *partitionLog) Open(_ context.Context, _ stream.Partition, from int64) (stream.Reader, error) {
	return &logReader{log: l, next: from}, nil
}

type logReader struct {
	log   *partitionLog
	next  int64
	given []stream.Record
}

func (r *logReader) Read(ctx context.Context) ([]stream.Record, error) {
	for _, old := range r.given { // the contract: what was given is valid until now
		clear(old.Key)
		clear(old.Value)
	}
	r.given = nil
	if r.log.missing {
		return nil, fmt.Errorf("read: %w", stream.ErrOutOfRange)
	}
	if r.next >= int64(len(r.log.records)) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	end := min(int(r.next)+r.log.batch, len(r.log.records))
	r.given = slices.Clone(r.log.records[r.next:end])
	for i := range r.given {
		g := &r.given[i]
		g.Key, g.Value = slices.Clone(g.Key), slices.Clone(g.Value)
	}
	r.next = int64(end)
	return r.given, nil
}

func (r *logReader) Close() {}

// outputs keeps what is written. produce, where set, decides what becomes of a call: how many of its messages are
// written, and the error.
type outputs struct {
	mu       sync.Mutex
	written  []stream.Message // guarded by mu
	produced func(ctx context.Context, messages []stream.Message) (int, error)
}

func (o *outputs) Produce(ctx context.Context, messages []stream.Message) error {
	n, err := len(messages), error(nil)
	if o.produced != nil {
		n, err = o.produced(ctx, messages)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range messages[:n] {
		m.Key, m.Value = append([]byte(nil), m.Key...), append([]byte(nil), m.Value...)
		o.written = append(o.written, m)
	}
	return err
}

// tooLarge is what a producer says of messages above its limit.
type tooLarge []int

func (tooLarge) Error() string     { return "too large" }
func (t tooLarge) TooLarge() []int { return t }

func (o *outputs) on(t stream.Topic) (found []stream.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range o.written {
		if m.Topic == t {
			found = append(found, m)
		}
	}
	return found
}

func (o *outputs) entries(t testing.TB) []record.JournalEntry {
	t.Helper()
	var all []record.JournalEntry
	for _, m := range o.on(stream.Journal) {
		var e record.JournalEntry
		if err := codec.DecodeJournalEntry(m.Value, &e); err != nil {
			t.Fatalf("journal entry: %v", err)
		}
		if string(m.Key) != e.Event.PoolID() || m.Partition != stream.Any || m.ContentType != stream.ContentTypeProtobuf {
			t.Errorf("entry of pool %s is written with key %q, partition %d, %q", e.Event.PoolID(), m.Key, m.Partition, m.ContentType)
		}
		all = append(all, e)
	}
	return all
}

func (o *outputs) rejections(t testing.TB) []record.Rejection {
	t.Helper()
	var all []record.Rejection
	for _, m := range o.on(stream.Rejections) {
		var r record.Rejection
		if err := codec.DecodeRejection(m.Value, &r); err != nil {
			t.Fatalf("rejection: %v", err)
		}
		all = append(all, r)
	}
	return all
}

// An assignment of movements/3 that remembers the offset.
type assignment struct {
	topic stream.Topic
	mu    sync.Mutex
	next  int64 // guarded by mu
	done  func(next int64)
	err   error // what Committed says
}

func (a *assignment) Partition() stream.Partition {
	topic := a.topic
	if topic == "" {
		topic = stream.Movements
	}
	return stream.Partition{Topic: topic, ID: 3}
}

func (a *assignment) Committed(context.Context) (int64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.next, a.err
}

func (a *assignment) Commit(ctx context.Context, next int64) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = next
	return nil
}

func (a *assignment) CommitLag(next int64) {
	if a.done != nil {
		a.done(next)
	}
}

func newStage(t testing.TB, cfg ingest.Config, log ingest.Log, out ingest.Outputs) *ingest.Stage {
	t.Helper()
	s, err := ingest.New(cfg, ingest.Deps{
		Log: log, Outputs: out, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// workAll runs the stage over everything in the log and returns its error, nil where it came to the end.
func workAll(t testing.TB, s *ingest.Stage, l *partitionLog, a *assignment) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a.done = func(next int64) {
		if next == int64(len(l.records)) {
			cancel()
		}
	}
	err := s.Work(ctx, a)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// movementOf returns a good movement as JSON.
func movementOf(pool string, n int) []byte {
	return fmt.Appendf(nil, `{"movement":{"pool":%q,"outlet":"MTL","sku":"SKU-%d","kind":"receipt","quantity":1,"occurred_at":"2026-11-20T10:00:00Z","event_id":"e%d"}}`, pool, n%7, n)
}
