package shopify

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A page is worth less than the 1,000 points of one query, of which only what is there is charged. No name, address or mail is asked
// for.
const ordersQuery = `query Orders($filter: String!, $after: String) {
  orders(first: 6, after: $after, query: $filter, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes { ` + orderFields + ` }
  }
}`

const orderFields = `id createdAt updatedAt cancelledAt test displayFinancialStatus
      lineItems(first: 10) { pageInfo { hasNextPage endCursor } nodes { ` + lineFields + ` } }
      fulfillmentOrders(first: 2) { nodes { assignedLocation { location { id } } lineItems(first: 10) { nodes { lineItem { id } } } } }`

const orderQuery = `query Order($id: ID!) { order(id: $id) { ` + orderFields + ` } }`

// linesQuery reads the lines that an order's page had no room for.
const linesQuery = `query Lines($id: ID!, $after: String) {
  order(id: $id) { lineItems(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { ` + lineFields + ` } } }
}`

const lineFields = `id sku quantity currentQuantity unfulfilledQuantity variant { inventoryItem { id } }`

type pageInfo struct {
	More bool   `json:"hasNextPage"`
	End  string `json:"endCursor"`
}

type order struct {
	ID        string     `json:"id"`
	Created   time.Time  `json:"createdAt"`
	Updated   time.Time  `json:"updatedAt"`
	Cancelled *time.Time `json:"cancelledAt"`
	Test      bool       `json:"test"`
	Payment   string     `json:"displayFinancialStatus"`
	Lines     lines      `json:"lineItems"`
	Parts     struct {
		Nodes []fulfilmentOrder `json:"nodes"`
	} `json:"fulfillmentOrders"`
}

type lines struct {
	Page  pageInfo `json:"pageInfo"`
	Nodes []line   `json:"nodes"`
}

type line struct {
	ID          string         `json:"id"`
	SKU         string         `json:"sku"`
	Ordered     stock.Quantity `json:"quantity"`
	Current     stock.Quantity `json:"currentQuantity"` // less what was refunded or edited away
	Unfulfilled stock.Quantity `json:"unfulfilledQuantity"`
	Variant     *struct {
		Item struct {
			ID string `json:"id"`
		} `json:"inventoryItem"`
	} `json:"variant"`
}

type fulfilmentOrder struct {
	Assigned struct {
		Location *struct {
			ID string `json:"id"`
		} `json:"location"`
	} `json:"assignedLocation"`
	Lines struct {
		Nodes []struct {
			Line struct {
				ID string `json:"id"`
			} `json:"lineItem"`
		} `json:"nodes"`
	} `json:"lineItems"`
}

// Orders implements [publisher.OrderSource]. The shop's updated_at has whole seconds; the windows that are asked for overlap.
func (c *Connector) Orders(ctx context.Context, since, until stock.Instant, page string) (publisher.OrderPage, error) {
	variables := struct {
		Filter string  `json:"filter"`
		After  *string `json:"after"`
	}{Filter: fmt.Sprintf("updated_at:>='%s' updated_at:<'%s'", since.Time().Format(time.RFC3339), until.Time().Add(time.Second).Format(time.RFC3339))}
	if page != "" {
		variables.After = &page
	}
	var out struct {
		Orders *struct {
			Page  pageInfo `json:"pageInfo"`
			Nodes []order  `json:"nodes"`
		} `json:"orders"`
	}
	allowance, err := c.call(ctx, ordersQuery, variables, &out)
	if err != nil {
		return publisher.OrderPage{}, err
	}
	if out.Orders == nil || out.Orders.Page.More && out.Orders.Page.End == "" {
		return publisher.OrderPage{}, unreadable("the answer has no orders")
	}
	got := publisher.OrderPage{Allowance: allowance}
	for i := range out.Orders.Nodes {
		o := &out.Orders.Nodes[i]
		if o.Test {
			continue
		}
		if err := c.moreLines(ctx, o); err != nil {
			return publisher.OrderPage{}, err
		}
		got.Orders = append(got.Orders, o.records()...)
	}
	if out.Orders.Page.More {
		got.Next = out.Orders.Page.End
	}
	return got, nil
}

