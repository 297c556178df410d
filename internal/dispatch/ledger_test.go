package dispatch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/stock"
)

var (
	shop          = dispatch.Settings{Access: dispatch.Comparing, Lowers: true, Keys: time.Hour}
	site          = dispatch.Settings{Access: dispatch.Readable, Lowers: true} // it is read, then set, and knows no keys
	keyedSite     = dispatch.Settings{Access: dispatch.Readable, Lowers: true, Keys: time.Hour}
	webhook       = dispatch.Settings{Access: dispatch.Blind, Lowers: true, Keys: time.Hour}
	feed          = dispatch.Settings{Access: dispatch.Blind, Lowers: true} // as a webhook, without keys
	lateShop      = dispatch.Settings{Access: dispatch.Comparing, Lowers: true, Keys: time.Hour, ReadLag: time.Microsecond}
	lateSite      = dispatch.Settings{Access: dispatch.Readable, Lowers: true, ReadLag: time.Microsecond}
	silentShop    = dispatch.Settings{Access: dispatch.Comparing, Keys: time.Hour} // it does not lower its own level
	silentSite    = dispatch.Settings{Access: dispatch.Readable}
	silentWebhook = dispatch.Settings{Access: dispatch.Blind, Keys: time.Hour}
)

// play runs a script of steps and fails the test where the ledger wants something else than the script says.
//
//	s       an own sale            F     the next fact is folded       P R   the retailer's stock −1, +1
//	c n     a cancel, restocked and not                                e−1   a hand on the channel's level
//	poll    a poll begins          mark  facts are folded up to and with the next mark
//	cas4→3  the ledger wants this, and it is sent; likewise set3, read; none: it wants nothing; wait: it waits for a mark
//	land    the channel deals with the request       reply   its answer comes back
//	ok      both                                     lose    nobody waits for the answer any more
//	replay  it is sent again                         late    it lands, though nobody waits for it
//	giveup  it cannot land any more                  look    a read-back is due
//	abandon it is not sent again
//	haunt   the request that a zero overtook lands   settle  it cannot land any more
func play(t *testing.T, w *world, script string) {
	t.Helper()
	steps := map[string]func() bool{
		"s": w.sell, "F": w.fold, "land": w.land, "reply": w.reply, "lose": w.lose, "replay": w.replay, "late": w.late,
		"giveup": w.giveUp, "abandon": w.abandon, "haunt": w.haunt, "settle": w.settle,
		"c":    func() bool { return w.cancel(true) },
		"n":    func() bool { return w.cancel(false) },
		"P":    func() bool { w.move(-1); return true },
		"R":    func() bool { w.move(1); return true },
		"e−1":  func() bool { w.edit(-1); return true },
		"e+1":  func() bool { w.edit(1); return true },
		"poll": func() bool { w.poll(); return true },
		"look": func() bool { w.l.Look = true; return true },
		"ok":   func() bool { return w.land() && w.reply() },
		"mark": func() bool {
			for len(w.facts) > 0 {
				mark := w.facts[0].kind == 'm'
				if w.fold(); mark {
					return true
				}
			}
			return false
		},
	}
	for i, name := range strings.Fields(script) {
		step, ok := steps[name]
		if !ok {
			action := w.decide()
			if got := word(action); got != name {
				t.Fatalf("step %d: the ledger wants %s, want %s (level %d, ledger %+v)", i, got, name, w.level, w.l)
			}
			if !acts(action) {
				continue
			}
			step = w.send
		}
		if !step() {
			t.Fatalf("step %d, %s, is not possible (level %d, ledger %+v)", i, name, w.level, w.l)
		}
		if w.wrong != "" {
			t.Fatalf("step %d, %s: %s", i, name, w.wrong)
		}
	}
}

func word(a dispatch.Action) string {
	switch a.Kind {
	case dispatch.Nothing:
		return "none"
	case dispatch.Wait:
		return "wait"
	case dispatch.Read:
		return "read"
	case dispatch.Set:
		return fmt.Sprintf("set%d", a.Value)
	case dispatch.CompareAndSet:
		return fmt.Sprintf("cas%d→%d", *a.Base, a.Value)
	}
	return "?"
}

