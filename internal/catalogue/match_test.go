package catalogue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/record"
)

const gid = "gid://shopify/InventoryItem/"

func listings(of ...string) (list []*record.Listing) {
	for _, text := range of { // sku|title|id
		parts := strings.Split(text, "|")
		l := &record.Listing{Pool: "acme", Channel: "web", SKU: parts[0], Title: parts[1]}
		if parts[2] != "" {
			l.ChannelIDs = record.Dict{{Key: "inventory_item_id", Value: parts[2]}}
		}
		list = append(list, l)
	}
	return list
}

func describe(matches []catalogue.Match) (list []string) {
	for _, m := range matches {
		sku, item := "-", "-"
		if m.Listing != nil {
			sku = m.Listing.SKU
		}
		if m.Product != nil {
			item = strings.TrimPrefix(m.Product.Item, gid)
		}
		list = append(list, fmt.Sprintf("%s %s %s", m.Kind, sku, item))
		if (m.Why == "") != (m.Kind == catalogue.Named || m.Kind == catalogue.Found) {
			list = append(list, "why: "+m.Why)
		}
	}
	return list
}

// Only what fits alone, on both sides, is found; everything else is listed for a person.
func TestMatchChannel(t *testing.T) {
	products := []record.Product{
		{Item: gid + "1", SKU: "A", Title: "Red  Shirt"}, {Item: gid + "2", SKU: "B", Title: "Hat"}, {Item: gid + "3", SKU: "B", Title: "Hat"},
		{Item: gid + "4", SKU: "D", Title: "Draft", NotEligible: "the product is draft"}, {Item: gid + "5", SKU: "", Title: "Extra"},
		{Item: gid + "6", SKU: "F", Title: "Shoe"}, {Item: gid + "7", SKU: "G", Title: "Gone", NotEligible: "not tracked"}, {Item: gid + "8", SKU: "H", Title: "Sock"},
	}
	all := listings("A|red shirt|", "B|hat|", "C|Cap|", "D|Draft|", "E|shoe|6", "F|SHOE|", "G|gone|"+gid+"7", "H|sock|99")
	deleted := &record.Listing{SKU: "Z", Deleted: true}
	got := describe(catalogue.MatchChannel(append(all, deleted), products, catalogue.BySKU, "inventory_item_id"))
	want := []string{
		"found A 1", "duplicate B -", "unmatched C -", "not eligible D 4", "named E 6", "duplicate F 6", "not eligible G 7", "names another H 8", "not listed - 5",
	}
	if !slices.Equal(got, want) {
		t.Errorf("by SKU:\n got %q\nwant %q", got, want)
	}
	got = describe(catalogue.MatchChannel(all, products, catalogue.ByName, "inventory_item_id"))
	want = []string{
		"found A 1", "duplicate B -", "unmatched C -", "not eligible D 4", "named E 6", "duplicate F 6", "not eligible G 7", "names another H 8", "not listed - 5",
	}
	if !slices.Equal(got, want) {
		t.Errorf("by name:\n got %q\nwant %q", got, want)
	}
	got = describe(catalogue.MatchChannel(listings("X|same|", "Y|Same|", "W||"), []record.Product{{Item: gid + "1", Title: "Same"}}, catalogue.ByName, "inventory_item_id"))
	if want := []string{"unmatched W -", "duplicate X 1", "duplicate Y 1"}; !slices.Equal(got, want) {
		t.Errorf("two listings of one name:\n got %q\nwant %q", got, want)
	}
}

// Where a channel calls an item by its SKU, a listing needs no id, unless it is called otherwise.
func TestMatchBySellerSKU(t *testing.T) {
	products := []record.Product{{Item: "A", SKU: "A", Title: "Shirt"}, {Item: "B-AMZ", SKU: "B-AMZ", Title: "Hat"}, {Item: "C-AMZ", SKU: "C-AMZ", Title: "Cap"}}
	list := listings("A|x|", "B|hat|", "C|cap|")
	list[1].ChannelIDs = record.Dict{{Key: "item", Value: "B-AMZ"}}
	got := describe(catalogue.MatchChannel(list, products, catalogue.BySKU, ""))
	if want := []string{"named A A", "named B B-AMZ", "unmatched C -", "not listed - C-AMZ"}; !slices.Equal(got, want) {
		t.Errorf("by SKU:\n got %q\nwant %q", got, want)
	}
	got = describe(catalogue.MatchChannel(list, products, catalogue.ByName, ""))
	if want := []string{"named A A", "named B B-AMZ", "found C C-AMZ"}; !slices.Equal(got, want) {
		t.Errorf("by name:\n got %q\nwant %q", got, want)
	}
}
