package amazon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// merchant is the code of what the seller ships; every other one is a network of Amazon's.
const merchant = "DEFAULT"

// A patch changes the quantity and leaves its siblings, such as the lead time, which a replace would wipe.
type patch struct {
	ProductType string      `json:"productType"`
	Patches     []operation `json:"patches"`
}

type operation struct {
	Op    string         `json:"op"`
	Path  string         `json:"path"`
	Value []availability `json:"value"`
}

type availability struct {
	Channel  string         `json:"fulfillment_channel_code"`
	Quantity stock.Quantity `json:"quantity"`
}

func patchOf(r publisher.Row) patch {
	return patch{"PRODUCT", []operation{{"merge", "/attributes/fulfillment_availability", []availability{{merchant, r.Quantity}}}}}
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain strings and numbers
	}
	return b
}

// A submission is the answer to a patch.
type submission struct {
	Status string `json:"status"`
	ID     string `json:"submissionId"`
	Issues []struct {
		Code     string `json:"code"`
		Message  string `json:"message"`
		Severity string `json:"severity"`
	} `json:"issues"`
}

// Set implements [publisher.Connector]: of a bulk in one feed, else zeros first, then the others, a patch each. It is broken off at the
// first failure that is not a row's own; what was not sent by then is decided anew.
func (c *Connector) Set(ctx context.Context, _ string, rows []publisher.Row) (publisher.Reply, error) {
	reply := publisher.Reply{Rows: make([]publisher.RowReply, len(rows))}
	if err := c.check(ctx, rows, reply.Rows); err != nil {
		return publisher.Reply{}, unsent(err)
	}
	order := make([]int, 0, len(rows))
	for i := range rows {
		if reply.Rows[i].Outcome == 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return min(1, int(rows[a].Quantity)) - min(1, int(rows[b].Quantity)) })
	if len(order) > batchRows {
		made, err := c.feed(ctx, rows, order, &reply)
		if err != nil {
			return publisher.Reply{}, err
		}
		if made {
			return reply, nil
		}
		rest := order[min(len(order), bulkPatches):]
		for _, i := range rest {
			reply.Rows[i] = publisher.RowReply{Outcome: publisher.RowUnsent, Reason: "no feed could be made yet, and patches only of others"}
		}
		order = order[:len(order)-len(rest)]
	}
	begun := false
	for n, i := range order {
		row, id, sent, err := c.patch(ctx, rows[i])
		if err == nil {
			reply.Rows[i], begun = row, true
			if len(rows) == 1 {
				reply.ID = id
			}
			continue
		}
		failed := err.(*publisher.RequestError) //nolint:errorlint // patch says so
		if !sent {
			failed = unsent(err).(*publisher.RequestError) //nolint:errorlint // likewise
		}
		unknown := failed.Class == publisher.ServerError || failed.Class == publisher.Timeout || failed.Class == publisher.Connection
		if len(rows) == 1 || !begun && !unknown {
			return publisher.Reply{}, failed
		}
		rest := order[n:]
		if unknown {
			reply.Rows[i], rest = publisher.RowReply{Outcome: publisher.RowPending, Reason: failed.Reason}, rest[1:]
		}
		for _, k := range rest {
			reply.Rows[k] = publisher.RowReply{Outcome: publisher.RowUnsent, Reason: failed.Reason}
		}
		reply.Failed = failed
		break
	}
	return reply, nil
}

// patch sets one quantity. An error is about the account or the connection, not about the row.
func (c *Connector) patch(ctx context.Context, r publisher.Row) (row publisher.RowReply, id string, sent bool, err error) {
	body := marshal(patchOf(r))
	path := c.itemPath(skuOf(r.Item), url.Values{"includedData": {"issues"}})
	answer, sent, err := c.call(ctx, c.patches, http.MethodPatch, path, body, http.StatusBadRequest, http.StatusNotFound)
	if err != nil {
		return row, "", sent, err
	}
	if answer.Status/100 != 2 {
		return publisher.RowReply{Outcome: publisher.RowRefused, Reason: c.complaint(answer)}, "", true, nil
	}
	var out submission
	if err := json.Unmarshal(answer.Body, &out); err != nil {
		return row, "", true, unreadable("the answer is not the JSON that was agreed")
	}
	row.Reason = c.client.Reason(out.Status + " " + out.ID)
	for _, issue := range out.Issues {
		if issue.Severity == "ERROR" {
			row.Reason = c.client.Reason(issue.Code + ": " + issue.Message)
			break
		}
	}
	switch out.Status {
	case "ACCEPTED":
		row.Outcome = publisher.RowPending
	case "INVALID":
		row.Outcome = publisher.RowRefused
	default:
		return row, "", true, unreadable(c.client.Reason("the answer's status is " + out.Status))
	}
	return row, c.client.Reason(out.ID), true, nil
}

