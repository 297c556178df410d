//go:build integration

package allocator_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/internal/verify"
)

func address(t *testing.T, name string) string {
	t.Helper()
	a := os.Getenv(name)
	if a == "" {
		t.Fatalf("%s is not set: host:port of a server for tests", name)
	}
	return a
}

// servers is an installation of its own on the real servers, which goes away with the test.
type servers struct {
	cluster  *kafka.Cluster
	readers  *kafka.Readers
	producer *kafka.Producer
	store    *redisstore.Store
}

// serverLog is what a stage reads the log through.
type serverLog struct {
	*kafka.Cluster
	readers *kafka.Readers
}

func (l serverLog) Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	return l.readers.Open(ctx, p, from)
}

func newServers(t *testing.T) *servers {
	t.Helper()
	brokers, redisAddress := address(t, "SHELFWIRE_TEST_KAFKA"), address(t, "SHELFWIRE_TEST_REDIS")
	prefix := "test-" + strings.ToLower(rand.Text()[:10]) + "."
	log := slog.New(slog.DiscardHandler)
	s := &servers{}
	var err error
	if s.cluster, err = kafka.Open(t.Context(), kafka.Config{Brokers: []string{brokers}, Prefix: prefix}, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cluster.Close)
	t.Cleanup(func() { forget(t, brokers, redisAddress, prefix) })
	if _, err := s.cluster.ApplyTopics(t.Context(), kafka.Layout{Inputs: 1, Journal: partition + 1, Accounts: 2, Outputs: 2, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	if s.readers, err = s.cluster.NewReaders(kafka.ReadersConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.readers.Close)
	if s.producer, err = s.cluster.NewProducer(kafka.ProducerConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.producer.Close)
	if s.store, err = redisstore.Open(t.Context(), redisstore.Config{Addresses: []string{redisAddress}, Prefix: prefix}, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close() })
	return s
}

// forget deletes the installation's topics and keys.
func forget(t *testing.T, brokers, redisAddress, prefix string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers))
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	var names []string
	for _, topic := range stream.Topics() {
		names = append(names, prefix+string(topic))
	}
	if _, err := kadm.NewClient(client).DeleteTopics(ctx, names...); err != nil {
		t.Error(err)
	}
	r := redis.NewClient(&redis.Options{Addr: redisAddress})
	defer r.Close()
	keys := r.Scan(ctx, 0, prefix+"*", 1000).Iterator()
	for keys.Next(ctx) {
		r.Unlink(ctx, keys.Val())
	}
	if err := keys.Err(); err != nil {
		t.Error(err)
	}
}

// On real servers: a worker that is stopped again and again folds the journal, and verify finds nothing.
func TestOnRealServers(t *testing.T) {
	s := newServers(t)
	all := entries(70, 5000)
	var messages []stream.Message
	for i := range all {
		messages = append(messages, stream.Message{Topic: stream.Journal, Partition: partition, Key: []byte(all[i].Event.PoolID()), Value: codec.AppendJournalEntry(nil, &all[i]), ContentType: stream.ContentTypeProtobuf})
	}
	if err := s.producer.Produce(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	cfg := allocator.DefaultConfig()
	cfg.BatchEntries = 200
	for stops := 0; ; stops++ {
		stage, err := allocator.New(cfg, allocator.Deps{
			Log: serverLog{s.cluster, s.readers}, Outputs: s.producer, Store: s.store, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		a, done := newAssignment(), make(chan error, 1)
		a.mu.Lock()
		committed := a.changed
		a.mu.Unlock()
		go func() { done <- stage.Work(ctx, a) }()
		select {
		case <-committed: // one batch and a bit, then stop
		case <-ctx.Done():
			t.Fatal("nothing was committed within a minute")
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatalf("Work() = %v", err)
		}
		at, err := s.store.Meta(t.Context(), partition)
		if err != nil {
			t.Fatal(err)
		}
		if at.Offset == int64(len(all)) {
			t.Logf("%d stops", stops)
			break
		}
	}
	report, err := verify.Run(t.Context(), verify.Config{}, verify.Deps{Log: serverLog{s.cluster, s.readers}, Store: s.store})
	if err != nil {
		t.Fatal(err)
	}
	if report.Differences != 0 || report.Rows < 100 {
		t.Errorf("verify compared %d rows and found %d differences: %v", report.Rows, report.Differences, report.Details)
	}
}
