package shopify_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/channelsim/shopify"
)

const (
	item     = "gid://shopify/InventoryItem/1"
	location = "gid://shopify/Location/7"
	push     = `mutation P($input: InventorySetQuantitiesInput!, $key: String!) { inventorySetQuantities(input: $input) @idempotent(key: $key) { inventoryAdjustmentGroup { id } userErrors { code field message } } }`
)

type fixture struct {
	t    *testing.T
	shop *shopify.Shop
	url  string
}

func start(t *testing.T) fixture {
	t.Helper()
	s := shopify.New("s", "tok", 1, channelsim.Faults{}, shopify.Options{})
	s.Put(channelsim.Place{Item: item, Location: location}, shopify.Product{SKU: "A", Status: "ACTIVE", Tracked: true}, 5)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return fixture{t, s, server.URL}
}

func (f fixture) post(path, token, body string) (int, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("X-Shopify-Access-Token", token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// ask posts a query with its variables, which are JSON.
func (f fixture) ask(query, variables string) string {
	f.t.Helper()
	text, err := json.Marshal(query)
	if err != nil {
		f.t.Fatal(err)
	}
	_, answer := f.post("/admin/api/2026-10/graphql.json", "tok", `{"query":`+string(text)+`,"variables":`+variables+`}`)
	return answer
}

func rows(rows ...string) string {
	return `{"key":"k","input":{"name":"available","reason":"correction","quantities":[` + strings.Join(rows, ",") + `]}}`
}

const good = `{"inventoryItemId":"` + item + `","locationId":"` + location + `","quantity":4,"changeFromQuantity":5}`

// It turns away what the real one turns away, in its words.
func TestStrict(t *testing.T) {
	for _, tt := range []struct{ name, query, variables, want string }{
		{"a good request", push, rows(good), `"userErrors":[]`},
		{"no directive", strings.Replace(push, "@idempotent(key: $key)", "", 1), rows(good), "The @idempotent directive is required"},
		{"the directive on the operation", "mutation P($input: InventorySetQuantitiesInput!, $key: String!) @idempotent(key: $key) { inventorySetQuantities(input: $input) { userErrors { code } } }", rows(good), "directiveCannotBeApplied"},
		{"no compare value", push, rows(strings.Replace(good, `,"changeFromQuantity":5`, "", 1)), "must include the following argument: changeFromQuantity"},
		{"null as the compare value", push, rows(strings.Replace(good, `Quantity":5`, `Quantity":null`, 1)), `"userErrors":[]`},
		{"a field of older versions", push, rows(strings.Replace(good, "changeFromQuantity", "compareQuantity", 1)), "Field is not defined on InventoryQuantityInput"},
		{"an option of older versions", push, strings.Replace(rows(good), `"name"`, `"ignoreCompareQuantity":true,"name"`, 1), "Field is not defined on InventorySetQuantitiesInput"},
		{"a variable that is not declared", push, strings.Replace(rows(good), `"key"`, `"more":1,"key"`, 1), "INVALID_VARIABLE"},
		{"a field that does not exist", "query { nodes(ids: [\"" + item + "\"]) { ... on InventoryItem { quantity } } }", "{}", "Field 'quantity' doesn't exist on type 'InventoryItem'"},
		{"a page without its size", "query { orders { nodes { id } } }", "{}", "missing required arguments: first"},
		{"an argument that does not exist", "query { orders(first: 1, since: 3) { nodes { id } } }", "{}", "doesn't accept argument 'since'"},
		{"a query that is worth too much", "query { orders(first: 250) { nodes { id lineItems(first: 10) { nodes { id } } } } }", "{}", "MAX_COST_EXCEEDED"},
		{"no GraphQL", "{ nodes", "{}", "syntax error"},
		{"too many rows", push, rows(strings.Split(strings.Repeat(good+";", 250)+good, ";")...), "The input array size of 251 is greater than the maximum allowed of 250."},
		{"a row twice", push, rows(good, good), "must be unique"},
		{"an item that is not there", push, rows(strings.Replace(good, "InventoryItem/1", "InventoryItem/2", 1)), "could not be found"},
		{"an id that is none", push, rows(strings.Replace(good, item, "1", 1)), "INVALID_VARIABLE"},
		{"too high", push, rows(strings.Replace(good, ":4", ":1000000001", 1)), "INVALID_QUANTITY_TOO_HIGH"},
		{"another name", push, strings.Replace(rows(good), "available", "committed", 1), "INVALID_NAME"},
		{"another reason", push, strings.Replace(rows(good), "correction", "because", 1), "INVALID_REASON"},
		{"stale, without saying which", push, rows(strings.Replace(good, `Quantity":5`, `Quantity":6`, 1)), `{"code":"CHANGE_FROM_QUANTITY_STALE","field":null`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t)
			if answer := f.ask(tt.query, tt.variables); !strings.Contains(answer, tt.want) {
				t.Errorf("answer %s, want %q in it", answer, tt.want)
			}
			level, _ := f.shop.Level(channelsim.Place{Item: item, Location: location})
			if applied := strings.Contains(tt.want, `"userErrors":[]`); (level == 4) != applied {
				t.Errorf("the level is %d, applied should be %t", level, applied)
			}
		})
	}
	f := start(t)
	if code, _ := f.post("/admin/api/2026-10/graphql.json", "another", "{}"); code != http.StatusUnauthorized {
		t.Errorf("status %d for another token, want 401", code)
	}
	if code, _ := f.post("/admin/api/2019-01/graphql.json", "tok", "{}"); code != http.StatusNotFound {
		t.Errorf("status %d for another version, want 404", code)
	}
}

