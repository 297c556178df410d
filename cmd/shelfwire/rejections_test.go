package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A rejectionsTopic is the topic rejections and the topics that events are sent to again.
type rejectionsTopic struct {
	fakeLog
	topic fakeTopic
}

func newRejectionsTopic() *rejectionsTopic {
	return &rejectionsTopic{topic: fakeTopic{records: make([][]stream.Record, 1)}}
}

func (r *rejectionsTopic) add(key string, x record.Rejection) {
	r.topic.records[0] = append(r.topic.records[0], at(int64(len(r.topic.records[0])), key, string(codec.AppendRejection(nil, &x))))
}

// redrive runs the command's work once, and lets what it wrote to the topic be read the next time.
func (r *rejectionsTopic) redrive(t *testing.T, f rejectionFilter, again bool) (sent []stream.Message, stdout, stderr string, err error) {
	t.Helper()
	found, err := readRejections(t.Context(), &r.topic, &f)
	if err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	d := redriver{out: &r.fakeLog, now: time.Now, again: again}
	before := len(r.messages)
	err = d.run(t.Context(), found, &app.Shell{Environment: app.Environment{Stdout: &out, Stderr: &errOut}})
	for _, m := range r.messages[before:] {
		if m.Topic == stream.Rejections {
			r.topic.records[0] = append(r.topic.records[0], at(int64(len(r.topic.records[0])), string(m.Key), string(m.Value)))
			continue
		}
		sent = append(sent, m)
	}
	return sent, out.String(), errOut.String(), err
}

var rejectedAt = stock.InstantOf(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))

func refusal(topic stream.Topic, offset int64, value string) record.Rejection {
	return record.Rejection{Class: "refused", Reason: "channel \"x\" is not declared", Field: "channel", Topic: string(topic), Offset: offset, Pool: "acme", RejectedAt: rejectedAt, Value: []byte(value)}
}

func TestARejectionIsSentAgainOnce(t *testing.T) {
	r := newRejectionsTopic()
	r.add("movements/0/7", refusal(stream.Movements, 7, receipt("acme", "e7")))
	protobuf := refusal(stream.Orders, 3, "\x0a\x02hi")
	protobuf.Version, protobuf.Partition = 12, 2
	r.add("journal/0/12/0", protobuf)
	applied := refusal(stream.Movements, 8, "{}")
	applied.Applied = true
	r.add("movements/0/8", applied)
	cut := refusal(stream.Movements, 9, "{}")
	cut.Reason += " (the first 900000 of 1000000 bytes are kept)"
	r.add("movements/0/9", cut)
	r.add("movements/0/7", refusal(stream.Movements, 7, receipt("acme", "e7"))) // written twice, as after a crash

	sent, stdout, stderr, err := r.redrive(t, rejectionFilter{all: true}, false)
	if err != nil || stdout != "2 sent, 2 passed over, 0 of unknown outcome\n" || strings.Count(stderr, "passed over") != 2 {
		t.Errorf("redrive: %v, %q, %q", err, stdout, stderr)
	}
	want := []string{"movements/-1 acme  " + receipt("acme", "e7"), "orders/2 acme application/x-protobuf \x0a\x02hi"}
	for i, m := range sent {
		if got := fmt.Sprintf("%s/%d %s %s %s", m.Topic, m.Partition, m.Key, m.ContentType, m.Value); i >= len(want) || got != want[i] {
			t.Errorf("sent %d = %q, want %q", i, got, want)
		}
	}
	if len(sent) != 2 {
		t.Errorf("%d were sent, want 2", len(sent))
	}
	if sent, stdout, _, err = r.redrive(t, rejectionFilter{all: true}, true); err != nil || len(sent) != 0 || stdout != "0 sent, 4 passed over, 0 of unknown outcome\n" {
		t.Errorf("a second redrive sent %d, %q, %v", len(sent), stdout, err)
	}
}

