package allocation_test

import (
	"math/rand/v2"
	"reflect"
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

func need(line string, sku int, q stock.Quantity) allocation.Need {
	return allocation.Need{LineID: line, SKU: sku, Quantity: q}
}

func TestOneOutlet(t *testing.T) {
	for _, tt := range []struct {
		name    string
		needs   []allocation.Need
		outlets []allocation.Outlet
		want    allocation.Result
	}{
		{
			"the best outlet that has everything serves, and the others are not looked at",
			[]allocation.Need{need("1", shirt, 2), need("2", hat, 1), need("3", shoes, 1)},
			[]allocation.Outlet{montreal, sherbrooke, laval},
			allocation.Result{Chosen: 0, Rule: "one_outlet", Exact: true, Candidates: []record.Candidate{{Outlet: "MTL"}}},
		},
		{
			"what the better outlets lack is said line by line",
			[]allocation.Need{need("1", shirt, 1), need("2", hat, 5)},
			[]allocation.Outlet{montreal, sherbrooke, laval},
			allocation.Result{Chosen: 2, Rule: "one_outlet", Exact: true, Candidates: []record.Candidate{
				{Outlet: "MTL", Lacks: []record.Lack{{LineID: "2", Quantity: 2}}},
				{Outlet: "SHE", Lacks: []record.Lack{{LineID: "1", Quantity: 1}}},
				{Outlet: "LAV"},
			}},
		},
		{
			"nobody has everything: all of it waits, though it would fit in parts",
			[]allocation.Need{need("1", shirt, 1), need("2", hat, 5)},
			[]allocation.Outlet{montreal, sherbrooke},
			allocation.Result{Chosen: -1, Rule: "waiting", Exact: true, Candidates: []record.Candidate{
				{Outlet: "MTL", Lacks: []record.Lack{{LineID: "2", Quantity: 2}}},
				{Outlet: "SHE", Lacks: []record.Lack{{LineID: "1", Quantity: 1}}},
			}},
		},
		{
			"lines of one SKU share what is there: the later one lacks",
			[]allocation.Need{need("1", hat, 2), need("2", shirt, 10), need("3", hat, 2), need("4", hat, 1)},
			[]allocation.Outlet{montreal},
			allocation.Result{Chosen: -1, Rule: "waiting", Exact: true, Candidates: []record.Candidate{
				{Outlet: "MTL", Lacks: []record.Lack{{LineID: "3", Quantity: 1}, {LineID: "4", Quantity: 1}}},
			}},
		},
		{
			"exactly what is there is enough",
			[]allocation.Need{need("1", hat, 1), need("2", hat, 2)},
			[]allocation.Outlet{montreal},
			allocation.Result{Chosen: 0, Rule: "one_outlet", Exact: true, Candidates: []record.Candidate{{Outlet: "MTL"}}},
		},
		{
			"no outlet at all",
			[]allocation.Need{need("1", hat, 1)}, nil,
			allocation.Result{Chosen: -1, Rule: "waiting", Exact: true, Candidates: []record.Candidate{}},
		},
		{
			"nothing asked for", nil, []allocation.Outlet{montreal},
			allocation.Result{Chosen: -1, Rule: "none", Exact: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := allocation.OneOutlet(tt.needs, tt.outlets); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("OneOutlet() = %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestOneOutletAgainstHandingOut compares with handing out unit by unit: the first outlet from which every unit can be taken
// is the one, and what a line lacks is what could not be.
func TestOneOutletAgainstHandingOut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		var needs []allocation.Need
		for i := range r.IntN(5) {
			needs = append(needs, need(string(rune('1'+i)), r.IntN(3), stock.Quantity(1+r.IntN(4))))
		}
		var outlets []allocation.Outlet
		for i := range r.IntN(4) {
			free := []stock.Quantity{stock.Quantity(r.IntN(8)), stock.Quantity(r.IntN(8)), stock.Quantity(r.IntN(8))}
			outlets = append(outlets, allocation.Outlet{ID: string(rune('A' + i)), Free: free})
		}
		chosen, lacked := -1, map[string]map[string]stock.Quantity{}
		for i, o := range outlets {
			lacks := map[string]stock.Quantity{}
			free := append([]stock.Quantity(nil), o.Free...)
			for _, n := range needs {
				for range n.Quantity {
					if free[n.SKU] == 0 {
						lacks[n.LineID]++
						continue
					}
					free[n.SKU]--
				}
			}
			lacked[o.ID] = lacks
			if len(lacks) == 0 && len(needs) > 0 {
				chosen = i
				break
			}
		}
		got := allocation.OneOutlet(needs, outlets)
		if got.Chosen != chosen {
			t.Fatalf("OneOutlet(%v, %v) chose %d, want %d", needs, outlets, got.Chosen, chosen)
		}
		for _, c := range got.Candidates {
			lacks := map[string]stock.Quantity{}
			for _, l := range c.Lacks {
				lacks[l.LineID] = l.Quantity
			}
			if !reflect.DeepEqual(lacks, lacked[c.Outlet]) {
				t.Fatalf("OneOutlet(%v, %v): %s lacks %v, want %v", needs, outlets, c.Outlet, lacks, lacked[c.Outlet])
			}
		}
		if len(needs) > 0 && len(got.Candidates) != len(lacked) {
			t.Fatalf("OneOutlet(%v, %v) looked at %d outlets, want %d", needs, outlets, len(got.Candidates), len(lacked))
		}
	}
}
