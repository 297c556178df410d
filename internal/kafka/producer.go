package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// ProducerConfig bounds what is written.
type ProducerConfig struct {
	MaxRecordBytes int // a larger key + value is refused before anything is sent; 0 is 1,900,000
	Calls          int // most calls at a time, each over connections of its own; others wait; 0 is 32
}

// keptRecords is how large a call may be for its scratch to be kept.
const keptRecords = 1 << 17

// together is how many records of a call leave in one request to a broker, if they are small enough for one.
const together = 1000

// slowAfter is how long messages wait for their acks before that is said.
const slowAfter = 10 * time.Second

// A TooLargeError says which messages of a Produce are too large; none of the call was sent. It wraps [stream.ErrTooLarge].
type TooLargeError struct{ Indexes []int }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("messages %v: %v", e.Indexes, stream.ErrTooLarge)
}

func (e *TooLargeError) Unwrap() error { return stream.ErrTooLarge }

// TooLarge returns the indexes of the messages that were too large.
func (e *TooLargeError) TooLarge() []int { return e.Indexes }

// A Producer writes messages. It is safe for concurrent use; what two calls write to one partition may interleave.
//
// Each call has a client to itself while it runs. In a client that several calls share, their records travel in common
// batches, and when a record fails the client gives up what it holds for that partition but takes what comes after: what
// is left of one call then goes out in a batch that another call has begun, past its own record that failed. A client whose
// call failed is closed, so that nothing of it can follow.
type Producer struct {
	cluster  *Cluster
	cfg      ProducerConfig
	together int
	// protobuf is the header of most records, made once.
	protobuf []kgo.RecordHeader
	// calls has room for as many calls as may run at a time.
	calls chan struct{}
	// waiting is set while it has been said that acks are late.
	waiting atomic.Bool

	mu         sync.Mutex
	closed     bool                   // guarded by mu
	clients    map[*client]bool       // whether it is idle; guarded by mu
	partitions map[stream.Topic]int32 // guarded by mu
}

// A client serves one call at a time.
type client struct {
	*kgo.Client
	records []kgo.Record // scratch of a call, empty between two: of a full batch it is a megabyte
}

// errClosed is returned by Produce after Close.
var errClosed = errors.New("the producer is closed")

// NewProducer returns a producer, which connects when it is used. Close must be called.
func (c *Cluster) NewProducer(cfg ProducerConfig) (*Producer, error) {
	if cfg.MaxRecordBytes <= 0 {
		cfg.MaxRecordBytes = 1_900_000
	}
	if cfg.Calls <= 0 {
		cfg.Calls = 32
	}
	p := &Producer{
		cluster: c, cfg: cfg, together: together, calls: make(chan struct{}, cfg.Calls), clients: map[*client]bool{}, partitions: map[stream.Topic]int32{},
		protobuf: []kgo.RecordHeader{{Key: contentType, Value: []byte(stream.ContentTypeProtobuf)}},
	}
	// One client is made at once: it finds what is wrong with the settings, and has connected when it is first needed.
	first, err := p.take()
	if err != nil {
		return nil, err
	}
	p.give(first, true)
	return p, nil
}

