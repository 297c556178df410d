package kafka_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func TestNoRecordPassesOneThatFailed(t *testing.T) {
	c, _ := start(t)
	noRecordPasses(t, c)
}

// noRecordPasses has several callers write numbers to one partition over one producer, each in order, and gives up many of
// the writes at any moment, more patiently each time. Like a stage, a caller whose write failed starts it again. Then a
// reader that skips what is not above the last must find no gap.
func noRecordPasses(t *testing.T, c *kafka.Cluster) {
	t.Helper()
	p, err := c.NewProducer(kafka.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const callers, writes, size = 4, 60, 40
	var wg sync.WaitGroup
	var mu sync.Mutex
	failures := 0
	for caller := range callers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(caller), 7))
			patience := 4 * time.Millisecond
			for write := 0; write < writes; {
				messages := make([]stream.Message, size)
				for i := range messages {
					messages[i] = stream.Message{Topic: stream.Journal, Value: fmt.Appendf(nil, "%d %d", caller, write*size+i)}
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.Int64N(int64(patience))))
				err := p.Produce(ctx, messages)
				cancel()
				if err == nil {
					write, patience = write+1, 4*time.Millisecond
					continue
				}
				patience *= 2
				mu.Lock()
				failures++
				mu.Unlock()
			}
		})
	}
	wg.Wait()

	partition := stream.Partition{Topic: stream.Journal}
	b, err := c.Bounds(t.Context(), partition)
	if err != nil {
		t.Fatal(err)
	}
	r, err := readers(t, c, kafka.ReadersConfig{}).Open(t.Context(), partition, 0)
	if err != nil {
		t.Fatal(err)
	}
	next, again := [callers]int{}, 0
	for _, line := range readN(t, r, int(b.End)) {
		var offset, caller, number int
		if _, err := fmt.Sscanf(line, "%d:%d %d", &offset, &caller, &number); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		switch {
		case number > next[caller]:
			t.Fatalf("caller %d: %d at offset %d passes %d", caller, number, offset, next[caller])
		case number < next[caller]:
			again++
		default:
			next[caller]++
		}
	}
	for caller, n := range next {
		if n != writes*size {
			t.Errorf("caller %d: %d records, want %d", caller, n, writes*size)
		}
	}
	t.Logf("%d writes failed, %d records were written again", failures, again)
}
