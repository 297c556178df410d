// Package peers holds what the allocator is measured against: the least that anybody must do with the same records, and what is
// usually written first.
package peers

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/benchmarks/workload"
)

// A Task is records to be worked off, from an offset of the one partition of a topic on, to a topic that is empty.
type Task struct {
	Brokers  []string
	From, To string
	First    int64 // where [Copy] begins; the others begin at the start
	Records  int
}

// Copy is the limit: one bare client reads the records and writes the same bytes, as fast as it can. It returns records per second.
func Copy(ctx context.Context, t Task) (perSecond float64, err error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(t.Brokers...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.From: {0: kgo.NewOffset().At(t.First)}}),
		kgo.DefaultProduceTopic(t.To),
		kgo.ProducerBatchCompression(kgo.SnappyCompression()),
		kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(100_000),
	)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	var failed workload.Failure
	begin := time.Now()
	for read := 0; read < t.Records; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return 0, err
		}
		for r := range fetches.RecordsAll() {
			read++
			client.Produce(ctx, &kgo.Record{Key: r.Key, Value: r.Value}, failed.Acked)
		}
	}
	if err := client.Flush(ctx); err != nil {
		return 0, err
	}
	return float64(t.Records) / time.Since(begin).Seconds(), failed.Error()
}
