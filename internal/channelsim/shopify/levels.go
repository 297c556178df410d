package shopify

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// keysLast is how long an idempotency key is remembered.
const keysLast = 24 * time.Hour

// A remembered key has what was asked and whether it was done.
type remembered struct {
	Asked string    `json:"asked"`
	Done  bool      `json:"done"`
	At    time.Time `json:"at"`
}

// reasons are the ones that the shop knows.
func reasons() []string {
	return strings.Fields(`correction cycle_count_available damaged movement_canceled movement_created movement_received movement_updated
		other promotion quality_control received reservation_created reservation_deleted reservation_updated restock safety_stock shrinkage`)
}

// mutation runs the operation's only field.
func (s *Shop) mutation(op operation, vars map[string]any) (object, error) {
	if len(op.fields) != 1 {
		return nil, &schemaError{"BAD_REQUEST", "one mutation at a time is simulated"}
	}
	f := op.fields[0]
	if f.name == "fulfillmentCreate" {
		in, err := fulfilmentInput(resolve(f.args, vars)["fulfillment"])
		if err != nil {
			return nil, err
		}
		return object{f.name: s.fulfil(in)}, nil
	}
	key := ""
	for _, d := range f.directives {
		if d.name != "idempotent" {
			return nil, &schemaError{"undefinedDirective", "Directive @" + d.name + " is not defined"}
		}
		key, _ = resolve(d.args, vars)["key"].(string)
	}
	if strings.TrimSpace(key) == "" {
		return nil, &schemaError{"BAD_REQUEST", "The @idempotent directive is required for this mutation but was not provided."}
	}
	rows, input, err := setInput(resolve(f.args, vars)["input"])
	if err != nil {
		return nil, err
	}
	return object{f.name: s.set(key, input, rows)}, nil
}

// setInput reads the input as strictly as its type is defined.
func setInput(v any) (rows []channelsim.Set, input map[string]any, err error) {
	input, ok := v.(map[string]any)
	if !ok {
		return nil, nil, invalid("was provided invalid value", "Expected value to not be null")
	}
	for name := range input {
		if !slices.Contains([]string{"name", "reason", "referenceDocumentUri", "quantities"}, name) {
			return nil, nil, invalid("was provided invalid value for "+name, "Field is not defined on InventorySetQuantitiesInput")
		}
	}
	_, named := input["name"].(string)
	_, reasoned := input["reason"].(string)
	list, listed := input["quantities"].([]any)
	if !named || !reasoned || !listed {
		return nil, nil, invalid("was provided invalid value", "Expected value to not be null")
	}
	for i, q := range list {
		row, err := setRow(i, q)
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, row)
	}
	return rows, input, nil
}

func setRow(i int, v any) (channelsim.Set, error) {
	at := fmt.Sprintf("was provided invalid value for quantities.%d.", i)
	q, _ := v.(map[string]any)
	for name := range q {
		if !slices.Contains([]string{"inventoryItemId", "locationId", "quantity", "changeFromQuantity"}, name) {
			return channelsim.Set{}, invalid(at+name, "Field is not defined on InventoryQuantityInput")
		}
	}
	item, okItem := q["inventoryItemId"].(string)
	location, okLocation := q["locationId"].(string)
	quantity, okQuantity := q["quantity"].(int64)
	if !okItem || !okLocation || !okQuantity || quantity > 1<<31-1 || quantity < -1<<31 {
		return channelsim.Set{}, invalid(at+"quantity", "Expected value to not be null, ids to be strings and quantities 32 bits")
	}
	if !strings.HasPrefix(item, "gid://shopify/InventoryItem/") || !strings.HasPrefix(location, "gid://shopify/Location/") {
		return channelsim.Set{}, invalid(at+"inventoryItemId", "Invalid global id")
	}
	from, there := q["changeFromQuantity"]
	if !there {
		return channelsim.Set{}, &schemaError{"INVALID_FIELD_ARGUMENTS", "InventoryQuantityInput must include the following argument: changeFromQuantity."}
	}
	set := channelsim.Set{Place: channelsim.Place{Item: item, Location: location}, Quantity: stock.Quantity(quantity)}
	if n, ok := from.(int64); ok {
		compare := stock.Quantity(n)
		set.Compare = &compare
	} else if from != nil {
		return channelsim.Set{}, invalid(at+"changeFromQuantity", "Could not coerce value to Int")
	}
	return set, nil
}

func invalid(where, why string) error {
	return &schemaError{"INVALID_VARIABLE", "Variable $input of type InventorySetQuantitiesInput! " + where + " (" + why + ")"}
}

// set does what the input asks, once per key.
func (s *Shop) set(key string, input map[string]any, rows []channelsim.Set) object {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, asked := time.Now(), string(marshal(input))
	if known, ok := s.keys[key]; ok && now.Before(known.At.Add(keysLast)) {
		switch {
		case known.Asked != asked:
			return payload(userError("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", nil, "The same idempotency key cannot be used with different operation parameters."))
		case !known.Done:
			return payload(userError("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", nil, "A previous request with this idempotency key failed. Retry with a new idempotency key."))
		}
		return done(key, input, now)
	}
	errs := s.wrong(input, rows)
	if len(errs) == 0 {
		for _, i := range s.UpdateAll(rows, key, !s.options.Partial) {
			var path []string
			if s.options.NamesStale {
				path = []string{"input", "quantities", strconv.Itoa(i), "changeFromQuantity"}
			}
			errs = append(errs, userError("CHANGE_FROM_QUANTITY_STALE", path, "The changeFromQuantity argument no longer matches the persisted quantity."))
		}
		if !s.options.NamesStale && len(errs) > 1 {
			errs = errs[:1]
		}
	}
	s.keys[key] = remembered{asked, len(errs) == 0, now}
	if len(errs) > 0 {
		return payload(errs...)
	}
	return done(key, input, now)
}

