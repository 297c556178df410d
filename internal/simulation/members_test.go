//go:build synctests

package simulation_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// Members of a group that come and go, die, and lose their connections have one worker for each partition that the group has given
// them, and no other, as soon as nothing happens any more. They have no instance ids, so every one that comes or goes moves
// partitions.
//
// What the group has given to whom is what the broker says, since this one may leave a partition with a member that is dead, or not
// come to an end with a rebalance (DECISIONS, "Where the fake broker's groups go wrong"); then the members start afresh. SEEDS and
// FROM are those of TestSimulation.
func TestMembersComeAndGo(t *testing.T) {
	first, n := number(t, "FROM", 1), number(t, "SEEDS", 50)
	var settled, afresh atomic.Int64
	t.Run("seed", func(t *testing.T) {
		for seed := first; seed < first+n; seed++ {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { comeAndGo(t, seed, &settled, &afresh) })
			})
		}
	})
	t.Logf("%d times the partitions came to rest, %d times the members had to start afresh", settled.Load(), afresh.Load())
	if afresh.Load() > settled.Load()/20+2 {
		t.Error("the members started afresh too often for this to be the broker")
	}
}

func comeAndGo(t *testing.T, seed uint64, settled, afresh *atomic.Int64) {
	rnd := rand.New(rand.NewPCG(seed, 3))
	g := newGathering(t, seed, rnd)
	defer g.close()
	for range 1 + rnd.IntN(3) {
		g.join()
	}
	for range 8 {
		for range 1 + rnd.IntN(4) {
			g.trouble(rnd)
			<-time.After(time.Duration(rnd.Int64N(int64(12 * time.Second))))
		}
		g.timers.Wait()
		if g.settle() {
			settled.Add(1)
		} else {
			afresh.Add(1)
		}
		if t.Failed() {
			return
		}
	}
}

// partitions is how many the members share.
const partitions = 5

// A gathering is the members of one group, present and past.
type gathering struct {
	t       *testing.T
	begin   time.Time
	latency time.Duration
	network kfake.VirtualNetwork
	broker  *kfake.Cluster
	direct  *kgo.Client
	timers  sync.WaitGroup
	present []*attendee // of the run's goroutine
	past    []*attendee // likewise

	mu   sync.Mutex
	said []string // guarded by mu
}

// An attendee is one member, a process of its own.
type attendee struct {
	gathering *gathering
	name      string
	link      *link
	cancel    context.CancelFunc
	done      chan struct{}

	mu      sync.Mutex
	workers map[int32]int // by partition; guarded by mu
}

func newGathering(t *testing.T, seed uint64, rnd *rand.Rand) *gathering {
	t.Helper()
	g := &gathering{t: t, begin: time.Now(), latency: []time.Duration{time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond}[rnd.IntN(3)]}
	g.say("seed %d, latency %v", seed, g.latency)
	var err error
	if g.broker, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(g.network.Listen)); err != nil {
		t.Fatal(err)
	}
	if g.direct, err = kgo.NewClient(kgo.SeedBrokers(broker), kgo.Dialer(g.network.DialContext)); err != nil {
		t.Fatal(err)
	}
	c, err := kafka.Open(t.Context(), kafka.Config{Brokers: []string{broker}, Prefix: prefix, Dial: g.network.DialContext}, discard)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l := layout
	l.Journal = partitions
	if _, err := c.ApplyTopics(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *gathering) dial() (net.Conn, error) {
	return g.network.DialContext(context.Background(), "tcp", broker)
}

func (g *gathering) say(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said = append(g.said, fmt.Sprintf("%8.3fs ", time.Since(g.begin).Seconds())+fmt.Sprintf(format, args...))
}

func (g *gathering) join() {
	ctx, cancel := context.WithCancel(context.Background())
	a := &attendee{
		gathering: g, name: fmt.Sprintf("m%d", len(g.present)+len(g.past)), link: newLink(g.latency, g.dial), cancel: cancel,
		done: make(chan struct{}), workers: map[int32]int{},
	}
	g.say("%s joins", a.name)
	g.present = append(g.present, a)
	go func() {
		defer close(a.done)
		for ctx.Err() == nil {
			if err := a.run(ctx); err != nil && ctx.Err() == nil {
				g.say("%s ended: %v", a.name, err)
			}
		}
	}()
}

func (a *attendee) run(ctx context.Context) error {
	c, err := kafka.Open(ctx, kafka.Config{Brokers: []string{broker}, Prefix: prefix, ClientID: a.name, Dial: a.link.dial}, discard)
	if err != nil {
		<-time.After(time.Second)
		return err
	}
	defer c.Close()
	return c.RunGroup(ctx, kafka.GroupConfig{Group: "members", Topics: []stream.Topic{stream.Journal}}, a.work)
}

// work does nothing but be there, and commits as ingest does: now and then, and once more at the end.
func (a *attendee) work(ctx context.Context, s stream.Assignment) error {
	p := s.Partition().ID
	count := func(n int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.workers[p] += n
		a.gathering.say("%s has %d workers of %d", a.name, a.workers[p], p)
	}
	count(1)
	defer count(-1)
	every := time.NewTicker(700 * time.Millisecond)
	defer every.Stop()
	for n := int64(1); ; n++ {
		select {
		case <-every.C:
			s.CommitLag(n)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			_ = s.Commit(last, n) // where it fails the partition is another's by now
			cancel()
			return ctx.Err()
		}
	}
}

