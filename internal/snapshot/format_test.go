package snapshot_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/snapshot"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// empty is a journal of two partitions that nobody has written to.
type empty struct{}

func (empty) Open(context.Context, stream.Partition, int64) (stream.Reader, error) {
	return nil, errors.New("there is nothing to read")
}
func (empty) TopicID(context.Context, stream.Topic) (string, error)   { return "70", nil }
func (empty) Partitions(context.Context, stream.Topic) (int32, error) { return 2, nil }
func (empty) Folded(context.Context) (map[int32]int64, error)         { return nil, nil }
func (empty) Bounds(context.Context, stream.Partition) (stream.Bounds, error) {
	return stream.Bounds{}, nil
}

// The first bytes are a promise: what was written by this version must be read by every later one.
func TestTheFormOfAnEmptySnapshot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if _, err := snapshot.Take(t.Context(), snapshot.Config{Path: path}, empty{}); err != nil {
		t.Fatal(err)
	}
	want := []byte("shelfwire snapshot 1\n\x02P\x00\x00\x00\x00\x00\x00P\x01\x00\x00\x00\x00\x00E")
	sum := sha256.Sum256(want)
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, append(want, sum[:]...)) {
		t.Errorf("an empty snapshot is %q, %v", got, err)
	}
}

// FuzzOpen opens files whose checksum is right: whatever they hold, they are read or refused.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("shelfwire snapshot 1\n\x01P\x00\x01a\x00\x05\x00\x07T\x05stock\x04acme\x01\x05SHIRT\x02{}E"))
	f.Add([]byte("shelfwire snapshot 1\n\x01P\x00\x01a\x00\x05\x00\x07T\x05stock\x04acme\xff\xff\xff\xff\x7f\x05SHIRT\x02{}E"))
	f.Add([]byte("shelfwire snapshot 2\n"))
	path := filepath.Join(f.TempDir(), "state")
	f.Fuzz(func(t *testing.T, content []byte) {
		sum := sha256.Sum256(content)
		if err := os.WriteFile(path, append(bytes.Clone(content), sum[:]...), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := snapshot.Open(path)
		if err != nil {
			if !errors.Is(err, snapshot.ErrDamaged) {
				t.Errorf("Open() = %v, want ErrDamaged", err)
			}
			return
		}
		defer s.Close()
		for id := range s.Partitions() {
			n := 0
			if err := s.EachRow(id, func(engine.RowWrite) error { n++; return nil }); err != nil || n != s.Rows(id) {
				t.Errorf("EachRow(%d) gives %d rows of %d, %v", id, n, s.Rows(id), err)
			}
		}
	})
}
