package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/benchmarks/peers"
	"github.com/shelfwire/shelfwire/benchmarks/scratch"
	"github.com/shelfwire/shelfwire/benchmarks/workload"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/config"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A subject is who is measured: it reads movements from one topic and writes availability to another.
type subject struct {
	name, path string
	from, to   string
	hops       bool // its availability says when it was journalled
	// movement makes the record of a receipt of one unit.
	movement func(at time.Time, sku, outlet string, sequence int64) *kgo.Record
	// read sets a to what a record that was read says of its SKU.
	read func(r *kgo.Record, a *record.Availability) error

	reader, writer *kgo.Client
	sent           int64                     // movements in all rounds
	counted        map[string]stock.Quantity // units by SKU, in all rounds
	p50, p99       []time.Duration           // round by round
}

func (s *subject) connect(brokers []string) (err error) {
	s.counted = map[string]stock.Quantity{}
	s.reader, err = kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(s.to), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
	)
	if err != nil {
		return err
	}
	s.writer, err = kgo.NewClient(
		kgo.SeedBrokers(brokers...), kgo.ManualFlushing(), kgo.MaxBufferedRecords(1<<20), kgo.DefaultProduceTopic(s.from),
	)
	return err
}

func (s *subject) close() {
	for _, c := range []*kgo.Client{s.reader, s.writer} {
		if c != nil {
			c.Close()
		}
	}
}

// shelfwire is ingest and allocator, which are given JSON.
func shelfwire(cfg config.Config) *subject {
	return &subject{
		name: "shelfwire", path: "movements → ingest → journal → allocator → availability read", hops: true, read: availability,
		from: cfg.TopicPrefix + string(stream.Movements), to: cfg.TopicPrefix + string(stream.Availability),
		movement: func(at time.Time, sku, outlet string, sequence int64) *kgo.Record {
			return &kgo.Record{Key: []byte(workload.Pool), Value: receipt(at, sku, outlet, sequence)}
		},
	}
}

func availability(r *kgo.Record, a *record.Availability) error {
	return codec.DecodeAvailability(r.Value, a)
}

// receipt is a receipt of one unit as JSON.
func receipt(at time.Time, sku, outlet string, sequence int64) []byte {
	return fmt.Appendf(nil, `{"movement":{"pool":%q,"outlet":%q,"sku":%q,"kind":"receipt","quantity":1,"occurred_at":%q,"source":"wms","epoch":1,"sequence":%d}}`,
		workload.Pool, outlet, sku, at.UTC().Format(time.RFC3339Nano), sequence)
}

// bare starts two clients that do nothing but write what they read, from topic to topic: as many hops as there are to availability.
func bare(ctx context.Context, place *scratch.Place) (s *subject, stop func() error, err error) {
	topics := [3]string{place.Prefix + "relay0", place.Prefix + "relay1", place.Prefix + "relay2"}
	for _, topic := range topics {
		resp, err := place.Admin.CreateTopic(ctx, 1, 1, nil, topic)
		if err := errors.Join(err, resp.Err); err != nil {
			return nil, nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 2)
	for i, from := range topics[:2] {
		go func() { ended <- peers.Relay(ctx, place.Brokers, from, topics[i+1]) }()
	}
	seen := map[string]stock.Quantity{}
	s = &subject{
		name: "bare relays", path: "the same records → bare client → topic → bare client → topic read",
		from: topics[0], to: topics[2],
		movement: func(at time.Time, sku, outlet string, sequence int64) *kgo.Record {
			return &kgo.Record{Key: []byte(sku), Value: receipt(at, sku, outlet, sequence)}
		},
		read: func(r *kgo.Record, a *record.Availability) error {
			sku := string(r.Key)
			seen[sku]++
			*a = record.Availability{SKU: sku, OnHand: seen[sku]}
			return nil
		},
	}
	return s, func() error {
		cancel()
		return errors.Join(<-ended, <-ended)
	}, nil
}

// streams starts Kafka Streams, which is given protobuf with the SKU as key.
func streams(ctx context.Context, place *scratch.Place, folder string) (s *subject, stop func() error, err error) {
	s = &subject{
		name: "Kafka Streams", path: "Kafka Streams with exactly-once: topic → counts → topic read",
		from: place.Prefix + "keyed", to: place.Prefix + "counts", read: availability,
		movement: func(at time.Time, sku, outlet string, sequence int64) *kgo.Record {
			now := stock.InstantOf(at)
			return &kgo.Record{Key: []byte(sku), Value: codec.AppendJournalEntry(nil, &record.JournalEntry{
				EntryTime: now, Origin: record.Origin{Topic: "movements", Offset: sequence, Previous: sequence - 1, Time: now},
				Event: record.Event{Movement: &record.Movement{
					Pool: workload.Pool, Outlet: outlet, SKU: sku, Kind: stock.Receipt, Quantity: 1, OccurredAt: now, Source: "wms", Epoch: 1, Sequence: sequence,
				}},
			})}
		},
	}
	for _, topic := range []string{s.from, s.to} {
		resp, err := place.Admin.CreateTopic(ctx, 1, 1, nil, topic)
		if err := errors.Join(err, resp.Err); err != nil {
			return nil, nil, err
		}
	}
	app, err := peers.StartStreams(ctx, folder, peers.Task{Brokers: place.Brokers, From: s.from, To: s.to}, place.Prefix+"streams")
	if err != nil {
		return nil, nil, err
	}
	return s, app.Stop, nil
}
