// Package toldtest is what every implementation of [publisher.ToldStore] must pass.
package toldtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Harness is one empty store, and the way to treat it badly that the suite needs.
type Harness struct {
	// Open returns another client of the same store. The suite does not close it.
	Open func(t *testing.T) Store
	// Spoil puts something that no store would write where the channel's rows are; nil: the store has no such place.
	Spoil func(t *testing.T, partition int32, channel string)
}

// Run runs the suite. fresh returns a harness of an empty store.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, h Harness)
	}{
		{"an empty store has no position and no rows", testEmpty},
		{"what was saved is there for the next owner", testSave},
		{"a later value replaces an earlier one", testReplace},
		{"each take and each save raises the sequence by one", testSequence},
		{"a save after another take writes nothing", testFenced},
		{"a save at a sequence that never was writes nothing", testWrongSequence},
		{"the position can be read without taking over", testPosition},
		{"ids are kept whatever they are made of", testIDs},
		{"values are kept whatever they are made of", testValues},
		{"partitions do not see each other", testApart},
		{"a save onto a spoilt key writes nothing", testSpoilt},
		{"a save of 5,000 rows", testLarge},
		{"of two owners exactly one wins each step", testRace},
		{"a save that is cancelled took place whole or not at all", testCancelled},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, fresh(t)) })
	}
}

// A Store also says how far a partition has been taken, taking nothing over: the tool's status asks it.
type Store interface {
	publisher.ToldStore
	Position(ctx context.Context, partition int32) (int64, error)
}

func testPosition(t *testing.T, h Harness) {
	s := h.Open(t)
	position := func(want int64) {
		t.Helper()
		if at, err := s.Position(t.Context(), partition); err != nil || at != want {
			t.Errorf("Position() = %d, %v, want %d", at, err, want)
		}
	}
	position(0)
	told := take(t, s, partition)
	position(0)
	save(t, s, told.Sequence, at(7), row("acme/web", "A/", "a"))
	position(7)
	save(t, s, told.Sequence+1, at(8), row("acme/web", "A/", "b")) // the sequence is as it was
}

const partition int32 = 4

func at(offset int64) publisher.ToldPosition {
	return publisher.ToldPosition{TopicID: "0f00ba11", Offset: offset}
}

func row(channel, listing, value string) publisher.ToldRow {
	return publisher.ToldRow{Channel: channel, Listing: listing, Value: []byte(value)}
}

func take(t *testing.T, s publisher.ToldStore, partition int32) publisher.Told {
	t.Helper()
	told, err := s.Take(t.Context(), partition, 0)
	if err != nil {
		t.Fatalf("Take(%d) = %v", partition, err)
	}
	return told
}

func save(t *testing.T, s publisher.ToldStore, sequence int64, p publisher.ToldPosition, rows ...publisher.ToldRow) {
	t.Helper()
	if err := s.Save(t.Context(), partition, sequence, p, rows); err != nil {
		t.Fatalf("Save() = %v", err)
	}
}

