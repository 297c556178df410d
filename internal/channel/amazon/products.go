package amazon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
)

// ItemName implements [publisher.CatalogueSource]: a listing is called by the seller's SKU.
func (c *Connector) ItemName() string { return "" }

// Products implements [publisher.CatalogueSource].
func (c *Connector) Products(ctx context.Context, page string) (publisher.ProductPage, error) {
	query := url.Values{"includedData": {"summaries,fulfillmentAvailability"}, "pageSize": {fmt.Sprint(maxIdentifiers)}}
	if page != "" {
		query.Set("pageToken", page)
	}
	answer, _, err := c.call(ctx, c.searches, http.MethodGet, c.itemPath("", query), nil)
	if err != nil {
		return publisher.ProductPage{}, err
	}
	var out struct {
		Total      int `json:"numberOfResults"`
		Pagination struct {
			Next string `json:"nextToken"`
		} `json:"pagination"`
		Items *[]*struct {
			listed
			Summaries []struct {
				Name string `json:"itemName"`
			} `json:"summaries"`
		} `json:"items"`
	}
	if err := json.Unmarshal(answer.Body, &out); err != nil || out.Items == nil {
		return publisher.ProductPage{}, unreadable("the answer has no listings")
	}
	got := publisher.ProductPage{Next: out.Pagination.Next, Total: out.Total}
	for _, l := range *out.Items {
		if l == nil {
			continue
		}
		p := record.Product{Item: l.SKU, SKU: l.SKU}
		if len(l.Summaries) > 0 {
			p.Title = l.Summaries[0].Name
		}
		if at := level(&l.listed); at.Quantity == nil {
			p.NotEligible = at.Reason
		}
		got.Products = append(got.Products, p)
	}
	return got, nil
}
