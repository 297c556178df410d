//go:build integration

package ingest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/ingest"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// topics is what a stage reads from.
type topics struct {
	*kafka.Cluster
	*kafka.Readers
}

func (t topics) Close() { t.Readers.Close(); t.Cluster.Close() }

// realTopics returns our topics on a real broker, under a prefix of their own; they are deleted at the end.
func realTopics(t *testing.T) topics {
	t.Helper()
	address := os.Getenv("SHELFWIRE_TEST_KAFKA")
	if address == "" {
		t.Fatal("SHELFWIRE_TEST_KAFKA is not set: host:port of a Kafka for tests")
	}
	prefix := "test-" + rand.Text() + "."
	c, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{address}, Prefix: prefix}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deleteTopics(t, address, prefix) })
	if _, err := c.ApplyTopics(t.Context(), kafka.Layout{Inputs: 2, Journal: 3, Accounts: 1, Outputs: 2, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	for _, topic := range stream.Inputs() {
		if err := c.Accept(t.Context(), "ingest", topic, false); err != nil {
			t.Fatal(err)
		}
	}
	rs, err := c.NewReaders(kafka.ReadersConfig{Batch: 500})
	if err != nil {
		t.Fatal(err)
	}
	both := topics{c, rs}
	t.Cleanup(both.Close)
	return both
}

func deleteTopics(t *testing.T, address, prefix string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	var names []string
	for _, topic := range stream.Topics() {
		names = append(names, prefix+string(topic))
	}
	admin := kadm.NewClient(client)
	if _, err := admin.DeleteTopics(ctx, names...); err != nil {
		t.Errorf("delete the test's topics: %v", err)
	}
	if _, err := admin.DeleteGroup(ctx, prefix+"ingest"); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		t.Errorf("delete the test's group: %v", err)
	}
}

// Events over HTTP, workers that are stopped again and again while they come: the journal holds each event, of each pool
// in the order in which it was sent.
func TestOnKafkaEventsReachTheJournal(t *testing.T) {
	log := realTopics(t)
	p, err := log.NewProducer(kafka.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	s, err := ingest.New(ingest.Config{}, ingest.Deps{
		Log: log, Outputs: p, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	const requests, rows, pools = 30, 200, 5
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range requests {
			var body strings.Builder
			for n := range rows {
				id := i*rows + n
				body.Write(movementOf(fmt.Sprintf("pool-%d", id%pools), id))
				body.WriteByte('\n')
			}
			body.WriteString("nonsense\n")
			if w := post(t, s, body.String()); w.Code != http.StatusOK || !strings.HasPrefix(w.Body.String(), fmt.Sprintf(`{"accepted":%d,`, rows)) {
				t.Errorf("answer = %d %s", w.Code, w.Body)
			}
		}
	}()
	for round := range 4 {
		ctx, stop := context.WithCancel(t.Context())
		joined := make(chan struct{}, 16)
		done := make(chan error, 1)
		go func() {
			cfg := kafka.GroupConfig{Group: "ingest", Topics: stream.Inputs(), Joined: func() { joined <- struct{}{} }}
			done <- log.RunGroup(ctx, cfg, s.Work)
		}()
		<-joined
		if round == 3 {
			<-sent
			awaitCaughtUp(t, log)
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	checkJournal(t, log, requests*rows, pools)
	if kept := ends(t, log, stream.Rejections); kept != requests {
		t.Errorf("%d rejections are kept, want %d", kept, requests)
	}
}

// awaitCaughtUp waits until every input is committed to its end.
func awaitCaughtUp(t *testing.T, log topics) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		committed, err := log.Committed(t.Context(), "ingest", stream.Movements)
		if err != nil {
			t.Fatal(err)
		}
		sum := int64(0)
		for _, at := range committed {
			sum += at
		}
		if sum == ends(t, log, stream.Movements) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("committed offsets are %v of %d records", committed, ends(t, log, stream.Movements))
		}
	}
}

// ends returns how many records the topic's partitions hold.
func ends(t *testing.T, log topics, topic stream.Topic) (sum int64) {
	t.Helper()
	n, err := log.Partitions(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for id := range n {
		b, err := log.Bounds(t.Context(), stream.Partition{Topic: topic, ID: id})
		if err != nil {
			t.Fatal(err)
		}
		sum += b.End
	}
	return sum
}

// checkJournal folds the journal as the engine does, by origin.
func checkJournal(t *testing.T, log topics, events, pools int) {
	t.Helper()
	n, err := log.Partitions(t.Context(), stream.Journal)
	if err != nil {
		t.Fatal(err)
	}
	type origin struct {
		pool      string
		partition int32
	}
	marks, last, folded, resent := map[origin]int64{}, map[string]int{}, 0, 0
	for id := range n {
		p := stream.Partition{Topic: stream.Journal, ID: id}
		b, err := log.Bounds(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		r, err := log.Readers.Open(t.Context(), p, b.Start)
		if err != nil {
			t.Fatal(err)
		}
		for at := b.Start; at < b.End; {
			records, err := r.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range records {
				at = rec.Offset + 1
				var e record.JournalEntry
				if err := codec.DecodeJournalEntry(rec.Value, &e); err != nil {
					t.Fatal(err)
				}
				pool := e.Event.PoolID()
				key := origin{pool, e.Origin.Partition}
				mark, ok := marks[key]
				if !ok {
					mark = -1
				}
				if e.Origin.Offset <= mark {
					resent++
					continue
				}
				if e.Origin.Previous > mark {
					t.Fatalf("pool %s: offset %d follows %d, the last was %d", pool, e.Origin.Offset, e.Origin.Previous, mark)
				}
				marks[key] = e.Origin.Offset
				var number int
				if _, err := fmt.Sscanf(e.Event.Movement.EventID, "e%d", &number); err != nil {
					t.Fatal(err)
				}
				if before, seen := last[pool]; seen && number != before+pools {
					t.Fatalf("pool %s: event %d follows %d", pool, number, before)
				}
				last[pool] = number
				folded++
			}
		}
		r.Close()
	}
	if folded != events {
		t.Errorf("%d events are in the journal, want %d", folded, events)
	}
	t.Logf("%d events, %d of them sent again", folded, resent)
}
