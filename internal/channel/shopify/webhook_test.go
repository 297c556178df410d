package shopify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/channel/shopify"
	"github.com/shelfwire/shelfwire/internal/signature"
)

// postedOrder is of the shape that a shop posts, with a customer that nobody must ever see again.
const postedOrder = `{"id":5551234567890123456,"admin_graphql_api_id":"gid://shopify/Order/5551234567890123456","email":"jeanne@example.com",
"created_at":"2026-11-20T05:00:00-05:00","updated_at":"2026-11-20T05:00:05-05:00","cancelled_at":null,"test":false,"financial_status":"paid",
"customer":{"first_name":"Jeanne"},"shipping_address":{"name":"Jeanne Doe","address1":"1 rue X"},
"line_items":[{"id":11,"sku":"SHIRT","variant_id":21,"name":"Chemise","quantity":2,"current_quantity":2,"fulfillable_quantity":2},
{"id":12,"sku":null,"variant_id":null,"name":"Tip","quantity":1,"current_quantity":1}],"fulfillments":[]}`

func sign(secret, body string) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func open(t *testing.T, topic, signed, body string) (string, error) {
	t.Helper()
	w, err := shopify.NewWebhooks("acme", "shop", []string{"new", "old"})
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	header.Set("x-shopify-topic", topic)
	header.Set("x-shopify-hmac-sha256", signed)
	got, err := w.Open(header, []byte(body), 0)
	if got.ID != "" || got.ContentType != "" {
		t.Errorf("Open() = %+v, want neither an id nor a content type: orders need none", got)
	}
	return string(got.Events), err
}

const paidOrder = `{"order":{"pool":"acme","channel":"shop","order_id":"5551234567890123456","status":"open","placed_at":"2026-11-20T10:00:00Z",` +
	`"updated_at":"2026-11-20T10:00:05Z","read_at":"2026-11-20T10:00:05Z","fulfilled_by":"merchant"`

func TestAWebhooksOrder(t *testing.T) {
	edit := func(pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(postedOrder, pairs[i]) {
				t.Fatalf("the order has no %s", pairs[i])
			}
		}
		return strings.NewReplacer(pairs...).Replace(postedOrder)
	}
	shipped := `"fulfillments":[{"status":"success","line_items":[{"id":11,"quantity":1}]},{"status":"cancelled","line_items":[{"id":11,"quantity":1}]}]`
	for _, tt := range []struct {
		name, topic, body string
		want              []string // begins, then parts
	}{
		{"placed", "orders/create", postedOrder, []string{paidOrder, `"state":"paid"`, `"line_id":"11","sku":"SHIRT","item":"","quantity":2,"fulfilled":0`}},
		{"partly despatched", "orders/partially_fulfilled", edit(`"fulfillments":[]`, shipped), []string{paidOrder, `"quantity":2,"fulfilled":1`}},
		{"despatched", "orders/fulfilled", edit(`"fulfillments":[]`, strings.ReplaceAll(shipped, "cancelled", "success")), []string{"", `"status":"shipped"`, `"quantity":2,"fulfilled":2`}},
		{"cancelled", "orders/cancelled", edit(`"cancelled_at":null`, `"cancelled_at":"2026-11-20T05:00:05-05:00"`, `"current_quantity":2`, `"current_quantity":0`), []string{"", `"status":"cancelled"`, `"quantity":2`}},
		{"less than at first", "orders/updated", edit(`"current_quantity":2`, `"current_quantity":1`), []string{"", `"quantity":2`, "\n", `"quantity":1`}},
		{"a trial", "orders/create", edit(`"test":false`, `"test":true`), nil},
		{"a product without SKU", "orders/create", edit(`"sku":"SHIRT"`, `"sku":""`), nil},
		{"no whole order", "orders/edited", `{"order_edit":{}}`, nil},
		{"gone", "orders/delete", `{"id":1}`, nil},
		{"something else", "products/update", `{"id":1}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, secret := range []string{"new", "old"} {
				got, err := open(t, tt.topic, sign(secret, tt.body), tt.body)
				if err != nil || (got == "") != (tt.want == nil) {
					t.Fatalf("Open() = %s, %v", got, err)
				}
				for i, part := range tt.want {
					if i == 0 && !strings.HasPrefix(got, part) || !strings.Contains(got, part) {
						t.Errorf("Open() = %s, want %s", got, part)
					}
				}
				if strings.Contains(got, "eanne") || strings.Contains(got, "Tip") {
					t.Errorf("Open() = %s", got)
				}
			}
		})
	}
}

func TestAWebhookThatIsNotOurs(t *testing.T) {
	reencoded := strings.ReplaceAll(postedOrder, "\n", "")
	for name, signed := range map[string]string{
		"none": "", "no base64": "!", "another secret": sign("other", reencoded), "of the body before it was encoded again": sign("new", postedOrder),
	} {
		if got, err := open(t, "orders/create", signed, reencoded); !errors.Is(err, signature.ErrInvalid) || got != "" {
			t.Errorf("%s: Open() = %s, %v, want ErrInvalid", name, got, err)
		}
	}
}

func TestAnUnreadableOrderIsNotRepeated(t *testing.T) {
	for _, body := range []string{
		`{"email":"jeanne@example.com"`, `{"id":"jeanne"}`, `{"id":1}`, `{"id":1,"created_at":"jeanne"}`, strings.Replace(postedOrder, `"id":11`, `"id":1.5`, 1),
	} {
		got, err := open(t, "orders/create", sign("new", body), body)
		if err == nil || errors.Is(err, signature.ErrInvalid) || got != "" || strings.Contains(err.Error(), "eanne") {
			t.Errorf("Open(%s) = %s, %v", body, got, err)
		}
	}
}

func TestWebhooksNeedASecret(t *testing.T) {
	for _, secrets := range [][]string{nil, {""}, {"a", ""}} {
		if _, err := shopify.NewWebhooks("acme", "shop", secrets); err == nil {
			t.Errorf("NewWebhooks(%q) = nil", secrets)
		}
	}
}