// take returns an idle client, or a new one.
func (p *Producer) take() (*client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	for c, idle := range p.clients {
		if idle {
			p.clients[c] = false
			return c, nil
		}
	}
	kc, err := kgo.NewClient(append(p.cluster.options("producer"),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.SnappyCompression()),
		kgo.ProducerBatchMaxBytes(2<<20),
		kgo.ManualFlushing(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(200_000),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	c := &client{Client: kc}
	p.clients[c] = false
	return c, nil
}

// give takes back a client, which is used again only if its call went well.
func (p *Producer) give(c *client, well bool) {
	p.mu.Lock()
	if well && !p.closed {
		p.clients[c] = true
		p.mu.Unlock()
		return
	}
	delete(p.clients, c)
	p.mu.Unlock()
	c.Close()
}

// Close ends the connections. What is being written is dropped, and its calls return an error.
func (p *Producer) Close() {
	p.mu.Lock()
	p.closed = true
	clients := slices.Collect(maps.Keys(p.clients))
	p.mu.Unlock()
	for _, c := range clients {
		c.Close()
	}
}

// Produce writes the messages and returns when every one is acknowledged. Messages of one partition keep their order, and
// after a failure no later message of the call passes the failed one. Brokers that are away, or that have too few copies in
// sync, are waited for until ctx ends; that it takes long is said once.
// A [TooLargeError] says that nothing was sent; after any other error each message may or may not have been written.
func (p *Producer) Produce(ctx context.Context, messages []stream.Message) error {
	if len(messages) == 0 {
		return nil
	}
	var large []int
	for i := range messages {
		if len(messages[i].Key)+len(messages[i].Value) > p.cfg.MaxRecordBytes {
			large = append(large, i)
		}
	}
	if large != nil {
		return &TooLargeError{large}
	}
	slow := time.AfterFunc(slowAfter, func() {
		if p.cluster.outage.lasts() {
			return // has been said
		}
		if p.waiting.CompareAndSwap(false, true) {
			p.cluster.log.WarnContext(ctx, "waiting for kafka to acknowledge", "messages", len(messages), "after", slowAfter)
		}
	})
	defer slow.Stop()
	select {
	case p.calls <- struct{}{}:
		defer func() { <-p.calls }()
	case <-ctx.Done():
		return fmt.Errorf("write %d messages: %w", len(messages), ctx.Err())
	}
	c, err := p.take()
	if err != nil {
		return err
	}
	records, err := p.fill(ctx, c, messages)
	if err != nil {
		p.give(c, true)
		return err
	}
	if err = p.write(ctx, c.Client, records); err == nil {
		clear(records) // else they go with the client
	}
	p.give(c, err == nil)
	switch {
	case err == nil:
		if p.waiting.CompareAndSwap(true, false) {
			p.cluster.log.InfoContext(ctx, "kafka acknowledges again")
		}
		return nil
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("write %d messages: the topic's max.message.bytes is below this program's limit: run `shelfwire topics apply`: %w: %w",
			len(messages), stream.ErrTooLarge, err)
	}
	return fmt.Errorf("write %d messages: %w", len(messages), err)
}

// write has the client, which it uses alone, write the records. After an error the client must be closed.
func (p *Producer) write(ctx context.Context, client *kgo.Client, records []kgo.Record) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A record that is on its way outlives its context, for as long as the broker is away, but not its client.
	closed := make(chan struct{})
	unlink := context.AfterFunc(ctx, func() {
		defer close(closed)
		client.Close()
	})
	var wg sync.WaitGroup
	wg.Add(len(records))
	// The first failure ends the call's context, so that records behind the failed one are given up, not sent after it.
	acked := func(_ *kgo.Record, err error) {
		if err != nil {
			cancel(err)
		}
		wg.Done()
	}
	// A client that sends as soon as it is given a record makes several requests of a small call, the first of them with next to
	// nothing. Of a large one the first records are better on their way while the last are still being packed.
	flush := func() { _ = client.Flush(ctx) } // what goes wrong, acked hears
	var early sync.WaitGroup
	for i := range records {
		if i == p.together {
			early.Go(flush)
		}
		client.Produce(ctx, &records[i], acked)
	}
	flush()
	wg.Wait()
	early.Wait()
	if !unlink() {
		<-closed
	}
	return context.Cause(ctx)
}

// fill makes the records in c's scratch. The client is done with them, and with the messages' slices, when every one of them is
// acknowledged or has failed.
func (p *Producer) fill(ctx context.Context, c *client, messages []stream.Message) ([]kgo.Record, error) {
	if cap(c.records) < len(messages) || cap(c.records) > keptRecords {
		c.records = make([]kgo.Record, len(messages))
	}
	records := c.records[:len(messages)]
	var name string
	var partitions int32
	now := time.Now() // of all: else the client asks the clock for each
	for i := range messages {
		r, m := &records[i], &messages[i]
		if i == 0 || m.Topic != messages[i-1].Topic { // most follow another of their topic
			name, partitions = p.cluster.name(m.Topic), 0
		}
		r.Topic, r.Key, r.Value, r.Partition, r.Timestamp = name, m.Key, m.Value, m.Partition, now
		switch m.ContentType {
		case "":
		case stream.ContentTypeProtobuf:
			r.Headers = p.protobuf
		default:
			r.Headers = []kgo.RecordHeader{{Key: contentType, Value: []byte(m.ContentType)}}
		}
		if m.Partition >= 0 {
			continue
		}
		if partitions == 0 {
			var err error
			if partitions, err = p.count(ctx, m.Topic); err != nil {
				clear(records)
				return nil, err
			}
		}
		key := m.PartitionKey
		if len(key) == 0 {
			key = m.Key
		}
		r.Partition = PartitionOf(key, partitions)
	}
	return records, nil
}

// count returns how many partitions the topic has. Partitions are for life, so it is asked for once.
func (p *Producer) count(ctx context.Context, t stream.Topic) (int32, error) {
	p.mu.Lock()
	n, ok := p.partitions[t]
	p.mu.Unlock()
	if ok {
		return n, nil
	}
	n, err := p.cluster.Partitions(ctx, t)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	p.partitions[t] = n
	p.mu.Unlock()
	return n, nil
}

// PartitionOf returns the partition that every Kafka client's default partitioner gives a key among n. It is computed here because
// the client only offers it together with a sticky partitioner, whose making costs more than all the rest of a record.
func PartitionOf(key []byte, n int32) int32 { return int32(murmur2(key)&0x7fffffff) % n }

// murmur2 is the 32-bit hash of that name with the seed that Kafka's clients have agreed on.
func murmur2(b []byte) uint32 {
	const (
		seed  = 0x9747b28c
		mix   = 0x5bd1e995
		shift = 24
	)
	h := uint32(seed) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * mix
		k = (k ^ k>>shift) * mix
		h = h*mix ^ k
	}
	for i := len(b) - 1; i >= 0; i-- {
		h ^= uint32(b[i]) << (8 * i)
		if i == 0 {
			h *= mix
		}
	}
	h = (h ^ h>>13) * mix
	return h ^ h>>15
}