// wantTold takes the partition and checks what is stored. It returns the sequence.
func wantTold(t *testing.T, s publisher.ToldStore, p publisher.ToldPosition, rows ...publisher.ToldRow) int64 {
	t.Helper()
	told := take(t, s, partition)
	if told.ToldPosition != p {
		t.Errorf("Take() has the position %+v, want %+v", told.ToldPosition, p)
	}
	got, want := lines(told.Rows), lines(rows)
	if !slices.Equal(got, want) {
		t.Errorf("Take() has the rows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return told.Sequence
}

func lines(rows []publisher.ToldRow) []string {
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = fmt.Sprintf("%q %q: %q", r.Channel, r.Listing, r.Value)
	}
	slices.Sort(list)
	return list
}

func testEmpty(t *testing.T, h Harness) {
	sequence := wantTold(t, h.Open(t), publisher.ToldPosition{})
	if sequence < 1 {
		t.Errorf("the first sequence is %d, want at least 1", sequence)
	}
}

func testSave(t *testing.T, h Harness) {
	s := h.Open(t)
	sequence := take(t, s, partition).Sequence
	save(t, s, sequence, at(7), row("acme/web", "", "state"), row("acme/web", "SHIRT/", "a"), row("acme/shop", "SHIRT/MTL", "b"))
	save(t, s, sequence+1, at(8)) // nothing changed but the position
	wantTold(t, h.Open(t), at(8), row("acme/web", "", "state"), row("acme/web", "SHIRT/", "a"), row("acme/shop", "SHIRT/MTL", "b"))
}

func testReplace(t *testing.T, h Harness) {
	s := h.Open(t)
	sequence := take(t, s, partition).Sequence
	save(t, s, sequence, at(1), row("acme/web", "", "old"), row("acme/web", "SHIRT/", "old"), row("acme/web", "HAT/", "kept"))
	save(t, s, sequence+1, at(2), row("acme/web", "SHIRT/", "new"), row("acme/web", "", "new"))
	wantTold(t, s, at(2), row("acme/web", "", "new"), row("acme/web", "SHIRT/", "new"), row("acme/web", "HAT/", "kept"))
}

func testSequence(t *testing.T, h Harness) {
	s := h.Open(t)
	first := take(t, s, partition).Sequence
	if second := take(t, h.Open(t), partition).Sequence; second != first+1 {
		t.Errorf("the second Take() has sequence %d after %d, want one more", second, first)
	}
	for i := range int64(5) {
		save(t, s, first+1+i, at(i))
	}
	if last := take(t, s, partition).Sequence; last != first+7 {
		t.Errorf("Take() after 5 saves has sequence %d, want %d", last, first+7)
	}
	for _, test := range []struct{ least, want int64 }{
		{first, first + 8}, {1<<53 - 100, 1<<53 - 100}, {1<<53 - 100, 1<<53 - 99}, {7, 1<<53 - 98},
	} {
		if told, err := s.Take(t.Context(), partition, test.least); err != nil || told.Sequence != test.want {
			t.Errorf("Take() of at least %d has sequence %d, %v, want %d", test.least, told.Sequence, err, test.want)
		}
	}
	save(t, s, 1<<53-98, at(9))
	save(t, s, 1<<53-97, at(10))
}

func wantFenced(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, publisher.ErrFenced) {
		t.Errorf("Save() = %v, want ErrFenced", err)
	}
}

func testFenced(t *testing.T, h Harness) {
	old, other := h.Open(t), h.Open(t)
	sequence := take(t, old, partition).Sequence
	save(t, old, sequence, at(1), row("acme/web", "SHIRT/", "a"))
	taken := take(t, other, partition).Sequence
	wantFenced(t, old.Save(t.Context(), partition, sequence+1, at(2), []publisher.ToldRow{row("acme/web", "SHIRT/", "b"), row("acme/new", "", "b")}))
	save(t, other, taken, at(3), row("acme/web", "HAT/", "c"))
	wantFenced(t, old.Save(t.Context(), partition, sequence+1, at(2), []publisher.ToldRow{row("acme/web", "SHIRT/", "b")}))
	wantTold(t, other, at(3), row("acme/web", "SHIRT/", "a"), row("acme/web", "HAT/", "c"))
}

func testWrongSequence(t *testing.T, h Harness) {
	s := h.Open(t)
	wantFenced(t, s.Save(t.Context(), partition, 1, at(1), []publisher.ToldRow{row("acme/web", "SHIRT/", "a")})) // never taken
	sequence := take(t, s, partition).Sequence
	for _, wrong := range []int64{0, -1, sequence - 1, sequence + 1, 1 << 52} {
		wantFenced(t, s.Save(t.Context(), partition, wrong, at(1), []publisher.ToldRow{row("acme/web", "SHIRT/", "a")}))
	}
	wantTold(t, s, publisher.ToldPosition{})
}

// hostile are ids that look like something else.
func hostile() []string {
	return []string{
		"channel", "meta", "*", "[a-z]", "a b", "é", "{o4}", "}{", ":", "::", "a/b", "%", "%2F", `"`, "'", "\\", "\x00", "\r\n", "$0", "0", "-1", "told:x",
		strings.Repeat("ü", 100),
	}
}

func testIDs(t *testing.T, h Harness) {
	s := h.Open(t)
	sequence := take(t, s, partition).Sequence
	var rows []publisher.ToldRow
	for i, id := range hostile() {
		channel := stream.JoinKey("acme", id)
		rows = append(rows, row(channel, "", fmt.Sprintf("state %d", i)), row(channel, stream.JoinKey(id, ""), fmt.Sprintf("row %d", i)),
			row("acme/web", stream.JoinKey(id, id), fmt.Sprintf("here %d", i)), row(stream.JoinKey(id, "web"), stream.JoinKey("SHIRT", id), "there"))
	}
	save(t, s, sequence, at(1), rows...)
	wantTold(t, h.Open(t), at(1), rows...)
}

