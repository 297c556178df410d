package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// A fakeLog keeps what is written, and fails when it has failAt messages.
type fakeLog struct {
	messages []stream.Message
	failAt   int
}

func (f *fakeLog) Produce(_ context.Context, messages []stream.Message) error {
	for _, m := range messages {
		if f.failAt > 0 && len(f.messages) == f.failAt {
			return errors.New("broker gone")
		}
		m.Key, m.Value = bytes.Clone(m.Key), bytes.Clone(m.Value)
		f.messages = append(f.messages, m)
	}
	return nil
}

func receipt(pool, id string) string {
	return fmt.Sprintf(`{"movement":{"pool":%q,"outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":1,"occurred_at":"2026-11-20T10:00:00Z","event_id":%q}}`, pool, id)
}

func newSender(topic stream.Topic, out messageWriter, stderr *strings.Builder) *sender {
	return &sender{topic: topic, out: out, stderr: stderr, progress: newProgress(stderr, "events")}
}

func TestSendKeepsBytesAndOrder(t *testing.T) {
	var in, stderr strings.Builder
	const n = 3*sendBatchEvents + 7
	var want []string
	for i := range n {
		pool := fmt.Sprintf("p%d", i%3)
		line := "  " + receipt(pool, fmt.Sprint(i)) + " "
		want = append(want, pool+" "+strings.TrimSpace(line))
		in.WriteString(line + "\n")
	}
	var log fakeLog
	s := newSender(stream.Movements, &log, &stderr)
	if err := s.sendAll(t.Context(), strings.NewReader(in.String())); err != nil {
		t.Fatal(err)
	}
	if s.sent != n || s.bad != 0 || len(log.messages) != n || stderr.Len() > 0 {
		t.Fatalf("sent %d, bad %d, written %d, said %q; want %d sent in silence", s.sent, s.bad, len(log.messages), stderr.String(), n)
	}
	for i, m := range log.messages {
		if got := string(m.Key) + " " + string(m.Value); got != want[i] || m.Topic != stream.Movements || m.Partition != stream.Any {
			t.Fatalf("message %d = %s to %s/%d, want %s", i, got, m.Topic, m.Partition, want[i])
		}
	}
}

func TestSendReportsBadLinesAndGoesOn(t *testing.T) {
	good := receipt("acme", "e1")
	tests := []struct{ name, line, want string }{
		{"no JSON", `{"movement":`, "line 2: "},
		{"an unknown field", strings.Replace(good, `"pool"`, `"pol"`, 1), "movement.pol"},
		{"a quantity of 0", strings.Replace(good, `"quantity":1`, `"quantity":0`, 1), "movement.quantity"},
		{"a missing SKU", strings.Replace(good, `"sku":"SHIRT",`, ``, 1), "movement.sku"},
		{"a field given twice", strings.Replace(good, `"pool":"acme"`, `"pool":"acme","pool":"acme"`, 1), "movement.pool"},
		{"bytes that are no UTF-8", strings.Replace(good, "acme", "ac\xff", 1), "line 2: "},
		{"a line of 10 MB", strings.Repeat(" ", 5) + strings.Repeat("x", 10_000_000), "line 2: the line is longer than 1 MiB"},
		{"a mark on another topic", `{"mark":{"pool":"acme","channel":"web","orders_until":"2026-11-20T12:00:00Z"}}`, "line 2: mark: goes to the topic orders only"},
		{"two facts in one line", `{"refresh":{"pool":"acme"},"pool":{"pool":"acme"}}`, "line 2: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log fakeLog
			var stderr strings.Builder
			s := newSender(stream.Movements, &log, &stderr)
			in := good + "\n" + tt.line + "\n" + good + "\n"
			if err := s.sendAll(t.Context(), strings.NewReader(in)); err != nil {
				t.Fatal(err)
			}
			if s.sent != 2 || s.bad != 1 || len(log.messages) != 2 {
				t.Errorf("sent %d, bad %d, want 2 and 1", s.sent, s.bad)
			}
			if said := stderr.String(); !strings.HasPrefix(said, "line 2: ") || !strings.Contains(said, tt.want) || strings.Count(said, "\n") != 1 {
				t.Errorf("said %.300q, want one line with %q", said, tt.want)
			}
		})
	}
}

func TestSendStopsWhereTheBrokerFails(t *testing.T) {
	var in, stderr strings.Builder
	for i := range 2*sendBatchEvents + 1 {
		in.WriteString(receipt("acme", fmt.Sprint(i)) + "\n")
	}
	log := fakeLog{failAt: sendBatchEvents + 5}
	s := newSender(stream.Movements, &log, &stderr)
	err := s.sendAll(t.Context(), strings.NewReader(in.String()))
	if err == nil || s.sent != sendBatchEvents {
		t.Errorf("sendAll() = %v with %d acknowledged, want an error after %d", err, s.sent, sendBatchEvents)
	}
}

func TestSendTakesAMarkOnOrders(t *testing.T) {
	var log fakeLog
	var stderr strings.Builder
	s := newSender(stream.Orders, &log, &stderr)
	in := `{"mark":{"pool":"acme","channel":"web","orders_until":"2026-11-20T12:00:00Z"}}`
	if err := s.sendAll(t.Context(), strings.NewReader(in)); err != nil || s.sent != 1 || s.bad != 0 {
		t.Errorf("sendAll() = %v, sent %d, said %q", err, s.sent, stderr.String())
	}
}
