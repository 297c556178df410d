package dispatch_test

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The kinds of event, of which a world has a budget.
const (
	sells = iota
	restocks
	drops
	unseenRestocks
	unseenDrops
	ownSales
	receipts
	polls
	losses
	givenUp
	handsUp
	handsDown
	kinds
)

// A budget says how often each kind of event may happen.
type budget [kinds]uint8

type event struct {
	name string
	do   func(*world) bool
}

func events() [kinds]event {
	return [kinds]event{
		sells:          {"sell", (*world).sell},
		restocks:       {"restock", func(w *world) bool { return w.cancel(true) }},
		drops:          {"drop", func(w *world) bool { return w.cancel(false) }},
		unseenRestocks: {"restock unseen", func(w *world) bool { return w.cancelUnseen(true) }},
		unseenDrops:    {"drop unseen", func(w *world) bool { return w.cancelUnseen(false) }},
		ownSales:       {"own sale", func(w *world) bool { w.move(-1); return true }},
		receipts:       {"receipt", func(w *world) bool { w.move(1); return true }},
		polls:          {"poll", func(w *world) bool { w.poll(); return true }},
		losses:         {"lose", (*world).lose},
		givenUp:        {"give up", (*world).giveUp},
		handsUp:        {"hand up", func(w *world) bool { w.edit(1); return true }},
		handsDown:      {"hand down", func(w *world) bool { w.edit(-1); return true }},
	}
}

// steps are what may happen at any time, for nothing.
func steps() []event {
	return []event{
		{"fold", (*world).fold}, {"send", (*world).send}, {"land", (*world).land}, {"reply", (*world).reply}, {"replay", (*world).replay},
		{"late", (*world).late}, {"haunt", (*world).haunt}, {"settle", (*world).settle},
		{"resign", (*world).resign}, {"abandon", (*world).abandon}, {"land late", (*world).landLate},
	}
}

// A check walks every interleaving of a budget, and lets the world come to rest from each state.
type check struct {
	events  [kinds]event
	steps   []event
	seen    map[string]struct{}
	pushes  int // the most that coming to rest took
	problem string
	path    []string
}

func (c *check) walk(w *world, left budget) {
	w.decide() // after every input, as the caller does
	state := w.state() + string(left[:])
	if _, ok := c.seen[state]; ok || c.problem != "" {
		return
	}
	c.seen[state] = struct{}{}
	if len(c.path) > 500 {
		c.problem = "it goes on for ever: … " + strings.Join(c.path[480:], ", ")
		return
	}
	rest := w.clone()
	pushes, wrong := rest.quiet()
	if wrong == "" && w.s.Access != dispatch.Blind {
		_, wrong = rest.readBack()
	}
	if wrong != "" {
		c.problem = wrong + " after " + strings.Join(c.path, ", ")
		return
	}
	c.pushes = max(c.pushes, pushes)
	for kind, n := range left {
		if n > 0 {
			less := left
			less[kind]--
			c.try(w, c.events[kind], less)
		}
	}
	for _, step := range c.steps {
		c.try(w, step, left)
	}
}

func (c *check) try(w *world, e event, left budget) {
	if next := w.clone(); e.do(next) {
		c.path = append(c.path, e.name)
		c.walk(next, left)
		c.path = c.path[:len(c.path)-1]
	}
}

