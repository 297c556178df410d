package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/channelsim/webhook"
	"github.com/shelfwire/shelfwire/internal/signature"
)

// quietEnv lets every test have addresses of its own.
func quietEnv(extra ...string) []string {
	env := []string{"SHELFWIRE_LOG_LEVEL=warn"}
	for _, name := range []string{"INGEST_LISTEN", "AUDIT_LISTEN", "RUN_OPS_LISTEN"} {
		env = append(env, "SHELFWIRE_"+name+"=127.0.0.1:0")
	}
	return append(env, extra...)
}

// cli runs one command to its end.
func cli(t *testing.T, env []string, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errOut bytes.Buffer
	status = run(t.Context(), args, env, strings.NewReader(stdin), &out, &errOut)
	return out.String(), errOut.String(), status
}

// must runs a command that has to succeed.
func must(t *testing.T, env []string, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr, status := cli(t, env, stdin, args...)
	if status != 0 {
		t.Fatalf("shelfwire %s: status %d\n%s%s", strings.Join(args, " "), status, stdout, stderr)
	}
	return stdout
}

// A syncBuffer may be written and read at the same time.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// eventually asks until done says true. Between two questions, which are commands that open the installation, it leaves the processor to
// what it waits for.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for !done() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-deadline.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// startRun starts `shelfwire run` and waits until it is ready. stop ends it and returns its status.
func startRun(t *testing.T, env []string, args ...string) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr syncBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"run"}, args...), env, strings.NewReader(""), &stdout, &stderr)
	}()
	stop = sync.OnceValue(func() int { cancel(); return <-ended })
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("run said:\n%s%s", stdout.String(), stderr.String())
		}
	})
	eventually(t, "run is ready", func() bool {
		select {
		case status := <-ended:
			ended <- status
			t.Fatalf("run ended with status %d:\n%s", status, stderr.String())
		default:
		}
		return strings.Contains(stdout.String(), "metrics")
	})
	return stop
}

// newest returns the value of the newest record per key without the times, in the order of the keys, as tail printed them.
func newest(t *testing.T, printed string) string {
	t.Helper()
	last := map[string]string{}
	changedAt := regexp.MustCompile(`"changed_at":"[^"]*",`)
	for line := range strings.Lines(printed) {
		var r struct {
			Key   string
			Value json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("tail prints %q: %v", line, err)
		}
		last[r.Key] = changedAt.ReplaceAllString(string(r.Value), "")
	}
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(last)) {
		b.WriteString(last[key] + "\n")
	}
	return b.String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheSampleTravelsTheWholeWay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	env := quietEnv("SHELFWIRE_DATA=" + dir)
	began := time.Now()
	stop := startRun(t, env)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("start to ready took %v, want under 3 s", took)
	}
	sampleTravels(t, env)

	if _, stderr, status := cli(t, env, "", "run"); status != 1 || !strings.Contains(stderr, "is in use") {
		t.Errorf("a second run in the directory: status %d, %q", status, stderr)
	}
	if status := stop(); status != 0 {
		t.Errorf("run stopped with status %d", status)
	}
	// Nothing runs now: the commands start what they need.
	want := read(t, "../../examples/sample.availability.ndjson")
	if got := newest(t, must(t, env, "", "tail", "availability", "--from", "start", "--until-end")); got != want {
		t.Errorf("tail after the stop = %s\nwant %s", got, want)
	}
	if got := must(t, env, "", "stock", "acme", "SHIRT"); !strings.Contains(got, "LAV 15/0, MTL 8/3") {
		t.Errorf("stock after the stop = %s", got)
	}
	must(t, env, "", "verify")
	stop = startRun(t, env)
	must(t, env, "", "verify")
	if status := stop(); status != 0 {
		t.Errorf("run stopped with status %d", status)
	}
}

