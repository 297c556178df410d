package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const (
	// rowsPerCommand bounds how many rows one HSET or HDEL names.
	rowsPerCommand = 4096
	// armedFor is how long a connection that waits with its WATCH is trusted to be alive. One that a firewall has dropped in the
	// meantime must be found out by a harmless command, not by a commit whose outcome would then be unknown.
	armedFor = 5 * time.Second
	// attempts bounds how often one Commit starts over because a watched key changed though the position did not.
	attempts = 3
)

// Commit writes rows and position in one transaction, as [allocator.Store] says.
//
// It is optimistic: WATCH the position and every hash that is written, read the position and the types, then MULTI … EXEC, which
// Redis refuses if any watched key has changed. Types are checked because a command that fails inside EXEC undoes nothing:
// rows newer than the position would be left. The WATCH and the reads for the next commit travel behind the EXEC of this
// one on the partition's own connection, so a commit costs one round trip. Against one Lua script with the same check this
// needs about 0.6 of Redis's time for a large commit, because no argument is converted to a Lua value and back.
func (s *Store) Commit(ctx context.Context, partition int32, expected, next stream.Position, rows []engine.RowWrite) error {
	w := s.writer(partition)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.commit(ctx, expected, next, rows); err != nil {
		return fmt.Errorf("commit %d rows of journal partition %d: %w", len(rows), partition, err)
	}
	return nil
}

func (s *Store) writer(partition int32) *writer {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.writers[partition]
	if !ok {
		w = &writer{store: s, partition: partition, meta: s.metaKey(partition), types: map[string]*redis.StatusCmd{}}
		s.writers[partition] = w
	}
	return w
}

// A writer commits one partition over a connection of its own, since WATCH belongs to a connection.
type writer struct {
	store     *Store
	partition int32
	meta      string

	mu   sync.Mutex
	conn *redis.Conn // guarded by mu; nil: none yet, or the last one failed

	// What the connection watches, guarded by mu. armed is when it began to, zero if it does not.
	armed    time.Time
	position *redis.SliceCmd             // the position as it was then
	types    map[string]*redis.StatusCmd // the type of every watched hash as it was then

	groups []group // guarded by mu; scratch of one commit
	args   []any   // guarded by mu; scratch of one commit
}

// A group is the rows of one commit that belong to one hash.
type group struct {
	table engine.Table
	pool  string
	key   string
	rows  []*engine.RowWrite
}

func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop()
}

// drop gives the connection up. Redis forgets what it watched.
func (w *writer) drop() {
	if w.conn != nil {
		_ = w.conn.Close() // it has failed already, or is only returned to its pool
	}
	w.conn, w.armed = nil, time.Time{}
}

func (w *writer) commit(ctx context.Context, expected, next stream.Position, rows []engine.RowWrite) error {
	if err := ctx.Err(); err != nil {
		return err // on a connection that is at hand the client would not look
	}
	w.group(rows)
	for range attempts {
		fresh, err := w.arm(ctx)
		if err != nil {
			return err
		}
		stored, err := w.stored()
		if err != nil {
			w.disarm(ctx)
			return err
		}
		if stored != expected && !fresh {
			// What was read behind the last EXEC is older than what the caller knows: another process may have committed
			// and ours read the position since. Look again before saying that it moved.
			w.disarm(ctx)
			if _, err = w.arm(ctx); err != nil {
				return err
			}
			if stored, err = w.stored(); err != nil {
				return err
			}
		}
		if stored != expected {
			return fmt.Errorf("%w: it is at %v, expected was %v", allocator.ErrMoved, stored, expected)
		}
		if done, err := w.exec(ctx, next); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: its keys are being written by somebody else", allocator.ErrMoved)
}

// group sorts the rows by the hash they belong to, keeping their order within it.
func (w *writer) group(rows []engine.RowWrite) {
	for i := range w.groups {
		clear(w.groups[i].rows)
		w.groups[i].rows = w.groups[i].rows[:0]
	}
	n, last := 0, -1
	for i := range rows {
		r := &rows[i]
		if last < 0 || w.groups[last].table != r.Table || w.groups[last].pool != r.Pool {
			last = slices.IndexFunc(w.groups[:n], func(g group) bool { return g.table == r.Table && g.pool == r.Pool })
		}
		if last < 0 {
			if n == len(w.groups) {
				w.groups = append(w.groups, group{})
			}
			last = n
			n++
			w.groups[last].table, w.groups[last].pool = r.Table, r.Pool
			w.groups[last].key = w.store.tableKey(w.partition, r.Table, r.Pool)
		}
		w.groups[last].rows = append(w.groups[last].rows, r)
	}
	w.groups = w.groups[:n]
}

// arm makes the connection watch the position and the hashes of this commit. fresh reports that the position was read just
// now, not behind an earlier EXEC.
func (w *writer) arm(ctx context.Context) (fresh bool, err error) {
	if !w.armed.IsZero() && time.Since(w.armed) > armedFor {
		w.disarm(ctx)
	}
	reused := w.conn != nil
	fresh = w.armed.IsZero()
	err = w.watch(ctx)
	if err != nil && reused && ctx.Err() == nil {
		// The connection may just have been cut while it was idle. Nothing was written, so another one may try.
		fresh = true
		err = w.watch(ctx)
	}
	return fresh, err
}

// watch sends what arm still needs. Where it fails the connection is gone.
func (w *writer) watch(ctx context.Context) error {
	if err := w.connect(ctx); err != nil {
		return err
	}
	missing := w.armed.IsZero()
	for _, g := range w.groups {
		missing = missing || w.types[g.key] == nil
	}
	if !missing {
		return nil
	}
	pipe := w.conn.Pipeline()
	w.queueWatch(ctx, pipe)
	if _, err := pipe.Exec(ctx); err != nil {
		w.drop()
		if cluster, ok := w.store.client.(*redis.ClusterClient); ok {
			cluster.ReloadState(ctx) // the slot may have moved to another node
		}
		return fmt.Errorf("watch the position: %w", classify(err))
	}
	return nil
}

// connect takes a connection to the node that holds the partition's slot.
func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	switch c := w.store.client.(type) {
	case *redis.Client:
		w.conn = c.Conn()
	case *redis.ClusterClient:
		node, err := c.MasterForKey(ctx, w.meta)
		if err != nil {
			return fmt.Errorf("find the node of %s: %w", w.meta, err)
		}
		w.conn = node.Conn()
	default:
		return fmt.Errorf("Redis client %T has no connections of its own", c) //nolint:staticcheck // a name
	}
	w.armed = time.Time{}
	return nil
}

