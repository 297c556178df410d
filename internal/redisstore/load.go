package redisstore

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const (
	fieldsPerCommand = 4096  // of one HMGET
	scanCount        = 4096  // fields that one HSCAN is asked for
	loadAttempts     = 10    // of a pool that is written while it is read
	keysPerLoad      = 65536 // rows of one transaction
)

// Load reads rows as of one position, as [allocator.Store] says. A great many are read in parts, and read again where the
// position has moved in between.
func (s *Store) Load(ctx context.Context, partition int32, keys []engine.RowKey) ([][]byte, stream.Position, error) {
	values := make([][]byte, len(keys))
	for range loadAttempts {
		at, whole, err := s.loadParts(ctx, partition, keys, values)
		if err != nil {
			return nil, stream.Position{}, fmt.Errorf("load %d rows of journal partition %d: %w", len(keys), partition, err)
		}
		if whole {
			return values, at, nil
		}
	}
	return nil, stream.Position{}, fmt.Errorf("load %d rows of journal partition %d: %w: somebody else is writing it", len(keys), partition, allocator.ErrMoved)
}

// loadParts fills values part by part. whole reports that all parts are of the same position.
func (s *Store) loadParts(ctx context.Context, partition int32, keys []engine.RowKey, values [][]byte) (at stream.Position, whole bool, err error) {
	for from := 0; from == 0 || from < len(keys); from += keysPerLoad {
		to := min(from+keysPerLoad, len(keys))
		read, err := s.loadSome(ctx, partition, keys[from:to], values[from:to])
		if err != nil {
			return stream.Position{}, false, err
		}
		if from > 0 && read != at {
			return stream.Position{}, false, nil
		}
		at = read
	}
	return at, true, nil
}

