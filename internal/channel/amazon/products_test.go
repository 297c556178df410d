package amazon_test

import (
	"fmt"
	"testing"

	simulated "github.com/shelfwire/shelfwire/internal/channelsim/amazon"
	"github.com/shelfwire/shelfwire/internal/record"
)

// Everything on sale is told, page by page; what Amazon ships is not eligible.
func TestProducts(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{Unlimited: true})
	for n := range 45 {
		sim.Put(fmt.Sprintf("S%02d", n), 5)
	}
	sim.PutFBA("S07", 5)
	sim.Name("S01", "Shirt")
	got := map[string]record.Product{}
	pages, total := 0, 0
	for page := ""; ; {
		p, err := c.Products(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range p.Products {
			got[one.Item] = one
		}
		pages, total = pages+1, p.Total
		if page = p.Next; page == "" {
			break
		}
	}
	if len(got) != 45 || pages != 3 || total != 45 {
		t.Fatalf("%d of %d products on %d pages, want 45 on 3", len(got), total, pages)
	}
	if got["S01"] != (record.Product{Item: "S01", SKU: "S01", Title: "Shirt"}) || got["S07"].NotEligible != "not eligible: Amazon ships it" {
		t.Errorf("products: %+v, %+v", got["S01"], got["S07"])
	}
}
