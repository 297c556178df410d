//go:build integration

package simtest_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A proxy stands between our processes and a server, so that the server can be away without being touched. To the server a
// client that ends, however suddenly, has ended its sending and still listens: the ClickHouse engine as a library, which stands in
// for the server where there is none, aborts when a client is gone in the middle of an insert.
type proxy struct {
	t       *testing.T
	address string // where it listens, for its whole life
	target  string
	wires   func(address string) wire
	wg      sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener          // guarded by mu; nil while the server is away
	clients  map[net.Conn]struct{} // guarded by mu
}

// A wire carries one connection's bytes, each way until it ends.
type wire interface {
	up(server io.Writer, client io.Reader) error
	down(client io.Writer, server io.Reader) error
}

// plain carries bytes as they are.
type plain struct{}

func (plain) up(server io.Writer, client io.Reader) error {
	_, err := io.Copy(server, client)
	return err
}

func (plain) down(client io.Writer, server io.Reader) error {
	_, err := io.Copy(client, server)
	return err
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	return startProxy(t, target, func(string) wire { return plain{} })
}

// startProxy starts a proxy whose every connection has a wire of its own. wires is told where the proxy listens.
func startProxy(t *testing.T, target string, wires func(address string) wire) *proxy {
	t.Helper()
	p := &proxy{t: t, address: "127.0.0.1:0", target: target, wires: wires, clients: map[net.Conn]struct{}{}}
	p.back()
	t.Cleanup(func() {
		p.away()
		p.wg.Wait()
	})
	return p
}

// back lets connections through.
func (p *proxy) back() {
	p.t.Helper()
	l, err := net.Listen("tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.listener, p.address = l, l.Addr().String()
	p.mu.Unlock()
	address := l.Addr().String()
	p.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", p.target)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.wg.Go(func() { p.join(l, p.wires(address), in, out.(*net.TCPConn)) })
		}
	})
}

// join copies both ways until the server is done.
func (p *proxy) join(l net.Listener, w wire, client net.Conn, server *net.TCPConn) {
	p.mu.Lock()
	if p.listener == l {
		p.clients[client] = struct{}{}
	} else {
		_ = client.Close() // it went away meanwhile
	}
	p.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = w.up(server, client) // an end like any other: the client is gone, or the server
		_ = server.CloseWrite()
	})
	wg.Go(func() {
		_ = w.down(client, server)
		_, _ = io.Copy(io.Discard, server) // what is said to a client that is gone
		_ = client.Close()
	})
	wg.Wait()
	_ = server.Close()
	p.mu.Lock()
	delete(p.clients, client)
	p.mu.Unlock()
}

// away ends every connection and refuses new ones.
func (p *proxy) away() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return
	}
	_ = p.listener.Close()
	p.listener = nil
	for c := range p.clients {
		_ = c.Close()
	}
}
