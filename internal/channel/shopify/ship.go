package shopify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// partsQuery reads what is left to be fulfilled of an order, two fulfilment orders at a time, and what has been under which number. All of
// it is worth less than the 1,000 points of one query.
const partsQuery = `query Parts($id: ID!, $after: String) {
  order(id: $id) {
    cancelledAt
    fulfillments(first: 10) {
      status trackingInfo(first: 2) { number }
      fulfillmentLineItems(first: 15) { pageInfo { hasNextPage } nodes { quantity lineItem { id } } }
    }
    fulfillmentOrders(first: 2, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes {
        id status assignedLocation { location { id } }
        lineItems(first: 40) { pageInfo { hasNextPage } nodes { id remainingQuantity lineItem { id } } }
      }
    }
  }
}`

const fulfilMutation = `mutation Ship($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) { fulfillment { id } userErrors { field message } }
}`

type parts struct {
	Cancelled *time.Time `json:"cancelledAt"`
	Done      []struct {
		Status   string           `json:"status"`
		Tracking []trackingNumber `json:"trackingInfo"`
		Lines    struct {
			Page  pageInfo `json:"pageInfo"`
			Nodes []struct {
				Quantity stock.Quantity `json:"quantity"`
				Line     reference      `json:"lineItem"`
			} `json:"nodes"`
		} `json:"fulfillmentLineItems"`
	} `json:"fulfillments"`
	Open struct {
		Page  pageInfo   `json:"pageInfo"`
		Nodes []partOpen `json:"nodes"`
	} `json:"fulfillmentOrders"`
}

type trackingNumber struct {
	Number string `json:"number"`
}

type reference struct {
	ID string `json:"id"`
}

type partOpen struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Assigned struct {
		Location *reference `json:"location"`
	} `json:"assignedLocation"`
	Lines struct {
		Page  pageInfo `json:"pageInfo"`
		Nodes []struct {
			ID        string         `json:"id"`
			Remaining stock.Quantity `json:"remainingQuantity"`
			Line      reference      `json:"lineItem"`
		} `json:"nodes"`
	} `json:"lineItems"`
}

type fulfilment struct {
	Parts    []part   `json:"lineItemsByFulfillmentOrder"`
	Tracking tracking `json:"trackingInfo"`
	Notify   bool     `json:"notifyCustomer"`
}

type part struct {
	ID    string     `json:"fulfillmentOrderId"`
	Lines []partLine `json:"fulfillmentOrderLineItems"`
}

type partLine struct {
	ID       string         `json:"id"`
	Quantity stock.Quantity `json:"quantity"`
}

type tracking struct {
	Company string `json:"company"`
	Number  string `json:"number"`
}

// Ship implements [publisher.ShipmentTarget]. A shop knows no key of a despatch, so what it has under the despatch's number is not told
// again. The shop tells its customer. What leaves from several of its locations is told as one fulfilment each.
func (c *Connector) Ship(ctx context.Context, _ string, s publisher.Shipment) (publisher.Shipped, error) {
	order, err := c.parts(ctx, gid("Order", s.OrderID))
	if err != nil {
		return publisher.Shipped{}, unsent(err)
	}
	left := map[string]stock.Quantity{}
	for _, l := range s.Lines {
		left[l.LineID] += l.Quantity
	}
	if err := order.subtract(s.Tracking, left); err != nil {
		return publisher.Shipped{}, err
	}
	known := true
	for _, units := range left {
		known = known && units <= 0
	}
	if known {
		return publisher.Shipped{Said: "the shop has it already"}, nil
	}
	if order.Cancelled != nil {
		return publisher.Shipped{}, refused("the order is cancelled")
	}
	byLocation, locations := order.place(left)
	shipped := publisher.Shipped{}
	for n, location := range locations {
		in := fulfilment{Parts: byLocation[location], Tracking: tracking{s.Carrier, s.Tracking}, Notify: true}
		id, allowance, err := c.fulfil(ctx, in)
		if err != nil {
			return publisher.Shipped{}, err
		}
		if shipped.Allowance = allowance; n == 0 {
			shipped.ID = id
		}
	}
	short := stock.Quantity(0)
	for _, units := range left {
		short += max(0, units)
	}
	if short > 0 {
		shipped.Said = fmt.Sprintf("%d units were fulfilled there already", short)
	}
	return shipped, nil
}

