package chstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/shelfwire/shelfwire/internal/history"
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
	dialTimeout  = 5 * time.Second // for each address
	readTimeout  = 60 * time.Second
	checkTimeout = 10 * time.Second // for both questions of [Store.Check]
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
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.Check(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// New returns a store that connects when something is asked of it, which is not to be before [Store.Check] has found it in order.
// Close must be called.
func New(cfg Config) (*Store, error) {
	conn, err := dial(cfg, cfg.Database)
	if err != nil {
		return nil, err
	}
	return &Store{conn: conn, cfg: cfg, writing: make(chan struct{}, writers), tables: newTables()}, nil
}

// Check returns an error unless ClickHouse answers, lets the user in, and has the database with this program's schema. It wraps
// [history.ErrAway] where ClickHouse does not answer now; every other error is for a person. It takes 10 s at most, or 5 s for each
// address where there are more than two.
func (s *Store) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	err := needDatabase(ctx, s.cfg)
	if err == nil {
		err = s.checkSchema(ctx)
	}
	if err != nil && isAway(err) {
		return history.Away(err)
	}
	return err
}

// Close ends all connections.
func (s *Store) Close() error { return s.conn.Close() }

// dial returns a connection that is made when something is asked.
func dial(cfg Config, database string) (driver.Conn, error) {
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
	return conn, nil
}

func connect(ctx context.Context, cfg Config, database string) (driver.Conn, error) {
	conn, err := dial(cfg, database)
	if err != nil {
		return nil, err
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

// Codes of ClickHouse with which it says that it cannot answer now: it is overloaded, or does not reach another server.
const (
	timeoutExceeded    = 159
	tooManyQueries     = 202
	socketTimeout      = 209
	networkError       = 210
	memoryExceeded     = 241
	allConnectionsFail = 279
	keeperException    = 999
)

// isAway reports whether err may pass by itself. What is not known to do so is for a person: an HTTP port in place of the native one,
// or a schema that is not there.
func isAway(err error) bool {
	if x, ok := errors.AsType[*clickhouse.Exception](err); ok {
		switch x.Code {
		case timeoutExceeded, tooManyQueries, socketTimeout, networkError, memoryExceeded, allConnectionsFail, keeperException:
			return true
		}
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok { // an expired context is one, too
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, clickhouse.ErrAcquireConnTimeout)
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
