package main

import (
	"fmt"

	"github.com/shelfwire/shelfwire/benchmarks/peers"
)

// table renders the medians as Markdown. Ratios are medians of the rounds' ratios.
func table(o options, machine string, results []*rounds) []byte {
	b := fmt.Appendf(nil, `# The allocator beside its peers

%s.
Medians of %d interleaved rounds; %d entries over %d SKUs, one partition. Seconds are this machine's; compare ratios only.

| load | what | records/s | to the bare copy | to Kafka Streams | to the naive consumer |
|---|---|---|---|---|---|
`, machine, o.rounds, o.entries, o.skus)
	for _, r := range results {
		row := func(what string, values, toBare []float64) {
			if len(values) > 0 {
				b = fmt.Appendf(b, "| %s | %s | %.0f | %.3g | %s | %s |\n",
					r.load.Name, what, median(values), median(toBare), times(values, r.streams), times(values, r.naive))
			}
		}
		row("bare copy, franz-go", r.bare, ratios(r.bare, r.bare))
		row("**allocator**", r.folded, r.ratio)
		row("Kafka Streams, exactly once", r.streams, ratios(r.streams, r.bare))
		row("naive consumer", r.naive, ratios(r.naive, r.bare))
	}
	b = fmt.Appendf(b, `
- uniform, zipf 1.1: movements. mixed: nine movements and an order of two lines in turn, and offers of every SKU to three channels; its
  catalogue and first receipts are folded before it is measured.
- Bare copy: one client that reads the records and writes the same bytes.
- Kafka Streams 4.1.1: exactly_once_v2, RocksDB with its changelog, one thread, commits every %v, a cache that holds every row,
  batches of 256 KiB with lz4. Its input has the SKU as key, so it needs no repartition topic. The first fifth, in
  which the Java machine warms up, is not counted; its counts were compared with what was written.
- Naive consumer: HINCRBY and a synchronous produce per record, without the 10 ms that its client lingers by default.

Where the allocator's processor time goes, by a profile of one more fold (without Redis and Kafka themselves):

`, peers.StreamsCommit)
	for _, r := range results {
		b = fmt.Appendf(b, "- %s: %s\n", r.load.Name, shares(r.where))
	}
	return b
}

// times says how many times the others values are; "–" where there are no others.
func times(values, others []float64) string {
	if len(others) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.3g", median(ratios(values, others)))
}

// ratios divides round by round.
func ratios(values, by []float64) []float64 {
	out := make([]float64, len(values))
	for i := range values {
		out[i] = values[i] / by[i]
	}
	return out
}