// A key is answered once; one that failed is worth nothing any more; another body under it is refused.
func TestKeys(t *testing.T) {
	f := start(t)
	stale := rows(strings.Replace(good, `Quantity":5`, `Quantity":9`, 1))
	for _, tt := range []struct{ key, variables, want string }{
		{"a", rows(good), `"userErrors":[]`},
		{"a", rows(good), `"userErrors":[]`}, // the level is 4 by now: it is the first answer, not another set
		{"a", stale, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"},
		{"b", stale, "CHANGE_FROM_QUANTITY_STALE"},
		{"b", stale, "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"},
	} {
		answer := f.ask(push, strings.Replace(tt.variables, `"key":"k"`, `"key":"`+tt.key+`"`, 1))
		if !strings.Contains(answer, tt.want) {
			t.Errorf("key %s: %s, want %q in it", tt.key, answer, tt.want)
		}
	}
	if n := len(f.shop.Changes()); n != 2 {
		t.Errorf("%d changes, want the merchant's and one set", n)
	}
}

// A shopper's order lowers the level before anybody is told, and a cancel gives back what it is told to.
func TestShoppers(t *testing.T) {
	f := start(t)
	place := channelsim.Place{Item: item, Location: location}
	first, ok := f.shop.Buy(time.Now(), 2, place)
	second, ok2 := f.shop.Buy(time.Now(), 2, place)
	if _, more := f.shop.Buy(time.Now(), 2, place); !ok || !ok2 || more {
		t.Fatal("5 units must serve two orders of 2, and no third")
	}
	f.shop.CancelOrder(first.ID, true, time.Now())
	f.shop.CancelOrder(second.ID, false, time.Now())
	if level, _ := f.shop.Level(place); level != 3 || f.shop.Sold(place) != 0 {
		t.Errorf("the level is %d with %d sold, want 3 and 0", level, f.shop.Sold(place))
	}
}

// A shop that begins again knows its orders, its levels and the keys that it has answered, and gives no id out twice.
func TestAShopThatBeginsAgain(t *testing.T) {
	f := start(t)
	place := channelsim.Place{Item: item, Location: location}
	f.ask(push, rows(good))
	kept, ok := f.shop.Buy(time.Now(), 2, place)
	text, err := json.Marshal(f.shop.Save())
	if err != nil || !ok {
		t.Fatal(err, ok)
	}
	again := start(t)
	var st channelsim.State
	if err := json.Unmarshal(text, &st); err != nil {
		t.Fatal(err)
	}
	if err := again.shop.Restore(st); err != nil {
		t.Fatal(err)
	}
	if level, _ := again.shop.Level(place); level != 2 || again.shop.Sold(place) != 2 {
		t.Errorf("the level is %d with %d sold, want 2 and 2", level, again.shop.Sold(place))
	}
	// The level is another by now: a key that was forgotten would be stale.
	if answer := again.ask(push, rows(good)); !strings.Contains(answer, `"userErrors":[]`) {
		t.Errorf("the key's second answer is %s", answer)
	}
	if next, ok := again.shop.Buy(time.Now(), 1, place); !ok || next.ID == kept.ID {
		t.Errorf("the next order is %q, which was given out before", next.ID)
	}
	if !again.shop.CancelOrder(kept.ID, true, time.Now()) {
		t.Error("the order of before cannot be cancelled")
	}
	if level, _ := again.shop.Level(place); level != 3 || again.shop.Sold(place) != 1 {
		t.Errorf("the level is %d with %d sold, want 3 and 1", level, again.shop.Sold(place))
	}
}
