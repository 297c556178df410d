package chstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Pools implements [auditview.Queries].
func (s *Store) Pools(ctx context.Context) ([]string, error) {
	scan := func(r driver.Rows, pool *string) error { return r.Scan(pool) }
	return query(ctx, s, "pools", scan, `
		SELECT DISTINCT id FROM
		(
			SELECT DISTINCT toString(pool) AS id FROM journal_entries WHERE pool != ''
			UNION ALL SELECT DISTINCT toString(pool) FROM availability_versions
			UNION ALL SELECT DISTINCT toString(pool) FROM offer_versions
			UNION ALL SELECT DISTINCT toString(pool) FROM channel_versions
			UNION ALL SELECT DISTINCT toString(pool) FROM communication_records
		)
		ORDER BY id`)
}

// What came of telling a listing, over the rows of communication_records of one listing. order is how they came: what a former owner
// says late has a higher offset and is older. failing is 1 where it is one of
// [auditview.Queries.Failures], whose newest outcome is at outcome.
const (
	order   = "(sequence, offset)"
	outcome = "maxIf(" + order + ", state NOT IN ('attempted', 'observed'))"
	failing = `(argMaxIf(state, ` + order + `, state NOT IN ('attempted', 'observed')) IN ('held', 'quarantined')
		OR argMaxIf(state, ` + order + `, state NOT IN ('attempted', 'observed')) IN ('rejected', 'unknown')
			AND maxIf(` + order + `, state = 'observed' AND level IS NOT NULL) <= ` + outcome + `)`
)

// Channels implements [auditview.Queries].
func (s *Store) Channels(ctx context.Context, pool string) ([]auditview.ChannelRow, error) {
	scan := func(r driver.Rows, x *auditview.ChannelRow) error {
		return r.Scan(&x.Channel, &x.Vendor, &x.Account, &x.Deleted, &x.LowersOwnLevel, &x.Listings, &x.Failing, (*int64)(&x.OrdersUntil))
	}
	return query(ctx, s, "channels", scan, `
		SELECT id, max(vendor), max(account), toBool(max(deleted)), toBool(max(lowers)), sum(listings), sum(failures), max(orders)
		FROM
		(
			SELECT toString(channel) AS id, argMax(toString(vendor), version) AS vendor, argMax(toString(account), version) AS account,
				argMax(toUInt8(deleted), version) AS deleted,
				toUInt8(JSONExtractBool(argMax(state, version), 'channel_state', 'channel', 'lowers_own_level')) AS lowers, toInt64(0) AS listings, toInt64(0) AS failures,
				toInt64(0) AS orders
			FROM channel_versions WHERE pool = ? GROUP BY id
			UNION ALL
			SELECT id, '', '', toUInt8(0), toUInt8(0), toInt64(countIf(NOT stopped)), toInt64(0), toInt64(0)
			FROM
			(
				SELECT toString(channel) AS id, argMax(offer_versions.stopped, version) AS stopped
				FROM offer_versions WHERE pool = ? GROUP BY id, sku, location
			)
			GROUP BY id
			UNION ALL
			SELECT id, '', '', toUInt8(0), toUInt8(0), toInt64(0), toInt64(sum(bad)), toInt64(0)
			FROM (SELECT toString(channel) AS id, `+failing+` AS bad FROM communication_records WHERE pool = ? GROUP BY id, sku, location)
			GROUP BY id
			UNION ALL
			SELECT toString(channel) AS id, '', '', toUInt8(0), toUInt8(0), toInt64(0), toInt64(0), toUnixTimestamp64Micro(max(orders_until))
			FROM channel_marks WHERE pool = ? GROUP BY id
		)
		GROUP BY id ORDER BY id`, pool, pool, pool, pool)
}

// LowersOwnLevel implements [auditview.Queries].
func (s *Store) LowersOwnLevel(ctx context.Context, pool, channel string) (bool, error) {
	scan := func(r driver.Rows, lowers *bool) error { return r.Scan(lowers) }
	rows, err := query(ctx, s, "a channel", scan, `
		SELECT JSONExtractRaw(argMax(state, version), 'channel_state', 'channel', 'lowers_own_level') != 'false'
		FROM channel_versions WHERE pool = ? AND channel = ?`, pool, channel)
	if err != nil {
		return false, err
	}
	return rows[0], nil
}

