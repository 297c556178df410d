package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/shelfwire/shelfwire/internal/config"
	"github.com/shelfwire/shelfwire/internal/daemon"
	"github.com/shelfwire/shelfwire/internal/embedded"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/litestore"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// DefaultDir is the directory of the embedded installation that commands use where nothing else is set.
const DefaultDir = "shelfwire-data"

// embeddedPartitions is how many partitions each topic of an embedded installation has: one process gains nothing from more.
const embeddedPartitions = 4

// An Installation is the servers of one pipeline: real ones, or embedded parts of this or of another process. Connections
// are opened when they are first asked for. It belongs to one goroutine, except where a method says otherwise.
type Installation struct {
	Config config.Config // with the addresses and topics in force
	Log    *slog.Logger

	dir     string           // of an embedded installation, else ""
	lock    *dirLock         // held where the embedded parts are this process's
	servers *embedded.Server // likewise

	cluster   *kafka.Cluster
	store     *redisstore.Store
	history   History
	toldState *litestore.Told // of an embedded installation
	closers   []func() error  // in the order of opening
}

// Open makes ready to run stages: on the real servers, where addresses are set, or else on embedded parts that it starts
// here in the data directory. The caller must Close the installation.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger) (*Installation, error) {
	if cfg.HasServers() {
		if err := needServers(&cfg, Log|State|Past); err != nil {
			return nil, err
		}
		return &Installation{Config: cfg, Log: log}, nil
	}
	dir := dataDir(&cfg)
	lock, err := lockDir(dir)
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("%s is in use: another `shelfwire run` or command works there", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	inst, err := openEmbedded(ctx, cfg, log, dir, lock)
	if err != nil {
		return nil, err
	}
	if err := inst.loadState(ctx); err != nil {
		return nil, errors.Join(err, inst.Close())
	}
	return inst, nil
}

// openEmbedded starts the embedded parts in dir and owns the lock.
func openEmbedded(ctx context.Context, cfg config.Config, log *slog.Logger, dir string, lock *dirLock) (*Installation, error) {
	inst := &Installation{Config: cfg, Log: log, dir: dir, lock: lock}
	inst.onClose(lock.release)
	daemon.CollectAt(daemon.CollectOften)
	servers, err := embedded.Start(embedded.Config{Dir: dir})
	if err != nil {
		return nil, errors.Join(err, inst.Close())
	}
	inst.servers = servers
	inst.onClose(func() error { servers.Close(); return nil })
	inst.useEmbedded(servers.KafkaAddresses(), []string{servers.RedisAddress()})
	if _, err := inst.ApplyTopics(ctx); err != nil {
		return nil, errors.Join(err, inst.Close())
	}
	return inst, nil
}

// useEmbedded sets the addresses and the topics of an embedded installation.
func (inst *Installation) useEmbedded(brokers, redis []string) {
	cfg := &inst.Config
	cfg.Kafka.Brokers, cfg.Redis.Addresses = brokers, redis
	cfg.Redis.User, cfg.Redis.Password = "", ""
	cfg.Topics = config.Topics{
		InputPartitions: embeddedPartitions, JournalPartitions: embeddedPartitions,
		AccountPartitions: embeddedPartitions, OutputPartitions: embeddedPartitions, Replication: 1,
	}
}

// ApplyTopics makes the topics that are missing, checks the others, and returns those that were made. As long as nothing was ever
// journalled, what the inputs hold is new, so ingest may begin with it. Later a person has to say so.
func (inst *Installation) ApplyTopics(ctx context.Context) ([]stream.Topic, error) {
	cluster, err := inst.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	made, err := cluster.ApplyTopics(ctx, inst.Layout())
	if err != nil {
		return made, err
	}
	n, err := cluster.Partitions(ctx, stream.Journal)
	if err != nil {
		return made, err
	}
	for id := range n {
		b, err := cluster.Bounds(ctx, stream.Partition{Topic: stream.Journal, ID: id})
		if err != nil || b.End > 0 {
			return made, err
		}
	}
	for _, t := range stream.Inputs() {
		known, err := cluster.Committed(ctx, string(Ingest), t)
		if err == nil && len(known) == 0 {
			err = cluster.Accept(ctx, string(Ingest), t, false)
		}
		if err != nil {
			return made, err
		}
	}
	return made, nil
}

