//go:build integration

package simtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// outage is how long a server is away.
const outage = 10 * time.Second

// Redis is away for ten seconds in the middle of a load: the pipeline waits, says so once, and goes on by itself.
func TestRedisAwayUnderLoad(t *testing.T) {
	in := newInstallation(t)
	redis := newProxy(t, mustEnv(t, "SHELFWIRE_TEST_REDIS"))
	in.env = append(in.env, "SHELFWIRE_REDIS_ADDRESSES="+redis.address)
	in.away(redis, in.servers.folded, "run")
}

// ClickHouse is away for ten seconds in the middle of a load: only the history waits.
func TestClickHouseAwayUnderLoad(t *testing.T) {
	in := newInstallation(t)
	in.away(in.clickhouse, nil, "run")
}

// ClickHouse is away when everything starts, as after a crash of the machine that all of it is on: events are counted all the same, and
// the history and the page catch up when it comes.
func TestClickHouseAwayAtTheStart(t *testing.T) {
	in := newInstallation(t)
	in.clickhouse.away()
	l := writeLoad(t, 20_000, 4)
	run := in.start("run")
	run.ready()
	in.answers(in.ops["run"], "/readyz", http.StatusOK, "ok without: history, history store\n")
	in.answers(in.ops["run"], "/healthz", http.StatusOK, "ok")
	in.answers(in.ops["run"], "/metrics", http.StatusOK, "\nshelfwire_history_waiting 1\n")
	in.answers(in.setting("AUDIT_LISTEN"), "/", http.StatusServiceUnavailable, "server does not answer yet")
	in.answers(in.setting("AUDIT_LISTEN"), "/api/v1/stock", http.StatusServiceUnavailable, "server does not answer yet")
	if out, err := in.send(l.file)(); err != nil {
		t.Fatalf("send: %v\n%s", err, out)
	}
	in.wait("every event is folded", 3*time.Minute, in.servers.settled)
	in.compare(l)
	in.answers(in.ops["run"], "/readyz", http.StatusOK, "ok without: history, history store\n")
	stdout, stderr, status := in.command("status", "--over", "0s")
	if status != 1 || !strings.Contains(stdout, "allocator") || !strings.Contains(stdout, "the history does not answer") || !strings.Contains(stderr, "history does not answer") {
		t.Errorf("status ended with %d and said\n%s%s", status, stdout, stderr)
	}

	in.clickhouse.back()
	in.wait("the history is ready", time.Minute, in.saying(in.ops["run"], "/readyz", http.StatusOK, "ok\n"))
	in.wait("the page shows the stock", time.Minute, in.saying(in.setting("AUDIT_LISTEN"), "/api/v1/stock", http.StatusOK, `"on_hand":`))
	stdout = in.must("verify", "--json")
	t.Logf("verify: %s", stdout)
	var report struct{ Rows, Differences int }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || report.Differences != 0 || report.Rows < l.lines {
		t.Errorf("verify --json = %s, want at least %d rows without differences", stdout, l.lines)
	}
	in.must("status", "--over", "0s")
	if status := run.stop(); status != 0 {
		t.Errorf("run stopped with status %d", status)
	}
	saysOnce(t, run.log.Name())
}

// A ClickHouse that comes later and is not as it must be is said to be wrong, again and again, until somebody puts it right. One that is
// wrong at the start is refused.
func TestClickHouseComesWithoutItsSchema(t *testing.T) {
	in := newInstallation(t)
	in.servers.dropDatabase()
	refused := in.start("audit")
	<-refused.ended
	if log := lastLines(refused.log.Name(), 5); refused.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(log, "shelfwire migrate") {
		t.Errorf("audit without its database ended with %v, want 1 and what to do:\n%s", refused.cmd.ProcessState, log)
	}

	in.clickhouse.away()
	audit := in.start("audit")
	in.wait("audit waits", time.Minute, in.saying(in.ops["audit"], "/readyz", http.StatusServiceUnavailable, "not ready: history, history store\n"))
	in.clickhouse.back()
	in.wait("it is said what is wrong", time.Minute, func() (bool, error) {
		log, err := os.ReadFile(audit.log.Name())
		return strings.Contains(string(log), `"level":"ERROR"`) && strings.Contains(string(log), "run `shelfwire migrate`"), err
	})
	in.answers(in.ops["audit"], "/readyz", http.StatusServiceUnavailable, "not ready: history, history store\n")
	in.answers(in.setting("AUDIT_LISTEN"), "/", http.StatusServiceUnavailable, "until somebody puts it right")
	in.must("migrate")
	audit.ready()
	in.answers(in.setting("AUDIT_LISTEN"), "/", http.StatusOK, "")
	if status := audit.stop(); status != 0 {
		t.Errorf("audit stopped with status %d", status)
	}
}