// Totals implements [auditview.Queries].
func (s *Store) Totals(ctx context.Context, pool string) (auditview.Totals, error) {
	scan := func(r driver.Rows, x *auditview.Totals) error {
		return r.Scan(&x.SKUs, (*int64)(&x.OnHand), (*int64)(&x.OnOrder), (*int64)(&x.Available), (*int64)(&x.Backordered), &x.Listings, &x.Failing,
			&x.Communications, (*int64)(&x.LastEntry), (*int64)(&x.LastCommunication))
	}
	rows, err := query(ctx, s, "totals", scan, `
		SELECT
			(SELECT toInt64(uniqExact(sku)) FROM
			(
				SELECT sku FROM availability_versions WHERE pool = ?
				UNION DISTINCT SELECT sku FROM offer_versions WHERE pool = ?
				UNION DISTINCT SELECT sku FROM communication_records WHERE pool = ?
			)),
			a.1, a.2, a.3, a.4,
			(SELECT toInt64(countIf(NOT s)) FROM (SELECT argMax(stopped, version) AS s FROM offer_versions WHERE pool = ? GROUP BY channel, sku, location)),
			(SELECT toInt64(sum(bad)) FROM (SELECT `+failing+` AS bad FROM communication_records WHERE pool = ? GROUP BY channel, sku, location)),
			(SELECT toInt64(uniqExactIf((partition, offset), state != 'attempted')) FROM communication_records WHERE pool = ?),
			(SELECT toUnixTimestamp64Micro(max(entry_time)) FROM journal_entries WHERE pool = ?),
			(SELECT toUnixTimestamp64Micro(max(recorded_at)) FROM communication_records WHERE pool = ?)
		FROM
		(
			SELECT (sum(n.1), sum(n.2), sum(n.3), sum(n.4)) AS a
			FROM (SELECT argMax((on_hand, on_order, available, backordered), version) AS n FROM availability_versions WHERE pool = ? GROUP BY sku)
		)`, pool, pool, pool, pool, pool, pool, pool, pool, pool)
	if err != nil {
		return auditview.Totals{}, err
	}
	return rows[0], nil
}

