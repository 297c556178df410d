package config_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/config"
)

var update = flag.Bool("update", false, "rewrite the reference file")

const referenceFile = "../../deploy/shelfwire.reference.yml"

func TestReferenceFileIsTheDefaults(t *testing.T) {
	if *update {
		if err := os.WriteFile(referenceFile, []byte(config.Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != config.Reference() {
		t.Errorf("%s is not what Reference() prints: go test ./internal/config -update", referenceFile)
	}
	got, err := config.Load(config.Source{File: referenceFile})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	if len(got.Channels) == 0 {
		got.Channels = nil
	}
	if len(got.Kafka.Brokers)+len(got.Redis.Addresses)+len(got.ClickHouse.Addresses) == 0 {
		got.Kafka.Brokers, got.Redis.Addresses, got.ClickHouse.Addresses = nil, nil, nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Load(reference) = %+v, want %+v", got, want)
	}
}

// Every field of Config must be a setting: each setting's variable changes Show, and there are as many as leaves.
func TestEveryFieldIsASetting(t *testing.T) {
	leaves := countLeaves(reflect.TypeFor[config.Config]())
	if n := len(config.Settings()); n != leaves {
		t.Errorf("Config has %d leaves, Settings() lists %d", leaves, n)
	}
	names := map[string]string{
		"kafka.brokers": "SHELFWIRE_KAFKA_BROKERS", "redis.addresses": "SHELFWIRE_REDIS_ADDRESSES",
		"clickhouse.addresses": "SHELFWIRE_CLICKHOUSE_ADDRESSES", "topic_prefix": "SHELFWIRE_TOPIC_PREFIX",
		"redis.prefix": "SHELFWIRE_REDIS_PREFIX", "clickhouse.database": "SHELFWIRE_CLICKHOUSE_DATABASE",
	}
	for _, s := range config.Settings() {
		if want, ok := names[s.Key]; ok && s.Env != want {
			t.Errorf("variable of %s = %s, the contract says %s", s.Key, s.Env, want)
		}
		delete(names, s.Key)
	}
	if len(names) > 0 {
		t.Errorf("no setting for %v", names)
	}
}

func countLeaves(t reflect.Type) int {
	if t.Kind() != reflect.Struct {
		return 1
	}
	n := 0
	for f := range t.Fields() {
		n += countLeaves(f.Type)
	}
	return n
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shelfwire.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadPrecedence(t *testing.T) {
	file := write(t, `
topic_prefix: file.
log_level: warn
kafka: {brokers: [a:1, b:2]}
redis:
  addresses: r:6379
  prefix: "f:"
history: {flush_every: 250ms}
topics: {journal_partitions: 3}
channels:
  acme/web: {url: "https://shop.example/x", secrets: [whsec_new, whsec_old], timeout: 3s, allow_private: true}
  acme/till: {secrets: whsec_new, webhooks: standard}
`)
	got, err := config.Load(config.Source{File: file, Environ: []string{
		"SHELFWIRE_TOPIC_PREFIX=env.", "SHELFWIRE_KAFKA_BROKERS=c:3, d:4", "SHELFWIRE_REDIS_PASSWORD=pw",
		"SHELFWIRE_TEST_KAFKA=x", "PATH=/bin", "SHELFWIRE_SERVICE_HOST=10.0.0.1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.TopicPrefix = "env."
	want.LogLevel = "warn"
	want.Kafka.Brokers = []string{"c:3", "d:4"}
	want.Redis = config.Redis{Addresses: []string{"r:6379"}, Prefix: "f:", Password: "pw"}
	want.History.FlushEvery = 250 * time.Millisecond
	want.Topics.JournalPartitions = 3
	want.Channels = map[string]config.Channel{
		"acme/web":  {URL: "https://shop.example/x", Secrets: []config.Secret{"whsec_new", "whsec_old"}, Timeout: 3 * time.Second, AllowPrivate: true},
		"acme/till": {Secrets: []config.Secret{"whsec_new"}, Webhooks: config.WebhooksStandard},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Load() = %#v, want %#v", got, want)
	}
}

func TestChannelsFromVariable(t *testing.T) {
	got, err := config.Load(config.Source{Environ: []string{
		`SHELFWIRE_CHANNELS={"acme/web":{"url":"http://127.0.0.1:1/","secrets":["s"]},"acme/pos":{"url":"http://h/"}}`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Channels) != 2 || got.Channels["acme/web"].Secrets[0].Reveal() != "s" {
		t.Errorf("Channels = %v", got.Channels)
	}
}

func TestSecretFiles(t *testing.T) {
	password, secrets := write(t, "hunter2\n"), write(t, "new\nold\n")
	got, err := config.Load(config.Source{Environ: []string{
		"SHELFWIRE_REDIS_PASSWORD_FILE=" + password,
		fmt.Sprintf(`SHELFWIRE_CHANNELS={"a/b":{"url":"http://h/","secrets_file":%q,"token_file":%q}}`, secrets, password),
	}})
	if err != nil {
		t.Fatal(err)
	}
	ch := got.Channels["a/b"]
	if got.Redis.Password != "hunter2" || ch.Token != "hunter2" || !reflect.DeepEqual(ch.Secrets, []config.Secret{"new", "old"}) {
		t.Errorf("password %q, token %q, secrets %q", got.Redis.Password.Reveal(), ch.Token.Reveal(), ch.Secrets)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct {
		name, file string
		environ    []string
		want       []string // each part must be in the message
	}{
		{"an unknown key with its line", "kafka:\n  brokers: [a:1]\n  brokerz: x\n", nil, []string{"shelfwire.yml:3: unknown key kafka.brokerz"}},
		{"an unknown section", "log_level: info\nkafkas: {}\n", nil, []string{":2: unknown key kafkas"}},
		{"a key given twice", "log_level: info\nlog_level: warn\n", nil, []string{":2: key log_level is given twice"}},
		{"an unknown key of a channel", "channels:\n  a/b:\n    url: http://h/\n    uri: y\n", nil, []string{":4: channels.a/b: unknown key uri"}},
		{"a list for one value", "log_level: [info]\n", nil, []string{":1: log_level must be one value"}},
		{"a value for a section", "kafka: a:1\n", nil, []string{":1: kafka must hold keys"}},
		{"a text for a number", "topics:\n  journal_partitions: many\n", nil, []string{`:2: topics.journal_partitions: "many" is not a whole number`}},
		{"a number for a duration", "history:\n  flush_every: 2\n", nil, []string{`:2: history.flush_every: "2" is not a duration`}},
		{"what is not YAML", "a: [", nil, []string{"shelfwire.yml: yaml"}},
		{"two documents", "log_level: info\n---\nlog_level: warn\n", nil, []string{"more than one document"}},
		{"a bad variable", "", []string{"SHELFWIRE_TOPICS_REPLICATION=x"}, []string{`SHELFWIRE_TOPICS_REPLICATION: "x" is not a whole number`}},
		{
			"every bad value at once", "log_level: loud\ntopic_prefix: 'a b'\n",
			[]string{
				"SHELFWIRE_KAFKA_BROKERS=nowhere", "SHELFWIRE_AUDIT_LISTEN=", "SHELFWIRE_TOPICS_JOURNAL_PARTITIONS=0", "SHELFWIRE_REDIS_PREFIX={x}",
				"SHELFWIRE_CLICKHOUSE_DATABASE=a-b", `SHELFWIRE_CHANNELS={web: {url: "ftp://h"}}`,
			},
			[]string{
				"log_level: ", "topic_prefix: ", `kafka.brokers: "nowhere" is not host:port`, "audit.listen: ", "topics.journal_partitions: 0",
				"redis.prefix: ", "clickhouse.database: ", "channels.web: the key must be", "channels.web.url: ",
			},
		},
		{
			"data together with servers", "", []string{"SHELFWIRE_DATA=/x", "SHELFWIRE_KAFKA_BROKERS=a:1"},
			[]string{"data: an embedded installation has its own servers"},
		},
		{
			"webhooks that cannot be checked", "channels: {a/b: {webhooks: standard}, a/c: {webhooks: hmac, url: 'http://h'}}", []string{"SHELFWIRE_ALLOCATOR_CACHE_ROWS=0"},
			[]string{"channels.a/b.webhooks: need a secret", `channels.a/c.webhooks: "hmac" is not standard, shopify`, "allocator.cache_rows: 0 is not positive"},
		},
		{"a secret given twice", "", []string{"SHELFWIRE_REDIS_PASSWORD=a", "SHELFWIRE_REDIS_PASSWORD_FILE=/b"}, []string{"redis.password and redis.password_file are both set"}},
		{"a secret's file that is missing", "", []string{"SHELFWIRE_CLICKHOUSE_PASSWORD_FILE=/nowhere/at/all"}, []string{"clickhouse.password_file: open /nowhere/at/all"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := config.Source{Environ: tt.environ}
			if tt.file != "" {
				src.File = write(t, tt.file)
			}
			_, err := config.Load(src)
			if err == nil {
				t.Fatal("Load() accepts it")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("Load() = %v\nwant it to say %q", err, part)
				}
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	if _, err := config.Load(config.Source{File: "/nowhere/at/all.yml"}); err == nil {
		t.Error("Load() accepts a missing file")
	}
}

func TestShowHidesSecretsAndLoadsAgain(t *testing.T) {
	c := config.Default()
	c.Redis.Password = "top-secret"
	c.ClickHouse.Password = "top-secret"
	c.Kafka.Brokers = []string{"a:1", "b:2"}
	c.Channels = map[string]config.Channel{"acme/web": {URL: "https://h/", Secrets: []config.Secret{"top-secret"}, Token: "top-secret"}}
	shown := c.Show()
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "password", c.Redis.Password)
	for _, text := range []string{shown, string(encoded), log.String(), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.Redis.Password, c.Redis.Password)} {
		if strings.Contains(text, "top-secret") {
			t.Errorf("a secret is shown: %s", text)
		}
	}
	again, err := config.Load(config.Source{File: write(t, shown)})
	if err != nil {
		t.Fatalf("Load(Show()): %v\n%s", err, shown)
	}
	if again.Show() != shown {
		t.Errorf("Show() = %s, want %s", again.Show(), shown)
	}
}

func TestUnknownVariables(t *testing.T) {
	got := config.UnknownVariables([]string{"SHELFWIRE_REDIS_PREFX=a", "SHELFWIRE_AUDIT_PORT=b", "SHELFWIRE_AUDIT_LISTEN=c", "HOME=d"})
	if want := []string{"SHELFWIRE_AUDIT_PORT", "SHELFWIRE_REDIS_PREFX"}; !reflect.DeepEqual(got, want) {
		t.Errorf("UnknownVariables() = %v, want %v", got, want)
	}
}

func FuzzLoadFile(f *testing.F) {
	f.Add([]byte(config.Reference()))
	f.Add([]byte("channels: {a/b: {url: x, secrets: [a]}}"))
	f.Add([]byte("kafka: &a {brokers: *a}"))
	path := filepath.Join(f.TempDir(), "f.yml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Source{File: path})
		if err == nil {
			_ = c.Show()
		}
	})
}