// AcceptOrigin lets ingest begin with an input topic as it is now, from its first record or (atEnd) with what comes from now on.
func (inst *Installation) AcceptOrigin(ctx context.Context, t stream.Topic, atEnd bool) error {
	cluster, err := inst.Cluster(ctx)
	if err != nil {
		return err
	}
	err = cluster.Accept(ctx, string(Ingest), t, atEnd)
	if errors.Is(err, kafka.ErrAtWork) {
		return fmt.Errorf("%w: stop ingest first (one that was stopped or killed counts for its session's time, ten seconds)", err)
	}
	return err
}

func dataDir(cfg *config.Config) string {
	if cfg.Data != "" {
		return cfg.Data
	}
	return DefaultDir
}

// A Need says which servers a command works on.
type Need uint8

// What a command may need: the log (Kafka), the hot state (Redis), the past (ClickHouse, or the embedded history), or a hot state that
// it is going to write, for which no stage needs to catch up.
const (
	Log Need = 1 << iota
	State
	Past
	NewState
)

// needServers names the addresses that are missing.
func needServers(cfg *config.Config, need Need) error {
	var problems []error
	missing := func(n Need, key, variable string, have []string) {
		if need&n != 0 && len(have) == 0 {
			problems = append(problems, fmt.Errorf("%s is not set (%s)", key, variable))
		}
	}
	missing(Log, "kafka.brokers", "SHELFWIRE_KAFKA_BROKERS", cfg.Kafka.Brokers)
	missing(State|NewState, "redis.addresses", "SHELFWIRE_REDIS_ADDRESSES", cfg.Redis.Addresses)
	missing(Past, "clickhouse.addresses", "SHELFWIRE_CLICKHOUSE_ADDRESSES", cfg.ClickHouse.Addresses)
	return errors.Join(problems...)
}

// Connect loads the settings and returns the installation for a command that needs some of its servers. An embedded
// installation that does not run is started for the command: its log only, or, for State and Past, its stages too until
// they have caught up, without telling any channel anything.
func (sh *Shell) Connect(ctx context.Context, need Need) (*Installation, error) {
	cfg, log, err := sh.Load()
	if err != nil {
		return nil, err
	}
	if cfg.HasServers() {
		if err := needServers(&cfg, need); err != nil {
			return nil, err
		}
		return &Installation{Config: cfg, Log: log}, nil
	}
	return attach(ctx, cfg, log, need)
}

// With connects as [Shell.Connect] does, calls f, and closes the installation.
func (sh *Shell) With(ctx context.Context, need Need, f func(*Installation) error) (err error) {
	inst, err := sh.Connect(ctx, need)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, inst.Close()) }()
	return f(inst)
}

// starting is how long another process may take from its lock to its end points.
const starting = 10 * time.Second

