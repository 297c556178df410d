//go:build synctests

package simulation_test

import (
	"bytes"
	"encoding/json"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/internal/verify"
)

// check compares what the run came to with its input, in three ways that know nothing of each other.
func (w *world) check(in *input) {
	w.t.Helper()
	w.checkJournal(len(in.settings) + len(in.events))
	w.checkFold()
	w.checkSums(in.sums)
}

// each calls f with every record of a topic.
func (w *world) each(t stream.Topic, partitions int32, f func(partition int32, r *stream.Record)) {
	w.t.Helper()
	for id := range partitions {
		p := stream.Partition{Topic: t, ID: id}
		b, err := w.cluster.Bounds(w.t.Context(), p)
		w.must(err)
		w.must(verify.EachRecord(w.t.Context(), topics{w.cluster, w.readers}, p, b, 0, func(r *stream.Record) error {
			f(id, r)
			return nil
		}))
	}
}

// checkJournal finds every input record once in the journal, in order, when what is not above the highest offset so far of its
// pool and origin is passed over, as the engine does.
func (w *world) checkJournal(sent int) {
	w.t.Helper()
	type origin struct {
		topic, pool string
		partition   int32
	}
	type taken struct {
		offset int64
		event  []byte
	}
	want := map[origin][]taken{}
	n := 0
	for _, topic := range stream.Inputs() {
		w.each(topic, layout.Inputs, func(partition int32, r *stream.Record) {
			var e record.Event
			w.must(codec.ParseEvent(r.ContentType, r.Value, &e))
			o := origin{string(topic), e.PoolID(), partition}
			want[o] = append(want[o], taken{r.Offset, codec.AppendEvent(nil, &e)})
			n++
		})
	}
	if n != sent {
		w.t.Fatalf("the input topics hold %d records, %d were sent: the harness is broken", n, sent)
	}
	again := 0
	decoder := codec.NewDecoder()
	highest := map[origin]int64{}
	w.each(stream.Journal, layout.Journal, func(partition int32, r *stream.Record) {
		decoder.Recycle()
		var e record.JournalEntry
		w.must(decoder.JournalEntry(r.Value, &e))
		if e.Origin.TopicID == "" {
			return // a tick
		}
		o := origin{e.Origin.Topic, e.Event.PoolID(), e.Origin.Partition}
		if at, ok := highest[o]; ok && e.Origin.Offset <= at {
			again++
			return
		}
		highest[o] = e.Origin.Offset
		switch next := want[o]; {
		case len(next) == 0:
			w.t.Errorf("journal %d/%d: %v offset %d, but all of that origin was there already", partition, r.Offset, o, e.Origin.Offset)
		case next[0].offset != e.Origin.Offset:
			w.t.Errorf("journal %d/%d: %v offset %d, the next of that origin is %d", partition, r.Offset, o, e.Origin.Offset, next[0].offset)
		case !bytes.Equal(next[0].event, codec.AppendEvent(nil, &e.Event)):
			w.t.Errorf("journal %d/%d: %v offset %d is not the event that was sent", partition, r.Offset, o, e.Origin.Offset)
		default:
			want[o] = next[1:]
		}
	})
	for o, left := range want {
		if len(left) > 0 {
			w.t.Errorf("%d records of %v are not in the journal", len(left), o)
		}
	}
	w.say("%d entries were sent again", again)
}

// checkFold folds the journal once more and compares every row in Redis and every output with the fold.
func (w *world) checkFold() {
	w.t.Helper()
	report, err := verify.Run(w.t.Context(), verify.Config{}, verify.Deps{Log: topics{w.cluster, w.readers}, Store: w.store})
	w.must(err)
	if report.Rows == 0 {
		w.t.Error("verify compared nothing")
	}
	for _, d := range report.Details {
		w.t.Errorf("verify: %s", d)
	}
}

// checkSums compares what is on hand, in Redis and in the topic availability, with the sum of the movements.
func (w *world) checkSums(sums map[shelf]stock.Quantity) {
	w.t.Helper()
	stored, told := map[shelf]stock.Quantity{}, map[shelf]stock.Quantity{}
	for id := range layout.Journal {
		pools, err := w.store.Pools(w.t.Context(), id)
		w.must(err)
		for _, pool := range pools {
			rows, err := w.store.ReadStock(w.t.Context(), id, pool)
			w.must(err)
			for _, r := range rows {
				var row struct{ Outlets map[string][2]stock.Quantity }
				w.must(json.Unmarshal(r.Value, &row))
				for outlet, counts := range row.Outlets {
					stored[shelf{pool, r.SKU, outlet}] = counts[0]
				}
			}
		}
	}
	versions := map[shelf]stock.Version{}
	w.each(stream.Availability, layout.Outputs, func(_ int32, r *stream.Record) {
		var a record.Availability
		w.must(codec.DecodeAvailability(r.Value, &a))
		key := shelf{pool: a.Pool, sku: a.SKU}
		if a.Version < versions[key] {
			return
		}
		versions[key] = a.Version
		for _, o := range outlets {
			delete(told, shelf{a.Pool, a.SKU, o})
		}
		for _, o := range a.Outlets {
			told[shelf{a.Pool, a.SKU, o.Outlet}] = o.OnHand
		}
	})
	for s, want := range sums {
		if stored[s] != want || told[s] != want {
			w.t.Errorf("%v: %d in Redis, %d in availability, the movements sum up to %d", s, stored[s], told[s], want)
		}
	}
	for s, got := range stored {
		if _, ok := sums[s]; !ok && got != 0 {
			w.t.Errorf("%v: %d in Redis, but nothing of it was sent", s, got)
		}
	}
}
