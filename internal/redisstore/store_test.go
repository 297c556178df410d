package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/allocator/storetest"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func open(t *testing.T, address, prefix string) *redisstore.Store {
	t.Helper()
	return openWith(t, redisstore.Config{Addresses: []string{address}, Prefix: prefix})
}

func openWith(t *testing.T, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Open(%s) = %v", cfg.Addresses, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

// harness gives the conformance suite a store at address whose keys begin with prefix.
func harness(t *testing.T, address, prefix string) storetest.Harness {
	return storetest.Harness{
		Open: func(t *testing.T) storetest.Store { return open(t, address, prefix) },
		Spoil: func(t *testing.T, partition int32, table engine.Table, pool string) {
			t.Helper()
			names := map[engine.Table]string{engine.TablePool: "pool", engine.TableSeen: "seen", engine.TableStock: "stock", engine.TableListings: "listings", engine.TableOrders: "orders"}
			key := prefix + "{j" + strconv.Itoa(int(partition)) + "}:" + names[table] + ":" + stream.EscapeID(pool)
			set(t, address, key)
		},
		LoseReply: func(t *testing.T) allocator.Store { return open(t, losingProxy(t, address), prefix) },
	}
}

func TestStoreOnMiniredis(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness { return harness(t, miniredis.RunT(t).Addr(), "sw:") })
}

// losingProxy forwards to address until a first EXEC has been answered; it swallows that answer and cuts the connection. What
// comes later passes.
func losingProxy(t *testing.T, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &proxy{to: address}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(ctx, client) })
		}
	})
	t.Cleanup(func() {
		stop()
		_ = listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

// behindExec is what the proxy has the server echo when it is done with EXEC.
const behindExec = "everything before this was answered"

type proxy struct {
	to   string
	mu   sync.Mutex
	lost bool // guarded by mu; the one reply has been lost
}

func (p *proxy) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	unwatch := context.AfterFunc(ctx, func() { _ = client.Close(); _ = server.Close() })
	defer unwatch()
	var mute sync.Mutex
	swallow := false
	var wg sync.WaitGroup
	wg.Go(func() {
		defer client.Close()
		buffer := make([]byte, 64<<10)
		var swallowed []byte
		for {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			mute.Lock()
			cut := swallow
			mute.Unlock()
			if cut {
				// Answers to what came before EXEC may arrive first, so the end is told by the answer to what was sent behind it.
				if swallowed = append(swallowed, buffer[:n]...); bytes.Contains(swallowed, []byte(behindExec)) {
					return
				}
				continue
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	buffer := make([]byte, 1<<20)
	for {
		n, err := client.Read(buffer)
		if n > 0 {
			p.mu.Lock()
			sent := buffer[:n]
			if !p.lost && bytes.Contains(bytes.ToLower(buffer[:n]), []byte("\r\nexec\r\n")) {
				p.lost = true
				mute.Lock()
				swallow = true
				mute.Unlock()
				sent = fmt.Appendf(sent, "*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", len(behindExec), behindExec)
			}
			p.mu.Unlock()
			if _, werr := server.Write(sent); werr != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	if !errors.Is(err, io.EOF) {
		_ = server.Close()
	}
	wg.Wait()
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	_, err := redisstore.Open(t.Context(), redisstore.Config{}, log)
	if err == nil || !strings.Contains(err.Error(), "SHELFWIRE_REDIS_ADDRESSES") {
		t.Errorf("Open() without addresses = %v, want the variable named", err)
	}
	server := miniredis.RunT(t)
	address := server.Addr()
	server.Close()
	_, err = redisstore.Open(t.Context(), redisstore.Config{Addresses: []string{address}}, log)
	if err == nil || !strings.Contains(err.Error(), "SHELFWIRE_REDIS_ADDRESSES") || !strings.Contains(err.Error(), address) {
		t.Errorf("Open() of a server that is away = %v, want the address and the variable named", err)
	}
}

func TestReadStock(t *testing.T) {
	s := open(t, miniredis.RunT(t).Addr(), "sw:")
	put := func(sku, value string) engine.RowWrite {
		return engine.RowWrite{RowKey: engine.RowKey{Table: engine.TableStock, Pool: "acme", ID: sku}, Value: []byte(value)}
	}
	if err := s.Commit(t.Context(), 4, stream.Position{}, storetest.At(1), []engine.RowWrite{put("b/1", "B"), put("a", "A")}); err != nil {
		t.Fatal(err)
	}
	rows, err := s.ReadStock(t.Context(), 4, "acme", "b/1", "none")
	if err != nil || len(rows) != 2 || string(rows[0].Value) != "B" || rows[1].Value != nil {
		t.Errorf("ReadStock(b/1, none) = %v, %v", rows, err)
	}
	rows, err = s.ReadStock(t.Context(), 4, "acme")
	if err != nil || len(rows) != 2 || rows[0].SKU != "a" || rows[1].SKU != "b/1" {
		t.Errorf("ReadStock() = %v, %v, want all by SKU", rows, err)
	}
}
