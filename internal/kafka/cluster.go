package kafka

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// Config says where the brokers are.
type Config struct {
	Brokers  []string // host:port, at least one
	Prefix   string   // of every topic's name, e.g. "shelfwire."
	ClientID string   // shown in the broker's logs; "" is "shelfwire"
	// Dial, where set, opens the connections to the brokers; nil: over TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// ErrNoTopic is returned for a topic that does not exist.
var ErrNoTopic = errors.New("no such topic")

// openTimeout bounds how long Open waits for a first answer.
const openTimeout = 10 * time.Second

// A Cluster is a connection to the brokers. It is safe for concurrent use.
type Cluster struct {
	cfg    Config
	log    *slog.Logger
	outage *outage
	client *kgo.Client
	admin  *kadm.Client
}

// Open connects to the brokers and returns an error that says what to set where none answers within ten seconds.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Cluster, error) {
	if len(cfg.Brokers) == 0 {
		return nil, errors.New("no Kafka brokers are set: set SHELFWIRE_KAFKA_BROKERS")
	}
	c := &Cluster{cfg: cfg, log: log, outage: &outage{log: log, away: map[string]bool{}}}
	client, err := kgo.NewClient(c.options("admin")...)
	if err != nil {
		return nil, fmt.Errorf("kafka at %s: %w", strings.Join(cfg.Brokers, ","), err)
	}
	c.client, c.admin = client, kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("kafka does not answer at %s (SHELFWIRE_KAFKA_BROKERS): %w", strings.Join(cfg.Brokers, ","), err)
	}
	return c, nil
}

// Close ends the connection. Readers and producers that were made from the cluster have connections of their own.
func (c *Cluster) Close() { c.client.Close() }

// options are what every client of the cluster starts from.
func (c *Cluster) options(role string) []kgo.Opt {
	id := c.cfg.ClientID
	if id == "" {
		id = "shelfwire"
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.cfg.Brokers...),
		kgo.ClientID(id + "-" + role),
		kgo.WithHooks(c.outage),
		kgo.RetryTimeout(30 * time.Second),
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.DisableClientMetrics(), // ours are on /metrics; the last push alone of each client would take a buffer of 4 MB
	}
	if c.cfg.Dial != nil {
		opts = append(opts, kgo.Dialer(c.cfg.Dial))
	}
	return opts
}

func (c *Cluster) name(t stream.Topic) string { return c.cfg.Prefix + string(t) }

func (c *Cluster) topic(name string) stream.Topic {
	return stream.Topic(strings.TrimPrefix(name, c.cfg.Prefix))
}

// TopicID returns the id that the broker gave the topic when it was created, in lower-case hex, or ErrNoTopic.
func (c *Cluster) TopicID(ctx context.Context, t stream.Topic) (string, error) {
	d, err := c.describe(ctx, t)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(d.ID[:]), nil
}

// Partitions returns how many partitions the topic has, or ErrNoTopic.
func (c *Cluster) Partitions(ctx context.Context, t stream.Topic) (int32, error) {
	d, err := c.describe(ctx, t)
	if err != nil {
		return 0, err
	}
	return int32(len(d.Partitions)), nil
}

func (c *Cluster) describe(ctx context.Context, t stream.Topic) (kadm.TopicDetail, error) {
	details, err := c.admin.ListTopics(ctx, c.name(t))
	if err != nil {
		return kadm.TopicDetail{}, fmt.Errorf("describe topic %s: %w", c.name(t), err)
	}
	d := details[c.name(t)]
	switch {
	case errors.Is(d.Err, kerr.UnknownTopicOrPartition) || d.Err == nil && len(d.Partitions) == 0:
		return d, fmt.Errorf("topic %s: %w", c.name(t), ErrNoTopic)
	case d.Err != nil:
		return d, fmt.Errorf("describe topic %s: %w", c.name(t), d.Err)
	}
	return d, nil
}

