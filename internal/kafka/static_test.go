package kafka_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// members counts which partitions each member has had, and how often its workers began.
type members struct {
	mu    sync.Mutex
	has   map[string][]int32 // guarded by mu; partitions at work now
	began map[string]int     // guarded by mu
}

func (m *members) run(ctx context.Context, c *kafka.Cluster, id string) error {
	return c.RunGroup(ctx, kafka.GroupConfig{Group: "g", InstanceID: id, Topics: []stream.Topic{stream.Journal}}, func(ctx context.Context, a stream.Assignment) error {
		p := a.Partition().ID
		m.mu.Lock()
		m.began[id]++
		m.has[id] = append(m.has[id], p)
		m.mu.Unlock()
		<-ctx.Done()
		m.mu.Lock()
		m.has[id] = slices.DeleteFunc(m.has[id], func(q int32) bool { return q == p })
		m.mu.Unlock()
		return nil
	})
}

func (m *members) partitions(id string) []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(slices.Values(m.has[id]))
}

func (m *members) wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// A member that is started again within its session has its partitions back, and the others are left in peace.
func TestAMemberThatStartsAgainKeepsItsPartitions(t *testing.T) {
	c, _ := start(t)
	m := &members{has: map[string][]int32{}, began: map[string]int{}}
	start := func(id string) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- m.run(ctx, c, id) }()
		stop = sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("RunGroup(%s) = %v", id, err)
			}
		})
		t.Cleanup(stop)
		return stop
	}
	stopOne := start("one")
	m.wait(t, "one has all", func() bool { return len(m.partitions("one")) == 3 })
	start("two")
	m.wait(t, "both have some", func() bool {
		return len(m.partitions("two")) > 0 && len(m.partitions("one"))+len(m.partitions("two")) == 3
	})
	one, two := m.partitions("one"), m.partitions("two")
	m.mu.Lock()
	began := m.began["two"]
	m.mu.Unlock()
	stopOne()
	away := time.NewTimer(4 * time.Second) // longer than the others take to hear of a member that has left, shorter than its session
	<-away.C
	start("one")
	m.wait(t, "one is back", func() bool { return len(m.partitions("one")) > 0 })
	m.wait(t, "all are at work", func() bool { return len(m.partitions("one"))+len(m.partitions("two")) == 3 })
	if got := m.partitions("one"); !slices.Equal(got, one) {
		t.Errorf("one had %v and has %v", one, got)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if got := slices.Sorted(slices.Values(m.has["two"])); !slices.Equal(got, two) || m.began["two"] != began {
		t.Errorf("two had %v and has %v, its workers began %d times more", two, got, m.began["two"]-began)
	}
}