// attach connects to the embedded installation of the data directory.
func attach(ctx context.Context, cfg config.Config, log *slog.Logger, need Need) (*Installation, error) {
	dir := dataDir(&cfg)
	if _, err := os.Stat(filepath.Join(dir, lockName)); err != nil {
		return nil, fmt.Errorf("no servers are set, and there is no embedded installation in %s: set SHELFWIRE_KAFKA_BROKERS, "+
			"SHELFWIRE_REDIS_ADDRESSES and SHELFWIRE_CLICKHOUSE_ADDRESSES, or start one with `shelfwire run --data DIR`", dir)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, starting, fmt.Errorf("%s is in use, but there are no end points in it: is a command at work there?", dir))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		lock, err := lockDir(dir)
		if err == nil {
			cancel()
			return startStopped(context.WithoutCancel(ctx), cfg, log, dir, lock, need)
		}
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("data directory %s: %w", dir, err)
		}
		e, ok, err := readEndpoints(dir)
		if err != nil {
			return nil, err
		}
		if ok {
			inst := &Installation{Config: cfg, Log: log, dir: dir}
			inst.useEmbedded(e.Kafka, e.Redis)
			return inst, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Layout returns how the topics are to be.
func (inst *Installation) Layout() kafka.Layout {
	t := inst.Config.Topics
	return kafka.Layout{
		Inputs: int32(t.InputPartitions), Journal: int32(t.JournalPartitions), Accounts: int32(t.AccountPartitions),
		Outputs: int32(t.OutputPartitions), Replication: int16(t.Replication), Plain: inst.dir != "",
	}
}

// Cluster returns the connection to Kafka.
func (inst *Installation) Cluster(ctx context.Context) (*kafka.Cluster, error) {
	if inst.cluster != nil {
		return inst.cluster, nil
	}
	c, err := kafka.Open(ctx, kafka.Config{Brokers: inst.Config.Kafka.Brokers, Prefix: inst.Config.TopicPrefix}, inst.Log)
	if err != nil {
		return nil, err
	}
	inst.cluster = c
	inst.onClose(func() error { c.Close(); return nil })
	return c, nil
}

// NeedTopic returns an error that says what to do where the topic does not exist.
func (inst *Installation) NeedTopic(ctx context.Context, t stream.Topic) error {
	c, err := inst.Cluster(ctx)
	if err != nil {
		return err
	}
	_, err = c.Partitions(ctx, t)
	if errors.Is(err, kafka.ErrNoTopic) {
		return fmt.Errorf("%w: run `shelfwire topics apply` (or is topic_prefix, SHELFWIRE_TOPIC_PREFIX, another?)", err)
	}
	return err
}

// Producer returns a new producer, which is closed with the installation.
func (inst *Installation) Producer(ctx context.Context) (*kafka.Producer, error) {
	c, err := inst.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	p, err := c.NewProducer(kafka.ProducerConfig{})
	if err != nil {
		return nil, err
	}
	inst.onClose(func() error { p.Close(); return nil })
	return p, nil
}

// A TopicReader reads the topics of an installation. It is safe for concurrent use.
type TopicReader struct {
	*kafka.Cluster
	readers *kafka.Readers
}

// Open begins to read a partition at an offset.
func (r TopicReader) Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error) {
	return r.readers.Open(ctx, p, from)
}

// TopicReader returns a reader with a connection of its own, which is closed with the installation.
func (inst *Installation) TopicReader(ctx context.Context) (TopicReader, error) {
	return inst.topicReader(ctx, kafka.ReadersConfig{})
}

func (inst *Installation) topicReader(ctx context.Context, cfg kafka.ReadersConfig) (TopicReader, error) {
	c, err := inst.Cluster(ctx)
	if err != nil {
		return TopicReader{}, err
	}
	readers, err := c.NewReaders(cfg)
	if err != nil {
		return TopicReader{}, err
	}
	inst.onClose(func() error { readers.Close(); return nil })
	return TopicReader{c, readers}, nil
}

// Store returns the hot state in Redis.
func (inst *Installation) Store(ctx context.Context) (*redisstore.Store, error) {
	if inst.store != nil {
		return inst.store, nil
	}
	r := inst.Config.Redis
	s, err := redisstore.Open(ctx, redisstore.Config{
		Addresses: r.Addresses, Prefix: r.Prefix, Username: r.User, Password: r.Password.Reveal(),
	}, inst.Log)
	if err != nil {
		return nil, err
	}
	inst.store = s
	inst.onClose(s.Close)
	return s, nil
}

func (inst *Installation) onClose(f func() error) { inst.closers = append(inst.closers, f) }

// Close ends every connection and, where they are this process's, the embedded parts. A second call does nothing.
func (inst *Installation) Close() error {
	var errs []error
	for _, f := range slices.Backward(inst.closers) {
		errs = append(errs, f())
	}
	inst.closers = nil
	return errors.Join(errs...)
}
