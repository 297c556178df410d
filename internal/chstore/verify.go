package chstore

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/shelfwire/shelfwire/internal/verify"
)

// CountJournal implements [verify.History].
func (s *Store) CountJournal(ctx context.Context, partition int32, generation uint8, until int64) (int64, error) {
	var n uint64
	row := s.conn.QueryRow(ctx, "SELECT uniqExact(offset) FROM journal_entries WHERE partition = ? AND generation = ? AND offset < ?", partition, generation, until)
	if err := row.Scan(&n); err != nil {
		return 0, fmt.Errorf("count the journal in the history: %w", err)
	}
	return int64(n), nil
}

// EachAvailability implements [verify.History].
func (s *Store) EachAvailability(ctx context.Context, pool string, f func(verify.AvailabilityRow) error) error {
	scan := func(r driver.Rows, x *verify.AvailabilityRow) error {
		return r.Scan(&x.Pool, &x.SKU, (*uint64)(&x.Version), (*int64)(&x.OnHand), (*int64)(&x.OnOrder), (*int64)(&x.Reserved), (*int64)(&x.Available),
			(*int64)(&x.Backordered))
	}
	return each(ctx, s, "availability", scan, f, `
		SELECT pool, sku, v, n.1, n.2, n.3, n.4, n.5
		FROM
		(
			SELECT pool, sku, max(version) AS v, argMax((on_hand, on_order, reserved, available, backordered), version) AS n
			FROM availability_versions WHERE ? = '' OR pool = ?
			GROUP BY pool, sku
		)`, pool, pool)
}

// EachOffer implements [verify.History].
func (s *Store) EachOffer(ctx context.Context, pool string, f func(verify.OfferRow) error) error {
	scan := func(r driver.Rows, x *verify.OfferRow) error {
		return r.Scan(&x.Pool, &x.Channel, &x.SKU, &x.Location, (*uint64)(&x.Version), (*int64)(&x.Quantity), (*int64)(&x.Sold), (*int64)(&x.Released))
	}
	return each(ctx, s, "offers", scan, f, `
		SELECT pool, channel, sku, location, v, n.1, n.2, n.3
		FROM
		(
			SELECT pool, channel, sku, location, max(version) AS v, argMax((quantity, sold, released), version) AS n
			FROM offer_versions WHERE ? = '' OR pool = ?
			GROUP BY pool, channel, sku, location
		)`, pool, pool)
}
