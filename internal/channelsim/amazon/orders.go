package amazon

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// An Order is one that a shopper placed. It is pending until it is paid, and belongs to the seller to ship, or to Amazon.
type Order struct {
	ID               string
	Created, Updated time.Time
	Paid             bool
	Cancelled        bool
	FBA              bool
	Items            []Item
	Packages         []Package
	pays             time.Time
}

// An Item is a line of an order.
type Item struct {
	ID, SKU            string
	Ordered, Fulfilled stock.Quantity
	sale               channelsim.Sale
}

// A Package is a despatch that the account was told of.
type Package struct {
	Reference, CarrierCode, CarrierName, Tracking, ShipDate string
	Items                                                   map[string]stock.Quantity // by order item
}

// ordersEnd is how long ago what searchOrders tells ends.
const ordersEnd = 2 * time.Minute

// Buy lets a shopper order units of some listings, all or nothing of each; ok is false where none could be had.
func (s *Shop) Buy(now time.Time, quantity stock.Quantity, skus ...string) (order Order, ok bool) {
	s.mu.Lock()
	s.serial++
	n := s.serial
	s.mu.Unlock()
	o := &Order{ID: fmt.Sprintf("701-%07d-%07d", n, n), Created: now, Updated: now, pays: now.Add(s.options.PaysAfter)}
	for i, sku := range skus {
		if sale, ok := s.Sell(channelsim.Place{Item: sku}, quantity, now); ok {
			o.Items = append(o.Items, Item{ID: fmt.Sprintf("%d%06d", n, i+1), SKU: sku, Ordered: quantity, sale: sale})
			o.FBA = o.FBA || s.Ships(sku) != "DEFAULT"
		}
	}
	if len(o.Items) == 0 {
		return Order{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders = append(s.orders, o)
	s.pay(now)
	return *o, true
}

// pay makes the orders ready to be shipped whose time has come.
func (s *Shop) pay(now time.Time) {
	for _, o := range s.orders {
		if !o.Paid && !o.Cancelled && !now.Before(o.pays) {
			o.Paid, o.Updated = true, o.pays
		}
	}
}

// CancelOrder takes an order back; restock puts its units on sale again. It reports whether there was one to cancel.
func (s *Shop) CancelOrder(id string, restock bool, now time.Time) bool {
	return s.change(id, now, func(o *Order) bool {
		if o.Cancelled || o.shipped() {
			return false
		}
		o.Cancelled = true
		for i := range o.Items {
			s.Cancel(o.Items[i].sale, restock)
		}
		return true
	})
}

// Fulfil ships an order whole, as Amazon does with its own.
func (s *Shop) Fulfil(id string, now time.Time) bool {
	return s.change(id, now, func(o *Order) bool {
		if o.Cancelled || !o.Paid {
			return false
		}
		for i := range o.Items {
			o.Items[i].Fulfilled = o.Items[i].Ordered
		}
		return true
	})
}

func (s *Shop) change(id string, now time.Time, f func(*Order) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pay(now)
	o := s.order(id)
	if o == nil || !f(o) {
		return false
	}
	o.Updated = now
	return true
}

func (s *Shop) order(id string) *Order {
	for _, o := range s.orders {
		if o.ID == id {
			return o
		}
	}
	return nil
}

// Orders returns every order so far.
func (s *Shop) Orders() []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Order, len(s.orders))
	for i, o := range s.orders {
		list[i] = *o
		list[i].Items, list[i].Packages = slices.Clone(o.Items), slices.Clone(o.Packages)
	}
	return list
}

func (o *Order) shipped() bool {
	return !slices.ContainsFunc(o.Items, func(i Item) bool { return i.Fulfilled < i.Ordered })
}

func (o *Order) status() string {
	switch {
	case o.Cancelled:
		return "CANCELLED"
	case !o.Paid:
		return "PENDING"
	case o.shipped():
		return "SHIPPED"
	case slices.ContainsFunc(o.Items, func(i Item) bool { return i.Fulfilled > 0 }):
		return "PARTIALLY_SHIPPED"
	}
	return "UNSHIPPED"
}

