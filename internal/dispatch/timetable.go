package dispatch

import "github.com/shelfwire/shelfwire/internal/stock"

// A Timetable says whose time has come, the earliest first. However often a time is moved, each thing has one entry, but for those
// whose time was moved forward. So a change of what waits already costs a comparison.
type Timetable[T any] struct {
	slot    func(T) *Slot
	entries []entry[T] // a heap
}

// A Slot is a thing's place in a timetable; the thing holds it. The zero value: it waits for nothing.
type Slot struct {
	at      stock.Instant // its time; 0: none
	entered stock.Instant // of its earliest entry; 0: it has none
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
func NewTimetable[T any](slot func(T) *Slot) Timetable[T] { return Timetable[T]{slot: slot} }

// Set makes v wait for the moment at.
func (t *Timetable[T]) Set(v T, at stock.Instant) {
	s := t.slot(v)
	s.at = at
	if s.entered == 0 || at < s.entered {
		s.entered = at
		t.push(entry[T]{at, v})
	}
}

// Next takes out a thing whose time has come at now, ok false where there is none; then wake is when to ask again, 0 for never.
func (t *Timetable[T]) Next(now stock.Instant) (v T, wake stock.Instant, ok bool) {
	for len(t.entries) > 0 {
		top := t.entries[0]
		if top.at > now {
			return v, top.at, false
		}
		t.pop()
		s := t.slot(top.v)
		if s.entered != top.at {
			continue // an earlier one came in its place
		}
		s.entered = 0
		switch {
		case s.at == 0:
		case s.at > now:
			t.Set(top.v, s.at)
		default:
			s.at = 0
			return top.v, 0, true
		}
	}
	return v, 0, false
}

// The heap has four children a node, which are next to each other in memory.
const children = 4

func (t *Timetable[T]) push(e entry[T]) {
	t.entries = append(t.entries, e)
	i := len(t.entries) - 1
	for i > 0 {
		parent := (i - 1) / children
		if t.entries[parent].at <= e.at {
			break
		}
		t.entries[i] = t.entries[parent]
		i = parent
	}
	t.entries[i] = e
}

func (t *Timetable[T]) pop() {
	n := len(t.entries) - 1
	e := t.entries[n]
	t.entries[n] = entry[T]{}
	if t.entries = t.entries[:n]; n == 0 {
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
			if t.entries[c].at < t.entries[least].at {
				least = c
			}
		}
		if e.at <= t.entries[least].at {
			break
		}
		t.entries[i] = t.entries[least]
		i = least
	}
	t.entries[i] = e
}
