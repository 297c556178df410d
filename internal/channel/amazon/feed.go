package amazon

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
)

// bulkPatches is how many rows of a bulk are patched where no feed can be made at the time: what a minute allows.
const bulkPatches = 300

// feedEnd is how long before a request's deadline a feed is not waited for any more, at most a quarter of the time; pollFirst and pollLast bound the pause between
// two looks at it.
const (
	feedEnd   = 15 * time.Second
	pollFirst = 250 * time.Millisecond
	pollLast  = 15 * time.Second
)

const feedContent = "application/json; charset=UTF-8"

// A feedBody is the document of a JSON_LISTINGS_FEED.
type feedBody struct {
	Header   feedHeader    `json:"header"`
	Messages []feedMessage `json:"messages"`
}

type feedHeader struct {
	Seller  string `json:"sellerId"`
	Version string `json:"version"`
	Locale  string `json:"issueLocale"`
}

type feedMessage struct {
	ID        int    `json:"messageId"` // 1 + the row's place in the feed
	SKU       string `json:"sku"`
	Operation string `json:"operationType"`
	patch
}

// A document is where a feed's content is put, or its report is.
type document struct {
	ID          string `json:"feedDocumentId"`
	URL         string `json:"url"`
	Compression string `json:"compressionAlgorithm"`
}

// A feedState is how far a feed is.
type feedState struct {
	Status string `json:"processingStatus"`
	Report string `json:"resultFeedDocumentId"`
}

// feed sets the rows at the places of order by one feed, waits for it as long as the request may take, and says in reply what became of
// each row. made is false where none can be made, and nothing was sent. What its report accepts is pending, as with a patch: it is
// applied later. So is everything in a feed that is not done in time; one that has not begun by then is cancelled.
func (c *Connector) feed(ctx context.Context, rows []publisher.Row, order []int, reply *publisher.Reply) (made bool, err error) {
	if c.feeds.limit.Tokens() < 1 {
		return false, nil
	}
	id, err := c.createFeed(ctx, rows, order)
	if err != nil {
		switch failed := err.(*publisher.RequestError); failed.Class { //nolint:errorlint // createFeed says so
		case publisher.ServerError, publisher.Timeout, publisher.Connection:
			return true, err
		}
		return false, nil // whatever it is, patches meet it too, or they do not
	}
	reply.ID = c.client.Reason(id)
	state, err := c.awaitFeed(ctx, id)
	if err != nil {
		return true, err
	}
	all := publisher.RowReply{Outcome: publisher.RowPending, Reason: c.client.Reason("feed " + id + " is " + state.Status)}
	if state.Status == "CANCELLED" { // only what has not begun can be
		all.Outcome = publisher.RowUnsent
	}
	for _, i := range order {
		reply.Rows[i] = all
	}
	if state.Report != "" && (state.Status == "DONE" || state.Status == "FATAL") {
		c.judge(ctx, state, order, reply.Rows)
	}
	return true, nil
}

// createFeed hands the rows in and returns the feed's id. An error of unknown class means that there may be a feed.
func (c *Connector) createFeed(ctx context.Context, rows []publisher.Row, order []int) (id string, err error) {
	body := feedBody{Header: feedHeader{c.seller, "2.0", "en_US"}, Messages: make([]feedMessage, len(order))}
	for n, i := range order {
		body.Messages[n] = feedMessage{n + 1, skuOf(rows[i].Item), "PATCH", patchOf(rows[i])}
	}
	answer, _, err := c.call(ctx, c.documents, http.MethodPost, DocumentsPath, marshal(map[string]string{"contentType": feedContent}))
	if err != nil {
		return "", unsent(err)
	}
	var doc document
	if err := json.Unmarshal(answer.Body, &doc); err != nil || doc.ID == "" {
		return "", unsent(unreadable("the answer names no document"))
	}
	c.client.Hide(doc.URL)
	put, err := c.client.Document(ctx, http.MethodPut, doc.URL, http.Header{"Content-Type": {feedContent}}, marshal(body))
	if err == nil && put.Status/100 != 2 {
		err = c.client.StatusError(put)
	}
	if err != nil {
		return "", unsent(err)
	}
	answer, sent, err := c.call(ctx, c.feeds, http.MethodPost, FeedsPath, marshal(struct {
		Type     string   `json:"feedType"`
		Markets  []string `json:"marketplaceIds"`
		Document string   `json:"inputFeedDocumentId"`
	}{"JSON_LISTINGS_FEED", []string{c.marketplace}, doc.ID}))
	if err != nil {
		if !sent {
			err = unsent(err)
		}
		return "", err
	}
	var feed struct {
		ID string `json:"feedId"`
	}
	if err := json.Unmarshal(answer.Body, &feed); err != nil || feed.ID == "" {
		return "", unreadable("the answer names no feed")
	}
	return feed.ID, nil
}