// Every interleaving of a few events comes to rest at the right level, and no compare-and-set goes above it on the way.
func TestEveryInterleaving(t *testing.T) {
	for _, tt := range []struct {
		name   string
		start  *world
		top    stock.Quantity
		budget budget
	}{
		{"shop, sales on both sides", newWorld(shop, 2), 0, budget{sells: 3, ownSales: 1, receipts: 1, polls: 1}},
		{"shop, cancels", newWorld(shop, 2), 0, budget{sells: 2, restocks: 1, drops: 1, ownSales: 1}},
		{"shop, cancels before the order was seen", newWorld(shop, 2), 0, budget{sells: 2, unseenRestocks: 1, unseenDrops: 1, ownSales: 1, polls: 1}},
		{"shop, answers lost", newWorld(shop, 2), 0, budget{sells: 2, ownSales: 1, receipts: 1, losses: 2}},
		{"shop, requests given up", newWorld(shop, 2), 0, budget{sells: 2, ownSales: 1, receipts: 1, losses: 1, givenUp: 1, polls: 1}},
		{"shop, a hand that lowers the level", newWorld(shop, 2), 0, budget{sells: 1, receipts: 1, handsDown: 1, polls: 1}},
		{"shop, a hand that raises the level", newWorld(shop, 2), 0, budget{sells: 1, ownSales: 1, handsUp: 1}},
		{"shop, under a cap", newWorld(shop, 2), 2, budget{sells: 3, ownSales: 1, receipts: 1, polls: 1}},
		{"shop, with a floor", floored(newWorld(shop, 3)), 0, budget{sells: 2, ownSales: 2, receipts: 1, polls: 1}},
		{"site, with a floor", floored(newWorld(site, 3)), 0, budget{sells: 2, ownSales: 1, receipts: 1, polls: 1}},
		{"shop, first contact", newContact(shop, 1, 2), 0, budget{sells: 2, ownSales: 1, receipts: 1, polls: 1}},
		{"webhook, sales on both sides", newWorld(webhook, 2), 0, budget{sells: 3, ownSales: 2, receipts: 1, polls: 2}},
		{"webhook, cancels", newWorld(webhook, 2), 0, budget{sells: 2, restocks: 1, drops: 1, ownSales: 1}},
		{"webhook, a zero overtakes", newWorld(webhook, 2), 0, budget{sells: 1, ownSales: 2, losses: 2, receipts: 1, polls: 1}},
		{"webhook, zeros are lost", newWorld(webhook, 1), 0, budget{sells: 1, ownSales: 1, losses: 3, receipts: 1, polls: 1}},
		{"webhook, requests given up", newWorld(webhook, 2), 0, budget{sells: 2, ownSales: 1, receipts: 1, losses: 1, givenUp: 1, polls: 1}},
		{"webhook, first contact", newContact(webhook, 1, 2), 0, budget{sells: 2, ownSales: 1, receipts: 1, polls: 1}},
		{"site, sales on both sides", newWorld(site, 2), 0, budget{sells: 3, ownSales: 1, receipts: 1, polls: 1}},
		{"site, cancels", newWorld(site, 2), 0, budget{sells: 2, restocks: 1, drops: 1, ownSales: 1}},
		{"site, cancels before the order was seen", newWorld(site, 2), 0, budget{sells: 2, unseenRestocks: 1, unseenDrops: 1, ownSales: 1, polls: 1}},
		{"site, answers lost", newWorld(site, 2), 0, budget{sells: 2, ownSales: 1, receipts: 1, losses: 2}},
		{"site with keys, answers lost", newWorld(keyedSite, 2), 0, budget{sells: 2, ownSales: 1, receipts: 1, losses: 2}},
		{"site with keys, requests given up", newWorld(keyedSite, 2), 0, budget{sells: 2, ownSales: 1, losses: 1, givenUp: 1, polls: 1}},
		{"site, a zero overtakes", newWorld(site, 2), 0, budget{sells: 1, ownSales: 2, losses: 2, receipts: 1}},
		{"site, zeros are lost", newWorld(site, 1), 0, budget{sells: 1, ownSales: 1, losses: 3, receipts: 1}},
		{"site, a hand on the level", newWorld(site, 2), 0, budget{sells: 1, receipts: 1, handsDown: 1, polls: 1}},
		{"site, under a cap", newWorld(site, 2), 2, budget{sells: 3, ownSales: 1, receipts: 1, polls: 1}},
		{"site, first contact", newContact(site, 1, 2), 0, budget{sells: 2, ownSales: 1, receipts: 1, polls: 1}},
		{"feed without keys, answers lost", newWorld(feed, 2), 0, budget{sells: 2, ownSales: 1, receipts: 1, losses: 2}},
		{"shop that tells late, sales on both sides", newWorld(lateShop, 2), 0, budget{sells: 2, ownSales: 1, receipts: 1, polls: 2}},
		{"shop that tells late, cancels", newWorld(lateShop, 2), 0, budget{sells: 2, restocks: 1, drops: 1, ownSales: 1, polls: 1}},
		{"site that tells late", newWorld(lateSite, 2), 0, budget{sells: 2, ownSales: 1, receipts: 1, polls: 1}},
		{"site that does not lower its level", newWorld(silentSite, 1), 0, budget{sells: 1, restocks: 1, ownSales: 1, receipts: 1, losses: 1}},
		{"shop that does not lower its level", newWorld(silentShop, 1), 0, budget{sells: 1, restocks: 1, ownSales: 1, receipts: 1, losses: 1}},
		{"webhook whose shop does not lower its level", newWorld(silentWebhook, 1), 0, budget{sells: 1, restocks: 1, ownSales: 1, receipts: 1, losses: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.top > 0 {
				tt.start.top, tt.start.avail = tt.top, tt.top+1
			}
			c := check{events: events(), steps: steps(), seen: map[string]struct{}{}}
			if seeds(0) > 0 { // a long run
				tt.budget[receipts]++
				tt.budget[polls]++
			}
			c.walk(tt.start, tt.budget)
			if c.problem != "" {
				t.Fatal(c.problem)
			}
			if c.pushes > 5 {
				t.Errorf("coming to rest took up to %d pushes, want at most 5", c.pushes)
			}
			t.Logf("%d states, at most %d pushes to come to rest", len(c.seen), c.pushes)
		})
	}
}

