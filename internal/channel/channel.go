// Package channel holds what the connectors share: one HTTP request with its deadline, its limits and its guard, and the
// classing of what came of it. Each vendor below it knows one protocol.
package channel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
)

// An Endpoint is how one channel is reached. It holds credentials and is never printed.
type Endpoint struct {
	URL     string
	Secrets []string // signing secrets, newest first
	Token   string
	// ClientID is the application's, where a token is to be asked for with it and the newest of Secrets.
	ClientID string
	// TokenURL is where it is asked for, Seller and Marketplace are the account's ids (amazon).
	TokenURL, Seller, Marketplace string

	Timeout time.Duration // of one request; 0: the connector's own
	// AllowPrivate lets the URL lead to loopback and private addresses, which a URL from outside must not.
	AllowPrivate bool
	// Dial connects to the channel, whatever the address; nil: over TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// maxReplyBytes bounds how much of an answer is read, maxDocumentBytes how much of a document, maxReasonBytes how much of one is kept.
const (
	maxReplyBytes    = 1 << 20
	maxDocumentBytes = 16 << 20
	maxReasonBytes   = 200
)

// A Client sends requests to one endpoint. It follows no redirect and retries nothing.
type Client struct {
	base    string
	http    *http.Client
	secrets atomic.Pointer[strings.Replacer] // takes them out of what a channel says
	hide    sync.Mutex
	hidden  []string // what is replaced, with what; guarded by hide
}

// NewClient returns a client of the endpoint, or an error that names what is wrong with its URL.
func NewClient(e Endpoint) (*Client, error) {
	u, err := url.Parse(e.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the channel's url must be http:// or https:// with a host")
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if !e.AllowPrivate {
		// Looked at when the address is dialled, so that no name can change its mind in between.
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return public(address) }
	}
	if e.Dial == nil {
		e.Dial = dialer.DialContext
	}
	hidden := append([]string{e.Token}, e.Secrets...)
	c := &Client{
		base: strings.TrimRight(e.URL, "/"),
		http: &http.Client{
			Transport: &http.Transport{
				DialContext: e.Dial, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
				TLSHandshakeTimeout: 5 * time.Second, ForceAttemptHTTP2: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.Hide(hidden...)
	return c, nil
}

// Hide keeps further secrets out of what is said of the channel, such as a token that it has issued.
func (c *Client) Hide(secrets ...string) {
	c.hide.Lock()
	defer c.hide.Unlock()
	for _, s := range secrets {
		if s != "" {
			c.hidden = append(c.hidden, s, "[secret]", url.QueryEscape(s), "[secret]")
		}
	}
	if n := len(c.hidden); n > maxHidden { // those of long ago
		c.hidden = append(c.hidden[:maxHidden/2:maxHidden/2], c.hidden[n-maxHidden/2:]...)
	}
	c.secrets.Store(strings.NewReplacer(c.hidden...))
}

// maxHidden bounds the texts that are replaced; the endpoint's own come first and stay.
const maxHidden = 128

// errPrivate says that an address may not be dialled.
var errPrivate = errors.New("the address is private: set the channel's allow_private if that is meant")

func public(address string) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	a := ap.Addr().Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return errPrivate
	}
	for _, prefix := range notPublic() {
		if prefix.Contains(a) {
			return errPrivate
		}
	}
	return nil
}

// notPublic lists what netip takes for public: this network, carriers' own, protocol assignments, benchmarks, reserved, and the
// IPv6 addresses that hold an IPv4 address of any kind.
func notPublic() [8]netip.Prefix {
	return [...]netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"),
	}
}

// A Response is a channel's answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do posts the body to the path below the endpoint's URL and returns the answer's body for a 2xx. Every error is a
// [*publisher.RequestError].
func (c *Client) Do(ctx context.Context, path string, header http.Header, body []byte) ([]byte, error) {
	r, err := c.Post(ctx, path, header, body)
	return r.Body, err
}

// Post is [Client.Do] for those who look at the answer's header too.
func (c *Client) Post(ctx context.Context, path string, header http.Header, body []byte) (Response, error) {
	r, err := c.Exchange(ctx, http.MethodPost, path, header, body)
	if err == nil && r.Status/100 != 2 {
		return Response{}, c.StatusError(r)
	}
	return r, err
}

// Exchange sends a request to the path below the endpoint's URL and returns the answer, whatever its status. Every error is a
// [*publisher.RequestError].
func (c *Client) Exchange(ctx context.Context, method, path string, header http.Header, body []byte) (Response, error) {
	return c.send(ctx, method, c.base+path, header, body, maxReplyBytes)
}

// Document sends a request to an address that the channel has given out, such as where a file is put or taken from, and returns the
// answer, whatever its status; it may be of up to 16 MiB. The address is as bound to be public as the endpoint's, and is a secret.
// Every error is a [*publisher.RequestError].
func (c *Client) Document(ctx context.Context, method, address string, header http.Header, body []byte) (Response, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Response{}, &publisher.RequestError{Class: publisher.ServerError, Reason: "the channel gave out an address that is none"}
	}
	return c.send(ctx, method, address, header, body, maxDocumentBytes)
}

