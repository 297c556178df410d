package litestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/shelfwire/shelfwire/internal/publisher"
)

// ToldFileName is the name of the told state in its directory.
const ToldFileName = "told.db"

const toldSchema = `
CREATE TABLE IF NOT EXISTS told_meta (
  partition INTEGER PRIMARY KEY,      -- of the topic offers
  sequence INTEGER NOT NULL,          -- raised by every take and every save
  topic TEXT NOT NULL DEFAULT '',     -- id of the topic that position counts in
  position INTEGER NOT NULL DEFAULT 0 -- the next offer to take
) STRICT;
CREATE TABLE IF NOT EXISTS told_rows (
  partition INTEGER NOT NULL,
  channel TEXT NOT NULL,
  listing TEXT NOT NULL,              -- '' for the channel's own row
  value BLOB NOT NULL,
  PRIMARY KEY (partition, channel, listing)
) STRICT, WITHOUT ROWID;`

// A Told keeps the told state of an embedded installation, whose Redis forgets: what a channel was told cannot be folded again
// from the journal. It implements [publisher.ToldStore] and is safe for concurrent use.
type Told struct{ db *sql.DB }

// OpenTold opens the told state in dir, or makes it. Close must be called.
func OpenTold(ctx context.Context, dir string) (*Told, error) {
	path := filepath.Join(dir, ToldFileName)
	db, err := sql.Open("sqlite", location(path))
	if err != nil {
		return nil, fmt.Errorf("told state %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, toldSchema); err != nil {
		return nil, errors.Join(fmt.Errorf("told state %s: %w", path, err), db.Close())
	}
	return &Told{db}, nil
}

// Close frees the file.
func (t *Told) Close() error { return t.db.Close() }

// Take implements [publisher.ToldStore].
func (t *Told) Take(ctx context.Context, partition int32, least int64) (told publisher.Told, err error) {
	err = inTransaction(ctx, t.db, func(tx *sql.Tx) (err error) {
		_, err = tx.ExecContext(ctx, `INSERT INTO told_meta (partition, sequence) VALUES (?1, max(1, ?2))
			ON CONFLICT (partition) DO UPDATE SET sequence = max(sequence + 1, ?2)`, partition, least)
		if err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, `SELECT sequence, topic, position FROM told_meta WHERE partition = ?`, partition).
			Scan(&told.Sequence, &told.TopicID, &told.Offset)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `SELECT channel, listing, value FROM told_rows WHERE partition = ?`, partition)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var r publisher.ToldRow
			if err := rows.Scan(&r.Channel, &r.Listing, &r.Value); err != nil {
				return err
			}
			told.Rows = append(told.Rows, r)
		}
		return rows.Err()
	})
	if err != nil {
		return publisher.Told{}, fmt.Errorf("take offers partition %d: %w", partition, err)
	}
	return told, nil
}

// Position returns the next offer of the partition that is to be taken, 0 where none was. It takes nothing over.
func (t *Told) Position(ctx context.Context, partition int32) (offset int64, err error) {
	err = t.db.QueryRowContext(ctx, `SELECT position FROM told_meta WHERE partition = ?`, partition).Scan(&offset)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("position in offers partition %d: %w", partition, err)
	}
	return offset, nil
}

// Save implements [publisher.ToldStore].
func (t *Told) Save(ctx context.Context, partition int32, sequence int64, p publisher.ToldPosition, rows []publisher.ToldRow) error {
	err := inTransaction(ctx, t.db, func(tx *sql.Tx) (err error) {
		done, err := tx.ExecContext(ctx, `UPDATE told_meta SET sequence = sequence + 1, topic = ?, position = ?
			WHERE partition = ? AND sequence = ?`, p.TopicID, p.Offset, partition, sequence)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, publisher.ErrFenced)
		}
		put, err := tx.PrepareContext(ctx, `INSERT INTO told_rows (partition, channel, listing, value) VALUES (?, ?, ?, ?)
			ON CONFLICT (partition, channel, listing) DO UPDATE SET value = excluded.value`)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, put.Close()) }()
		for _, r := range rows {
			if _, err := put.ExecContext(ctx, partition, r.Channel, r.Listing, r.Value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save %d told rows of offers partition %d at sequence %d: %w", len(rows), partition, sequence, err)
	}
	return nil
}
