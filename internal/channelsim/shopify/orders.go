package shopify

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// An Order is one that a shopper placed.
type Order struct {
	ID         string // a global id
	Created    time.Time
	Updated    time.Time
	Cancelled  time.Time // zero: it is not
	Test       bool
	Lines      []Line
	Despatches []Despatch
}

// A Despatch is a fulfilment that the shop was told of.
type Despatch struct {
	ID, Company, Number string
	Lines               map[string]stock.Quantity // by line
}

// A Line is a part of an order.
type Line struct {
	ID        string
	Place     channelsim.Place
	Ordered   stock.Quantity
	Current   stock.Quantity // less what was refunded or edited away
	Fulfilled stock.Quantity
}

// A Want is what a shopper wants of one place.
type Want struct {
	Place    channelsim.Place
	Quantity stock.Quantity
}

// Buy lets a shopper order as many units of each of some places; see [Shop.Checkout].
func (s *Shop) Buy(now time.Time, quantity stock.Quantity, places ...channelsim.Place) (order Order, ok bool) {
	basket := make([]Want, len(places))
	for i, p := range places {
		basket[i] = Want{p, quantity}
	}
	return s.Checkout(now, basket)
}

// Checkout lets a shopper order a basket, all or nothing of each place; ok is false where none could be had.
func (s *Shop) Checkout(now time.Time, basket []Want) (order Order, ok bool) {
	id := s.next()
	o := &Order{ID: "gid://shopify/Order/" + strconv.Itoa(id), Created: now, Updated: now}
	for i, w := range basket {
		if _, ok := s.Sell(w.Place, w.Quantity, now); ok {
			o.Lines = append(o.Lines, Line{
				ID: fmt.Sprintf("gid://shopify/LineItem/%d%03d", id, i), Place: w.Place, Ordered: w.Quantity, Current: w.Quantity,
			})
		}
	}
	if len(o.Lines) == 0 {
		return Order{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders = append(s.orders, o)
	return *o, true
}

// CancelOrder takes an order back; restock puts its units on sale again. It reports whether there was one to cancel.
func (s *Shop) CancelOrder(id string, restock bool, now time.Time) bool {
	return s.change(id, now, func(o *Order) bool {
		if !o.Cancelled.IsZero() {
			return false
		}
		o.Cancelled = now
		for i := range o.Lines {
			s.Cancel(channelsim.Sale{Place: o.Lines[i].Place, Quantity: o.Lines[i].Ordered}, restock)
			o.Lines[i].Current = 0
		}
		return true
	})
}

// Fulfil despatches an order.
func (s *Shop) Fulfil(id string, now time.Time) bool {
	return s.change(id, now, func(o *Order) bool {
		for i := range o.Lines {
			o.Lines[i].Fulfilled = o.Lines[i].Current
		}
		return true
	})
}

func (s *Shop) change(id string, now time.Time, f func(*Order) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.orders {
		if o.ID == id && f(o) {
			o.Updated = now
			return true
		}
	}
	return false
}

// Orders returns every order so far.
func (s *Shop) Orders() []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Order, len(s.orders))
	for i, o := range s.orders {
		list[i] = *o
		list[i].Lines, list[i].Despatches = slices.Clone(o.Lines), slices.Clone(o.Despatches)
	}
	return list
}

var updatedFilter = regexp.MustCompile(`^updated_at:>='([^']+)' updated_at:<'([^']+)'$`)

