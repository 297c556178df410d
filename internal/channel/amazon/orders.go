package amazon

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// OrdersPath is where orders are read (Orders 2026-01-01), below the region's URL.
const OrdersPath = "/orders/2026-01-01/orders"

// The plan of searchOrders allows a call in three minutes, and its answers end two minutes ago. visibilityLag is what is taken to be
// true of how late an order is shown: Amazon does not say.
const (
	ordersEvery   = 4 * time.Minute
	ordersEnd     = 2 * time.Minute
	visibilityLag = 3 * time.Minute
	ordersPerPage = "100"
)

// An order is what is asked for of one: nothing personal, and nothing of money.
type order struct {
	ID          string    `json:"orderId"`
	Created     time.Time `json:"createdTime"`
	Updated     time.Time `json:"lastUpdatedTime"`
	Fulfillment struct {
		Status string `json:"fulfillmentStatus"`
		By     string `json:"fulfilledBy"`
	} `json:"fulfillment"`
	Items []struct {
		ID      string         `json:"orderItemId"`
		Ordered stock.Quantity `json:"quantityOrdered"`
		Product struct {
			SKU string `json:"sellerSku"`
		} `json:"product"`
		Fulfillment struct {
			Fulfilled stock.Quantity `json:"quantityFulfilled"`
		} `json:"fulfillment"`
	} `json:"orderItems"`
}

// Orders implements [publisher.OrderSource]. A window that ends later than Amazon tells of is left open at its end. A page's token lasts
// a day, and is only good with the parameters that it came with, so it says whether there was an end.
func (c *Connector) Orders(ctx context.Context, since, until stock.Instant, page string) (publisher.OrderPage, error) {
	query := url.Values{
		"marketplaceIds": {c.marketplace}, "lastUpdatedAfter": {since.Time().Format(time.RFC3339)}, "includedData": {"FULFILLMENT"},
		"maxResultsPerPage": {ordersPerPage},
	}
	kind, token, _ := strings.Cut(page, " ")
	if page == "" {
		kind = "open"
		if until.Time().Before(c.now().Add(-ordersEnd - time.Minute)) { // clocks differ
			kind = "closed"
		}
	} else {
		query.Set("paginationToken", token)
	}
	if kind == "closed" {
		query.Set("lastUpdatedBefore", until.Time().Format(time.RFC3339))
	}
	answer, _, err := c.call(ctx, c.orderSearches, http.MethodGet, OrdersPath+"?"+query.Encode(), nil)
	if err != nil {
		return publisher.OrderPage{}, apart(err)
	}
	var out struct {
		Orders     *[]order `json:"orders"`
		Pagination struct {
			Next string `json:"nextToken"`
		} `json:"pagination"`
	}
	if err := json.Unmarshal(answer.Body, &out); err != nil || out.Orders == nil {
		return publisher.OrderPage{}, unreadable("the answer has no orders")
	}
	var got publisher.OrderPage
	for i := range *out.Orders {
		if r, ok := (*out.Orders)[i].record(); ok {
			got.Orders = append(got.Orders, r)
		}
	}
	if out.Pagination.Next != "" {
		got.Next = kind + " " + out.Pagination.Next
	}
	return got, nil
}

// Order implements [publisher.OrderFetcher].
func (c *Connector) Order(ctx context.Context, id string) ([]record.Order, error) {
	query := url.Values{"includedData": {"FULFILLMENT"}}
	answer, _, err := c.call(ctx, c.orderGets, http.MethodGet, OrdersPath+"/"+url.PathEscape(id)+"?"+query.Encode(), nil, http.StatusNotFound)
	if err != nil {
		return nil, apart(err)
	}
	if answer.Status == http.StatusNotFound {
		return nil, nil
	}
	var out struct {
		Order *order `json:"order"`
	}
	if err := json.Unmarshal(answer.Body, &out); err != nil || out.Order == nil || out.Order.ID != id {
		return nil, unreadable("the answer is not the order that was asked for")
	}
	r, ok := out.Order.record()
	if !ok {
		return nil, nil
	}
	return []record.Order{r}, nil
}

// apart makes of a plan that is spent one that holds up nothing else: each operation has its own.
func apart(err error) error {
	failed := *err.(*publisher.RequestError) //nolint:errorlint // call says so
	failed.Apart = failed.Class == publisher.Throttled
	return &failed
}

// record returns the order as the journal knows orders, ok false for one that says nothing of stock. What Amazon ships leaves Amazon's
// outlet, not the seller's. A status that is not known yet counts as open: units that may be sold are not offered.
func (o *order) record() (r record.Order, ok bool) {
	r = record.Order{
		OrderID: o.ID, Status: record.Open, PlacedAt: stock.InstantOf(o.Created), UpdatedAt: stock.InstantOf(o.Updated), FulfilledBy: record.ByMerchant,
	}
	if o.Fulfillment.By == "AMAZON" {
		r.FulfilledBy = record.ByChannel
	}
	switch o.Fulfillment.Status {
	case "PENDING", "PENDING_AVAILABILITY":
		r.Status = record.Pending
	case "SHIPPED":
		r.Status = record.Shipped
	case "CANCELLED":
		r.Status = record.Cancelled
	case "UNFULFILLABLE": // only of what Amazon ships for other shops: it never left
		r.Status = record.Cancelled
	}
	for i := range o.Items {
		item := &o.Items[i]
		if item.ID == "" || item.Product.SKU == "" || item.Ordered <= 0 {
			continue // of an order that was cancelled early nothing is left
		}
		r.Lines = append(r.Lines, record.OrderLine{
			LineID: item.ID, Item: item.Product.SKU, Quantity: item.Ordered, Fulfilled: max(0, min(item.Ordered, item.Fulfillment.Fulfilled)),
		})
	}
	return r, o.ID != "" && (len(r.Lines) > 0 || r.Status == record.Cancelled)
}
