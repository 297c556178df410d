package snapshot

import (
	"context"
	"fmt"
	"io"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Store takes a state back. It is safe for concurrent use.
type Store interface {
	// Replace empties what the store has of the journal partition, writes the rows that each gives, and the position last. Until
	// then, and where it breaks off, nobody can read a position from the partition. A zero position leaves it empty.
	Replace(ctx context.Context, partition int32, at stream.Position, each func(put func(engine.RowWrite) error) error) error
}

// RestoreConfig says what is put back.
type RestoreConfig struct {
	Path string
	// OtherJournal takes the present journal for the snapshot's, though its id is another: a copy of it, entry by entry. What can
	// be compared still is.
	OtherJournal bool
	// Progress, where set, is called now and then with how many of the rows have been written.
	Progress func(done, total int64)
}

// Restore puts a snapshot back, after it has made sure that the journal goes on where it ends. Nothing is written where it does not.
// The caller makes sure that no allocator works meanwhile.
func Restore(ctx context.Context, cfg RestoreConfig, log Log, store Store) (Report, error) {
	f, err := Open(cfg.Path)
	if err != nil {
		return Report{}, err
	}
	defer f.Close()
	positions, err := f.fit(ctx, cfg.OtherJournal, log)
	if err != nil {
		return Report{}, err
	}
	report := Report{Positions: positions}
	total := int64(0)
	for id := range positions {
		total += int64(f.Rows(int32(id)))
	}
	for id, at := range positions {
		err := store.Replace(ctx, int32(id), at, func(put func(engine.RowWrite) error) error {
			return f.EachRow(int32(id), func(w engine.RowWrite) error {
				report.Rows++
				if report.Rows%progressRows == 0 && cfg.Progress != nil {
					cfg.Progress(int64(report.Rows), total)
				}
				return put(w)
			})
		})
		if err != nil {
			return report, fmt.Errorf("journal partition %d: %w", id, err)
		}
	}
	return report, nil
}

// progressRows is how many rows lie between two calls of Progress.
const progressRows = 10_000

// fit returns the position of each partition, after it has compared them with the journal.
func (s *File) fit(ctx context.Context, otherJournal bool, log Log) ([]stream.Position, error) {
	topicID, err := log.TopicID(ctx, stream.Journal)
	if err != nil {
		return nil, err
	}
	n, err := log.Partitions(ctx, stream.Journal)
	if err != nil {
		return nil, err
	}
	if s.Partitions() != n {
		return nil, fmt.Errorf("the snapshot is of %d journal partitions, the journal has %d: it is another installation's", s.Partitions(), n)
	}
	positions := make([]stream.Position, n)
	for id := range n {
		at := s.partitions[id].at
		if otherJournal && at != (stream.Position{}) {
			at.TopicID = topicID
		}
		if err := fits(ctx, log, id, at, topicID); err != nil {
			return nil, err
		}
		positions[id] = at
	}
	return positions, nil
}

// Fits makes sure that a partition of the journal goes on where the snapshot ends, and that its last entry is the snapshot's, where it
// is still there. It returns where that is.
func (s *File) Fits(ctx context.Context, log Log, partition int32) (stream.Position, error) {
	at, err := s.Position(partition)
	if err != nil {
		return at, err
	}
	topicID, err := log.TopicID(ctx, stream.Journal)
	if err != nil {
		return at, err
	}
	return at, fits(ctx, log, partition, at, topicID)
}

func fits(ctx context.Context, log Log, partition int32, at stream.Position, topicID string) error {
	p := stream.Partition{Topic: stream.Journal, ID: partition}
	bounds, err := log.Bounds(ctx, p)
	if err != nil {
		return err
	}
	if err := goesOn(at, topicID, bounds); err != nil {
		return fmt.Errorf("journal partition %d: %w", partition, err)
	}
	if at == (stream.Position{}) && bounds.Start > 0 {
		return fmt.Errorf("journal partition %d: the snapshot has folded nothing of it, but it begins at offset %d: use a newer snapshot", partition, bounds.Start)
	}
	if at.Offset > bounds.Start {
		if err := sameLast(ctx, log, p, at); err != nil {
			return fmt.Errorf("journal partition %d: %w", partition, err)
		}
	}
	return nil
}

// sameLast makes sure that the last entry of the snapshot is in the journal.
func sameLast(ctx context.Context, log Log, p stream.Partition, at stream.Position) error {
	reader, err := log.Open(ctx, p, at.Offset-1)
	if err != nil {
		return err
	}
	defer reader.Close()
	records, err := reader.Read(ctx)
	if err != nil {
		return fmt.Errorf("read entry %d, the last one of the snapshot: %w", at.Offset-1, err)
	}
	_, err = behindLast(records, at)
	return err
}

// Install copies a snapshot to another path, whole or not at all, with the positions that Restore returned for it.
func Install(path, to string, positions []stream.Position) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return create(to, func(out io.Writer) error {
		w := newWriter(out, len(positions))
		for id, at := range positions {
			rows, err := f.load(int32(id))
			if err != nil {
				return err
			}
			w.partition(int32(id), at, rows)
		}
		return w.close(out)
	})
}
