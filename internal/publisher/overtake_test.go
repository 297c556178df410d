package publisher_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// A zero that comes while a set is of unknown outcome goes at once when the channel's pause ends, instead of the set's replay; two
// requests of one listing are never under way together.
func TestZeroOvertakesAReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(false, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		m.meetsWith(failOnce(meets{lost: true}))
		b.offer("web", "A", 3, 0, 0)
		pass(3 * time.Second) // under way
		b.offer("web", "A", 0, 0, 0)
		pass(10 * time.Second)
		if m.level("A") != 0 {
			t.Errorf("the level is %d, want 0", m.level("A"))
		}
		wantSaid(t, b, "A", "attempted 3/1", "unknown 3/1", "attempted 0/1", "acknowledged 0/1")
		m.put("A", 3) // the set lands after all
		pass(time.Minute)
		if m.level("A") != 0 {
			t.Errorf("the level is %d when the overtaken set has settled, want 0 again", m.level("A"))
		}
		wantSaid(t, b, "A", "attempted 3/1", "unknown 3/1", "attempted 0/1", "acknowledged 0/1", "attempted 0/1", "acknowledged 0/1")
	})
}

// A zero that comes while a replay is under way waits for its answer.
func TestZeroWaitsForAReplayUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(false, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		m.meetsWith(func(n int, _ call) meets { return meets{lost: n <= 2} })
		b.offer("web", "A", 3, 0, 0)
		// The first try leaves after the quiet time and is given up 5 s later; the second leaves before 9 s and hangs as long.
		pass(9 * time.Second)
		if len(m.sets()) != 2 {
			t.Fatalf("%d sets, want a second try under way", len(m.sets()))
		}
		b.offer("web", "A", 0, 0, 0)
		pass(time.Second)
		if len(m.sets()) != 2 {
			t.Fatalf("%d sets, want none beside the replay", len(m.sets()))
		}
		pass(time.Minute)
		if m.level("A") != 0 {
			t.Errorf("the level is %d, want 0", m.level("A"))
		}
		wantSaid(t, b, "A", "attempted 3/1", "unknown 3/1", "attempted 3/2", "unknown 3/2", "attempted 0/1", "acknowledged 0/1",
			"attempted 0/1", "acknowledged 0/1") // and again when the overtaken set cannot land any more
	})
}
