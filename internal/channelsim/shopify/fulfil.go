package shopify

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// A despatch that is asked for: lines of parts, by their ids.
type despatchInput struct {
	parts           map[string]map[string]stock.Quantity // by fulfilment order and its line
	company, number string
}

// number returns the number at the end of a global id.
func number(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// partID returns the id of the fulfilment order of an order's lines at a location.
func partID(order, location string) string {
	return "gid://shopify/FulfillmentOrder/" + number(order) + "0" + number(location)
}

// fields returns the fields of an input object, if there are no others.
func fields(v any, known ...string) (map[string]any, bool) {
	m, ok := v.(map[string]any)
	for name := range m {
		ok = ok && slices.Contains(known, name)
	}
	return m, ok
}

// fulfilmentInput reads the input as strictly as its type is defined.
func fulfilmentInput(v any) (despatchInput, error) {
	wrong := func(what string) (despatchInput, error) {
		return despatchInput{}, &schemaError{"INVALID_VARIABLE", "Variable $fulfillment of type FulfillmentInput! was provided invalid value for " + what}
	}
	in, ok := fields(v, "lineItemsByFulfillmentOrder", "trackingInfo", "notifyCustomer", "originAddress")
	list, listed := in["lineItemsByFulfillmentOrder"].([]any)
	if !ok || !listed {
		return wrong("lineItemsByFulfillmentOrder")
	}
	out := despatchInput{parts: map[string]map[string]stock.Quantity{}}
	for _, p := range list {
		part, ok := fields(p, "fulfillmentOrderId", "fulfillmentOrderLineItems")
		id, named := part["fulfillmentOrderId"].(string)
		lines, listed := part["fulfillmentOrderLineItems"].([]any)
		if !ok || !named || !listed {
			return wrong("fulfillmentOrderId")
		}
		out.parts[id] = map[string]stock.Quantity{}
		for _, l := range lines {
			line, ok := fields(l, "id", "quantity")
			lineID, named := line["id"].(string)
			quantity, counted := line["quantity"].(int64)
			if !ok || !named || !counted {
				return wrong("fulfillmentOrderLineItems")
			}
			out.parts[id][lineID] += stock.Quantity(quantity)
		}
	}
	if v, given := in["trackingInfo"]; given {
		info, ok := fields(v, "company", "number", "url", "numbers", "urls")
		if !ok {
			return wrong("trackingInfo")
		}
		out.company, _ = info["company"].(string)
		out.number, _ = info["number"].(string)
	}
	return out, nil
}

// fulfil despatches what the input names, all of it or nothing. All parts must be of one order and one location.
func (s *Shop) fulfil(in despatchInput) object {
	refuse := func(message string) object {
		return object{"fulfillment": nil, "userErrors": []object{{"field": []string{"fulfillment"}, "message": message}}}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var of *Order
	location, lines := "", map[string]stock.Quantity{}
	for id, units := range in.parts {
		found := false
		for _, o := range s.orders {
			for _, l := range o.Lines {
				if partID(o.ID, l.Place.Location) != id {
					continue
				}
				if found = true; of != nil && of != o || location != "" && location != l.Place.Location {
					return refuse("All fulfillment orders must be of one order and assigned to the same location.")
				}
				of, location = o, l.Place.Location
				want := units["gid://shopify/FulfillmentOrderLineItem/"+number(l.ID)]
				if want > l.Current-l.Fulfilled {
					return refuse("Invalid fulfillment order line item quantity requested.")
				}
				if want > 0 {
					lines[l.ID] = want
				}
			}
		}
		if !found {
			return refuse("Fulfillment order does not exist.")
		}
	}
	if of == nil || len(lines) == 0 || !of.Cancelled.IsZero() {
		return refuse("Fulfillment order has an unfulfillable status: closed.")
	}
	for i := range of.Lines {
		of.Lines[i].Fulfilled += lines[of.Lines[i].ID]
	}
	s.serial++
	d := Despatch{ID: "gid://shopify/Fulfillment/" + strconv.Itoa(s.serial), Company: in.company, Number: in.number, Lines: lines}
	of.Despatches, of.Updated = append(of.Despatches, d), time.Now()
	return object{"userErrors": []object{}, "fulfillment": object{"id": d.ID, "status": "SUCCESS"}}
}