// seeds returns how many random runs to make: usual, or what the environment asks for with SEEDS=.
func seeds(usual int) int {
	if n, err := strconv.Atoi(os.Getenv("SEEDS")); err == nil && n > 0 {
		return n
	}
	return usual
}

// Long random runs: the same properties, with more of everything, and with restarts from what is stored.
func TestRandomRuns(t *testing.T) {
	runs := seeds(2000)
	for _, tt := range []struct {
		name     string
		settings dispatch.Settings
	}{
		{"shop", shop}, {"site", site}, {"site with keys", keyedSite}, {"webhook", webhook}, {"feed without keys", feed},
		{"shop that tells late", lateShop}, {"site that tells late", lateSite}, {"shop that does not lower its level", silentShop},
		{"site that does not", silentSite}, {"webhook whose shop does not", silentWebhook},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			moves := append(steps(), event{"restart", (*world).restart})
			known := events()
			moves = append(moves, known[:handsUp]...) // without hands: nothing promises how soon one is found
			took := make([]int, 0, runs)
			for seed := range uint64(runs) {
				random := rand.New(rand.NewPCG(seed, 11))
				q := stock.Quantity(random.IntN(6))
				w := newWorld(tt.settings, q)
				if random.IntN(4) == 0 {
					w = newContact(tt.settings, q, stock.Quantity(random.IntN(6)))
				} else if q > 0 && random.IntN(3) == 0 {
					w.top, w.avail = q, q+stock.Quantity(random.IntN(5))
				}
				if random.IntN(4) == 0 {
					w.setFloor(2)
				}
				for range 20 + random.IntN(60) {
					w.decide()
					moves[random.IntN(len(moves))].do(w)
				}
				pushes, wrong := w.quiet()
				if wrong == "" && tt.settings.Access != dispatch.Blind {
					_, wrong = w.readBack()
				}
				if wrong != "" {
					t.Fatalf("seed %d: %s", seed, wrong)
				}
				took = append(took, pushes)
			}
			slices.Sort(took)
			if most, p99 := took[runs-1], took[runs*99/100]; most > 5 || p99 > 3 {
				t.Errorf("coming to rest took %d pushes at most and %d in 99 of 100 runs, want 5 and 3", most, p99)
			}
		})
	}
}

// Own sales alone are never told back, whenever they are folded and whatever is polled in between.
func TestNoEcho(t *testing.T) {
	for _, settings := range []dispatch.Settings{shop, webhook} {
		for seed := range uint64(500) {
			random := rand.New(rand.NewPCG(seed, 12))
			w := newWorld(settings, 6)
			for range 30 {
				switch random.IntN(4) {
				case 0:
					w.sell()
				case 1:
					w.poll()
				default:
					w.fold()
				}
				if a := w.decide(); acts(a) {
					t.Fatalf("seed %d: the ledger wants %s after own sales only", seed, word(a))
				}
			}
			if _, wrong := w.quiet(); wrong != "" || w.pushes > 0 {
				t.Fatalf("seed %d: %d pushes, %s", seed, w.pushes, wrong)
			}
		}
	}
}
