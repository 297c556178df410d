package kafka_test

import (
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
