package litestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// Position implements [history.Store].
func (s *Store) Position(ctx context.Context, p stream.Partition) (int64, error) {
	_, next, err := s.position(ctx, p)
	return next, err
}

// TopicID implements [history.Store].
func (s *Store) TopicID(ctx context.Context, p stream.Partition) (string, error) {
	id, _, err := s.position(ctx, p)
	return id, err
}

func (s *Store) position(ctx context.Context, p stream.Partition) (id string, next int64, err error) {
	row := s.reader.QueryRowContext(ctx, "SELECT topic_id, next FROM positions WHERE topic = ? AND partition = ?", string(p.Topic), p.ID)
	if err = row.Scan(&id, &next); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", 0, fmt.Errorf("position of %s/%d in the history: %w", p.Topic, p.ID, err)
	}
	return id, next, nil
}

// Append implements [history.Store].
func (s *Store) Append(ctx context.Context, b *history.Batch) error {
	err := s.inTransaction(ctx, func(tx *sql.Tx) error {
		a := appending{tx: tx, statements: map[string]*sql.Stmt{}, partition: b.Partition.ID}
		for i := range b.Rows {
			if err := a.row(ctx, &b.Rows[i]); err != nil {
				return fmt.Errorf("offset %d: %w", b.Rows[i].Offset, err)
			}
		}
		return a.exec(ctx, `INSERT INTO positions (topic, partition, topic_id, next) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET topic_id = excluded.topic_id, next = max(next, excluded.next)`,
			string(b.Partition.Topic), b.Partition.ID, b.TopicID, b.Last+1)
	})
	if err != nil {
		return fmt.Errorf("append %s/%d %d-%d to the history: %w", b.Partition.Topic, b.Partition.ID, b.First, b.Last, err)
	}
	return nil
}

// An appending writes the rows of one batch in one transaction.
type appending struct {
	tx         *sql.Tx
	statements map[string]*sql.Stmt // closed with the transaction
	partition  int32
	value      []byte
}

func (a *appending) exec(ctx context.Context, query string, args ...any) error {
	st, ok := a.statements[query]
	if !ok {
		var err error
		if st, err = a.tx.PrepareContext(ctx, query); err != nil {
			return err
		}
		a.statements[query] = st
	}
	_, err := st.ExecContext(ctx, args...)
	return err
}

func (a *appending) row(ctx context.Context, r *history.Row) error {
	switch {
	case r.Journal != nil:
		return a.journal(ctx, r.Offset, r.Journal)
	case r.Availability != nil:
		return a.availability(ctx, r.Availability)
	case r.Allocation != nil:
		x := r.Allocation
		a.value = codec.AppendAllocation(a.value[:0], x)
		return a.exec(ctx, "INSERT OR REPLACE INTO allocations (pool, channel, order_id, version, value) VALUES (?, ?, ?, ?, ?)",
			x.Pool, x.Channel, x.OrderID, int64(x.Version), a.value)
	case r.Offer != nil:
		return a.offerRecord(ctx, r.Offer)
	case r.Shipment != nil:
		x := r.Shipment
		a.value = codec.AppendShipmentNotice(a.value[:0], x)
		return a.exec(ctx, "INSERT OR REPLACE INTO shipments (pool, channel, order_id, fulfilment_id, version, value) VALUES (?, ?, ?, ?, ?, ?)",
			x.Pool, x.Channel, x.OrderID, x.FulfilmentID, int64(x.Version), a.value)
	case r.Communication != nil:
		return a.communication(ctx, r)
	case r.Rejection != nil:
		x := r.Rejection
		a.value = codec.AppendRejection(a.value[:0], x)
		return a.exec(ctx, "INSERT OR REPLACE INTO rejections (key, pool, rejected_at, value) VALUES (?, ?, ?, ?)",
			r.Key, x.Pool, int64(x.RejectedAt), a.value)
	}
	return errors.New("a row without a record")
}

const putPool = `INSERT INTO pools (pool, last_entry) VALUES (?, ?) ON CONFLICT DO UPDATE SET last_entry = max(last_entry, excluded.last_entry)`

func (a *appending) journal(ctx context.Context, offset int64, x *record.JournalEntry) error {
	pool := x.Event.PoolID()
	a.value = codec.AppendJournalEntry(a.value[:0], x)
	return errors.Join(
		a.exec(ctx, "INSERT OR REPLACE INTO journal (partition, offset, pool, entry_time, value) VALUES (?, ?, ?, ?, ?)",
			a.partition, offset, pool, int64(x.EntryTime), a.value),
		a.exec(ctx, putPool, pool, int64(x.EntryTime)),
	)
}

