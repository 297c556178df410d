package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// ErrOtherJournal is returned where the present journal is not the one that a snapshot was folded from.
var ErrOtherJournal = errors.New("the snapshot is of another journal")

// Whole makes sure that the snapshot holds every entry of the present journal. It returns ErrOtherJournal where the journal is another,
// since nobody can tell then.
func (s *File) Whole(ctx context.Context, log Log) error {
	topicID, err := log.TopicID(ctx, stream.Journal)
	if err != nil {
		return err
	}
	for id := range s.Partitions() {
		if at := s.partitions[id].at; at != (stream.Position{}) && at.TopicID != topicID {
			return ErrOtherJournal
		}
	}
	n, err := log.Partitions(ctx, stream.Journal)
	if err != nil {
		return err
	}
	if n != s.Partitions() {
		return ErrOtherJournal
	}
	for id := range n {
		at := s.partitions[id].at
		if err := fits(ctx, log, id, at, topicID); err != nil {
			return err
		}
		bounds, err := log.Bounds(ctx, stream.Partition{Topic: stream.Journal, ID: id})
		if err != nil {
			return err
		}
		if at.Offset != bounds.End {
			return fmt.Errorf("journal partition %d ends at offset %d, but the snapshot at %d: stop ingest, let the allocator fold the rest, stop it, and make a snapshot then",
				id, bounds.End, at.Offset)
		}
	}
	return nil
}

// A NewJournal is where a state goes on that another journal has led to.
type NewJournal struct {
	TopicID    string
	Partitions int32
	Place      func(pool string) int32 // returns the partition of a pool
}

// Rebase writes the state of a snapshot to another file, as the state that a new journal begins with: in its partitions, and in the next
// generation, so that every version from now on is above those so far. It returns the new positions.
func Rebase(path, to string, j NewJournal) ([]stream.Position, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	positions, err := f.begin(j)
	if err != nil {
		return nil, err
	}
	parts := make([]replay.Rows, j.Partitions)
	for id := range parts {
		parts[id] = replay.Rows{}
	}
	for id := range f.Partitions() {
		rows, err := f.load(id)
		if err != nil {
			return nil, err
		}
		for k, value := range rows {
			p := j.Place(k.Pool)
			if _, twice := parts[p][k]; twice {
				return nil, fmt.Errorf("pool %q has rows in two partitions of the snapshot: it is damaged", k.Pool)
			}
			parts[p][k] = value
		}
	}
	err = create(to, func(out io.Writer) error {
		w := newWriter(out, len(parts))
		for id, rows := range parts {
			w.partition(int32(id), positions[id], rows)
		}
		return w.close(out)
	})
	return positions, err
}

// begin returns the positions at which the new journal begins.
func (s *File) begin(j NewJournal) ([]stream.Position, error) {
	folded, last := false, uint8(0)
	for _, p := range s.partitions {
		if p.at != (stream.Position{}) {
			folded, last = true, max(last, p.at.Generation)
		}
		if p.at.TopicID == j.TopicID {
			return nil, fmt.Errorf("the snapshot was folded from the present journal %s: there is nothing to rebase", j.TopicID)
		}
	}
	switch {
	case !folded:
		return nil, errors.New("the snapshot has folded nothing: a new journal needs no rebase")
	case last >= stream.LastGeneration:
		return nil, fmt.Errorf("the snapshot is of generation %d, the last that versions have room for", last)
	}
	positions := make([]stream.Position, j.Partitions)
	for id := range positions {
		positions[id] = stream.Position{TopicID: j.TopicID, Generation: last + 1, Offset: stream.FirstOffset(last + 1)}
	}
	return positions, nil
}
