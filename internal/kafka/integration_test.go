//go:build integration

package kafka_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// realKafka returns our topics on a real broker, under a prefix of their own; they are deleted at the end.
func realKafka(t testing.TB) *kafka.Cluster {
	t.Helper()
	address := os.Getenv("SHELFWIRE_TEST_KAFKA")
	if address == "" {
		t.Fatal("SHELFWIRE_TEST_KAFKA is not set: host:port of a Kafka for tests")
	}
	prefix := "test-" + rand.Text() + "."
	t.Cleanup(func() {
		client, err := kgo.NewClient(kgo.SeedBrokers(address))
		if err != nil {
			t.Error(err)
			return
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		admin := kadm.NewClient(client)
		var names []string
		for _, topic := range stream.Topics() {
			names = append(names, prefix+string(topic))
		}
		if _, err := admin.DeleteTopics(ctx, names...); err != nil {
			t.Errorf("delete the test's topics: %v", err)
		}
		// A static member stays until its session ends, and a group that has one cannot be deleted.
		if _, err := admin.LeaveGroup(ctx, kadm.LeaveGroup(prefix+"g").InstanceIDs(prefix+"one")); err != nil {
			t.Errorf("leave the test's group: %v", err)
		}
		if _, err := admin.DeleteGroup(ctx, prefix+"g"); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			t.Errorf("delete the test's group: %v", err)
		}
	})
	c := open(t, strings.Split(address, ","), prefix)
	made, err := c.ApplyTopics(t.Context(), kafka.Layout{Inputs: 2, Journal: 3, Accounts: 2, Outputs: 2, Replication: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(made) != len(stream.Topics()) {
		t.Fatalf("ApplyTopics() made %v", made)
	}
	return c
}

func TestOnKafkaTopicsAreAsTheLayoutSays(t *testing.T) {
	c := realKafka(t)
	l := kafka.Layout{Inputs: 2, Journal: 3, Accounts: 2, Outputs: 2, Replication: 1}
	if err := c.CheckTopics(t.Context(), l); err != nil {
		t.Errorf("CheckTopics() = %v", err)
	}
	l.Journal = 8
	if err := c.CheckTopics(t.Context(), l); err == nil || !strings.Contains(err.Error(), "journal has 3 partitions, the configuration says 8") {
		t.Errorf("CheckTopics() with other partitions = %v", err)
	}
	if id, err := c.TopicID(t.Context(), stream.Journal); err != nil || len(id) != 32 || strings.Trim(id, "0") == "" {
		t.Errorf("TopicID() = %q, %v, want 16 bytes in hex", id, err)
	}
	if _, err := c.Partitions(t.Context(), "nothing"); !errors.Is(err, kafka.ErrNoTopic) {
		t.Errorf("Partitions() of a topic that is not there = %v, want ErrNoTopic", err)
	}
}

func TestOnKafkaWhatIsWrittenIsReadFromWhereItIsAsked(t *testing.T) {
	c := realKafka(t)
	produce(t, c, 1, "a", "b", "c")
	p := stream.Partition{Topic: stream.Journal, ID: 1}
	if b, err := c.Bounds(t.Context(), p); err != nil || b != (stream.Bounds{Start: 0, End: 3}) {
		t.Errorf("Bounds() = %v, %v", b, err)
	}
	rs := readers(t, c, kafka.ReadersConfig{})
	r, err := rs.Open(t.Context(), p, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(readN(t, r, 2), " "); got != "1:b 2:c" {
		t.Errorf("Read() = %s, want 1:b 2:c", got)
	}
	produce(t, c, 1, "d")
	if got := strings.Join(readN(t, r, 1), " "); got != "3:d" {
		t.Errorf("Read() = %s, want 3:d", got)
	}
	r.Close()
	r, err = rs.Open(t.Context(), p, 77)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := r.Read(ctx); !errors.Is(err, stream.ErrOutOfRange) {
		t.Errorf("Read() behind the end = %v, want ErrOutOfRange", err)
	}
}

func TestOnKafkaTheLargestMessageIsTaken(t *testing.T) {
	c := realKafka(t)
	largest := strings.Repeat("x", 1_900_000)
	produce(t, c, 0, largest, largest)
	r, err := readers(t, c, kafka.ReadersConfig{}).Open(t.Context(), stream.Partition{Topic: stream.Journal, ID: 0}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := readN(t, r, 2); len(got[1]) != len(largest)+2 {
		t.Errorf("Read() = %d bytes, want %d", len(got[1])-2, len(largest))
	}
}

func TestOnKafkaNoRecordPassesOneThatFailed(t *testing.T) {
	noRecordPasses(t, realKafka(t))
}

func TestOnKafkaAGroupCommitsAndGoesOn(t *testing.T) {
	c := realKafka(t)
	cfg := kafka.GroupConfig{Group: "g", InstanceID: "one", Topics: []stream.Topic{stream.Journal}}
	// The second run is the same member again, before its session has ended.
	for _, want := range []int64{-1, 7} {
		ctx, cancel := context.WithCancel(t.Context())
		seen := make(chan int64, 16)
		done := make(chan error, 1)
		go func() {
			done <- c.RunGroup(ctx, cfg, func(ctx context.Context, a stream.Assignment) error {
				at, err := a.Committed(ctx)
				if err != nil {
					return err
				}
				if err := a.Commit(ctx, 7); err != nil {
					return err
				}
				seen <- at
				<-ctx.Done()
				return nil
			})
		}()
		for range 3 {
			select {
			case at := <-seen:
				if at != want {
					t.Errorf("Committed() = %d, want %d", at, want)
				}
			case err := <-done:
				t.Fatalf("RunGroup() ended early: %v", err)
			case <-time.After(30 * time.Second):
				t.Fatal("no assignment after 30 s")
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("RunGroup() = %v", err)
		}
	}
}

// BenchmarkReadOnKafka reads small records of one partition from the start.
func BenchmarkReadOnKafka(b *testing.B) {
	c := realKafka(b)
	p, err := c.NewProducer(kafka.ProducerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	const records, batch = 500_000, 10_000
	value := []byte(strings.Repeat("x", 120))
	messages := make([]stream.Message, batch)
	for i := range messages {
		messages[i] = stream.Message{Topic: stream.Journal, Partition: 0, Value: value, ContentType: stream.ContentTypeProtobuf}
	}
	for range records / batch {
		if err := p.Produce(b.Context(), messages); err != nil {
			b.Fatal(err)
		}
	}
	rs, err := c.NewReaders(kafka.ReadersConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer rs.Close()
	b.ReportAllocs()
	for b.Loop() {
		r, err := rs.Open(b.Context(), stream.Partition{Topic: stream.Journal, ID: 0}, 0)
		if err != nil {
			b.Fatal(err)
		}
		for n := 0; n < records; {
			got, err := r.Read(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			n += len(got)
		}
		r.Close()
	}
	b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
