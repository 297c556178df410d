package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// ReadersConfig bounds what a stage holds of what it reads.
type ReadersConfig struct {
	Batch    int // most records that one Read returns; 0 is 10,000
	Together int // one Read may return more than Batch where all open partitions together stay below this
	Buffered int // records a partition may have waiting before it is paused; 0 is twice what one Read may return
	Bytes    int // bytes a partition may have waiting before it is paused; 0 is 32 MiB; about one fetch (4 MiB) more may come
}

// fetchBytes is about how much one fetch brings of a partition, and one Read returns.
const fetchBytes = 4 << 20

// Readers reads partitions over one connection. A partition whose reader is slow is paused and holds up no other. It is safe
// for concurrent use.
type Readers struct {
	cluster  *Cluster
	cfg      ReadersConfig
	client   *kgo.Client
	commands chan func()
	cancel   context.CancelFunc
	done     chan struct{}

	mu   sync.Mutex
	wake context.CancelFunc           // ends the poll under way; guarded by mu
	open map[stream.Partition]*reader // changed by the poll loop only
	live atomic.Int32                 // how many are open
}

// most is how many records one Read returns at most, and buffered how many may wait, as many partitions as are open now.
func (r *Readers) most() int { return max(r.cfg.Batch, r.cfg.Together/max(1, int(r.live.Load()))) }

func (r *Readers) buffered() int {
	if r.cfg.Buffered > 0 {
		return r.cfg.Buffered
	}
	return 2 * r.most()
}

