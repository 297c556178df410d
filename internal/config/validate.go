package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxPartitions is the largest number of partitions that a topic may be given.
const MaxPartitions = 1024

// Validate returns every problem of the settings joined, each naming its key.
func (c *Config) Validate() error {
	v := validator{}
	if _, err := c.Level(); err != nil {
		v.add("log_level", "%v", err)
	}
	v.name("topic_prefix", c.TopicPrefix, true)
	v.name("instance_id", c.InstanceID, true)
	if c.Data != "" && c.HasServers() {
		v.add("data", "an embedded installation has its own servers: leave out kafka.brokers, redis.addresses and clickhouse.addresses, or data")
	}

	v.addresses("kafka.brokers", c.Kafka.Brokers)
	v.addresses("redis.addresses", c.Redis.Addresses)
	v.addresses("clickhouse.addresses", c.ClickHouse.Addresses)
	v.partitions("topics.input_partitions", c.Topics.InputPartitions)
	v.partitions("topics.journal_partitions", c.Topics.JournalPartitions)
	v.partitions("topics.account_partitions", c.Topics.AccountPartitions)
	v.partitions("topics.output_partitions", c.Topics.OutputPartitions)
	if n := c.Topics.Replication; n != -1 && (n < 1 || n > 15) {
		v.add("topics.replication", "%d is not −1 (the brokers' default) or 1 to 15", n)
	}
	if c.Redis.Prefix == "" || strings.ContainsAny(c.Redis.Prefix, "{}% \t\n") {
		v.add("redis.prefix", "%q must not be empty or hold braces, percent signs or blanks", c.Redis.Prefix)
	}
	if !identifier(c.ClickHouse.Database) {
		v.add("clickhouse.database", "%q must be letters, digits and underscores, not beginning with a digit", c.ClickHouse.Database)
	}
	if c.ClickHouse.User == "" {
		v.add("clickhouse.user", "must not be empty")
	}

	v.listen("ingest.listen", c.Ingest.Listen, false)
	v.listen("ingest.ops_listen", c.Ingest.OpsListen, true)
	v.listen("allocator.ops_listen", c.Allocator.OpsListen, true)
	if n := c.Allocator.CacheRows; n < 1 {
		v.add("allocator.cache_rows", "%d is not positive", n)
	}
	v.listen("publisher.ops_listen", c.Publisher.OpsListen, true)
	v.listen("audit.listen", c.Audit.Listen, false)
	v.listen("audit.ops_listen", c.Audit.OpsListen, true)
	v.listen("run.ops_listen", c.Run.OpsListen, true)
	if d := c.History.FlushEvery; d < 10*time.Millisecond || d > time.Minute {
		v.add("history.flush_every", "%v is not between 10ms and 1m", d)
	}
	for _, id := range slices.Sorted(maps.Keys(c.Channels)) {
		v.channel("channels."+id, id, c.Channels[id])
	}
	return errors.Join(v.problems...)
}

// Level returns the log level.
func (c *Config) Level() (slog.Level, error) {
	switch c.LogLevel {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is not debug, info, warn or error", c.LogLevel)
}

type validator struct{ problems []error }

func (v *validator) add(key, format string, args ...any) {
	v.problems = append(v.problems, fmt.Errorf(key+": "+format, args...))
}

// name checks what becomes part of a Kafka topic or group name.
func (v *validator) name(key, s string, emptyAllowed bool) {
	if s == "" && emptyAllowed {
		return
	}
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}
	if len(s) > 200 || strings.ContainsFunc(s, bad) {
		v.add(key, "%q must be at most 200 letters, digits, dots, underscores and hyphens", s)
	}
}

func (v *validator) addresses(key string, list []string) {
	for _, a := range list {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || !validPort(port) {
			v.add(key, "%q is not host:port", a)
		}
	}
}

func (v *validator) listen(key, a string, emptyAllowed bool) {
	if a == "" && emptyAllowed {
		return
	}
	if _, port, err := net.SplitHostPort(a); err != nil || !validPort(port) {
		v.add(key, "%q is not host:port or :port", a)
	}
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == port
}

func (v *validator) partitions(key string, n int) {
	if n < 1 || n > MaxPartitions {
		v.add(key, "%d is not between 1 and %d", n, MaxPartitions)
	}
}

func (v *validator) channel(key, id string, c Channel) {
	pool, name, ok := strings.Cut(id, "/")
	if !ok || pool == "" || name == "" || strings.Contains(name, "/") {
		v.add(key, "the key must be \"pool/channel\" (a slash within an id is written %%2F)")
	}
	if c.Timeout < 0 || c.Timeout > 5*time.Minute {
		v.add(key+".timeout", "%v is not between 0s and 5m", c.Timeout)
	}
	switch c.Webhooks {
	case "":
	case WebhooksStandard, WebhooksShopify:
		if len(c.Secrets) == 0 {
			v.add(key+".webhooks", "need a secret to be checked with: set secrets or secrets_file")
		}
		if c.URL == "" {
			return // it posts, and is told nothing
		}
	default:
		v.add(key+".webhooks", "%q is not %s, %s or empty", c.Webhooks, WebhooksStandard, WebhooksShopify)
	}
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		v.add(key+".url", "%q is not an http or https address", c.URL)
	} else if u.User != nil {
		v.add(key+".url", "must not hold credentials: use token or secrets")
	}
}

func identifier(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 100
}
