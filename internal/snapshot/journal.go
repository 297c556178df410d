package snapshot

import (
	"fmt"

	"github.com/shelfwire/shelfwire/internal/stream"
)

// goesOn makes sure that the journal goes on where a snapshot ends.
func goesOn(at stream.Position, topicID string, bounds stream.Bounds) error {
	switch {
	case at == stream.Position{}:
		return nil
	case at.TopicID != topicID:
		return fmt.Errorf("the snapshot was folded from journal %s, but the journal is now %s: it is another installation's, or the topic was made again", at.TopicID, topicID)
	case at.Offset < bounds.Start:
		return fmt.Errorf("the snapshot is at offset %d, but the journal begins at %d: the entries between are gone. Use a newer snapshot", at.Offset, bounds.Start)
	case at.Offset > bounds.End:
		return fmt.Errorf("the snapshot is at offset %d, but the journal ends at %d: the journal lost its tail. Use a snapshot from before that", at.Offset, bounds.End)
	}
	return nil
}

// behindLast makes sure that the first of the records, which were read from the last entry of a snapshot on, is that entry, and
// returns those behind it.
func behindLast(records []stream.Record, at stream.Position) ([]stream.Record, error) {
	if records[0].Offset != at.Offset-1 {
		return records, nil // that offset holds no entry: nothing to compare
	}
	if stream.HashValue(records[0].Value) != at.Hash {
		return nil, fmt.Errorf("entry %d is not the one that the snapshot has folded: the journal lost its tail and was written on, or is another's", at.Offset-1)
	}
	return records[1:], nil
}
