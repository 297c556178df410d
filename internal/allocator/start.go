package allocator

import (
	"context"
	"errors"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// An opening is where a worker starts: the stored position (zero where nothing is stored), the journal's id, and a reader that
// goes on behind the records that were read to check the two.
type opening struct {
	stored  stream.Position
	topicID string
	reader  stream.Reader
	records []stream.Record
}

// start reads where the partition stands and opens the journal there, after it has made sure that the two belong together: a
// state must never be folded on over another journal than its own.
func (s *Stage) start(ctx context.Context, p stream.Partition) (opening, error) {
	topicID, err := s.log.TopicID(ctx, p.Topic)
	if err != nil {
		return opening{}, fmt.Errorf("ask for the journal's id: %w", err)
	}
	stored, err := s.store.Meta(ctx, p.ID)
	if err != nil {
		return opening{}, alarmIfDamaged(err)
	}
	bounds, err := s.log.Bounds(ctx, p)
	if err != nil {
		return opening{}, fmt.Errorf("ask for the journal's bounds: %w", err)
	}
	if err := check(stored, topicID, bounds); err != nil {
		return opening{}, stream.Alarm(err)
	}
	o := opening{stored: stored, topicID: topicID}
	from := stored.Offset
	verifiable := stored.Offset > bounds.Start
	if verifiable {
		from-- // the last entry that is folded: it must be the one that was
	}
	if o.reader, err = s.log.Open(ctx, p, from); err != nil {
		return opening{}, fmt.Errorf("open the journal at offset %d: %w", from, err)
	}
	if verifiable {
		if o.records, err = checkLast(ctx, o.reader, stored); err != nil {
			o.reader.Close()
			return opening{}, err
		}
	}
	return o, nil
}

// check compares the stored position with the journal.
func check(stored stream.Position, topicID string, bounds stream.Bounds) error {
	empty := stream.Position{}
	switch {
	case stored == empty && bounds.Start > 0:
		return fmt.Errorf("neither a copy of the state nor a whole journal is there: the store has no position, and the journal begins at offset %d. "+
			"Restore a copy of the state (any age, as long as the journal still reaches back to it); counting does not start from zero", bounds.Start)
	case stored == empty:
		return nil
	case stored.TopicID != topicID:
		return fmt.Errorf("the state was folded from journal %s, but the journal is now %s: the topic was deleted and made again. "+
			"Bring the old journal back, or empty the state if the new one is meant to start from nothing", stored.TopicID, topicID)
	case stored.Offset > bounds.End:
		return fmt.Errorf("the state has folded up to offset %d, but the journal ends at %d: the journal lost its tail. "+
			"Restore a copy of the state from before offset %d, and send again what was lost", stored.Offset, bounds.End, bounds.End)
	case stored.Offset < bounds.Start:
		return fmt.Errorf("the state has folded up to offset %d, but the journal begins at %d: the entries between are gone. "+
			"Restore a newer copy of the state", stored.Offset, bounds.Start)
	}
	return nil
}

// checkLast reads the last entry that was folded and returns the records after it.
func checkLast(ctx context.Context, r stream.Reader, at stream.Position) ([]stream.Record, error) {
	records, err := r.Read(ctx)
	if errors.Is(err, stream.ErrOutOfRange) {
		return nil, stream.Alarm(fmt.Errorf("entry %d, the last one folded, is not in the journal: %w", at.Offset-1, err))
	}
	if err != nil {
		return nil, fmt.Errorf("read the last entry folded: %w", err)
	}
	last := records[0]
	if last.Offset != at.Offset-1 {
		return records, nil // that offset holds no entry (a transaction's marker): nothing to compare
	}
	// An equal value in another epoch is the same entry, so the epoch is only told.
	if hash := stream.HashValue(last.Value); hash != at.Hash {
		return nil, stream.Alarm(fmt.Errorf("entry %d is not the one that was folded (hash %016x in epoch %d, folded was %016x in epoch %d): the journal lost its tail and was written on. "+
			"Restore a copy of the state from before that", last.Offset, hash, last.LeaderEpoch, at.Hash, at.LeaderEpoch))
	}
	return records[1:], nil
}

// alarmIfDamaged stops the partition for what waiting does not mend.
func alarmIfDamaged(err error) error {
	if errors.Is(err, ErrDamaged) {
		return stream.Alarm(err)
	}
	return err
}
