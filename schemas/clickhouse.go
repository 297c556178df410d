package schemas

import (
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed clickhouse
var clickhouse embed.FS

// A Migration is one numbered step of the ClickHouse schema.
type Migration struct {
	Number     int    // 1, 2, …, without gaps
	Name       string // of the file, as in 0001_history.sql
	Statements []string
}

// Migrations returns the steps of the ClickHouse schema in order. Their statements name tables without a database.
func Migrations() ([]Migration, error) {
	names, err := fs.Glob(clickhouse, "clickhouse/[0-9]*.sql")
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	migrations := make([]Migration, 0, len(names))
	for i, path := range names { // sorted, and the numbers have four digits
		text, err := fs.ReadFile(clickhouse, path)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		name := strings.TrimPrefix(path, "clickhouse/")
		number, _, _ := strings.Cut(name, "_")
		if n, err := strconv.Atoi(number); err != nil || n != i+1 {
			return nil, fmt.Errorf("migration %s: want number %d", name, i+1)
		}
		migrations = append(migrations, Migration{Number: i + 1, Name: name, Statements: statements(string(text))})
	}
	return migrations, nil
}

// statements splits a script at the semicolons that end a line, and drops the lines that are comments.
func statements(script string) []string {
	var all []string
	var b strings.Builder
	for line := range strings.Lines(script) {
		if strings.HasPrefix(line, "--") {
			continue
		}
		b.WriteString(line)
		if strings.HasSuffix(strings.TrimRight(line, " \r\n"), ";") {
			if s := strings.TrimRight(strings.TrimSpace(b.String()), ";"); s != "" {
				all = append(all, s)
			}
			b.Reset()
		}
	}
	return all
}
