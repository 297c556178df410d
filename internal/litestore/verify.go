package litestore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/verify"
)

// CountJournal implements [verify.History]. An embedded installation has one journal for life, so there is one generation.
func (s *Store) CountJournal(ctx context.Context, partition int32, _ uint8, until int64) (int64, error) {
	var n int64
	row := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM journal WHERE partition = ? AND offset < ?", partition, until)
	if err := row.Scan(&n); err != nil {
		return 0, fmt.Errorf("count the journal in the history: %w", err)
	}
	return n, nil
}

// EachAvailability implements [verify.History].
func (s *Store) EachAvailability(ctx context.Context, pool string, f func(verify.AvailabilityRow) error) error {
	scan := func(r *sql.Rows, x *verify.AvailabilityRow) error {
		return r.Scan(&x.Pool, &x.SKU, &x.Version, &x.OnHand, &x.OnOrder, &x.Reserved, &x.Available, &x.Backordered)
	}
	return each(ctx, s, "availability", scan, f, `
		SELECT pool, sku, version, on_hand, on_order, reserved, available, backordered
		FROM skus CROSS JOIN availability USING (pool, sku, version)
		WHERE ? = '' OR pool = ?`, pool, pool)
}

// EachOffer implements [verify.History].
func (s *Store) EachOffer(ctx context.Context, pool string, f func(verify.OfferRow) error) error {
	scan := func(r *sql.Rows, x *verify.OfferRow) error {
		return r.Scan(&x.Pool, &x.Channel, &x.SKU, &x.Location, &x.Version, &x.Quantity, &x.Sold, &x.Released)
	}
	return each(ctx, s, "offers", scan, f, `
		SELECT pool, channel, sku, location, version, quantity, sold, released
		FROM listings CROSS JOIN offers USING (pool, channel, sku, location, version)
		WHERE ? = '' OR pool = ?`, pool, pool)
}
