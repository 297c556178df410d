package shopify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// setMutation asks for nothing of the levels: quantityAfterChange is null, and a replay is answered from the present state.
const setMutation = `mutation Push($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id }
    userErrors { code field message }
  }
}`

type setVariables struct {
	Key   string   `json:"key"`
	Input setInput `json:"input"`
}

type setInput struct {
	Name       string        `json:"name"`
	Reason     string        `json:"reason"`
	Reference  string        `json:"referenceDocumentUri"`
	Quantities []setQuantity `json:"quantities"`
}

// A setQuantity is one row. ChangeFrom must be there, even as null, which would set without a condition.
type setQuantity struct {
	Item       string          `json:"inventoryItemId"`
	Location   string          `json:"locationId"`
	Quantity   stock.Quantity  `json:"quantity"`
	ChangeFrom *stock.Quantity `json:"changeFromQuantity"`
}

type setData struct {
	Set *struct {
		Group *struct {
			ID string `json:"id"`
		} `json:"inventoryAdjustmentGroup"`
		Errors *[]userError `json:"userErrors"`
	} `json:"inventorySetQuantities"`
}

type userError struct {
	Code    string   `json:"code"`
	Field   []string `json:"field"` // input, quantities, index, name; null where it is about no row, or does not say which
	Message string   `json:"message"`
}

// Set implements [publisher.Connector]. A shop's documents do not say that a call with one bad row writes none of the others, so of
// those nobody knows: they are read again.
func (c *Connector) Set(ctx context.Context, key string, rows []publisher.Row) (publisher.Reply, error) {
	reply := publisher.Reply{Rows: make([]publisher.RowReply, len(rows))}
	in := setVariables{Key: key, Input: setInput{Name: "available", Reason: "correction", Reference: "gid://shelfwire/Push/" + key}}
	var sent []int // the rows that are sent, by their place in the call
	for i, r := range rows {
		if why := unnamed(r.Item); why != "" {
			reply.Rows[i] = publisher.RowReply{Outcome: publisher.RowRefused, Reason: why}
			continue
		}
		sent = append(sent, i)
		in.Input.Quantities = append(in.Input.Quantities, setQuantity{
			gid("InventoryItem", r.ChannelItem), gid("Location", r.Location), r.Quantity, r.Compare,
		})
	}
	if len(sent) == 0 {
		return reply, nil
	}
	var out setData
	allowance, err := c.call(ctx, setMutation, in, &out)
	if err != nil {
		return publisher.Reply{}, err
	}
	reply.Allowance = allowance
	switch {
	case out.Set == nil || out.Set.Errors == nil:
		return publisher.Reply{}, unreadable("the answer does not say what became of the request")
	case len(*out.Set.Errors) > 0:
		return reply, c.userErrors(*out.Set.Errors, reply.Rows, sent)
	case out.Set.Group != nil:
		reply.ID = c.client.Reason(out.Set.Group.ID)
	}
	for _, i := range sent {
		reply.Rows[i].Outcome = publisher.RowApplied
	}
	return reply, nil
}

// unnamed says what the catalogue lacks to name the listing to the shop.
func unnamed(i publisher.Item) string {
	switch {
	case i.ChannelItem == "":
		return "the listing has no channel_ids.inventory_item_id"
	case i.Location == "":
		return "the channel has no locations: declare the shop's locations with their outlets"
	}
	return ""
}

// userErrors says what became of the rows of a call that was turned away: those that are named are refused or stale. Of the others
// nobody knows, unless there are none.
func (c *Connector) userErrors(errs []userError, replies []publisher.RowReply, sent []int) error {
	for _, i := range sent {
		replies[i] = publisher.RowReply{Outcome: publisher.RowUnsure, Reason: "another row of the call was turned away"}
	}
	for _, e := range errs {
		row := publisher.RowReply{Outcome: publisher.RowRefused, Reason: c.client.Reason(e.Code + ": " + e.Message)}
		switch e.Code {
		case "IDEMPOTENCY_CONCURRENT_REQUEST":
			return unreadable(row.Reason) // another try of ours is at work: ask again under the same key
		case "IDEMPOTENCY_KEY_PARAMETER_MISMATCH":
			return &publisher.RequestError{Class: publisher.Refused, Reason: row.Reason}
		case "CHANGE_FROM_QUANTITY_STALE", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED":
			// Which row is stale is not said, or not any more.
			row.Outcome = publisher.RowStale
		}
		at, ok := rowOf(e.Field)
		switch {
		case ok && at < len(sent):
			replies[sent[at]] = row
		case len(sent) == 1:
			replies[sent[0]] = row
		case row.Outcome != publisher.RowStale:
			return &publisher.RequestError{Class: publisher.Refused, Reason: row.Reason}
		}
	}
	return nil
}

// rowOf returns the row that an error's path names.
func rowOf(field []string) (row int, ok bool) {
	if len(field) < 3 || field[0] != "input" || field[1] != "quantities" {
		return 0, false
	}
	row, err := strconv.Atoi(field[2])
	return row, err == nil && row >= 0
}

