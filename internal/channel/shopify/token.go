package shopify

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/publisher"
)

// tokens gives access tokens: the one that was configured, or one that the shop issues for the application's credentials and that
// ends after a day. It is safe for concurrent use.
type tokens struct {
	client     *channel.Client
	now        func() time.Time
	fixed      string
	id, secret string

	mu      sync.Mutex
	token   string    // guarded by mu
	expires time.Time // guarded by mu
}

// early is how long before its end a token is replaced.
const early = time.Minute

// get returns a token that is good for a request. Its errors are [*publisher.RequestError]s: the request itself has not left.
func (t *tokens) get(ctx context.Context) (string, error) {
	if t.fixed != "" {
		return t.fixed, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != "" && t.now().Before(t.expires.Add(-early)) {
		return t.token, nil
	}
	form := url.Values{"client_id": {t.id}, "client_secret": {t.secret}, "grant_type": {"client_credentials"}}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	body, err := t.client.Do(ctx, TokenPath, header, []byte(form.Encode()))
	if err != nil {
		failed := *err.(*publisher.RequestError) //nolint:errorlint // Do says so
		if failed.Class == publisher.Refused || failed.Class == publisher.Unauthorised {
			failed.Class, failed.WholeChannel = publisher.Unauthorised, true
		}
		failed.Reason = "no access token: " + failed.Reason
		return "", &failed
	}
	var out struct {
		Token   string `json:"access_token"`
		Expires int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &out); err != nil || out.Token == "" || out.Expires <= 0 {
		return "", &publisher.RequestError{Class: publisher.Unauthorised, WholeChannel: true, Reason: "no access token: the answer holds none"}
	}
	t.token, t.expires = out.Token, t.now().Add(time.Duration(min(out.Expires, 30*24*3600))*time.Second)
	t.client.Hide(out.Token)
	return t.token, nil
}

// drop forgets a token that the shop has turned away, so that the next request asks for another.
func (t *tokens) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == token {
		t.token = ""
	}
}