// checkedFor is how long a listing is taken to be the seller's to ship after a read has shown it, and maxChecks bounds what is kept of that.
const (
	checkedFor = 20 * time.Minute
	maxChecks  = 200_000
)

// check refuses rows that Amazon ships, or does not know: whatever was not read of late is read first.
func (c *Connector) check(ctx context.Context, rows []publisher.Row, replies []publisher.RowReply) error {
	var items []publisher.Item
	var at []int
	c.mu.Lock()
	for i, r := range rows {
		if c.now().Sub(c.checks[skuOf(r.Item)]) >= checkedFor {
			items, at = append(items, r.Item), append(at, i)
		}
	}
	c.mu.Unlock()
	if len(items) == 0 {
		return nil
	}
	reading, err := c.Read(ctx, items)
	if err != nil {
		return err
	}
	for k, l := range reading.Levels {
		if l.Quantity == nil {
			replies[at[k]] = publisher.RowReply{Outcome: publisher.RowRefused, Reason: l.Reason}
		}
	}
	return nil
}

// A listed is what a listing tells of itself.
type listed struct {
	SKU          string `json:"sku"`
	Availability []struct {
		Channel  string          `json:"fulfillmentChannelCode"`
		Quantity *stock.Quantity `json:"quantity"`
	} `json:"fulfillmentAvailability"`
}

// maxIdentifiers is how many listings one search may name.
const maxIdentifiers = 20

// Read implements [publisher.Connector]. It tells the live quantity, not the one that was submitted last.
func (c *Connector) Read(ctx context.Context, items []publisher.Item) (publisher.Reading, error) {
	found := map[string]*listed{}
	var some []string // to be searched for together
	for _, i := range items {
		sku := skuOf(i)
		if len(items) > 1 && !strings.Contains(sku, ",") { // a comma separates them
			some = append(some, sku)
			continue
		}
		l, err := c.get(ctx, sku)
		if err != nil {
			return publisher.Reading{}, err
		}
		found[sku] = l
	}
	slices.Sort(some)
	for skus := range slices.Chunk(slices.Compact(some), maxIdentifiers) {
		if err := c.search(ctx, skus, found); err != nil {
			return publisher.Reading{}, err
		}
	}
	reading := publisher.Reading{Levels: make([]publisher.Level, len(items))}
	for i, item := range items {
		reading.Levels[i] = level(found[skuOf(item)])
	}
	c.remember(items, reading.Levels)
	return reading, nil
}

// remember keeps which listings are the seller's to ship, and forgets at once which are not.
func (c *Connector) remember(items []publisher.Item, levels []publisher.Level) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.checks)+len(items) > maxChecks {
		clear(c.checks)
	}
	for i, item := range items {
		if levels[i].Quantity == nil {
			delete(c.checks, skuOf(item))
		} else {
			c.checks[skuOf(item)] = c.now()
		}
	}
}

func (c *Connector) get(ctx context.Context, sku string) (*listed, error) {
	path := c.itemPath(sku, url.Values{"includedData": {"fulfillmentAvailability"}})
	answer, _, err := c.call(ctx, c.gets, http.MethodGet, path, nil, http.StatusNotFound)
	if err != nil || answer.Status == http.StatusNotFound {
		return nil, err
	}
	var l listed
	if err := json.Unmarshal(answer.Body, &l); err != nil || l.SKU != sku {
		return nil, unreadable("the answer is not the listing that was asked for")
	}
	return &l, nil
}

// search reads up to maxIdentifiers listings into found. Those that there are not are left out.
func (c *Connector) search(ctx context.Context, skus []string, found map[string]*listed) error {
	path := c.itemPath("", url.Values{
		"identifiers": {strings.Join(skus, ",")}, "identifiersType": {"SKU"}, "includedData": {"fulfillmentAvailability"},
		"pageSize": {fmt.Sprint(maxIdentifiers)},
	})
	answer, _, err := c.call(ctx, c.searches, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	var out struct {
		Items *[]*listed `json:"items"`
	}
	if err := json.Unmarshal(answer.Body, &out); err != nil || out.Items == nil {
		return unreadable("the answer has no listings")
	}
	for _, l := range *out.Items {
		if l != nil {
			found[l.SKU] = l
		}
	}
	return nil
}

// level returns the quantity that the seller ships, or why it is none to be set.
func level(l *listed) publisher.Level {
	if l == nil {
		return publisher.Level{Reason: "the seller has no such listing in the marketplace"}
	}
	var quantity *stock.Quantity
	for _, a := range l.Availability {
		if a.Channel != merchant {
			return publisher.Level{Reason: "not eligible: Amazon ships it"}
		}
		quantity = a.Quantity
	}
	if quantity == nil {
		return publisher.Level{Reason: "not eligible: the listing has no quantity that the seller ships"}
	}
	return publisher.Level{Quantity: quantity}
}