type scripted struct {
	name     string
	settings dispatch.Settings
	script   string
}

// The holes of the obvious rule, "what is expected = what was told − sales folded since". Level, told and offer are 4 at the
// beginning; after the script everything comes to rest, and the level must be what is right. 12 is in TestSettling.
func TestHoles(t *testing.T) {
	for _, tt := range []scripted{
		{"1, the expected level is the level by accident, and a sale was polled too early", shop, "s P cas4→3 ok R read ok poll s mark F"},
		{"2, the offer is what is expected by accident after two decreases", shop, "s P cas4→3 ok P read ok cas3→1 ok F"},
		{"3, a sale and its cancel that is not restocked", shop, "s n"},
		{"4, a cancel is folded long after its unit is back on the shelf", shop, "s P F c cas3→2 ok read ok F"},
		{"5, a read samples before a sale and answers after its fold", shop, "look s R F read land s F reply"},
		{"6, the counters that count are the request's, not the reply's", shop, "P cas4→3 land s n F reply"},
		{"7, a sale between a read and its set", site, "P read ok s set3 ok F"},
		{"8a, a plain set over a sale that is not folded", webhook, "s P set3 ok F"},
		{"8b, a decrease that raises", webhook, "s s P set3 ok"},
		{"9, an unknown outcome decided by comparing levels", shop, "R cas4→5 land lose s replay ok"},
		{"9b, the same where nobody will learn the outcome", shop, "R cas4→5 land lose s giveup read ok none"},
		{"10, a mark dated between a read's start and its sample", shop, "look read poll s land reply mark F s none"},
		{"11, a mark that overtakes an offer", shop, "s P cas4→3 ok read ok poll F mark"},
		{"13, a hand on the level, then a look", shop, "e−1 look read ok"},
		{"14, a cancel that is not restocked and a sale folded late look alike", webhook, "P set3 ok s n F F wait poll mark set3 ok none"},
		{"14b, the same where both are from before the set", webhook, "s n P set3 ok F F wait poll mark set3 ok none s F"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(tt.settings, 4)
			play(t, w, tt.script)
			pushes, wrong := w.quiet()
			if wrong == "" && tt.settings.Access != dispatch.Blind {
				var more int
				more, wrong = w.readBack()
				pushes += more
			}
			if wrong != "" {
				t.Errorf("at the end: %s", wrong)
			}
			if pushes > 5 {
				t.Errorf("coming to rest took %d pushes, want at most 5", pushes)
			}
		})
	}
}

