//go:build synctests

package simulation_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A fault is one thing that goes wrong at one moment.
type fault struct {
	at   time.Duration // after the run began
	what string
	do   func(w *world)
}

// plan decides what goes wrong: what, to whom, when and for how long follows from the seed alone.
func plan(rnd *rand.Rand, members []string, during time.Duration) []fault {
	var faults []fault
	for range 6 + rnd.IntN(10) {
		at := time.Duration(rnd.Int64N(int64(during)))
		faults = append(faults, oneFault(rnd, at, members[rnd.IntN(len(members))]))
	}
	return faults
}

func oneFault(rnd *rand.Rand, at time.Duration, member string) fault {
	between := func(from, to time.Duration) time.Duration {
		return from + time.Duration(rnd.Int64N(int64(to-from))).Round(time.Millisecond)
	}
	coin := rnd.IntN(2) == 0
	toRedis := coin && member[0] == 'a'
	way := "kafka"
	if toRedis {
		way = "redis"
	}
	fault := func(do func(w *world), what string, args ...any) fault {
		return fault{at, fmt.Sprintf(what, args...), do}
	}
	switch rnd.IntN(12) {
	case 0, 1:
		down := between(0, 15*time.Second)
		return fault(func(w *world) {
			w.member(member).kill(coin)
			w.after(down, func() { w.restart(member) })
		}, "kill %s, back after %v, what it had sent arrives: %v", member, down, coin)
	case 2:
		down := between(0, 8*time.Second)
		return fault(func(w *world) {
			w.member(member).stop()
			w.after(down, func() { w.restart(member) })
		}, "stop %s, back after %v", member, down)
	case 3, 4:
		d := between(time.Second, 25*time.Second)
		return fault(func(w *world) {
			l := w.member(member)
			l.sleep()
			w.after(d, l.wake)
		}, "%s sleeps for %v", member, d)
	case 5:
		d := between(2*time.Second, 25*time.Second)
		return fault(func(w *world) {
			old := w.member(member)
			old.sleep()
			w.restart(member)
			w.after(d, old.wake)
			w.after(d+20*time.Second, func() { old.kill(true) })
		}, "%s sleeps for %v, another one is started in its place", member, d)
	case 6:
		n := 1 + rnd.IntN(4)
		return fault(func(w *world) { w.member(member).way(toRedis).lose(n) }, "%s loses %d replies of %s", member, n, way)
	case 7:
		d := between(100*time.Millisecond, 15*time.Second)
		return fault(func(w *world) {
			l := w.member(member).way(toRedis)
			l.hold()
			w.after(d, l.carry)
		}, "between %s and %s nothing arrives for %v", member, way, d)
	case 8:
		back := rnd.IntN(6)
		return fault(func(w *world) { w.rollBack(back) }, "redis goes back by %d copies", back)
	case 9:
		if coin {
			return fault(func(w *world) { w.rollBack(-1) }, "redis forgets everything")
		}
		d := between(100*time.Millisecond, 12*time.Second)
		return fault(func(w *world) { w.awayFor(d, true) }, "redis is away for %v", d)
	case 10:
		d := between(100*time.Millisecond, 12*time.Second)
		return fault(func(w *world) { w.awayFor(d, false) }, "kafka is away for %v", d)
	}
	errs := []*kerr.Error{
		kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut, // answered so, and done all the same
		kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.KafkaStorageError,
	}
	err, n := errs[rnd.IntN(len(errs))], 1+rnd.IntN(4)
	return fault(func(w *world) {
		w.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: n})
	}, "kafka answers %d writes with %s", n, err.Message)
}
