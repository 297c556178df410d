//go:build integration

package simtest_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A shelf is one SKU at one outlet of one pool.
type shelf struct{ pool, sku, outlet string }

// A load is a file of movements and what they sum up to, worked out here and nowhere else.
type load struct {
	file  string
	lines int             // with those sent twice
	sums  map[shelf]int64 // on hand; a shelf that came to 0 is among them
}

// The dimensions of a load: enough pools for several journal partitions, SKUs that are hot and SKUs that are rare.
const (
	loadPools   = 5
	loadSKUs    = 2000
	loadOutlets = 6
)

// writeLoad writes n movements of a seeded random. Some lines are sent twice, by sequence or by event id, which must not
// count twice.
func writeLoad(t *testing.T, n int, seed uint64) load {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	l := load{file: filepath.Join(t.TempDir(), "load.ndjson"), sums: map[shelf]int64{}}
	f, err := os.Create(l.file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	kinds := []struct {
		name string
		sign int64
	}{{"receipt", 1}, {"production", 1}, {"return", 1}, {"transfer_in", 1}, {"sale", -1}, {"write_off", -1}, {"transfer_out", -1}, {"adjustment", 1}}
	when := time.Now().Add(-time.Hour).UTC()
	sequences := map[string]int64{}
	for i := range n {
		s := shelf{
			pool:   fmt.Sprintf("pool%d", r.IntN(loadPools)),
			sku:    fmt.Sprintf("SKU-%04d", int(float64(loadSKUs)*r.Float64()*r.Float64())),
			outlet: fmt.Sprintf("O%d", r.IntN(loadOutlets)),
		}
		kind, quantity := kinds[r.IntN(len(kinds))], int64(1+r.IntN(20))
		l.sums[s] += kind.sign * quantity
		identity := fmt.Sprintf(`"event_id":"e%d-%d"`, seed, i)
		if i%2 == 0 {
			source := fmt.Sprintf("%s-%s-%d", s.pool, s.outlet, seed)
			sequences[source]++
			identity = fmt.Sprintf(`"source":%q,"epoch":1,"sequence":%d`, source, sequences[source])
		}
		line := fmt.Sprintf(`{"movement":{"pool":%q,"outlet":%q,"sku":%q,"kind":%q,"quantity":%d,"occurred_at":%q,%s}}`+"\n",
			s.pool, s.outlet, s.sku, kind.name, quantity, when.Add(time.Duration(i)*time.Millisecond).Format(time.RFC3339Nano), identity)
		times := 1
		if r.IntN(50) == 0 {
			times = 2
		}
		for range times {
			l.lines++
			if _, err := w.WriteString(line); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return l
}
