//go:build integration

package simtest_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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
