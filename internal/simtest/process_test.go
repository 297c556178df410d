//go:build integration

package simtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buildAll builds every command once and returns the directory that holds them.
var buildAll = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "shelfwire-simtest")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "../../cmd/...").CombinedOutput()
	if err != nil {
		return dir, fmt.Errorf("build the commands: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if dir, _ := buildAll(); dir != "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(status)
}

// The stages that run as processes of their own.
var stages = []string{"ingest", "allocator", "publisher", "audit"}

// mustEnv returns a variable that integration tests need.
func mustEnv(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set: integration tests need the address of a real server there", name)
	}
	return v
}

// An installation is a pipeline of its own on the real servers: prefixes and a database that nobody else uses.
type installation struct {
	t    *testing.T
	bin  string
	name string
	env  []string
	ops  map[string]string // address of the operational end points by process

	servers    *servers
	clickhouse *proxy
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	return newInstallationOn(t, mustEnv(t, "SHELFWIRE_TEST_REDIS"))
}

// newInstallationOn is newInstallation with a Redis of the test's own.
func newInstallationOn(t *testing.T, redisAddress string) *installation {
	t.Helper()
	bin, err := buildAll()
	if err != nil {
		t.Fatal(err)
	}
	in := &installation{t: t, bin: bin, name: fmt.Sprintf("sim%d", time.Now().UnixNano()), ops: map[string]string{}}
	in.servers = openServers(t, in.name, redisAddress)
	in.clickhouse = newProxy(t, mustEnv(t, "SHELFWIRE_TEST_CLICKHOUSE"))
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SHELFWIRE_") {
			in.env = append(in.env, v)
		}
	}
	in.env = append(in.env,
		"SHELFWIRE_KAFKA_BROKERS="+mustEnv(t, "SHELFWIRE_TEST_KAFKA"),
		"SHELFWIRE_REDIS_ADDRESSES="+redisAddress,
		"SHELFWIRE_CLICKHOUSE_ADDRESSES="+in.clickhouse.address,
		"SHELFWIRE_TOPIC_PREFIX="+in.name+".",
		"SHELFWIRE_REDIS_PREFIX="+in.name+":",
		"SHELFWIRE_CLICKHOUSE_DATABASE="+in.name,
		"SHELFWIRE_LOG_LEVEL=info",
	)
	for _, p := range []string{"run", "ingest", "allocator", "publisher", "audit"} {
		in.ops[p] = freeAddress(t)
		in.env = append(in.env, fmt.Sprintf("SHELFWIRE_%s_OPS_LISTEN=%s", strings.ToUpper(p), in.ops[p]))
	}
	in.env = append(in.env, "SHELFWIRE_INGEST_LISTEN="+freeAddress(t), "SHELFWIRE_AUDIT_LISTEN="+freeAddress(t))
	in.must("topics", "apply")
	in.must("migrate")
	return in
}

// freeAddress returns a loopback address that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// command runs one shelfwire command to its end and returns what it printed and its exit status.
func (in *installation) command(args ...string) (stdout, stderr string, status int) {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(in.bin, "shelfwire"), args...)
	cmd.Env = in.env
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		in.t.Fatalf("shelfwire %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that has to succeed and returns what it printed.
func (in *installation) must(args ...string) string {
	in.t.Helper()
	stdout, stderr, status := in.command(args...)
	if status != 0 {
		in.t.Fatalf("shelfwire %s: status %d\n%s%s", strings.Join(args, " "), status, stdout, stderr)
	}
	return stdout
}

// A process is one of ours that runs until it is killed or stopped.
type process struct {
	in    *installation
	name  string // run, or the name of a stage
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{} // closed when it has ended; cmd.ProcessState may be read then
}

// start starts `shelfwire run` (name "run") or one stage, without waiting for it.
func (in *installation) start(name string) *process {
	in.t.Helper()
	log, err := os.Create(filepath.Join(in.t.ArtifactDir(), fmt.Sprintf("%s-%d.log", name, time.Now().UnixNano())))
	if err != nil {
		in.t.Fatal(err)
	}
	path, args := filepath.Join(in.bin, name), []string(nil)
	if name == "run" {
		path, args = filepath.Join(in.bin, "shelfwire"), []string{"run"}
	}
	p := &process{in: in, name: name, log: log, cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = in.env, log, log
	if err := p.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the status is in cmd.ProcessState
	}()
	in.t.Cleanup(func() {
		p.kill()
		if in.t.Failed() {
			in.t.Logf("log of %s:\n%s", p.name, lastLines(log.Name(), 30))
		}
		_ = log.Close()
	})
	return p
}

// kill ends the process at once, as kill -9 does, and waits for its end. A second call does nothing.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails only for a process that has ended
	<-p.ended
}

// stop asks the process to end and returns its exit status.
func (p *process) stop() int {
	p.in.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.in.t.Fatalf("stop %s: %v", p.name, err)
	}
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.in.t.Fatalf("%s has not stopped 30 s after SIGTERM", p.name)
	}
	return p.cmd.ProcessState.ExitCode()
}

// ready waits until the process says that it is ready.
func (p *process) ready() {
	p.in.t.Helper()
	p.in.wait(p.name+" is ready", time.Minute, func() (bool, error) {
		select {
		case <-p.ended:
			return false, fmt.Errorf("%s has ended: %v\n%s", p.name, p.cmd.ProcessState, lastLines(p.log.Name(), 10))
		default:
		}
		ctx, cancel := context.WithTimeout(p.in.t.Context(), time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.in.ops[p.name]+"/readyz", nil)
		if err != nil {
			return false, err
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return false, nil // it does not listen yet
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode == http.StatusOK, nil
	})
}

// wait asks again and again until done says true, at most for the given time.
func (in *installation) wait(what string, atMost time.Duration, done func() (bool, error)) {
	in.t.Helper()
	deadline := time.NewTimer(atMost)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil {
			in.t.Fatalf("waiting until %s: %v", what, err)
		}
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			in.t.Fatalf("waited %v in vain until %s", atMost, what)
		}
	}
}

func lastLines(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
