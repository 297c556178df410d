package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stream"
)

//go:embed take.lua
var takeScript string

//go:embed told.lua
var toldScript string

// A Told keeps the told state of offers partitions. It is safe for concurrent use.
type Told struct {
	store      *Store
	take, save *redis.Script
}

// Told returns the store's part that belongs to the publisher. It implements [publisher.ToldStore].
func (s *Store) Told() *Told {
	return &Told{s, redis.NewScript(takeScript), redis.NewScript(toldScript)}
}

// channelField is the field of a told hash that holds the channel's own state. A listing's field holds a '/', so none is equal.
const channelField = "channel"

func (t *Told) slot(partition int32) string {
	return t.store.prefix + "{o" + strconv.Itoa(int(partition)) + "}:"
}

// Take implements [publisher.ToldStore].
func (t *Told) Take(ctx context.Context, partition int32, least int64) (publisher.Told, error) {
	c, slot := t.store.client, t.slot(partition)
	// From here on every Save of an earlier owner fails, so what is read next does not change under the reader.
	sequence, err := t.take.Run(ctx, c, []string{slot + "meta"}, least).Int64()
	if err != nil {
		return publisher.Told{}, fmt.Errorf("take offers partition %d: %w", partition, err)
	}
	told := publisher.Told{Sequence: sequence}
	meta, err := c.HMGet(ctx, slot+"meta", "topic", "offset").Result()
	if err != nil {
		return told, fmt.Errorf("position of offers partition %d: %w", partition, err)
	}
	if topic, ok := meta[0].(string); ok {
		told.TopicID = topic
		offset, _ := meta[1].(string)
		if told.Offset, err = strconv.ParseInt(offset, 10, 64); err != nil {
			return told, stream.Alarm(fmt.Errorf("position of offers partition %d: %w", partition, err))
		}
	}
	channels, err := c.SMembers(ctx, slot+"channels").Result()
	if err != nil {
		return told, fmt.Errorf("channels of offers partition %d: %w", partition, err)
	}
	for _, channel := range channels {
		if told.Rows, err = t.read(ctx, slot+"told:"+channel, channel, told.Rows); err != nil {
			return told, fmt.Errorf("told state of channel %s: %w", channel, err)
		}
	}
	return told, nil
}

// Position returns the next offer of the partition that is to be taken, 0 where none was. It takes nothing over.
func (t *Told) Position(ctx context.Context, partition int32) (offset int64, err error) {
	offset, err = t.store.client.HGet(ctx, t.slot(partition)+"meta", "offset").Int64()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("position in offers partition %d: %w", partition, err)
	}
	return offset, nil
}

// read appends a channel's rows, a page at a time. Nothing changes meanwhile, but a scan may still give a row twice.
func (t *Told) read(ctx context.Context, key, channel string, rows []publisher.ToldRow) ([]publisher.ToldRow, error) {
	seen := map[string]struct{}{}
	for cursor := uint64(0); ; {
		page, next, err := t.store.client.HScan(ctx, key, cursor, "", 1000).Result()
		if err != nil {
			return rows, err
		}
		for i := 0; i+1 < len(page); i += 2 {
			if _, twice := seen[page[i]]; twice {
				continue
			}
			seen[page[i]] = struct{}{}
			row := publisher.ToldRow{Channel: channel, Listing: page[i], Value: []byte(page[i+1])}
			if page[i] == channelField {
				row.Listing = ""
			}
			rows = append(rows, row)
		}
		if cursor = next; cursor == 0 {
			return rows, nil
		}
	}
}

// Save implements [publisher.ToldStore].
func (t *Told) Save(ctx context.Context, partition int32, sequence int64, p publisher.ToldPosition, rows []publisher.ToldRow) error {
	slot := t.slot(partition)
	keys := []string{slot + "meta", slot + "channels"}
	args := []any{strconv.FormatInt(sequence, 10), p.TopicID, strconv.FormatInt(p.Offset, 10)}
	byChannel := map[string][]any{}
	var order []string
	for _, r := range rows {
		field := r.Listing
		if field == "" {
			field = channelField
		}
		if _, ok := byChannel[r.Channel]; !ok {
			order = append(order, r.Channel)
		}
		byChannel[r.Channel] = append(byChannel[r.Channel], field, r.Value)
	}
	for _, channel := range order {
		keys = append(keys, slot+"told:"+channel)
		args = append(args, channel, len(byChannel[channel]))
		args = append(args, byChannel[channel]...)
	}
	result, err := t.save.Run(ctx, t.store.client, keys, args...).Int()
	switch {
	case err != nil:
		return fmt.Errorf("save %d told rows of offers partition %d: %w", len(rows), partition, err)
	case result == 0:
		return fmt.Errorf("offers partition %d at sequence %d: %w", partition, sequence, publisher.ErrFenced)
	case result < 0:
		return stream.Alarm(errors.New("a key of the told state holds something else: see schemas/redis.md for who owns the keys"))
	}
	return nil
}