// Order implements [publisher.OrderFetcher]. A trial order is none.
func (c *Connector) Order(ctx context.Context, id string) ([]record.Order, error) {
	var out struct {
		Order *order `json:"order"`
	}
	variables := struct {
		ID string `json:"id"`
	}{gid("Order", id)}
	if _, err := c.call(ctx, orderQuery, variables, &out); err != nil {
		return nil, err
	}
	if out.Order == nil || out.Order.Test {
		return nil, nil
	}
	if err := c.moreLines(ctx, out.Order); err != nil {
		return nil, err
	}
	return out.Order.records(), nil
}

// moreLines completes an order's lines.
func (c *Connector) moreLines(ctx context.Context, o *order) error {
	for o.Lines.Page.More {
		var out struct {
			Order *struct {
				Lines lines `json:"lineItems"`
			} `json:"order"`
		}
		variables := struct {
			ID    string `json:"id"`
			After string `json:"after"`
		}{o.ID, o.Lines.Page.End}
		if _, err := c.call(ctx, linesQuery, variables, &out); err != nil {
			return err
		}
		if out.Order == nil {
			return unreadable("the order has gone while its lines were read")
		}
		o.Lines.Nodes, o.Lines.Page = append(o.Lines.Nodes, out.Order.Lines.Nodes...), out.Order.Lines.Page
	}
	return nil
}

// records returns the order as the journal knows orders. One that has lost units is told as it was placed first: if that was never
// seen, units that left the shop's level and did not come back would be missing from what it has sold.
func (o *order) records() []record.Order {
	now := o.record(o.Cancelled != nil)
	if o.Cancelled != nil {
		now.Status = record.Cancelled
		return []record.Order{now} // counted as sold and as given back
	}
	for _, l := range o.Lines.Nodes {
		if l.Current < l.Ordered {
			placed := o.record(true)
			placed.Status, placed.UpdatedAt = record.Open, min(placed.PlacedAt, now.UpdatedAt-1)
			return []record.Order{placed, now}
		}
	}
	return []record.Order{now}
}

// record returns the order with the units that were ordered at first, or those that are ordered now.
func (o *order) record(first bool) record.Order {
	r := record.Order{
		OrderID: tail(o.ID), Status: record.Open, PlacedAt: stock.InstantOf(o.Created), UpdatedAt: stock.InstantOf(o.Updated),
		FulfilledBy: record.ByMerchant, Payment: record.Payment{State: strings.ToLower(o.Payment)},
	}
	at := map[string]string{} // the location that is to serve a line
	for _, part := range o.Parts.Nodes {
		if part.Assigned.Location == nil {
			continue
		}
		for _, l := range part.Lines.Nodes {
			if _, ok := at[l.Line.ID]; !ok {
				at[l.Line.ID] = part.Assigned.Location.ID
			}
		}
		if _, ok := at[""]; !ok {
			at[""] = part.Assigned.Location.ID
		}
	}
	open := stock.Quantity(0)
	for _, l := range o.Lines.Nodes {
		line := record.OrderLine{LineID: tail(l.ID), SKU: l.SKU, Quantity: l.Current, Fulfilled: max(0, l.Current-l.Unfulfilled), Location: at[l.ID]}
		if line.Location == "" {
			line.Location = at[""]
		}
		if line.SKU == "" && l.Variant != nil {
			line.Item = l.Variant.Item.ID
		}
		if line.SKU == "" && line.Item == "" {
			continue // a line of no product: a tip, a fee
		}
		if first {
			line.Quantity = l.Ordered
		}
		open += l.Unfulfilled
		r.Lines = append(r.Lines, line)
	}
	if open == 0 {
		r.Status = record.Shipped
	}
	return r
}

// tail returns the number at the end of a global id.
func tail(id string) string {
	number := id[strings.LastIndexByte(id, '/')+1:]
	if _, err := strconv.ParseUint(number, 10, 64); err != nil {
		return id
	}
	return number
}
