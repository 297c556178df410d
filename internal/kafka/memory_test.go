package kafka_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// What was read is whole until the next Read, however it was compressed and whatever is fetched meanwhile for others, and then its memory
// is used again.
func TestWhatWasReadIsUsedAgainAfterTheNextRead(t *testing.T) {
	const perPartition = 3000
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(),
		"gzip": kgo.GzipCompression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			c, broker := start(t)
			client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
				kgo.ProducerBatchCompression(codec))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			value := func(partition int32, offset int64) []byte {
				r := rand.New(rand.NewPCG(uint64(partition), uint64(offset)))
				return fmt.Appendf(nil, "%d/%d %s", partition, offset, strings.Repeat("units ", r.IntN(60)))
			}
			r := rand.New(rand.NewPCG(7, 7))
			for offset := int64(0); offset < perPartition; {
				var batch []*kgo.Record
				for range min(1+r.IntN(300), perPartition-int(offset)) { // batches of many sizes
					for partition := range int32(2) {
						v := value(partition, offset)
						batch = append(batch, &kgo.Record{Topic: "test." + string(stream.Journal), Partition: partition, Key: v[:8], Value: v})
					}
					offset++
				}
				if err := client.ProduceSync(t.Context(), batch...).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}

			rs := readers(t, c, kafka.ReadersConfig{Batch: 70, Buffered: 400})
			var reading sync.WaitGroup
			for partition := range int32(2) {
				reader, err := rs.Open(t.Context(), stream.Partition{Topic: stream.Journal, ID: partition}, 0)
				if err != nil {
					t.Fatal(err)
				}
				reading.Go(func() {
					var first []byte
					for offset := int64(0); offset < perPartition; {
						records, err := reader.Read(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						if first == nil {
							first = records[0].Value
						}
						for _, got := range records {
							want := value(partition, offset)
							if got.Offset != offset || !bytes.Equal(got.Value, want) || !bytes.Equal(got.Key, want[:8]) {
								t.Errorf("read %d: %q %q, want %d: %q", got.Offset, got.Key, got.Value, offset, want)
								return
							}
							offset++
						}
					}
					if again := !bytes.Equal(first, value(partition, 0)); again != (name != "none") {
						t.Errorf("the first value's memory was used again: %v", again)
					}
				})
			}
			reading.Wait()
		})
	}
}
