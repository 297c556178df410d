package engine_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine/enginetest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

var update = flag.Bool("update", false, "write the scenarios' outputs as they are now")

// scenarioStart is the entry time of a scenario's first event; each later one comes a second after.
var scenarioStart = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// TestScenarios plays every testdata/*.txt and compares what comes out. testdata/README.md explains the form.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in testdata (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := scenario{now: scenarioStart}
			if err := s.play(string(want)); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if *update {
				if err := os.WriteFile(file, s.out.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got := s.out.String(); got != string(want) {
				t.Errorf("%s (run with -update to accept):\n%s", file, firstDifference(string(want), got))
			}
			sameHoweverCut(t, s.journal)
		})
	}
}

// sameHoweverCut folds the journal entry by entry, in one batch, with a restart after each entry and with a crash in each.
func sameHoweverCut(t *testing.T, journal []record.JournalEntry) {
	t.Helper()
	want, err := enginetest.Fold(journal, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, cut := range map[string]enginetest.Cut{
		"one batch": enginetest.GoOn, "restart after every entry": enginetest.Restart, "crash in every entry": enginetest.Crash,
		"rows leave after every entry": enginetest.Evict,
	} {
		got, err := enginetest.Fold(journal, func(int) enginetest.Cut { return cut })
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := resultsDiffer(want, got); d != "" {
			t.Errorf("%s differs from entry by entry: %s", name, d)
		}
	}
}

func resultsDiffer(want, got *enginetest.Result) string {
	for k, v := range want.Rows {
		if !bytes.Equal(v, got.Rows[k]) {
			return fmt.Sprintf("row %v:\nwant %q\ngot  %q", k, v, got.Rows[k])
		}
	}
	for k, v := range got.Rows {
		if _, ok := want.Rows[k]; !ok {
			return fmt.Sprintf("row %v should not exist: %q", k, v)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(want.Newest)) {
		if want.Newest[k] != got.Newest[k] {
			return fmt.Sprintf("%s:\nwant %s\ngot  %s", k, want.Newest[k].JSON, got.Newest[k].JSON)
		}
	}
	if len(want.Newest) != len(got.Newest) {
		return fmt.Sprintf("%d keys, want %d", len(got.Newest), len(want.Newest))
	}
	for _, topic := range []string{"marks", "shipments", "rejections"} {
		if w, g := want.Emitted[topic], got.Emitted[topic]; !slices.Equal(w, g) {
			return fmt.Sprintf("%s\nwant %s\ngot  %s", topic, strings.Join(w, "\n     "), strings.Join(g, "\n     "))
		}
	}
	if want.Resent != got.Resent {
		return fmt.Sprintf("%d entries sent again, want %d", got.Resent, want.Resent)
	}
	return ""
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d:\nwant %s\ngot  %s", i+1, a, b)
		}
	}
	return ""
}

// A scenario is a transcript being played: out becomes the whole file with the outputs as they are.
type scenario struct {
	out      bytes.Buffer
	pipeline enginetest.Pipeline
	journal  []record.JournalEntry
	now      time.Time
	offset   int64         // of the next event in the default origin
	origin   record.Origin // of the next event, if an @ line gave it
	given    bool
}

func (s *scenario) play(text string) error {
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "    "):
			continue // an output, made anew
		case strings.HasPrefix(line, "{"):
			s.out.WriteString(line + "\n")
			if err := s.event(line); err != nil {
				return fmt.Errorf("line %d: %w", n+1, err)
			}
		case strings.HasPrefix(line, "@ "):
			s.out.WriteString(line + "\n")
			if err := s.directive(strings.Fields(line[2:])); err != nil {
				return fmt.Errorf("line %d: %w", n+1, err)
			}
		case line == "" || strings.HasPrefix(line, "#"):
			s.out.WriteString(line + "\n")
		default:
			return fmt.Errorf("line %d is no event, comment, directive or output: %q", n+1, line)
		}
	}
	return nil
}

func (s *scenario) directive(fields []string) error {
	for _, f := range fields {
		if f == "tick" {
			if err := s.fold(record.JournalEntry{Event: record.Event{Tick: &record.Tick{Pool: "acme"}}, EntryTime: stock.InstantOf(s.now)}); err != nil {
				return err
			}
			continue
		}
		name, value, _ := strings.Cut(f, "=")
		var err error
		switch name {
		case "later":
			var d time.Duration
			d, err = time.ParseDuration(value)
			s.now = s.now.Add(d)
		case "origin":
			topic, rest, _ := strings.Cut(value, "/")
			partition, offset, _ := strings.Cut(rest, "/")
			s.origin = record.Origin{TopicID: topic, Topic: "movements", Previous: -1}
			var p int64
			if p, err = strconv.ParseInt(partition, 10, 32); err != nil {
				break
			}
			s.origin.Partition = int32(p)
			s.origin.Offset, err = strconv.ParseInt(offset, 10, 64)
			s.given = true
		default:
			return fmt.Errorf("unknown directive %q", name)
		}
		if err != nil {
			return fmt.Errorf("directive %q: %w", f, err)
		}
	}
	return nil
}

func (s *scenario) event(line string) error {
	e := record.JournalEntry{EntryTime: stock.InstantOf(s.now)}
	if err := codec.ParseEvent("application/json", []byte(line), &e.Event); err != nil {
		return fmt.Errorf("read the event: %w", err)
	}
	e.Origin = s.origin
	if !s.given {
		e.Origin = record.Origin{TopicID: "0a", Topic: "movements", Offset: s.offset, Previous: s.offset - 1}
		s.offset++
	}
	e.Origin.Time = e.EntryTime
	s.given = false
	return s.fold(e)
}

// fold plays the entry and prints what comes out.
func (s *scenario) fold(e record.JournalEntry) error {
	s.now = s.now.Add(time.Second)
	s.journal = append(s.journal, e)
	out, err := s.pipeline.Fold(e)
	if err != nil {
		s.print("stops", []byte(err.Error()))
		return fmt.Errorf("apply: %w", err)
	}
	for _, r := range out.Records() {
		s.print(r.Topic, r.JSON)
	}
	if out.Resent > 0 {
		s.print("skipped", []byte("its origin sent it before"))
	}
	return nil
}

func (s *scenario) print(topic string, b []byte) {
	fmt.Fprintf(&s.out, "    %s %s\n", topic, b)
}
