package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// GroupConfig names a consumer group and what it shares out.
type GroupConfig struct {
	Group      string // without the installation's prefix
	InstanceID string // static membership: a restart within the session keeps its partitions; "" is dynamic
	Topics     []stream.Topic
	Registerer prometheus.Registerer // for the group's metrics; nil: none
	// Joined, where set, is called after every assignment, also one of no partition: the process is a member and works on
	// what it was given.
	Joined func()
	// Stopped, where set, is called when an alarm has stopped a partition, and with false when the partition is taken away.
	Stopped func(p stream.Partition, stopped bool)
}

// How soon a member that is gone loses its partitions, and how long a rebalance waits for the others.
const (
	sessionTimeout   = 10 * time.Second
	rebalanceTimeout = 12 * time.Second
)

// How long a worker that failed waits before it is started again: doubled from the first to the last.
const (
	restartFirst = 200 * time.Millisecond
	restartLast  = 10 * time.Second
)

// lagEvery is how often the offsets of CommitLag are committed.
const lagEvery = time.Second

// RunGroup joins the group and runs one worker for each partition that this process is given, until ctx ends; then it waits
// for them. The group only assigns: it fetches nothing, and workers open their own readers. A worker that fails is started
// again after a pause; one whose error wraps [stream.ErrStop] is not, and the others go on.
func (c *Cluster) RunGroup(ctx context.Context, cfg GroupConfig, worker stream.Worker) error {
	g := &group{
		cluster: c, cfg: cfg, worker: worker, log: c.log.With("group", cfg.Group),
		running: map[stream.Partition]*running{}, lag: map[stream.Partition]offset{},
		stopped: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shelfwire_partitions_stopped", Help: "Partitions that an alarm has stopped, by group and topic.",
		}, []string{"group", "topic"}),
		assigned: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "shelfwire_partitions_assigned", Help: "Partitions this process works on, by group and topic.",
		}, []string{"group", "topic"}),
	}
	var err error
	if cfg.Registerer != nil {
		if g.stopped, err = register(cfg.Registerer, g.stopped); err != nil {
			return err
		}
		if g.assigned, err = register(cfg.Registerer, g.assigned); err != nil {
			return err
		}
	}
	names := make([]string, len(cfg.Topics))
	for i, t := range cfg.Topics {
		names[i] = c.name(t)
	}
	opts := append(c.options("group-"+cfg.Group),
		kgo.ConsumerGroup(c.cfg.Prefix+cfg.Group),
		kgo.ConsumeTopics(names...),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(sessionTimeout),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.HeartbeatInterval(2*time.Second),
		kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
			g.assign(ctx, m)
			if cfg.Joined != nil {
				cfg.Joined()
			}
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { g.lose(m) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { g.lose(m) }),
	)
	if cfg.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(c.cfg.Prefix+cfg.InstanceID))
	}
	g.mu.Lock() // no assignment gets through before the workers can commit
	g.client, err = kgo.NewClient(opts...)
	g.mu.Unlock()
	if err != nil {
		return fmt.Errorf("group %s: %w", cfg.Group, err)
	}
	g.client.PauseFetchTopics(names...)
	err = g.run(ctx)
	g.revokeAll()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	g.commitLag(last)
	g.client.Close()
	return err
}

// register returns what is registered under the collector's name, which an earlier group of the process may have done.
func register(r prometheus.Registerer, v *prometheus.GaugeVec) (*prometheus.GaugeVec, error) {
	err := r.Register(v)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if same, ok := already.ExistingCollector.(*prometheus.GaugeVec); ok {
			return same, nil
		}
	}
	return v, err
}

type group struct {
	cluster  *Cluster
	cfg      GroupConfig
	worker   stream.Worker
	log      *slog.Logger
	client   *kgo.Client
	stopped  *prometheus.GaugeVec
	assigned *prometheus.GaugeVec

	mu      sync.Mutex
	running map[stream.Partition]*running // guarded by mu
	lag     map[stream.Partition]offset   // what the broker has not acknowledged yet; guarded by mu
}

// An offset is what is committed for a partition, with the id of the topic that it counts in as metadata.
type offset struct {
	next    int64
	topicID string
}

