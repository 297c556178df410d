package litestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
)

// Pools implements [auditview.Queries].
func (s *Store) Pools(ctx context.Context) ([]string, error) {
	return query(ctx, s, "pools", func(r *sql.Rows, pool *string) error { return r.Scan(pool) }, "SELECT pool FROM pools ORDER BY pool")
}

// In the queries below a CROSS JOIN keeps the order of the tables: from the few newest versions to their rows, never from all rows.

// Channels implements [auditview.Queries].
func (s *Store) Channels(ctx context.Context, pool string) ([]auditview.ChannelRow, error) {
	scan := func(r *sql.Rows, x *auditview.ChannelRow) error {
		var value []byte
		if err := r.Scan(&x.Channel, &x.Vendor, &x.Account, &x.Deleted, &value, &x.Listings, &x.Failing, &x.OrdersUntil); err != nil || value == nil {
			return err
		}
		var o record.OfferRecord
		if err := codec.DecodeOfferRecord(value, &o); err != nil {
			return err
		}
		x.LowersOwnLevel = o.ChannelState.Channel.LowersOwnLevel
		return nil
	}
	return query(ctx, s, "channels", scan, `
		SELECT n.channel, coalesce(c.vendor, ''), coalesce(c.account, ''), coalesce(c.deleted, 0), c.value,
			(SELECT count(*) FROM listings AS l CROSS JOIN offers AS o USING (pool, channel, sku, location, version)
				WHERE l.pool = n.pool AND l.channel = n.channel AND NOT o.stopped),
			(SELECT count(*) FROM failing AS f WHERE f.pool = n.pool AND f.channel = n.channel),
			coalesce((SELECT orders_until FROM marks AS m WHERE m.pool = n.pool AND m.channel = n.channel ORDER BY version DESC LIMIT 1), 0)
		FROM (SELECT pool, channel FROM channels WHERE pool = ?1 UNION SELECT pool, channel FROM listings WHERE pool = ?1) AS n
		LEFT JOIN channels AS c ON c.pool = n.pool AND c.channel = n.channel
			AND c.version = (SELECT max(version) FROM channels WHERE pool = n.pool AND channel = n.channel)
		ORDER BY n.channel`, pool)
}

// LowersOwnLevel implements [auditview.Queries].
func (s *Store) LowersOwnLevel(ctx context.Context, pool, channel string) (bool, error) {
	scan := func(r *sql.Rows, o *record.OfferRecord) error {
		var value []byte
		if err := r.Scan(&value); err != nil {
			return err
		}
		return codec.DecodeOfferRecord(value, o)
	}
	rows, err := query(ctx, s, "a channel", scan, "SELECT value FROM channels WHERE pool = ? AND channel = ? ORDER BY version DESC LIMIT 1", pool, channel)
	if err != nil {
		return false, err
	}
	return len(rows) == 0 || rows[0].ChannelState.Channel.LowersOwnLevel, nil
}

// Totals implements [auditview.Queries].
func (s *Store) Totals(ctx context.Context, pool string) (auditview.Totals, error) {
	scan := func(r *sql.Rows, x *auditview.Totals) error {
		return r.Scan(&x.SKUs, &x.OnHand, &x.OnOrder, &x.Available, &x.Backordered, &x.Listings, &x.Failing, &x.Communications, &x.LastEntry,
			&x.LastCommunication)
	}
	rows, err := query(ctx, s, "totals", scan, `
		SELECT a.*,
			(SELECT count(*) FROM listings AS l CROSS JOIN offers AS o USING (pool, channel, sku, location, version) WHERE l.pool = ?1 AND NOT o.stopped),
			(SELECT count(*) FROM failing WHERE pool = ?1),
			(SELECT count(*) FROM communications WHERE pool = ?1 AND NOT attempt),
			coalesce((SELECT last_entry FROM pools WHERE pool = ?1), 0),
			coalesce((SELECT max(recorded_at) FROM communications WHERE pool = ?1), 0)
		FROM (
			SELECT count(*), coalesce(sum(on_hand), 0), coalesce(sum(on_order), 0), coalesce(sum(available), 0), coalesce(sum(backordered), 0)
			FROM skus LEFT JOIN availability USING (pool, sku, version)
			WHERE pool = ?1
		) AS a`, pool)
	if err != nil {
		return auditview.Totals{}, err
	}
	return rows[0], nil
}

