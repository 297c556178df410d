package allocator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const partition = 3

// A rig is one journal partition with everything around its worker.
type rig struct {
	t       *testing.T
	journal *journal
	topics  *topics
	redis   *miniredis.Miniredis
	store   *redisstore.Store
	log     *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) count(message string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.b.String(), "msg="+message)
}

func newRig(t *testing.T, batch int) *rig {
	t.Helper()
	r := &rig{t: t, journal: newJournal(batch), topics: &topics{}, redis: miniredis.RunT(t), log: &safeBuffer{}}
	store, err := redisstore.Open(t.Context(), redisstore.Config{Addresses: []string{r.redis.Addr()}, Prefix: "sw:"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	r.store = store
	return r
}

func config() allocator.Config {
	c := allocator.DefaultConfig()
	c.BatchEntries = 64
	c.IdleCheck = 20 * time.Millisecond
	c.RetryMin, c.RetryMax = time.Millisecond, 5*time.Millisecond
	return c
}

// stage returns a stage over the rig's parts; store nil means the rig's own.
func (r *rig) stage(store allocator.Store) *allocator.Stage {
	r.t.Helper()
	if store == nil {
		store = r.store
	}
	s, err := allocator.New(config(), allocator.Deps{
		Log: r.journal, Outputs: r.topics, Store: store, Metrics: prometheus.NewRegistry(),
		Logger: slog.New(slog.NewTextHandler(r.log, nil)),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// worker runs Work until stop is called, which returns what Work returned.
func (r *rig) worker(store allocator.Store) (a *assignment, stop func() error) {
	a = newAssignment()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	s := r.stage(store)
	go func() { done <- s.Work(ctx, a) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			err = <-done
		})
		return err
	}
	r.t.Cleanup(func() { _ = stop() })
	return a, stop
}

// await waits until the store's position is at offset.
func (r *rig) await(a *assignment, offset int64) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	for {
		a.mu.Lock()
		changed := a.changed
		a.mu.Unlock()
		if at, err := r.store.Meta(ctx, partition); err == nil && at.Offset == offset {
			return
		}
		tick := time.NewTimer(10 * time.Millisecond)
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			at, err := r.store.Meta(r.t.Context(), partition)
			r.t.Fatalf("the store is at %v (%v), want offset %d; log:\n%s", at, err, offset, r.log.b.String())
		}
		tick.Stop()
	}
}

func (r *rig) rows() map[engine.RowKey][]byte {
	r.t.Helper()
	rows := map[engine.RowKey][]byte{}
	err := r.store.EachRow(r.t.Context(), partition, func(w engine.RowWrite) error {
		rows[w.RowKey] = w.Value
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return rows
}

// seeds returns how many random journals to fold: usual, or what the environment asks for with SEEDS=.
func seeds(usual uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv("SEEDS"), 10, 64); err == nil && n > 0 {
		return n
	}
	return usual
}

func TestFoldIsExact(t *testing.T) {
	for seed := range seeds(4) {
		all := entries(seed, 400)
		oracle := newOracle(t, partition, all)
		for _, batch := range []int{1, 7, 1000} {
			t.Run(fmt.Sprintf("seed %d, %d entries a read", seed, batch), func(t *testing.T) {
				r := newRig(t, batch)
				r.journal.append(all...)
				a, stop := r.worker(nil)
				r.await(a, int64(len(all)))
				if err := stop(); err != nil {
					t.Errorf("Work() = %v, want nil after its context has ended", err)
				}
				oracle.check(t, r.topics.all(), r.rows())
			})
		}
	}
}

// crash makes a fault function that ends the worker at a random one of the next calls.
func crash(rnd *rand.Rand, mu *sync.Mutex, cancel *func()) func(bool) error {
	return func(bool) error {
		mu.Lock()
		defer mu.Unlock()
		if rnd.IntN(6) > 0 {
			return nil
		}
		(*cancel)()
		return errors.New("the process was killed")
	}
}

func TestCrashesAnywhereChangeNothing(t *testing.T) {
	for seed := range seeds(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			all := entries(seed, 600)
			r := newRig(t, 20)
			r.journal.append(all...)
			var mu sync.Mutex
			rnd := rand.New(rand.NewPCG(seed, 2))
			crashes := 0
			for {
				ctx, cancel := context.WithCancel(t.Context())
				stop := func() { cancel() }
				fault := crash(rnd, &mu, &stop)
				r.topics.fault = fault
				a := newAssignment()
				done := make(chan error, 1)
				s := r.stage(faultyStore{r.store, fault})
				go func() { done <- s.Work(ctx, a) }()
				finished := false
				for !finished && ctx.Err() == nil {
					a.mu.Lock()
					changed := a.changed
					a.mu.Unlock()
					if at, err := r.store.Meta(t.Context(), partition); err == nil && at.Offset == int64(len(all)) {
						finished = true
						break
					}
					select {
					case <-changed:
					case <-ctx.Done():
					}
				}
				cancel()
				if err := <-done; err != nil {
					t.Fatalf("Work() = %v", err)
				}
				if finished {
					break
				}
				crashes++
			}
			t.Logf("%d crashes", crashes)
			newOracle(t, partition, all).check(t, r.topics.all(), r.rows())
		})
	}
}

