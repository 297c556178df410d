package engine_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/engine/enginetest"
	"github.com/shelfwire/shelfwire/internal/record"
)

var recordRuleset = flag.Bool("record", false, "record journals and their outputs for a ruleset that has no recording yet")

// A recording is journals, each of its own, and a digest of what came out of every entry. The outputs are digested as Protobuf:
// a field that is added later and left out changes nothing.
type recording struct {
	journals [][]record.JournalEntry
	digests  [][]string
}

// TestRecordedJournals folds the journals that were recorded when a ruleset froze: every entry must give what it gave then, to
// the byte, on any machine. What is decided otherwise is a new ruleset.
func TestRecordedJournals(t *testing.T) {
	if *recordRuleset {
		recordJournals(t, engine.Ruleset)
	}
	for ruleset := 1; ruleset <= engine.Ruleset; ruleset++ {
		r := readRecording(t, ruleset)
		entries := 0
		for i, journal := range r.journals {
			got := digests(t, journal)
			for k := range journal {
				if got[k] != r.digests[i][k] {
					t.Fatalf("ruleset %d, journal %d: entry %d gives something else than when it was recorded:\n%s", ruleset, i, k, journalLines(journal[:k+1]))
				}
			}
			entries += len(journal)
		}
		if entries < 5000 {
			t.Errorf("ruleset %d: %d entries are recorded, that is too few to pin anything", ruleset, entries)
		}
	}
}

func digests(t *testing.T, journal []record.JournalEntry) []string {
	t.Helper()
	var p enginetest.Pipeline
	var out []string
	for i := range journal {
		o, err := p.Fold(journal[i])
		if err != nil {
			t.Fatalf("entry %d: %v\n%s", i, err, journalLines(journal[:i+1]))
		}
		h := sha256.New()
		for _, r := range o.Records() {
			fmt.Fprintf(h, "%s %d\n%s", r.Topic, len(r.Protobuf), r.Protobuf)
		}
		out = append(out, fmt.Sprintf("%x", h.Sum(nil)[:6]))
	}
	return out
}

func recordingPath(ruleset int) (journals, outputs string) {
	at := filepath.Join("testdata", "recorded", fmt.Sprintf("ruleset%d", ruleset))
	return at + ".journals.gz", at + ".outputs.gz"
}

// recordJournals writes what the newest ruleset does, if nobody has written it down yet.
func recordJournals(t *testing.T, ruleset int) {
	t.Helper()
	journalPath, outputPath := recordingPath(ruleset)
	if _, err := os.Stat(journalPath); err == nil {
		t.Fatalf("ruleset %d is frozen: what is decided otherwise is a new ruleset", ruleset)
	}
	var journals, outputs bytes.Buffer
	for seed := range uint64(250) {
		journal := drawJournal(1_000_000+seed, 60)
		journals.Write(binary.AppendUvarint(nil, uint64(len(journal))))
		for i := range journal {
			b := codec.AppendJournalEntry(nil, &journal[i])
			journals.Write(append(binary.AppendUvarint(nil, uint64(len(b))), b...))
		}
		outputs.WriteString(strings.Join(digests(t, journal), " ") + "\n")
	}
	for path, b := range map[string][]byte{journalPath: journals.Bytes(), outputPath: outputs.Bytes()} {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, packed.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readRecording(t *testing.T, ruleset int) recording {
	t.Helper()
	unpack := func(path string) []byte {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		return b
	}
	journalPath, outputPath := recordingPath(ruleset)
	var r recording
	b := unpack(journalPath)
	number := func() int {
		n, used := binary.Uvarint(b)
		if used <= 0 || n > uint64(len(b)) {
			t.Fatalf("%s is damaged", journalPath)
		}
		b = b[used:]
		return int(n)
	}
	for len(b) > 0 {
		journal := make([]record.JournalEntry, number())
		for i := range journal {
			n := number()
			if err := codec.DecodeJournalEntry(b[:n], &journal[i]); err != nil {
				t.Fatalf("%s: journal %d, entry %d: %v", journalPath, len(r.journals), i, err)
			}
			b = b[n:]
		}
		r.journals = append(r.journals, journal)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(unpack(outputPath))), "\n") {
		r.digests = append(r.digests, strings.Fields(line))
	}
	if len(r.digests) != len(r.journals) {
		t.Fatalf("ruleset %d: %d journals, outputs of %d", ruleset, len(r.journals), len(r.digests))
	}
	for i := range r.journals {
		if len(r.digests[i]) != len(r.journals[i]) {
			t.Fatalf("ruleset %d, journal %d: %d entries, outputs of %d", ruleset, i, len(r.journals[i]), len(r.digests[i]))
		}
	}
	return r
}
