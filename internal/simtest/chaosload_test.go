//go:build integration && chaos

package simtest_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/internal/verify"
)

// chaosRate bounds the load, and with it what the run leaves on disk: about 1 MB a second.
const chaosRate = 1000

// load sends movements to a topic until ctx ends, then waits until every one is acknowledged. Some are sent twice under one
// identity. It returns what they sum up to.
func (c *chaos) load(ctx context.Context, sent *atomic.Int64) (load, error) {
	l := load{sums: map[shelf]int64{}}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.kafka.address), kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.RequiredAcks(kgo.AllISRAcks()))
	if err != nil {
		return l, err
	}
	defer client.Close()
	r := rand.New(rand.NewPCG(c.seed, 2))
	failed := make(chan error, 1)
	acked := func(_ *kgo.Record, err error) {
		if err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; {
		select {
		case <-tick.C:
		case err := <-failed:
			return l, err
		case <-ctx.Done():
			done, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			return l, client.Flush(done)
		}
		if client.BufferedProduceRecords() > 5*chaosRate {
			continue // the broker is away
		}
		for range chaosRate / 20 {
			s := shelf{fmt.Sprintf("pool%d", r.IntN(loadPools)), fmt.Sprintf("SKU-%04d", r.IntN(loadSKUs)), fmt.Sprintf("O%d", r.IntN(loadOutlets))}
			kind, quantity := "receipt", int64(1+r.IntN(20))
			l.sums[s] += quantity
			if r.IntN(2) == 0 {
				kind = "sale"
				l.sums[s] -= 2 * quantity
			}
			value := fmt.Appendf(nil, `{"movement":{"pool":%q,"outlet":%q,"sku":%q,"kind":%q,"quantity":%d,"occurred_at":%q,"event_id":"c%d"}}`,
				s.pool, s.outlet, s.sku, kind, quantity, time.Now().UTC().Format(time.RFC3339Nano), i)
			i++
			for range 1 + min(1, max(0, r.IntN(50)-48)) {
				client.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: c.in.name + ".movements", Key: []byte(s.pool), Value: value}, acked)
				l.lines++
				sent.Add(1)
			}
		}
	}
}

// A tally is what a check came to.
type tally struct{ entries, again, lost, doubled, different int }

// check compares the journal with the input, Redis and the outputs with the fold of the journal.
func (c *chaos) check(t *testing.T) tally {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	cluster, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{c.kafka.address}, Prefix: c.in.name + "."}, log)
	c.must(err)
	defer cluster.Close()
	readers, err := cluster.NewReaders(kafka.ReadersConfig{})
	c.must(err)
	defer readers.Close()
	store, err := redisstore.Open(t.Context(), redisstore.Config{Addresses: []string{c.redis.address}, Prefix: c.in.name + ":"}, log)
	c.must(err)
	defer func() { _ = store.Close() }()
	topics := chaosTopics{cluster, readers}

	var n tally
	type origin struct {
		partition int32
		pool      string
	}
	highest, taken := map[origin]int64{}, map[int32]map[int64]int{}
	decoder := codec.NewDecoder()
	c.each(topics, stream.Journal, func(r *stream.Record) {
		n.entries++
		decoder.Recycle()
		var e record.JournalEntry
		c.must(decoder.JournalEntry(r.Value, &e))
		if e.Origin.Topic != string(stream.Movements) {
			return
		}
		o := origin{e.Origin.Partition, e.Event.PoolID()}
		if at, ok := highest[o]; ok && e.Origin.Offset <= at {
			n.again++ // the engine passes over it
			return
		}
		highest[o] = e.Origin.Offset
		if taken[o.partition] == nil {
			taken[o.partition] = map[int64]int{}
		}
		taken[o.partition][e.Origin.Offset]++
	})
	partitions, err := cluster.Partitions(t.Context(), stream.Movements)
	c.must(err)
	for id := range partitions {
		b, err := cluster.Bounds(t.Context(), stream.Partition{Topic: stream.Movements, ID: id})
		c.must(err)
		for offset := b.Start; offset < b.End; offset++ {
			switch times := taken[id][offset]; {
			case times == 0:
				n.lost++
			case times > 1:
				n.doubled++
			}
		}
	}
	report, err := verify.Run(t.Context(), verify.Config{}, verify.Deps{Log: topics, Store: store})
	c.must(err)
	n.different = report.Differences
	for _, d := range report.Details {
		t.Logf("verify: %s", d)
	}
	return n
}

// each calls f with every record of a topic.
func (c *chaos) each(topics chaosTopics, topic stream.Topic, f func(*stream.Record)) {
	c.t.Helper()
	partitions, err := topics.Partitions(c.t.Context(), topic)
	c.must(err)
	for id := range partitions {
		p := stream.Partition{Topic: topic, ID: id}
		b, err := topics.Bounds(c.t.Context(), p)
		c.must(err)
		c.must(verify.EachRecord(c.t.Context(), topics, p, b, 0, func(r *stream.Record) error { f(r); return nil }))
	}
}

type chaosTopics struct {
	*kafka.Cluster
	readers *kafka.Readers
}

func (t chaosTopics) Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	return t.readers.Open(ctx, p, from)
}