func TestARedriveThatIsCutShortIsLeftToAPerson(t *testing.T) {
	for failAt, reached := range map[int]string{1: "the event was not sent", 2: "the event was sent, its note was not"} {
		r := newRejectionsTopic()
		r.add("movements/0/7", refusal(stream.Movements, 7, receipt("acme", "e7")))
		r.failAt = failAt
		if _, _, _, err := r.redrive(t, rejectionFilter{key: "movements/0/7"}, false); err == nil || !strings.Contains(err.Error(), "movements/0/7") {
			t.Fatalf("%s: redrive = %v", reached, err)
		}
		r.failAt = 0
		sent, stdout, stderr, err := r.redrive(t, rejectionFilter{all: true}, false)
		if !errors.Is(err, app.ErrReported) || len(sent) != 0 || !strings.Contains(stderr, "nobody knows whether it was sent") {
			t.Errorf("%s: redrive = %v, sent %d, %q, %q", reached, err, len(sent), stdout, stderr)
		}
		if sent, _, _, err := r.redrive(t, rejectionFilter{all: true}, true); err != nil || len(sent) != 1 {
			t.Errorf("%s: redrive --again = %v, sent %d", reached, err, len(sent))
		}
	}
}

func TestRejectionFilters(t *testing.T) {
	r := newRejectionsTopic()
	r.add("movements/0/7", refusal(stream.Movements, 7, "{}"))
	other := record.Rejection{Class: "malformed", Reason: "no JSON", Topic: "orders", Partition: 1, Offset: 70, RejectedAt: rejectedAt.Add(time.Hour), Value: []byte("x")}
	r.add("orders/1/70", other)
	for name, test := range map[string]struct {
		filter rejectionFilter
		want   string
	}{
		"none":      {rejectionFilter{}, "movements/0/7 orders/1/70"},
		"pool":      {rejectionFilter{pool: "acme"}, "movements/0/7"},
		"class":     {rejectionFilter{class: "malformed"}, "orders/1/70"},
		"topic":     {rejectionFilter{place: "orders"}, "orders/1/70"},
		"partition": {rejectionFilter{place: "orders/1"}, "orders/1/70"},
		"offset":    {rejectionFilter{place: "orders/1/7"}, ""},
		"reason":    {rejectionFilter{reason: "not declared"}, "movements/0/7"},
		"field":     {rejectionFilter{reason: "channel"}, "movements/0/7"},
		"since":     {rejectionFilter{since: "2026-11-20T10:30:00Z"}, "orders/1/70"},
		"key":       {rejectionFilter{key: "orders/1/70"}, "orders/1/70"},
		"both":      {rejectionFilter{pool: "acme", class: "malformed"}, ""},
	} {
		if err := test.filter.read(); err != nil {
			t.Fatal(err)
		}
		found, err := readRejections(t.Context(), &r.topic, &test.filter)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, f := range found {
			keys = append(keys, f.key)
		}
		if got := strings.Join(keys, " "); got != test.want {
			t.Errorf("%s: found %q, want %q", name, got, test.want)
		}
	}
	bad := rejectionFilter{since: "yesterday"}
	if err := bad.read(); err == nil {
		t.Error("--since yesterday is taken")
	}
}

func TestRejectionsOnTheCommandLine(t *testing.T) {
	env := quietEnv("SHELFWIRE_DATA=" + t.TempDir())
	stop := startRun(t, env)
	defer stop()
	mark := `{"order":{"pool":"acme","channel":"web","order_id":"1","status":"open","placed_at":"2020-01-01T00:00:00Z","updated_at":"2020-01-01T00:00:00Z","fulfilled_by":"merchant","lines":[]}}` + "\n"
	must(t, env, mark, "send", "--topic", "orders")
	var listed string
	eventually(t, "the order is rejected", func() bool {
		listed = must(t, env, "", "rejections", "list", "--pool", "acme")
		return strings.Count(listed, "\n") == 1
	})
	if _, _, status := cli(t, env, "", "rejections", "redrive"); status != 2 {
		t.Errorf("redrive without a filter: status %d, want 2", status)
	}
	if got := must(t, env, "", "rejections", "redrive", "--pool", "acme"); got != "1 sent, 0 passed over, 0 of unknown outcome\n" {
		t.Errorf("redrive says %q", got)
	}
	eventually(t, "it is rejected again", func() bool {
		return strings.Count(must(t, env, "", "rejections", "list"), "\n") == 2
	})
	must(t, env, "", "verify")
}
