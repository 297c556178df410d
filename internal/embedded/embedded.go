// Package embedded runs a Kafka broker and a Redis inside the process, on loopback, for an installation that needs nothing
// else: the broker keeps its log in a directory, the Redis nothing. Stages speak to them over TCP as to any other.
//
// The broker is one node and keeps what it acknowledged through a kill -9 of the process, but not through a loss of power.
// The Redis starts empty: its rows are put back from a snapshot, and the journal since then is folded again. The caller makes sure
// that one process has the directory.
package embedded

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Config says where an embedded installation lives.
type Config struct {
	Dir string // the broker's log goes to Dir/kafka; made where it is missing
}

// A Server is a running broker and Redis.
type Server struct {
	broker *kfake.Cluster
	redis  *miniredis.Miniredis
}

// Start starts both on free ports of 127.0.0.1.
func Start(cfg Config) (*Server, error) {
	dir := filepath.Join(cfg.Dir, "kafka")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	// In memory the broker would hold every record for ever, so even a throw-away installation keeps its log on disk.
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(dir), kfake.BrokerConfigs(map[string]string{
		"group.min.session.timeout.ms": "1000",
		"log.segment.bytes":            "16777216", // only whole files are deleted
	}))
	if err != nil {
		return nil, fmt.Errorf("embedded broker in %s: %w", dir, err)
	}
	redis := miniredis.NewMiniRedis()
	if err := redis.StartAddr("127.0.0.1:0"); err != nil {
		broker.Close()
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	return &Server{broker: broker, redis: redis}, nil
}

// KafkaAddresses returns the host:port of the broker.
func (s *Server) KafkaAddresses() []string { return s.broker.ListenAddrs() }

// RedisAddress returns the host:port of the Redis.
func (s *Server) RedisAddress() string { return s.redis.Addr() }

// Close stops both; the broker writes out what it holds.
func (s *Server) Close() {
	s.redis.Close()
	s.broker.Close()
}
