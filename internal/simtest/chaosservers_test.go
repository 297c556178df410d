//go:build integration && chaos

package simtest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const kafkaSettings = `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=%[2]s
listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s
advertised.listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=%[3]s/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
`

// newKafka starts a broker of the test's own.
func newKafka(t *testing.T) *server {
	t.Helper()
	jars := os.Getenv("SHELFWIRE_CHAOS_KAFKA")
	if jars == "" {
		t.Fatal("SHELFWIRE_CHAOS_KAFKA is not set: this test kills its broker, so it starts one of its own. Set it to the folder of Kafka's jars (libs/ of the distribution)")
	}
	java := program(t, "SHELFWIRE_CHAOS_JAVA", "java")
	dir := t.TempDir()
	settings := filepath.Join(dir, "kafka.properties")
	s := &server{t: t, name: "kafka", address: freeAddress(t)}
	if err := os.WriteFile(settings, fmt.Appendf(nil, kafkaSettings, s.address, freeAddress(t), dir), 0o600); err != nil {
		t.Fatal(err)
	}
	format := exec.CommandContext(t.Context(), java, "-cp", jars+"/*", "kafka.tools.StorageTool", "format", "--standalone", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", settings)
	if out, err := format.CombinedOutput(); err != nil {
		t.Fatalf("format the broker's storage (is SHELFWIRE_CHAOS_KAFKA the folder of Kafka's jars?): %v\n%s", err, out)
	}
	s.command = func() *exec.Cmd { return exec.Command(java, "-Xmx512m", "-cp", jars+"/*", "kafka.Kafka", settings) }
	s.answers = func(ctx context.Context) error {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// cutLog takes the last bytes of the log of a Redis that is dead, as a machine that fails does, and returns how many.
func (s *redisServer) cutLog(r *rand.Rand) int64 {
	s.t.Helper()
	logs, err := filepath.Glob(filepath.Join(s.dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(logs) == 0 {
		s.t.Fatalf("no log in %s: %v", s.dir, err)
	}
	newest := logs[len(logs)-1]
	info, err := os.Stat(newest)
	if err != nil {
		s.t.Fatal(err)
	}
	n := min(info.Size(), 1+r.Int64N(200_000))
	if err := os.Truncate(newest, info.Size()-n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// wipe takes all that a dead Redis has.
func (s *redisServer) wipe() {
	s.t.Helper()
	if err := errors.Join(os.RemoveAll(filepath.Join(s.dir, "appendonlydir")), os.RemoveAll(filepath.Join(s.dir, "dump.rdb"))); err != nil {
		s.t.Fatal(err)
	}
}

// without returns the environment without our own settings.
func without(prefix string, env []string) []string {
	var kept []string
	for _, v := range env {
		if !strings.HasPrefix(v, prefix) {
			kept = append(kept, v)
		}
	}
	return kept
}
