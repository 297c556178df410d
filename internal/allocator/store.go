package allocator

import (
	"context"
	"errors"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/stream"
)

var (
	// ErrMoved is returned by a Store's Commit when the stored position is not the expected one: somebody else wrote, or the
	// store went back to an older copy of itself.
	ErrMoved = errors.New("the stored position is not the expected one")
	// ErrDamaged is returned by a Store that holds something it cannot have written. A person must look.
	ErrDamaged = errors.New("the store is damaged")
	// ErrRestoring is returned for a partition whose state is being put back from a copy. It is over when the position is there.
	ErrRestoring = errors.New("a copy of the state is being put back")
)

// A Store holds the rows and the position of journal partitions. It is safe for concurrent use.
type Store interface {
	// Meta returns the partition's position, the zero Position if nothing was ever committed.
	Meta(ctx context.Context, partition int32) (stream.Position, error)

	// Pools returns the pools of which the partition holds rows, by id, each once.
	Pools(ctx context.Context, partition int32) ([]string, error)

	// LoadPool returns every row of the pool's TablePool, TableSeen and TableDue, and every id of its TableStock and
	// TableListings (with nil values), as of the returned position. Each row and each id of a table comes once, in no particular order.
	LoadPool(ctx context.Context, partition int32, pool string) ([]engine.RowWrite, stream.Position, error)

	// Load returns the values of the rows in the order of keys, nil for a row that does not exist, all as of the returned
	// position. The values belong to the caller.
	Load(ctx context.Context, partition int32, keys []engine.RowKey) ([][]byte, stream.Position, error)

	// Commit writes the rows and moves the position from expected to next in one atomic step. Of a row that comes twice the
	// last one counts. It keeps no slice.
	//
	// Errors that wrap ErrMoved or ErrDamaged say that nothing was written. After any other error the outcome is unknown, and
	// may yet turn: the caller reads Meta and, where it finds expected, commits the same again.
	Commit(ctx context.Context, partition int32, expected, next stream.Position, rows []engine.RowWrite) error
}

// A Log gives the journal to read. It is safe for concurrent use.
type Log interface {
	// Open starts to read a partition at offset from.
	Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error)
	// TopicID returns the id that the topic got when it was created.
	TopicID(ctx context.Context, t stream.Topic) (string, error)
	// Bounds returns which offsets the partition holds now.
	Bounds(ctx context.Context, p stream.Partition) (stream.Bounds, error)
}

// Outputs takes what the fold has to say. It is safe for concurrent use.
type Outputs interface {
	// Produce writes the messages and returns when every one is acknowledged. Messages of one partition keep their order.
	// After an error any of them may have been written, or may yet be.
	Produce(ctx context.Context, messages []stream.Message) error
}
