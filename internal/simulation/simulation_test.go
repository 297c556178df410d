//go:build synctests

package simulation_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var discard = slog.New(slog.DiscardHandler)

// number returns what a variable of the environment says.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// Runs of ingest and the allocator in which much goes wrong, each with another seed, come to the counts of the input.
//
// SEEDS says how many (50), FROM the first of them (1); `SEEDS=1 FROM=n` is run n again. What follows from the seed is the input,
// when it is sent, who is in the run, and what goes wrong at which moment of its clock. Which of two goroutines that are ready at
// the same moment comes first does not, nor what franz-go, the broker and the scheduler draw for themselves; so a run that
// failed is the same run of faults again, but a race that it lost may take several runs to be lost again.
func TestSimulation(t *testing.T) {
	first, n := number(t, "FROM", 1), number(t, "SEEDS", 50)
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		})
	}
}

func simulate(t *testing.T, seed uint64) {
	const during = time.Minute
	w := newWorld(t, seed)
	in := newInput(w.rnd, 150+w.rnd.IntN(300), w.begin)
	faults := plan(w.rnd, memberNames, during)
	sending := rand.New(rand.NewPCG(seed, 2))
	slices.SortStableFunc(faults, func(a, b fault) int { return int(a.at - b.at) })
	defer func() {
		w.close()
		w.report(faults)
	}()
	for _, name := range memberNames {
		w.restart(name)
	}
	w.timers.Go(func() {
		if err := w.send(t.Context(), in, sending, during); err != nil {
			w.alarm(fmt.Sprintf("send: %v", err))
		}
	})
	copyEvery := time.NewTicker(3 * time.Second)
	defer copyEvery.Stop()
	for _, f := range faults {
		for wait := time.After(time.Until(w.begin.Add(f.at))); ; {
			select {
			case <-copyEvery.C:
				w.keepCopy()
				continue
			case <-wait:
			}
			break
		}
		w.say("FAULT %s", f.what)
		f.do(w)
	}
	w.timers.Wait()
	entries := w.settle()
	if len(w.alarms) > 0 {
		t.Errorf("alarms: %s", strings.Join(w.alarms, "\n"))
		return
	}
	w.check(in)
	w.say("%d events, %d journal entries", len(in.settings)+len(in.events), entries)
}

// report says what happened in a run that failed.
func (w *world) report(faults []fault) {
	if !w.t.Failed() {
		return
	}
	w.t.Logf("seed %d: %d faults, batches of %d, latency %v. Again: SEEDS=1 FROM=%d make test-sim", w.seed, len(faults), w.batch, w.latency, w.seed)
	for _, line := range w.said {
		w.t.Log(line)
	}
}