// loadSome reads the rows and the position in one transaction, so that they belong together.
func (s *Store) loadSome(ctx context.Context, partition int32, keys []engine.RowKey, values [][]byte) (stream.Position, error) {
	type reply struct {
		cmd *redis.SliceCmd
		at  []int // index in keys of each field
	}
	var replies []reply
	pipe := s.client.TxPipeline()
	meta := readMeta(ctx, pipe, s.metaKey(partition))

	byHash := map[engine.RowKey][]int{} // RowKey without ID
	order := make([]engine.RowKey, 0, 4)
	for i, k := range keys {
		k.ID = ""
		if _, ok := byHash[k]; !ok {
			order = append(order, k)
		}
		byHash[k] = append(byHash[k], i)
	}
	for _, hash := range order {
		name := s.tableKey(partition, hash.Table, hash.Pool)
		for at := byHash[hash]; len(at) > 0; {
			n := min(len(at), fieldsPerCommand)
			fields := make([]string, 0, n)
			for _, i := range at[:n] {
				fields = append(fields, field(hash.Table, keys[i].ID))
			}
			replies = append(replies, reply{pipe.HMGet(ctx, name, fields...), at[:n]})
			at = at[n:]
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return stream.Position{}, classify(err)
	}
	for _, r := range replies {
		for j, v := range r.cmd.Val() {
			values[r.at[j]] = nil
			if text, ok := v.(string); ok {
				values[r.at[j]] = []byte(text)
			}
		}
	}
	return parseMeta(meta.Val())
}

// LoadPool reads a pool's small tables and the ids of its SKUs, as [allocator.Store] says. A pool may remember a million event
// ids, so it is read in parts and read again if the position has moved in between.
func (s *Store) LoadPool(ctx context.Context, partition int32, pool string) ([]engine.RowWrite, stream.Position, error) {
	for range loadAttempts {
		before, err := s.Meta(ctx, partition)
		if err != nil {
			return nil, stream.Position{}, err
		}
		rows, err := s.readPool(ctx, partition, pool)
		if err != nil {
			return nil, stream.Position{}, fmt.Errorf("load pool %q of journal partition %d: %w", pool, partition, classify(err))
		}
		after, err := s.Meta(ctx, partition)
		if err != nil {
			return nil, stream.Position{}, err
		}
		if before == after {
			return rows, after, nil
		}
	}
	return nil, stream.Position{}, fmt.Errorf("load pool %q of journal partition %d: %w: somebody else is writing it", pool, partition, allocator.ErrMoved)
}

// Pools lists the pools of which the partition holds rows, as [allocator.Store] says.
func (s *Store) Pools(ctx context.Context, partition int32) ([]string, error) {
	keys, err := s.tableKeys(ctx, partition)
	if err != nil {
		return nil, fmt.Errorf("list the pools of journal partition %d: %w", partition, classify(err))
	}
	var pools []string
	for _, key := range keys {
		if _, pool, ok := s.parseTableKey(partition, key); ok {
			pools = append(pools, pool)
		}
	}
	slices.Sort(pools)
	return slices.Compact(pools), nil
}

func (s *Store) readPool(ctx context.Context, partition int32, pool string) ([]engine.RowWrite, error) {
	var rows []engine.RowWrite
	for _, table := range []engine.Table{engine.TablePool, engine.TableSeen, engine.TableDue} {
		err := s.scanTable(ctx, partition, table, pool, func(r engine.RowWrite) error {
			rows = append(rows, r)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, table := range []engine.Table{engine.TableStock, engine.TableListings} {
		fields, err := s.client.HKeys(ctx, s.tableKey(partition, table, pool)).Result()
		if err != nil {
			return nil, err
		}
		for _, f := range fields {
			rows = append(rows, engine.RowWrite{RowKey: engine.RowKey{Table: table, Pool: pool, ID: rowID(table, f)}})
		}
	}
	return rows, nil
}

// scanTable calls f with every row of one hash, each once: HSCAN may name a field twice while Redis resizes the hash.
func (s *Store) scanTable(ctx context.Context, partition int32, table engine.Table, pool string, f func(engine.RowWrite) error) error {
	key := s.tableKey(partition, table, pool)
	seen := map[string]struct{}{}
	var cursor uint64
	for {
		pairs, next, err := s.client.HScan(ctx, key, cursor, "", scanCount).Result()
		if err != nil {
			return fmt.Errorf("scan %s: %w", key, classify(err))
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			if _, twice := seen[pairs[i]]; twice {
				continue
			}
			seen[pairs[i]] = struct{}{}
			row := engine.RowWrite{RowKey: engine.RowKey{Table: table, Pool: pool, ID: rowID(table, pairs[i])}, Value: []byte(pairs[i+1])}
			if err := f(row); err != nil {
				return err
			}
		}
		if next == 0 {
			return nil
		}
		cursor = next
	}
}

// EachRow calls f with every row of a journal partition, each once, in no particular order. Rows that are written meanwhile may
// be seen before or after the change. f may keep the row.
func (s *Store) EachRow(ctx context.Context, partition int32, f func(engine.RowWrite) error) error {
	keys, err := s.tableKeys(ctx, partition)
	if err != nil {
		return fmt.Errorf("list the keys of journal partition %d: %w", partition, err)
	}
	for _, key := range keys {
		table, pool, ok := s.parseTableKey(partition, key)
		if !ok {
			continue
		}
		if err := s.scanTable(ctx, partition, table, pool, f); err != nil {
			return err
		}
	}
	return nil
}

// tableKeys lists the keys of a partition's slot, each once. Redis has no index of them, so this walks all keys of the node.
func (s *Store) tableKeys(ctx context.Context, partition int32) ([]string, error) {
	var node redis.Cmdable = s.client
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		master, err := cluster.MasterForKey(ctx, s.metaKey(partition))
		if err != nil {
			return nil, err
		}
		node = master
	}
	var keys []string
	seen := map[string]struct{}{}
	match := globEscaper.Replace(s.slot(partition)) + "*"
	var cursor uint64
	for {
		found, next, err := node.Scan(ctx, cursor, match, scanCount).Result()
		if err != nil {
			return nil, err
		}
		for _, k := range found {
			if _, twice := seen[k]; !twice {
				seen[k] = struct{}{}
				keys = append(keys, k)
			}
		}
		if next == 0 {
			return keys, nil
		}
		cursor = next
	}
}