// Stock implements [auditview.Queries].
func (s *Store) Stock(ctx context.Context, f auditview.StockFilter) ([]auditview.StockRow, error) {
	scan := func(r *sql.Rows, x *auditview.StockRow) error {
		return r.Scan(&x.SKU, &x.OnHand, &x.OnOrder, &x.Available, &x.Backordered, &x.Version, &x.ChangedAt)
	}
	rows, err := query(ctx, s, "stock", scan, `
		SELECT sku, coalesce(on_hand, 0), coalesce(on_order, 0), coalesce(available, 0), coalesce(backordered, 0), version, coalesce(changed_at, 0)
		FROM skus LEFT JOIN availability USING (pool, sku, version)
		WHERE pool = ? AND sku > ? AND (? = '' OR instr(lower(sku), lower(?)) > 0)
		ORDER BY sku LIMIT ?`, f.Pool, f.After, f.Search, f.Search, f.Limit)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if rows[i].Channels, err = s.channelStock(ctx, f.Pool, rows[i].SKU); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func (s *Store) channelStock(ctx context.Context, pool, sku string) ([]auditview.ChannelStock, error) {
	scan := func(r *sql.Rows, x *auditview.ChannelStock) error {
		var told []byte
		err := r.Scan(&x.Channel, &x.Location, &x.Offer.Quantity, &x.Offer.Sold, &x.Offer.Released, &x.Offer.Version, &x.Offer.ChangedAt, &x.Offer.Reason,
			&x.Offer.Stopped, &x.Told.Quantity, &x.Told.Version, &x.Told.At, &told, &x.State, &x.StateAt, &x.Failing, &x.Observed, &x.ObservedAt)
		if err != nil || told == nil {
			return err
		}
		var c record.Communication
		if err := codec.DecodeCommunication(told, &c); err != nil {
			return err
		}
		x.Told.Sold, x.Told.Released = c.Sold, c.Released
		return nil
	}
	return query(ctx, s, "stock", scan, `
		SELECT l.channel, l.location, coalesce(o.quantity, 0), coalesce(o.sold, 0), coalesce(o.released, 0), l.version,
			coalesce(o.changed_at, 0), coalesce(o.reason, ''), coalesce(o.stopped, 0),
			coalesce(t.quantity, 0), coalesce(t.offer_version, 0), coalesce(t.replied_at, 0), t.value, coalesce(n.state, 0), coalesce(n.recorded_at, 0),
			EXISTS (SELECT 1 FROM failing AS f WHERE f.pool = l.pool AND f.channel = l.channel AND f.sku = l.sku AND f.location = l.location),
			b.level, coalesce(b.replied_at, 0)
		FROM listing_rows AS l
		LEFT JOIN offers AS o USING (pool, channel, sku, location, version)
		LEFT JOIN communications AS t ON t.rowid = l.told
		LEFT JOIN communications AS n ON n.rowid = l.newest
		LEFT JOIN communications AS b ON b.rowid = l.observed
		WHERE l.pool = ? AND l.sku = ?
		ORDER BY l.channel, l.location`, pool, sku)
}

// Told implements [auditview.Queries].
func (s *Store) Told(ctx context.Context, f auditview.ToldFilter) ([]auditview.ToldRow, error) {
	scan := func(r *sql.Rows, x *auditview.ToldRow) error {
		var value, offer []byte
		if err := r.Scan(&x.Offset, &x.RecordedAt, &value, &offer); err != nil {
			return err
		}
		if offer != nil {
			var o record.OfferRecord
			if err := codec.DecodeOfferRecord(offer, &o); err != nil {
				return err
			}
			x.Offer = o.Offer
		}
		return codec.DecodeCommunication(value, &x.Communication)
	}
	return query(ctx, s, "communications", scan, `
		SELECT c.offset, c.recorded_at, c.value, o.value
		FROM communications AS c
		LEFT JOIN offers AS o ON o.pool = c.pool AND o.channel = c.channel AND o.sku = c.sku AND o.location = c.location AND o.version = c.offer_version
		WHERE c.pool = ? AND c.channel = ? AND c.sku = ? AND (? <= 0 OR c.offset < ?)
		ORDER BY c.offset DESC LIMIT ?`, f.Pool, f.Channel, f.SKU, f.Before, f.Before, f.Limit)
}

// Offers implements [auditview.Queries].
func (s *Store) Offers(ctx context.Context, pool, channel, sku string, limit int) ([]record.Offer, error) {
	scan := func(r *sql.Rows, x *record.Offer) error {
		var value []byte
		if err := r.Scan(&value); err != nil {
			return err
		}
		var o record.OfferRecord
		if err := codec.DecodeOfferRecord(value, &o); err != nil {
			return err
		}
		*x = *o.Offer
		return nil
	}
	return query(ctx, s, "offers", scan, `
		SELECT value FROM (
			SELECT version, location, value FROM offers WHERE pool = ? AND channel = ? AND sku = ? ORDER BY version DESC, location DESC LIMIT ?
		) ORDER BY version, location`, pool, channel, sku, limit)
}

// Failures implements [auditview.Queries].
func (s *Store) Failures(ctx context.Context, pool string, limit int) ([]auditview.Told, error) {
	scan := func(r *sql.Rows, x *auditview.Told) error {
		var value []byte
		if err := r.Scan(&x.Offset, &x.RecordedAt, &value); err != nil {
			return err
		}
		return codec.DecodeCommunication(value, &x.Communication)
	}
	despatches, err := query(ctx, s, "failures", scan, `
		SELECT offset, recorded_at, value
		FROM confirmations AS c
		WHERE (? = '' OR pool = ?) AND failed AND NOT EXISTS
		(
			SELECT 1 FROM confirmations AS n
			WHERE n.pool = c.pool AND n.channel = c.channel AND n.order_id = c.order_id AND n.fulfilment_id = c.fulfilment_id AND n.version = c.version
				AND n.outcome AND n.offset > c.offset
		)
		ORDER BY recorded_at DESC, offset DESC, pool, channel LIMIT ?`, pool, pool, limit)
	if err != nil {
		return nil, err
	}
	listings, err := query(ctx, s, "failures", scan, `
		SELECT c.offset, c.recorded_at, c.value
		FROM failing AS f JOIN communications AS c ON c.rowid = f.row
		WHERE ? = '' OR f.pool = ?
		ORDER BY c.recorded_at DESC, c.offset DESC, c.pool, c.channel LIMIT ?`, pool, pool, limit)
	if err != nil {
		return nil, err
	}
	return auditview.NewestFailures(limit, listings, despatches), nil
}

// Rejections implements [auditview.Queries].
func (s *Store) Rejections(ctx context.Context, pool string, limit int) ([]record.Rejection, error) {
	scan := func(r *sql.Rows, x *record.Rejection) error {
		var value []byte
		if err := r.Scan(&value); err != nil {
			return err
		}
		return codec.DecodeRejection(value, x)
	}
	return query(ctx, s, "rejections", scan, `
		SELECT value FROM rejections WHERE ? = '' OR pool = ? ORDER BY rejected_at DESC, key DESC LIMIT ?`, pool, pool, limit)
}

// query returns the rows of a question; scan reads one.
func query[T any](ctx context.Context, s *Store, what string, scan func(*sql.Rows, *T) error, text string, args ...any) ([]T, error) {
	var result []T
	err := each(ctx, s, what, scan, func(x T) error {
		result = append(result, x)
		return nil
	}, text, args...)
	return result, err
}

// each calls f with every row of a question, and returns an error of f as it is.
func each[T any](ctx context.Context, s *Store, what string, scan func(*sql.Rows, *T) error, f func(T) error, text string, args ...any) (err error) {
	rows, err := s.reader.QueryContext(ctx, text, args...)
	if err != nil {
		return fmt.Errorf("read %s from the history: %w", what, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var x T
		if err := scan(rows, &x); err != nil {
			return fmt.Errorf("read %s from the history: %w", what, err)
		}
		if err := f(x); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s from the history: %w", what, err)
	}
	return nil
}
