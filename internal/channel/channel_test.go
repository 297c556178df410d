package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/publisher"
)

func client(t *testing.T, e channel.Endpoint) *channel.Client {
	t.Helper()
	c, err := channel.NewClient(e)
	if err != nil {
		t.Fatalf("NewClient() = %v", err)
	}
	return c
}

// do posts a body and returns the class of what came of it with the error.
func do(t *testing.T, c *channel.Client) (publisher.Class, *publisher.RequestError) {
	t.Helper()
	_, err := c.Do(t.Context(), "/x", http.Header{}, []byte("{}"))
	if err == nil {
		return publisher.OK, nil
	}
	failed, ok := errors.AsType[*publisher.RequestError](err)
	if !ok {
		t.Fatalf("Do() = %v, want a RequestError", err)
	}
	return failed.Class, failed
}

func TestStatuses(t *testing.T) {
	for status, want := range map[int]publisher.Class{
		200: publisher.OK, 202: publisher.OK, 204: publisher.OK,
		301: publisher.Refused, 302: publisher.Refused, 307: publisher.Refused,
		400: publisher.Refused, 404: publisher.Refused, 409: publisher.Refused, 410: publisher.Refused, 422: publisher.Refused,
		401: publisher.Unauthorised, 403: publisher.Unauthorised,
		408: publisher.Timeout, 429: publisher.Throttled,
		500: publisher.ServerError, 502: publisher.ServerError, 503: publisher.ServerError, 504: publisher.ServerError,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			requests := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests++
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
			}))
			defer server.Close()
			if got, _ := do(t, client(t, channel.Endpoint{URL: server.URL, AllowPrivate: true})); got != want {
				t.Errorf("class %s, want %s", got, want)
			}
			if requests != 1 {
				t.Errorf("%d requests, want 1: nothing is followed or sent again", requests)
			}
		})
	}
}

// No address inside leaves the machine, whatever name leads to it, unless that is asked for.
func TestPrivateAddressesAreNotDialled(t *testing.T) {
	reached := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	port := server.URL[strings.LastIndex(server.URL, ":"):]
	for _, host := range []string{
		"127.0.0.1" + port, "localhost" + port, "[::1]" + port, "[::ffff:127.0.0.1]" + port, "0.0.0.0" + port,
		"169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
		"224.0.0.1", "255.255.255.255", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]",
	} {
		got, err := do(t, client(t, channel.Endpoint{URL: "http://" + host}))
		if got != publisher.Refused || !strings.Contains(err.Reason, "allow_private") {
			t.Errorf("a request to %s = %v, want refused, and how to allow it", host, err)
		}
	}
	if reached {
		t.Error("a request left")
	}
	if got, err := do(t, client(t, channel.Endpoint{URL: server.URL, AllowPrivate: true})); got != publisher.OK || !reached {
		t.Errorf("a request that was allowed = %v", err)
	}
}

