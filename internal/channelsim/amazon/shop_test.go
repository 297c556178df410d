package amazon_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/channelsim/amazon"
	"github.com/shelfwire/shelfwire/internal/stock"
)

const (
	path = "/listings/2021-08-01/items/SELLER"
	good = `{"productType":"PRODUCT","patches":[{"op":"merge","path":"/attributes/fulfillment_availability","value":[{"fulfillment_channel_code":"DEFAULT","quantity":4}]}]}`
)

type fixture struct {
	t    *testing.T
	shop *amazon.Shop
	url  string
}

func start(t *testing.T, o amazon.Options) fixture {
	t.Helper()
	s := amazon.New("a", amazon.Credentials{ClientID: "app", Secret: "s", Refresh: "r", Seller: "SELLER", Marketplace: "M"}, 1, channelsim.Faults{}, o)
	s.Put("A/1", 5)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return fixture{t, s, server.URL}
}

func (f fixture) token() string {
	f.t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"app"}, "client_secret": {"s"}, "refresh_token": {"r"}}
	_, body := f.send(http.MethodPost, "/auth/o2/token", "", "application/x-www-form-urlencoded", form.Encode())
	_, after, _ := strings.Cut(body, `"access_token":"`)
	token, _, _ := strings.Cut(after, `"`)
	return token
}

func (f fixture) send(method, path, token, kind, body string) (*http.Response, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("X-Amz-Access-Token", token)
	req.Header.Set("X-Amz-Date", "20261120T100000Z")
	req.Header.Set("User-Agent", "test")
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp, string(answer)
}

func (f fixture) level() stock.Quantity {
	l, _ := f.shop.Level(channelsim.Place{Item: "A/1"})
	return l
}

// It turns away what the real one turns away, in its dress.
func TestStrict(t *testing.T) {
	item := path + "/A%2F1?marketplaceIds=M"
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"a good patch", http.MethodPatch, item, good, 200, `"status":"ACCEPTED"`},
		{"a listing that is not there", http.MethodPatch, path + "/B?marketplaceIds=M", good, 404, "NotFound"},
		{"a SKU that is not escaped", http.MethodPatch, path + "/A/1?marketplaceIds=M", good, 404, ""},
		{"another seller", http.MethodPatch, strings.Replace(item, "SELLER", "OTHER", 1), good, 403, "Unauthorized"},
		{"no marketplace", http.MethodPatch, path + "/A%2F1", good, 400, "marketplaceIds"},
		{"a parameter that does not exist", http.MethodPatch, item + "&level=1", good, 400, "InvalidInput"},
		{"a field that does not exist", http.MethodPatch, item, strings.Replace(good, `"quantity":4`, `"quantity":4,"level":4`, 1), 400, "InvalidInput"},
		{"no product type", http.MethodPatch, item, strings.Replace(good, `"PRODUCT"`, `""`, 1), 400, "InvalidInput"},
		{"another operation", http.MethodPatch, item, strings.Replace(good, "merge", "set", 1), 400, "InvalidInput"},
		{"another attribute's path", http.MethodPatch, item, strings.Replace(good, "/attributes", "", 1), 400, "InvalidInput"},
		{"a quantity below zero", http.MethodPatch, item, strings.Replace(good, ":4", ":-4", 1), 200, `"status":"INVALID"`},
		{"too many identifiers", http.MethodGet, path + "?marketplaceIds=M&identifiersType=SKU&identifiers=" + strings.Repeat("A,", 20) + "A", "", 400, "20 identifiers"},
		{"identifiers without their type", http.MethodGet, path + "?marketplaceIds=M&identifiers=A", "", 400, "InvalidInput"},
		{"a read without what is wanted", http.MethodGet, item, "", 200, `{"sku":"A/1"}`},
		{"a read", http.MethodGet, item + "&includedData=fulfillmentAvailability", "", 200, `"quantity":5`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, amazon.Options{})
			resp, answer := f.send(tt.method, tt.path, f.token(), "application/json", tt.body)
			if resp.StatusCode != tt.status || !strings.Contains(answer, tt.want) {
				t.Errorf("%d %s, want %d with %q", resp.StatusCode, answer, tt.status, tt.want)
			}
			if applied := strings.Contains(tt.want, "ACCEPTED"); (f.level() == 4) != applied {
				t.Errorf("the level is %d, applied should be %t", f.level(), applied)
			}
		})
	}
	f := start(t, amazon.Options{})
	if resp, answer := f.send(http.MethodPatch, item, "Atza|old", "application/json", good); resp.StatusCode != 403 || !strings.Contains(answer, "expired") {
		t.Errorf("%d %s for an old token, want 403", resp.StatusCode, answer)
	}
}

// A plan holds five calls, and says of the sixth nothing but that it was too many.
func TestThrottles(t *testing.T) {
	f := start(t, amazon.Options{})
	token := f.token()
	for range 5 {
		f.send(http.MethodPatch, path+"/A%2F1?marketplaceIds=M", token, "application/json", good)
	}
	resp, answer := f.send(http.MethodPatch, path+"/A%2F1?marketplaceIds=M", token, "application/json", good)
	if resp.StatusCode != 429 || !strings.Contains(answer, "QuotaExceeded") || resp.Header.Get("Retry-After") != "" || resp.Header.Get("X-Amzn-Ratelimit-Limit") != "" {
		t.Errorf("%d %s %v, want a bare 429", resp.StatusCode, answer, resp.Header)
	}
}

// What was accepted is applied later, not always in the order in which it was, or never; a replace wipes the lead time.
func TestAppliesLater(t *testing.T) {
	f := start(t, amazon.Options{Later: time.Hour, Unlimited: true})
	token := f.token()
	for _, quantity := range []string{":1", ":2", ":3", ":4"} {
		f.send(http.MethodPatch, path+"/A%2F1?marketplaceIds=M", token, "application/json", strings.Replace(good, ":4", quantity, 1))
	}
	if f.level() != 5 {
		t.Errorf("the level is %d at once, want 5", f.level())
	}
	f.shop.Apply(time.Now().Add(time.Hour))
	if n := len(f.shop.Changes()); n != 5 {
		t.Errorf("%d changes, want the merchant's and four", n)
	}
	var order []stock.Quantity
	for _, c := range f.shop.Changes()[1:] {
		order = append(order, c.After)
	}
	if slices.IsSorted(order) {
		t.Errorf("they landed in the order %v, want another", order)
	}
	f.send(http.MethodPatch, path+"/A%2F1?marketplaceIds=M", token, "application/json", strings.Replace(good, "merge", "replace", 1))
	if f.shop.LeadTime("A/1") != 0 {
		t.Error("a replace has left the lead time")
	}
	lost := start(t, amazon.Options{Lost: 1000})
	lost.send(http.MethodPatch, path+"/A%2F1?marketplaceIds=M", lost.token(), "application/json", good)
	if lost.shop.Apply(time.Now().Add(time.Hour)); lost.level() != 5 {
		t.Errorf("the level is %d, want 5: what was accepted is lost", lost.level())
	}
}