// sampleOfYesterday returns a copy of the sample as if it had been written yesterday: an order that is older than 60 days, and not
// known, is refused.
func sampleOfYesterday(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../examples/sample.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sample.ndjson")
	yesterday := time.Now().UTC().AddDate(0, 0, -1).Format(time.DateOnly)
	if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte("2026-11-20"), []byte(yesterday)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sampleTravels sends the sample to a pipeline that runs, and checks what every command says of it.
func sampleTravels(t *testing.T, env []string) {
	t.Helper()
	_, stderr, status := cli(t, env, "", "send", sampleOfYesterday(t))
	if status != 0 || stderr != "22 events sent to movements\n" {
		t.Fatalf("send: status %d, %q", status, stderr)
	}
	want := read(t, "../../examples/sample.availability.ndjson")
	eventually(t, "the last event is folded", func() bool {
		return strings.Contains(must(t, env, "", "tail", "availability", "--from", "start", "--until-end"), `"version":22,`)
	})
	if got := newest(t, must(t, env, "", "tail", "availability", "--from", "start", "--until-end")); got != want {
		t.Errorf("tail availability = %s\nwant %s", got, want)
	}
	var sku string
	for line := range strings.Lines(want) {
		if strings.Contains(line, `"SHIRT"`) {
			sku = line
		}
	}
	if got := must(t, env, "", "tail", "availability", "--from", "start", "--until-end", "--key", "acme/SHIRT"); newest(t, got) != sku {
		t.Errorf("tail --key = %s\nwant %s", got, sku)
	}
	eventually(t, "the rows are committed", func() bool {
		stdout, _, status := cli(t, env, "", "stock", "acme", "SHIRT")
		return status == 0 && strings.Contains(stdout, "LAV 15/0, MTL 8/3")
	})
	stdout := must(t, env, "", "stock", "acme")
	for _, line := range []string{"HAT 21 0 0 21 0 LAV 10/0, MTL 1/0, SHE 10/0", "SHIRT 23 3 3 20 0 LAV 15/0, MTL 8/3", "SHOES 25 0 0 25 0 LAV 10/0, MTL 5/0, SHE 10/0"} {
		if !strings.Contains(strings.Join(strings.Fields(stdout), " "), line) {
			t.Errorf("stock = %s\nwant it to say %s", stdout, line)
		}
	}
	if stdout := must(t, env, "", "stock", "--where", "acme"); !regexp.MustCompile(`^\d+\n$`).MatchString(stdout) {
		t.Errorf("stock --where = %q, want a number", stdout)
	}
	if stdout := must(t, env, "", "order", "acme", "web", "1001"); !strings.Contains(stdout, "order 1001 of acme/web: shipped") ||
		!strings.Contains(stdout, "why: one outlet had everything") || !strings.Contains(stdout, "MTL had everything") {
		t.Errorf("order 1001 = %s", stdout)
	}
	if stdout := must(t, env, "", "order", "acme", "web", "1003", "--json"); !strings.Contains(stdout, `"state":"open"`) || !strings.HasSuffix(stdout, "}\n") {
		t.Errorf("order 1003 --json = %s", stdout)
	}
	if stdout := must(t, env, "", "verify", "--json"); !regexp.MustCompile(`^\{"rows":[1-9]\d*,"differences":0\}\n$`).MatchString(stdout) {
		t.Errorf("verify --json = %s", stdout)
	}
	for _, args := range [][]string{{"stock", "nobody"}, {"stock", "acme", "COAT"}, {"order", "acme", "web", "9"}} {
		if _, stderr, status := cli(t, env, "", args...); status != 1 || stderr == "" {
			t.Errorf("%v: status %d, said %q, want 1 with a reason", args, status, stderr)
		}
	}
}

// A channel with an end point is told what it may show, and told says so.
func TestAChannelIsTold(t *testing.T) {
	t.Parallel()
	secret := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 24))
	parsed, err := signature.ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	receiver := webhook.New("web", []signature.Secret{parsed}, 1, channelsim.Faults{})
	for _, sku := range []string{"SHIRT", "HAT", "SHOES"} {
		receiver.List(channelsim.Place{Item: sku}, 0)
	}
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	env := quietEnv("SHELFWIRE_DATA="+filepath.Join(t.TempDir(), "data"),
		fmt.Sprintf(`SHELFWIRE_CHANNELS={"acme/web": {"url": %q, "secrets": [%q], "allow_private": true}}`, server.URL, secret))
	startRun(t, env)
	must(t, env, "", "send", sampleOfYesterday(t))
	var stdout string
	eventually(t, "the channel is told", func() bool {
		// A channel whose level cannot be read is told when all orders up to then are known to be in.
		mark := fmt.Sprintf(`{"mark":{"pool":"acme","channel":"web","orders_until":%q}}`, time.Now().UTC().Format(time.RFC3339Nano))
		must(t, env, mark, "send", "--topic", "orders")
		var status int
		stdout, _, status = cli(t, env, "", "told", "web", "SHIRT")
		return status == 0 && strings.Contains(stdout, "acknowledged")
	})
	if !strings.Contains(stdout, "LAV 15 on hand − 0 reserved − 0 safety = 15; MTL 8 − 3 − 0 = 5; Σ 20 − waiting 0 − buffer 2 = 18") {
		t.Errorf("told = %s\nwant the arithmetic", stdout)
	}
	if level, ok := receiver.Level(channelsim.Place{Item: "SHIRT"}); !ok || level != 18 {
		t.Errorf("the channel shows %d, %v, want 18", level, ok)
	}
	lines := strings.Split(strings.TrimSpace(must(t, env, "", "told", "acme/web", "SHIRT", "--json")), "\n")
	for _, line := range lines {
		var told struct {
			Communication struct{ SKU, State string }
			Offer         *struct{ Offer struct{ Quantity int64 } }
		}
		if err := json.Unmarshal([]byte(line), &told); err != nil || told.Communication.SKU != "SHIRT" || told.Offer == nil || told.Offer.Offer.Quantity != 18 {
			t.Errorf("told --json = %s (%v)", line, err)
		}
	}
	explained := must(t, env, "", "explain", "web", "SHIRT", "--limit", "1")
	for _, want := range []string{"acme/web was told 18 of SHIRT: acknowledged at", "LAV 15 on hand", "SHIRT at LAV: 15 on hand\n", "SHIRT at MTL: 3 reserved\n", "order ", "journal "} {
		if !strings.Contains(explained, want) {
			t.Errorf("explain says\n%swant %q", explained, want)
		}
	}
	if strings.Contains(explained, "but the offer says") {
		t.Errorf("explain says\n%s", explained)
	}
	var numbers struct{ Numbers []numberJSON }
	if err := json.Unmarshal([]byte(must(t, env, "", "explain", "acme/web", "SHIRT", "--json")), &numbers); err != nil || len(numbers.Numbers) < 4 {
		t.Errorf("explain --json has %d numbers, %v", len(numbers.Numbers), err)
	}
	if _, stderr, status := cli(t, env, "", "explain", "web", "SHIRT", "--at", "2020-01-01T00:00:00Z"); status != 1 || !strings.Contains(stderr, "told nothing") {
		t.Errorf("explain of long ago: status %d, %s", status, stderr)
	}
	for _, args := range [][]string{{"told", "nowhere", "SHIRT"}, {"told", "web", "COAT"}, {"explain", "web", "COAT"}} {
		if _, stderr, status := cli(t, env, "", args...); status != 1 || stderr == "" {
			t.Errorf("%v: status %d, said %q, want 1 with a reason", args, status, stderr)
		}
	}
}

