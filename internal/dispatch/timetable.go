package dispatch

import (
	"math/bits"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// A Timetable says whose time has come, the earliest first.
//
// It is a wheel of lists, one for each span of some milliseconds, and a small heap for what comes within the present span. However
// often a time is moved later, the thing stays where it stands, and is looked at again when its list is: so a change of what waits
// already costs a comparison.
type Timetable[T any] struct {
	slot  func(T) *Slot
	now   int64              // the newest span whose list was taken apart
	lists [spans][]T         // by number of the span, modulo
	some  [spans / 64]uint64 // which lists have any, by bit
	spare [][]T              // empty lists, for the next span that needs one
	near  []entry[T]         // a heap
}

// The wheel goes round in 17 s, which is longer than most debounces. What waits longer is looked at once a round.
const (
	spanBits = 12 // of a span's microseconds
	spans    = 1 << 12
)

func spanOf(at stock.Instant) int64 { return int64(at) >> spanBits }

// A Slot is a thing's place in a timetable; the thing holds it. The zero value: it waits for nothing.
type Slot struct {
	at     stock.Instant // its time; 0: none
	near   stock.Instant // of its earliest entry in the heap; 0: it has none
	listed int64         // the span in whose list it stands; 0: in none
}

// At returns the time that is waited for, 0 for none.
func (s *Slot) At() stock.Instant { return s.at }

// Clear ends the waiting.
func (s *Slot) Clear() { s.at = 0 }

type entry[T any] struct {
	at stock.Instant
	v  T
}

// NewTimetable returns an empty timetable of things whose slots slot returns.
func NewTimetable[T any](slot func(T) *Slot) *Timetable[T] {
	return &Timetable[T]{slot: slot}
}

// Set makes v wait for the moment at, which is after 0.
func (t *Timetable[T]) Set(v T, at stock.Instant) {
	s := t.slot(v)
	s.at = at
	t.place(v, s)
}

// place sees to it that v is looked at by the time that it waits for.
func (t *Timetable[T]) place(v T, s *Slot) {
	span := spanOf(s.at)
	switch {
	case s.near != 0 && s.near <= s.at, s.listed != 0 && s.listed <= span:
	case span <= t.now, s.listed != 0: // it cannot stand in two lists
		s.near = s.at
		t.push(entry[T]{s.at, v})
	default:
		span = min(span, t.now+spans-1)
		i := span % spans
		s.listed = span
		if n := len(t.spare); t.lists[i] == nil && n > 0 {
			t.lists[i], t.spare = t.spare[n-1], t.spare[:n-1]
		}
		t.lists[i] = append(t.lists[i], v)
		t.some[i/64] |= 1 << (i % 64)
	}
}

// Next takes out a thing whose time has come at now, ok false where there is none; then wake is when to ask again, 0 for never.
func (t *Timetable[T]) Next(now stock.Instant) (v T, wake stock.Instant, ok bool) {
	t.turn(spanOf(now))
	for len(t.near) > 0 {
		top := t.near[0]
		if top.at > now {
			return v, min(top.at, t.nextList(top.at)), false
		}
		t.pop()
		s := t.slot(top.v)
		if s.near != top.at {
			continue // an earlier one came in its place
		}
		s.near = 0
		switch {
		case s.at == 0:
		case s.at > now:
			t.place(top.v, s)
		default:
			s.at = 0
			return top.v, 0, true
		}
	}
	return v, t.nextList(0), false
}

// turn takes apart the lists up to that of a span.
func (t *Timetable[T]) turn(to int64) {
	for to > t.now {
		span := t.now + 1
		if to-t.now > spans {
			span = to - spans // no list is of an earlier one but by its number
		}
		t.now = span
		i := span % spans
		if t.some[i/64]&(1<<(i%64)) == 0 {
			continue
		}
		list := t.lists[i]
		t.lists[i] = nil
		t.some[i/64] &^= 1 << (i % 64)
		for _, v := range list {
			s := t.slot(v)
			s.listed = 0
			if s.at != 0 {
				t.place(v, s)
			}
		}
		clear(list)
		t.spare = append(t.spare, list[:0])
	}
}

// nextList returns when the next list is to be taken apart, otherwise where there is none.
func (t *Timetable[T]) nextList(otherwise stock.Instant) stock.Instant {
	from := (t.now + 1) % spans
	word, rest := from/64, t.some[from/64]>>(from%64)<<(from%64)
	for range spans/64 + 1 {
		if rest != 0 {
			i := word*64 + int64(bits.TrailingZeros64(rest))
			return stock.Instant((t.now + 1 + (i-from+spans)%spans) << spanBits)
		}
		word = (word + 1) % (spans / 64)
		rest = t.some[word]
	}
	return otherwise
}

// The heap has four children a node, which are next to each other in memory.
const children = 4

func (t *Timetable[T]) push(e entry[T]) {
	t.near = append(t.near, e)
	i := len(t.near) - 1
	for i > 0 {
		parent := (i - 1) / children
		if t.near[parent].at <= e.at {
			break
		}
		t.near[i] = t.near[parent]
		i = parent
	}
	t.near[i] = e
}

func (t *Timetable[T]) pop() {
	n := len(t.near) - 1
	e := t.near[n]
	t.near[n] = entry[T]{}
	if t.near = t.near[:n]; n == 0 {
		return
	}
	i := 0
	for {
		first := i*children + 1
		if first >= n {
			break
		}
		least := first
		for c := first + 1; c < min(first+children, n); c++ {
			if t.near[c].at < t.near[least].at {
				least = c
			}
		}
		if e.at <= t.near[least].at {
			break
		}
		t.near[i] = t.near[least]
		i = least
	}
	t.near[i] = e
}