// NewReaders connects. Close must be called.
func (c *Cluster) NewReaders(cfg ReadersConfig) (*Readers, error) {
	if cfg.Batch <= 0 {
		cfg.Batch = 10_000
	}
	if cfg.Bytes <= 0 {
		cfg.Bytes = 32 << 20
	}
	client, err := kgo.NewClient(append(c.options("reader"),
		// NoResetOffset alone would start new partitions at the end; every partition here is given its offset.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		// A partition that is opened joins the next fetch, so this is how long an opening may wait for idle partitions.
		kgo.FetchMaxWait(250*time.Millisecond),
		kgo.FetchMaxBytes(16<<20),
		kgo.FetchMaxPartitionBytes(fetchBytes),
		kgo.MaxConcurrentFetches(4),
		kgo.WithPools(&memory{}),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka reader: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Readers{
		cluster: c, cfg: cfg, client: client, commands: make(chan func(), 64), wake: func() {}, cancel: cancel, done: make(chan struct{}),
		open: map[stream.Partition]*reader{},
	}
	go r.poll(ctx)
	return r, nil
}

// Close ends all reading; readers that are open return an error from then on.
func (r *Readers) Close() {
	r.cancel()
	<-r.done
	r.client.Close()
}

// poll is the one goroutine that talks to the client's consumer. Opening and closing happen between two polls, so that no
// record of an earlier opening can be taken for one of a later.
func (r *Readers) poll(ctx context.Context) {
	defer close(r.done)
	for ctx.Err() == nil {
		pollCtx, wake := context.WithCancel(ctx)
		r.mu.Lock()
		r.wake = wake
		r.mu.Unlock()
		select {
		case command := <-r.commands:
			command()
			wake()
			continue
		default:
		}
		fetches := r.client.PollFetches(pollCtx)
		wake()
		fetches.EachPartition(func(f kgo.FetchTopicPartition) {
			if rd := r.open[stream.Partition{Topic: r.cluster.topic(f.Topic), ID: f.Partition}]; rd != nil {
				rd.deliver(f.Records, f.Err)
			}
		})
	}
	for _, rd := range r.open {
		rd.deliver(nil, kgo.ErrClientClosed)
	}
}

// command runs f between two polls and waits for it.
func (r *Readers) command(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	select {
	case r.commands <- func() { f(); close(ran) }:
	case <-r.done:
		return kgo.ErrClientClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	// Either the loop is in the poll that this ends, or it looks for commands after it has set the next wake.
	r.mu.Lock()
	r.wake()
	r.mu.Unlock()
	select {
	case <-ran:
		return nil
	case <-r.done:
		return kgo.ErrClientClosed
	}
}

// Open reads the partition from offset from on, which is the first record that the reader returns unless it was compacted
// away. A partition is open at most once.
func (r *Readers) Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	rd := &reader{readers: r, partition: p, signal: make(chan struct{}, 1)}
	var taken bool
	err := r.command(ctx, func() {
		if _, taken = r.open[p]; taken {
			return
		}
		r.open[p] = rd
		r.live.Add(1)
		r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{
			r.cluster.name(p.Topic): {p.ID: kgo.NewOffset().At(from)},
		})
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("open %s/%d: %w", p.Topic, p.ID, err)
	case taken:
		return nil, fmt.Errorf("open %s/%d: it is being read already", p.Topic, p.ID)
	}
	return rd, nil
}

// A reader is one open partition.
type reader struct {
	readers   *Readers
	partition stream.Partition
	signal    chan struct{}   // one token when there is something to take
	taken     [][]*kgo.Record // what Read returned last, or is about to
	records   []stream.Record

	mu       sync.Mutex
	queue    []fetched // guarded by mu
	buffered int       // records in queue; guarded by mu
	bytes    int       // their keys and values; guarded by mu
	paused   bool      // guarded by mu
	err      error     // guarded by mu
}

// A fetched is what is left of one fetch of a partition.
type fetched struct {
	records []*kgo.Record
	bytes   int // of their keys and values
}

// deliver is called by the poll loop.
func (rd *reader) deliver(records []*kgo.Record, err error) {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if len(records) > 0 {
		f := fetched{records, size(records)}
		rd.queue = append(rd.queue, f)
		rd.buffered += len(records)
		rd.bytes += f.bytes
		if !rd.paused && (rd.buffered >= rd.readers.buffered() || rd.bytes >= rd.readers.cfg.Bytes) {
			rd.paused = true
			rd.readers.client.PauseFetchPartitions(rd.topicPartitions())
		}
	}
	if err != nil && rd.err == nil {
		rd.err = err
	}
	select {
	case rd.signal <- struct{}{}:
	default:
	}
}

func (rd *reader) topicPartitions() map[string][]int32 {
	return map[string][]int32{rd.readers.cluster.name(rd.partition.Topic): {rd.partition.ID}}
}

// Read implements [stream.Reader].
func (rd *reader) Read(ctx context.Context) ([]stream.Record, error) {
	rd.recycle()
	for {
		if err := rd.take(); err != nil {
			if errors.Is(err, kerr.OffsetOutOfRange) || isDataLoss(err) {
				err = fmt.Errorf("%w: %w", stream.ErrOutOfRange, err)
			}
			return nil, fmt.Errorf("read %s/%d: %w", rd.partition.Topic, rd.partition.ID, err)
		}
		if len(rd.taken) > 0 {
			n := 0
			for _, records := range rd.taken {
				n += len(records)
			}
			rd.records = slices.Grow(rd.records[:0], n)
			for _, records := range rd.taken {
				for _, r := range records {
					rd.records = append(rd.records, recordOf(r))
				}
			}
			return rd.records, nil
		}
		// Nothing is there, so this may take long: what the last batch was fetched in is not kept meanwhile.
		rd.records = nil
		select {
		case <-rd.signal:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// recycle ends the life of what Read returned last.
func (rd *reader) recycle() {
	for _, records := range rd.taken {
		for _, r := range records {
			r.Recycle()
		}
	}
	clear(rd.taken)
	rd.taken = rd.taken[:0]
}

func isDataLoss(err error) bool {
	_, ok := errors.AsType[*kgo.ErrDataLoss](err)
	return ok
}

// take moves a batch from the queue to rd.taken, which is empty; none where nothing is there yet. Records that were fetched come before the error
// that followed them.
//
// A batch joins what several fetches have brought: a consumer for whom every batch takes a while would otherwise never catch up
// with a log that comes in many small ones, each of them a batch of its own.
func (rd *reader) take() error {
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if len(rd.queue) == 0 {
		return rd.err
	}
	most := rd.readers.most()
	records, bytes, whole := 0, 0, 0
	for _, f := range rd.queue {
		if len(rd.taken) > 0 && (records+len(f.records) > most || bytes+f.bytes > fetchBytes) {
			break
		}
		if len(f.records) > most {
			rd.queue[0].records, f.records = f.records[most:], f.records[:most]
			f.bytes = size(f.records)
			rd.queue[0].bytes -= f.bytes
		} else {
			whole++
		}
		rd.taken = append(rd.taken, f.records)
		records, bytes = records+len(f.records), bytes+f.bytes
	}
	rd.queue = slices.Delete(rd.queue, 0, whole)
	rd.buffered -= records
	rd.bytes -= bytes
	if rd.paused && rd.buffered <= rd.readers.buffered()/2 && rd.bytes <= rd.readers.cfg.Bytes/2 {
		rd.paused = false
		rd.readers.client.ResumeFetchPartitions(rd.topicPartitions())
	}
	return nil
}

func size(records []*kgo.Record) (bytes int) {
	for _, r := range records {
		bytes += len(r.Key) + len(r.Value)
	}
	return bytes
}

func recordOf(r *kgo.Record) stream.Record {
	out := stream.Record{
		Offset: r.Offset, LeaderEpoch: r.LeaderEpoch, Time: stock.InstantOf(r.Timestamp), Key: r.Key, Value: r.Value,
	}
	for _, h := range r.Headers {
		switch {
		case h.Key != contentType:
		case string(h.Value) == stream.ContentTypeProtobuf: // of nearly every record: without a copy
			out.ContentType = stream.ContentTypeProtobuf
		default:
			out.ContentType = string(h.Value)
		}
	}
	return out
}

const contentType = "content-type"

// Close implements [stream.Reader].
func (rd *reader) Close() {
	// After Readers.Close there is nothing left to close, which is what the error would say.
	_ = rd.readers.command(context.Background(), func() {
		if rd.readers.open[rd.partition] != rd {
			return
		}
		delete(rd.readers.open, rd.partition)
		rd.readers.live.Add(-1)
		tp := rd.topicPartitions()
		rd.readers.client.RemoveConsumePartitions(tp)
		rd.readers.client.ResumeFetchPartitions(tp)
	})
}