// awaitFeed looks at the feed until it has ended or the request's time has, and then cancels it if it has not begun.
func (c *Connector) awaitFeed(ctx context.Context, id string) (feedState, error) {
	path := FeedsPath + "/" + url.PathEscape(id)
	left := bulkTimeout
	if at, ok := ctx.Deadline(); ok {
		left = time.Until(at)
	}
	end := time.Now().Add(left - min(feedEnd, left/4))
	state := feedState{Status: "IN_QUEUE"}
	for pause := pollFirst; ; pause = min(2*pause, pollLast) {
		if state = c.lookAtFeed(ctx, path, state); state.ended() || ctx.Err() != nil {
			break
		}
		if !time.Now().Add(pause).Before(end) {
			if state.Status == "IN_QUEUE" {
				if _, _, err := c.call(ctx, c.feedStates, http.MethodDelete, path, nil); err == nil {
					state = c.lookAtFeed(ctx, path, state)
				}
			}
			break
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	if ctx.Err() != nil {
		return state, &publisher.RequestError{Class: publisher.Timeout, Reason: c.client.Reason("feed " + id + " was made, and not waited for")}
	}
	return state, nil
}

func (s feedState) ended() bool {
	return s.Status == "DONE" || s.Status == "FATAL" || s.Status == "CANCELLED"
}

// lookAtFeed returns how far the feed is, or what was known, where nobody says.
func (c *Connector) lookAtFeed(ctx context.Context, path string, known feedState) feedState {
	answer, _, err := c.call(ctx, c.feedStates, http.MethodGet, path, nil)
	var state feedState
	if err != nil || json.Unmarshal(answer.Body, &state) != nil || state.Status == "" {
		return known
	}
	return state
}

// A report says of each message what is wrong with it.
type report struct {
	Issues []struct {
		Message  int    `json:"messageId"`
		Code     string `json:"code"`
		Severity string `json:"severity"`
		Text     string `json:"message"`
	} `json:"issues"`
	Summary struct {
		Processed int `json:"messagesProcessed"`
		Invalid   int `json:"messagesInvalid"`
	} `json:"summary"`
}

// judge takes in a feed's report: rows with an error are refused. Where it cannot be read, or counts more bad messages than it names,
// nothing is known of any row.
func (c *Connector) judge(ctx context.Context, state feedState, order []int, replies []publisher.RowReply) {
	r, err := c.report(ctx, state.Report)
	if err != nil {
		for _, i := range order {
			replies[i].Reason = c.client.Reason(replies[i].Reason + ", its report is not known: " + err.Error())
		}
		return
	}
	refused := map[int]string{}
	for _, issue := range r.Issues {
		if issue.Severity == "ERROR" && issue.Message >= 1 && issue.Message <= len(order) && refused[issue.Message] == "" {
			refused[issue.Message] = c.client.Reason(issue.Code + ": " + issue.Text)
		}
	}
	if len(refused) != r.Summary.Invalid {
		return
	}
	for message, reason := range refused {
		replies[order[message-1]] = publisher.RowReply{Outcome: publisher.RowRefused, Reason: reason}
	}
}

// report reads a feed's report.
func (c *Connector) report(ctx context.Context, id string) (r report, err error) {
	answer, _, err := c.call(ctx, c.feedDocuments, http.MethodGet, DocumentsPath+"/"+url.PathEscape(id), nil)
	if err != nil {
		return r, err
	}
	var doc document
	if err := json.Unmarshal(answer.Body, &doc); err != nil {
		return r, unreadable("the answer names no document")
	}
	c.client.Hide(doc.URL)
	got, err := c.client.Document(ctx, http.MethodGet, doc.URL, http.Header{}, nil)
	if err != nil {
		return r, err
	}
	if got.Status != http.StatusOK {
		return r, c.client.StatusError(got)
	}
	var content io.Reader = bytes.NewReader(got.Body)
	switch doc.Compression {
	case "":
	case "GZIP":
		if content, err = gzip.NewReader(content); err != nil {
			return r, unreadable("the report is not GZIP")
		}
	default:
		return r, unreadable(fmt.Sprintf("the report is compressed by %q", doc.Compression))
	}
	if err := json.NewDecoder(io.LimitReader(content, maxReportBytes)).Decode(&r); err != nil {
		return r, unreadable("the report is not the JSON that was agreed")
	}
	return r, nil
}

// maxReportBytes bounds a report: 2,000 rows with a few issues each are a megabyte.
const maxReportBytes = 32 << 20