func testValues(t *testing.T, h Harness) {
	s := h.Open(t)
	sequence := take(t, s, partition).Sequence
	rows := []publisher.ToldRow{
		row("acme/web", "A/", "\x00\xff\r\n"), row("acme/web", "B/", ""), row("acme/web", "C/", "nil"), row("acme/web", "D/", strings.Repeat("x", 100_000)),
	}
	save(t, s, sequence, at(1), rows...)
	wantTold(t, s, at(1), rows...)
}

func testApart(t *testing.T, h Harness) {
	s := h.Open(t)
	sequence := take(t, s, partition).Sequence
	save(t, s, sequence, at(1), row("acme/web", "SHIRT/", "a"))
	for _, other := range []int32{0, 44, 40} {
		if told := take(t, s, other); len(told.Rows) != 0 || told.ToldPosition != (publisher.ToldPosition{}) {
			t.Errorf("partition %d has %+v, want nothing", other, told)
		}
	}
	save(t, s, sequence+1, at(2)) // the takes of others leave it alone
}

func testSpoilt(t *testing.T, h Harness) {
	if h.Spoil == nil {
		return
	}
	s := h.Open(t)
	sequence := take(t, s, partition).Sequence
	save(t, s, sequence, at(1), row("acme/web", "SHIRT/", "a"))
	h.Spoil(t, partition, "acme/spoilt")
	err := s.Save(t.Context(), partition, sequence+1, at(2), []publisher.ToldRow{
		row("acme/web", "SHIRT/", "b"), row("acme/spoilt", "SHIRT/", "b"), row("acme/third", "SHIRT/", "b"),
	})
	if !errors.Is(err, stream.ErrStop) {
		t.Errorf("Save() onto a spoilt key = %v, want an alarm", err)
	}
	wantTold(t, s, at(1), row("acme/web", "SHIRT/", "a"))
}

func testLarge(t *testing.T, h Harness) {
	s := h.Open(t)
	sequence := take(t, s, partition).Sequence
	rows := make([]publisher.ToldRow, 5000)
	for i := range rows {
		rows[i] = row(fmt.Sprintf("acme/web%d", i%3), fmt.Sprintf("SKU%d/", i), strings.Repeat(fmt.Sprint(i), 40))
	}
	save(t, s, sequence, at(5000), rows...)
	wantTold(t, h.Open(t), at(5000), rows...)
}

func testRace(t *testing.T, h Harness) {
	a, b := h.Open(t), h.Open(t)
	sequence := take(t, a, partition).Sequence
	for step := range int64(20) {
		var won [2]bool
		var wg sync.WaitGroup
		for i, s := range []publisher.ToldStore{a, b} {
			wg.Go(func() {
				err := s.Save(t.Context(), partition, sequence, at(step*2+int64(i)), []publisher.ToldRow{row("acme/web", "SHIRT/", fmt.Sprint(step, i))})
				if won[i] = err == nil; err != nil {
					wantFenced(t, err)
				}
			})
		}
		wg.Wait()
		if won[0] == won[1] {
			t.Fatalf("step %d: the two owners won %v, want one of them", step, won)
		}
		sequence++
	}
}

func testCancelled(t *testing.T, h Harness) {
	s := h.Open(t)
	for i := range int64(10) {
		before := take(t, s, partition)
		ctx, cancel := context.WithCancel(t.Context())
		if i%2 == 0 {
			cancel()
		}
		done := make(chan error, 1)
		go func() {
			done <- s.Save(ctx, partition, before.Sequence, at(i+1), []publisher.ToldRow{row("acme/web", "A/", fmt.Sprint(i)), row("acme/shop", "A/", fmt.Sprint(i))})
		}()
		cancel()
		err := <-done
		after := take(t, h.Open(t), partition)
		switch {
		case after.ToldPosition == at(i+1):
			if want := lines([]publisher.ToldRow{row("acme/web", "A/", fmt.Sprint(i)), row("acme/shop", "A/", fmt.Sprint(i))}); !slices.Equal(lines(after.Rows), want) {
				t.Errorf("after a cancelled save (%v) the position is new and the rows are %v", err, lines(after.Rows))
			}
		case after.ToldPosition == before.ToldPosition:
			if err == nil || !slices.Equal(lines(after.Rows), lines(before.Rows)) {
				t.Errorf("after a cancelled save (%v) the position is old and the rows are %v", err, lines(after.Rows))
			}
		default:
			t.Errorf("after a cancelled save the position is %+v", after.ToldPosition)
		}
	}
}
