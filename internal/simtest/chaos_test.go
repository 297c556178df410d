//go:build integration && chaos

package simtest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// pastSession is longer than a group waits for a silent member: 10 s.
const pastSession = 12 * time.Second

// chaos is a run: an installation on servers of its own, and the processes whose life is hard.
type chaos struct {
	t       *testing.T
	seed    uint64
	rnd     *rand.Rand
	in      *installation
	kafka   *server
	redis   *redisServer
	lose    struct{ kafka, redis atomic.Int64 } // replies that the proxies are to lose
	names   []string
	running map[string]*process
	faults  map[string]int
	asleep  map[string]time.Time // until when a process is stopped
	deck    []trouble            // what goes wrong next
	copied  string               // the newest snapshot; "": none yet
}

// Two ingests and three allocators as processes, on a real Kafka and a real Redis of their own, under a steady load: for CHAOS_FOR
// (60 s) one thing after the other goes wrong. Then the input is compared with the journal, the sum of the input with Redis and with
// the topic availability, and every row and output with the fold of the journal.
func TestChaos(t *testing.T) {
	during := time.Minute
	if text := os.Getenv("CHAOS_FOR"); text != "" {
		var err error
		if during, err = time.ParseDuration(text); err != nil {
			t.Fatalf("CHAOS_FOR: %v", err)
		}
	}
	c := newChaos(t)
	loading, stop := context.WithCancel(t.Context())
	var sent atomic.Int64
	type result struct {
		load load
		err  error
	}
	loaded := make(chan result, 1)
	go func() {
		l, err := c.load(loading, &sent)
		loaded <- result{l, err}
	}()
	begin := time.Now()
	for time.Since(begin) < during {
		c.pause(time.Second + time.Duration(c.rnd.Int64N(int64(2*time.Second))))
		c.wake()
		c.supervise()
		what := c.fault()
		c.faults[what]++
		t.Logf("%6.1fs %-40s %d sent", time.Since(begin).Seconds(), what, sent.Load())
	}
	for len(c.asleep) > 0 { // a sleep that is cut short would be none
		c.pause(time.Second)
		c.wake()
		c.supervise()
	}
	stop()
	l := <-loaded
	if l.err != nil {
		t.Fatalf("load: %v", l.err)
	}
	settling := time.Now()
	c.in.wait("every event is folded", 5*time.Minute, func() (bool, error) {
		c.supervise()
		return c.in.servers.settled()
	})
	settled := time.Since(settling)
	n := c.check(t)
	c.in.compare(l.load)
	survived := 0
	for _, times := range c.faults {
		survived += times
	}
	t.Logf("%v: %d faults survived %v", during, survived, c.faults)
	t.Logf("%d movements sent, %d journal entries, %d of them sent again; settled %.1f s after the last fault", l.load.lines, n.entries, n.again, settled.Seconds())
	t.Logf("%d lost, %d doubled, %d different rows", n.lost, n.doubled, n.different)
	if n.lost+n.doubled+n.different > 0 || survived == 0 {
		t.Error("the run did not come to the counts of its input")
	}
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	bin, err := buildAll()
	if err != nil {
		t.Fatal(err)
	}
	c := &chaos{t: t, seed: uint64(time.Now().UnixNano()), running: map[string]*process{}, faults: map[string]int{}, asleep: map[string]time.Time{}}
	t.Logf("seed %d", c.seed)
	c.rnd = rand.New(rand.NewPCG(c.seed, 1))
	c.kafka, c.redis = newKafka(t), newRedis(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.kafka.address))
	c.must(err)
	direct := redis.NewClient(&redis.Options{Addr: c.redis.address})
	t.Cleanup(func() {
		client.Close()
		_ = direct.Close()
	})
	c.in = &installation{
		t: t, bin: bin, name: "chaos", ops: map[string]string{},
		servers: &servers{t: t, name: "chaos", kafka: kadm.NewClient(client), redis: direct},
	}
	// Our commands reach the servers themselves; the processes only through proxies, which lose replies.
	c.in.env = append(without("SHELFWIRE_", os.Environ()),
		"SHELFWIRE_KAFKA_BROKERS="+c.kafka.address, "SHELFWIRE_REDIS_ADDRESSES="+c.redis.address,
		"SHELFWIRE_TOPIC_PREFIX=chaos.", "SHELFWIRE_REDIS_PREFIX=chaos:", "SHELFWIRE_LOG_LEVEL=info")
	c.in.must("topics", "apply") // of a broker that is new to everything
	kafkaProxy := startKafkaProxy(t, c.kafka.address, func(w wire) wire { return losingWire{w, &c.lose.kafka} })
	redisProxy := startProxy(t, c.redis.address, func(string) wire { return losingWire{plain{}, &c.lose.redis} })
	c.names = []string{"ingest-1", "ingest-2", "allocator-1", "allocator-2", "allocator-3"}
	through := []string{"SHELFWIRE_KAFKA_BROKERS=" + kafkaProxy.address, "SHELFWIRE_REDIS_ADDRESSES=" + redisProxy.address}
	c.in.env = append(c.in.env, through...)
	for _, name := range c.names {
		c.start(name)
	}
	for _, name := range c.names {
		c.running[name].ready()
	}
	return c
}

