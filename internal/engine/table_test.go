package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestRowTable puts rows into a table and takes some out again, beside a map.
func TestRowTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var table rowTable[sku, *sku]
	rows := map[string]*sku{}
	for n := range 20_000 {
		id := fmt.Sprintf("%.*s%d", r.IntN(20), "a shelf of some name", r.IntN(4000))
		if got := table.find(id); got != rows[id] {
			t.Fatalf("find(%q) = %v, want %v", id, got, rows[id])
		}
		if rows[id] == nil {
			rows[id] = &sku{id: id}
			table.add(rows[id])
		}
		if n%7 == 0 {
			another := &sku{id: id}
			table.replace(rows[id], another)
			rows[id] = another
		}
		if n%2500 == 0 {
			stays := func(s *sku) bool { return len(s.id)%3 > 0 }
			table.keep(stays)
			for id, s := range rows {
				if !stays(s) {
					delete(rows, id)
				}
			}
		}
		if table.rows != len(rows) {
			t.Fatalf("%d rows, want %d", table.rows, len(rows))
		}
	}
	for id, s := range rows {
		if table.find(id) != s {
			t.Errorf("%q is not found", id)
		}
	}
}

// TestSKUsAreSpread hashes ids as retailers number them: few stand in another's place.
func TestSKUsAreSpread(t *testing.T) {
	for _, format := range []string{"SKU-%07d", "%d", "%013d", "shirt-%d-blue-XL", "%d00000000"} {
		var table rowTable[sku, *sku]
		moved := 0
		for i := range 30_000 {
			id := fmt.Sprintf(format, i)
			if table.first(hashID(id)) != nil {
				moved++
			}
			table.add(&sku{id: id})
		}
		if moved > 30_000/2 {
			t.Errorf("%s: %d of 30,000 found their slot taken", format, moved)
		}
	}
}
