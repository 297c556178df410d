package demo

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// A step is one thing that happens in the retailer's day, after the one before it.
type step struct {
	after time.Duration // at speed 1
	kind  stepKind
	// A movement at an outlet, or a shopper's attempt at a channel.
	outlet, channel, sku string
	movement             stock.MovementKind
	quantity             stock.Quantity
	more                 []want // what else is in the shopper's basket
	// pick chooses among what exists when the step is taken: which open order is despatched or cancelled.
	pick uint64
}

// A want is something that a shopper wants to buy.
type want struct {
	sku      string
	quantity stock.Quantity
}

type stepKind uint8

const (
	stepMovement stepKind = iota + 1
	stepShopper
	stepDespatch
	stepCancel
)

// A script is the day: an endless row of steps that depends on the seed only.
type script struct {
	random   *rand.Rand
	zipf     *rand.Zipf
	items    []item
	channels []string
}

// stepsPerSecond is the mean density of steps at speed 1.
const stepsPerSecond = 25

func newScript(seed uint64) *script {
	random := rand.New(rand.NewPCG(seed, 2))
	return &script{
		random: random, zipf: rand.NewZipf(random, 1.1, 8, skuCount-1), items: items(),
		channels: []string{shopifyCA, shopFR, marketplace},
	}
}

// next returns the next step. Half of the day is shoppers; the rest is the tills, the vans and the back office.
func (s *script) next() step {
	st := step{
		after:    time.Duration(s.random.ExpFloat64() * float64(time.Second) / stepsPerSecond),
		sku:      s.items[s.zipf.Uint64()].sku,
		outlet:   outlets[s.random.IntN(len(outlets))].Outlet,
		channel:  s.channels[s.random.IntN(len(s.channels))],
		quantity: 1 + stock.Quantity(s.random.IntN(3))/2,
		pick:     s.random.Uint64(),
	}
	switch p := s.random.IntN(100); {
	case p < 50:
		st.kind = stepShopper
		for len(st.more) < 3 && s.random.IntN(5) < 2 {
			w := want{s.items[s.zipf.Uint64()].sku, 1 + stock.Quantity(s.random.IntN(3))/2}
			if w.sku != st.sku && !slices.ContainsFunc(st.more, func(x want) bool { return x.sku == w.sku }) {
				st.more = append(st.more, w)
			}
		}
	case p < 70:
		st.kind, st.movement = stepMovement, stock.Sale
	case p < 78:
		st.kind, st.movement, st.quantity = stepMovement, stock.Receipt, 5+stock.Quantity(s.random.IntN(20))
	case p < 80:
		st.kind, st.movement = stepMovement, stock.Return
	case p < 81:
		st.kind, st.movement = stepMovement, stock.WriteOff
	case p < 94:
		st.kind = stepDespatch
	default:
		st.kind = stepCancel
	}
	return st
}
