package dispatch_test

import (
	"math/rand/v2"
	"testing"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A pantry is stock that several listings share: an item at two locations of one channel, and a kit of two of it. What one of them
// sells changes what the others may show, which is to them as a sale in a shop of ours.
type pantry struct {
	units    stock.Quantity
	listings []*world
	needs    []stock.Quantity // units of the item in one of the listing's
}

func newPantry(units stock.Quantity, settings ...dispatch.Settings) *pantry {
	p := &pantry{units: units, needs: []stock.Quantity{1, 1, 2}}
	for i, need := range p.needs {
		p.listings = append(p.listings, newWorld(settings[i%len(settings)], units/need))
	}
	return p
}

func (p *pantry) offer() {
	for i, w := range p.listings {
		if avail := p.units / p.needs[i]; avail != w.avail {
			w.avail = avail
			w.offer(w.l.Sold, w.l.Released)
		}
	}
}

// fold takes in the next fact of a listing, and what it means to the others.
func (p *pantry) fold(i int) bool {
	w := p.listings[i]
	before := w.l.Sold - w.l.Released
	if !w.fold() {
		return false
	}
	p.units -= p.needs[i] * (w.l.Sold - w.l.Released - before)
	p.offer()
	return true
}

func TestKitsAndLocations(t *testing.T) {
	for _, settings := range [][]dispatch.Settings{{shop}, {site}, {webhook}, {shop, webhook, site}} {
		for seed := range uint64(seeds(200)) {
			random := rand.New(rand.NewPCG(seed, 13))
			p := newPantry(6+stock.Quantity(random.IntN(6)), settings...)
			moves, known := steps(), events()
			moves = append(moves, known[sells], known[sells], known[restocks], known[drops], known[polls], known[losses])
			for range 80 {
				i := random.IntN(len(p.listings))
				for _, w := range p.listings {
					w.decide()
				}
				switch pick := random.IntN(len(moves) + 3); {
				case pick < 2:
					p.fold(i)
				case pick == 2 && p.units > 0:
					p.units += stock.Quantity(random.IntN(3)) - 1
					p.offer()
				case pick > 2:
					if move := moves[pick-3]; move.name != "fold" {
						move.do(p.listings[i])
					}
				}
			}
			for i := range p.listings {
				for p.fold(i) {
				}
			}
			for i, w := range p.listings {
				// Both locations may have sold the last one; what is oversold shows 0.
				if pushes, wrong := w.quiet(); wrong != "" || pushes > 5 {
					t.Fatalf("seed %d, listing %d: %d pushes, %s", seed, i, pushes, wrong)
				}
			}
		}
	}
}