func TestSendReportsAndGoesOn(t *testing.T) {
	env := quietEnv("SHELFWIRE_DATA=" + filepath.Join(t.TempDir(), "data"))
	startRun(t, env)
	in := receipt("acme", "1") + "\n" + `{"movement":{"pool":"acme","quantity":"x"}}` + "\n\n" + receipt("acme", "2")
	_, stderr, status := cli(t, env, in, "send", "-")
	if want := "2 events sent to movements, 1 bad lines left out\n"; status != 1 || !strings.HasPrefix(stderr, "line 2: ") || !strings.HasSuffix(stderr, want) {
		t.Errorf("send: status %d, %q, want 1 and %q", status, stderr, want)
	}
	_, stderr, status = cli(t, env, "", "send")
	if status != 0 || !strings.Contains(stderr, "nothing to send") {
		t.Errorf("send of nothing: status %d, %q", status, stderr)
	}
	if _, stderr, status = cli(t, env, "", "send", "/nowhere/at/all"); status != 1 || !strings.Contains(stderr, "/nowhere/at/all") {
		t.Errorf("send of a missing file: status %d, %q", status, stderr)
	}
	// What a topic's end is, tail knows of both events, and of none from the end on.
	for _, from := range [][]string{{"--from", "start"}, nil} {
		if got := strings.Count(must(t, env, "", append([]string{"tail", "movements", "--until-end"}, from...)...), "\n"); got != 2 {
			t.Errorf("tail movements --until-end %q prints %d lines, want 2", from, got)
		}
	}
	if got := must(t, env, "", "tail", "movements", "--from", "end", "--until-end"); got != "" {
		t.Errorf("tail from the end prints %q", got)
	}
}

