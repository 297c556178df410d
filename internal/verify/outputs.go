package verify

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// outputs are the topics that the fold writes.
func outputs() []stream.Topic {
	return []stream.Topic{stream.Availability, stream.Allocations, stream.Offers, stream.Shipments, stream.Rejections}
}

// A recordKey names what a record is about.
type recordKey struct {
	topic stream.Topic
	key   string
}

// said is what the output topics say, and what the fold has said so far.
type said struct {
	records map[recordKey]map[stock.Version]uint64 // hash of every record not met by the fold yet
	newest  map[recordKey]newest
	trimmed map[stream.Topic]bool // records may be missing because they were too old
	ends    map[stream.Partition]int64
}

// newest is the fold's newest record of a key.
type newest struct {
	version stock.Version
	there   bool
	numbers uint64 // hash of what the history must hold of it
}

func newSaid() *said {
	return &said{
		records: map[recordKey]map[stock.Version]uint64{}, newest: map[recordKey]newest{},
		trimmed: map[stream.Topic]bool{}, ends: map[stream.Partition]int64{},
	}
}

// readOutputs keeps a hash of every record that the fold may have written.
func (v *verification) readOutputs(ctx context.Context) error {
	for _, topic := range outputs() {
		n, err := v.deps.Log.Partitions(ctx, topic)
		if err != nil {
			return fmt.Errorf("ask for the partitions of %s: %w", topic, err)
		}
		for id := range n {
			p := stream.Partition{Topic: topic, ID: id}
			bounds, err := v.deps.Log.Bounds(ctx, p)
			if err != nil {
				return err
			}
			v.said.trimmed[topic] = v.said.trimmed[topic] || bounds.Start > 0
			v.said.ends[p] = bounds.End
			err = v.each(ctx, p, bounds, func(r *stream.Record) error { return v.keep(topic, r) })
			if err != nil {
				return err
			}
			v.cfg.Progress(Progress{Step: "outputs", Done: int64(id) + 1, Total: int64(n)})
		}
		if v.said.trimmed[topic] {
			v.report.Notes = append(v.report.Notes, fmt.Sprintf("the oldest records of %s are gone: only those that are there were compared", topic))
		}
	}
	return nil
}

func (v *verification) keep(topic stream.Topic, r *stream.Record) error {
	version, err := versionOf(topic, r.Value)
	if err != nil {
		v.report.differs(string(topic), string(r.Key), "differs", "does not decode: "+err.Error())
		return nil
	}
	if version == 0 || !v.wantedKey(topic, string(r.Key)) {
		return nil // a rejection of ingest's, or another pool's
	}
	key := recordKey{topic, string(r.Key)}
	versions, ok := v.said.records[key]
	if !ok {
		versions = map[stock.Version]uint64{}
		v.said.records[key] = versions
	}
	hash := maphash.Bytes(v.seed, r.Value)
	if other, twice := versions[version]; twice && other != hash {
		v.report.differs(string(topic), key.key, "differs", fmt.Sprintf("two records of version %d say different things", version))
		return nil
	}
	versions[version] = hash
	return nil
}

// wantedKey tells by the key whether a record is of a pool that is compared. A rejection's key does not name its pool, so they
// are left out where only one pool is asked for.
func (v *verification) wantedKey(topic stream.Topic, key string) bool {
	if v.cfg.Pool == "" {
		return true
	}
	return topic != stream.Rejections && stream.SplitKey(key)[0] == v.cfg.Pool
}

// versionOf reads a record's version; 0 for a rejection that ingest made.
func versionOf(topic stream.Topic, value []byte) (stock.Version, error) {
	switch topic {
	case stream.Availability:
		var r record.Availability
		err := codec.DecodeAvailability(value, &r)
		return r.Version, err
	case stream.Allocations:
		var r record.Allocation
		err := codec.DecodeAllocation(value, &r)
		return r.Version, err
	case stream.Shipments:
		var r record.ShipmentNotice
		err := codec.DecodeShipmentNotice(value, &r)
		return r.Version, err
	case stream.Rejections:
		var r record.Rejection
		err := codec.DecodeRejection(value, &r)
		return r.Version, err
	}
	var r record.OfferRecord
	if err := codec.DecodeOfferRecord(value, &r); err != nil {
		return 0, err
	}
	switch {
	case r.Offer != nil:
		return r.Offer.Version, nil
	case r.ChannelState != nil:
		return r.ChannelState.Version, nil
	case r.Mark != nil:
		return r.Mark.Version, nil
	}
	return 0, fmt.Errorf("a record without a part")
}

// met compares what the fold says with the record of the same key and version, if there is one.
func (v *verification) met(m *stream.Message, version stock.Version) {
	key := recordKey{m.Topic, string(m.Key)}
	n := newest{version: version}
	if v.deps.History != nil {
		n.numbers = v.numbers(m)
	}
	if hash, ok := v.said.records[key][version]; ok {
		n.there = true
		v.report.Rows++
		delete(v.said.records[key], version)
		if hash != maphash.Bytes(v.seed, m.Value) {
			v.report.differs(string(m.Topic), key.key, "differs", fmt.Sprintf("version %d", version))
		}
	}
	v.said.newest[key] = n
}

// compareOutputs reports the records that the fold never says and the newest ones that are missing. tail: there are entries that
// nobody has committed yet, whose outputs may be there already.
func (v *verification) compareOutputs(tail bool) {
	for _, key := range slices.SortedFunc(maps.Keys(v.said.records), compareRecordKeys) {
		for _, version := range slices.Sorted(maps.Keys(v.said.records[key])) {
			if v.committed(key, version, tail) {
				v.report.Rows++
				v.report.differs(string(key.topic), key.key, "unexpected", fmt.Sprintf("version %d", version))
			}
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(v.said.newest), compareRecordKeys) {
		n := v.said.newest[key]
		if n.there || v.said.trimmed[key.topic] {
			continue
		}
		v.report.Rows++
		v.report.differs(string(key.topic), key.key, "missing", fmt.Sprintf("version %d, the newest", n.version))
	}
}

// committed reports whether the version lies within what the fold covers: of the present journal, behind the snapshot it begins with,
// and not ahead of the state.
func (v *verification) committed(key recordKey, version stock.Version, tail bool) bool {
	if version.Generation() < v.generation() {
		return false // its journal may have had other partitions, and is gone
	}
	parts := stream.SplitKey(key.key)
	journal, known := v.poolOf[parts[0]]
	if key.topic == stream.Rejections && len(parts) == 4 {
		n, err := strconv.ParseInt(parts[1], 10, 32)
		journal, known = int32(n), err == nil && n >= 0 && int(n) < len(v.partitions)
	}
	if !known {
		return !tail
	}
	p := v.partitions[journal]
	return version >= stock.VersionAt(p.after.Generation, p.base.Offset) && version < stock.VersionAt(p.after.Generation, p.after.Offset)
}

// generation returns that of the present journal, which all of its partitions have.
func (v *verification) generation() (g uint8) {
	for _, p := range v.partitions {
		g = max(g, p.after.Generation)
	}
	return g
}

func compareRecordKeys(a, b recordKey) int {
	if a.topic != b.topic {
		return slices.Compare([]byte(a.topic), []byte(b.topic))
	}
	return slices.Compare([]byte(a.key), []byte(b.key))
}
