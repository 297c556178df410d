package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/ingest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// post sends a body to a stage and returns the answer.
func post(t *testing.T, s *ingest.Stage, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/events", strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

// accepted returns the input events that were written, with the topic of each.
func (o *outputs) accepted(t *testing.T) (topics []stream.Topic, events []record.Event) {
	t.Helper()
	for _, topic := range stream.Inputs() {
		for _, m := range o.on(topic) {
			var e record.Event
			if err := codec.ParseEvent(m.ContentType, m.Value, &e); err != nil {
				t.Fatalf("what was written to %s is refused: %v", topic, err)
			}
			if string(m.Key) != e.PoolID() || m.Partition != stream.Any {
				t.Errorf("written with key %q to partition %d, want the pool to any", m.Key, m.Partition)
			}
			topics, events = append(topics, topic), append(events, e)
		}
	}
	return topics, events
}

func TestOneEventAnArrayAndLinesAreTaken(t *testing.T) {
	a, b, c := string(movementOf("acme", 1)), string(movementOf("acme", 2)), string(movementOf("other", 3))
	var e record.Event
	if err := codec.ParseEvent("", []byte(a), &e); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		body, contentType string
		ids               string
	}{
		"one event":           {a, "application/json", "e1"},
		"one over many lines": {strings.ReplaceAll(a, ",", ",\n"), "", "e1"},
		"an array":            {"[" + a + "," + b + ",\n" + c + "]", "application/json; charset=utf-8", "e1 e2 e3"},
		"lines":               {a + "\n" + b + "\r\n\n" + c + "\n", "application/x-ndjson", "e1 e2 e3"},
		"protobuf":            {string(codec.AppendEvent(nil, &e)), stream.ContentTypeProtobuf, "e1"},
		"as curl sends it":    {a, "application/x-www-form-urlencoded", "e1"},
	} {
		t.Run(name, func(t *testing.T) {
			out := &outputs{}
			w := post(t, newStage(t, ingest.Config{}, nil, out), test.body, "Content-Type", test.contentType)
			_, events := out.accepted(t)
			ids := make([]string, 0, len(events))
			for _, e := range events {
				ids = append(ids, e.Movement.EventID)
			}
			if got := strings.Join(ids, " "); got != test.ids {
				t.Errorf("written: %s, want %s", got, test.ids)
			}
			want := fmt.Sprintf(`{"accepted":%d,"rejected":[]}`, len(ids))
			if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
				t.Errorf("answer = %d %s, want 200 %s", w.Code, got, want)
			}
		})
	}
}

func TestEventsGoToTheTopicOfTheirKind(t *testing.T) {
	out := &outputs{}
	w := post(t, newStage(t, ingest.Config{}, nil, out), strings.Join([]string{
		`{"outlet":{"pool":"acme","outlet":"MTL","name":"Montréal","priority":1,"sells_online":true,"fulfils_orders":true}}`,
		`{"order":{"pool":"acme","channel":"shop","order_id":"1","status":"open","placed_at":"2026-11-20T10:00:00Z","updated_at":"2026-11-20T10:00:05Z","fulfilled_by":"merchant","lines":[{"line_id":"1","sku":"SHIRT","quantity":2}]}}`,
		`{"fulfilment":{"pool":"acme","channel":"shop","order_id":"1","fulfilment_id":"f1","reported_by":"warehouse","outlet":"MTL","shipped_at":"2026-11-20T11:00:00Z","lines":[{"line_id":"1","quantity":2}]}}`,
		string(movementOf("acme", 1)),
	}, "\n"))
	topics, _ := out.accepted(t)
	if got := fmt.Sprint(topics); got != "[movements orders orders catalogue]" {
		t.Errorf("topics = %s; answer %s", got, w.Body)
	}
}

