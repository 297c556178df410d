package shopify

import (
	"context"
	"strings"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
)

const productsQuery = `query Products($after: String) {
  productVariants(first: 100, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { sku title product { title status } inventoryItem { id tracked } }
  }
}`

// onlyVariant is the title of a variant that is its product's only one.
const onlyVariant = "Default Title"

// ItemName implements [publisher.CatalogueSource].
func (c *Connector) ItemName() string { return "inventory_item_id" }

// Products implements [publisher.CatalogueSource]: an inventory item for each variant, called as its product and, of several, itself.
func (c *Connector) Products(ctx context.Context, page string) (publisher.ProductPage, error) {
	variables := struct {
		After *string `json:"after"`
	}{}
	if page != "" {
		variables.After = &page
	}
	var out struct {
		Variants *struct {
			Page  pageInfo `json:"pageInfo"`
			Nodes []struct {
				SKU     string `json:"sku"`
				Title   string `json:"title"`
				Product struct {
					Title  string `json:"title"`
					Status string `json:"status"`
				} `json:"product"`
				Item *struct {
					ID      string `json:"id"`
					Tracked bool   `json:"tracked"`
				} `json:"inventoryItem"`
			} `json:"nodes"`
		} `json:"productVariants"`
	}
	if _, err := c.call(ctx, productsQuery, variables, &out); err != nil {
		return publisher.ProductPage{}, err
	}
	if out.Variants == nil || out.Variants.Page.More && out.Variants.Page.End == "" {
		return publisher.ProductPage{}, unreadable("the answer has no products")
	}
	var got publisher.ProductPage
	for _, v := range out.Variants.Nodes {
		if v.Item == nil {
			continue
		}
		p := record.Product{Item: v.Item.ID, SKU: v.SKU, Title: v.Product.Title}
		if v.Title != "" && v.Title != onlyVariant {
			p.Title += " - " + v.Title
		}
		switch {
		case v.Product.Status != "ACTIVE":
			p.NotEligible = "the product is " + strings.ToLower(v.Product.Status)
		case !v.Item.Tracked:
			p.NotEligible = "the shop does not track the item's quantity"
		}
		got.Products = append(got.Products, p)
	}
	if out.Variants.Page.More {
		got.Next = out.Variants.Page.End
	}
	return got, nil
}
