package main

import (
	"fmt"
	"runtime"
	"time"
)

// table renders the medians as Markdown. Ratios are medians of the rounds' ratios.
func table(o options, results []rounds, now time.Time) []byte {
	b := fmt.Appendf(nil, `# The allocator beside its peers

%s, %d processors (%s/%s, %s), shared with Kafka and Redis; medians of %d interleaved rounds; %d movements over %d SKUs, one
partition. Seconds are this machine's; compare ratios only.

| load | what | records/s | to the bare copy | to the naive consumer |
|---|---|---|---|---|
`, now.UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), o.rounds, o.entries, o.skus)
	for i := range results {
		r := &results[i]
		row := func(what string, values []float64) {
			if len(values) == 0 {
				return
			}
			naive := "–"
			if len(r.naive) > 0 {
				naive = fmt.Sprintf("%.3g", median(ratios(values, r.naive)))
			}
			b = fmt.Appendf(b, "| %s | %s | %.0f | %.3g | %s |\n", r.load.name, what, median(values), median(ratios(values, r.bare)), naive)
		}
		row("bare copy, franz-go", r.bare)
		row("**allocator**", r.folded)
		row("naive consumer: HINCRBY and a synchronous produce per record", r.naive)
	}
	return b
}

// ratios divides round by round.
func ratios(values, by []float64) []float64 {
	out := make([]float64, len(values))
	for i := range values {
		out[i] = values[i] / by[i]
	}
	return out
}