type running struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// run waits for ctx, commits lag offsets, and looks at what the group reports: nothing is fetched, so a poll returns errors
// only.
func (g *group) run(ctx context.Context) error {
	var lag sync.WaitGroup
	defer lag.Wait()
	lagCtx, stop := context.WithCancel(ctx)
	defer stop()
	lag.Go(func() {
		ticker := time.NewTicker(lagEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				g.commitLag(lagCtx)
			case <-lagCtx.Done():
				return
			}
		}
	})
	for {
		fetches := g.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			if errors.Is(err, kerr.FencedInstanceID) {
				return fmt.Errorf("group %s: another process has taken the instance id %q: %w", g.cfg.Group, g.cfg.InstanceID, err)
			}
			level := slog.LevelWarn
			if _, away := errors.AsType[*net.OpError](err); away {
				level = slog.LevelDebug // that brokers are away is said once, where they are dialled
			}
			g.log.Log(ctx, level, "consumer group", "err", err)
		}
	}
}

// assign starts the workers; each one's context comes from ctx, that of RunGroup.
func (g *group) assign(ctx context.Context, added map[string][]int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, ids := range added {
		for _, id := range ids {
			p := stream.Partition{Topic: g.cluster.topic(name), ID: id}
			if _, ok := g.running[p]; ok {
				continue
			}
			ctx, cancel := context.WithCancel(ctx)
			r := &running{cancel: cancel, done: make(chan struct{})}
			g.running[p] = r
			g.assigned.WithLabelValues(g.cfg.Group, string(p.Topic)).Inc()
			go func() {
				defer close(r.done)
				g.keep(ctx, p)
			}()
		}
	}
}

func (g *group) revoke(lost map[string][]int32) {
	var gone []*running
	g.mu.Lock()
	for name, ids := range lost {
		for _, id := range ids {
			p := stream.Partition{Topic: g.cluster.topic(name), ID: id}
			if r, ok := g.running[p]; ok {
				r.cancel()
				gone = append(gone, r)
				delete(g.running, p)
				g.assigned.WithLabelValues(g.cfg.Group, string(p.Topic)).Dec()
			}
		}
	}
	g.mu.Unlock()
	for _, r := range gone {
		<-r.done
	}
}

// lose revokes partitions that somebody else will commit for from now on.
func (g *group) lose(lost map[string][]int32) {
	g.revoke(lost)
	g.mu.Lock()
	defer g.mu.Unlock()
	for name, ids := range lost {
		for _, id := range ids {
			delete(g.lag, stream.Partition{Topic: g.cluster.topic(name), ID: id})
		}
	}
}

func (g *group) revokeAll() {
	all := map[string][]int32{}
	g.mu.Lock()
	for p := range g.running {
		name := g.cluster.name(p.Topic)
		all[name] = append(all[name], p.ID)
	}
	g.mu.Unlock()
	g.revoke(all)
}

// stayStopped says that an alarm has stopped the partition, until it is taken away.
func (g *group) stayStopped(ctx context.Context, p stream.Partition, err error) {
	g.log.ErrorContext(ctx, "partition stopped: it needs a person", "topic", p.Topic, "partition", p.ID, "err", err)
	gauge := g.stopped.WithLabelValues(g.cfg.Group, string(p.Topic))
	gauge.Inc()
	defer gauge.Dec()
	if g.cfg.Stopped != nil {
		g.cfg.Stopped(p, true)
		defer g.cfg.Stopped(p, false)
	}
	<-ctx.Done()
}

// keep runs the partition's worker, again and again, until the partition is taken away or its worker raises an alarm.
func (g *group) keep(ctx context.Context, p stream.Partition) {
	pause := restartFirst
	for {
		started := time.Now()
		id, err := g.cluster.TopicID(ctx, p.Topic)
		if err == nil {
			err = g.worker(ctx, &assignment{g, p, id})
		}
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, stream.ErrStop) {
			g.stayStopped(ctx, p, err)
			return
		}
		if time.Since(started) > time.Minute {
			pause = restartFirst
		}
		g.log.WarnContext(ctx, "partition starts again", "topic", p.Topic, "partition", p.ID, "after", pause, "err", err)
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		pause = min(2*pause, restartLast)
	}
}

