//go:build integration

package simtest_test

import (
	"encoding/json"
	"fmt"
	"os"
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
	sent := in.send(l.file)
	quarter := int64(l.lines / 4)
	in.wait(fmt.Sprintf("%d entries are folded", quarter), 2*time.Minute, func() (bool, error) { return in.servers.folded() >= quarter, nil })
	server.away()
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