// queueWatch appends the commands that watch and read the position and the hashes that are not watched yet.
func (w *writer) queueWatch(ctx context.Context, pipe redis.Pipeliner) {
	keys := make([]any, 0, 2+len(w.groups))
	keys = append(keys, "watch")
	start := w.armed.IsZero()
	if start {
		keys = append(keys, w.meta)
		w.types = map[string]*redis.StatusCmd{}
	}
	for _, g := range w.groups {
		if w.types[g.key] == nil {
			keys = append(keys, g.key)
		}
	}
	// WATCH first: what is read after it cannot change without EXEC noticing.
	pipe.Do(ctx, keys...)
	if start {
		w.position = readMeta(ctx, pipe, w.meta)
		w.armed = time.Now()
	}
	for _, g := range w.groups {
		if w.types[g.key] == nil {
			w.types[g.key] = pipe.Type(ctx, g.key)
		}
	}
}

// disarm makes the connection forget what it watches.
func (w *writer) disarm(ctx context.Context) {
	w.armed = time.Time{}
	if w.conn == nil {
		return
	}
	if err := w.conn.Do(ctx, "unwatch").Err(); err != nil {
		w.drop()
	}
}

// stored returns the watched position, after it has checked that every hash of the commit is one.
func (w *writer) stored() (stream.Position, error) {
	for _, g := range w.groups {
		kind, err := w.types[g.key].Result()
		if err != nil {
			return stream.Position{}, fmt.Errorf("type of %s: %w", g.key, err)
		}
		if kind != "hash" && kind != "none" {
			return stream.Position{}, fmt.Errorf("%s is a %s, not a hash: %w", g.key, kind, allocator.ErrDamaged)
		}
	}
	reply, err := w.position.Result()
	if err != nil {
		return stream.Position{}, fmt.Errorf("position: %w", classify(err))
	}
	return parseMeta(reply)
}

// exec sends the transaction. done reports that it took place; without done and error Redis refused it, because a watched key
// changed, and the connection watches anew.
func (w *writer) exec(ctx context.Context, next stream.Position) (done bool, err error) {
	pipe := w.conn.Pipeline()
	pipe.Do(ctx, "multi")
	w.queueRows(ctx, pipe)
	values := metaValues(next)
	set := make([]any, 0, 2+2*len(values))
	set = append(set, "hset", w.meta)
	for i, v := range values {
		set = append(set, metaFields[i], v)
	}
	pipe.Do(ctx, set...)
	exec := pipe.Do(ctx, "exec")
	// EXEC ends every WATCH, whatever came of it. Those for the next commit go with it: the same hashes, most likely.
	w.armed = time.Time{}
	w.queueWatch(ctx, pipe)

	_, err = pipe.Exec(ctx)
	replies, execErr := exec.Slice()
	if err != nil && !errors.Is(err, redis.Nil) {
		w.drop() // also where only the new WATCH failed: the next commit starts with a connection that is known to be good
	}
	switch {
	case errors.Is(execErr, redis.Nil):
		return false, nil
	case execErr != nil:
		return false, fmt.Errorf("transaction: %w", execErr)
	}
	for _, r := range replies {
		if failed, ok := r.(error); ok {
			// The checks above leave no command that can fail by itself. If one did, the rows and the position may differ.
			return false, fmt.Errorf("a command of the transaction failed and the others did not: %w: %w", failed, allocator.ErrDamaged)
		}
	}
	return true, nil
}

// queueRows appends the rows as few large commands. A deletion keeps its place among the writes of its hash.
func (w *writer) queueRows(ctx context.Context, pipe redis.Pipeliner) {
	w.args = w.args[:0]
	for _, g := range w.groups {
		for from := 0; from < len(g.rows); {
			deletes := g.rows[from].Value == nil
			to := from + 1
			for to < len(g.rows) && to-from < rowsPerCommand && (g.rows[to].Value == nil) == deletes {
				to++
			}
			start := len(w.args)
			command := "hset"
			if deletes {
				command = "hdel"
			}
			w.args = append(w.args, command, g.key)
			for _, r := range g.rows[from:to] {
				// Pointers, since a string or slice would be copied to the heap to become an argument.
				if name := field(g.table, r.ID); name != r.ID {
					w.args = append(w.args, name)
				} else {
					w.args = append(w.args, &r.ID)
				}
				if !deletes {
					w.args = append(w.args, (*rowValue)(r))
				}
			}
			pipe.Do(ctx, w.args[start:len(w.args):len(w.args)]...)
			from = to
		}
	}
	// The commands keep their part of args until the pipeline has run, which is before the next commit begins.
}

// A rowValue is a row whose value is the argument of a command.
type rowValue engine.RowWrite

// MarshalBinary is what the client library calls.
func (r *rowValue) MarshalBinary() ([]byte, error) { return r.Value, nil }