// wrong returns what is wrong with the rows, all of it.
func (s *Shop) wrong(input map[string]any, rows []channelsim.Set) (errs []object) {
	if name := input["name"]; name != "available" && name != "on_hand" {
		errs = append(errs, userError("INVALID_NAME", []string{"input", "name"}, "The quantity name must be either 'available' or 'on_hand'."))
	}
	if reason, _ := input["reason"].(string); !slices.Contains(reasons(), reason) {
		errs = append(errs, userError("INVALID_REASON", []string{"input", "reason"}, "The specified reason is invalid. Valid values are: "+strings.Join(reasons(), ", ")+"."))
	}
	seen := map[channelsim.Place]bool{}
	for i, r := range rows {
		at := func(field string) []string { return []string{"input", "quantities", strconv.Itoa(i), field} }
		if _, ok := s.products[r.Place.Item]; !ok {
			errs = append(errs, userError("INVALID_INVENTORY_ITEM", at("inventoryItemId"), "The specified inventory item could not be found."))
		}
		if seen[r.Place] {
			errs = append(errs, userError("NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", at("locationId"), "The combination of inventoryItemId and locationId must be unique."))
		}
		seen[r.Place] = true
		if r.Quantity > 1e9 {
			errs = append(errs, userError("INVALID_QUANTITY_TOO_HIGH", at("quantity"), "The quantity can't be higher than 1,000,000,000."))
		}
		if r.Quantity < -1e9 {
			errs = append(errs, userError("INVALID_QUANTITY_TOO_LOW", at("quantity"), "The quantity can't be lower than -1,000,000,000."))
		}
	}
	return errs
}

func userError(code string, path []string, message string) object {
	return object{"code": code, "field": path, "message": message}
}

func payload(errs ...object) object {
	return object{"inventoryAdjustmentGroup": nil, "userErrors": errs}
}

func done(key string, input map[string]any, now time.Time) object {
	return object{"userErrors": []object{}, "inventoryAdjustmentGroup": object{
		"id": "gid://shopify/InventoryAdjustmentGroup/" + key, "createdAt": now.UTC().Format(time.RFC3339), "reason": input["reason"],
		"referenceDocumentUri": input["referenceDocumentUri"],
	}}
}

// query is what can be asked.
func (s *Shop) query() object {
	return object{
		"nodes": resolver(func(args map[string]any) any {
			ids, _ := args["ids"].([]any)
			list := make([]object, len(ids))
			for i, id := range ids {
				if text, ok := id.(string); ok {
					list[i] = s.item(text)
				}
			}
			return list
		}),
		"productVariants": resolver(s.variants),
		"orders":          resolver(s.ordersPage),
		"order":           resolver(func(args map[string]any) any { return s.orderNode(args["id"]) }),
	}
}

// variants answers a page of all variants, each its product's only one.
func (s *Shop) variants(args map[string]any) any {
	s.mu.Lock()
	items := slices.Sorted(maps.Keys(s.products))
	s.mu.Unlock()
	list := make([]object, 0, len(items))
	for _, id := range items {
		s.mu.Lock()
		p := s.products[id]
		s.mu.Unlock()
		list = append(list, object{
			"id": "gid://shopify/ProductVariant/" + number(id), "sku": p.SKU, "title": "Default Title",
			"product": object{"id": "gid://shopify/Product/" + number(id), "title": p.Title, "status": p.Status}, "inventoryItem": s.item(id),
		})
	}
	return pageOf(list)(args)
}

// item returns an inventory item, nil for one that is not there.
func (s *Shop) item(id string) object {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.products[id]
	if !ok {
		return nil
	}
	number := id[strings.LastIndexByte(id, '/')+1:]
	product := object{"id": "gid://shopify/Product/" + number, "title": p.Title, "status": p.Status}
	return object{
		"__typename": "InventoryItem", "id": id, "sku": p.SKU, "tracked": p.Tracked, "duplicateSkuCount": 0,
		"variants": resolver(func(map[string]any) any {
			return object{"pageInfo": object{"hasNextPage": false}, "nodes": []object{{"id": "gid://shopify/ProductVariant/" + number, "sku": p.SKU, "product": product}}}
		}),
		"inventoryLevel": resolver(func(args map[string]any) any { return s.level(id, number, args) }),
	}
}

func (s *Shop) level(item, number string, args map[string]any) any {
	location, _ := args["locationId"].(string)
	place := channelsim.Place{Item: item, Location: location}
	level, ok := s.Level(place)
	s.mu.Lock()
	active := s.stocked[place]
	s.mu.Unlock()
	if inactive, _ := args["includeInactive"].(bool); !ok || !active && !inactive {
		return nil
	}
	return object{
		"id": "gid://shopify/InventoryLevel/" + number + "?inventory_item_id=" + number, "isActive": active,
		"quantities": resolver(func(args map[string]any) any {
			names, _ := args["names"].([]any)
			var list []object
			for _, name := range names {
				quantity := stock.Quantity(0)
				if name == "available" || name == "on_hand" {
					quantity = level
				}
				list = append(list, object{"name": name, "quantity": quantity})
			}
			return list
		}),
	}
}
