package litestore

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// FileName is the name of the history in its directory.
const FileName = "history.db"

//go:embed schema.sql
var schema string

// schemaVersion is written into the file; a file with another number was made by another version of the program.
const schemaVersion = 2

// A Store is an open history. It is safe for concurrent use.
type Store struct {
	writer *sql.DB // one connection: SQLite has one writer at a time, and waiting here is cheaper than there
	reader *sql.DB
}

// readers bounds how many questions are answered at once.
const readers = 4

// Open opens the history in dir, or makes it. Close must be called.
func Open(ctx context.Context, dir string) (*Store, error) {
	path := filepath.Join(dir, FileName)
	s, err := open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("history %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string) (*Store, error) {
	location := location(path)
	writer, err := sql.Open("sqlite", location)
	if err != nil {
		return nil, err
	}
	writer.SetMaxOpenConns(1)
	reader, err := sql.Open("sqlite", location+"&_query_only=1")
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	reader.SetMaxOpenConns(readers)
	reader.SetMaxIdleConns(readers)
	s := &Store{writer: writer, reader: reader}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// location names the file with the settings that every connection to it has. synchronous=normal may lose the last commits with
// the machine, never the file, and never anything with the process.
func location(path string) string {
	options := url.Values{"_pragma": {"journal_mode(wal)", "synchronous(normal)", "busy_timeout(10000)", "cache_size(-8000)"}, "_txlock": {"immediate"}}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}).String()
}

// prepare makes the tables of a new file, and refuses the file of another version.
func (s *Store) prepare(ctx context.Context) error {
	return s.inTransaction(ctx, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		switch version {
		case schemaVersion:
			return nil
		case 0:
			if _, err := tx.ExecContext(ctx, schema); err != nil {
				return fmt.Errorf("make the tables: %w", err)
			}
			_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
			return err
		}
		return fmt.Errorf("it has schema %d, and this program reads %d: remove the file to have it made again from the topics", version, schemaVersion)
	})
}

func (s *Store) inTransaction(ctx context.Context, f func(tx *sql.Tx) error) error {
	return inTransaction(ctx, s.writer, f)
}

func inTransaction(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// Close ends all use of the file.
func (s *Store) Close() error {
	return errors.Join(s.reader.Close(), s.writer.Close())
}