// ordersPage answers a page of orders by when they changed. Its cursor is a place in the present order of things: what changes
// between two pages moves to the end.
func (s *Shop) ordersPage(args map[string]any) any {
	from, to := time.Time{}, time.Now().Add(time.Hour)
	if text, ok := args["query"].(string); ok {
		m := updatedFilter.FindStringSubmatch(text)
		if m == nil {
			return object{"nodes": []object{}, "pageInfo": object{"hasNextPage": false}} // the real one ignores what it cannot read
		}
		var err1, err2 error
		from, err1 = time.Parse(time.RFC3339, m[1])
		to, err2 = time.Parse(time.RFC3339, m[2])
		if err1 != nil || err2 != nil {
			return object{"nodes": []object{}, "pageInfo": object{"hasNextPage": false}}
		}
	}
	var found []Order
	for _, o := range s.Orders() {
		if at := o.Updated.Truncate(time.Second); !at.Before(from) && at.Before(to) {
			found = append(found, o)
		}
	}
	slices.SortStableFunc(found, func(a, b Order) int { return a.Updated.Truncate(time.Second).Compare(b.Updated.Truncate(time.Second)) })
	start := 0
	if after, _ := args["after"].(string); after != "" {
		at, id, _ := strings.Cut(after, " ")
		for start < len(found) {
			o := &found[start]
			if updated := o.Updated.UTC().Format(time.RFC3339); updated > at || updated == at && id == "" {
				break
			} else if start++; updated == at && o.ID == id {
				break
			}
		}
	}
	first, _ := args["first"].(int64)
	end := min(len(found), start+int(first))
	page := found[start:end]
	info := object{"hasNextPage": end < len(found), "endCursor": nil}
	if len(page) > 0 {
		last := &page[len(page)-1]
		info["endCursor"] = last.Updated.UTC().Format(time.RFC3339) + " " + last.ID
	}
	nodes := make([]object, len(page))
	for i := range page {
		nodes[i] = s.orderObject(&page[i])
	}
	return object{"nodes": nodes, "pageInfo": info}
}

func (s *Shop) orderNode(id any) any {
	for _, o := range s.Orders() {
		if o.ID == id {
			return s.orderObject(&o)
		}
	}
	return nil
}

func (s *Shop) orderObject(o *Order) object {
	at := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t.UTC().Format(time.RFC3339)
	}
	lines := make([]object, len(o.Lines))
	parts := map[string][]object{}
	for i, l := range o.Lines {
		s.mu.Lock()
		p := s.products[l.Place.Item]
		s.mu.Unlock()
		lines[i] = object{
			"id": l.ID, "sku": p.SKU, "quantity": l.Ordered, "currentQuantity": l.Current, "unfulfilledQuantity": l.Current - l.Fulfilled,
			"variant": object{"inventoryItem": object{"id": l.Place.Item}, "sku": p.SKU},
		}
		parts[l.Place.Location] = append(parts[l.Place.Location], object{
			"id": "gid://shopify/FulfillmentOrderLineItem/" + number(l.ID), "lineItem": lines[i], "totalQuantity": l.Ordered, "remainingQuantity": l.Current - l.Fulfilled,
		})
	}
	var served []object
	for _, location := range slices.Sorted(maps.Keys(parts)) {
		status := "CLOSED"
		for _, l := range parts[location] {
			if l["remainingQuantity"].(stock.Quantity) > 0 {
				status = "OPEN"
			}
		}
		served = append(served, object{
			"id": partID(o.ID, location), "status": status, "assignedLocation": object{"location": object{"id": location}}, "lineItems": pageOf(parts[location]),
		})
	}
	var done []object
	for _, d := range o.Despatches {
		var of []object
		for _, id := range slices.Sorted(maps.Keys(d.Lines)) {
			of = append(of, object{"id": id, "quantity": d.Lines[id], "lineItem": object{"id": id}})
		}
		done = append(done, object{
			"id": d.ID, "status": "SUCCESS", "trackingInfo": []object{{"company": d.Company, "number": d.Number, "url": nil}}, "fulfillmentLineItems": pageOf(of),
		})
	}
	return object{
		"id": o.ID, "createdAt": at(o.Created), "updatedAt": at(o.Updated), "cancelledAt": at(o.Cancelled), "test": o.Test,
		"displayFinancialStatus": "PAID", "lineItems": pageOf(lines), "fulfillmentOrders": pageOf(served),
		"fulfillments": done,
	}
}

// pageOf returns a connection over a list, whose cursor is a place in it.
func pageOf(list []object) resolver {
	return func(args map[string]any) any {
		start := 0
		if after, ok := args["after"].(string); ok {
			start, _ = strconv.Atoi(after)
		}
		first, _ := args["first"].(int64)
		start = min(start, len(list))
		end := min(len(list), start+int(first))
		return object{"nodes": list[start:end], "pageInfo": object{"hasNextPage": end < len(list), "endCursor": strconv.Itoa(end)}}
	}
}
