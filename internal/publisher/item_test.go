package publisher_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// byItem is a market whose levels are those of the channel's items.
type byItem struct{ *market }

func (m byItem) Set(ctx context.Context, key string, rows []publisher.Row) (publisher.Reply, error) {
	own := slices.Clone(rows)
	for i := range own {
		own[i].SKU = own[i].ChannelItem
	}
	return m.market.Set(ctx, key, own)
}

func (m byItem) Read(ctx context.Context, items []publisher.Item) (publisher.Reading, error) {
	own := slices.Clone(items)
	for i := range own {
		own[i].SKU = own[i].ChannelItem
	}
	return m.market.Read(ctx, own)
}

// A listing gets the id of another item while nothing is under way, or while a set of the former is, or a read: what was known was the
// former's level, and the new one is read and told as well.
func TestAListingNamesAnotherItem(t *testing.T) {
	for name, during := range map[string]meets{
		"at rest": {}, "during a set": {slow: 3 * time.Second}, "during a lost set": {lost: true}, "during a set, where own sales lower no level": {slow: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMarket(true, map[string]stock.Quantity{"first": 2, "second": 9})
				b := newBench(t, map[string]publisher.Connector{"web": byItem{m}})
				b.declare("web", func(c *record.Channel) { c.LowersOwnLevel = !strings.HasSuffix(name, "no level") })
				offer := func(item string, quantity stock.Quantity) {
					o := b.anOffer("web", "A", quantity, 0, 0)
					o.Offer.ChannelIDs = record.Dict{{Key: "item", Value: item}}
					b.offers.append(o)
				}
				offer("first", 5)
				b.work()
				settle := func() {
					for range 3 {
						pass(time.Minute)
						b.mark("web")
					}
					pass(time.Minute)
				}
				settle()
				if m.level("first") != 5 {
					t.Fatalf("the first item shows %d, want 5", m.level("first"))
				}
				quantity := stock.Quantity(5)
				if during != (meets{}) {
					quantity = 4
					m.meetsWith(failOnce(during))
					offer("first", quantity)
					pass(3 * time.Second) // it is under way
				}
				offer("second", quantity)
				settle()
				if m.level("second") != quantity || b.stage.Pending() != 0 {
					t.Errorf("the second item shows %d with %d pending, want %d at rest: %v", m.level("second"), b.stage.Pending(), quantity, b.said.about("A"))
				}
				for _, c := range b.said.list() {
					if c.State == record.Quarantined {
						t.Errorf("it was put aside: %s", c.Reason)
					}
				}
				checkSaid(t, b.said.list())
			})
		})
	}
}
