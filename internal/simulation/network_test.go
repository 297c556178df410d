//go:build synctests

package simulation_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A link is the way from one process to one server. Whatever is written has left, as into the buffers of a kernel, and arrives as
// soon as the link carries bytes: also what a process wrote that has closed its connection since, or is gone. Nothing in it waits
// with a lock held, which would stop the clock of the bubble.
type link struct {
	server  func() (net.Conn, error) // connects to the server
	latency time.Duration            // of each way: without it a call would take no time, and nothing could go wrong in the middle of it

	mu      sync.Mutex
	away    bool                 // new connections are refused; guarded by mu
	carries chan struct{}        // closed while bytes move; guarded by mu
	held    bool                 // guarded by mu
	swallow int                  // how many replies are still to be lost; guarded by mu
	conns   map[*linkConn]func() // every connection with what cuts it; guarded by mu
	pumps   sync.WaitGroup
}

func newLink(latency time.Duration, server func() (net.Conn, error)) *link {
	l := &link{server: server, latency: latency, carries: make(chan struct{}), conns: map[*linkConn]func(){}}
	close(l.carries)
	return l
}

var errRefused = errors.New("connection refused")

// dial is a client's Dial function.
func (l *link) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	away := l.away
	l.mu.Unlock()
	if away {
		return nil, &net.OpError{Op: "dial", Net: "sim", Err: errRefused}
	}
	server, err := l.server()
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "sim", Err: err}
	}
	up, arrived, down := newFlow(), newFlow(), newFlow()
	c := &linkConn{up: up, down: down, read: newDeadline(), write: newDeadline()}
	cut := func() {
		up.cut()
		arrived.cut()
		down.cut()
		_ = server.Close()
	}
	l.mu.Lock()
	if l.away {
		l.mu.Unlock()
		cut()
		return nil, &net.OpError{Op: "dial", Net: "sim", Err: errRefused}
	}
	l.conns[c] = cut
	l.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { // to the server
		for {
			b, err := up.take(nil)
			l.pass()
			if err != nil {
				_ = server.Close()
				return
			}
			if up.isCut() {
				return
			}
			if _, err := server.Write(b); err != nil {
				cut()
				return
			}
		}
	})
	both.Go(func() { // from the server, which never has to wait
		b := make([]byte, 64<<10)
		for {
			n, err := server.Read(b)
			_ = arrived.put(b[:n])
			if err != nil {
				arrived.end()
				return
			}
		}
	})
	both.Go(func() { // on to the client
		for {
			b, err := arrived.take(nil)
			l.pass()
			if err != nil {
				down.end()
				return
			}
			if l.swallows() {
				cut()
				return
			}
			if down.put(b) != nil {
				continue // the client is gone, the server has its say all the same
			}
		}
	})
	l.pumps.Go(func() {
		both.Wait()
		l.mu.Lock()
		delete(l.conns, c)
		l.mu.Unlock()
	})
	return c, nil
}

// pass is the way of some bytes: it takes the latency, and longer where the link carries nothing.
func (l *link) pass() {
	if l.latency > 0 {
		<-time.After(l.latency)
	}
	for {
		l.mu.Lock()
		carries := l.carries
		l.mu.Unlock()
		<-carries
		l.mu.Lock()
		same := carries == l.carries
		l.mu.Unlock()
		if same {
			return
		}
	}
}

// hold stops the bytes where they are.
func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.held {
		l.held, l.carries = true, make(chan struct{})
	}
}

// carry lets them go on.
func (l *link) carry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held {
		l.held = false
		close(l.carries)
	}
}

// lose makes the next n replies disappear, each with its connection: what was asked has been done, and nobody is told.
func (l *link) lose(n int) {
	l.mu.Lock()
	l.swallow = n
	l.mu.Unlock()
}

func (l *link) swallows() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.swallow == 0 {
		return false
	}
	l.swallow--
	return true
}

