package shopify

import (
	"fmt"
	"slices"
)

// A typeField is a field of the schema: what type it is of ("" for a scalar), what arguments it takes (! marks those it needs), and
// how many objects it is counted as.
type typeField struct {
	of   string
	args []string
	page bool // a connection: counted as often as its argument first says
	list string
}

// schema is the part of the Admin interface 2026-10 that is simulated, by type and field. What is not here does not exist.
func schema() map[string]map[string]typeField {
	page := []string{"first!", "after"}
	return map[string]map[string]typeField{
		"query": {
			"nodes":           {of: "Node", args: []string{"ids!"}, list: "ids"},
			"order":           {of: "Order", args: []string{"id!"}},
			"productVariants": {of: "VariantConnection", args: []string{"first!", "after", "query"}, page: true},
			"orders":          {of: "OrderConnection", args: []string{"first!", "after", "query", "sortKey", "reverse"}, page: true},
		},
		"mutation": {
			"inventorySetQuantities": {of: "SetPayload", args: []string{"input!"}},
			"fulfillmentCreate":      {of: "FulfillmentPayload", args: []string{"fulfillment!", "message"}},
		},
		"FulfillmentPayload": {"fulfillment": {of: "Fulfillment"}, "userErrors": {of: "PlainUserError"}},
		"PlainUserError":     {"field": {}, "message": {}},
		"Fulfillment": {
			"id": {}, "status": {}, "trackingInfo": {of: "Tracking", args: []string{"first"}, page: true},
			"fulfillmentLineItems": {of: "FulfillmentLineConnection", args: page, page: true},
		},
		"Tracking":                  {"company": {}, "number": {}, "url": {}},
		"FulfillmentLineConnection": {"nodes": {of: "FulfillmentLine"}, "pageInfo": {of: "PageInfo"}},
		"FulfillmentLine":           {"id": {}, "quantity": {}, "lineItem": {of: "Line"}},
		"SetPayload":                {"inventoryAdjustmentGroup": {of: "Group"}, "userErrors": {of: "UserError"}},
		"Group":                     {"id": {}, "createdAt": {}, "reason": {}, "referenceDocumentUri": {}},
		"UserError":                 {"code": {}, "field": {}, "message": {}},
		"InventoryItem":             {"id": {}, "sku": {}, "tracked": {}, "duplicateSkuCount": {}, "inventoryLevel": {of: "Level", args: []string{"locationId!", "includeInactive"}}, "variants": {of: "VariantConnection", args: page, page: true}},
		"Level":                     {"id": {}, "isActive": {}, "updatedAt": {}, "quantities": {of: "Quantity", args: []string{"names!"}, list: "names"}},
		"Quantity":                  {"name": {}, "quantity": {}, "updatedAt": {}},
		"VariantConnection":         {"nodes": {of: "Variant"}, "pageInfo": {of: "PageInfo"}},
		"Variant":                   {"id": {}, "sku": {}, "title": {}, "product": {of: "Product"}, "inventoryItem": {of: "InventoryItem"}},
		"Product":                   {"id": {}, "title": {}, "status": {}},
		"PageInfo":                  {"hasNextPage": {}, "endCursor": {}},
		"OrderConnection":           {"nodes": {of: "Order"}, "pageInfo": {of: "PageInfo"}},
		"Order": {
			"id": {}, "name": {}, "createdAt": {}, "updatedAt": {}, "cancelledAt": {}, "test": {}, "displayFinancialStatus": {}, "displayFulfillmentStatus": {},
			"lineItems": {of: "LineConnection", args: page, page: true}, "fulfillmentOrders": {of: "PartConnection", args: page, page: true},
			"fulfillments": {of: "Fulfillment", args: []string{"first", "query"}, page: true},
		},
		"LineConnection":     {"nodes": {of: "Line"}, "pageInfo": {of: "PageInfo"}},
		"Line":               {"id": {}, "sku": {}, "quantity": {}, "currentQuantity": {}, "unfulfilledQuantity": {}, "variant": {of: "Variant"}},
		"PartConnection":     {"nodes": {of: "Part"}, "pageInfo": {of: "PageInfo"}},
		"Part":               {"id": {}, "status": {}, "assignedLocation": {of: "Assigned"}, "lineItems": {of: "PartLineConnection", args: page, page: true}},
		"Assigned":           {"location": {of: "Location"}},
		"Location":           {"id": {}, "name": {}},
		"PartLineConnection": {"nodes": {of: "PartLine"}, "pageInfo": {of: "PageInfo"}},
		"PartLine":           {"id": {}, "lineItem": {of: "Line"}, "remainingQuantity": {}, "totalQuantity": {}},
	}
}