func TestUnknownOutcomes(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cut.Close()
	half := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"rows":`)
	}))
	defer half.Close()
	long := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat(" ", 1<<20+1))
	}))
	defer long.Close()
	for url, want := range map[string]publisher.Class{
		away.URL: publisher.Connection, cut.URL: publisher.Connection, half.URL: publisher.Connection, long.URL: publisher.ServerError,
	} {
		got, err := do(t, client(t, channel.Endpoint{URL: url, AllowPrivate: true}))
		if got != want {
			t.Errorf("class %s (%v), want %s", got, err, want)
		}
		if err != nil && strings.Contains(err.Reason, "http://") {
			t.Errorf("the reason names the url, which may hold a credential: %s", err.Reason)
		}
	}
}

func TestReasonsAreShortAndHoldNoSecret(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "wrong token\n tok-4711 \xff"+strings.Repeat("x", 1000), http.StatusForbidden)
	}))
	defer server.Close()
	_, err := do(t, client(t, channel.Endpoint{URL: server.URL, Token: "tok-4711", AllowPrivate: true}))
	if err == nil || strings.Contains(err.Reason, "tok-4711") || len(err.Reason) > 220 || strings.Contains(err.Reason, "\n") || !utf8.ValidString(err.Reason) ||
		!strings.Contains(err.Reason, "403") {
		t.Errorf("reason %q", err.Reason)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, " 0 ": 0, "-3": 0, "soon": 0, "1.5": 0,
		"Fri, 20 Nov 2026 10:00:30 GMT":    30 * time.Second,
		"Friday, 20-Nov-26 10:01:00 GMT":   time.Minute,
		"Fri, 20 Nov 2026 09:00:00 GMT":    0,
		"999999":                           time.Hour,
		"99999999999999999999":             0,
		"Fri, 20 Nov 2099 10:00:00 GMT":    time.Hour,
		"Fri, 20 Nov 2026 10:00:30 +02:00": 0,
	} {
		if got := channel.RetryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("RetryAfter(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestURLsThatMakeNoClient(t *testing.T) {
	for _, url := range []string{"", "shop.example", "ftp://shop.example", "http://", "http://[::1", "https:///path"} {
		if _, err := channel.NewClient(channel.Endpoint{URL: url}); err == nil || !strings.Contains(err.Error(), "url") {
			t.Errorf("NewClient(%q) = %v, want an error that names the url", url, err)
		}
	}
}

// A request is not sent after its deadline, even where the context's timer has not fired: that of a process that was stopped has
// not, when it wakes.
func TestNothingIsSentAfterTheDeadline(t *testing.T) {
	got := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		got <- fmt.Sprintf("%s %v", body, err)
	}))
	defer server.Close()
	c := client(t, channel.Endpoint{URL: server.URL, AllowPrivate: true})
	if class, _ := do(t, c); class != publisher.OK { // there is a connection then, whose making would see the deadline
		t.Fatalf("the first request is of class %s", class)
	}
	if body := <-got; body != "{} <nil>" {
		t.Fatalf("the channel got %q", body)
	}
	_, err := c.Do(stopped{t.Context()}, "/x", http.Header{}, []byte("{}"))
	if failed, ok := errors.AsType[*publisher.RequestError](err); !ok || failed.Class != publisher.Timeout {
		t.Errorf("Do() = %v, want a timeout", err)
	}
	select {
	case body := <-got:
		if body != " unexpected EOF" {
			t.Errorf("the channel got %q", body)
		}
	default:
	}
}

// Nor is a request completed after it of which a part has left: the channel reads on when the deadline has passed.
func TestNoRequestIsCompletedAfterItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c := client(t, channel.Endpoint{URL: "http://shop.example", AllowPrivate: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return ours, nil
		}})
		deadline, body := time.Now().Add(time.Minute), strings.Repeat("~", 20_000)
		got := make(chan string)
		go func() {
			first := make([]byte, 1000)
			_, err := io.ReadFull(theirs, first)
			if err != nil {
				t.Error(err)
			}
			time.Sleep(2 * time.Minute)
			rest, _ := io.ReadAll(theirs) // until they give up
			got <- string(first) + string(rest)
		}()
		_, err := c.Do(late{t.Context(), deadline}, "/x", http.Header{}, []byte(body))
		if failed, ok := errors.AsType[*publisher.RequestError](err); !ok || failed.Class != publisher.Timeout {
			t.Errorf("Do() = %v, want a timeout", err)
		}
		if text := <-got; !strings.Contains(text, "~~~") || strings.Count(text, "~") >= len(body) {
			t.Errorf("the channel got %d bytes of a body of %d, want a part of it", strings.Count(text, "~"), len(body))
		}
	})
}

// late is a context with a deadline and no timer.
type late struct {
	context.Context //nolint:containedctx // it is one
	at              time.Time
}

func (l late) Deadline() (time.Time, bool) { return l.at, true }

// stopped is a context whose deadline has passed while its timer slept.
type stopped struct{ context.Context } //nolint:containedctx // it is one

func (stopped) Deadline() (time.Time, bool) { return time.Now().Add(-time.Second), true }