func TestABadRowIsNamedAndTheOthersAreTaken(t *testing.T) {
	anonymous := strings.Replace(string(movementOf("acme", 9)), `,"event_id":"e9"`, "", 1)
	rows := []string{
		string(movementOf("acme", 0)),
		`{"movement":{"pool":"a` + "\xff" + `"}}`,
		strings.Replace(string(movementOf("acme", 2)), `"quantity":1`, `"quantity":1,"quantity":2`, 1),
		strings.Replace(string(movementOf("acme", 3)), "2026-11-20", "2062-11-20", 1),
		anonymous,
		`{"mark":{"pool":"acme","channel":"shop","orders_until":"2026-11-20T10:00:00Z"}}`,
		strings.Replace(string(movementOf("acme", 6)), "MTL", strings.Repeat("x", 1<<20), 1),
		string(movementOf("acme", 7)),
	}
	want := []struct {
		index         int
		field, reason string
	}{
		{1, "", "is not UTF-8"},
		{2, "movement.quantity", "twice"},
		{3, "movement.occurred_at", "2062"},
		{4, "movement.event_id", "is needed over HTTP"},
		{5, "mark", "is not accepted over HTTP"},
		{6, "", "is larger than 1 MiB"},
	}
	out := &outputs{}
	w := post(t, newStage(t, ingest.Config{}, nil, out), strings.Join(rows, "\n"))
	var answer struct {
		Accepted int
		Rejected []struct {
			Index         int
			Field, Reason string
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		t.Fatalf("answer = %d %s (%v)", w.Code, w.Body, err)
	}
	if _, events := out.accepted(t); len(events) != 2 || answer.Accepted != 2 {
		t.Errorf("%d events are written, %d are said to be, want 2", len(events), answer.Accepted)
	}
	rejections := out.rejections(t)
	if len(answer.Rejected) != len(want) || len(rejections) != len(want) {
		t.Fatalf("%d rows are said to be rejected, %d are kept, want %d: %s", len(answer.Rejected), len(rejections), len(want), w.Body)
	}
	for i, row := range want {
		got, kept := answer.Rejected[i], rejections[i]
		if got.Index != row.index || got.Field != row.field || !strings.Contains(got.Reason, row.reason) {
			t.Errorf("rejected = %+v, want %+v", got, row)
		}
		if kept.Topic != "http" || int(kept.Index) != row.index || kept.Field != row.field || !bytes.HasPrefix([]byte(rows[row.index]), kept.Value) {
			t.Errorf("kept = %s row %d, field %q, %d bytes", kept.Topic, kept.Index, kept.Field, len(kept.Value))
		}
	}
}

func TestAnArrayThatBreaksOffKeepsItsGoodRows(t *testing.T) {
	out := &outputs{}
	w := post(t, newStage(t, ingest.Config{}, nil, out), "["+string(movementOf("acme", 0))+","+string(movementOf("acme", 1))[:30])
	if _, events := out.accepted(t); len(events) != 1 || !strings.Contains(w.Body.String(), "breaks off") || !strings.Contains(w.Body.String(), `"index":1`) {
		t.Errorf("%d events are written, answer %s", len(events), w.Body)
	}
}

func TestRowsTakeTheirIDsFromTheIdempotencyKey(t *testing.T) {
	anonymous := strings.Replace(string(movementOf("acme", 9)), `,"event_id":"e9"`, "", 1)
	numbered := strings.Replace(string(movementOf("acme", 9)), `"event_id":"e9"`, `"source":"wms","epoch":1,"sequence":7`, 1)
	for range 2 {
		out := &outputs{}
		post(t, newStage(t, ingest.Config{}, nil, out), anonymous+"\n"+string(movementOf("acme", 5))+"\n"+numbered+"\n"+anonymous, "Idempotency-Key", "batch-17")
		_, events := out.accepted(t)
		var ids []string
		for _, e := range events {
			ids = append(ids, e.Movement.EventID)
		}
		if got := strings.Join(ids, " "); got != "batch-17/0 e5  batch-17/3" {
			t.Errorf("ids = %q", got)
		}
	}
}

func TestAWrongRequestIsRefusedWithAReason(t *testing.T) {
	good := string(movementOf("acme", 1))
	for _, test := range []struct {
		name, method, path, body string
		header                   []string
		token                    string
		code                     int
	}{
		{name: "GET", method: http.MethodGet, code: http.StatusMethodNotAllowed},
		{name: "DELETE", method: http.MethodDelete, code: http.StatusMethodNotAllowed},
		{name: "another path", path: "/v1/event", code: http.StatusNotFound},
		{name: "an empty body", body: " \n", code: http.StatusBadRequest},
		{name: "an empty array", body: "[]", code: http.StatusBadRequest},
		{name: "XML", body: good, header: []string{"Content-Type", "text/xml"}, code: http.StatusUnsupportedMediaType},
		{name: "no media type", body: good, header: []string{"Content-Type", ";;"}, code: http.StatusUnsupportedMediaType},
		{name: "gzip", body: good, header: []string{"Content-Encoding", "gzip"}, code: http.StatusUnsupportedMediaType},
		{name: "a long key", body: good, header: []string{"Idempotency-Key", strings.Repeat("k", 151)}, code: http.StatusBadRequest},
		{name: "a key that is no id", body: good, header: []string{"Idempotency-Key", "k\xff"}, code: http.StatusBadRequest},
		{name: "more than 10 MiB", body: strings.Repeat(" ", 10<<20) + good, code: http.StatusRequestEntityTooLarge},
		{name: "too many rows", body: strings.Repeat(good+"\n", 20_001), code: http.StatusRequestEntityTooLarge},
		{name: "no token", body: good, token: "secret", code: http.StatusUnauthorized},
		{name: "a wrong token", body: good, token: "secret", header: []string{"Authorization", "Bearer Secret"}, code: http.StatusUnauthorized},
		{name: "the token", body: good, token: "secret", header: []string{"Authorization", "Bearer secret"}, code: http.StatusOK},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := &outputs{}
			method, path := test.method, test.path
			if method == "" {
				method = http.MethodPost
			}
			if path == "" {
				path = "/v1/events"
			}
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(test.body))
			for i := 0; i < len(test.header); i += 2 {
				r.Header.Set(test.header[i], test.header[i+1])
			}
			w := httptest.NewRecorder()
			newStage(t, ingest.Config{Token: test.token}, nil, out).Handler().ServeHTTP(w, r)
			if w.Code != test.code {
				t.Errorf("answer = %d %s, want %d", w.Code, w.Body, test.code)
			}
			if test.code == http.StatusOK {
				return
			}
			if len(out.written) > 0 {
				t.Errorf("%d messages are written", len(out.written))
			}
			var answer struct{ Error string }
			if err := json.Unmarshal(w.Body.Bytes(), &answer); test.code != http.StatusNotFound && (err != nil || answer.Error == "") {
				t.Errorf("answer = %s, want a reason as JSON", w.Body)
			}
			if test.code == http.StatusMethodNotAllowed && w.Header().Get("Allow") != http.MethodPost {
				t.Errorf("Allow = %q", w.Header().Get("Allow"))
			}
		})
	}
}

func TestWithoutAnAckTheClientIsToldToComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &outputs{produced: func(ctx context.Context, _ []stream.Message) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}}
		began := time.Now()
		w := post(t, newStage(t, ingest.Config{AckTimeout: 3 * time.Second}, nil, out), string(movementOf("acme", 1)))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("answer = %d %s, Retry-After %q, want 503", w.Code, w.Body, w.Header().Get("Retry-After"))
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("answered after %s, want 3 s", took)
		}
	})
}

func TestAClientThatGoesAwayDoesNotEndTheWrite(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	out := &outputs{produced: func(ctx context.Context, messages []stream.Message) (int, error) {
		leave()
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return len(messages), nil
	}}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/events", bytes.NewReader(movementOf("acme", 1)))
	newStage(t, ingest.Config{}, nil, out).Handler().ServeHTTP(httptest.NewRecorder(), r)
	if _, events := out.accepted(t); len(events) != 1 {
		t.Errorf("%d events are written, want 1", len(events))
	}
}

// Bodies that wait for Kafka are bounded all together: the seventh of 10 MiB is not even read.
func TestRequestsAboveTheBoundWaitTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &outputs{produced: func(ctx context.Context, _ []stream.Message) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}}
		s := newStage(t, ingest.Config{AckTimeout: time.Second}, nil, out)
		body := strings.Repeat(" ", 10<<20-len(movementOf("acme", 1))) + string(movementOf("acme", 1))
		var wg sync.WaitGroup
		defer wg.Wait()
		for range 6 {
			wg.Go(func() { post(t, s, body) })
		}
		synctest.Wait()
		unread := errors.New("the body is read")
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/events", failingReader{unread})
		r.ContentLength = 10 << 20
		w := httptest.NewRecorder()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		s.Handler().ServeHTTP(w, r.WithContext(ctx))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("answer = %d %s, want 503", w.Code, w.Body)
		}
	})
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