// parts reads an order's fulfilment orders and fulfilments.
func (c *Connector) parts(ctx context.Context, id string) (*parts, error) {
	var all *parts
	var after *string
	for {
		var out struct {
			Order *parts `json:"order"`
		}
		variables := struct {
			ID    string  `json:"id"`
			After *string `json:"after"`
		}{id, after}
		if _, err := c.call(ctx, partsQuery, variables, &out); err != nil {
			return nil, err
		}
		if out.Order == nil {
			return nil, refused("the shop has no such order")
		}
		open := out.Order.Open
		if slices.ContainsFunc(open.Nodes, func(p partOpen) bool { return p.Lines.Page.More }) {
			return nil, refused("a part of the order has more than 40 lines: fulfil it in the shop")
		}
		if all == nil {
			all = out.Order
		} else {
			all.Open.Nodes = append(all.Open.Nodes, open.Nodes...)
		}
		if !open.Page.More {
			return all, nil
		}
		after = &open.Page.End
	}
}

// subtract takes from left what the shop has fulfilled under the number.
func (p *parts) subtract(number string, left map[string]stock.Quantity) error {
	for i := range p.Done {
		f := &p.Done[i]
		if f.Status == "CANCELLED" || f.Status == "ERROR" || f.Status == "FAILURE" || !slices.Contains(f.Tracking, trackingNumber{number}) {
			continue
		}
		if f.Lines.Page.More {
			return refused("a fulfilment of the order has more than 15 lines: fulfil it in the shop")
		}
		for _, l := range f.Lines.Nodes {
			left[tail(l.Line.ID)] -= l.Quantity
		}
	}
	return nil
}

// place spreads what is left over the order's open parts, by their location, and takes it from left.
func (p *parts) place(left map[string]stock.Quantity) (byLocation map[string][]part, locations []string) {
	byLocation = map[string][]part{}
	for _, open := range p.Open.Nodes {
		if open.Status == "CLOSED" || open.Status == "CANCELLED" {
			continue
		}
		one := part{ID: open.ID}
		for _, l := range open.Lines.Nodes {
			line := tail(l.Line.ID)
			if units := min(left[line], l.Remaining); units > 0 {
				one.Lines = append(one.Lines, partLine{l.ID, units})
				left[line] -= units
			}
		}
		if len(one.Lines) == 0 {
			continue
		}
		location := ""
		if open.Assigned.Location != nil {
			location = open.Assigned.Location.ID
		}
		if byLocation[location] == nil {
			locations = append(locations, location)
		}
		byLocation[location] = append(byLocation[location], one)
	}
	return byLocation, locations
}

func (c *Connector) fulfil(ctx context.Context, in fulfilment) (id string, allowance *publisher.Allowance, err error) {
	var out struct {
		Create *struct {
			Fulfillment *reference   `json:"fulfillment"`
			Errors      *[]userError `json:"userErrors"`
		} `json:"fulfillmentCreate"`
	}
	variables := struct {
		Fulfillment fulfilment `json:"fulfillment"`
	}{in}
	if allowance, err = c.call(ctx, fulfilMutation, variables, &out); err != nil {
		return "", nil, err
	}
	switch {
	case out.Create == nil || out.Create.Errors == nil:
		return "", nil, unreadable("the answer does not say what became of the despatch")
	case len(*out.Create.Errors) > 0:
		return "", nil, refused(c.client.Reason((*out.Create.Errors)[0].Message))
	case out.Create.Fulfillment == nil:
		return "", nil, unreadable("the answer names no fulfilment")
	}
	return c.client.Reason(out.Create.Fulfillment.ID), allowance, nil
}

func refused(reason string) error {
	return &publisher.RequestError{Class: publisher.Refused, Reason: reason}
}

// unsent makes of an error about a query that came before a despatch was told one of which the outcome is known: nothing was.
func unsent(err error) error {
	failed := *err.(*publisher.RequestError) //nolint:errorlint // call says so
	switch failed.Class {
	case publisher.ServerError, publisher.Timeout, publisher.Connection:
		failed.Class, failed.Reason = publisher.Throttled, "nothing was sent: "+failed.Reason
	}
	return &failed
}
