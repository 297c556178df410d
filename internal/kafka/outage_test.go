package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A record that is on its way must not keep its caller from stopping.
func TestProduceEndsWithItsContext(t *testing.T) {
	for name, then := range map[string]func(*kfake.Cluster){
		"while the broker does not answer": func(*kfake.Cluster) {},
		"while the broker is away":         func(b *kfake.Cluster) { b.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c, broker := start(t)
			p, err := c.NewProducer(kafka.ProducerConfig{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Close)
			m := []stream.Message{{Topic: stream.Journal, Value: []byte("x")}}
			if err := p.Produce(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			arrived := make(chan struct{}, 1)
			over := make(chan struct{})
			defer close(over)
			broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				select {
				case arrived <- struct{}{}:
				default:
				}
				broker.KeepControl()
				broker.SleepControl(func() { <-over })
				return nil, nil, true
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- p.Produce(ctx, m) }()
			<-arrived
			then(broker)
			cancel()
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("Produce() = %v, want the context's error", err)
				}
			case <-time.After(15 * time.Second):
				t.Error("Produce() goes on 15 s after its context has ended")
			}
		})
	}
}

func TestABrokerThatIsAwayIsWaitedForAndSaidOnce(t *testing.T) {
	dir, port := t.TempDir(), freePort(t)
	serve := func() *kfake.Cluster {
		b, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	broker := serve()
	var log lockedBuffer
	c, err := kafka.Open(t.Context(), kafka.Config{Brokers: broker.ListenAddrs(), Prefix: "t."}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.ApplyTopics(t.Context(), layout); err != nil {
		t.Fatal(err)
	}
	produce(t, c, 0, "before")
	p, err := c.NewProducer(kafka.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	r, err := readers(t, c, kafka.ReadersConfig{}).Open(t.Context(), stream.Partition{Topic: stream.Journal, ID: 0}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := readN(t, r, 1)[0]; got != "0:before" {
		t.Fatalf("Read() = %s", got)
	}

	broker.Close()
	done := make(chan error, 1)
	go func() {
		done <- p.Produce(t.Context(), []stream.Message{{Topic: stream.Journal, Value: []byte("after")}})
	}()
	log.await(t, "waiting for kafka")
	t.Cleanup(serve().Close)
	if err := <-done; err != nil {
		t.Errorf("Produce() over an outage = %v", err)
	}
	if got := readN(t, r, 1)[0]; got != "1:after" {
		t.Errorf("Read() over an outage = %s, want 1:after", got)
	}
	log.await(t, "kafka is back")
	if n := strings.Count(log.String(), "waiting for kafka"); n != 1 {
		t.Errorf("the outage is said %d times:\n%s", n, log.String())
	}
}

func TestOpenSaysWhereItLookedAndWhatToSet(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	for name, brokers := range map[string][]string{"nothing set": nil, address: {address}} {
		_, err := kafka.Open(ctx, kafka.Config{Brokers: brokers}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "SHELFWIRE_KAFKA_BROKERS") || len(brokers) > 0 && !strings.Contains(err.Error(), address) {
			t.Errorf("Open() with %s = %v", name, err)
		}
	}
}

// freePort returns a port of loopback that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// A lockedBuffer collects a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await waits until the log says text.
func (l *lockedBuffer) await(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(l.String(), text) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the log does not say %q:\n%s", text, l.String())
		}
	}
}
