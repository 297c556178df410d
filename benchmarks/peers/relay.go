package peers

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Relay is the limit of latency: a bare client that writes what it reads to another topic as soon as it has it, until ctx ends.
func Relay(ctx context.Context, brokers []string, from, to string) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(from), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.DefaultProduceTopic(to), kgo.ProducerLinger(0),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	failed := make(chan error, 1)
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil && ctx.Err() == nil {
			return fmt.Errorf("relay %s: %w", from, err)
		}
		for r := range fetches.RecordsAll() {
			client.Produce(ctx, &kgo.Record{Key: r.Key, Value: r.Value}, func(_ *kgo.Record, err error) {
				if err != nil && !errors.Is(err, context.Canceled) {
					select {
					case failed <- err:
					default:
					}
				}
			})
		}
		select {
		case err := <-failed:
			return fmt.Errorf("relay to %s: %w", to, err)
		default:
		}
	}
	return nil
}