// Bounds returns which offsets the partition holds now.
func (c *Cluster) Bounds(ctx context.Context, p stream.Partition) (stream.Bounds, error) {
	name := c.name(p.Topic)
	start, err := c.admin.ListStartOffsets(ctx, name)
	if err != nil {
		return stream.Bounds{}, fmt.Errorf("start of %s/%d: %w", name, p.ID, err)
	}
	end, err := c.admin.ListEndOffsets(ctx, name)
	if err != nil {
		return stream.Bounds{}, fmt.Errorf("end of %s/%d: %w", name, p.ID, err)
	}
	s, okStart := start.Lookup(name, p.ID)
	e, okEnd := end.Lookup(name, p.ID)
	if !okStart || !okEnd {
		return stream.Bounds{}, fmt.Errorf("partition %s/%d: %w", name, p.ID, ErrNoTopic)
	}
	if err := errors.Join(s.Err, e.Err); err != nil {
		return stream.Bounds{}, fmt.Errorf("bounds of %s/%d: %w", name, p.ID, err)
	}
	return stream.Bounds{Start: s.Offset, End: e.Offset}, nil
}

// Committed returns the offset that the group (without the installation's prefix) has committed for each partition of the
// topic where there is one. One that counts in an earlier topic of the same name is none.
func (c *Cluster) Committed(ctx context.Context, group string, t stream.Topic) (map[int32]int64, error) {
	offsets, err := c.groupOffsets(ctx, group, t)
	if err != nil {
		return nil, fmt.Errorf("committed offsets of group %s: %w", group, err)
	}
	topicID, err := c.TopicID(ctx, t)
	if err != nil {
		return nil, err
	}
	committed := map[int32]int64{}
	for id, o := range offsets[c.name(t)] {
		if o.Err != nil {
			return nil, fmt.Errorf("committed offset of %s/%d: %w", c.name(t), id, o.Err)
		}
		if o.At >= 0 && (o.Metadata == "" || o.Metadata == topicID) {
			committed[id] = o.At
		}
	}
	return committed, nil
}

// groupOffsets asks what the group has committed, for the sake of topic t, until it gets an answer that tells.
//
// The first question about a group that a broker is ever asked makes it look for a coordinator, which takes it some seconds, and the
// client does not ask again. An answer names topics by their ids; those that the client cannot put a name to, because the broker that
// it asked was away just then, come without one, and then a topic that is missing is not one that nobody has committed for.
func (c *Cluster) groupOffsets(ctx context.Context, group string, t stream.Topic) (kadm.OffsetResponses, error) {
	for deadline := time.Now().Add(propagation); ; {
		offsets, err := c.admin.FetchOffsets(ctx, c.cfg.Prefix+group)
		_, named := offsets[c.name(t)]
		_, nameless := offsets[""]
		switch {
		case errors.Is(err, kerr.GroupIDNotFound):
			return nil, nil
		case err == nil && nameless && !named:
			err = kerr.UnknownTopicID
		case err == nil || !errors.Is(err, kerr.CoordinatorNotAvailable):
			return offsets, err
		}
		if time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// OffsetAt returns the offset of the first record of the partition whose timestamp is not before t, or the partition's end.
func (c *Cluster) OffsetAt(ctx context.Context, p stream.Partition, t time.Time) (int64, error) {
	name := c.name(p.Topic)
	offsets, err := c.admin.ListOffsetsAfterMilli(ctx, t.UnixMilli(), name)
	if err != nil {
		return 0, fmt.Errorf("offsets of %s at %s: %w", name, t.UTC().Format(time.RFC3339), err)
	}
	o, ok := offsets.Lookup(name, p.ID)
	if !ok {
		return 0, fmt.Errorf("partition %s/%d: %w", name, p.ID, ErrNoTopic)
	}
	return o.Offset, o.Err
}

// An outage says once that a broker is away and once that it is back, however often and from however many clients of the
// cluster it is tried.
type outage struct {
	log  *slog.Logger
	mu   sync.Mutex
	away map[string]bool // by address; guarded by mu
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (o *outage) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	broker := net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port)))
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil && !o.away[broker]:
		o.away[broker] = true
		o.log.Warn("waiting for kafka", "broker", broker, "err", err)
	case err == nil && o.away[broker]:
		delete(o.away, broker)
		o.log.Info("kafka is back", "broker", broker)
	}
}

// lasts reports whether a broker is away now.
func (o *outage) lasts() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.away) > 0
}