// Kafka is away for ten seconds in the middle of a load, which is as long as a member of a group may be silent: every stage, a
// process of its own, waits, says so once, and goes on by itself.
func TestKafkaAwayUnderLoad(t *testing.T) {
	in := newInstallation(t)
	kafka := newKafkaProxy(t, mustEnv(t, "SHELFWIRE_TEST_KAFKA"))
	in.env = append(in.env, "SHELFWIRE_KAFKA_BROKERS="+kafka.address)
	in.away(kafka, in.servers.journalled, stages...)
}

// away sends a load to the processes, takes the server away in the middle of it, and compares every count at the end. still,
// where it is not nil, is what must not change meanwhile.
func (in *installation) away(server *proxy, still func() int64, names ...string) {
	in.t.Helper()
	l := writeLoad(in.t, crashMovements, 3)
	running := make([]*process, len(names))
	for i, name := range names {
		running[i] = in.start(name)
	}
	for _, p := range running {
		p.ready()
	}
	goOn, sent := in.sendHeld(l.file) // otherwise all of it may be there before the server is away
	quarter := int64(l.lines / 4)
	in.wait(fmt.Sprintf("%d entries are folded", quarter), 2*time.Minute, func() (bool, error) { return in.servers.folded() >= quarter, nil })
	server.away()
	goOn()
	in.pause(time.Second, running) // what the server had taken in is on its way to us
	var before int64
	if still != nil {
		before = still()
	}
	in.pause(outage-time.Second, running)
	if still != nil {
		if after := still(); before >= int64(l.lines) || after != before {
			in.t.Errorf("while the server was away the work went from %d to %d of %d entries, want it to stand still before its end", before, after, l.lines)
		}
	}
	server.back()
	if out, err := sent(); err != nil {
		in.t.Fatalf("send: %v\n%s", err, out)
	}
	in.wait("every event is folded", 3*time.Minute, in.servers.settled)
	in.compare(l)
	stdout := in.must("verify", "--json")
	in.t.Logf("verify: %s", stdout)
	var report struct{ Rows, Differences int }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || report.Differences != 0 || report.Rows == 0 {
		in.t.Errorf("verify --json = %s, want rows without differences", stdout)
	}
	for _, p := range running {
		if status := p.stop(); status != 0 {
			in.t.Errorf("%s stopped with status %d", p.name, status)
		}
		saysOnce(in.t, p.log.Name())
	}
}

// pause waits, and fails where a process ends meanwhile.
func (in *installation) pause(d time.Duration, running []*process) {
	in.t.Helper()
	deadline := time.Now().Add(d)
	in.wait(d.String()+" have passed", d+time.Minute, func() (bool, error) {
		for _, p := range running {
			select {
			case <-p.ended:
				return false, fmt.Errorf("%s ended: %v\n%s", p.name, p.cmd.ProcessState, lastLines(p.log.Name(), 10))
			default:
			}
		}
		return time.Now().After(deadline), nil
	})
}

// saysOnce fails unless the log says that something is waited for, and says it once for each part that waits.
func saysOnce(t *testing.T, path string) {
	t.Helper()
	log, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	type part struct {
		Stage     string
		Partition int32
		Topic     string
	}
	said := map[part]int{}
	for line := range strings.Lines(string(log)) {
		var entry struct {
			part
			Msg string
		}
		if json.Unmarshal([]byte(line), &entry) == nil && strings.Contains(entry.Msg, "wait") {
			said[entry.part]++
		}
	}
	if len(said) == 0 {
		t.Errorf("the log does not say that anything is waited for:\n%s", lastLines(path, 20))
	}
	for p, times := range said {
		if times > 1 {
			t.Errorf("%+v says %d times that it waits, want once", p, times)
		}
	}
}

// setting returns a variable of the installation's processes, by its name without SHELFWIRE_.
func (in *installation) setting(name string) string {
	in.t.Helper()
	for _, v := range slices.Backward(in.env) {
		if value, ok := strings.CutPrefix(v, "SHELFWIRE_"+name+"="); ok {
			return value
		}
	}
	in.t.Fatalf("SHELFWIRE_%s is not set", name)
	return ""
}

// get asks over HTTP; no answer is status 0.
func (in *installation) get(address, path string) (status int, body string) {
	ctx, cancel := context.WithTimeout(in.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		in.t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// answers fails unless the answer has the status and says the words.
func (in *installation) answers(address, path string, status int, words string) {
	in.t.Helper()
	if got, body := in.get(address, path); got != status || !strings.Contains(body, words) {
		in.t.Errorf("%s = %d %s, want %d with %q", path, got, body, status, words)
	}
}

// saying is answers as a condition to wait for.
func (in *installation) saying(address, path string, status int, words string) func() (bool, error) {
	return func() (bool, error) {
		got, body := in.get(address, path)
		return got == status && strings.Contains(body, words), nil
	}
}
