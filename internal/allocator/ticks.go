package allocator

import (
	"context"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

const (
	// ticksAtOnce is how many ticks are written for a backlog before one of them has been folded.
	ticksAtOnce = 16
	// lookEvery is how often within Config.TickAfter a worker looks for what is due.
	lookEvery = 5
	// ticksLost is how many times Config.TickAfter pass before ticks that were written and never read are written again.
	ticksLost = 6
)

// loadPools loads every pool of the partition: what waits for time must be known although no entry speaks of its pool.
func (x *session) loadPools(ctx context.Context) error {
	pools, err := x.stage.store.Pools(ctx, x.partition.ID)
	if err != nil {
		return alarmIfDamaged(err)
	}
	for _, id := range pools {
		if err := x.fold.pool(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// tick writes ticks to the journal for the pools that have a backlog, and unless only a backlog counts for those in which
// something has been due for a while that no entry has reached. They come back as entries like any other. Of two workers that
// believe they own the partition both may write: a tick too many changes nothing.
func (x *session) tick(ctx context.Context, onlyBacklog bool) error {
	now := now()
	var messages []stream.Message
	for _, pool := range x.fold.state.Pools() {
		backlog, due := x.fold.state.Waiting(pool, now)
		clock := x.fold.state.Clock(pool)
		if n := x.ticksFor(pool, now, clock, backlog, due && !onlyBacklog); n > 0 {
			at := max(now, clock)
			for i := range n {
				messages = append(messages, tickMessage(x.partition, pool, at+stock.Instant(i)))
			}
			x.ticked[pool] = at + stock.Instant(n-1)
		}
	}
	if len(messages) == 0 {
		return nil
	}
	if err := x.stage.outputs.Produce(ctx, messages); err != nil {
		return fmt.Errorf("write %d ticks to the journal: %w", len(messages), err)
	}
	x.stage.metrics.ticks.Add(float64(len(messages)))
	return nil
}

// ticksFor returns how many ticks the pool is to get.
func (x *session) ticksFor(pool string, now, clock stock.Instant, backlog, due bool) int {
	after := x.stage.cfg.TickAfter
	if last := x.ticked[pool]; last > clock && now.Sub(last) < ticksLost*after {
		return 0 // under way
	}
	switch {
	case backlog:
		return ticksAtOnce
	case due && now.Sub(clock) >= after:
		return 1
	}
	return 0
}

func tickMessage(p stream.Partition, pool string, at stock.Instant) stream.Message {
	e := record.JournalEntry{Event: record.Event{Tick: &record.Tick{Pool: pool}}, EntryTime: at, Origin: record.Origin{Previous: -1}}
	return stream.Message{
		Topic: p.Topic, Partition: p.ID, Key: []byte(pool), Value: codec.AppendJournalEntry(nil, &e), ContentType: stream.ContentTypeProtobuf,
	}
}
