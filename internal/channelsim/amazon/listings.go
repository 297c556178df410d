package amazon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A patchRequest is the body of patchListingsItem, as far as a quantity needs it.
type patchRequest struct {
	ProductType string `json:"productType"`
	Patches     []struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value []struct {
			Channel  string `json:"fulfillment_channel_code"`
			Quantity *int64 `json:"quantity"`
		} `json:"value"`
	} `json:"patches"`
}

// wellFormed reports whether the patch is one of a quantity.
func (p *patchRequest) wellFormed() bool {
	if p.ProductType == "" || len(p.Patches) != 1 {
		return false
	}
	only := &p.Patches[0]
	return slices.Contains([]string{"add", "replace", "merge", "delete"}, only.Op) && only.Path == "/attributes/fulfillment_availability" && len(only.Value) == 1
}

// wrong returns the issue with the patch's quantity, nil for none.
func (p *patchRequest) wrong(sku string) map[string]any {
	v := p.Patches[0].Value[0]
	if v.Quantity != nil && *v.Quantity >= 0 && *v.Quantity <= 1<<31 && v.Channel == "DEFAULT" {
		return nil
	}
	return map[string]any{
		"code": "90244", "severity": "ERROR", "attributeNames": []string{"fulfillment_availability"}, "categories": []string{"INVALID_ATTRIBUTE"},
		"message": fmt.Sprintf("'%s' has an invalid value for 'quantity'.", sku),
	}
}

// parameters returns an answer to a query that holds any other parameter, ok true where it holds none.
func parameters(q url.Values, allowed ...string) (answer, bool) {
	for name := range q {
		if name != "marketplaceIds" && !slices.Contains(allowed, name) {
			return failure(http.StatusBadRequest, "InvalidInput", "Unknown parameter '"+name+"'."), false
		}
	}
	return answer{}, true
}

// patch takes in a new quantity. What is wrong with the request is said with 400, what is wrong with the listing's data with INVALID.
func (s *Shop) patch(r *http.Request, body []byte, now time.Time) answer {
	if a, ok := parameters(r.URL.Query(), "includedData", "mode", "issueLocale"); !ok {
		return a
	}
	var in patchRequest
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil || in.ProductType == "" || len(in.Patches) != 1 {
		return failure(http.StatusBadRequest, "InvalidInput", "The provided request body is invalid.")
	}
	sku := r.PathValue("sku")
	if !in.wellFormed() {
		return failure(http.StatusBadRequest, "InvalidInput", "The provided patches are invalid.")
	}
	if _, ok := s.Level(channelsim.Place{Item: sku}); !ok {
		return failure(http.StatusNotFound, "NotFound", "SKU '"+sku+"' not found in marketplace "+s.credentials.Marketplace+".")
	}
	p, v := in.Patches[0], in.Patches[0].Value[0]
	if wrong := in.wrong(sku); wrong != nil {
		return answer{http.StatusOK, map[string]any{"sku": sku, "status": "INVALID", "submissionId": "submission-0", "issues": []any{wrong}}}
	}
	if p.Op != "merge" { // it wipes the value's siblings
		s.mu.Lock()
		delete(s.leads, sku)
		s.mu.Unlock()
	}
	id := s.accept(sku, stock.Quantity(*v.Quantity), now)
	return answer{http.StatusOK, map[string]any{"sku": sku, "status": "ACCEPTED", "submissionId": id, "issues": []any{}}}
}

func (s *Shop) get(r *http.Request, _ []byte, _ time.Time) answer {
	if a, ok := parameters(r.URL.Query(), "includedData", "issueLocale"); !ok {
		return a
	}
	if l := s.listing(r.PathValue("sku"), r.URL.Query()); l != nil {
		return answer{http.StatusOK, l}
	}
	return failure(http.StatusNotFound, "NotFound", "SKU '"+r.PathValue("sku")+"' not found in marketplace "+s.credentials.Marketplace+".")
}

func (s *Shop) search(r *http.Request, _ []byte, _ time.Time) answer {
	q := r.URL.Query()
	if a, ok := parameters(q, "includedData", "issueLocale", "identifiers", "identifiersType", "pageSize", "pageToken"); !ok {
		return a
	}
	if !q.Has("identifiers") {
		return s.page(q)
	}
	skus := strings.Split(q.Get("identifiers"), ",")
	if len(skus) > 20 || q.Get("identifiersType") != "SKU" {
		return failure(http.StatusBadRequest, "InvalidInput", "At most 20 identifiers of one type are allowed.")
	}
	items := []any{}
	for _, sku := range skus {
		if l := s.listing(sku, q); l != nil {
			items = append(items, l)
		}
	}
	return answer{http.StatusOK, map[string]any{"numberOfResults": len(items), "pagination": map[string]any{}, "items": items}}
}

// page answers a part of all listings. Its token is a place among them.
func (s *Shop) page(q url.Values) answer {
	size, err := strconv.Atoi(q.Get("pageSize"))
	start := 0
	if token := q.Get("pageToken"); err == nil && token != "" {
		start, err = strconv.Atoi(token)
	}
	if err != nil || size < 1 || size > 20 || start < 0 || q.Has("identifiersType") {
		return failure(http.StatusBadRequest, "InvalidInput", "pageSize must be between 1 and 20, and pageToken one that was given out.")
	}
	places := s.Places()
	end := min(len(places), start+size)
	items := []any{}
	for _, p := range places[min(start, end):end] {
		items = append(items, s.listing(p.Item, q))
	}
	pagination := map[string]any{}
	if end < len(places) {
		pagination["nextToken"] = strconv.Itoa(end)
	}
	return answer{http.StatusOK, map[string]any{"numberOfResults": len(places), "pagination": pagination, "items": items}}
}

// listing returns what is asked for of a listing, nil for one that is not there.
func (s *Shop) listing(sku string, q url.Values) map[string]any {
	level, ok := s.Level(channelsim.Place{Item: sku})
	if !ok {
		return nil
	}
	l := map[string]any{"sku": sku}
	if slices.Contains(strings.Split(q.Get("includedData"), ","), "fulfillmentAvailability") {
		entry := map[string]any{"fulfillmentChannelCode": s.Ships(sku)}
		if s.Ships(sku) == "DEFAULT" {
			entry["quantity"] = level
		}
		l["fulfillmentAvailability"] = []any{entry}
	}
	if slices.Contains(strings.Split(q.Get("includedData"), ","), "summaries") {
		s.mu.Lock()
		name := s.titles[sku]
		s.mu.Unlock()
		l["summaries"] = []any{map[string]any{"marketplaceId": s.credentials.Marketplace, "itemName": name, "status": []string{"BUYABLE"}}}
	}
	return l
}