func (c *chaos) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// start starts a process under the name that it has in its group.
func (c *chaos) start(name string) {
	c.t.Helper()
	stage, _, _ := strings.Cut(name, "-")
	own := *c.in
	own.ops = map[string]string{stage: freeAddress(c.t)}
	own.env = append(own.env[:len(own.env):len(own.env)], "SHELFWIRE_INSTANCE_ID="+name, "SHELFWIRE_INGEST_LISTEN="+freeAddress(c.t),
		fmt.Sprintf("SHELFWIRE_%s_OPS_LISTEN=%s", strings.ToUpper(stage), own.ops[stage]))
	c.running[name] = own.start(stage)
}

// supervise starts again what has ended by itself.
func (c *chaos) supervise() {
	for _, name := range c.names {
		select {
		case <-c.running[name].ended:
			c.t.Logf("%s had ended: %v\n%s", name, c.running[name].cmd.ProcessState, lastLines(c.running[name].log.Name(), 2))
			c.start(name)
		default:
		}
	}
}

// pause waits.
func (c *chaos) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.t.Context().Done():
		c.t.Fatal(c.t.Context().Err())
	}
}

// A trouble is one thing that goes wrong, and how often it is among the others.
type trouble struct {
	what  string
	times int
	make  func()
}

// troubles returns what can go wrong.
func (c *chaos) troubles() []trouble {
	return []trouble{
		{"kill -9 of a process", 3, func() {
			name := c.anyOf()
			c.running[name].kill()
			delete(c.asleep, name)
			c.pause(time.Duration(c.rnd.Int64N(int64(3 * time.Second))))
			c.start(name)
		}},
		{"SIGSTOP past the session, then SIGCONT", 2, func() {
			name := c.anyOf()
			c.must(c.running[name].cmd.Process.Signal(syscall.SIGSTOP))
			c.asleep[name] = time.Now().Add(pastSession)
		}},
		{"kill -9 of Redis, its log cut", 2, func() {
			c.redis.kill()
			c.redis.cutLog(c.rnd)
			c.redis.start()
		}},
		{"Redis wiped", 2, c.wipe},
		{"kill -9 of Kafka", 1, func() {
			c.kafka.kill()
			c.kafka.start()
		}},
		{"replies of Kafka lost", 1, func() { c.lose.kafka.Store(1 + c.rnd.Int64N(8)) }},
		{"replies of Redis lost", 1, func() { c.lose.redis.Store(1 + c.rnd.Int64N(8)) }},
	}
}

// fault makes the next thing go wrong: of all there are in a random order, then in another.
func (c *chaos) fault() string {
	if len(c.deck) == 0 {
		for _, t := range c.troubles() {
			for range t.times {
				c.deck = append(c.deck, t)
			}
		}
		c.rnd.Shuffle(len(c.deck), func(i, j int) { c.deck[i], c.deck[j] = c.deck[j], c.deck[i] })
	}
	next := c.deck[0]
	c.deck = c.deck[1:]
	next.make()
	return next.what
}

// anyOf returns a process.
func (c *chaos) anyOf() string { return c.names[c.rnd.IntN(len(c.names))] }

// wake lets the processes go on that have been asleep for long enough.
func (c *chaos) wake() {
	for name, until := range c.asleep {
		if time.Now().After(until) {
			c.must(c.running[name].cmd.Process.Signal(syscall.SIGCONT))
			delete(c.asleep, name)
		}
	}
}

// wipe takes Redis everything. The first time nobody puts anything back, so that the whole journal is folded again; then the snapshot
// of the last time is.
func (c *chaos) wipe() {
	c.t.Helper()
	previous := c.copied
	c.copied = filepath.Join(c.t.TempDir(), "snapshot")
	if previous == "" {
		c.in.must("snapshot", c.copied)
		c.redis.kill()
		c.redis.wipe()
		c.redis.start()
		return
	}
	for _, name := range c.names {
		if strings.HasPrefix(name, "allocator") {
			c.running[name].kill()
			delete(c.asleep, name)
		}
	}
	c.redis.kill()
	c.redis.wipe()
	c.redis.start()
	c.in.must("restore", "--while-running", previous)
	for _, name := range c.names {
		if strings.HasPrefix(name, "allocator") {
			c.start(name)
		}
	}
	c.in.must("snapshot", "--from", previous, c.copied)
}