// maxPoints is what one query may be worth, with something to spare; see levelPoints.
const maxPoints = 900

type node struct {
	ID       string                     `json:"id"`
	Tracked  bool                       `json:"tracked"`
	Variants *struct{ Nodes []variant } `json:"variants"`
	levels   map[string]*level          // by alias
}

type variant struct {
	Product struct {
		Status string `json:"status"`
	} `json:"product"`
}

type level struct {
	Active     bool `json:"isActive"`
	Quantities []struct {
		Name     string         `json:"name"`
		Quantity stock.Quantity `json:"quantity"`
	} `json:"quantities"`
}

// Read implements [publisher.Connector]. It makes as many calls as what a query may be worth asks for.
func (c *Connector) Read(ctx context.Context, items []publisher.Item) (publisher.Reading, error) {
	reading := publisher.Reading{Levels: make([]publisher.Level, len(items))}
	var ids, locations []string
	for i, item := range items {
		if why := unnamed(item); why != "" {
			reading.Levels[i].Reason = why
			continue
		}
		ids, locations = append(ids, gid("InventoryItem", item.ChannelItem)), append(locations, gid("Location", item.Location))
	}
	slices.Sort(ids)
	slices.Sort(locations)
	ids, locations = slices.Compact(ids), slices.Compact(locations)
	found := map[string]*node{}
	read := 0 // of ids
	for chunk := range slices.Chunk(ids, max(1, maxPoints/levelPoints(len(locations)))) {
		allowance, err := c.readChunk(ctx, chunk, locations, found)
		if err != nil {
			// What was read is kept: who begins from the first again each time may never come to the last.
			if failed, ok := errors.AsType[*publisher.RequestError](err); ok && read > 0 {
				reading.Failed = failed
				break
			}
			return publisher.Reading{}, err
		}
		read, reading.Allowance = read+len(chunk), allowance
	}
	for i, item := range items {
		switch at, _ := slices.BinarySearch(ids, gid("InventoryItem", item.ChannelItem)); {
		case reading.Levels[i].Reason != "":
		case at >= read:
			reading.Levels[i].Unread = true
		default:
			at, _ := slices.BinarySearch(locations, gid("Location", item.Location))
			reading.Levels[i] = sellable(found[gid("InventoryItem", item.ChannelItem)], alias(at))
		}
	}
	return reading, nil
}

// levelPoints is what an item is worth that is read at n locations: an object is 1, and a variant comes with its page and product.
func levelPoints(n int) int { return 6 + 3*n }

func alias(location int) string { return "l" + strconv.Itoa(location) }

// readChunk reads the levels of the items at the locations into found.
func (c *Connector) readChunk(ctx context.Context, ids, locations []string, found map[string]*node) (*publisher.Allowance, error) {
	var query strings.Builder
	query.WriteString("query Levels($ids: [ID!]!")
	variables := map[string]any{"ids": ids} // a query is never replayed: the order of its variables does not matter
	for i, location := range locations {
		fmt.Fprintf(&query, ", $%s: ID!", alias(i))
		variables[alias(i)] = location
	}
	query.WriteString(") { nodes(ids: $ids) { ... on InventoryItem { id tracked variants(first: 1) { nodes { product { status } } }")
	for i := range locations {
		fmt.Fprintf(&query, " %[1]s: inventoryLevel(locationId: $%[1]s, includeInactive: true) { isActive quantities(names: [\"available\"]) { name quantity } }", alias(i))
	}
	query.WriteString(" } } }")
	var out struct{ Nodes []*node }
	allowance, err := c.call(ctx, query.String(), variables, &out)
	if err != nil {
		return nil, err
	}
	if len(out.Nodes) != len(ids) {
		return nil, unreadable(fmt.Sprintf("%d items for %d ids", len(out.Nodes), len(ids)))
	}
	for _, n := range out.Nodes {
		if n != nil && n.ID != "" {
			found[n.ID] = n
		}
	}
	return allowance, nil
}

// sellable returns a level, or why it is none to be set: a set would be taken all the same, and sell nothing.
func sellable(n *node, alias string) publisher.Level {
	refused := func(why string) publisher.Level { return publisher.Level{Reason: why} }
	if n == nil {
		return refused("the shop has no such inventory item")
	}
	l := n.levels[alias]
	switch {
	case !n.Tracked:
		return refused("not eligible: the shop does not track the item's quantity")
	case n.Variants == nil || len(n.Variants.Nodes) == 0:
		return refused("not eligible: the item has no product")
	case n.Variants.Nodes[0].Product.Status != "ACTIVE":
		return refused("not eligible: the product is " + strings.ToLower(n.Variants.Nodes[0].Product.Status))
	case l == nil || !l.Active:
		return refused("not eligible: the item is not stocked at the location")
	}
	for _, q := range l.Quantities {
		if q.Name == "available" {
			return publisher.Level{Quantity: &q.Quantity}
		}
	}
	return refused("the shop does not say what is available")
}