func (c *Client) send(ctx context.Context, method, address string, header http.Header, body []byte, most int64) (Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return Response{}, &publisher.RequestError{Class: publisher.Refused, WholeChannel: true, Reason: "the channel's url makes no request"}
	}
	req.Header = header
	if len(body) > 0 { // without a GetBody the transport cannot send it again by itself
		req.Body, req.ContentLength, req.GetBody = &timely{bytes.NewReader(body), deadline(ctx)}, int64(len(body)), nil
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Response{}, failed(err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return Response{}, failed(err)
	}
	if int64(len(reply)) > most {
		return Response{}, &publisher.RequestError{Class: publisher.ServerError, Reason: fmt.Sprintf("the answer is longer than %d MiB", most>>20)}
	}
	return Response{Status: resp.StatusCode, Header: resp.Header, Body: reply}, nil
}

// A timely body ends with its request's deadline, by the clock. In a process that was stopped meanwhile, as in one that waited for its
// connection, the context's own timer may come too late, and whoever wakes after the deadline must not send. The last byte is given out by
// itself, so that whoever wakes in the middle of writing has to ask for it, and what has left until then is no request.
type timely struct {
	reader   *bytes.Reader
	deadline time.Time // zero: there is none
}

func (b *timely) Read(p []byte) (int, error) {
	if !b.deadline.IsZero() && !time.Now().Before(b.deadline) {
		return 0, context.DeadlineExceeded
	}
	if n := b.reader.Len(); n > 1 && len(p) >= n {
		p = p[:n-1]
	}
	return b.reader.Read(p)
}

func deadline(ctx context.Context) time.Time {
	at, _ := ctx.Deadline()
	return at
}

func (b *timely) Close() error { return nil }

// Reason makes of what a channel said a line that fits a record and holds none of the endpoint's secrets.
func (c *Client) Reason(said string) string { return shorten(c.secrets.Load().Replace(said)) }

// failed classes a request without an answer. What was never sent is of unknown outcome as well: sending it again under the
// same key is right either way.
func failed(err error) *publisher.RequestError {
	if errors.Is(err, errPrivate) {
		return &publisher.RequestError{Class: publisher.Refused, WholeChannel: true, Reason: errPrivate.Error()}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &publisher.RequestError{Class: publisher.Timeout, Reason: "no answer in time"}
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err // without the URL, which may hold a credential
	}
	return &publisher.RequestError{Class: publisher.Connection, Reason: shorten(err.Error())}
}

// StatusError classes an answer whose status is not 2xx.
func (c *Client) StatusError(r Response) *publisher.RequestError {
	e := &publisher.RequestError{
		Class: publisher.Refused, RetryAfter: RetryAfter(r.Header, time.Now()),
		Reason: c.Reason(fmt.Sprintf("%d %s: %s", r.Status, http.StatusText(r.Status), bytes.TrimSpace(r.Body))),
	}
	switch code := r.Status; {
	case code == http.StatusTooManyRequests:
		e.Class = publisher.Throttled
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		e.Class, e.WholeChannel = publisher.Unauthorised, true
	case code/100 == 3, slices.Contains([]int{http.StatusPaymentRequired, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusGone, http.StatusLocked}, code): // it is not there, or closed
		e.WholeChannel = true
	case code == http.StatusRequestTimeout:
		e.Class = publisher.Timeout
	case code >= 500:
		e.Class = publisher.ServerError
	}
	return e
}

// maxRetryAfter bounds what a channel may ask for.
const maxRetryAfter = time.Hour

// RetryAfter returns how long the header asks to wait from now: whole seconds or an HTTP date, at most an hour; 0 where it asks
// for nothing that can be read.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil && seconds >= 0 {
		return min(maxRetryAfter, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(maxRetryAfter, max(0, at.Sub(now)))
	}
	return 0
}

// shorten keeps a reason to one line that fits a record.
func shorten(s string) string {
	s = strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "�")
	if len(s) <= maxReasonBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxReasonBytes], "") + "…"
}