func TestWrongUse(t *testing.T) {
	for _, args := range [][]string{
		{}, {"frobnicate"}, {"--frobnicate"}, {"run", "twice"}, {"topics"}, {"topics", "destroy"}, {"config"}, {"tail"},
		{"tail", "nothing"}, {"tail", "availability", "--from", "yesterday"}, {"send", "a", "b"}, {"send", "--topic", "offers"},
		{"apply"}, {"apply", "f", "--wait", "-1s"}, {"import", "f.csv"}, {"import", "--map", "m", "--topic", "offers", "f.csv"},
		{"shadow"}, {"shadow", "--policy", "f"}, {"shadow", "--policy", "f", "--from", "yesterday"},
		{"shadow", "--policy", "f", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"},
		{"stock"}, {"stock", "a", "b", "--where"}, {"order", "a", "b"}, {"sync"}, {"sync", "a/b", "c", "d"}, {"push"}, {"push", "a/b", "--wait", "0s"}, {"orders"}, {"orders", "sync", "a/b", "--since", "yesterday"},
		{"failed"}, {"failed", "retry"}, {"sim", "now"}, {"told", "a"}, {"told", "a", "b", "--limit", "0"}, {"migrate", "now"}, {"verify", "acme"}, {"config", "show", "--frobnicate"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			stdout, stderr, status := cli(t, quietEnv(), "", args...)
			if status != 2 || stdout != "" || stderr == "" {
				t.Errorf("status %d, stdout %q, stderr %q, want 2 with a reason on stderr", status, stdout, stderr)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	commands := regexp.MustCompile(`(?m)^  ([a-z]+) +[A-Z]`)
	root := must(t, nil, "", "--help")
	for _, name := range []string{"SHELFWIRE_KAFKA_BROKERS", "SHELFWIRE_CHANNELS", "--config", "--data"} {
		if !strings.Contains(root, name) {
			t.Errorf("help lacks %s", name)
		}
	}
	found := commands.FindAllStringSubmatch(root, -1)
	if len(found) < 8 {
		t.Fatalf("help lists %d commands:\n%s", len(found), root)
	}
	for _, m := range found {
		help := must(t, nil, "", m[1], "--help")
		if !strings.Contains(help, "Usage:") || !strings.Contains(help, "--config") || !strings.Contains(help, "SHELFWIRE_") {
			t.Errorf("%s --help = %s", m[1], help)
		}
	}
}

func TestConfigCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(file, []byte("redis: {password: hunter2, addresses: [r:1]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shown := must(t, nil, "", "config", "show", "--config", file)
	if strings.Contains(shown, "hunter2") || !strings.Contains(shown, "password: (hidden)") || !strings.Contains(shown, "r:1") {
		t.Errorf("config show = %s", shown)
	}
	must(t, nil, "", "config", "check", "--config", file)
	if reference := must(t, nil, "", "config", "show", "--reference"); reference != read(t, "../../deploy/shelfwire.reference.yml") {
		t.Error("config show --reference is not the reference file")
	}
	_, stderr, status := cli(t, []string{"SHELFWIRE_LOG_LEVEL=loud"}, "", "config", "check")
	if status != 1 || !strings.Contains(stderr, "log_level") {
		t.Errorf("config check: status %d, %q", status, stderr)
	}
}

func TestRefusals(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	tests := []struct {
		name string
		env  []string
		args []string
		want string
	}{
		{"no installation", []string{"SHELFWIRE_DATA=" + missing}, []string{"stock", "acme"}, "start one with `shelfwire run"},
		{"no Redis address", []string{"SHELFWIRE_KAFKA_BROKERS=127.0.0.1:1"}, []string{"stock", "acme"}, "redis.addresses is not set (SHELFWIRE_REDIS_ADDRESSES)"},
		{"some addresses only", []string{"SHELFWIRE_KAFKA_BROKERS=127.0.0.1:1"}, []string{"run"}, "clickhouse.addresses is not set (SHELFWIRE_CLICKHOUSE_ADDRESSES)"},
		{"a migration without an address", []string{"SHELFWIRE_KAFKA_BROKERS=127.0.0.1:1"}, []string{"migrate"}, "clickhouse.addresses is not set"},
		{"addresses and a directory", []string{"SHELFWIRE_KAFKA_BROKERS=127.0.0.1:1", "SHELFWIRE_DATA=x"}, []string{"run"}, "data: an embedded installation has its own servers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, stderr, status := cli(t, quietEnv(tt.env...), "", tt.args...)
			if status != 1 || !strings.Contains(stderr, tt.want) {
				t.Errorf("status %d, said %q, want 1 and %q", status, stderr, tt.want)
			}
		})
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a command that only reads made the directory")
	}
}

// The servers of an installation that runs stand in for real ones that are not as they must be.
func TestRefusalsOfServers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	startRun(t, quietEnv("SHELFWIRE_DATA="+dir))
	var e struct {
		Kafka, Redis []string
		Events       string
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "endpoints"))), &e); err != nil {
		t.Fatal(err)
	}
	events := strings.TrimSuffix(strings.TrimPrefix(e.Events, "http://"), "/v1/events")
	right := []string{
		"SHELFWIRE_KAFKA_BROKERS=" + e.Kafka[0], "SHELFWIRE_REDIS_ADDRESSES=" + e.Redis[0], "SHELFWIRE_CLICKHOUSE_ADDRESSES=127.0.0.1:1",
	}
	tests := []struct {
		name string
		env  []string
		args []string
		want string
	}{
		{"nobody at Kafka's address", append(right, "SHELFWIRE_KAFKA_BROKERS=127.0.0.1:1"), []string{"run"}, "kafka does not answer at 127.0.0.1:1 (SHELFWIRE_KAFKA_BROKERS)"},
		{"nobody at Redis' address", append(right, "SHELFWIRE_REDIS_ADDRESSES=127.0.0.1:1"), []string{"stock", "acme"}, "does not answer (is SHELFWIRE_REDIS_ADDRESSES right?)"},
		{"no topics", append(right, "SHELFWIRE_TOPIC_PREFIX=other."), []string{"run"}, "topic other.journal is missing: run `shelfwire topics apply`"},
		{"no topic to send to", append(right, "SHELFWIRE_TOPIC_PREFIX=other."), []string{"send"}, "other.movements: no such topic: run `shelfwire topics apply`"},
		{"other partitions", right, []string{"run"}, "topic shelfwire.journal has 4 partitions, the configuration says 8"},
		{"topics apply on other partitions", right, []string{"topics", "apply"}, "topic shelfwire.journal has 4 partitions"},
		{
			"an address in use", []string{"SHELFWIRE_DATA=" + filepath.Join(t.TempDir(), "b"), "SHELFWIRE_INGEST_LISTEN=" + events},
			[]string{"run"}, "ingest.listen: listen tcp " + events,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, stderr, status := cli(t, quietEnv(tt.env...), "", tt.args...)
			if status != 1 || !strings.Contains(stderr, tt.want) {
				t.Errorf("status %d, said %q, want 1 and %q", status, stderr, tt.want)
			}
		})
	}
	made := must(t, quietEnv(append(right, "SHELFWIRE_TOPIC_PREFIX=new.")...), "", "topics", "apply")
	if !strings.Contains(made, "made new.journal\n") || strings.Count(made, "\n") != 11 {
		t.Errorf("topics apply says %q, want 11 topics made", made)
	}
	if again := must(t, quietEnv(append(right, "SHELFWIRE_TOPIC_PREFIX=new.")...), "", "topics", "apply"); !strings.Contains(again, "as it must be") {
		t.Errorf("topics apply a second time says %q", again)
	}
}
