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
	"time"

	"github.com/redis/go-redis/v9"
)

// A server is one of the test's own, on a loopback port, with its data in a directory of the test: it may be killed.
type server struct {
	t       *testing.T
	name    string
	address string
	command func() *exec.Cmd
	answers func(ctx context.Context) error
	cmd     *exec.Cmd
	ended   chan struct{}
}

// start starts the server and waits until it answers.
func (s *server) start() {
	s.t.Helper()
	log, err := os.OpenFile(filepath.Join(s.t.ArtifactDir(), s.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	cmd, ended := s.command(), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start %s: %v", s.name, err)
	}
	s.cmd, s.ended = cmd, ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed: its status says nothing
		_ = log.Close()
	}()
	(&installation{t: s.t}).wait(s.name+" answers", time.Minute, func() (bool, error) {
		select {
		case <-ended:
			return false, fmt.Errorf("it has ended:\n%s", lastLines(log.Name(), 20))
		default:
		}
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		return s.answers(ctx) == nil, nil
	})
}

// kill ends the server as kill -9 does, and waits for its end.
func (s *server) kill() {
	_ = s.cmd.Process.Kill() // fails only for one that has ended
	<-s.ended
}

// program returns where a program of a server is: what the variable says, or what is found under the name.
func program(t *testing.T, variable, name string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: install it, or set %s to where it is", name, variable)
	}
	return path
}

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

// A redisServer is a Redis with a log on disk, whose end may be lost.
type redisServer struct {
	server
	dir string
}

func newRedis(t *testing.T) *redisServer {
	t.Helper()
	path := program(t, "SHELFWIRE_CHAOS_REDIS", "redis-server")
	s := &redisServer{server: server{t: t, name: "redis", address: freeAddress(t)}, dir: t.TempDir()}
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.command = func() *exec.Cmd {
		return exec.Command(path, "--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec")
	}
	client := redis.NewClient(&redis.Options{Addr: s.address})
	s.answers = func(ctx context.Context) error { return client.Ping(ctx).Err() }
	s.start()
	t.Cleanup(func() {
		s.kill()
		_ = client.Close()
	})
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