// Told implements [auditview.Queries].
func (s *Store) Told(ctx context.Context, f auditview.ToldFilter) ([]auditview.ToldRow, error) {
	said, err := query(ctx, s, "communications", scanTold, `
		SELECT `+communicationFields+` FROM communication_records
		WHERE pool = ? AND channel = ? AND sku = ? AND (? <= 0 OR offset < ?)
		ORDER BY offset DESC LIMIT 1 BY offset LIMIT ?`, f.Pool, f.Channel, f.SKU, f.Before, f.Before, f.Limit)
	if err != nil || len(said) == 0 {
		return nil, err
	}
	type key struct {
		location string
		version  stock.Version
	}
	versions := make([]uint64, 0, len(said))
	for i := range said {
		versions = append(versions, uint64(said[i].OfferVersion))
	}
	offers, err := query(ctx, s, "offers", scanOffer, `
		SELECT `+offerFields+` FROM offer_versions
		WHERE pool = ? AND channel = ? AND sku = ? AND has(?, version)
		LIMIT 1 BY location, version`, f.Pool, f.Channel, f.SKU, versions)
	if err != nil {
		return nil, err
	}
	of := make(map[key]*record.Offer, len(offers))
	for i := range offers {
		of[key{offers[i].Location, offers[i].Version}] = &offers[i]
	}
	rows := make([]auditview.ToldRow, 0, len(said))
	for i := range said {
		row := auditview.ToldRow{Told: said[i]}
		if o := of[key{said[i].Location, said[i].OfferVersion}]; o != nil {
			own := *o
			row.Offer = &own
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Offers implements [auditview.Queries].
func (s *Store) Offers(ctx context.Context, pool, channel, sku string, limit int) ([]record.Offer, error) {
	return query(ctx, s, "offers", scanOffer, `
		SELECT * FROM
		(
			SELECT `+offerFields+` FROM offer_versions
			WHERE pool = ? AND channel = ? AND sku = ?
			ORDER BY version DESC, location DESC LIMIT 1 BY version, location LIMIT ?
		)
		ORDER BY version, location`, pool, channel, sku, limit)
}

// Failures implements [auditview.Queries].
func (s *Store) Failures(ctx context.Context, pool string, limit int) ([]auditview.Told, error) {
	listings, err := s.failingListings(ctx, pool, limit)
	if err != nil {
		return nil, err
	}
	despatches, err := s.failingDespatches(ctx, pool, limit)
	if err != nil {
		return nil, err
	}
	return auditview.NewestFailures(limit, listings, despatches), nil
}

func (s *Store) failingDespatches(ctx context.Context, pool string, limit int) ([]auditview.Told, error) {
	scan := func(r driver.Rows, x *auditview.Told) error {
		var state string
		x.Kind = record.ConfirmShipment
		err := r.Scan(&x.Offset, (*int64)(&x.RecordedAt), &x.Pool, &x.Channel, &x.Account, &x.OrderID, &x.FulfilmentID, &state, &x.Attempt,
			&x.IdempotencyKey, (*uint64)(&x.OfferVersion), (*int64)(&x.Quantity), &x.Sequence, &x.ReplyID, &x.ReplyClass, &x.Reply, &x.Reason, &x.Command,
			(*int64)(&x.OccurredAt), (*int64)(&x.AttemptedAt), (*int64)(&x.RepliedAt))
		x.State, x.RequestID = stateOf(state), x.IdempotencyKey
		return err
	}
	return query(ctx, s, "failures", scan, `
		SELECT offset, toUnixTimestamp64Micro(recorded_at), pool, channel, account, order_id, fulfilment_id, state, attempt, idempotency_key, version,
			quantity, sequence, reply_id, reply_class, reply, reason, command, toUnixTimestamp64Micro(shipped_at), toUnixTimestamp64Micro(attempted_at),
			toUnixTimestamp64Micro(replied_at)
		FROM
		(
			SELECT * FROM confirmation_records
			WHERE (? = '' OR pool = ?) AND state != 'attempted'
			ORDER BY sequence DESC, offset DESC LIMIT 1 BY pool, channel, order_id, fulfilment_id, version
		)
		WHERE state != 'acknowledged'
		ORDER BY recorded_at DESC, offset DESC, pool, channel LIMIT ?`, pool, pool, limit)
}

func (s *Store) failingListings(ctx context.Context, pool string, limit int) ([]auditview.Told, error) {
	return query(ctx, s, "failures", scanTold, `
		SELECT `+communicationFields+` FROM communication_records
		WHERE (pool, channel, sku, location, `+order+`) IN
		(
			SELECT pool, channel, sku, location, `+outcome+` FROM communication_records
			WHERE ? = '' OR pool = ?
			GROUP BY pool, channel, sku, location HAVING `+failing+`
		)
		ORDER BY recorded_at DESC, offset DESC, pool, channel LIMIT 1 BY pool, channel, sku, location LIMIT ?`, pool, pool, limit)
}

// Rejections implements [auditview.Queries].
func (s *Store) Rejections(ctx context.Context, pool string, limit int) ([]record.Rejection, error) {
	scan := func(r driver.Rows, x *record.Rejection) error {
		var value string
		err := r.Scan(&x.Class, &x.Reason, &x.Field, &x.Applied, &x.Pool, &x.Topic, &x.Partition, &x.Offset, &x.Index, (*uint64)(&x.Version),
			&x.Ordinal, (*int64)(&x.RejectedAt), &value)
		if value != "" {
			x.Value = []byte(value)
		}
		return err
	}
	return query(ctx, s, "rejections", scan, `
		SELECT class, reason, field, applied, pool, topic, partition, offset, row_index, version, ordinal, toUnixTimestamp64Micro(rejected_at), value
		FROM rejection_records
		WHERE ? = '' OR pool = ?
		ORDER BY rejected_at DESC, record_key DESC LIMIT 1 BY record_key LIMIT ?`, pool, pool, limit)
}

// query returns the rows of a question; scan reads one.
func query[T any](ctx context.Context, s *Store, what string, scan func(driver.Rows, *T) error, text string, args ...any) ([]T, error) {
	var result []T
	err := each(ctx, s, what, scan, func(x T) error {
		result = append(result, x)
		return nil
	}, text, args...)
	return result, err
}

// each calls f with every row of a question, and returns an error of f as it is.
func each[T any](ctx context.Context, s *Store, what string, scan func(driver.Rows, *T) error, f func(T) error, text string, args ...any) (err error) {
	rows, err := s.conn.Query(ctx, text, args...)
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
