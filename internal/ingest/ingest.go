// Package ingest is the first stage: it takes events from Kafka topics and over HTTP, checks them, and puts those of one pool
// in one order, the journal. What is wrong becomes a rejection with its place and its reason and never stops a partition.
//
// It is at-least-once and keeps order: one bounded batch is on its way at a time, the next only after every ack, and after any
// failure it starts again from the committed offset. The engine makes that exactly once, since every entry names the origin it
// was made from and the engine skips what is not above the newest it has folded. A later record must therefore never pass an
// earlier one.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Log gives the input topics to read. It is safe for concurrent use.
type Log interface {
	Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error)
	// TopicID returns the id that the topic got when it was created.
	TopicID(ctx context.Context, t stream.Topic) (string, error)
}

// Outputs takes what ingest writes. It is safe for concurrent use.
type Outputs interface {
	// Produce writes the messages and returns when every one is acknowledged. Messages of one partition keep their order, and
	// after a failure no later message passes the failed one. An error that has a method TooLarge() []int says which messages
	// are too large for ever, and that none was sent; after any other error each may or may not have been written.
	Produce(ctx context.Context, messages []stream.Message) error
}

// Config holds the stage's settings.
type Config struct {
	// Token, where set, must come with every HTTP request as "Authorization: Bearer …".
	Token string
	// Senders are the channels whose webhooks are taken.
	Senders []Sender
	// AckTimeout bounds how long an HTTP request waits for Kafka; 0 is 10 s.
	AckTimeout time.Duration
}

// Deps are what the stage works with.
type Deps struct {
	Log        Log
	Outputs    Outputs
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// A Stage takes in events.
type Stage struct {
	cfg     Config
	deps    Deps
	metrics *metrics
	bodies  *semaphore.Weighted // bytes of HTTP bodies in memory
}

// New returns a stage that is ready to work.
func New(cfg Config, deps Deps) (*Stage, error) {
	if cfg.AckTimeout <= 0 {
		cfg.AckTimeout = 10 * time.Second
	}
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, err
	}
	return &Stage{cfg: cfg, deps: deps, metrics: m, bodies: semaphore.NewWeighted(maxBodiesBytes)}, nil
}

// Work copies one partition of an input topic to the journal until ctx ends.
func (s *Stage) Work(ctx context.Context, a stream.Assignment) error {
	p := a.Partition()
	id, err := s.deps.Log.TopicID(ctx, p.Topic)
	if err != nil {
		return err
	}
	from, err := s.start(ctx, a)
	if err != nil {
		return err
	}
	reader, err := s.deps.Log.Open(ctx, p, from)
	if err != nil {
		return err
	}
	defer reader.Close()
	w := copier{stage: s, partition: p, topicID: id, previous: map[string]int64{}, decoder: codec.NewDecoder()}
	done := int64(-1) // what has been copied, where that is not committed yet
	defer func() {
		if done >= 0 {
			s.commitLast(ctx, a, done)
		}
	}()
	for {
		records, err := reader.Read(ctx)
		if errors.Is(err, stream.ErrOutOfRange) {
			return stream.Alarm(fmt.Errorf("records were deleted before they were taken in, or the topic lost its tail: "+
				"find out what is missing, then stop ingest, run `shelfwire origins accept %s` and start again: %w", p.Topic, err))
		}
		if err != nil {
			return err
		}
		// Durability, in order: the journal and the rejections acknowledged, then the offset that says so. The offset may
		// follow some time later: what is sent again after a crash is skipped, and waiting for each commit would cost every
		// batch more than all else together.
		if err := w.copy(ctx, records); err != nil {
			return err
		}
		done = records[len(records)-1].Offset + 1
		a.CommitLag(done)
	}
}

// lastWords is how long a partition that is taken away, or a process that stops, still waits for what is on its way.
const lastWords = 5 * time.Second

// commitLast commits what the worker has done, so that its successor starts there.
func (s *Stage) commitLast(ctx context.Context, a stream.Assignment, next int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	if err := a.Commit(ctx, next); err != nil {
		p := a.Partition()
		s.deps.Logger.WarnContext(ctx, "last offset not committed: some records will be sent again, and skipped",
			"topic", p.Topic, "partition", p.ID, "err", err)
	}
}

// outlive returns a context that ends d after ctx. A batch that is given up has to be sent again; one that is nearly there need
// not be.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unlink := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { unlink(); cancel() }
}

