//go:build synctests

package simulation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const (
	broker       = "127.0.0.1:9092"
	redisAddress = "127.0.0.1:6379" // a name would be looked up by DNS, outside of the bubble
	prefix       = "sim."
)

var layout = kafka.Layout{Inputs: 2, Journal: 2, Accounts: 2, Outputs: 2, Replication: 1, Plain: true}

// A world is one run: the servers, the processes, and what becomes of them.
type world struct {
	t     *testing.T
	seed  uint64
	rnd   *rand.Rand // of the plan, before the run begins
	batch int        // how much a stage takes at a time
	begin time.Time
	// latency is how long anything of a process takes to a server, and back.
	latency time.Duration

	network kfake.VirtualNetwork
	kafka   *kfake.Cluster
	redis   *miniredis.Miniredis

	// What the harness itself uses: nothing goes wrong there.
	cluster  *kafka.Cluster
	readers  *kafka.Readers
	producer *kafka.Producer
	store    *redisstore.Store
	direct   *redis.Client

	timers sync.WaitGroup
	copies []map[string]map[string]string // of Redis, one now and then, oldest first; of the run's goroutine

	mu        sync.Mutex
	members   map[string]*life // by name, the present life; guarded by mu
	born      map[string]int   // guarded by mu
	lives     []*life          // all there have been; guarded by mu
	links     []*link          // likewise; guarded by mu
	kafkaAway bool             // guarded by mu
	redisAway bool             // guarded by mu
	said      []string         // guarded by mu
	alarms    []string         // guarded by mu
}

// memberNames are the processes of every run.
var memberNames = []string{"ingest-1", "ingest-2", "allocator-1", "allocator-2"}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 1)), begin: time.Now(), members: map[string]*life{}, born: map[string]int{}}
	w.batch = []int{3, 20, 200}[w.rnd.IntN(3)]
	w.latency = []time.Duration{time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond}[w.rnd.IntN(3)]
	if w.batch == 3 {
		w.latency = min(w.latency, 20*time.Millisecond) // else the input takes minutes
	}
	var err error
	w.kafka, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(w.network.Listen), kfake.BrokerConfigs(map[string]string{
		"group.initial.rebalance.delay.ms": "0",
	}))
	w.must(err)
	w.redis = miniredis.NewMiniRedis()
	toKafka, toRedis := newLink(0, w.dialKafka), newLink(0, w.redis.Dial)
	w.links = append(w.links, toKafka, toRedis)
	w.cluster, err = kafka.Open(t.Context(), kafka.Config{Brokers: []string{broker}, Prefix: prefix, ClientID: "harness", Dial: toKafka.dial}, discard)
	w.must(err)
	_, err = w.cluster.ApplyTopics(t.Context(), layout)
	w.must(err)
	for _, topic := range stream.Inputs() {
		w.must(w.cluster.Accept(t.Context(), "ingest", topic, false)) // as `topics apply` does
	}
	w.readers, err = w.cluster.NewReaders(kafka.ReadersConfig{})
	w.must(err)
	w.producer, err = w.cluster.NewProducer(kafka.ProducerConfig{})
	w.must(err)
	w.store, err = redisstore.Open(t.Context(), redisstore.Config{Addresses: []string{redisAddress}, Prefix: prefix, Dial: toRedis.dial}, discard)
	w.must(err)
	w.direct = redis.NewClient(&redis.Options{Addr: redisAddress, Dialer: toRedis.dial, DisableIdentity: true, MaxRetries: -1})
	return w
}

func (w *world) dialKafka() (net.Conn, error) {
	return w.network.DialContext(context.Background(), "tcp", broker)
}

// must ends the run where the harness itself is broken.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// close ends everything, so that the bubble may end.
func (w *world) close() {
	w.timers.Wait()
	w.mu.Lock()
	lives, links := slices.Clone(w.lives), slices.Clone(w.links)
	w.mu.Unlock()
	for _, l := range lives {
		l.kill(false)
	}
	for _, l := range lives {
		<-l.done
	}
	w.producer.Close()
	w.readers.Close()
	w.cluster.Close()
	_ = w.direct.Close()
	_ = w.store.Close()
	w.kafka.Close()
	w.redis.Close()
	for _, l := range links {
		l.end(false)
		l.pumps.Wait()
	}
}

// say keeps a line for a run that fails.
func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, fmt.Sprintf("%8.3fs ", time.Since(w.begin).Seconds())+fmt.Sprintf(format, args...))
}

// alarm notes that a partition has stopped: nothing that goes wrong here may do that.
func (w *world) alarm(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarms = append(w.alarms, what)
}

func (w *world) member(name string) *life {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.members[name]
}

// restart starts a process in a member's place. What was there before goes on, where it still does, but nobody starts it again.
func (w *world) restart(name string) {
	stage, _, _ := strings.Cut(name, "-")
	w.mu.Lock()
	w.born[name]++
	n := w.born[name]
	if n > 1 {
		w.members[name].superseded.Store(true)
	}
	w.mu.Unlock()
	l := w.start(fmt.Sprintf("%s.%d", name, n), stage, name)
	w.mu.Lock()
	w.members[name] = l
	w.mu.Unlock()
}

// after does something later in the run, which waits for it.
func (w *world) after(d time.Duration, do func()) {
	w.timers.Go(func() {
		<-time.After(d)
		do()
	})
}

