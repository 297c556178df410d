package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
)

// A Matched is a channel's catalogue next to ours.
type Matched struct {
	Matches []catalogue.Match
	// IDName is the channel id by which a listing is to name what was found for it.
	IDName string
}

// matchTries is how often a page of a channel's catalogue is asked for, where the channel says to come later.
const matchTries = 20

// Match reads what a channel has on sale, with the credentials in the configuration, and compares it with the listings in force.
// progress is told how many items were read.
func (inst *Installation) Match(ctx context.Context, pool, channel string, by catalogue.MatchBy, progress func(read int64)) (Matched, error) {
	state, store, partition, err := inst.loadPool(ctx, pool)
	if err != nil {
		return Matched{}, err
	}
	var ch *record.Channel
	for _, e := range state.Catalogue(pool) {
		if e.Channel != nil && e.Channel.Channel == channel && !e.Channel.Deleted {
			ch = e.Channel
		}
	}
	if ch == nil {
		return Matched{}, fmt.Errorf("pool %s has no channel %q", pool, channel)
	}
	connector, err := inst.connect(ch)
	if errors.Is(err, publisher.ErrNoEndpoint) {
		return Matched{}, fmt.Errorf("%w: its url and credentials are to be in this command's configuration too (channels)", err)
	}
	if err != nil {
		return Matched{}, fmt.Errorf("channel %s/%s: %w", pool, channel, err)
	}
	source, ok := connector.(publisher.CatalogueSource)
	if !ok {
		return Matched{}, fmt.Errorf("a channel of vendor %s does not tell what it has on sale", ch.Vendor)
	}
	var listings []*record.Listing
	err = store.EachListings(ctx, partition, pool, func(row engine.RowWrite) error {
		of, err := engine.Listings(row)
		for _, l := range of {
			if l.Channel == channel {
				listings = append(listings, l)
			}
		}
		return err
	})
	if err != nil {
		return Matched{}, err
	}
	products, err := products(ctx, source, connector.Traits().Timeout, progress)
	if err != nil {
		return Matched{}, fmt.Errorf("read what channel %s/%s has on sale: %w", pool, channel, err)
	}
	out := Matched{Matches: catalogue.MatchChannel(listings, products, by, source.ItemName()), IDName: source.ItemName()}
	if out.IDName == "" {
		out.IDName = "item"
	}
	return out, nil
}

// products reads every page.
func products(ctx context.Context, source publisher.CatalogueSource, timeout time.Duration, progress func(int64)) (all []record.Product, err error) {
	total := 0
	for page, tries := "", 1; ; {
		got, err := readProducts(ctx, source, timeout, page)
		if failed, ok := errors.AsType[*publisher.RequestError](err); ok && failed.Class == publisher.Throttled && tries < matchTries {
			tries++
			pause := time.NewTimer(max(time.Second, failed.RetryAfter))
			select {
			case <-pause.C:
				continue
			case <-ctx.Done():
				pause.Stop()
				return nil, ctx.Err()
			}
		}
		if err != nil {
			return nil, err
		}
		tries, total = 1, max(total, got.Total)
		all = append(all, got.Products...)
		progress(int64(len(all)))
		if page = got.Next; page == "" {
			break
		}
	}
	if total > len(all) {
		return nil, fmt.Errorf("it has %d items and tells %d of them", total, len(all))
	}
	return all, nil
}

func readProducts(ctx context.Context, source publisher.CatalogueSource, timeout time.Duration, page string) (publisher.ProductPage, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return source.Products(ctx, page)
}