func TestFailuresWithoutACrash(t *testing.T) {
	all := entries(11, 600)
	r := newRig(t, 20)
	r.journal.append(all...)
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(11, 2))
	fault := func(bool) error {
		mu.Lock()
		defer mu.Unlock()
		if rnd.IntN(4) == 0 {
			return errors.New("timeout: outcome unknown")
		}
		return nil
	}
	r.topics.fault = fault
	a, stop := r.worker(faultyStore{r.store, fault})
	r.await(a, int64(len(all)))
	if err := stop(); err != nil {
		t.Errorf("Work() = %v", err)
	}
	newOracle(t, partition, all).check(t, r.topics.all(), r.rows())
}

func TestTwoOwnersAreAsGoodAsOne(t *testing.T) {
	for seed := range uint64(4) {
		all := entries(20+seed, 500)
		r := newRig(t, 15)
		a, stopA := r.worker(nil)
		_, stopB := r.worker(nil)
		for i := range all {
			r.journal.append(all[i])
		}
		r.await(a, int64(len(all)))
		for _, stop := range []func() error{stopA, stopB} {
			if err := stop(); err != nil {
				t.Errorf("Work() = %v", err)
			}
		}
		newOracle(t, partition, all).check(t, r.topics.all(), r.rows())
	}
}

// copyOf returns every hash of the rig's Redis.
func (r *rig) copyOf() map[string]map[string]string {
	c := map[string]map[string]string{}
	for _, key := range r.redis.Keys() {
		c[key] = map[string]string{}
		fields, err := r.redis.HKeys(key)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, f := range fields {
			c[key][f] = r.redis.HGet(key, f)
		}
	}
	return c
}

