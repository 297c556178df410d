package workload

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// Fill writes the next n entries of g to the only partition of the journal topic, and to that of the topic keyed too, by SKU,
// unless it is "".
func (g *Generator) Fill(ctx context.Context, brokers []string, journal, keyed string, n int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return err
	}
	defer client.Close()
	headers := []kgo.RecordHeader{{Key: "content-type", Value: []byte(stream.ContentTypeProtobuf)}}
	var failed Failure
	for range n {
		value, sku := g.Append(nil, stock.InstantOf(time.Now()))
		client.Produce(ctx, &kgo.Record{Topic: journal, Key: []byte(Pool), Value: value, Headers: headers}, failed.Acked)
		if keyed != "" {
			client.Produce(ctx, &kgo.Record{Topic: keyed, Key: []byte(sku), Value: value, Headers: headers}, failed.Acked)
		}
	}
	return errors.Join(client.Flush(ctx), failed.Error())
}

// A Failure keeps the first error of many acknowledgements.
type Failure struct{ err atomic.Pointer[error] }

// Acked notes an acknowledgement, as kgo calls it.
func (f *Failure) Acked(_ *kgo.Record, err error) {
	if err != nil {
		f.err.CompareAndSwap(nil, &err)
	}
}

// Error returns the first error.
func (f *Failure) Error() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}
