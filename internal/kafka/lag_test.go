package kafka_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// After the last record of a quiet partition no other commit comes that would make up for the one that was refused.
func TestTheLastOffsetOfAQuietPartitionIsCommitted(t *testing.T) {
	c, broker := start(t)
	refusal := broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.RebalanceInProgress, Count: 1})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- c.RunGroup(ctx, kafka.GroupConfig{Group: "g", Topics: []stream.Topic{stream.Journal}}, func(ctx context.Context, a stream.Assignment) error {
			if a.Partition().ID == 1 {
				a.CommitLag(7)
			}
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for committed := int64(-1); committed != 7; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("offset %d is committed, want 7", committed)
		}
		offsets, err := c.Committed(t.Context(), "g", stream.Journal)
		if err != nil {
			t.Fatal(err)
		}
		committed = offsets[1]
	}
	if n := refusal.Hits(); n == 0 {
		t.Error("no commit was refused")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("RunGroup() = %v", err)
	}
}
