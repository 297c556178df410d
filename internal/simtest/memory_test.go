package simtest_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/redisstore"
)

// A memory is a broker, a Redis and a network that are only memory, so that a bubble of fake time can hold them.
type memory struct {
	t        *testing.T
	network  kfake.VirtualNetwork
	cluster  *kafka.Cluster
	store    *redisstore.Store
	producer *kafka.Producer
	port     int // of the newest web server

	mu     sync.Mutex
	random *rand.Rand // guarded by mu
}

const memoryPrefix = "day."

func openMemory(t *testing.T, seed uint64) *memory {
	t.Helper()
	m := &memory{t: t, port: 8000, random: rand.New(rand.NewPCG(seed, 11))}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(m.network.Listen))
	must(err)
	t.Cleanup(broker.Close)
	server := miniredis.NewMiniRedis()
	t.Cleanup(server.Close)
	log := slog.New(slog.DiscardHandler)
	m.cluster, err = kafka.Open(t.Context(), kafka.Config{Brokers: []string{"127.0.0.1:9092"}, Prefix: memoryPrefix, Dial: m.network.DialContext}, log)
	must(err)
	t.Cleanup(m.cluster.Close)
	_, err = m.cluster.ApplyTopics(t.Context(), kafka.Layout{Inputs: 1, Journal: 1, Accounts: 2, Outputs: 1, Replication: 1, Plain: true})
	must(err)
	m.store, err = redisstore.Open(t.Context(), redisstore.Config{
		Addresses: []string{"127.0.0.1:6379"}, Prefix: "sw:", Dial: func(context.Context, string, string) (net.Conn, error) {
			c, err := server.Dial()
			if err != nil {
				return nil, err
			}
			return newBuffered(c), nil
		},
	}, log)
	must(err)
	t.Cleanup(func() { _ = m.store.Close() })
	m.producer, err = m.cluster.NewProducer(kafka.ProducerConfig{})
	must(err)
	t.Cleanup(m.producer.Close)
	return m
}

// serve lets a web server answer, some milliseconds away, and returns its address.
func (m *memory) serve(h http.Handler) (url string) {
	m.t.Helper()
	m.port++
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port))
	listener, err := m.network.Listen("tcp", address)
	if err != nil {
		m.t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.far(r.Context())
		h.ServeHTTP(w, r)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // until it is closed
	m.t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return "http://" + address
}

// far takes the time of a way.
func (m *memory) far(ctx context.Context) {
	m.mu.Lock()
	way := time.Duration(m.random.Int64N(int64(5 * time.Millisecond)))
	m.mu.Unlock()
	timer := time.NewTimer(way)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// A buffered connection takes what is written at once, as one over TCP does: the two ends of a pipe would wait for each other where a
// server answers the first of many commands while the others are being written.
type buffered struct {
	net.Conn
	more   chan struct{} // there is something to be passed on
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex
	behind []byte // guarded by mu
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{Conn: c, more: make(chan struct{}, 1), closed: make(chan struct{})}
	go b.pass()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	select {
	case <-b.closed:
		return 0, net.ErrClosed
	default:
	}
	b.mu.Lock()
	b.behind = append(b.behind, p...)
	b.mu.Unlock()
	select {
	case b.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// SetWriteDeadline does nothing, since no write waits; SetDeadline is that of reads.
func (b *buffered) SetWriteDeadline(time.Time) error { return nil }
func (b *buffered) SetDeadline(t time.Time) error    { return b.Conn.SetReadDeadline(t) }

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Conn.Close()
}

// pass passes on what was written until the connection is closed.
func (b *buffered) pass() {
	for {
		select {
		case <-b.more:
		case <-b.closed:
			return
		}
		b.mu.Lock()
		out := b.behind
		b.behind = nil
		b.mu.Unlock()
		if _, err := b.Conn.Write(out); err != nil {
			return // the reader sees it too
		}
	}
}
