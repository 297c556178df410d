package allocation_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/shelfwire/shelfwire/internal/allocation"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The outlets of DESIGN's golden cases, best first: shirts, hats, shoes.
var (
	montreal   = allocation.Outlet{ID: "MTL", Free: []stock.Quantity{10, 3, 5}}
	sherbrooke = allocation.Outlet{ID: "SHE", Free: []stock.Quantity{0, 10, 10}}
	laval      = allocation.Outlet{ID: "LAV", Free: []stock.Quantity{15, 10, 10}}
)

const (
	shirt = iota
	hat
	shoes
)

// TestCandidatesByHandingOut compares what a decision says of the outlets with handing out unit by unit: what a line lacks is what could
// not be, and nobody is looked at behind the first that lacks nothing.
func TestCandidatesByHandingOut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		q := allocation.Request{Rules: whole}
		for i := range 1 + r.IntN(4) {
			q.Lines = append(q.Lines, line(string(rune('1'+i)), r.IntN(3), stock.Quantity(1+r.IntN(4))))
		}
		for i := range r.IntN(4) {
			free := []stock.Quantity{stock.Quantity(r.IntN(8)), stock.Quantity(r.IntN(8)), stock.Quantity(r.IntN(8))}
			q.Outlets = append(q.Outlets, allocation.Outlet{ID: string(rune('A' + i)), Free: free})
		}
		want := []record.Candidate{}
		rule := ""
		for _, o := range q.Outlets {
			c := record.Candidate{Outlet: o.ID}
			free := slices.Clone(o.Free)
			for _, l := range q.Lines {
				lacks := stock.Quantity(0)
				for range l.Need {
					if free[l.SKU] == 0 {
						lacks++
						continue
					}
					free[l.SKU]--
				}
				if lacks > 0 {
					c.Lacks = append(c.Lacks, record.Lack{LineID: l.ID, Quantity: lacks})
				}
			}
			if want = append(want, c); len(c.Lacks) == 0 {
				rule = "one_outlet"
				break
			}
		}
		got := allocation.Decide(&q)
		if !reflect.DeepEqual(got.Candidates, want) || (got.Rule == "one_outlet") != (rule != "") {
			t.Fatalf("Decide(%+v) by %s of %+v, want %+v", q, got.Rule, got.Candidates, want)
		}
	}
}
