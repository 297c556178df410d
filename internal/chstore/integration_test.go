//go:build integration

package chstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/shelfwire/shelfwire/internal/chstore"
	"github.com/shelfwire/shelfwire/internal/history/historytest"
	"github.com/shelfwire/shelfwire/schemas"
)

func TestConformance(t *testing.T) {
	historytest.Run(t, func(t *testing.T) historytest.Store {
		cfg := database(t)
		if _, err := chstore.Migrate(t.Context(), cfg, nil); err != nil {
			t.Fatal(err)
		}
		return open(t, cfg)
	})
}

// database returns a database of the test's own, which is dropped at the end. It is not made yet.
func database(t *testing.T) chstore.Config {
	t.Helper()
	address := os.Getenv("SHELFWIRE_TEST_CLICKHOUSE")
	if address == "" {
		t.Fatal("SHELFWIRE_TEST_CLICKHOUSE is not set")
	}
	cfg := chstore.Config{Addresses: []string{address}, Database: "test_" + strings.ToLower(rand.Text()[:12]), User: "default"}
	t.Cleanup(func() {
		exec(context.WithoutCancel(t.Context()), t, cfg, "", "DROP DATABASE IF EXISTS "+cfg.Database+" SYNC")
	})
	return cfg
}

func open(t *testing.T, cfg chstore.Config) *chstore.Store {
	t.Helper()
	s, err := chstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func client(t *testing.T, cfg chstore.Config, database string) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: cfg.Addresses, Auth: clickhouse.Auth{Database: database, Username: cfg.User, Password: cfg.Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func exec(ctx context.Context, t *testing.T, cfg chstore.Config, database, statement string) {
	t.Helper()
	conn := client(t, cfg, database)
	defer conn.Close()
	if err := conn.Exec(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

func TestMigrate(t *testing.T) {
	ctx := t.Context()
	cfg := database(t)
	_, err := chstore.Open(ctx, cfg)
	wantError(t, err, "shelfwire migrate", cfg.Database)

	migrations, err := schemas.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	needed := len(migrations)
	var steps []chstore.Step
	before, err := chstore.Migrate(ctx, cfg, func(s chstore.Step) { steps = append(steps, s) })
	if err != nil || before != 0 || len(steps) == 0 || steps[len(steps)-1].Done != steps[0].Total {
		t.Fatalf("got %d, %v after %v", before, err, steps)
	}
	steps = nil
	if before, err = chstore.Migrate(ctx, cfg, func(s chstore.Step) { steps = append(steps, s) }); err != nil || before != needed || len(steps) != 0 {
		t.Errorf("again: got %d, %v after %v", before, err, steps)
	}

	exec(ctx, t, cfg, cfg.Database, "TRUNCATE TABLE schema_migrations")
	_, err = chstore.Open(ctx, cfg)
	wantError(t, err, fmt.Sprintf("it is at 0, this program needs %d: run `shelfwire migrate`", needed))
	if !errors.Is(err, chstore.ErrSchema) {
		t.Errorf("got %v, want ErrSchema", err)
	}
	if _, err = chstore.Migrate(ctx, cfg, nil); err != nil {
		t.Errorf("over a step that was cut short: %v", err)
	}
	exec(ctx, t, cfg, cfg.Database, "INSERT INTO schema_migrations (number, name) VALUES (99, 'later')")
	_, err = chstore.Open(ctx, cfg)
	wantError(t, err, fmt.Sprintf("it is at 99, this program only knows %d", needed))
	_, err = chstore.Migrate(ctx, cfg, nil)
	wantError(t, err, fmt.Sprintf("it is at 99, this program only knows %d", needed))
}

// TestEveryColumnIsCommented holds the tables and views to what an analyst is promised.
func TestEveryColumnIsCommented(t *testing.T) {
	cfg := database(t)
	if _, err := chstore.Migrate(t.Context(), cfg, nil); err != nil {
		t.Fatal(err)
	}
	rows, err := client(t, cfg, cfg.Database).Query(t.Context(), "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND comment = ''")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, name string
		if err := rows.Scan(&table, &name); err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s.%s has no comment", table, name)
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
}

// TestRolesAreStatements has ClickHouse read roles.sql, which an administrator runs; that it may be run depends on the server.
func TestRolesAreStatements(t *testing.T) {
	text, err := os.ReadFile("../../schemas/clickhouse/roles.sql")
	if err != nil {
		t.Fatal(err)
	}
	conn := client(t, database(t), "")
	for statement := range strings.SplitSeq(string(text), ";\n") {
		lines := strings.Split(statement, "\n")
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "--") || l == "" })
		if len(lines) == 0 {
			continue
		}
		statement = strings.Join(lines, "\n")
		if got := ask(t, conn, "EXPLAIN AST "+statement); got == "" {
			t.Errorf("%s: it is not a statement", statement)
		}
	}
}