// What the ledger wants, step by step, where a coarser rule would also end at the right level, but later or by detours.
func TestLedger(t *testing.T) {
	for _, tt := range []scripted{
		{"own sales are not told back", shop, "s none F none s F none poll mark none"},
		{"own sales are not told back to a webhook", webhook, "s none F none s F none poll mark none"},
		{"a sale in our own shop is told at once", shop, "P cas4→3 ok none"},
		{"a sale in our own shop is told to a webhook at once", webhook, "P set3 ok none"},
		{"a webhook's level is raised after a mark only", webhook, "R wait poll mark set5 ok none"},
		{"a mark of a poll that began before the raise does not count", webhook, "poll R wait mark wait poll mark set5"},
		{"a raise that is not due any more ceases to wait", webhook, "R wait P none poll mark R wait"},
		{"a sell-out is told whatever else is unknown", webhook, "look P P P P set0 ok none"},
		{"bounds that an earlier mark made are not widened by a later read", shop, "look s R read land s F reply poll mark cas2→3"},
		{"a read's level is lowered by the sales folded since", shop, "look s R read land s F reply F cas2→3"},
		{"what a set tells is counted from when it left", webhook, "P set3 land s F reply none"},
		{"a replay may have landed after the sales folded meanwhile", webhook, "P set3 lose s F replay ok set2"},
		{"an open request blocks newer ones", shop, "P cas4→3 P none lose none replay ok cas3→2"},
		{"an open request blocks newer sets", webhook, "P set3 P none lose P none"},
		{"a zero overtakes a set of unknown outcome", webhook, "P set3 lose P P P set0 ok none"},
		{"and once only", webhook, "P set3 lose P P P set0 lose none"},
		{"a zero of unknown outcome is sent again, as it is", webhook, "P P P P set0 lose none replay ok none"},
		{"where it is not sent again, another goes at once", webhook, "P P P P set0 lose abandon set0 ok none haunt settle wait poll mark set0 ok none"},
		{"and that is the last", webhook, "P P P P set0 lose abandon set0 lose abandon none"},
		{"a lost zero that lands on a raise is taken back", webhook, "P P P P set0 lose abandon set0 ok R wait poll mark set1 ok haunt settle wait poll mark set1 ok none"},
		{"an abandoned set that is no zero blocks all but a zero", webhook, "P set3 lose abandon P none P P set0 ok none"},
		{"where the level can be read, a zero that overtook is looked at instead of sent again", site, "P read ok set3 lose P P P set0 ok read ok none haunt settle read ok set0 ok none"},
		{"no zero overtakes a compare-and-set, whose replay is decided by the level", shop, "P cas4→3 lose P P P none"},
		{"an overtaken set that lands is taken back", webhook, "P set3 lose P P P set0 ok haunt settle set0 ok none"},
		{"an overtaken set may have landed after the sales folded meanwhile", webhook, "P P P set1 lose s F set0 ok haunt settle set0 ok none"},
		{"a request that was given up is looked at", shop, "R cas4→5 lose giveup read ok none poll mark cas4→5 ok none"},
		{"a set that was given up is sent again after a mark", webhook, "P set3 lose giveup set3 ok none"},
		{"a stale request is followed by a read", shop, "e−1 P cas4→3 ok read ok cas3→2 ok poll mark cas2→3 ok none"},
		{"a level that was raised by hand is brought down", shop, "e+1 look read ok cas5→4 ok none"},
		{"a level that may be right is left as it is", shop, "P cas4→3 lose late giveup read ok none"},
		{"a level below zero is left to the channel", shop, "P P P P cas4→0 ok e−1 look read ok none"},
		{"a mark that proves the last set lets a raise go", webhook, "P set3 ok poll R wait mark set4 ok none"},
		{"a mark lets one raise go", webhook, "R wait poll mark set5 ok R wait"},
		{"where the channel does not lower its level, own sales are told", silentShop, "s none F cas4→3 ok none c F cas3→4 ok none"},
		{"and to a webhook, without waiting for a mark", silentWebhook, "s none F set3 ok none c F set4 ok none"},
	} {
		t.Run(tt.name, func(t *testing.T) { play(t, newWorld(tt.settings, 4), tt.script) })
	}
}

func TestFirstContact(t *testing.T) {
	for _, tt := range []scripted{
		{"the level is read, and left as it is until a mark", shop, "read ok none poll mark cas7→4 ok none"},
		{"nothing is read from a webhook, and nothing sent before a mark", webhook, "wait poll mark set4 ok none"},
		{"but a sell-out", webhook, "P P P P set0 ok none"},
		{"and to a shop", shop, "P P P P read ok cas7→0 ok none"},
		{"where the channel does not lower its level there is nothing to wait for", silentShop, "read ok cas7→4 ok none"},
		{"not even of a webhook", silentWebhook, "set4 ok none"},
	} {
		t.Run(tt.name, func(t *testing.T) { play(t, newContact(tt.settings, 4, 7), tt.script) })
	}
}

// What was known is lost: the level is read again, the request under way stays.
func TestForget(t *testing.T) {
	w := newWorld(shop, 4)
	play(t, w, "P cas4→3")
	w.l.Forget()
	play(t, w, "none land reply read ok none poll mark none")
	if _, wrong := w.quiet(); wrong != "" {
		t.Error(wrong)
	}
}

