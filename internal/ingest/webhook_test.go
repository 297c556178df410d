package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/ingest"
	"github.com/shelfwire/shelfwire/internal/signature"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const (
	newSecret = "whsec_bmV3IHNlY3JldCBvZiB0aGUgY2hhbm5lbA=="
	oldSecret = "whsec_b2xkIHNlY3JldCBvZiB0aGUgY2hhbm5lbA=="
)

func secrets(t *testing.T, texts ...string) []signature.Secret {
	t.Helper()
	var out []signature.Secret
	for _, text := range texts {
		s, err := signature.ParseSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// hooked returns the configuration of a stage that takes webhooks of acme/web and acme/b, and of a channel b of another pool.
func hooked(t *testing.T) ingest.Config {
	t.Helper()
	how := ingest.StandardWebhooks{Secrets: secrets(t, newSecret, oldSecret)}
	return ingest.Config{Token: "for events only", Senders: []ingest.Sender{
		{Pool: "acme", Channel: "b", Webhook: how}, {Pool: "acme", Channel: "we/b", Webhook: how},
		{Pool: "acme", Channel: "web", Webhook: how}, {Pool: "other", Channel: "b", Webhook: how},
	}}
}

// deliver posts a body that is signed with the secret at the stage's own time, but for the headers given.
func deliver(t *testing.T, s *ingest.Stage, path, secret, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/webhooks/"+path, strings.NewReader(body))
	timestamp, signed := signature.Sign(secrets(t, secret), "msg_1", stock.InstantOf(now), []byte(body))
	for name, value := range map[string]string{"Webhook-Id": "msg_1", "Webhook-Timestamp": timestamp, "Webhook-Signature": signed} {
		r.Header.Set(name, value)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w
}

func TestAWebhookIsTakenOnlyWithItsChannelsSignature(t *testing.T) {
	good := string(movementOf("acme", 1))
	foreign, _ := signature.Sign(secrets(t, newSecret), "msg_1", stock.InstantOf(now.Add(-time.Hour)), []byte(good))
	for _, tt := range []struct {
		name, path, secret, body string
		header                   []string
		want                     int
	}{
		{"the newest secret", "acme%2Fweb", newSecret, good, nil, 200},
		{"the one that is being replaced", "acme%2Fweb", oldSecret, good, nil, 200},
		{"the plain channel", "web", newSecret, good, nil, 200},
		{"a slash within an id", "acme%2Fwe%252Fb", newSecret, good, nil, 200},
		{"another secret", "web", "whsec_" + "YW5vdGhlciBvbmU=", good, nil, 401},
		{"no signature", "web", newSecret, good, []string{"Webhook-Signature", ""}, 401},
		{"another id", "web", newSecret, good, []string{"Webhook-Id", "msg_2"}, 401},
		{"a time that was not signed", "web", newSecret, good, []string{"Webhook-Timestamp", foreign}, 401},
		{"a signature before anything is read", "web", "whsec_" + "YW5vdGhlciBvbmU=", "{", nil, 401},
		{"an unknown channel", "acme%2Fnone", newSecret, good, nil, 404},
		{"two pools have it", "b", newSecret, good, nil, 404},
		{"one of the two", "acme%2Fb", newSecret, good, nil, 200},
		{"nothing in it", "web", newSecret, " ", nil, 400},
		{"another content", "web", newSecret, good, []string{"Content-Type", "text/html"}, 400},
		{"too long an id", "web", newSecret, good, []string{"Webhook-Id", strings.Repeat("x", 200)}, 401},
		{"too long", "web", newSecret, strings.Repeat(" ", 10<<20+1), nil, 413},
		{"compressed", "web", newSecret, good, []string{"Content-Encoding", "gzip"}, 415},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := &outputs{}
			w := deliver(t, newStage(t, hooked(t), nil, out), tt.path, tt.secret, tt.body, tt.header...)
			if w.Code != tt.want {
				t.Errorf("answer = %d %s, want %d", w.Code, w.Body, tt.want)
			}
			if _, events := out.accepted(t); (len(events) == 1) != (tt.want == 200) {
				t.Errorf("%d events were written", len(events))
			}
		})
	}
}

// Delivered twice, a movement has the same id both times, and another webhook's another one.
func TestAWebhookGivesItsMovementsIDs(t *testing.T) {
	anonymous := strings.Replace(string(movementOf("acme", 9)), `,"event_id":"e9"`, "", 1)
	out := &outputs{}
	s := newStage(t, hooked(t), nil, out)
	for _, path := range []string{"acme%2Fweb", "web", "acme%2Fb"} {
		if w := deliver(t, s, path, newSecret, anonymous+"\n"+anonymous); w.Code != 200 {
			t.Fatalf("answer = %d %s", w.Code, w.Body)
		}
	}
	_, events := out.accepted(t)
	var ids []string
	for _, e := range events {
		ids = append(ids, e.Movement.EventID)
	}
	if got := strings.Join(ids, " "); got != "web/msg_1/0 web/msg_1/1 web/msg_1/0 web/msg_1/1 b/msg_1/0 b/msg_1/1" {
		t.Errorf("ids = %s", got)
	}
}

func TestAChannelSpeaksOfItsPoolAndItselfOnly(t *testing.T) {
	order := `{"order":{"pool":"acme","channel":"web","order_id":"1","status":"open","placed_at":"2026-11-20T10:00:00Z","updated_at":"2026-11-20T10:00:05Z","fulfilled_by":"merchant","lines":[{"line_id":"1","sku":"SHIRT","quantity":2}]}}`
	out := &outputs{}
	w := deliver(t, newStage(t, hooked(t), nil, out), "web", newSecret, strings.Join([]string{
		order, strings.Replace(order, `"web"`, `"b"`, 1), string(movementOf("other", 1)),
		`{"mark":{"pool":"acme","channel":"web","orders_until":"2026-11-20T10:00:00Z"}}`,
	}, "\n"))
	want := `{"accepted":1,"rejected":[{"index":1,"field":"channel",`
	if w.Code != 200 || !strings.HasPrefix(w.Body.String(), want) || !strings.Contains(w.Body.String(), `{"index":2,"field":"pool",`) || !strings.Contains(w.Body.String(), `{"index":3,"field":"mark",`) {
		t.Errorf("answer = %d %s", w.Code, w.Body)
	}
	if topics, _ := out.accepted(t); len(topics) != 1 || topics[0] != stream.Orders || len(out.on(stream.Rejections)) != 3 {
		t.Errorf("written to %v, %d rejections", topics, len(out.on(stream.Rejections)))
	}
}

func TestAWebhookIsAnsweredAfterKafka(t *testing.T) {
	out := &outputs{produced: func(context.Context, []stream.Message) (int, error) { return 0, errors.New("away") }}
	w := deliver(t, newStage(t, hooked(t), nil, out), "web", newSecret, string(movementOf("acme", 1)))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("answer = %d %s, want 503 with Retry-After", w.Code, w.Body)
	}
}

// A body that nobody has vouched for may hold anything, and so may a wrong signature.
func TestARefusedWebhookIsLoggedWithoutSecretOrBody(t *testing.T) {
	var log bytes.Buffer
	s, err := ingest.New(hooked(t), ingest.Deps{
		Outputs: &outputs{}, Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range [][]string{nil, {"Webhook-Signature", "v1,c2VjcmV0"}} {
		w := deliver(t, s, "web", "whsec_YW5vdGhlciBvbmU=", `{"name":"Jeanne"}`, header...)
		for _, hidden := range []string{"Jeanne", newSecret[6:], oldSecret[6:], "c2VjcmV0", "new secret"} {
			if text := log.String() + w.Body.String(); strings.Contains(text, hidden) {
				t.Errorf("%q is told: %s", hidden, text)
			}
		}
	}
	if !strings.Contains(log.String(), "channel=web") {
		t.Errorf("the log does not say which channel: %s", log.String())
	}
}
