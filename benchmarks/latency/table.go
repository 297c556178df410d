package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/shelfwire/shelfwire/benchmarks/peers"
)

// table renders the medians of the rounds as Markdown.
func table(o options, machine string, subjects []*subject) []byte {
	b := fmt.Appendf(nil, `# Latency at a steady rate

%s.
%d movements a second over %d SKUs for %v after %v, written every %v, medians of %d interleaved rounds after one that
is not counted. From the moment at which a movement is due to be written until a consumer has read the availability that counts it. Seconds
are this machine's; compare ratios only.

| what | p50 | p99 | p99 to the first |
|---|---|---|---|
`, machine, o.rate, o.skus, o.duration, o.warmUp, o.burst, o.rounds)
	for _, s := range subjects {
		b = fmt.Appendf(b, "| %s | %v | %v | %.3g |\n", s.path, median(s.p50), median(s.p99), float64(median(s.p99))/float64(median(subjects[0].p99)))
	}
	return fmt.Appendf(b, `
Shelfwire is ingest and allocator with their defaults, in one process, given JSON: two hops. The bare clients, each of which writes
what it reads as soon as it has it, make two hops too: what Kafka and this machine leave. Kafka Streams: exactly_once_v2, a commit
every %v, given protobuf keyed by SKU: one hop. All topics have one partition.
`, peers.StreamsCommit)
}

func median(values []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