// cut ends every connection, with all that is on its way.
func (l *link) cut() {
	l.mu.Lock()
	cuts := make([]func(), 0, len(l.conns))
	for _, cut := range l.conns {
		cuts = append(cuts, cut)
	}
	l.mu.Unlock()
	for _, cut := range cuts {
		cut()
	}
}

// refuse cuts every connection and refuses new ones; with false it takes them again.
func (l *link) refuse(away bool) {
	l.mu.Lock()
	l.away = away
	l.mu.Unlock()
	if away {
		l.cut()
	}
}

// end makes the link useless for ever. What had left before arrives if arrives is true.
func (l *link) end(arrives bool) {
	l.mu.Lock()
	l.away = true
	l.mu.Unlock()
	if !arrives {
		l.cut()
		l.carry()
		return
	}
	l.mu.Lock()
	conns := make([]*linkConn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
	l.carry()
}

// A linkConn is the client's end of a connection.
type linkConn struct {
	up, down    *flow
	read, write *deadline
}

func (c *linkConn) Read(b []byte) (int, error) { return c.down.read(b, c.read.passed()) }

func (c *linkConn) Write(b []byte) (int, error) {
	select {
	case <-c.write.passed():
		return 0, os.ErrDeadlineExceeded
	default:
	}
	if err := c.up.put(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *linkConn) Close() error {
	c.up.end()
	c.down.cut()
	return nil
}

func (c *linkConn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return nil
}
func (c *linkConn) SetReadDeadline(t time.Time) error  { c.read.set(t); return nil }
func (c *linkConn) SetWriteDeadline(t time.Time) error { c.write.set(t); return nil }
func (c *linkConn) LocalAddr() net.Addr                { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (c *linkConn) RemoteAddr() net.Addr               { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }

// A flow is the bytes on their way in one direction, without a bound.
type flow struct {
	mu      sync.Mutex
	bytes   []byte        // guarded by mu
	ended   bool          // nothing comes any more; guarded by mu
	lost    bool          // cut; guarded by mu
	changed chan struct{} // closed at the next change; guarded by mu
}

func newFlow() *flow { return &flow{changed: make(chan struct{})} }

func (f *flow) signal() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *flow) put(b []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return net.ErrClosed
	}
	if len(b) > 0 {
		f.bytes = append(f.bytes, b...)
		f.signal()
	}
	return nil
}

func (f *flow) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended = true
		f.signal()
	}
}

func (f *flow) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended, f.lost, f.bytes = true, true, nil
	f.signal()
}

func (f *flow) isCut() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// take waits for bytes and returns all there are; it gives up when stop is closed.
func (f *flow) take(stop <-chan struct{}) ([]byte, error) {
	for {
		f.mu.Lock()
		b, ended, lost, changed := f.bytes, f.ended, f.lost, f.changed
		if len(b) > 0 {
			f.bytes = nil
		}
		f.mu.Unlock()
		switch {
		case lost:
			return nil, net.ErrClosed
		case len(b) > 0:
			return b, nil
		case ended:
			return nil, io.EOF
		}
		select {
		case <-changed:
		case <-stop:
			return nil, os.ErrDeadlineExceeded
		}
	}
}

// read is take for a reader that has only so much room.
func (f *flow) read(b []byte, stop <-chan struct{}) (int, error) {
	got, err := f.take(stop)
	if err != nil {
		return 0, err
	}
	n := copy(b, got)
	if n < len(got) {
		f.mu.Lock()
		if !f.lost {
			f.bytes = append(got[n:len(got):len(got)], f.bytes...)
		}
		f.mu.Unlock()
	}
	return n, nil
}

// A deadline closes a channel at a moment that may be moved.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer   // guarded by mu
	done  chan struct{} // guarded by mu
}

func newDeadline() *deadline { return &deadline{done: make(chan struct{})} }

func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	select {
	case <-d.done:
		d.done = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	done := d.done
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if done == d.done {
				select {
				case <-done:
				default:
					close(done)
				}
			}
		})
		return
	}
	close(done)
}
