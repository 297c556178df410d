package chstore_test

import (
	"bufio"
	"encoding/binary"
	"net"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/chstore"
)

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
			reply := []byte{2} // exception
			reply = binary.LittleEndian.AppendUint32(reply, uint32(code))
			for _, s := range []string{"DB::Exception", message, ""} {
				reply = append(binary.AppendUvarint(reply, uint64(len(s))), s...)
			}
			reply = append(reply, 0) // none nested
			if _, err := bufio.NewReader(conn).ReadByte(); err == nil {
				_, _ = conn.Write(reply)
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
