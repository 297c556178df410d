package chstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Stock implements [auditview.Queries].
func (s *Store) Stock(ctx context.Context, f auditview.StockFilter) ([]auditview.StockRow, error) {
	scan := func(r driver.Rows, x *auditview.StockRow) error {
		return r.Scan(&x.SKU, (*int64)(&x.OnHand), (*int64)(&x.OnOrder), (*int64)(&x.Available), (*int64)(&x.Backordered), (*uint64)(&x.Version),
			(*int64)(&x.ChangedAt))
	}
	const wanted = " WHERE pool = ? AND sku > ? AND (? = '' OR positionCaseInsensitive(sku, ?) > 0)"
	var args []any
	for range 3 {
		args = append(args, f.Pool, f.After, f.Search, f.Search)
	}
	rows, err := query(ctx, s, "stock", scan, `
		SELECT sku, n.1, n.2, n.3, n.4, v, n.5
		FROM
		(
			SELECT sku, max(version) AS v, argMax(numbers, version) AS n
			FROM
			(
				SELECT sku, version, (on_hand, on_order, available, backordered, toUnixTimestamp64Micro(changed_at)) AS numbers
				FROM availability_versions`+wanted+`
				UNION ALL
				SELECT DISTINCT sku, toUInt64(0), (toInt64(0), toInt64(0), toInt64(0), toInt64(0), toInt64(0)) FROM offer_versions`+wanted+`
				UNION ALL
				SELECT DISTINCT sku, toUInt64(0), (toInt64(0), toInt64(0), toInt64(0), toInt64(0), toInt64(0)) FROM communication_records`+wanted+`
			)
			GROUP BY sku ORDER BY sku LIMIT ?
		)
		ORDER BY sku`, append(args, f.Limit)...)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	skus := make([]string, 0, len(rows))
	for i := range rows {
		skus = append(skus, rows[i].SKU)
	}
	listings := map[listing]*auditview.ChannelStock{}
	if err := s.offersNow(ctx, f.Pool, skus, listings); err != nil {
		return nil, err
	}
	if err := s.toldNow(ctx, f.Pool, skus, listings); err != nil {
		return nil, err
	}
	at := make(map[string]int, len(rows))
	for i := range rows {
		at[rows[i].SKU] = i
	}
	for key, l := range listings {
		row := &rows[at[key.sku]]
		row.Channels = append(row.Channels, *l)
	}
	for i := range rows {
		slices.SortFunc(rows[i].Channels, func(a, b auditview.ChannelStock) int {
			return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Location, b.Location))
		})
	}
	return rows, nil
}

// A listing names the rows of one SKU at one location of one channel.
type listing struct{ sku, channel, location string }

func entry(listings map[listing]*auditview.ChannelStock, key listing) *auditview.ChannelStock {
	l, ok := listings[key]
	if !ok {
		l = &auditview.ChannelStock{Channel: key.channel, Location: key.location}
		listings[key] = l
	}
	return l
}

func (s *Store) offersNow(ctx context.Context, pool string, skus []string, into map[listing]*auditview.ChannelStock) error {
	type row struct {
		listing
		auditview.OfferNow
	}
	scan := func(r driver.Rows, x *row) error {
		return r.Scan(&x.sku, &x.channel, &x.location, (*int64)(&x.Quantity), (*int64)(&x.Sold), (*int64)(&x.Released), (*uint64)(&x.Version),
			(*int64)(&x.ChangedAt), &x.Reason, &x.Stopped)
	}
	take := func(x row) error {
		entry(into, x.listing).Offer = x.OfferNow
		return nil
	}
	return each(ctx, s, "offers", scan, take, `
		SELECT sku, channel, location, argMax(quantity, version), argMax(sold, version), argMax(released, version), max(version),
			toUnixTimestamp64Micro(argMax(changed_at, version)),
			argMax(reason, version), argMax(stopped, version)
		FROM offer_versions WHERE pool = ? AND sku IN (?)
		GROUP BY sku, channel, location`, pool, skus)
}

func (s *Store) toldNow(ctx context.Context, pool string, skus []string, into map[listing]*auditview.ChannelStock) error {
	type row struct {
		listing
		auditview.ChannelStock
		state string
		seen  bool
		level int64
	}
	scan := func(r driver.Rows, x *row) error {
		return r.Scan(&x.sku, &x.channel, &x.location, (*int64)(&x.Told.Quantity), (*int64)(&x.Told.Sold), (*int64)(&x.Told.Released),
			(*uint64)(&x.Told.Version), (*int64)(&x.Told.At), &x.state, (*int64)(&x.StateAt), &x.Failing, &x.seen, &x.level, (*int64)(&x.ObservedAt))
	}
	take := func(x row) error {
		l := entry(into, x.listing)
		l.Told, l.State, l.StateAt, l.Failing = x.Told, stateOf(x.state), x.StateAt, x.Failing
		if x.seen {
			level := stock.Quantity(x.level)
			l.Observed, l.ObservedAt = &level, x.ObservedAt
		}
		return nil
	}
	return each(ctx, s, "communications", scan, take, `
		SELECT sku, channel, location,
			argMaxIf(quantity, `+order+`, told), argMaxIf(sold, `+order+`, told), argMaxIf(released, `+order+`, told), argMaxIf(offer_version, `+order+`, told),
			toUnixTimestamp64Micro(argMaxIf(replied_at, `+order+`, told)),
			argMax(state, `+order+`), toUnixTimestamp64Micro(argMax(recorded_at, `+order+`)), toBool(`+failing+`),
			toBool(max(seen)), argMaxIf(ifNull(level, 0), `+order+`, seen), toUnixTimestamp64Micro(argMaxIf(replied_at, `+order+`, seen))
		FROM
		(
			SELECT *, state = 'acknowledged' AND kind != 'read_level' AS told, state = 'observed' AND level IS NOT NULL AS seen
			FROM communication_records WHERE pool = ? AND sku IN (?)
		)
		GROUP BY sku, channel, location`, pool, skus)
}
