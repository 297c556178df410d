package snapshot

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A File is a snapshot on disk that is known to be whole. It is used by one goroutine.
type File struct {
	f          *os.File
	partitions []section
}

// A section is where in the file one partition is.
type section struct {
	at    stream.Position
	start int64 // of its first table, or what follows it
	rows  int
}

// Open opens a snapshot after it has read it through and compared its checksum. Close must be called. The error wraps ErrDamaged
// for a file that is no whole snapshot, and fs.ErrNotExist for one that is not there.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	s := &File{f: f}
	if err := s.scan(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return s, nil
}

// Close frees the file.
func (s *File) Close() { _ = s.f.Close() } // it was only read

// Partitions returns how many journal partitions the snapshot is of.
func (s *File) Partitions() int32 { return int32(len(s.partitions)) }

// Position returns where the state of a partition stands: zero where nothing was folded.
func (s *File) Position(partition int32) (stream.Position, error) {
	if partition < 0 || int(partition) >= len(s.partitions) {
		return stream.Position{}, fmt.Errorf("the snapshot is of %d journal partitions, there is no partition %d in it", len(s.partitions), partition)
	}
	return s.partitions[partition].at, nil
}

// Rows returns how many rows the partition has.
func (s *File) Rows(partition int32) int { return s.partitions[partition].rows }

// EachRow calls f with every row of a partition once, by table, pool and id. f may keep the row.
func (s *File) EachRow(partition int32, f func(engine.RowWrite) error) error {
	if _, err := s.Position(partition); err != nil {
		return err
	}
	if _, err := s.f.Seek(s.partitions[partition].start, io.SeekStart); err != nil {
		return err
	}
	r := &reader{in: bufio.NewReaderSize(s.f, 1<<20)}
	for r.err == nil && r.tag() == tagTable {
		r.table(f)
	}
	if r.err != nil {
		return fmt.Errorf("rows of partition %d: %w", partition, r.err)
	}
	return nil
}

// load returns a partition's rows.
func (s *File) load(partition int32) (replay.Rows, error) {
	rows := make(replay.Rows, s.partitions[partition].rows)
	err := s.EachRow(partition, func(w engine.RowWrite) error { rows[w.RowKey] = w.Value; return nil })
	return rows, err
}

// scan reads the file through, compares the checksum and notes where the partitions are.
func (s *File) scan() error {
	info, err := s.f.Stat()
	if err != nil {
		return err
	}
	length := info.Size() - sha256.Size
	if length < int64(len(magic)) {
		return fmt.Errorf("%w: it has %d bytes", ErrDamaged, info.Size())
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(s.f, 0, length)); err != nil {
		return err
	}
	want := make([]byte, sha256.Size)
	if _, err := s.f.ReadAt(want, length); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return fmt.Errorf("%w: its checksum is another", ErrDamaged)
	}
	counted := &counter{r: io.NewSectionReader(s.f, 0, length)}
	r := &reader{in: bufio.NewReaderSize(counted, 1<<20)}
	n := r.head()
	rows := 0
	for tag := r.tag(); r.err == nil && tag != tagEnd; tag = r.tag() {
		switch tag {
		case tagPartition:
			id, at := r.position()
			if r.err == nil && int(id) != len(s.partitions) {
				r.fail(fmt.Errorf("partition %d stands where partition %d was expected", id, len(s.partitions)))
			}
			s.partitions = append(s.partitions, section{at: at, start: counted.n - int64(r.in.Buffered())})
		case tagTable:
			if len(s.partitions) == 0 {
				r.fail(errors.New("a row is of no partition"))
				break
			}
			r.table(func(engine.RowWrite) error { rows++; return nil })
			s.partitions[len(s.partitions)-1].rows, rows = s.partitions[len(s.partitions)-1].rows+rows, 0
		default:
			r.fail(fmt.Errorf("there is a part %q that is not known", tag))
		}
	}
	if r.err == nil && len(s.partitions) != n {
		r.fail(fmt.Errorf("it has %d partitions of %d", len(s.partitions), n))
	}
	if r.err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, r.err)
	}
	return nil
}

// A counter counts the bytes that are read through it.
type counter struct {
	r io.Reader
	n int64
}

// Read implements [io.Reader].
func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// create makes the file whole or not at all: written beside it, flushed to the disk, then renamed. A reader of path sees the old
// one or the new one, also after a loss of power.
func create(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
		}
	}()
	if err := errors.Join(writeThrough(f, write), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func writeThrough(f *os.File, write func(io.Writer) error) error {
	if err := write(f); err != nil {
		return err
	}
	return f.Sync()
}

// syncDir makes a rename in the directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
