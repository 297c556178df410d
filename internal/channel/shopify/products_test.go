package shopify_test

import (
	"testing"

	simulated "github.com/shelfwire/shelfwire/internal/channelsim/shopify"
	"github.com/shelfwire/shelfwire/internal/record"
)

// Everything on sale is told, page by page, with what would keep it from being sold.
func TestProducts(t *testing.T) {
	sim, c, _ := start(t, simulated.Options{Maximum: 20_000, Restore: 1000})
	for n := range 230 {
		p := active(item(n).SKU)
		switch n {
		case 7:
			p.Status = "DRAFT"
		case 8:
			p.Tracked = false
		}
		sim.Put(place(item(n)), p, 5)
	}
	got := map[string]record.Product{}
	pages := 0
	for page := ""; ; {
		p, err := c.Products(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range p.Products {
			got[one.Item] = one
		}
		pages++
		if page = p.Next; page == "" {
			break
		}
	}
	if len(got) != 230 || pages != 3 {
		t.Fatalf("%d products on %d pages, want 230 on 3", len(got), pages)
	}
	for n, why := range map[int]string{6: "", 7: "the product is draft", 8: "the shop does not track the item's quantity"} {
		want := record.Product{Item: item(n).ChannelItem, SKU: item(n).SKU, Title: item(n).SKU, NotEligible: why}
		if got[want.Item] != want {
			t.Errorf("product %d = %+v, want %+v", n, got[want.Item], want)
		}
	}
}