// trouble makes one thing happen.
func (g *gathering) trouble(rnd *rand.Rand) {
	const most = 4
	what := rnd.IntN(10)
	d := time.Duration(rnd.Int64N(int64(25 * time.Second)))
	n, coin := 1+rnd.IntN(4), rnd.IntN(2) == 0
	if len(g.present) == 0 || what < 3 && len(g.present) < most {
		g.join()
		return
	}
	i := rnd.IntN(len(g.present))
	a := g.present[i]
	later := func(do func()) {
		g.timers.Go(func() {
			<-time.After(d)
			do()
		})
	}
	switch what {
	case 0, 1, 2, 3, 4:
		g.present = slices.Delete(g.present, i, i+1)
		g.past = append(g.past, a)
		if coin {
			g.say("%s leaves", a.name)
			a.cancel()
			return
		}
		g.say("%s dies, what it had sent arrives: %v", a.name, what%2 == 0)
		a.link.end(what%2 == 0)
		a.cancel()
	case 5, 6:
		g.say("nothing arrives between %s and the broker for %v", a.name, d)
		a.link.hold()
		later(a.link.carry)
	case 7:
		g.say("%s loses %d replies", a.name, n)
		a.link.lose(n)
	case 8:
		g.say("the connections of %s are cut", a.name)
		a.link.cut()
	case 9:
		d /= 2
		g.say("the broker is away for %v", d)
		present := slices.Clone(g.present)
		for _, a := range present {
			a.link.refuse(true)
		}
		later(func() {
			for _, a := range present {
				a.link.refuse(false)
			}
		})
	}
}

// settle waits until the workers have been for a while what the group has given to the members, and together those of all
// partitions. Where the broker does not come to that, everyone leaves, and it returns false.
func (g *gathering) settle() bool {
	g.t.Helper()
	if len(g.present) == 0 {
		g.join()
	}
	const atMost, quiet = 3 * time.Minute, 15 * time.Second
	agreed, whole := time.Now(), time.Now()
	var given, at map[string][]int32
	stable := false
	for end := time.Now().Add(atMost); time.Now().Before(end); <-time.After(100 * time.Millisecond) {
		given, stable = g.given()
		at = g.at()
		if !stable || !maps.EqualFunc(given, at, slices.Equal) {
			agreed, whole = time.Now(), time.Now()
			continue
		}
		n := 0
		for _, partitions := range at {
			n += len(partitions)
		}
		if n != partitions {
			whole = time.Now()
		}
		if time.Since(whole) > quiet {
			g.say("settled")
			return true
		}
	}
	if stable && time.Since(agreed) <= quiet {
		g.t.Errorf("%v after the last trouble the group has given %v, and the workers are %v", atMost, given, at)
		return false
	}
	g.say("in the group %v (stable: %v), at work %v: everybody leaves", given, stable, at)
	for _, a := range g.present {
		a.cancel()
	}
	g.past, g.present = append(g.past, g.present...), nil
	<-time.After(time.Minute)
	return false
}

// at returns the partitions of each member that is present, once for each worker.
func (g *gathering) at() map[string][]int32 {
	at := map[string][]int32{}
	for _, a := range g.present {
		a.mu.Lock()
		for p := range int32(partitions) {
			for range a.workers[p] {
				at[a.name] = append(at[a.name], p)
			}
		}
		a.mu.Unlock()
	}
	return at
}

// given returns what the broker has given to each member that is present, and whether no rebalance is under way.
func (g *gathering) given() (map[string][]int32, bool) {
	g.t.Helper()
	groups, err := kadm.NewClient(g.direct).DescribeGroups(g.t.Context(), prefix+"members")
	if err != nil {
		g.t.Fatal(err)
	}
	given := map[string][]int32{}
	group := groups[prefix+"members"]
	for _, m := range group.Members {
		c, ok := m.Assigned.AsConsumer()
		name := strings.TrimSuffix(m.ClientID, "-group-members")
		if !ok || !slices.ContainsFunc(g.present, func(a *attendee) bool { return a.name == name }) {
			continue
		}
		for _, t := range c.Topics {
			given[name] = append(given[name], t.Partitions...)
		}
		slices.Sort(given[name])
	}
	maps.DeleteFunc(given, func(_ string, p []int32) bool { return len(p) == 0 })
	return given, group.State == "Stable"
}

// close ends everything, so that the bubble may end, and says what happened in a run that failed.
func (g *gathering) close() {
	if g.t.Failed() {
		g.mu.Lock()
		for _, line := range g.said {
			g.t.Log(line)
		}
		g.mu.Unlock()
	}
	g.timers.Wait()
	all := slices.Concat(g.past, g.present)
	for _, a := range all {
		a.link.end(false)
		a.cancel()
	}
	for _, a := range all {
		<-a.done
		a.link.pumps.Wait()
	}
	g.direct.Close()
	g.broker.Close()
}
