package redisstore

import (
	"strconv"
	"strings"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// slot begins every key of a journal partition: <prefix>{jN}:
func (s *Store) slot(partition int32) string {
	return s.prefix + "{j" + strconv.Itoa(int(partition)) + "}:"
}

// metaKey holds the partition's position.
func (s *Store) metaKey(partition int32) string { return s.slot(partition) + "meta" }

// tableKey holds one table of one pool, a field per row.
func (s *Store) tableKey(partition int32, table engine.Table, pool string) string {
	return s.slot(partition) + table.String() + ":" + stream.EscapeID(pool)
}

// parseTableKey undoes tableKey; ok is false for other keys of the slot.
func (s *Store) parseTableKey(partition int32, key string) (table engine.Table, pool string, ok bool) {
	name, pool, found := strings.Cut(strings.TrimPrefix(key, s.slot(partition)), ":")
	if !found {
		return 0, "", false
	}
	table, ok = engine.ParseTable(name)
	return table, stream.SplitKey(pool)[0], ok
}

// field is the name of a row within its hash. SKUs are escaped because readers use them; the others are names of the
// engine's own, which are escaped where they need it.
func field(table engine.Table, id string) string {
	if ofSKU(table) {
		return stream.EscapeID(id)
	}
	return id
}

// ofSKU reports whether the table's rows are named by SKU.
func ofSKU(table engine.Table) bool {
	switch table {
	case engine.TableStock, engine.TableListings, engine.TableRecent, engine.TablePromises:
		return true
	}
	return false
}

func rowID(table engine.Table, field string) string {
	if ofSKU(table) {
		return stream.SplitKey(field)[0]
	}
	return field
}
