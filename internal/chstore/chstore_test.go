package chstore_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/chstore"
	"github.com/shelfwire/shelfwire/internal/history"
)

// ClickHouse that is away may come back; what is wrong stays wrong until somebody puts it right.
func TestAwayIsToldFromWrong(t *testing.T) {
	for name, c := range map[string]struct {
		address string
		away    bool
	}{
		"nobody listens":           {closedAddress(t), true},
		"a name that is not known": {"clickhouse.invalid:9000", true},
		"it hangs up":              {server(t, func(net.Conn) {}), true},
		"it is silent":             {server(t, func(net.Conn) { <-t.Context().Done() }), true},
		"it is overloaded":         {refusingServer(t, 202, "Too many simultaneous queries"), true},
		"it knows no such user":    {refusingServer(t, 516, "Authentication failed"), false},
		"it denies":                {refusingServer(t, 497, "Not enough privileges"), false},
		"it speaks HTTP":           {server(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.0 400 Bad Request\r\n\r\n")) }), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := chstore.Open(t.Context(), chstore.Config{Addresses: []string{c.address}, Database: "shelfwire", User: "writer"})
			if err == nil || errors.Is(err, history.ErrAway) != c.away {
				t.Errorf("Open() = %v, want one that is ErrAway: %v", err, c.away)
			}
		})
	}
}

// closedAddress returns a loopback address that nobody listens on.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestOpenRefusals(t *testing.T) {
	cfg := chstore.Config{Addresses: []string{"127.0.0.1:1"}, Database: "shelfwire", User: "writer", Password: "wrong"}
	_, err := chstore.Open(t.Context(), cfg)
	wantError(t, err, "127.0.0.1:1", "SHELFWIRE_CLICKHOUSE_ADDRESSES")

	cfg.Addresses = []string{refusingServer(t, 516, "Authentication failed")}
	_, err = chstore.Open(t.Context(), cfg)
	wantError(t, err, "refused user \"writer\"", "SHELFWIRE_CLICKHOUSE_PASSWORD")
	if err != nil && strings.Contains(err.Error(), "wrong") {
		t.Errorf("the password is in the error: %v", err)
	}
}

// refusingServer answers every handshake with an exception, in the native protocol.
func refusingServer(t *testing.T, code int32, message string) string {
	t.Helper()
	reply := []byte{2} // exception
	reply = binary.LittleEndian.AppendUint32(reply, uint32(code))
	for _, s := range []string{"DB::Exception", message, ""} {
		reply = append(binary.AppendUvarint(reply, uint64(len(s))), s...)
	}
	reply = append(reply, 0) // none nested
	return server(t, func(conn net.Conn) { _, _ = conn.Write(reply) })
}

// server reads the first bytes of every connection, has answer say something, and hangs up.
func server(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := bufio.NewReader(conn).ReadByte(); err == nil {
				answer(conn)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got error %v, want one with %q", err, part)
		}
	}
}
