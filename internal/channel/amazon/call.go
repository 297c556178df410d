package amazon

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"golang.org/x/time/rate"

	"github.com/shelfwire/shelfwire/internal/channel"
	"github.com/shelfwire/shelfwire/internal/publisher"
)

// userAgent is wanted with every call.
const userAgent = "Shelfwire/1 (Language=Go)"

// call sends one request, when its plan allows, and returns the answer if its status is 2xx or one of those that the caller knows how to
// read. Every error is a [*publisher.RequestError]; sent says whether the request may have reached Amazon.
func (c *Connector) call(ctx context.Context, p plan, method, path string, body []byte, known ...int) (r channel.Response, sent bool, err error) {
	token, err := c.tokens.get(ctx)
	if err != nil {
		return r, false, err
	}
	if err := p.limit.Wait(ctx); err != nil {
		failed := &publisher.RequestError{Class: publisher.Throttled, RetryAfter: p.wait(), Reason: "the usage plan allows no call in time"}
		if ctx.Err() != nil {
			failed.Class = publisher.Timeout
		}
		return r, false, failed
	}
	header := http.Header{}
	header.Set("X-Amz-Access-Token", token)
	header.Set("X-Amz-Date", c.now().UTC().Format("20060102T150405Z"))
	header.Set("User-Agent", userAgent)
	header.Set("Accept", "application/json")
	if body != nil {
		header.Set("Content-Type", "application/json")
	}
	r, err = c.client.Exchange(ctx, method, path, header, body)
	if err != nil {
		return r, true, err
	}
	p.heed(r.Header)
	if r.Status/100 == 2 {
		return r, true, nil
	}
	for _, status := range known {
		if r.Status == status {
			return r, true, nil
		}
	}
	failed := c.client.StatusError(r)
	failed.Reason = c.complaint(r)
	switch failed.Class {
	case publisher.Throttled:
		failed.RetryAfter = max(failed.RetryAfter, p.wait())
	case publisher.Unauthorised:
		c.tokens.drop(token)
	}
	return r, true, failed
}

// complaint returns what an answer says is wrong.
func (c *Connector) complaint(r channel.Response) string {
	var out struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(r.Body, &out); err != nil || len(out.Errors) == 0 {
		return c.client.StatusError(r).Reason
	}
	return c.client.Reason(out.Errors[0].Code + ": " + out.Errors[0].Message)
}

// unsent makes of an error about a request that came before the one that was meant: whatever became of it, nothing was changed.
func unsent(err error) error {
	failed := *err.(*publisher.RequestError) //nolint:errorlint // call says so
	switch failed.Class {
	case publisher.ServerError, publisher.Timeout, publisher.Connection:
		failed.Class, failed.Reason = publisher.Throttled, "nothing was sent: "+failed.Reason
	}
	return &failed
}

// rateOf reads a rate header: calls a second.
func rateOf(text string) (rate.Limit, bool) {
	perSecond, err := strconv.ParseFloat(text, 64)
	return rate.Limit(perSecond), err == nil && perSecond > 0 && perSecond <= 1000
}

// unreadable is an answer that says nothing: the request may have been applied.
func unreadable(reason string) *publisher.RequestError {
	return &publisher.RequestError{Class: publisher.ServerError, Reason: reason}
}