// A schemaError is what a request is turned away with before anything runs.
type schemaError struct{ code, message string }

func (e *schemaError) Error() string { return e.message }

// check returns what is wrong with the fields of a type, and how many points they are worth.
func check(types map[string]map[string]typeField, of string, fields []field, vars map[string]any) (points int, err error) {
	for _, f := range fields {
		if f.on != "" {
			n, err := check(types, f.on, f.fields, vars)
			if err != nil {
				return 0, err
			}
			points += n
			continue
		}
		known, ok := types[of][f.name]
		if !ok {
			return 0, &schemaError{"undefinedField", fmt.Sprintf("Field '%s' doesn't exist on type '%s'", f.name, of)}
		}
		if err := checkArgs(of, f, known, vars); err != nil {
			return 0, err
		}
		switch {
		case known.of == "" && len(f.fields) > 0:
			return 0, &schemaError{"selectionMismatch", fmt.Sprintf("Selections can't be made on scalars (field '%s')", f.name)}
		case known.of != "" && len(f.fields) == 0:
			return 0, &schemaError{"selectionMismatch", fmt.Sprintf("Field must have selections (field '%s')", f.name)}
		case known.of == "":
			continue
		}
		n, err := check(types, known.of, f.fields, vars)
		if err != nil {
			return 0, err
		}
		points += worth(known, resolve(f.args, vars), n)
	}
	return points, nil
}

// worth counts an object as 1 with what is in it, a list and a page as often as there may be of it.
func worth(known typeField, args map[string]any, inside int) int {
	switch {
	case known.page:
		first, _ := args["first"].(int64)
		return 1 + int(first)*inside
	case known.list != "":
		list, _ := args[known.list].([]any)
		return len(list) * (1 + inside)
	}
	return 1 + inside
}

func checkArgs(of string, f field, known typeField, vars map[string]any) error {
	for name := range f.args {
		if !slices.Contains(known.args, name) && !slices.Contains(known.args, name+"!") {
			return &schemaError{"argumentNotAccepted", fmt.Sprintf("Field '%s' doesn't accept argument '%s'", f.name, name)}
		}
	}
	args := resolve(f.args, vars)
	for _, need := range known.args {
		if name, required := trimBang(need); required && args[name] == nil {
			return &schemaError{"missingRequiredArguments", fmt.Sprintf("Field '%s' is missing required arguments: %s (type '%s')", f.name, name, of)}
		}
	}
	return nil
}

func trimBang(s string) (name string, required bool) {
	if n := len(s) - 1; s[n] == '!' {
		return s[:n], true
	}
	return s, false
}

// resolve puts the variables' values into arguments.
func resolve(args, vars map[string]any) map[string]any {
	out := make(map[string]any, len(args))
	for name, v := range args {
		if ref, ok := v.(varRef); ok {
			v = vars[string(ref)]
		}
		out[name] = v
	}
	return out
}

// An object is a value with its fields: scalars, objects, lists of objects, or a resolver that takes arguments.
type object map[string]any

type resolver func(args map[string]any) any

// pick returns of a value what was asked for.
func pick(value any, fields []field, vars map[string]any) any {
	switch v := value.(type) {
	case nil:
		return nil
	case []object:
		list := make([]any, len(v))
		for i, o := range v {
			if o != nil {
				list[i] = pick(o, fields, vars)
			}
		}
		return list
	case object:
		if v == nil {
			return nil
		}
		out := map[string]any{}
		for _, f := range fields {
			if f.on != "" {
				if v["__typename"] == f.on {
					for name, got := range pick(v, f.fields, vars).(map[string]any) {
						out[name] = got
					}
				}
				continue
			}
			got := v[f.name]
			if r, ok := got.(resolver); ok {
				got = r(resolve(f.args, vars))
			}
			out[f.alias] = pick(got, f.fields, vars)
		}
		return out
	}
	return value
}
