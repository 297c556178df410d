package chstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Config says where ClickHouse is.
type Config struct {
	Addresses      []string // host:port of the native protocol
	Database       string
	User, Password string
}

// writers bounds how many batches are inserted at once, readers how many questions are asked.
const (
	writers = 8
	readers = 8
)

const (
	dialTimeout = 5 * time.Second
	readTimeout = 60 * time.Second
)

// A Store is a connection to the history. It is safe for concurrent use.
type Store struct {
	conn    driver.Conn
	cfg     Config
	writing chan struct{} // a token for each batch under way
	tables  tables
}

// Open connects, and refuses a schema that is not this program's. Close must be called.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if err := needDatabase(ctx, cfg); err != nil {
		return nil, err
	}
	conn, err := connect(ctx, cfg, cfg.Database)
	if err != nil {
		return nil, err
	}
	s := &Store{conn: conn, cfg: cfg, writing: make(chan struct{}, writers), tables: newTables()}
	if err := s.CheckSchema(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// Close ends all connections.
func (s *Store) Close() error { return s.conn.Close() }

func connect(ctx context.Context, cfg Config, database string) (driver.Conn, error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:        cfg.Addresses,
		Auth:        clickhouse.Auth{Database: database, Username: cfg.User, Password: cfg.Password},
		DialTimeout: dialTimeout, ReadTimeout: readTimeout,
		MaxOpenConns: writers + readers, MaxIdleConns: writers + readers,
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
	})
	if err != nil {
		return nil, explain(cfg, err)
	}
	if err := conn.Ping(ctx); err != nil {
		return nil, errors.Join(explain(cfg, err), conn.Close())
	}
	return conn, nil
}

// needDatabase asks for the database before it is connected to: a handshake that fails says less than a question.
func needDatabase(ctx context.Context, cfg Config) (err error) {
	conn, err := connect(ctx, cfg, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var there uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM system.databases WHERE name = ?", cfg.Database).Scan(&there); err != nil {
		return explain(cfg, err)
	}
	if there == 0 {
		return fmt.Errorf("clickhouse at %s has no database %q: run `shelfwire migrate`, or set SHELFWIRE_CLICKHOUSE_DATABASE",
			strings.Join(cfg.Addresses, ","), cfg.Database)
	}
	return nil
}

// Codes of ClickHouse that have a remedy of their own.
const (
	unknownUser          = 192
	wrongPassword        = 193
	authenticationFailed = 516
)

// explain says what to do about a connection that could not be made.
func explain(cfg Config, err error) error {
	where := strings.Join(cfg.Addresses, ",")
	if x, ok := errors.AsType[*clickhouse.Exception](err); ok {
		switch x.Code {
		case unknownUser, wrongPassword, authenticationFailed:
			return fmt.Errorf("clickhouse at %s refused user %q: set SHELFWIRE_CLICKHOUSE_USER and SHELFWIRE_CLICKHOUSE_PASSWORD: %w", where, cfg.User, err)
		}
		return fmt.Errorf("clickhouse at %s: %w", where, err)
	}
	return fmt.Errorf("clickhouse does not answer at %s (SHELFWIRE_CLICKHOUSE_ADDRESSES, host:port of its native protocol): %w", where, err)
}
