package peers

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
)

// commitEvery is how many records the naive consumer works off between two commits of its offset.
const commitEvery = 100

// Naive is what is usually written first: a consumer of a group that adds each movement to a counter in Redis and then tells the
// new count, and waits for both before it takes the next record. It keeps no order of versions, counts a record twice that it
// is given twice, and knows neither orders nor offers. group and prefix, of its keys in Redis, are to be of this call alone. It
// returns records per second.
func Naive(ctx context.Context, t Task, redisAddress, group, prefix string) (perSecond float64, err error) {
	counters := redis.NewClient(&redis.Options{Addr: redisAddress})
	defer func() { _ = counters.Close() }()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(t.Brokers...),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(t.From), kgo.DisableAutoCommit(),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.DefaultProduceTopic(t.To),
		kgo.ProducerLinger(0),
	)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	var begin time.Time
	for done := 0; ; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return 0, err
		}
		if begin.IsZero() {
			begin = time.Now() // joining the group is not counted
		}
		for r := range fetches.RecordsAll() {
			if err := count(ctx, counters, client, prefix, r); err != nil {
				return 0, err
			}
			if done++; done%commitEvery == 0 || done == t.Records {
				if err := client.CommitRecords(ctx, r); err != nil {
					return 0, fmt.Errorf("commit the offset: %w", err)
				}
			}
			if done == t.Records {
				return float64(done) / time.Since(begin).Seconds(), nil
			}
		}
	}
}

// count works off one record.
func count(ctx context.Context, counters *redis.Client, client *kgo.Client, prefix string, r *kgo.Record) error {
	var e record.JournalEntry
	if err := codec.DecodeJournalEntry(r.Value, &e); err != nil {
		return err
	}
	m := e.Event.Movement
	onHand, err := counters.HIncrBy(ctx, prefix+m.SKU, m.Outlet, int64(m.Kind.Delta(m.Quantity))).Result()
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	value := `{"sku":` + strconv.Quote(m.SKU) + `,"outlet":` + strconv.Quote(m.Outlet) + `,"on_hand":` + strconv.FormatInt(onHand, 10) + `}`
	return client.ProduceSync(ctx, &kgo.Record{Key: []byte(m.SKU), Value: []byte(value)}).FirstErr()
}