// start returns the offset to go on from. Without one the topic is not the one that was taken in so far, or nobody knows: a person
// must say that its records are new, since every one of them would count, also those that came by the old topic. The first offsets
// of an installation are set when its topics are made.
func (s *Stage) start(ctx context.Context, a stream.Assignment) (int64, error) {
	from, err := a.Committed(ctx)
	t := a.Partition().Topic
	switch {
	case errors.Is(err, stream.ErrOtherTopic):
		return 0, stream.Alarm(fmt.Errorf("topic %s was deleted and made again. If nothing in it was taken in before, stop ingest, run `shelfwire origins accept %s`, and start again: %w", t, t, err))
	case err != nil:
		return 0, err
	case from < 0:
		return 0, stream.Alarm(fmt.Errorf("nobody knows how far %s/%d was taken in: the topic was made again, or ingest was away for longer than the broker keeps offsets. "+
			"If nothing in it was taken in before, or the topic is still the same, stop ingest, run `shelfwire origins accept %s`, and start again", t, a.Partition().ID, t))
	}
	return from, nil
}

// A copier turns the records of one input partition into journal entries.
type copier struct {
	stage     *Stage
	partition stream.Partition
	topicID   string
	// previous is the origin offset of the newest entry sent for each pool since this copier began.
	previous map[string]int64
	decoder  *codec.Decoder
	messages []stream.Message
	arena    []byte
}

// copy writes the records to the journal, or to the rejections, and returns when all of it is acknowledged.
func (w *copier) copy(ctx context.Context, records []stream.Record) error {
	ctx, cancel := outlive(ctx, lastWords)
	defer cancel()
	now := stock.InstantOf(w.stage.deps.Now())
	previous := maps.Clone(w.previous)
	accepted := w.fill(records, nil, now)
	err := w.stage.deps.Outputs.Produce(ctx, w.messages)
	if large, ok := errors.AsType[tooLarge](err); ok {
		// An entry is its event and little more, so these are events at the very limit. The entries are made anew without them,
		// since each names the one before it.
		w.previous = previous
		accepted = w.fill(records, large.TooLarge(), now)
		err = w.stage.deps.Outputs.Produce(ctx, w.messages)
	}
	if err != nil {
		return fmt.Errorf("copy %d records of %s/%d: %w", len(records), w.partition.Topic, w.partition.ID, err)
	}
	w.stage.metrics.records(w.partition.Topic, accepted, len(records)-accepted)
	return nil
}

// fill makes one message of each record, in order, and returns how many are entries. Those in tooLarge are not.
func (w *copier) fill(records []stream.Record, tooLarge []int, now stock.Instant) (accepted int) {
	w.messages, w.arena = w.messages[:0], w.arena[:0]
	defer w.decoder.Recycle() // no movement outlives its entry, and what the records were fetched in may go
	var event record.Event
	for i := range records {
		r := &records[i]
		reject := judge(w.decoder.Event, w.partition.Topic, r.ContentType, r.Value, now, &event)
		if reject == nil && slices.Contains(tooLarge, i) {
			reject = &record.Rejection{Class: "too_large", Reason: "is too large for the journal", Pool: event.PoolID()}
		}
		if reject != nil {
			w.messages = append(w.messages, w.rejection(reject, r, now))
			continue
		}
		w.messages = append(w.messages, w.entry(&event, r, now))
		accepted++
	}
	return accepted
}

// tooLarge is the error of an Outputs that refused messages for their size.
type tooLarge interface {
	error
	TooLarge() []int
}

func (w *copier) entry(event *record.Event, r *stream.Record, now stock.Instant) stream.Message {
	pool := event.PoolID()
	previous, ok := w.previous[pool]
	if !ok {
		previous = -1
	}
	w.previous[pool] = r.Offset
	e := record.JournalEntry{Event: *event, EntryTime: now, Origin: record.Origin{
		TopicID: w.topicID, Topic: string(w.partition.Topic), Partition: w.partition.ID, Offset: r.Offset, Previous: previous, Time: r.Time,
	}}
	start := len(w.arena)
	w.arena = codec.AppendJournalEntry(w.arena, &e)
	return stream.Message{
		Topic: stream.Journal, Partition: stream.Any, Key: []byte(pool), Value: w.arena[start:len(w.arena):len(w.arena)],
		ContentType: stream.ContentTypeProtobuf,
	}
}

func (w *copier) rejection(reject *record.Rejection, r *stream.Record, now stock.Instant) stream.Message {
	reject.Topic, reject.Partition, reject.Offset, reject.RejectedAt = string(w.partition.Topic), w.partition.ID, r.Offset, now
	key := string(w.partition.Topic) + "/" + strconv.Itoa(int(w.partition.ID)) + "/" + strconv.FormatInt(r.Offset, 10)
	return rejectionMessage(key, reject, r.Value)
}

// keptBytes is how much of a rejected value is kept.
const keptBytes = 900_000

func rejectionMessage(key string, reject *record.Rejection, value []byte) stream.Message {
	reject.Value = value
	if len(value) > keptBytes {
		reject.Value = slices.Clip(value[:keptBytes])
		reject.Reason += fmt.Sprintf(" (the first %d of %d bytes are kept)", keptBytes, len(value))
	}
	return stream.Message{
		Topic: stream.Rejections, Partition: stream.Any, Key: []byte(key), Value: codec.AppendRejection(nil, reject),
		ContentType: stream.ContentTypeProtobuf,
	}
}
