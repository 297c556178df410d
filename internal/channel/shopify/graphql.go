package shopify

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
)

// A request is the body of a call. Its fields are in a fixed order, so that another try has the same bytes.
type request struct {
	Query     string `json:"query"`
	Variables any    `json:"variables"`
}

type response struct {
	Data       json.RawMessage `json:"data"`
	Errors     []topError      `json:"errors"`
	Extensions struct {
		Cost *cost `json:"cost"`
	} `json:"extensions"`
}

// A topError is an error about the request as a whole. It comes with HTTP status 200.
type topError struct {
	Message    string `json:"message"`
	Extensions struct {
		Code string `json:"code"`
	} `json:"extensions"`
}

// A cost is what a call was worth in points of the leaky bucket that an application has at a shop.
type cost struct {
	Requested float64  `json:"requestedQueryCost"`
	Actual    *float64 `json:"actualQueryCost"`
	Throttle  struct {
		Maximum   float64 `json:"maximumAvailable"`
		Available float64 `json:"currentlyAvailable"`
		Restore   float64 `json:"restoreRate"` // a second
	} `json:"throttleStatus"`
}

// allowance is the bucket in points; nil where the shop did not say.
func (c *cost) allowance() *publisher.Allowance {
	if c == nil || c.Requested <= 0 || c.Throttle.Restore <= 0 || c.Throttle.Maximum < 1 {
		return nil
	}
	return &publisher.Allowance{
		Now: int(c.Throttle.Available), Most: int(c.Throttle.Maximum), PerSecond: c.Throttle.Restore, Cost: int(math.Ceil(c.Requested)),
	}
}

// wait returns how long it takes until the bucket holds what the call needs: there is no Retry-After.
func (c *cost) wait() time.Duration {
	if c == nil || c.Throttle.Restore <= 0 {
		return time.Second
	}
	return time.Duration(max(1, math.Ceil((c.Requested-c.Throttle.Available)/c.Throttle.Restore))) * time.Second
}

// call sends a query and reads its data into out. Every error is a [*publisher.RequestError].
func (c *Connector) call(ctx context.Context, query string, variables, out any) (*publisher.Allowance, error) {
	body, err := json.Marshal(request{query, variables})
	if err != nil {
		return nil, err
	}
	token, err := c.tokens.get(ctx)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("X-Shopify-Access-Token", token)
	answer, err := c.client.Post(ctx, Path, header, body)
	if err != nil {
		if failed := err.(*publisher.RequestError); failed.Class == publisher.Unauthorised { //nolint:errorlint // Post says so
			c.tokens.drop(token)
		}
		return nil, err
	}
	var r response
	if err := json.Unmarshal(answer.Body, &r); err != nil {
		return nil, unreadable("the answer is not GraphQL's JSON")
	}
	if len(r.Errors) > 0 {
		return nil, c.topError(&r)
	}
	if len(r.Data) == 0 || string(r.Data) == "null" {
		return nil, unreadable("the answer has no data")
	}
	if err := json.Unmarshal(r.Data, out); err != nil {
		return nil, unreadable("the answer's data is not what was asked for")
	}
	if served := answer.Header.Get("X-Shopify-Api-Version"); served != "" && served != Version && strings.HasPrefix(query, "query") {
		return nil, &publisher.RequestError{
			Class: publisher.Refused, WholeChannel: true,
			Reason: fmt.Sprintf("the shop serves version %s instead of %s, which it has retired: use a newer Shelfwire", c.client.Reason(served), Version),
		}
	}
	return r.Extensions.Cost.allowance(), nil
}

func (c *Connector) topError(r *response) error {
	first := &r.Errors[0]
	e := &publisher.RequestError{
		Class: publisher.Refused, Reason: c.client.Reason(first.Extensions.Code + ": " + first.Message), Allowance: r.Extensions.Cost.allowance(),
	}
	switch first.Extensions.Code {
	case "THROTTLED":
		e.Class, e.RetryAfter = publisher.Throttled, r.Extensions.Cost.wait()
	case "ACCESS_DENIED":
		e.Class, e.WholeChannel = publisher.Unauthorised, true
	case "MAX_COST_EXCEEDED", "MAX_INPUT_SIZE_EXCEEDED", "INVALID_VARIABLE": // a smaller batch, or one without the bad row, may do
	case "BAD_REQUEST", "INVALID_FIELD_ARGUMENTS", "undefinedField", "directiveCannotBeApplied", "argumentNotAccepted":
		e.WholeChannel = true // it does not know what we ask for
	default: // INTERNAL_SERVER_ERROR and what is not known yet: it may have been applied
		e.Class = publisher.ServerError
	}
	return e
}

// unreadable is an answer that says nothing: the request may have been applied.
func unreadable(reason string) error {
	return &publisher.RequestError{Class: publisher.ServerError, Reason: reason}
}
