package verify

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/output"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A History answers what the history store holds.
type History interface {
	// Position returns the next offset of the partition that is not stored yet.
	Position(ctx context.Context, p stream.Partition) (int64, error)
	// CountJournal returns how many entries of a generation of a journal partition are stored with an offset below until.
	CountJournal(ctx context.Context, partition int32, generation uint8, until int64) (int64, error)
	// EachAvailability calls f with the newest stored row of every SKU, of one pool or (pool "") of all.
	EachAvailability(ctx context.Context, pool string, f func(AvailabilityRow) error) error
	// EachOffer calls f with the newest stored row of every listing and location, of one pool or (pool "") of all.
	EachOffer(ctx context.Context, pool string, f func(OfferRow) error) error
}

// An AvailabilityRow is the numbers of a stored availability.
type AvailabilityRow struct {
	Pool, SKU                                         string
	Version                                           stock.Version
	OnHand, OnOrder, Reserved, Available, Backordered stock.Quantity
}

// An OfferRow is the numbers of a stored offer.
type OfferRow struct {
	Pool, Channel, SKU, Location string
	Version                      stock.Version
	Quantity, Sold, Released     stock.Quantity
}

const historyPoll = 100 * time.Millisecond

// compareHistory waits until the history has what the topics have, and compares counts and newest rows.
func (v *verification) compareHistory(ctx context.Context) error {
	if err := v.awaitHistory(ctx); err != nil {
		return err
	}
	for _, p := range v.partitions {
		n, err := v.deps.History.CountJournal(ctx, p.id, p.after.Generation, p.after.Offset)
		if err != nil {
			return fmt.Errorf("count the history of journal partition %d: %w", p.id, err)
		}
		v.report.Rows++
		if n != max(0, p.after.Offset-stream.FirstOffset(p.after.Generation)) {
			v.report.differs("history/journal", fmt.Sprintf("partition %d", p.id), "differs", fmt.Sprintf("%d entries below offset %d", n, p.after.Offset))
		}
	}
	found := map[recordKey]struct{}{}
	err := v.deps.History.EachAvailability(ctx, v.cfg.Pool, func(r AvailabilityRow) error {
		key := recordKey{stream.Availability, output.AvailabilityKey(r.Pool, r.SKU)}
		v.compareStored(found, key, r.Version, v.hashNumbers(uint64(r.Version), int64(r.OnHand), int64(r.OnOrder), int64(r.Reserved), int64(r.Available), int64(r.Backordered)))
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the availability in the history: %w", err)
	}
	err = v.deps.History.EachOffer(ctx, v.cfg.Pool, func(r OfferRow) error {
		o := record.OfferRecord{Offer: &record.Offer{Pool: r.Pool, Channel: r.Channel, SKU: r.SKU, Location: r.Location}}
		key := recordKey{stream.Offers, output.OfferKey(&o)}
		v.compareStored(found, key, r.Version, v.hashNumbers(uint64(r.Version), int64(r.Quantity), int64(r.Sold), int64(r.Released)))
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the offers in the history: %w", err)
	}
	for _, key := range slices.SortedFunc(maps.Keys(v.said.newest), compareRecordKeys) {
		n := v.said.newest[key]
		if _, ok := found[key]; !ok && n.numbers != 0 && n.there {
			v.report.Rows++
			v.report.differs("history/"+string(key.topic), key.key, "missing", fmt.Sprintf("version %d, the newest", n.version))
		}
	}
	v.cfg.Progress(Progress{Step: "history", Done: 1, Total: 1})
	return nil
}

func (v *verification) compareStored(found map[recordKey]struct{}, key recordKey, version stock.Version, numbers uint64) {
	found[key] = struct{}{}
	n, known := v.said.newest[key]
	if known && version > n.version || !known && !v.committed(key, version, true) {
		return // of an entry that came while this ran
	}
	v.report.Rows++
	switch {
	case !known:
		v.report.differs("history/"+string(key.topic), key.key, "unexpected", fmt.Sprintf("version %d", version))
	case numbers != n.numbers:
		v.report.differs("history/"+string(key.topic), key.key, "differs", fmt.Sprintf("version %d, the fold's newest is %d", version, n.version))
	}
}

// awaitHistory waits until everything that the topics held when they were read is stored.
func (v *verification) awaitHistory(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, v.cfg.HistoryWait, fmt.Errorf("the history has not caught up within %v", v.cfg.HistoryWait))
	defer cancel()
	wanted := map[stream.Partition]int64{}
	for p, end := range v.said.ends {
		if p.Topic == stream.Availability || p.Topic == stream.Offers {
			wanted[p] = end
		}
	}
	for _, p := range v.partitions {
		if p.after.Offset > stream.FirstOffset(p.after.Generation) {
			wanted[stream.Partition{Topic: stream.Journal, ID: p.id}.OfGeneration(p.after.Generation)] = p.after.Offset
		}
	}
	tick := time.NewTicker(historyPoll)
	defer tick.Stop()
	for p, end := range wanted {
		for {
			at, err := v.deps.History.Position(ctx, p)
			if err == nil && at >= end {
				break
			}
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("ask how far the history is with %s/%d: %w", p.Topic, p.ID, err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("%s/%d: stored up to offset %d of %d: %w", p.Topic, p.ID, at, end, context.Cause(ctx))
			}
		}
	}
	return nil
}

// numbers is the hash of what the history must hold of a message, 0 for what is not compared.
func (v *verification) numbers(m *stream.Message) uint64 {
	switch m.Topic {
	case stream.Availability:
		var a record.Availability
		if codec.DecodeAvailability(m.Value, &a) != nil {
			return 0
		}
		return v.hashNumbers(uint64(a.Version), int64(a.OnHand), int64(a.OnOrder), int64(a.Reserved), int64(a.Available), int64(a.Backordered))
	case stream.Offers:
		var o record.OfferRecord
		if codec.DecodeOfferRecord(m.Value, &o) != nil || o.Offer == nil {
			return 0
		}
		return v.hashNumbers(uint64(o.Offer.Version), int64(o.Offer.Quantity), int64(o.Offer.Sold), int64(o.Offer.Released))
	}
	return 0
}

func (v *verification) hashNumbers(version uint64, numbers ...int64) uint64 {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 64), version)
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return max(1, maphash.Bytes(v.seed, b))
}
