package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config says where Redis is.
type Config struct {
	Addresses []string // host:port; several are nodes of one Redis Cluster, and one that is a node of a cluster stands for all of it
	Prefix    string   // before every key
	Username  string
	Password  string
	// Dial, where set, opens the connections; nil: over TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// A Store keeps the hot state of an installation. It is safe for concurrent use, but of one partition only one
// goroutine at a time gets through [Store.Commit].
type Store struct {
	client redis.UniversalClient
	prefix string
	log    *slog.Logger

	mu      sync.Mutex
	writers map[int32]*writer // guarded by mu; by journal partition
}

const (
	openTimeout = 5 * time.Second
	// replyTimeout bounds every command. The slowest is a commit of a large batch while Redis rewrites its log.
	replyTimeout = 10 * time.Second
	// maxConnections is one for each partition that this process writes, and some for readers.
	maxConnections = 256
)

// Open connects to Redis and checks that it answers and that it never evicts a row. Its errors say what to do.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Store, error) {
	if len(cfg.Addresses) == 0 {
		return nil, errors.New("no Redis address: set SHELFWIRE_REDIS_ADDRESSES to host:port")
	}
	// The client prints every failed dial to stderr, through a logger that all its users share. Ours are reported by those who
	// wait, once.
	redis.SetLogger(clientLog{log})
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	s := &Store{client: connect(cfg, len(cfg.Addresses) > 1), prefix: cfg.Prefix, log: log, writers: map[int32]*writer{}}
	if len(cfg.Addresses) == 1 && inCluster(ctx, s.client) {
		if err := s.client.Close(); err != nil {
			return nil, fmt.Errorf("close Redis connections: %w", err)
		}
		s.client = connect(cfg, true)
	}
	if err := s.check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("Redis at %s: %w", strings.Join(cfg.Addresses, ", "), err), s.Close()) //nolint:staticcheck // a name
	}
	return s, nil
}

func connect(cfg Config, cluster bool) redis.UniversalClient {
	return redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:         cfg.Addresses,
		IsClusterMode: cluster,
		Username:      cfg.Username,
		Password:      cfg.Password,
		Dialer:        cfg.Dial,
		// The client must not send a command again by itself: it cannot know which of ours may run twice.
		MaxRetries: -1,
		// Without this a context's deadline is ignored while a reply is awaited.
		ContextTimeoutEnabled: true,
		ReadTimeout:           replyTimeout,
		WriteTimeout:          replyTimeout,
		DialerRetries:         1, // callers wait and try again, and say so
		PoolSize:              maxConnections,
		PipelinePoolSize:      -1,
		DisableIdentity:       true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	})
}

// inCluster reports whether the server says that it is a node of a cluster, of which hosts often give one address only. One that does
// not answer, or not that, is taken for a server of its own: what is wrong with it is found by what is asked next.
func inCluster(ctx context.Context, node redis.Cmdable) bool {
	info, err := node.Info(ctx, "cluster").Result()
	return err == nil && infoField(info, "cluster_enabled") == "1"
}

// Close frees the connections.
func (s *Store) Close() error {
	s.mu.Lock()
	writers := s.writers
	s.writers = map[int32]*writer{}
	s.mu.Unlock()
	for _, w := range writers {
		w.close()
	}
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close Redis connections: %w", err)
	}
	return nil
}

// Ping reports whether Redis answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping Redis: %w", err)
	}
	return nil
}

func (s *Store) check(ctx context.Context) error {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("does not answer (is SHELFWIRE_REDIS_ADDRESSES right?): %w", err)
	}
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return checkEviction(ctx, s.client)
	}
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		return checkEviction(ctx, node)
	})
	if err != nil {
		return fmt.Errorf("a node of the cluster: %w", err)
	}
	return nil
}

// checkEviction refuses a server that may throw rows away: a missing row would be counted from zero. It asks by INFO, because
// hosted servers forbid CONFIG. A field that is missing (an embedded server that never evicts) is no objection.
func checkEviction(ctx context.Context, node redis.Cmdable) error {
	info, err := node.Info(ctx, "memory").Result()
	if err != nil {
		if _, refused := errors.AsType[redis.Error](err); refused {
			return nil // a server without this section has no such setting
		}
		return fmt.Errorf("ask for its memory settings: %w", err)
	}
	policy, limit := infoField(info, "maxmemory_policy"), infoField(info, "maxmemory")
	if n, err := strconv.ParseInt(limit, 10, 64); err != nil || n == 0 {
		return nil
	}
	if policy == "" || policy == "noeviction" {
		return nil
	}
	return fmt.Errorf("may evict rows (maxmemory-policy %s at maxmemory %s), and an evicted row would be counted from zero: "+
		"set maxmemory-policy noeviction in its configuration, or give it no memory limit", policy, limit)
}

func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// clientLog passes the client library's own lines on as debug lines.
type clientLog struct{ log *slog.Logger }

// Printf is what the library calls.
func (l clientLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis client", "line", fmt.Sprintf(format, args...))
}
