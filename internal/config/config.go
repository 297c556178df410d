// Package config holds the settings of a process: addresses, sizes and credentials. It reads them from a YAML file and
// from SHELFWIRE_… variables, checks them, and prints them with the secrets hidden. Nothing that decides about stock is
// a setting: that lives in the journal.
package config

import (
	"log/slog"
	"time"
)

// A Config is every setting of every command. [Default] gives the values that hold where nothing else is said; the zero
// value is not usable.
type Config struct {
	Data        string // directory of an embedded installation; "" for real servers
	LogLevel    string // debug, info, warn, error
	TopicPrefix string // before every topic, consumer group and instance id
	InstanceID  string // names this process among those of its stage; "" for the host's name

	Kafka      Kafka
	Topics     Topics
	Redis      Redis
	ClickHouse ClickHouse
	Ingest     Ingest
	Allocator  Allocator
	Publisher  Publisher
	History    History
	Audit      Audit
	Run        Run

	// Channels holds the end points and credentials of channels, by "pool/channel". They never enter the journal.
	Channels map[string]Channel
}

// Kafka says where the log is.
type Kafka struct{ Brokers []string }

// Topics says how topics are made by `shelfwire topics apply` and what every stage expects of them.
type Topics struct {
	InputPartitions   int // movements, orders, catalogue
	JournalPartitions int // journal
	AccountPartitions int // offers, shipments, communications, commands
	OutputPartitions  int // availability, allocations, rejections
	Replication       int // copies of each partition; −1 for the brokers' default
}

// Redis says where the hot state is. With more than one address they are nodes of one cluster.
type Redis struct {
	Addresses    []string
	Prefix       string // before every key
	User         string
	Password     Secret
	PasswordFile string
}

// ClickHouse says where the history is.
type ClickHouse struct {
	Addresses    []string
	Database     string
	User         string
	Password     Secret
	PasswordFile string
}

// Ingest holds the settings of the ingest stage.
type Ingest struct {
	Listen    string // POST /v1/events, POST /v1/webhooks/{channel}
	OpsListen string // /metrics, /healthz, /readyz; "" for none
	Token     Secret // wanted with every request as "Authorization: Bearer …"; "" for none
	TokenFile string
}

// Allocator holds the settings of the allocator stage.
type Allocator struct {
	OpsListen string
	CacheRows int // rows of one journal partition that are held in memory
}

// Publisher holds the settings of the publisher stage.
type Publisher struct{ OpsListen string }

// History holds the settings of the history writer, which runs in the audit process.
type History struct {
	FlushEvery time.Duration // a batch is written at the latest after this long
}

// Audit holds the settings of the audit page.
type Audit struct {
	Listen    string // the page and its JSON
	OpsListen string
}

// Run holds the settings of `shelfwire run`, which serves one set of operational end points for all stages.
type Run struct{ OpsListen string }

// A Channel is how one channel is reached.
type Channel struct {
	URL         string
	Secrets     []Secret // signing secrets, newest first: the first signs, all of them verify
	SecretsFile string   // a file with one secret a line
	Token       Secret
	TokenFile   string
	ClientID    string        // of the application, where a token is asked for with it and the newest secret
	TokenURL    string        // where it is asked for (amazon); empty for the vendor's own
	SellerID    string        // of amazon
	Marketplace string        // of amazon, one id
	Webhooks    string        // how the channel signs what it posts: WebhooksStandard, WebhooksShopify; "" where nothing is taken
	Timeout     time.Duration // of one request; 0 for the connector's own
	// AllowPrivate lets URL lead to loopback and private addresses, which a URL from outside must not.
	AllowPrivate bool
}

// How what a channel posts is signed and worded.
const (
	WebhooksStandard = "standard" // Standard Webhooks, with events as of POST /v1/events
	WebhooksShopify  = "shopify"  // a Shopify shop's order webhooks
)

// A Secret is a text that is never printed: formatting, logging and encoding show that one is set, not which.
type Secret string

const hidden = "(hidden)"

// Reveal returns the secret itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// String returns "(hidden)", or "" where no secret is set.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return `"` + s.String() + `"` }

// LogValue hides the secret from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Default returns the settings that hold where neither file nor environment says otherwise.
func Default() Config {
	return Config{
		LogLevel:    "info",
		TopicPrefix: "shelfwire.",
		Topics: Topics{
			InputPartitions: 8, JournalPartitions: 8, AccountPartitions: 8, OutputPartitions: 8,
			Replication: -1,
		},
		Redis:      Redis{Prefix: "sw:"},
		ClickHouse: ClickHouse{Database: "shelfwire", User: "default"},
		Ingest:     Ingest{Listen: "127.0.0.1:8480", OpsListen: "127.0.0.1:8490"},
		Allocator:  Allocator{OpsListen: "127.0.0.1:8491", CacheRows: 500_000},
		Publisher:  Publisher{OpsListen: "127.0.0.1:8492"},
		History:    History{FlushEvery: time.Second},
		Audit:      Audit{Listen: "127.0.0.1:8481", OpsListen: "127.0.0.1:8493"},
		Run:        Run{OpsListen: "127.0.0.1:8490"},
	}
}

// HasServers reports whether any address of a real server is set.
func (c *Config) HasServers() bool {
	return len(c.Kafka.Brokers)+len(c.Redis.Addresses)+len(c.ClickHouse.Addresses) > 0
}