// commitLag commits how far the workers are. What the broker does not acknowledge stays for the next time: a partition may be quiet
// for long, and what follows its last record would come too late.
func (g *group) commitLag(ctx context.Context) {
	g.mu.Lock()
	offsets := maps.Clone(g.lag)
	g.mu.Unlock()
	if len(offsets) == 0 {
		return
	}
	sent := map[stream.Partition]offset{}
	err := g.commit(ctx, offsets, func(p stream.Partition) (offset, bool) {
		g.mu.Lock()
		defer g.mu.Unlock()
		o, ok := g.lag[p]
		if ok {
			sent[p] = o
		}
		return o, ok
	})
	if err != nil {
		g.log.DebugContext(ctx, "offsets not committed yet", "err", err)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, o := range sent {
		if g.lag[p] == o {
			delete(g.lag, p)
		}
	}
}

// commit commits an offset for each of the partitions and waits for the broker. The client first waits for a rebalance, or for
// another commit, and only then asks for each offset: newest has none for a partition that was lost meanwhile, since an older
// offset must not take the place of what its new owner has committed.
func (g *group) commit(ctx context.Context, partitions map[stream.Partition]offset, newest func(stream.Partition) (offset, bool)) error {
	values := map[string]map[int32]kgo.EpochOffset{}
	for p, o := range partitions {
		name := g.cluster.name(p.Topic)
		if values[name] == nil {
			values[name] = map[int32]kgo.EpochOffset{}
		}
		values[name][p.ID] = kgo.EpochOffset{Epoch: -1, Offset: o.next}
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for i := range req.Topics {
			t := &req.Topics[i]
			kept := t.Partitions[:0]
			for _, p := range t.Partitions {
				if o, ok := newest(stream.Partition{Topic: g.cluster.topic(t.Topic), ID: p.Partition}); ok {
					p.Offset, p.Metadata = o.next, &o.topicID
					kept = append(kept, p)
				}
			}
			t.Partitions = kept
		}
		req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.OffsetCommitRequestTopic) bool { return len(t.Partitions) == 0 })
		return nil
	})
	var failed error
	g.client.CommitOffsetsSync(ctx, values, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				failed = errors.Join(failed, kerr.ErrorForCode(p.ErrorCode))
			}
		}
	})
	return failed
}

// An assignment implements [stream.Assignment].
type assignment struct {
	group     *group
	partition stream.Partition
	topicID   string
}

func (a *assignment) Partition() stream.Partition { return a.partition }

func (a *assignment) Committed(ctx context.Context) (int64, error) {
	g := a.group
	offsets, err := g.cluster.groupOffsets(ctx, g.cfg.Group, a.partition.Topic)
	if err != nil {
		return 0, fmt.Errorf("committed offset of %s/%d: %w", a.partition.Topic, a.partition.ID, err)
	}
	o, ok := offsets.Lookup(g.cluster.name(a.partition.Topic), a.partition.ID)
	if !ok {
		return -1, nil
	}
	if o.Err != nil {
		return 0, fmt.Errorf("committed offset of %s/%d: %w", a.partition.Topic, a.partition.ID, o.Err)
	}
	if o.Metadata != "" && o.Metadata != a.topicID {
		return 0, fmt.Errorf("committed offset of %s/%d is of topic id %s, the topic's id is %s: %w", a.partition.Topic, a.partition.ID, o.Metadata, a.topicID, stream.ErrOtherTopic)
	}
	return o.At, nil
}

func (a *assignment) Commit(ctx context.Context, next int64) error {
	g, o := a.group, offset{next, a.topicID}
	err := g.commit(ctx, map[stream.Partition]offset{a.partition: o}, func(stream.Partition) (offset, bool) { return o, true })
	if err != nil {
		return fmt.Errorf("commit offset %d of %s/%d: %w", next, a.partition.Topic, a.partition.ID, err)
	}
	g.mu.Lock()
	delete(g.lag, a.partition)
	g.mu.Unlock()
	return nil
}

func (a *assignment) CommitLag(next int64) {
	a.group.mu.Lock()
	a.group.lag[a.partition] = offset{next, a.topicID}
	a.group.mu.Unlock()
}