// way returns the link to one of the two servers.
func (l *life) way(toRedis bool) *link {
	if toRedis {
		return l.redis
	}
	return l.kafka
}

// awayFor makes a server unreachable for every process.
func (w *world) awayFor(d time.Duration, isRedis bool) {
	set := func(away bool) {
		w.mu.Lock()
		if isRedis {
			w.redisAway = away
		} else {
			w.kafkaAway = away
		}
		var links []*link
		for _, l := range w.lives {
			if l.ctx.Err() == nil {
				links = append(links, l.way(isRedis))
			}
		}
		w.mu.Unlock()
		for _, l := range links {
			l.refuse(away)
		}
	}
	set(true)
	w.after(d, func() { set(false) })
}

// keepCopy keeps what Redis holds at this moment, as a replica or a file would.
func (w *world) keepCopy() {
	const all = `local out = {}
for i, key in ipairs(redis.call('KEYS', '*')) do out[i] = {key, redis.call('HGETALL', key)} end
return out`
	reply, err := w.direct.Eval(w.t.Context(), all, nil).Slice()
	w.must(err)
	c := map[string]map[string]string{}
	for _, r := range reply {
		pair := r.([]any)
		fields, values := map[string]string{}, pair[1].([]any)
		for i := 0; i < len(values); i += 2 {
			fields[values[i].(string)] = values[i+1].(string)
		}
		c[pair[0].(string)] = fields
	}
	w.copies = append(w.copies, c)
}

// rollBack puts an older copy in Redis's place, as a failover to a replica that was behind does, or a restart that lost the end of
// its log. Nobody's connection outlives that. With −1 nothing is left.
func (w *world) rollBack(by int) {
	w.mu.Lock()
	lives := slices.Clone(w.lives)
	w.mu.Unlock()
	for _, l := range lives {
		l.redis.cut()
	}
	if by < 0 {
		w.copies = nil
	} else if keep := len(w.copies) - by; keep < len(w.copies) {
		w.copies = w.copies[:max(0, keep)]
	}
	_, err := w.direct.TxPipelined(w.t.Context(), func(pipe redis.Pipeliner) error {
		pipe.FlushAll(w.t.Context())
		if len(w.copies) == 0 {
			return nil
		}
		for key, fields := range w.copies[len(w.copies)-1] {
			pipe.HSet(w.t.Context(), key, fields)
		}
		return nil
	})
	w.must(err)
}

// send writes the input, some events at a time, until it is all acknowledged.
func (w *world) send(ctx context.Context, in *input, rnd *rand.Rand, during time.Duration) error {
	if err := w.produce(ctx, in.settings); err != nil {
		return err
	}
	for behind := "all of it"; behind != ""; <-time.After(100 * time.Millisecond) {
		var err error
		if behind, _, err = w.behind(ctx); err != nil {
			return err
		}
	}
	const sendings = 60
	for i, n := 0, len(in.events); i < n; {
		most := min(n-i, 1+rnd.IntN(2*n/sendings+1))
		if err := w.produce(ctx, in.events[i:i+most]); err != nil {
			return err
		}
		i += most
		<-time.After(time.Duration(rnd.Int64N(int64(2 * during / sendings))))
	}
	return nil
}

func (w *world) produce(ctx context.Context, events []sending) error {
	var messages []stream.Message
	for _, s := range events {
		messages = append(messages, stream.Message{
			Topic: s.topic, Partition: stream.Any, Key: []byte(s.event.PoolID()), Value: codec.AppendEvent(nil, &s.event), ContentType: stream.ContentTypeProtobuf,
		})
	}
	return w.producer.Produce(ctx, messages)
}

// behind says what is not worked off yet, "" if nothing, and how many entries the journal has.
func (w *world) behind(ctx context.Context) (what string, entries int64, err error) {
	for _, topic := range stream.Inputs() {
		committed, err := w.cluster.Committed(ctx, "ingest", topic)
		if err != nil {
			return "", 0, err
		}
		for id := range layout.Inputs {
			b, err := w.cluster.Bounds(ctx, stream.Partition{Topic: topic, ID: id})
			if err != nil {
				return "", 0, err
			}
			if committed[id] != b.End {
				return fmt.Sprintf("ingest is at %d of %d in %s/%d", committed[id], b.End, topic, id), 0, nil
			}
		}
	}
	for id := range layout.Journal {
		b, err := w.cluster.Bounds(ctx, stream.Partition{Topic: stream.Journal, ID: id})
		if err != nil {
			return "", 0, err
		}
		at, err := w.store.Meta(ctx, id)
		if err != nil {
			return "", 0, err
		}
		if at.Offset != b.End {
			return fmt.Sprintf("the state of journal partition %d is at %d of %d", id, at.Offset, b.End), 0, nil
		}
		entries += b.End
	}
	return "", entries, nil
}

// settle waits until nothing moves any more.
func (w *world) settle() int64 {
	w.t.Helper()
	const atMost, quiet = 5 * time.Minute, 20 * time.Second
	var since time.Time
	var last int64
	behind := ""
	for end := time.Now().Add(atMost); time.Now().Before(end); <-time.After(time.Second) {
		what, entries, err := w.behind(w.t.Context())
		behind = what
		w.must(err)
		switch {
		case len(w.alarms) > 0:
			return entries
		case what != "" || entries != last:
			last, since = entries, time.Now()
		case time.Since(since) > quiet:
			return entries
		}
	}
	w.t.Errorf("%v after the last fault: %s", atMost, behind)
	return last
}
