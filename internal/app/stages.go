package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/daemon"
	"github.com/shelfwire/shelfwire/internal/ingest"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Stage is one part of the pipeline that can run in a process of its own.
type Stage string

// The stages.
const (
	Ingest    Stage = "ingest"
	Allocator Stage = "allocator"
	Publisher Stage = "publisher"
	Audit     Stage = "audit" // the history writer and the page
)

// Stages lists every stage in the order of the pipeline.
func Stages() []Stage { return []Stage{Ingest, Allocator, Publisher, Audit} }

// A Running is what is known of stages once they are ready.
type Running struct {
	Endpoints
	Registry *prometheus.Registry
	// Pending returns how many listings the publisher has yet to bring to rest; nil where it does not run here.
	Pending func() int
}

// RunOptions say how stages run.
type RunOptions struct {
	// OpsListen is the address of the operational end points, OpsKey the setting that it comes from; "" for none.
	OpsListen, OpsKey string
	// Ready, where set, is called once, from a goroutine of Run's, when every stage is ready, but for the history where others run
	// beside it and ClickHouse does not answer.
	Ready func(Running)
}

// Run runs the stages until ctx ends or one of them fails. It refuses to start, saying what to do, where topics, Redis or the
// history are not as they must be. A ClickHouse that does not answer is no reason: only the stage Audit waits for it.
func (inst *Installation) Run(ctx context.Context, stages []Stage, o RunOptions) error {
	cluster, err := inst.Cluster(ctx)
	if err != nil {
		return err
	}
	if err := cluster.CheckTopics(ctx, inst.Layout()); err != nil {
		return err
	}
	inst.largePages()
	if inst.servers == nil {
		daemon.CollectAt(daemon.CollectRarely)
	}
	b := &builder{inst: inst, cluster: cluster, registry: daemon.NewRegistry(), ready: daemon.NewReadiness(), others: len(stages) > 1}
	defer b.closeListeners()
	for _, s := range stages {
		if err := b.add(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	if o.OpsListen != "" {
		l, err := b.listen(ctx, o.OpsKey, o.OpsListen)
		if err != nil {
			return err
		}
		b.endpoints.Ops = urlOf(l)
		b.actors = append(b.actors, daemon.HTTP("ops", l, daemon.OpsHandler(b.registry, b.ready), inst.Log))
	}
	if inst.servers != nil {
		b.actors = append(b.actors, keeping(saveEvery, inst.saveState, inst.Log))
	}
	b.actors = append(b.actors, daemon.Actor{Name: "readiness", Run: func(ctx context.Context) error { return b.announce(ctx, o.Ready) }})
	err = daemon.Run(ctx, b.actors...)
	if inst.servers != nil {
		// The stages have ended, and so have their groups, with all that they had done.
		err = errors.Join(err, inst.saveState(context.WithoutCancel(ctx)))
	}
	return err
}

// largePages prepares the process for many rows. A process with the embedded parts in it is for a machine with other uses for memory.
func (inst *Installation) largePages() {
	if inst.servers == nil {
		daemon.LargePages()
	}
}

// A builder collects what runs.
type builder struct {
	inst      *Installation
	cluster   *kafka.Cluster
	registry  *prometheus.Registry
	ready     *daemon.Readiness
	others    bool // stages run here beside each other
	endpoints Endpoints
	pending   func() int
	actors    []daemon.Actor
	listeners []net.Listener
}

// add wires one stage.
func (b *builder) add(ctx context.Context, s Stage) error {
	switch s {
	case Ingest:
		return b.addIngest(ctx, true)
	case Allocator:
		return b.addAllocator(ctx)
	case Publisher:
		return b.addPublisher(ctx)
	case Audit:
		return b.addAudit(ctx)
	}
	return errors.New("no such stage")
}

func (b *builder) log(stage string) *slog.Logger { return b.inst.Log.With("stage", stage) }

// movements, orders, catalogue ─▶ ingest ─▶ journal, rejections
// POST /v1/events, /v1/webhooks/{channel} ─▶ ingest ─▶ movements, orders, catalogue
func (b *builder) addIngest(ctx context.Context, withHTTP bool) error {
	topics, err := b.inst.TopicReader(ctx)
	if err != nil {
		return err
	}
	producer, err := b.inst.Producer(ctx)
	if err != nil {
		return err
	}
	senders, err := b.inst.senders()
	if err != nil {
		return err
	}
	log := b.log("ingest")
	stage, err := ingest.New(ingest.Config{Token: b.inst.Config.Ingest.Token.Reveal(), Senders: senders}, ingest.Deps{
		Log: topics, Outputs: producer, Now: time.Now, Logger: log, Registerer: b.registry,
	})
	if err != nil {
		return err
	}
	if withHTTP {
		l, err := b.listen(ctx, "ingest.listen", b.inst.Config.Ingest.Listen)
		if err != nil {
			return err
		}
		b.endpoints.Events = urlOf(l) + "v1/events"
		b.actors = append(b.actors, daemon.HTTP("ingest http", l, stage.Handler(), log))
	}
	b.actors = append(b.actors, b.group("ingest", stream.Inputs(), stage.Work))
	return nil
}

// journal ─▶ allocator ─▶ availability, allocations, offers, shipments, rejections
//
//	  │
//	  ▼
//	Redis
func (b *builder) addAllocator(ctx context.Context) error {
	cfg := allocator.DefaultConfig()
	cfg.CacheRows = b.inst.Config.Allocator.CacheRows
	topics, err := b.inst.topicReader(ctx, kafka.ReadersConfig{Together: cfg.BatchEntries})
	if err != nil {
		return err
	}
	producer, err := b.inst.Producer(ctx)
	if err != nil {
		return err
	}
	store, err := b.inst.Store(ctx)
	if err != nil {
		return err
	}
	stage, err := allocator.New(cfg, allocator.Deps{
		Log: topics, Outputs: producer, Store: store, Logger: b.log("allocator"), Metrics: b.registry,
	})
	if err != nil {
		return err
	}
	b.actors = append(b.actors, b.group("allocator", []stream.Topic{stream.Journal}, stage.Work))
	return nil
}

// group returns a consumer group of the stage's name, whose worker is ready when the group has been joined.
func (b *builder) group(name string, topics []stream.Topic, work stream.Worker) daemon.Actor {
	b.ready.Set(name, false)
	cfg := kafka.GroupConfig{
		Group: name, InstanceID: b.inst.instanceID() + "-" + name, Topics: topics, Registerer: b.registry,
		Joined: func() { b.ready.Set(name, true) },
		Stopped: func(p stream.Partition, stopped bool) { // the others go on, so the process stays ready without it
			part := fmt.Sprintf("%s %s/%d", name, p.Topic, p.ID)
			b.ready.Spare(part)
			b.ready.Set(part, !stopped)
		},
	}
	return daemon.Actor{Name: name, Run: func(ctx context.Context) error {
		defer b.ready.Set(name, false)
		return b.cluster.RunGroup(ctx, cfg, work)
	}}
}

var notInNames = regexp.MustCompile(`[^a-zA-Z0-9._-]+`)

// instanceID names this process among the others of its stage, the same after every restart.
func (inst *Installation) instanceID() string {
	if id := inst.Config.InstanceID; id != "" {
		return id
	}
	host, err := os.Hostname()
	if err != nil {
		return "host"
	}
	return notInNames.ReplaceAllString(host, "-")
}

// listen opens an address that is closed at the end at the latest.
func (b *builder) listen(ctx context.Context, key, address string) (net.Listener, error) {
	l, err := daemon.Listen(ctx, key, address)
	if err != nil {
		return nil, err
	}
	b.listeners = append(b.listeners, l)
	return l, nil
}

func (b *builder) closeListeners() {
	for _, l := range b.listeners {
		_ = l.Close() // the servers have closed theirs
	}
}

// announce waits until every stage is ready, publishes the addresses, and takes them back at the end.
func (b *builder) announce(ctx context.Context, ready func(Running)) error {
	if err := b.ready.Wait(ctx); err != nil {
		return err
	}
	b.endpoints.Kafka, b.endpoints.Redis = b.inst.Config.Kafka.Brokers, b.inst.Config.Redis.Addresses
	publish := b.inst.servers != nil
	if publish {
		if err := writeEndpoints(b.inst.dir, b.endpoints); err != nil {
			return err
		}
	}
	b.inst.Log.InfoContext(ctx, "ready", "events", b.endpoints.Events, "page", b.endpoints.Page, "ops", b.endpoints.Ops)
	if ready != nil {
		ready(Running{Endpoints: b.endpoints, Registry: b.registry, Pending: b.pending})
	}
	<-ctx.Done()
	if publish {
		return removeEndpoints(b.inst.dir)
	}
	return nil
}

// urlOf returns the address of a listener as a URL that a browser on this machine can open.
func urlOf(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "http://" + l.Addr().String() + "/"
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}
