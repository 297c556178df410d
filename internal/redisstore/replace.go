package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// replaceBytes is how much of the rows goes to Redis in one pipeline.
const replaceBytes = 4 << 20

// restoring stands in the topic of a position while the rows of its partition are being replaced. The position's hash says by whom.
const restoring = "restoring"

// Replace empties a journal partition and fills it anew, as the snapshot stage's Store says. It is no transaction, since a state may
// be of gigabytes. Instead the position says from the beginning to the end that a restore is under way: whoever wants to commit
// finds it moved, and whoever wants to begin waits. One that broke off is made good by another.
func (s *Store) Replace(ctx context.Context, partition int32, at stream.Position, each func(put func(engine.RowWrite) error) error) error {
	if err := s.replace(ctx, partition, at, each); err != nil {
		return fmt.Errorf("replace the state of journal partition %d: %w", partition, classify(err))
	}
	return nil
}

func (s *Store) replace(ctx context.Context, partition int32, at stream.Position, each func(put func(engine.RowWrite) error) error) error {
	meta, mine := s.metaKey(partition), rand.Text()
	mark := func() error {
		_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Del(ctx, meta)
			p.HSet(ctx, meta, metaFields[0], restoring, metaFields[len(metaFields)-1], mine)
			return nil
		})
		return err
	}
	if err := mark(); err != nil {
		return err
	}
	keys, err := s.tableKeys(ctx, partition)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key != meta {
			if err := s.client.Unlink(ctx, key).Err(); err != nil {
				return fmt.Errorf("empty %s: %w", key, err)
			}
		}
	}
	if err := s.fill(ctx, partition, each); err != nil {
		return err
	}
	// Still ours: no other restore has begun meanwhile, and nobody has flushed what was written.
	err = s.client.Watch(ctx, func(tx *redis.Tx) error {
		found, err := tx.HMGet(ctx, meta, metaFields[0], metaFields[len(metaFields)-1]).Result()
		if err != nil {
			return err
		}
		if found[0] != restoring || found[1] != mine {
			return errMeanwhile
		}
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Del(ctx, meta)
			if at == (stream.Position{}) {
				return nil
			}
			for i, v := range metaValues(at) {
				p.HSet(ctx, meta, metaFields[i], v)
			}
			return nil
		})
		return err
	}, meta)
	if errors.Is(err, errMeanwhile) || errors.Is(err, redis.TxFailedErr) {
		return errors.Join(errMeanwhile, mark()) // what is there now is of two, and nobody may begin from it
	}
	return err
}

var errMeanwhile = errors.New("somebody else wrote or emptied it meanwhile: make sure that one restore runs, then run it again")

// fill writes the rows in pipelines of a bounded size.
func (s *Store) fill(ctx context.Context, partition int32, each func(put func(engine.RowWrite) error) error) error {
	pipe := s.client.Pipeline()
	var of engine.RowKey // the hash that args is for: a key without ID
	var args []any
	size := 0
	queue := func() {
		if len(args) > 0 {
			pipe.HSet(ctx, s.tableKey(partition, of.Table, of.Pool), args...)
			args = nil // the pipeline keeps it
		}
	}
	send := func() error {
		queue()
		size = 0
		if pipe.Len() == 0 {
			return nil
		}
		_, err := pipe.Exec(ctx)
		return err
	}
	err := each(func(w engine.RowWrite) error {
		hash := engine.RowKey{Table: w.Table, Pool: w.Pool}
		if hash != of || len(args) >= 2*rowsPerCommand {
			queue()
			of = hash
		}
		args = append(args, field(w.Table, w.ID), w.Value)
		if size += len(w.ID) + len(w.Value); size < replaceBytes {
			return nil
		}
		return send()
	})
	if err != nil {
		return err
	}
	return send()
}

// underRestore returns the error of a position that says that its partition is being replaced.
func underRestore() error {
	return fmt.Errorf("%w: wait for `shelfwire restore`, or run it again where it broke off", allocator.ErrRestoring)
}
