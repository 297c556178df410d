package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// EnvPrefix begins the name of every variable that is a setting.
const EnvPrefix = "SHELFWIRE_"

// A Setting describes one setting for help texts and the reference file.
type Setting struct {
	Key  string // as in the file, with dots: kafka.brokers
	Env  string // SHELFWIRE_KAFKA_BROKERS
	Help string // what it does, without a full stop
}

// A field is a setting with its place in a Config (or a Channel). Its value is one of *string, *Secret, *[]string, *[]Secret, *int,
// *time.Duration, *map[string]Channel.
type field struct {
	key, help string
	value     any
}

// env returns the variable of a key: SHELFWIRE_ and the key in upper case, dots as underscores.
func env(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// fields lists the settings of c in the order of the reference file. A section's keys stand together.
func fields(c *Config) []field {
	return []field{
		{"data", "directory of an embedded installation (its parts run inside `shelfwire run`); not together with addresses of servers", &c.Data},
		{"log_level", "debug, info, warn or error", &c.LogLevel},
		{"topic_prefix", "before the name of every topic, consumer group and instance, so that installations can share servers", &c.TopicPrefix},
		{"instance_id", "names this process among those of its stage and must stay the same over restarts; empty: the name of the host", &c.InstanceID},

		{"kafka.brokers", "host:port of some brokers", &c.Kafka.Brokers},
		{"topics.input_partitions", "partitions of movements, orders, catalogue", &c.Topics.InputPartitions},
		{"topics.journal_partitions", "partitions of the journal; fixed for its life", &c.Topics.JournalPartitions},
		{"topics.account_partitions", "partitions of offers, shipments, communications, commands; fixed for their life", &c.Topics.AccountPartitions},
		{"topics.output_partitions", "partitions of availability, allocations, rejections", &c.Topics.OutputPartitions},
		{"topics.replication", "copies of each partition; -1: the brokers' default", &c.Topics.Replication},

		{"redis.addresses", "host:port of the server, or of one or some nodes of a cluster", &c.Redis.Addresses},
		{"redis.prefix", "before every key", &c.Redis.Prefix},
		{"redis.user", "", &c.Redis.User},
		{"redis.password", "", &c.Redis.Password},
		{"redis.password_file", "a file that holds the password instead", &c.Redis.PasswordFile},

		{"clickhouse.addresses", "host:port of the native protocol, of one or more replicas", &c.ClickHouse.Addresses},
		{"clickhouse.database", "made by `shelfwire migrate`", &c.ClickHouse.Database},
		{"clickhouse.user", "", &c.ClickHouse.User},
		{"clickhouse.password", "", &c.ClickHouse.Password},
		{"clickhouse.password_file", "a file that holds the password instead", &c.ClickHouse.PasswordFile},

		{"ingest.listen", "HTTP address of POST /v1/events and /v1/webhooks/{channel}", &c.Ingest.Listen},
		{"ingest.ops_listen", "HTTP address of /metrics, /healthz, /readyz; empty: none", &c.Ingest.OpsListen},
		{"ingest.token", "wanted with every request as \"Authorization: Bearer TOKEN\"; empty: none is wanted", &c.Ingest.Token},
		{"ingest.token_file", "a file that holds the token instead", &c.Ingest.TokenFile},
		{"allocator.ops_listen", "HTTP address of /metrics, /healthz, /readyz for the allocator", &c.Allocator.OpsListen},
		{"allocator.cache_rows", "SKUs, orders and items that are held in memory for each journal partition; the others are loaded when an entry needs them", &c.Allocator.CacheRows},
		{"publisher.ops_listen", "HTTP address of /metrics, /healthz, /readyz for the publisher", &c.Publisher.OpsListen},
		{"history.flush_every", "rows are written at the latest after this long", &c.History.FlushEvery},
		{"audit.listen", "HTTP address of the audit page", &c.Audit.Listen},
		{"audit.ops_listen", "HTTP address of /metrics, /healthz, /readyz for the history writer and the page", &c.Audit.OpsListen},
		{"run.ops_listen", "HTTP address of /metrics, /healthz, /readyz for `shelfwire run`, which holds all stages", &c.Run.OpsListen},

		{"channels", "end points and credentials by \"pool/channel\", in the variable as YAML or JSON", &c.Channels},
	}
}

// channelFields lists the settings of one channel.
func channelFields(c *Channel) []field {
	return []field{
		{"url", "where the channel's interface is", &c.URL},
		{"secrets", "signing secrets, newest first: the first signs, all of them verify", &c.Secrets},
		{"secrets_file", "a file with one secret a line instead", &c.SecretsFile},
		{"token", "access token; refresh token (amazon)", &c.Token},
		{"token_file", "a file that holds the token instead", &c.TokenFile},
		{"client_id", "the application's, where access tokens are asked for with it and the newest secret (shopify, amazon)", &c.ClientID},
		{"token_url", "where access tokens are asked for (amazon); empty: Login with Amazon", &c.TokenURL},
		{"seller_id", "the seller's id (amazon)", &c.SellerID},
		{"marketplace_id", "the marketplace's id, one a channel (amazon)", &c.Marketplace},
		{"webhooks", "how what the channel posts to /v1/webhooks/{channel} is signed with the secrets: standard or shopify; empty: nothing is taken", &c.Webhooks},
		{"timeout", "of one request; 0s: what suits the vendor", &c.Timeout},
		{"allow_private", "the url may lead to loopback or private addresses", &c.AllowPrivate},
	}
}

// Settings lists every setting with its variable, in the order of the reference file.
func Settings() []Setting {
	var c Config
	fs := fields(&c)
	out := make([]Setting, 0, len(fs))
	for _, f := range fs {
		out = append(out, Setting{Key: f.key, Env: env(f.key), Help: f.help})
	}
	return out
}

// setText sets a field from a variable. A list is separated by commas.
func (f field) setText(text string) error {
	switch p := f.value.(type) {
	case *string:
		*p = text
	case *Secret:
		*p = Secret(text)
	case *[]string:
		*p = splitList(text)
	case *[]Secret:
		*p = nil
		for _, s := range splitList(text) {
			*p = append(*p, Secret(s))
		}
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		*p = n
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration like 500ms, 2s, 1m", text)
		}
		*p = d
	case *bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*p = b
	case *map[string]Channel:
		return readChannels([]byte(text), p)
	default:
		panic(fmt.Sprintf("setting %s has no known type", f.key))
	}
	return nil
}

func splitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
