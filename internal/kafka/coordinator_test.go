package kafka_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// A broker that is new has no coordinator of groups for some seconds: the first command of an installation must not fail by it.
func TestCommittedWaitsForACoordinator(t *testing.T) {
	c, broker := start(t)
	fault := broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1})
	later := time.AfterFunc(600*time.Millisecond, fault.Remove)
	defer later.Stop()
	committed, err := c.Committed(t.Context(), "ingest", stream.Movements)
	if err != nil || len(committed) != 0 {
		t.Errorf("Committed() = %v, %v, want none", committed, err)
	}
}

// An answer that names no topic, since the client cannot put names to the ids in it, does not say that nothing was committed.
func TestCommittedAsksAgainForTopicsWithoutAName(t *testing.T) {
	c, broker := start(t)
	if err := c.Accept(t.Context(), "ingest", stream.Movements, false); err != nil {
		t.Fatal(err)
	}
	broker.ControlKey(kmsg.OffsetFetch.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
		group := kmsg.NewOffsetFetchResponseGroup()
		group.Group = "test.ingest"
		topic := kmsg.NewOffsetFetchResponseGroupTopic()
		_, _ = rand.Read(topic.TopicID[:])
		topic.Partitions = append(topic.Partitions, kmsg.NewOffsetFetchResponseGroupTopicPartition())
		group.Topics = append(group.Topics, topic)
		resp.Groups = append(resp.Groups, group)
		return resp, nil, true
	})
	committed, err := c.Committed(t.Context(), "ingest", stream.Movements)
	if err != nil || len(committed) != int(layout.Inputs) {
		t.Errorf("Committed() = %v, %v, want an offset of each of %d partitions", committed, err, layout.Inputs)
	}
}