// searchOrders answers a page of orders by when they changed. Its token is a place in the present order of things.
func (s *Shop) searchOrders(r *http.Request, _ []byte, now time.Time) answer {
	q := r.URL.Query()
	if a, ok := parameters(q, "lastUpdatedAfter", "lastUpdatedBefore", "createdAfter", "createdBefore", "fulfillmentStatuses", "fulfilledBy",
		"maxResultsPerPage", "paginationToken", "includedData"); !ok {
		return a
	}
	from, err := time.Parse(time.RFC3339, q.Get("lastUpdatedAfter"))
	most, errMost := strconv.Atoi(q.Get("maxResultsPerPage"))
	switch {
	case q.Get("marketplaceIds") != s.credentials.Marketplace:
		return failure(http.StatusBadRequest, "InvalidInput", "Invalid 'marketplaceIds' provided.")
	case err != nil || q.Has("createdAfter") || q.Has("createdBefore"):
		return failure(http.StatusBadRequest, "InvalidInput", "Exactly one of createdAfter and lastUpdatedAfter must be given, as a date-time.")
	case errMost != nil || most < 1 || most > 100:
		return failure(http.StatusBadRequest, "InvalidInput", "maxResultsPerPage must be between 1 and 100.")
	}
	end := now.Add(-s.options.OrdersEnd)
	if text := q.Get("lastUpdatedBefore"); text != "" {
		before, err := time.Parse(time.RFC3339, text)
		if err != nil || before.Before(from) || before.After(now.Add(-s.options.OrdersEnd)) {
			return failure(http.StatusBadRequest, "InvalidInput", "lastUpdatedBefore must be after lastUpdatedAfter and two minutes ago.")
		}
		end = before
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*Order
	for _, o := range s.orders {
		if at := o.Updated.Truncate(time.Second); !at.Before(from) && !o.Updated.After(end) {
			found = append(found, o)
		}
	}
	slices.SortStableFunc(found, func(a, b *Order) int { return a.Updated.Compare(b.Updated) })
	if token := q.Get("paginationToken"); token != "" {
		asked, place, _ := strings.Cut(token, "~")
		start, err := strconv.Atoi(place)
		if err != nil || asked != window(q) {
			return failure(http.StatusBadRequest, "InvalidInput", "The pagination token does not fit the other parameters.")
		}
		found = found[min(start, len(found)):]
	}
	out := map[string]any{"orders": []any{}, "pagination": map[string]any{}, "lastUpdatedBefore": end.UTC().Format(time.RFC3339)}
	page := found[:min(len(found), most, s.options.OrdersPerPage)]
	list := make([]any, len(page))
	for i, o := range page {
		list[i] = o.object(q.Get("includedData"))
	}
	if out["orders"] = list; len(found) > len(page) {
		_, place, _ := strings.Cut(q.Get("paginationToken"), "~")
		start, _ := strconv.Atoi(place)
		out["pagination"] = map[string]any{"nextToken": window(q) + "~" + strconv.Itoa(start+len(page))}
	}
	return answer{http.StatusOK, out}
}

// window is what a page's token belongs to.
func window(q url.Values) string {
	return strings.Join([]string{q.Get("lastUpdatedAfter"), q.Get("lastUpdatedBefore"), q.Get("maxResultsPerPage")}, "|")
}

func (s *Shop) getOrder(r *http.Request, _ []byte, _ time.Time) answer {
	if a, ok := parameters(r.URL.Query(), "includedData"); !ok {
		return a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.order(r.PathValue("id"))
	if o == nil {
		return failure(http.StatusNotFound, "NotFound", "The order is not there.")
	}
	return answer{http.StatusOK, map[string]any{"order": o.object(r.URL.Query().Get("includedData"))}}
}

// object returns the order as it is told, with the data sets that were asked for.
func (o *Order) object(included string) map[string]any {
	sets := strings.Split(included, ",")
	by := "MERCHANT"
	if o.FBA {
		by = "AMAZON"
	}
	items := make([]any, len(o.Items))
	for i := range o.Items {
		item := map[string]any{
			"orderItemId": o.Items[i].ID, "quantityOrdered": o.Items[i].Ordered, "product": map[string]any{"asin": "B00000000A", "sellerSku": o.Items[i].SKU},
		}
		if slices.Contains(sets, "FULFILLMENT") {
			item["fulfillment"] = map[string]any{"quantityFulfilled": o.Items[i].Fulfilled, "quantityUnfulfilled": o.Items[i].Ordered - o.Items[i].Fulfilled}
		}
		items[i] = item
	}
	out := map[string]any{
		"orderId": o.ID, "createdTime": o.Created.UTC().Format(time.RFC3339), "lastUpdatedTime": o.Updated.UTC().Format(time.RFC3339Nano), "orderItems": items,
	}
	if slices.Contains(sets, "FULFILLMENT") {
		out["fulfillment"] = map[string]any{"fulfillmentStatus": o.status(), "fulfilledBy": by}
	}
	return out
}

// confirm takes note of a despatch. The same package again is changed to what it is.
func (s *Shop) confirm(r *http.Request, body []byte, now time.Time) answer {
	var in struct {
		Marketplace string `json:"marketplaceId"`
		Package     struct {
			Reference   string `json:"packageReferenceId"`
			CarrierCode string `json:"carrierCode"`
			CarrierName string `json:"carrierName"`
			Tracking    string `json:"trackingNumber"`
			ShipDate    string `json:"shipDate"`
			Items       []struct {
				ID       string         `json:"orderItemId"`
				Quantity stock.Quantity `json:"quantity"`
			} `json:"orderItems"`
		} `json:"packageDetail"`
	}
	invalid := func(message string) answer { return failure(http.StatusBadRequest, "InvalidInput", message) }
	if !strict(body, &in) {
		return invalid("The provided request body is invalid.")
	}
	p := &in.Package
	shipped, err := time.Parse(time.RFC3339, p.ShipDate)
	number, numbered := strconv.ParseInt(p.Reference, 10, 64)
	switch {
	case in.Marketplace != s.credentials.Marketplace:
		return invalid("Invalid 'marketplaceId' provided.")
	case numbered != nil || number < 1:
		return invalid("packageReferenceId must be a positive number.")
	case p.CarrierCode == "" || p.Tracking == "" || err != nil || len(p.Items) == 0:
		return invalid("carrierCode, trackingNumber, shipDate and orderItems are required.")
	case p.CarrierCode == "Other" && p.CarrierName == "":
		return invalid("carrierName is required where carrierCode is Other.")
	case shipped.After(now.Add(time.Hour)):
		return invalid("shipDate is in the future.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.order(r.PathValue("id"))
	switch {
	case o == nil:
		return failure(http.StatusNotFound, "NotFound", "The order is not there.")
	case o.FBA || o.Cancelled || !o.Paid:
		return invalid("The order cannot be shipped by the seller.")
	}
	packed := Package{Reference: p.Reference, CarrierCode: p.CarrierCode, CarrierName: p.CarrierName, Tracking: p.Tracking, ShipDate: p.ShipDate, Items: map[string]stock.Quantity{}}
	for _, item := range p.Items {
		packed.Items[item.ID] += item.Quantity
	}
	all := slices.DeleteFunc(slices.Clone(o.Packages), func(other Package) bool { return other.Reference == packed.Reference })
	all = append(all, packed)
	fulfilled := map[string]stock.Quantity{}
	for _, one := range all {
		for id, quantity := range one.Items {
			fulfilled[id] += quantity
		}
	}
	for id, quantity := range fulfilled {
		i := slices.IndexFunc(o.Items, func(item Item) bool { return item.ID == id })
		if i < 0 || quantity < 1 || quantity > o.Items[i].Ordered {
			return invalid("The order has no such item, or not so many of it.")
		}
	}
	o.Packages, o.Updated = all, now
	for i := range o.Items {
		o.Items[i].Fulfilled = fulfilled[o.Items[i].ID]
	}
	return answer{http.StatusNoContent, nil}
}
