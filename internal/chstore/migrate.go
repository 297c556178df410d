package chstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/shelfwire/shelfwire/schemas"
)

// ErrSchema is wrapped by the error of a database whose schema is not this program's.
var ErrSchema = errors.New("the ClickHouse schema does not fit")

// A Step is one statement of a migration that has been run.
type Step struct {
	Migration   string // file name
	Done, Total int    // statements of all migrations that are to be run
}

const createMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt32 COMMENT 'number of the migration',
    name String COMMENT 'its file',
    applied_at DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'when all of its statements had been run'
)
ENGINE = ReplacingMergeTree
ORDER BY number
COMMENT 'Which steps of the schema this database has'`

// Migrate makes the database and brings its schema to this program's, and returns the number of the schema before. A step that
// was cut short is run again from its start, which its statements allow. progress, where set, is called after every statement.
func Migrate(ctx context.Context, cfg Config, progress func(Step)) (before int, err error) {
	all, err := schemas.Migrations()
	if err != nil {
		return 0, err
	}
	if err := createDatabase(ctx, cfg); err != nil {
		return 0, err
	}
	conn, err := connect(ctx, cfg, cfg.Database)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.Exec(ctx, createMigrations); err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	if before, err = schemaNumber(ctx, conn); err != nil {
		return 0, err
	}
	if before > len(all) {
		return before, newerSchema(before, len(all))
	}
	step := Step{}
	for _, m := range all[before:] {
		step.Total += len(m.Statements)
	}
	for _, m := range all[before:] {
		for _, statement := range m.Statements {
			if err := conn.Exec(ctx, statement); err != nil {
				return before, fmt.Errorf("migrate: %s: %s: %w", m.Name, firstLine(statement), err)
			}
			step.Migration = m.Name
			step.Done++
			if progress != nil {
				progress(step)
			}
		}
		if err := conn.Exec(ctx, "INSERT INTO schema_migrations (number, name) VALUES (?, ?)", m.Number, m.Name); err != nil {
			return before, fmt.Errorf("migrate: %s: %w", m.Name, err)
		}
	}
	return before, nil
}

func createDatabase(ctx context.Context, cfg Config) (err error) {
	conn, err := connect(ctx, cfg, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoted(cfg.Database)); err != nil {
		return fmt.Errorf("make database %s: %w", cfg.Database, err)
	}
	return nil
}

func quoted(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// checkSchema returns an error that wraps [ErrSchema] where the database's schema is older or newer than this program's.
func (s *Store) checkSchema(ctx context.Context) error {
	all, err := schemas.Migrations()
	if err != nil {
		return err
	}
	have, err := schemaNumber(ctx, s.conn)
	switch {
	case err != nil:
		return err
	case have < len(all):
		return fmt.Errorf("%w: in database %s it is at %d, this program needs %d: run `shelfwire migrate`", ErrSchema, s.cfg.Database, have, len(all))
	case have > len(all):
		return newerSchema(have, len(all))
	}
	return nil
}

func newerSchema(have, want int) error {
	return fmt.Errorf("%w: it is at %d, this program only knows %d: run a newer shelfwire", ErrSchema, have, want)
}

// schemaNumber returns the newest step that the database has, 0 where it has none.
func schemaNumber(ctx context.Context, conn driver.Conn) (int, error) {
	var there uint64
	err := conn.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'").Scan(&there)
	if err != nil {
		return 0, fmt.Errorf("read the schema's number: %w", err)
	}
	if there == 0 {
		return 0, nil
	}
	var number uint32
	if err := conn.QueryRow(ctx, "SELECT max(number) FROM schema_migrations").Scan(&number); err != nil {
		return 0, fmt.Errorf("read the schema's number: %w", err)
	}
	return int(number), nil
}
