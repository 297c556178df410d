//go:build integration && cluster

package redisstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/allocator/storetest"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/publisher/toldtest"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A node is one master of a cluster of three, which share all slots.
type node struct {
	address string
	bus     string // port
	client  *redis.Client
	id      string
}

const slots = 16384

// startCluster starts three servers of the redis-server on the PATH and makes a cluster of them.
func startCluster(t *testing.T) []*node {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("a cluster needs redis-server on the PATH: %v", err)
	}
	nodes := make([]*node, 3)
	for i := range nodes {
		nodes[i] = startNode(t, path)
	}
	ctx := t.Context()
	for i, n := range nodes {
		from, to := i*slots/len(nodes), (i+1)*slots/len(nodes)-1
		must(t, n.client.ClusterAddSlotsRange(ctx, from, to).Err())
		must(t, n.client.Do(ctx, "cluster", "set-config-epoch", i+1).Err())
	}
	for _, n := range nodes[1:] {
		host, port, err := net.SplitHostPort(n.address)
		must(t, err)
		must(t, nodes[0].client.Do(ctx, "cluster", "meet", host, port, n.bus).Err())
	}
	for _, n := range nodes {
		await(t, "the nodes to see all slots", func() error {
			info, err := n.client.ClusterInfo(ctx).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_size:3")) {
				err = fmt.Errorf("cluster info:\n%s", info)
			}
			return err
		})
		n.id, err = n.client.ClusterMyID(ctx).Result()
		must(t, err)
	}
	return nodes
}

func startNode(t *testing.T, path string) *node {
	t.Helper()
	// The bus has a port of its own. Somebody may take one of the two before the server does, which then ends: the test says so.
	port, bus := freePort(t), freePort(t)
	dir := t.TempDir()
	server := exec.Command(path, "--bind", "127.0.0.1", "--port", port, "--cluster-port", bus, "--dir", dir, "--save", "", "--appendonly", "no",
		"--cluster-enabled", "yes", "--cluster-node-timeout", "5000")
	var said strings.Builder
	server.Stdout = &said
	must(t, server.Start())
	n := &node{address: "127.0.0.1:" + port, bus: bus, client: redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})}
	t.Cleanup(func() {
		_ = n.client.Close()
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Logf("node %s said:\n%s", n.address, said.String())
		}
	})
	await(t, "a node to answer", func() error { return n.client.Ping(t.Context()).Err() })
	return n
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	return port
}

func await(t *testing.T, what string, ready func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStoreOnCluster(t *testing.T) {
	address := startCluster(t)[0].address
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		prefix := "test-" + rand.Text() + ":"
		h := harness(t, address, prefix)
		// A cluster's client goes where the nodes say that they are, so what loses the reply stands where it dials.
		h.LoseReply = func(t *testing.T) allocator.Store {
			var mu sync.Mutex
			proxies := map[string]string{}
			return openWith(t, redisstore.Config{Addresses: []string{address}, Prefix: prefix, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
				mu.Lock()
				through, ok := proxies[address]
				if !ok {
					through = losingProxy(t, address)
					proxies[address] = through
				}
				mu.Unlock()
				return new(net.Dialer).DialContext(ctx, network, through)
			}})
		}
		return h
	})
}

func TestToldOnCluster(t *testing.T) {
	address := startCluster(t)[0].address
	toldtest.Run(t, func(t *testing.T) toldtest.Harness { return toldHarness(t, address, "test-"+rand.Text()+":") })
}

// A partition's slot is moved to another node while it is written to: a commit may fail, but each that is acknowledged is there, once, and
// the writer goes on at the new node.
func TestSlotMoves(t *testing.T) {
	nodes := startCluster(t)
	ctx := t.Context()
	s := open(t, nodes[0].address, "sw:")
	slot, err := nodes[0].client.ClusterKeySlot(ctx, "sw:{j0}:meta").Result()
	must(t, err)
	owner := int(slot) * len(nodes) / slots
	k := engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: "SHIRT"}
	at, failed := stream.Position{}, 0
	// step commits the next value, looking at where the partition is after a failure as its owner does.
	step := func() {
		next := storetest.At(at.Offset + 1)
		err := s.Commit(ctx, 0, at, next, []engine.RowWrite{{RowKey: k, Value: []byte(strconv.FormatInt(next.Offset, 10))}})
		if err == nil {
			at = next
			return
		}
		failed++
		await(t, "the position", func() error {
			var err error
			at, err = s.Meta(ctx, 0)
			if errors.Is(err, allocator.ErrDamaged) {
				t.Fatal(err)
			}
			return err
		})
	}
	for round := range 3 {
		for range 5 {
			step()
		}
		from, to := nodes[(owner+round)%len(nodes)], nodes[(owner+round+1)%len(nodes)]
		must(t, to.client.Do(ctx, "cluster", "setslot", slot, "importing", from.id).Err())
		must(t, from.client.Do(ctx, "cluster", "setslot", slot, "migrating", to.id).Err())
		keys, err := from.client.ClusterGetKeysInSlot(ctx, int(slot), 1000).Result()
		must(t, err)
		for _, key := range keys {
			host, port, err := net.SplitHostPort(to.address)
			must(t, err)
			must(t, from.client.Migrate(ctx, host, port, key, 0, 10*time.Second).Err())
			step()
		}
		for _, n := range []*node{to, from, nodes[(owner+round+2)%len(nodes)]} {
			must(t, n.client.Do(ctx, "cluster", "setslot", slot, "node", to.id).Err())
		}
		before := at.Offset
		for at.Offset < before+5 {
			step()
		}
	}
	t.Logf("%d of %d commits failed while the slot moved", failed, at.Offset+int64(failed))
	rows, _, err := s.Load(ctx, 0, []engine.RowKey{k})
	must(t, err)
	if got, want := string(rows[0]), strconv.FormatInt(at.Offset, 10); got != want {
		t.Errorf("the row is %s after %s commits", got, want)
	}
}
