package kafka_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// inGroup runs f as the worker of journal partition 0 and returns when it has.
func inGroup(t *testing.T, c *kafka.Cluster, f func(ctx context.Context, a stream.Assignment)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err := c.RunGroup(ctx, kafka.GroupConfig{Group: "g", Topics: []stream.Topic{stream.Journal}}, func(ctx context.Context, a stream.Assignment) error {
		if a.Partition().ID == 0 {
			f(ctx, a)
			cancel()
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// admin returns a client that knows nothing of the topics yet.
func admin(t *testing.T, broker *kfake.Cluster) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// An offset that was committed for a topic that has been made again must not be taken for one of the new topic.
func TestAnOffsetOfATopicThatIsGoneIsNone(t *testing.T) {
	c, broker := start(t)
	journal := stream.Partition{Topic: stream.Journal, ID: 0}
	produce(t, c, 0, "a", "b", "c")
	inGroup(t, c, func(ctx context.Context, a stream.Assignment) {
		if err := a.Commit(ctx, 2); err != nil {
			t.Error(err)
		}
		a.CommitLag(3) // which is committed at the end
	})
	if at, err := c.Committed(t.Context(), "g", stream.Journal); err != nil || at[0] != 3 {
		t.Fatalf("Committed() = %v, %v, want 3", at, err)
	}
	kept, err := admin(t, broker).FetchOffsets(t.Context(), "test.g")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin(t, broker).DeleteTopics(t.Context(), "test.journal"); err != nil {
		t.Fatal(err)
	}
	c = open(t, broker.ListenAddrs(), "test.") // a client goes on for half a minute with the id of a topic that it knew
	if _, err := c.ApplyTopics(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	// The broker may have forgotten the offset with the topic; a commit that was on its way puts it back.
	var late kadm.Offsets
	old, _ := kept.Lookup("test.journal", 0)
	late.Add(kadm.Offset{Topic: "test.journal", At: old.At, LeaderEpoch: -1, Metadata: old.Metadata})
	if err := admin(t, broker).CommitAllOffsets(t.Context(), "test.g", late); err != nil {
		t.Fatal(err)
	}
	if at, err := c.Committed(t.Context(), "g", stream.Journal); err != nil || len(at) > 0 {
		t.Errorf("Committed() = %v, %v, want none", at, err)
	}
	inGroup(t, c, func(ctx context.Context, a stream.Assignment) {
		if at, err := a.Committed(ctx); !errors.Is(err, stream.ErrOtherTopic) {
			t.Errorf("Committed() = %d, %v, want ErrOtherTopic", at, err)
		}
		if err := c.Accept(ctx, "g", stream.Journal, false); !errors.Is(err, kafka.ErrAtWork) {
			t.Errorf("Accept() under a group at work = %v, want ErrAtWork", err)
		}
	})
	produce(t, c, 0, "x", "y")
	for _, test := range []struct {
		atEnd bool
		want  int64
	}{{false, 0}, {true, 2}} {
		if err := c.Accept(t.Context(), "g", stream.Journal, test.atEnd); err != nil {
			t.Fatal(err)
		}
		inGroup(t, c, func(ctx context.Context, a stream.Assignment) {
			if at, err := a.Committed(ctx); err != nil || at != test.want {
				t.Errorf("Committed() of %v after Accept(atEnd %v) = %d, %v, want %d", journal, test.atEnd, at, err, test.want)
			}
		})
	}
}
