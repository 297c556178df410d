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
	in.away(redis)
}

// ClickHouse is away for ten seconds in the middle of a load: only the history waits.
func TestClickHouseAwayUnderLoad(t *testing.T) {
	in := newInstallation(t)
	in.away(in.clickhouse)
}

// away sends a load, takes the server away in the middle of it, and compares every count at the end.
func (in *installation) away(server *proxy) {
	in.t.Helper()
	l := writeLoad(in.t, crashMovements, 3)
	p := in.start("run")
	p.ready()
	sent := in.send(l.file)
	quarter := int64(l.lines / 4)
	in.wait(fmt.Sprintf("%d entries are folded", quarter), 2*time.Minute, func() (bool, error) { return in.servers.folded() >= quarter, nil })
	server.away()
	back := time.NewTimer(outage)
	defer back.Stop()
	select {
	case <-back.C:
	case <-p.ended:
		in.t.Fatalf("run ended while the server was away: %v", p.cmd.ProcessState)
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
	if status := p.stop(); status != 0 {
		in.t.Errorf("run stopped with status %d", status)
	}
	saysOnce(in.t, p.log.Name())
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