// putBack replaces everything with the copy in one step, as a failover does.
func (r *rig) putBack(c map[string]map[string]string) {
	r.t.Helper()
	client := redis.NewClient(&redis.Options{Addr: r.redis.Addr()})
	defer client.Close()
	_, err := client.TxPipelined(r.t.Context(), func(p redis.Pipeliner) error {
		p.FlushAll(r.t.Context())
		for key, fields := range c {
			p.HSet(r.t.Context(), key, fields)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestAnOlderCopyFoldsForward(t *testing.T) {
	for _, busy := range []bool{false, true} {
		t.Run(fmt.Sprintf("entries follow: %v", busy), func(t *testing.T) {
			all := entries(30, 400)
			r := newRig(t, 15)
			a, stop := r.worker(nil)
			r.journal.append(all[:150]...)
			r.await(a, 150)
			old := r.copyOf()
			r.journal.append(all[150:300]...)
			r.await(a, 300)

			r.putBack(old)
			if busy {
				r.journal.append(all[300:]...)
				r.await(a, 400)
			} else {
				r.await(a, 300)
				all = all[:300]
			}
			if err := stop(); err != nil {
				t.Errorf("Work() = %v", err)
			}
			newOracle(t, partition, all).check(t, r.topics.all(), r.rows())
		})
	}
}

func TestRedisAwayIsWaitedForAndSaidOnce(t *testing.T) {
	all := entries(40, 400)
	r := newRig(t, 15)
	a, stop := r.worker(nil)
	r.journal.append(all[:200]...)
	r.await(a, 200)
	r.redis.Close()
	r.journal.append(all[200:]...)
	waited := time.NewTimer(100 * time.Millisecond)
	<-waited.C
	if err := r.redis.Restart(); err != nil {
		t.Fatal(err)
	}
	r.await(a, 400)
	if err := stop(); err != nil {
		t.Errorf("Work() = %v", err)
	}
	if w, g := r.log.count("waiting"), r.log.count(`"going on"`); w != 1 || g != 1 {
		t.Errorf("log says %d times that it waits and %d times that it goes on, want once each:\n%s", w, g, r.log.b.String())
	}
	newOracle(t, partition, all).check(t, r.topics.all(), r.rows())
}

func TestStops(t *testing.T) {
	all := entries(50, 100)
	hole := record.JournalEntry{Event: all[len(all)-1].Event, EntryTime: all[len(all)-1].EntryTime, Origin: record.Origin{
		TopicID: "aa", Topic: "movements", Offset: 1000, Previous: 998,
	}}
	ahead := record.JournalEntry{Event: all[len(all)-1].Event, EntryTime: day.Add(100 * 365 * 24 * time.Hour)}
	for _, test := range []struct {
		name  string
		spoil func(r *rig)
		want  string
	}{
		{"the topic was made again", func(r *rig) { r.journal.id = "other" }, "made again"},
		{"the journal lost its tail", func(r *rig) { r.journal.loseTail(60) }, "lost its tail"},
		{"the journal lost its tail and was written on", func(r *rig) { r.journal.loseTail(60); r.journal.append(all[:50]...) }, "lost its tail and was written on"},
		{"the journal begins after the position", func(r *rig) { r.journal.append(all...); r.journal.trim(120) }, "entries between are gone"},
		{"neither state nor a whole journal", func(r *rig) { r.redis.FlushAll(); r.journal.trim(1) }, "does not start from zero"},
		{"rows without a position", func(r *rig) { r.redis.Del("sw:{j3}:meta") }, "no position"},
		{"rows newer than the position", func(r *rig) {
			r.redis.HSet("sw:{j3}:meta", "offset", "40")
			r.redis.HSet("sw:{j3}:meta", "hash", fmt.Sprintf("%x", stream.HashValue(r.journal.records[39].Value)))
		}, "do not belong together"},
		{"a table of another type", func(r *rig) {
			r.redis.Del("sw:{j3}:seen:acme")
			if err := r.redis.Set("sw:{j3}:seen:acme", "x"); err != nil {
				panic(err)
			}
			r.journal.append(all[0])
		}, "WRONGTYPE"},
		{"an entry that does not decode", func(r *rig) { r.journal.appendRaw([]byte("\xff\xff")) }, "read entry 100"},
		{"an entry whose predecessor never arrived", func(r *rig) { r.journal.append(hole) }, "never arrived"},
		{"an entry from the future", func(r *rig) { r.journal.append(ahead) }, "set the clock"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, 15)
			r.journal.append(all...)
			a, stop := r.worker(nil)
			r.await(a, int64(len(all)))
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			test.spoil(r)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			err := r.stage(nil).Work(ctx, newAssignment())
			if !errors.Is(err, stream.ErrStop) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Work() = %v, want an alarm that says %q", err, test.want)
			}
		})
	}
}

func TestALoserThatTheGroupRefusesReturns(t *testing.T) {
	all := entries(60, 100)
	r := newRig(t, 15)
	r.journal.append(all...)
	refused := errors.New("the member is fenced")
	a := newAssignment()
	a.refuse = refused
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s := r.stage(nil)
	done := make(chan error, 1)
	go func() { done <- s.Work(ctx, a) }()
	r.await(a, 100)
	r.redis.HSet("sw:{j3}:meta", "epoch", "9") // somebody else's
	if err := <-done; !errors.Is(err, refused) || errors.Is(err, stream.ErrStop) {
		t.Errorf("Work() = %v, want the group's refusal", err)
	}
}

// A commit whose outcome is unknown is resolved by reading: one that took place is not made again, one that did not is, and neither
// makes the worker begin anew, which would write the batch's outputs twice.
func TestACommitOfUnknownOutcomeIsResolvedByReading(t *testing.T) {
	for _, after := range []bool{true, false} {
		t.Run(fmt.Sprintf("it took place: %v", after), func(t *testing.T) {
			all := entries(61, 100)
			r := newRig(t, 15)
			r.journal.append(all...)
			var mu sync.Mutex
			failed := 0
			a, stop := r.worker(faultyStore{r.store, func(now bool) error {
				mu.Lock()
				defer mu.Unlock()
				if now != after || failed == 3 {
					return nil
				}
				failed++
				return errors.New("timeout: outcome unknown")
			}})
			r.await(a, 100)
			if err := stop(); err != nil {
				t.Errorf("Work() = %v", err)
			}
			if n := r.log.count(`"stored position moved`); n != 0 || failed != 3 {
				t.Errorf("%d commits failed, and the worker began anew %d times; want 3 and never:\n%s", failed, n, r.log.b.String())
			}
			written := map[said]int{}
			for _, m := range r.topics.all() {
				if s := say(t, m); written[s] > 0 {
					t.Fatalf("%+v was written twice", s)
				} else {
					written[s]++
				}
			}
			newOracle(t, partition, all).check(t, r.topics.all(), r.rows())
		})
	}
}
