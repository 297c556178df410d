package app

import (
	"context"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/redisstore"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/internal/verify"
)

// JournalPartition returns the journal partition of a pool, which is the N of its Redis keys. Where brokers are set they say how many
// there are, else the configuration does.
func (inst *Installation) JournalPartition(ctx context.Context, pool string) (int32, error) {
	n := int32(inst.Config.Topics.JournalPartitions)
	if len(inst.Config.Kafka.Brokers) > 0 {
		cluster, err := inst.Cluster(ctx)
		if err != nil {
			return 0, err
		}
		if n, err = cluster.Partitions(ctx, stream.Journal); err != nil {
			return 0, fmt.Errorf("%w: run `shelfwire topics apply`", err)
		}
	}
	return kafka.PartitionOf([]byte(pool), n), nil
}

// loadPool returns a state that holds the pool's settings.
func (inst *Installation) loadPool(ctx context.Context, pool string) (*engine.State, *redisstore.Store, int32, error) {
	store, err := inst.Store(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	partition, err := inst.JournalPartition(ctx, pool)
	if err != nil {
		return nil, nil, 0, err
	}
	rows, _, err := store.LoadPool(ctx, partition, pool)
	if err != nil {
		return nil, nil, 0, err
	}
	state := engine.NewState()
	if err := state.LoadPool(pool, rows); err != nil {
		return nil, nil, 0, err
	}
	return state, store, partition, nil
}

// Stock returns the present counts of the SKUs that are known of those named, or of every SKU of the pool, by SKU, where none
// is. The counts of a whole pool are not of one moment.
func (inst *Installation) Stock(ctx context.Context, pool string, skus ...string) ([]record.Availability, error) {
	state, store, partition, err := inst.loadPool(ctx, pool)
	if err != nil {
		return nil, err
	}
	rows, err := store.ReadStock(ctx, partition, pool, skus...)
	if err != nil {
		return nil, err
	}
	counts := make([]record.Availability, 0, len(rows))
	for _, row := range rows {
		if err := state.Load(engine.RowKey{Table: engine.TableStock, Pool: pool, ID: row.SKU}, row.Value); err != nil {
			return nil, err
		}
		var a record.Availability
		if state.Availability(pool, row.SKU, &a) {
			counts = append(counts, a)
		}
	}
	return counts, nil
}

// Channels returns the channels of a pool as they are in force, by id, and whether the pool is known.
func (inst *Installation) Channels(ctx context.Context, pool string) (channels []record.Channel, known bool, err error) {
	state, _, _, err := inst.loadPool(ctx, pool)
	if err != nil {
		return nil, false, err
	}
	events := state.Catalogue(pool)
	for i := range events {
		if c := events[i].Channel; c != nil {
			channels = append(channels, *c)
		}
	}
	return channels, state.Clock(pool) != 0, nil
}

// An Order is the present state of an order, with what is kept of it beyond the record.
type Order struct {
	record.Allocation
	engine.OrderDetail
}

// Order returns the present state of an order.
func (inst *Installation) Order(ctx context.Context, pool, channel, id string) (Order, error) {
	var o Order
	state, store, partition, err := inst.loadPool(ctx, pool)
	if err != nil {
		return o, err
	}
	value, err := store.ReadOrder(ctx, partition, pool, channel, id)
	if err != nil {
		return o, err
	}
	key := engine.RowKey{Table: engine.TableOrders, Pool: pool, ID: engine.OrderID(channel, id)}
	if err := state.Load(key, value); err != nil {
		return o, err
	}
	if !state.Allocation(pool, channel, id, &o.Allocation) {
		return o, fmt.Errorf("order %q of channel %q in pool %q is not known", id, channel, pool)
	}
	o.OrderDetail = state.Detail(pool, channel, id)
	return o, nil
}

// EntryTimes returns the entry times of those entries of a pool's journal that are still there, by version. Where no log is set it
// returns none.
func (inst *Installation) EntryTimes(ctx context.Context, pool string, versions []stock.Version) (map[stock.Version]stock.Instant, error) {
	times := map[stock.Version]stock.Instant{}
	if len(inst.Config.Kafka.Brokers) == 0 || len(versions) == 0 {
		return times, nil
	}
	id, err := inst.JournalPartition(ctx, pool)
	if err != nil {
		return nil, err
	}
	topics, err := inst.TopicReader(ctx)
	if err != nil {
		return nil, err
	}
	journal := stream.Partition{Topic: stream.Journal, ID: id}
	bounds, err := topics.Bounds(ctx, journal)
	if err != nil {
		return nil, err
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return nil, err
	}
	at, err := store.Meta(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		if _, known := times[v]; known || v.Generation() != at.Generation || v.Offset() < bounds.Start || v.Offset() >= bounds.End {
			continue
		}
		err := verify.EachRecord(ctx, topics, journal, stream.Bounds{Start: v.Offset(), End: v.Offset() + 1}, 0, func(r *stream.Record) error {
			var e record.JournalEntry
			if err := codec.DecodeJournalEntry(r.Value, &e); err != nil {
				return err
			}
			times[v] = e.EntryTime
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return times, nil
}