func (a *appending) availability(ctx context.Context, x *record.Availability) error {
	a.value = codec.AppendAvailability(a.value[:0], x)
	return errors.Join(
		a.exec(ctx, `INSERT OR REPLACE INTO availability (pool, sku, version, changed_at, on_hand, on_order, reserved, available, backordered, value)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, x.Pool, x.SKU, int64(x.Version), int64(x.ChangedAt), int64(x.OnHand), int64(x.OnOrder), int64(x.Reserved),
			int64(x.Available), int64(x.Backordered), a.value),
		a.exec(ctx, putSKU, x.Pool, x.SKU, int64(x.Version)),
		a.exec(ctx, putPool, x.Pool, 0),
	)
}

const (
	putSKU     = `INSERT INTO skus (pool, sku, version) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET version = max(version, excluded.version)`
	putListing = `INSERT INTO listings (pool, sku, channel, location, version) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET version = max(version, excluded.version)`
)

func (a *appending) offerRecord(ctx context.Context, r *record.OfferRecord) error {
	a.value = codec.AppendOfferRecord(a.value[:0], r)
	switch {
	case r.Offer != nil:
		x := r.Offer
		return errors.Join(
			a.exec(ctx, `INSERT OR REPLACE INTO offers (pool, channel, sku, location, version, changed_at, quantity, sold, released, reason, stopped, value)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, x.Pool, x.Channel, x.SKU, x.Location, int64(x.Version), int64(x.ChangedAt), int64(x.Quantity),
				int64(x.Sold), int64(x.Released), x.Reason, x.Stopped, a.value),
			a.exec(ctx, putListing, x.Pool, x.SKU, x.Channel, x.Location, int64(x.Version)),
			a.exec(ctx, putSKU, x.Pool, x.SKU, 0),
			a.exec(ctx, putPool, x.Pool, 0),
		)
	case r.ChannelState != nil:
		x := &r.ChannelState.Channel
		return errors.Join(
			a.exec(ctx, "INSERT OR REPLACE INTO channels (pool, channel, version, account, vendor, deleted, value) VALUES (?, ?, ?, ?, ?, ?, ?)",
				x.Pool, x.Channel, int64(r.ChannelState.Version), x.AccountID(), x.Vendor, x.Deleted, a.value),
			a.exec(ctx, putPool, x.Pool, 0),
		)
	case r.Mark != nil:
		return a.exec(ctx, "INSERT OR REPLACE INTO marks (pool, channel, version, orders_until) VALUES (?, ?, ?, ?)",
			r.Mark.Pool, r.Mark.Channel, int64(r.Mark.Version), int64(r.Mark.OrdersUntil))
	}
	return errors.New("an offer record without a part")
}

func (a *appending) confirmation(ctx context.Context, r *history.Row) error {
	x := r.Communication
	a.value = codec.AppendCommunication(a.value[:0], x)
	outcome := x.State != record.Attempted
	return errors.Join(
		a.exec(ctx, `INSERT OR REPLACE INTO confirmations (pool, channel, order_id, fulfilment_id, version, partition, offset, recorded_at, outcome, failed, value)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			x.Pool, x.Channel, x.OrderID, x.FulfilmentID, int64(x.OfferVersion), a.partition, r.Offset, int64(r.Time), outcome,
			outcome && x.State != record.Acknowledged, a.value),
		a.exec(ctx, putPool, x.Pool, 0),
	)
}

func (a *appending) communication(ctx context.Context, r *history.Row) error {
	x := r.Communication
	if x.Kind == record.ConfirmShipment {
		return a.confirmation(ctx, r)
	}
	var level *int64
	if x.Level != nil {
		v := int64(*x.Level)
		level = &v
	}
	failed := 0
	switch x.State {
	case record.Held, record.Quarantined:
		failed = 2
	case record.CommunicationRejected, record.Unknown:
		failed = 1
	}
	a.value = codec.AppendCommunication(a.value[:0], x)
	return errors.Join(
		a.exec(ctx, `INSERT OR REPLACE INTO communications (pool, channel, sku, location, partition, offset, sequence, recorded_at, state, attempt, told, observed,
			outcome, failed, offer_version, quantity, level, replied_at, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			x.Pool, x.Channel, x.SKU, x.Location, a.partition, r.Offset, x.Sequence, int64(r.Time), int(x.State), x.State == record.Attempted,
			x.State == record.Acknowledged && x.Kind != record.ReadLevel, x.State == record.Observed && level != nil,
			x.State != record.Attempted && x.State != record.Observed, failed, int64(x.OfferVersion), int64(x.Quantity), level, int64(x.RepliedAt), a.value),
		a.exec(ctx, putListing, x.Pool, x.SKU, x.Channel, x.Location, 0),
		a.exec(ctx, putSKU, x.Pool, x.SKU, 0),
		a.exec(ctx, putPool, x.Pool, 0),
	)
}
