package amazon

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/publisher"
)

// tokens exchanges the refresh token for access tokens, one exchange at a time, and keeps the newest. It is safe for concurrent use.
type tokens struct {
	login *channel.Client // Login with Amazon
	hide  *channel.Client // that must not tell what is issued
	now   func() time.Time
	form  string

	turn    chan struct{} // holds one token: whoever took it owns what follows
	token   string
	expires time.Time
}

func newTokens(login, hide *channel.Client, e channel.Endpoint, now func() time.Time) *tokens {
	form := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {e.Token}, "client_id": {e.ClientID}, "client_secret": {e.Secrets[0]},
	}
	t := &tokens{login: login, hide: hide, now: now, form: form.Encode(), turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	return t
}

// early is how long before its end a token is replaced.
const early = time.Minute

// get returns a token that is good for a request. Its errors are [*publisher.RequestError]s: the request itself has not left.
func (t *tokens) get(ctx context.Context) (string, error) {
	select {
	case <-t.turn:
	case <-ctx.Done():
		return "", &publisher.RequestError{Class: publisher.Timeout, Reason: "no access token in time"}
	}
	defer func() { t.turn <- struct{}{} }()
	if t.token != "" && t.now().Before(t.expires.Add(-early)) {
		return t.token, nil
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	body, err := t.login.Do(ctx, TokenPath, header, []byte(t.form))
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
	t.token, t.expires = out.Token, t.now().Add(time.Duration(min(out.Expires, 24*3600))*time.Second)
	t.hide.Hide(out.Token)
	return t.token, nil
}

// drop forgets a token that was turned away, so that the next request asks for another.
func (t *tokens) drop(token string) {
	<-t.turn
	if t.token == token {
		t.token = ""
	}
	t.turn <- struct{}{}
}
