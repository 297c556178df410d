package chstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/stock"
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
	row := s.conn.QueryRow(ctx, "SELECT argMax(topic_id, next), max(next) FROM positions WHERE topic = ? AND partition = ?", string(p.Topic), p.ID)
	if err := row.Scan(&id, &next); err != nil {
		return "", 0, fmt.Errorf("position of %s/%d in the history: %w", p.Topic, p.ID, err)
	}
	return id, next, nil
}

// Append implements [history.Store].
func (s *Store) Append(ctx context.Context, b *history.Batch) error {
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// The rows first, each block with the name that it has again when it is sent again; only then the position that says so.
	err := s.rows(ctx, b)
	if err == nil {
		err = s.conn.Exec(ctx, "INSERT INTO positions (topic, partition, topic_id, next) VALUES (?, ?, ?, ?)",
			string(b.Partition.Topic), b.Partition.ID, b.TopicID, b.Last+1)
	}
	if err != nil {
		return fmt.Errorf("append %s/%d %d-%d to the history: %w", b.Partition.Topic, b.Partition.ID, b.First, b.Last, err)
	}
	return nil
}

// A place is one block: the rows of one table and one month.
type place struct {
	table *table
	month int
}

func (s *Store) rows(ctx context.Context, b *history.Batch) error {
	blocks := map[place][]row{}
	var order []place
	for i := range b.Rows {
		r := row{Row: &b.Rows[i], partition: b.Partition.ID, generation: b.Generation}
		t := s.tables.of(r.Row)
		if t == nil {
			return fmt.Errorf("offset %d: a row without a record", r.Offset)
		}
		at := place{table: t, month: monthOf(t.time(&r))}
		if blocks[at] == nil {
			order = append(order, at)
		}
		blocks[at] = append(blocks[at], r)
	}
	slices.SortFunc(order, func(a, b place) int {
		if a.table != b.table {
			return slices.Compare([]byte(a.table.name), []byte(b.table.name))
		}
		return a.month - b.month
	})
	for _, at := range order {
		token := fmt.Sprintf("%s/%s/%d/%d-%d/%s/%d", b.TopicID, b.Partition.Topic, b.Partition.ID, b.First, b.Last, at.table.name, at.month)
		if err := s.insert(ctx, at.table, blocks[at], token); err != nil {
			return fmt.Errorf("table %s: %w", at.table.name, err)
		}
	}
	return nil
}

func (s *Store) insert(ctx context.Context, t *table, rows []row, token string) (err error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token}))
	batch, err := s.conn.PrepareBatch(ctx, t.insert)
	if err != nil {
		return err
	}
	defer func() {
		if !batch.IsSent() {
			err = errors.Join(err, batch.Abort())
		}
	}()
	for i, c := range t.columns {
		if err := batch.Column(i).Append(c.values(rows)); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return batch.Send()
}

// when returns i as ClickHouse can hold it: instants that are out of its range are moved to its ends.
func when(i stock.Instant) time.Time {
	const (
		first = stock.Instant(-2208988800_000000) // 1900-01-01
		last  = stock.Instant(9214646400_000000)  // 2262-01-01
	)
	return time.UnixMicro(int64(min(max(i, first), last))).UTC()
}

func monthOf(t time.Time) int { return t.Year()*100 + int(t.Month()) }
