package allocator

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// lostReply is a store whose commit has an unknown outcome, and which is at a position then.
type lostReply struct {
	Store
	at stream.Position
}

func (s lostReply) Commit(context.Context, int32, stream.Position, stream.Position, []engine.RowWrite) error {
	return errors.New("timeout: outcome unknown")
}

func (s lostReply) Meta(context.Context, int32) (stream.Position, error) { return s.at, nil }

// After a commit of unknown outcome only the very position of the batch says that it took place. The same offset and hash of another
// leader, or of another journal, are somebody else's.
func TestOnlyTheBatchesOwnPositionSaysThatItTookPlace(t *testing.T) {
	next := stream.Position{TopicID: "0f00ba11", Generation: 1, Offset: 10, LeaderEpoch: 7, Hash: 4711}
	otherEpoch, otherHash, otherTopic := next, next, next
	otherEpoch.LeaderEpoch++
	otherHash.Hash++
	otherTopic.TopicID = "0f00ba12"
	for _, tt := range []struct {
		name  string
		at    stream.Position
		moved bool
	}{
		{"its own", next, false}, {"another epoch", otherEpoch, true}, {"another hash", otherHash, true}, {"another journal", otherTopic, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			logger := slog.New(slog.DiscardHandler)
			x := &session{
				stage:    &Stage{cfg: DefaultConfig(), store: lostReply{at: tt.at}, metrics: newMetrics(nil)},
				patience: &patience{logger: logger}, logger: logger,
			}
			if err := x.commit(t.Context(), &batch{next: next}); errors.Is(err, ErrMoved) != tt.moved || err != nil != tt.moved {
				t.Errorf("commit() = %v", err)
			}
		})
	}
}
