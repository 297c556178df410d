package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/stream"
)

var layout = kafka.Layout{Inputs: 2, Journal: 3, Accounts: 2, Outputs: 2, Replication: 1, Plain: true}

// start returns a cluster of our topics on a broker inside the test, and the broker.
func start(t *testing.T) (*kafka.Cluster, *kfake.Cluster) {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	c := open(t, broker.ListenAddrs(), "test.")
	if _, err := c.ApplyTopics(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	return c, broker
}

func open(t testing.TB, brokers []string, prefix string) *kafka.Cluster {
	t.Helper()
	c, err := kafka.Open(t.Context(), kafka.Config{Brokers: brokers, Prefix: prefix}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func produce(t *testing.T, c *kafka.Cluster, partition int32, values ...string) {
	t.Helper()
	p, err := c.NewProducer(kafka.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var messages []stream.Message
	for _, v := range values {
		messages = append(messages, stream.Message{Topic: stream.Journal, Partition: partition, Value: []byte(v)})
	}
	if err := p.Produce(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
}

func readers(t *testing.T, c *kafka.Cluster, cfg kafka.ReadersConfig) *kafka.Readers {
	t.Helper()
	r, err := c.NewReaders(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func readN(t *testing.T, r stream.Reader, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	for len(got) < n {
		records, err := r.Read(ctx)
		if err != nil {
			t.Fatalf("after %d records: %v", len(got), err)
		}
		for _, rec := range records {
			got = append(got, fmt.Sprintf("%d:%s", rec.Offset, rec.Value))
		}
	}
	return got
}

func TestReaderStartsWhereItIsToldAndSeesWhatComes(t *testing.T) {
	c, _ := start(t)
	produce(t, c, 1, "a", "b", "c")
	r, err := readers(t, c, kafka.ReadersConfig{}).Open(t.Context(), stream.Partition{Topic: stream.Journal, ID: 1}, 1)
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
}

func TestReopeningGoesBack(t *testing.T) {
	c, _ := start(t)
	produce(t, c, 0, "a", "b", "c", "d")
	rs := readers(t, c, kafka.ReadersConfig{})
	for from := range int64(4) {
		r, err := rs.Open(t.Context(), stream.Partition{Topic: stream.Journal, ID: 0}, 3-from)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := readN(t, r, 1)[0], fmt.Sprintf("%d:%c", 3-from, 'd'-rune(from)); got != want {
			t.Errorf("first record after opening at %d is %s, want %s", 3-from, got, want)
		}
		r.Close()
	}
}

func TestASlowReaderHoldsUpNobody(t *testing.T) {
	c, _ := start(t)
	rs := readers(t, c, kafka.ReadersConfig{Batch: 10, Buffered: 20})
	slow, err := rs.Open(t.Context(), stream.Partition{Topic: stream.Journal, ID: 0}, 0)
	if err != nil {
		t.Fatal(err)
	}
	quick, err := rs.Open(t.Context(), stream.Partition{Topic: stream.Journal, ID: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]string, 500)
	for i := range values {
		values[i] = strings.Repeat("x", 100)
	}
	for range 5 {
		produce(t, c, 0, values...)
		produce(t, c, 1, values...)
	}
	readN(t, quick, 2500)
	if got := readN(t, slow, 2500); got[2499][:5] != "2499:" {
		t.Errorf("last record of the slow reader is %s, want offset 2499", got[2499][:5])
	}
}

func TestOneReadJoinsWhatManyFetchesBrought(t *testing.T) {
	c, _ := start(t)
	rs := readers(t, c, kafka.ReadersConfig{Batch: 8})
	open := func(id int32) stream.Reader {
		r, err := rs.Open(t.Context(), stream.Partition{Topic: stream.Journal, ID: id}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	slow, quick := open(0), open(1)
	for range 12 {
		produce(t, c, 0, "x")
		// A fetch brings what both partitions have, so the next record of the slow one comes in a fetch of its own.
		produce(t, c, 1, "y")
		readN(t, quick, 1)
	}
	produce(t, c, 1, "the fetch before this one has been delivered")
	readN(t, quick, 1)
	for _, want := range []int{8, 4} {
		records, err := slow.Read(t.Context())
		if err != nil || len(records) != want {
			t.Fatalf("Read() = %d records, %v, want %d", len(records), err, want)
		}
	}
}

func TestPartitionsThatAreOpenTogetherShareWhatOneMayRead(t *testing.T) {
	c, _ := start(t)
	values := slices.Repeat([]string{"x"}, 100)
	for id := range int32(3) {
		produce(t, c, id, values...)
	}
	for i, want := range []int{25, 12, 10} { // 10 is what each may have
		rs := readers(t, c, kafka.ReadersConfig{Batch: 10, Together: 25})
		var last stream.Reader
		for id := range int32(i + 1) {
			var err error
			if last, err = rs.Open(t.Context(), stream.Partition{Topic: stream.Journal, ID: id}, 0); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			records, err := last.Read(t.Context())
			if err != nil || len(records) != want {
				t.Fatalf("%d open: Read() = %d records, %v, want %d", i+1, len(records), err, want)
			}
		}
		rs.Close()
	}
}

func TestLargeRecordsThatWaitAreBoundedInBytes(t *testing.T) {
	c, _ := start(t)
	rs := readers(t, c, kafka.ReadersConfig{Bytes: 1 << 20})
	r, err := rs.Open(t.Context(), stream.Partition{Topic: stream.Journal, ID: 0}, 0)
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 700_000)
	for range 4 {
		produce(t, c, 0, large, large, large, large, large)
	}
	if got := readN(t, r, 20); got[19][:3] != "19:" {
		t.Errorf("last record is %s, want offset 19", got[19][:3])
	}
}

func TestAnOffsetThatIsNotThereIsAnError(t *testing.T) {
	c, _ := start(t)
	produce(t, c, 0, "a")
	r, err := readers(t, c, kafka.ReadersConfig{}).Open(t.Context(), stream.Partition{Topic: stream.Journal, ID: 0}, 77)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := r.Read(ctx); !errors.Is(err, stream.ErrOutOfRange) {
		t.Errorf("Read() = %v, want ErrOutOfRange", err)
	}
}

func TestNothingIsSentWhenOneMessageIsTooLarge(t *testing.T) {
	c, _ := start(t)
	p, err := c.NewProducer(kafka.ProducerConfig{MaxRecordBytes: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	err = p.Produce(t.Context(), []stream.Message{
		{Topic: stream.Journal, Value: []byte("short")}, {Topic: stream.Journal, Value: []byte("longer than ten")},
	})
	large, ok := errors.AsType[*kafka.TooLargeError](err)
	if !ok || len(large.Indexes) != 1 || large.Indexes[0] != 1 || !errors.Is(err, stream.ErrTooLarge) {
		t.Errorf("Produce() = %v, want message 1 too large", err)
	}
	if b, err := c.Bounds(t.Context(), stream.Partition{Topic: stream.Journal, ID: 0}); err != nil || b.End != 0 {
		t.Errorf("Bounds() = %v, %v, want nothing written", b, err)
	}
}

func TestASmallCallIsOneRequestToABroker(t *testing.T) {
	c, broker := start(t)
	p, err := c.NewProducer(kafka.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	// So many that the first would have left, and been acknowledged, long before the last.
	var messages []stream.Message
	for i := range 60_000 {
		messages = append(messages, stream.Message{Topic: stream.Journal, Partition: int32(i % 3), Value: []byte("some value")})
	}
	p.SetTogether(len(messages))
	if err := p.Produce(t.Context(), messages); err != nil { // the client has not met the topic before
		t.Fatal(err)
	}
	var requests atomic.Int32
	broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		requests.Add(1)
		return nil, nil, false
	})
	if err := p.Produce(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	if n := requests.Load(); n > 3 { // a partition that the client has only just heard from may have one of its own
		t.Errorf("%d messages to three partitions took %d requests, want one or few", len(messages), n)
	}
}

// What is kept for months is a fifth as large.
func TestWhatIsWrittenIsCompressed(t *testing.T) {
	c, broker := start(t)
	produce(t, c, 0, slices.Repeat([]string{"12 units of SHIRT-RED-L at MTL"}, 500)...)
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.ConsumeTopics("test."+string(stream.Journal)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, r := range client.PollFetches(t.Context()).Records() {
		if kgo.CompressionCodecType(r.Attrs.CompressionType()) != kgo.CodecSnappy {
			t.Fatalf("record %d is written with codec %d, want snappy", r.Offset, r.Attrs.CompressionType())
		}
	}
}

func TestPartitionOfIsWhatOtherClientsCompute(t *testing.T) {
	// Hashes from the tests of Kafka's own client (Utils.murmur2), made positive and reduced to eight partitions.
	for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536} {
		if got, want := kafka.PartitionOf([]byte(key), 8), (hash&0x7fffffff)%8; got != want {
			t.Errorf("PartitionOf(%q, 8) = %d, want %d", key, got, want)
		}
	}
	theirs := kgo.StickyKeyPartitioner(nil).ForTopic("")
	for length := range 40 {
		key := make([]byte, length)
		for i := range key {
			key[i] = byte(i*37 + length*101)
		}
		if got, want := kafka.PartitionOf(key, 97), theirs.Partition(&kgo.Record{Key: key}, 97); int(got) != want {
			t.Errorf("PartitionOf(%x, 97) = %d, the client says %d", key, got, want)
		}
	}
}

func TestCheckTopicsSaysWhatToDo(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	c := open(t, broker.ListenAddrs(), "other.")
	if err := c.CheckTopics(t.Context(), layout); err == nil || !strings.Contains(err.Error(), "topic other.journal is missing: run `shelfwire topics apply`") {
		t.Errorf("CheckTopics() without topics = %v", err)
	}
	made, err := c.ApplyTopics(t.Context(), layout)
	if err != nil || len(made) != len(stream.Topics()) {
		t.Errorf("ApplyTopics() = %v, %v, want all of them", made, err)
	}
	if made, err := c.ApplyTopics(t.Context(), layout); err != nil || len(made) != 0 {
		t.Errorf("ApplyTopics() again = %v, %v, want nothing to do", made, err)
	}
	wider := layout
	wider.Journal = 8
	if err := c.CheckTopics(t.Context(), wider); err == nil || !strings.Contains(err.Error(), "topic other.journal has 3 partitions, the configuration says 8") {
		t.Errorf("CheckTopics() with other partitions = %v", err)
	}
}

func TestCheckTopicsRefusesATopicThatLosesOrRefusesRecords(t *testing.T) {
	c, broker := start(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for key, value := range map[string]string{"cleanup.policy": "compact", "max.message.bytes": "1000"} {
		_, err := kadm.NewClient(client).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: key, Value: &value}}, "test.journal")
		if err != nil {
			t.Fatal(err)
		}
	}
	err = c.CheckTopics(t.Context(), layout)
	if err == nil {
		t.Fatal("CheckTopics() finds nothing wrong")
	}
	for _, want := range []string{"test.journal is compacted", "set it to 2097152"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("CheckTopics() = %v, want it to say %q", err, want)
		}
	}
}

// The embedded broker would delete the last record of a quiet partition, and give out its offsets again after a kill.
func TestPlainTopicsKeepEverything(t *testing.T) {
	_, broker := start(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for topic, want := range map[stream.Topic]string{
		stream.Movements: "-1", stream.Commands: "-1", stream.Journal: "-1", stream.Offers: "-1", stream.Communications: "-1",
	} {
		configs, err := kadm.NewClient(client).DescribeTopicConfigs(t.Context(), "test."+string(topic))
		if err != nil {
			t.Fatal(err)
		}
		settings := map[string]string{}
		for _, kv := range configs[0].Configs {
			settings[kv.Key] = kv.MaybeValue()
		}
		if settings["retention.ms"] != want || settings["cleanup.policy"] != "delete" {
			t.Errorf("%s: retention.ms=%s, cleanup.policy=%s, want %s and delete", topic, settings["retention.ms"], settings["cleanup.policy"], want)
		}
	}
}

func TestAGroupSharesOutAndStartsAgain(t *testing.T) {
	c, _ := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	runs := map[int32]int{}
	all := make(chan struct{})
	done := make(chan error, 1)
	stopped := make(chan string, 8)
	cfg := kafka.GroupConfig{
		Group: "g", InstanceID: "one", Topics: []stream.Topic{stream.Journal},
		Stopped: func(p stream.Partition, is bool) { stopped <- fmt.Sprintf("%s/%d %v", p.Topic, p.ID, is) },
	}
	go func() {
		done <- c.RunGroup(ctx, cfg,
			func(ctx context.Context, a stream.Assignment) error {
				id := a.Partition().ID
				mu.Lock()
				runs[id]++
				n := runs[id]
				if runs[0] == 1 && runs[1] == 2 && runs[2] == 1 {
					close(all)
				}
				mu.Unlock()
				switch {
				case id == 1 && n == 1:
					return errors.New("once")
				case id == 2:
					return stream.Alarm(errors.New("stopped for good"))
				}
				if id == 0 {
					if at, err := a.Committed(ctx); err != nil || at != -1 {
						t.Errorf("Committed() before = %d, %v", at, err)
					}
					if err := a.Commit(ctx, 7); err != nil {
						t.Errorf("Commit() = %v", err)
					}
					if at, err := a.Committed(ctx); err != nil || at != 7 {
						t.Errorf("Committed() after = %d, %v", at, err)
					}
				}
				<-ctx.Done()
				return ctx.Err()
			})
	}()
	select {
	case <-all:
	case err := <-done:
		t.Fatalf("RunGroup() ended early: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatalf("runs = %v", runs)
	}
	if got := <-stopped; got != "journal/2 true" {
		t.Errorf("the first to be stopped: %s", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("RunGroup() = %v", err)
	}
	close(stopped) // nothing more may come
	if got := <-stopped; got != "journal/2 false" || len(stopped) != 0 {
		t.Errorf("at the end: %s, and %d more", got, len(stopped))
	}
}

// Members that come and go never work on one partition at the same time, and leave none without a worker.
func TestMembersNeverShareAPartition(t *testing.T) {
	c, _ := start(t)
	var mu sync.Mutex
	working := map[int32]int{}
	var wg sync.WaitGroup
	defer wg.Wait()
	member := func() (leave func()) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		joined := make(chan struct{})
		var once sync.Once
		left := make(chan struct{})
		wg.Go(func() {
			defer close(left)
			cfg := kafka.GroupConfig{Group: "g", Topics: []stream.Topic{stream.Journal}, Joined: func() { once.Do(func() { close(joined) }) }}
			err := c.RunGroup(ctx, cfg,
				func(ctx context.Context, a stream.Assignment) error {
					id := a.Partition().ID
					mu.Lock()
					if working[id]++; working[id] > 1 {
						t.Errorf("partition %d has %d workers", id, working[id])
					}
					mu.Unlock()
					<-ctx.Done()
					if err := a.Commit(context.WithoutCancel(ctx), 1); err != nil {
						t.Errorf("Commit() of a partition that is being taken away = %v", err)
					}
					mu.Lock()
					working[id]--
					mu.Unlock()
					return ctx.Err()
				})
			if err != nil {
				t.Errorf("RunGroup() = %v", err)
			}
		})
		select {
		case <-joined:
		case <-time.After(30 * time.Second):
			t.Fatal("not a member after 30 s")
		}
		return func() { cancel(); <-left }
	}
	await := func(what string) {
		t.Helper()
		deadline := time.After(30 * time.Second)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			mu.Lock()
			all := working[0] == 1 && working[1] == 1 && working[2] == 1
			mu.Unlock()
			if all {
				return
			}
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("%s: workers are %v", what, working)
			}
		}
	}
	first := member()
	await("one member")
	second := member()
	third := member()
	await("three members")
	first()
	await("the first has left")
	second()
	await("the second has left")
	third()
}

func TestRecordsBeforeAnOffsetAreDeleted(t *testing.T) {
	c, _ := start(t)
	produce(t, c, 0, strings.Split("0123456789", "")...)
	p := stream.Partition{Topic: stream.Journal, ID: 0}
	if err := c.DeleteBefore(t.Context(), p, 7); err != nil {
		t.Fatal(err)
	}
	if b, err := c.Bounds(t.Context(), p); err != nil || b != (stream.Bounds{Start: 7, End: 10}) {
		t.Errorf("Bounds() = %v, %v, want 7 to 10", b, err)
	}
	if err := c.DeleteBefore(t.Context(), p, 11); err == nil {
		t.Error("DeleteBefore() an offset beyond the end says nothing")
	}
}

func TestADeletedTopicIsMadeAgain(t *testing.T) {
	c, _ := start(t)
	ctx := t.Context()
	produce(t, c, 0, "before")
	before, err := c.TopicID(ctx, stream.Journal)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteTopic(ctx, stream.Journal); err != nil {
		t.Fatal(err)
	}
	if _, err := c.TopicID(ctx, stream.Journal); !errors.Is(err, kafka.ErrNoTopic) {
		t.Errorf("TopicID() of a deleted topic = %v, want that there is none", err)
	}
	l := layout
	l.Journal++
	if made, err := c.ApplyTopics(ctx, l); err != nil || !slices.Equal(made, []stream.Topic{stream.Journal}) {
		t.Fatalf("ApplyTopics() = %v, %v, want the journal", made, err)
	}
	after, err := c.TopicID(ctx, stream.Journal)
	if err != nil || after == before {
		t.Errorf("TopicID() = %q, %v after it was %q", after, err, before)
	}
	if n, err := c.Partitions(ctx, stream.Journal); err != nil || n != l.Journal {
		t.Errorf("Partitions() = %d, %v, want %d", n, err, l.Journal)
	}
	if b, err := c.Bounds(ctx, stream.Partition{Topic: stream.Journal}); err != nil || b != (stream.Bounds{}) {
		t.Errorf("Bounds() = %v, %v, want nothing", b, err)
	}
}
