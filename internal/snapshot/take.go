package snapshot

import (
	"context"
	"fmt"
	"io"

	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Log gives the journal to read. It is safe for concurrent use.
type Log interface {
	// Open starts to read a partition at offset from.
	Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error)
	// TopicID returns the id that the topic got when it was created.
	TopicID(ctx context.Context, t stream.Topic) (string, error)
	// Partitions returns how many partitions the topic has.
	Partitions(ctx context.Context, t stream.Topic) (int32, error)
	// Bounds returns which offsets the partition holds now.
	Bounds(ctx context.Context, p stream.Partition) (stream.Bounds, error)
	// Folded returns for each journal partition an offset up to which the allocator has written every output. A partition that
	// is not named has none.
	Folded(ctx context.Context) (map[int32]int64, error)
}

// Config says what is copied where.
type Config struct {
	Path string // of the new snapshot, which replaces what is there, whole or not at all
	// Previous is the snapshot that is folded forward, which may be Path; "": the journal from its first entry.
	Previous string
	// Progress, where set, is called now and then with how many of the entries have been folded.
	Progress func(done, total int64)
}

// A Report is what a snapshot holds.
type Report struct {
	Positions []stream.Position // by partition
	Entries   int64             // folded for it, beyond the previous one
	Rows      int
}

// Take makes a snapshot. It refuses, saying what is missing, where neither a previous one nor the beginning of the journal is there.
func Take(ctx context.Context, cfg Config, log Log) (Report, error) {
	t := taking{log: log, progress: cfg.Progress}
	if t.progress == nil {
		t.progress = func(int64, int64) {}
	}
	if err := t.plan(ctx, cfg.Previous); err != nil {
		return Report{}, err
	}
	defer t.close()
	err := create(cfg.Path, func(w io.Writer) error { return t.write(ctx, w) })
	if err != nil {
		return Report{}, err
	}
	return t.report, nil
}

// taking is one snapshot in the making.
type taking struct {
	log         Log
	progress    func(done, total int64)
	previous    *File // nil: none
	topicID     string
	parts       []part
	done, total int64
	report      Report
}

// A part is what is done for one partition: its state at from is folded up to end.
type part struct {
	from   stream.Position
	bounds stream.Bounds
	end    int64
}

func (t *taking) close() {
	if t.previous != nil {
		t.previous.Close()
	}
}

// plan opens the previous snapshot and makes sure that the journal goes on where it ends.
func (t *taking) plan(ctx context.Context, previous string) (err error) {
	defer func() {
		if err != nil {
			t.close()
		}
	}()
	if previous != "" {
		if t.previous, err = Open(previous); err != nil {
			return err
		}
	}
	if t.topicID, err = t.log.TopicID(ctx, stream.Journal); err != nil {
		return err
	}
	n, err := t.log.Partitions(ctx, stream.Journal)
	if err != nil {
		return err
	}
	if t.previous != nil && t.previous.Partitions() != n {
		return fmt.Errorf("the previous snapshot is of %d journal partitions, the journal has %d: it is another installation's", t.previous.Partitions(), n)
	}
	folded, err := t.log.Folded(ctx)
	if err != nil {
		return err
	}
	for id := range n {
		p, err := t.part(ctx, id, folded[id])
		if err != nil {
			return fmt.Errorf("journal partition %d: %w", id, err)
		}
		t.parts = append(t.parts, p)
		t.total += max(0, p.end-p.from.Offset)
	}
	return nil
}

func (t *taking) part(ctx context.Context, id int32, folded int64) (p part, err error) {
	if t.previous != nil {
		if p.from, err = t.previous.Position(id); err != nil {
			return p, err
		}
	}
	if p.bounds, err = t.log.Bounds(ctx, stream.Partition{Topic: stream.Journal, ID: id}); err != nil {
		return p, err
	}
	p.end = max(p.from.Offset, min(folded, p.bounds.End))
	if p.from == (stream.Position{}) && p.bounds.Start > 0 {
		return p, fmt.Errorf("neither a previous snapshot nor the whole journal is there: the journal begins at offset %d. Name a snapshot that reaches up to that offset", p.bounds.Start)
	}
	return p, goesOn(p.from, t.topicID, p.bounds)
}

func (t *taking) write(ctx context.Context, out io.Writer) error {
	w := newWriter(out, len(t.parts))
	for id, p := range t.parts {
		at, rows, err := t.fold(ctx, int32(id), p)
		if err != nil {
			return fmt.Errorf("journal partition %d: %w", id, err)
		}
		w.partition(int32(id), at, rows)
		t.report.Positions = append(t.report.Positions, at)
		t.report.Rows += len(rows)
	}
	return w.close(out)
}

// fold returns the partition's state at the end of its part.
func (t *taking) fold(ctx context.Context, id int32, p part) (stream.Position, replay.Rows, error) {
	var rows replay.Rows
	var err error
	if t.previous != nil {
		if rows, err = t.previous.load(id); err != nil {
			return p.from, nil, err
		}
	}
	verifiable := p.from.Offset > p.bounds.Start
	if p.from.Offset == p.end && !verifiable {
		return p.from, rows, nil
	}
	at := p.from
	if at == (stream.Position{}) {
		at.TopicID = t.topicID
	}
	f, err := replay.New(id, at, rows)
	if err != nil {
		return p.from, nil, err
	}
	from := p.from.Offset
	if verifiable {
		from-- // the last entry that the previous one holds: it must be the one that was folded
	}
	reader, err := t.log.Open(ctx, stream.Partition{Topic: stream.Journal, ID: id}, from)
	if err != nil {
		return p.from, nil, err
	}
	defer reader.Close()
	for next := from; next < max(p.end, p.from.Offset); {
		records, err := reader.Read(ctx)
		if err != nil {
			return p.from, nil, fmt.Errorf("read the journal at offset %d: %w", next, err)
		}
		next = records[len(records)-1].Offset + 1
		if verifiable {
			verifiable = false
			if records, err = behindLast(records, p.from); err != nil {
				return p.from, nil, err
			}
		}
		for len(records) > 0 && records[len(records)-1].Offset >= p.end {
			records = records[:len(records)-1]
		}
		if err := f.Run(records); err != nil {
			return p.from, nil, err
		}
		t.done += int64(len(records))
		t.progress(t.done, t.total)
	}
	t.report.Entries += f.Position().Offset - p.from.Offset
	if f.Position().Offset == p.from.Offset {
		return p.from, f.Rows(), nil
	}
	return f.Position(), f.Rows(), nil
}
