package app

import (
	"context"
	"time"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A PastStatus is what the history says of the pipeline; it is behind it by what its stage waits for.
type PastStatus struct {
	Pools      []PoolStatus       // by id
	Decrease   *Decrease          // the oldest one that no channel has acknowledged; nil: there is none
	Looked     int                // SKUs that were looked at for it
	Partly     bool               // there are more than were looked at
	Silent     []Silent           // channels whose orders are not known any more
	Failures   []auditview.Told   // the newest
	Rejections []record.Rejection // the newest
}

// A PoolStatus is one pool's sums.
type PoolStatus struct {
	Pool string
	auditview.Totals
}

// A Decrease is an offer that is lower than what its channel shows by what it acknowledged.
type Decrease struct {
	Pool, Channel, SKU, Location string
	Shown, Offered               stock.Quantity
	Since                        stock.Instant             // when the offer became what it is: some decrease may be older
	State                        record.CommunicationState // what came of the newest communication
}

// A Silent is a channel of whose orders nothing was heard for long.
type Silent struct {
	Pool, Channel string
	Since         stock.Instant // until when they are known
}

const (
	failuresShown = 5
	// decreaseSKUs bounds how many SKUs are looked at for the oldest decrease, a page at a time.
	decreaseSKUs = 20_000
	decreasePage = 500
)

func (inst *Installation) pastStatus(ctx context.Context, now stock.Instant) (*PastStatus, error) {
	past, err := inst.History(ctx)
	if err != nil {
		return nil, err
	}
	st := &PastStatus{}
	pools, err := past.Pools(ctx)
	if err != nil {
		return nil, err
	}
	for _, pool := range pools {
		totals, err := past.Totals(ctx, pool)
		if err != nil {
			return nil, err
		}
		st.Pools = append(st.Pools, PoolStatus{pool, totals})
		if err := st.channels(ctx, past, pool, now); err != nil {
			return nil, err
		}
	}
	if st.Failures, err = past.Failures(ctx, "", failuresShown); err != nil {
		return nil, err
	}
	st.Rejections, err = past.Rejections(ctx, "", failuresShown)
	return st, err
}

// channels looks for the pool's oldest decrease and its silent channels.
func (st *PastStatus) channels(ctx context.Context, past auditview.Queries, pool string, now stock.Instant) error {
	channels, err := past.Channels(ctx, pool)
	if err != nil {
		return err
	}
	lowers := make(map[string]bool, len(channels))
	for _, c := range channels {
		lowers[c.Channel] = c.LowersOwnLevel
		if c.Silent(now) {
			st.Silent = append(st.Silent, Silent{pool, c.Channel, c.OrdersUntil})
		}
	}
	for after := ""; ; {
		if st.Looked >= decreaseSKUs {
			st.Partly = true
			return nil
		}
		rows, err := past.Stock(ctx, auditview.StockFilter{Pool: pool, After: after, Limit: decreasePage})
		if err != nil {
			return err
		}
		st.Looked += len(rows)
		for i := range rows {
			for j := range rows[i].Channels {
				c := &rows[i].Channels[j]
				if !c.TooMuch(lowers[c.Channel]) || st.Decrease != nil && st.Decrease.Since <= c.Offer.ChangedAt {
					continue
				}
				st.Decrease = &Decrease{
					Pool: pool, Channel: c.Channel, SKU: rows[i].SKU, Location: c.Location,
					Shown: c.Level(lowers[c.Channel]), Offered: c.Offer.Quantity, Since: c.Offer.ChangedAt, State: c.State,
				}
			}
		}
		if len(rows) < decreasePage {
			return nil
		}
		after = rows[len(rows)-1].SKU
	}
}

// Age returns for how long the decrease has not been acknowledged, at least.
func (d *Decrease) Age(now time.Time) time.Duration { return stock.InstantOf(now).Sub(d.Since) }