// Hole 12: an overtaken request settles when its own deadline and the settle time have passed, whoever asks since when, and only
// when no other request is open.
func TestSettling(t *testing.T) {
	settings := dispatch.Settings{Access: dispatch.Blind, Lowers: true, Keys: time.Hour, Settle: 30 * time.Second}
	const second = stock.Instant(time.Second / time.Microsecond)
	l := dispatch.First(1, 4, 0, 0)
	l.Mark(1)
	l.Begin(settings, dispatch.Action{Kind: dispatch.Set, Value: 4}, "a", 100*second, 110*second)
	l.Offer(settings, 104*second, 2, 0, 0, 0)
	zero := l.Decide(settings, 105*second)
	if zero.Kind != dispatch.Set || zero.Value != 0 {
		t.Fatalf("Decide() = %+v, want a zero that overtakes", zero)
	}
	l.Begin(settings, zero, "b", 105*second, 115*second)
	if l.SettleOld(settings, 200*second) {
		t.Error("SettleOld() = true while the zero is open")
	}
	l.Applied(settings, 106*second)
	for _, tt := range []struct {
		at   stock.Instant
		want bool
	}{{111 * second, false}, {140*second - 1, false}, {140 * second, true}, {141 * second, false}} {
		if got := l.SettleOld(settings, tt.at); got != tt.want {
			t.Errorf("SettleOld(%d s) = %t, want %t", tt.at/second, got, tt.want)
		}
	}
}

// A key is used again only as long as the channel is sure to know it.
func TestMayRetry(t *testing.T) {
	const second = stock.Instant(time.Second / time.Microsecond)
	for _, tt := range []struct {
		name     string
		settings dispatch.Settings
		deadline stock.Instant
		want     bool
	}{
		{"a young key", shop, 110 * second, true},
		{"a key that may be answered until its last second", shop, 3700 * second, true},
		{"a key that the channel may have forgotten", shop, 3700*second + 1, false},
		{"no keys", site, 110 * second, false},
	} {
		l := dispatch.First(1, 4, 0, 0)
		l.Begin(tt.settings, dispatch.Action{Kind: dispatch.Set, Value: 4}, "a", 100*second, 110*second)
		if got := l.MayRetry(tt.settings, tt.deadline); got != tt.want {
			t.Errorf("%s: MayRetry() = %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestDrift(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings dispatch.Settings
		script   string // up to the read
		level    stock.Quantity
		want     bool
	}{
		{"as expected", shop, "", 4, false},
		{"lower: a sale may be on its way", shop, "", 3, false},
		{"higher than anything that can have been", shop, "", 5, true},
		{"higher than what the folded sales leave", shop, "s F", 4, true},
		{"lower, where the channel does not lower its level", silentShop, "", 3, true},
		{"sold, where the channel does not lower its level", silentShop, "s F", 4, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(tt.settings, 4)
			play(t, w, tt.script)
			if got := w.l.Drifted(tt.settings, tt.level); got != tt.want {
				t.Errorf("Drifted(%d) = %t, want %t", tt.level, got, tt.want)
			}
		})
	}
	first := dispatch.First(1, 4, 0, 0)
	if first.Drifted(shop, 9) {
		t.Error("Drifted() = true at first contact, where nothing was expected")
	}
	// A level that is too low shows when a mark has proved that no sale is on its way.
	w := newWorld(shop, 4)
	play(t, w, "e−1 look read ok")
	if !w.l.Mark(w.now + 1) {
		t.Error("Mark() = false over a level that no sale explains")
	}
	w = newWorld(shop, 4)
	play(t, w, "s look read ok F")
	if w.l.Mark(w.now + 1) {
		t.Error("Mark() = true over a level that a sale explains")
	}
}

func TestDue(t *testing.T) {
	const second = stock.Instant(time.Second / time.Microsecond)
	for _, tt := range []struct{ first, last, want stock.Instant }{
		{10 * second, 10 * second, 12 * second},
		{10 * second, 15 * second, 17 * second},
		{10 * second, 19 * second, 20 * second}, // never later than the longest wait after the first change
	} {
		if got := dispatch.Due(tt.first, tt.last, 2*time.Second, 10*time.Second); got != tt.want {
			t.Errorf("Due(%d, %d) = %d, want %d", tt.first, tt.last, got, tt.want)
		}
	}
}
