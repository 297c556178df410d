package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/shelfwire/shelfwire/internal/allocator"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// The fields of meta. They are read and written together.
var metaFields = [...]string{"topic", "generation", "offset", "epoch", "hash"}

func metaValues(p stream.Position) [len(metaFields)]string {
	return [...]string{
		p.TopicID,
		strconv.Itoa(int(p.Generation)),
		strconv.FormatInt(p.Offset, 10),
		strconv.Itoa(int(p.LeaderEpoch)),
		strconv.FormatUint(p.Hash, 16),
	}
}

// parseMeta reads the reply to HMGET meta with all metaFields.
func parseMeta(reply []any) (stream.Position, error) {
	var text [len(metaFields)]string
	missing := 0
	for i := range text {
		if i >= len(reply) || reply[i] == nil {
			missing++
			continue
		}
		s, ok := reply[i].(string)
		if !ok {
			return stream.Position{}, fmt.Errorf("position: field %s is %T: %w", metaFields[i], reply[i], allocator.ErrDamaged)
		}
		text[i] = s
	}
	if missing == len(text) {
		return stream.Position{}, nil
	}
	if text[0] == restoring {
		return stream.Position{}, underRestore()
	}
	generation, err1 := strconv.ParseUint(text[1], 10, 5)
	offset, err2 := strconv.ParseInt(text[2], 10, 64)
	epoch, err3 := strconv.ParseInt(text[3], 10, 32)
	hash, err4 := strconv.ParseUint(text[4], 16, 64)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			return stream.Position{}, fmt.Errorf("position: %w: %w", err, allocator.ErrDamaged)
		}
	}
	return stream.Position{
		TopicID: text[0], Generation: uint8(generation), Offset: offset, LeaderEpoch: int32(epoch), Hash: hash,
	}, nil
}

func readMeta(ctx context.Context, c redis.Cmdable, key string) *redis.SliceCmd {
	return c.HMGet(ctx, key, metaFields[:]...)
}

// Meta returns the position of a journal partition, as [allocator.Store] says.
func (s *Store) Meta(ctx context.Context, partition int32) (stream.Position, error) {
	reply, err := readMeta(ctx, s.client, s.metaKey(partition)).Result()
	if err != nil {
		return stream.Position{}, fmt.Errorf("read the position of journal partition %d: %w", partition, classify(err))
	}
	return parseMeta(reply)
}

// classify adds what the engine's caller must know to an error of Redis: WRONGTYPE means that a key is not ours any more.
func classify(err error) error {
	if redis.HasErrorPrefix(err, "WRONGTYPE") {
		return fmt.Errorf("%w: %w", err, allocator.ErrDamaged)
	}
	return err
}
