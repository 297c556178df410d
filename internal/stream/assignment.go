package stream

import (
	"context"
	"errors"
)

// An Assignment is one partition that a consumer group has given to this process. Its context (handed to the worker
// beside it) ends when the partition is taken away; the worker must return soon after.
type Assignment interface {
	Partition() Partition
	// Committed returns the group's committed offset (the next record to read), −1 where there is none, ErrOtherTopic where it was
	// committed for another topic of the same name.
	Committed(ctx context.Context) (int64, error)
	// Commit stores next as the group's offset and waits for the broker.
	Commit(ctx context.Context, next int64) error
	// CommitLag stores next as the group's offset some time soon; it never blocks or fails. An outage delays it, and it is given up
	// only for a later one or when the partition is taken away.
	CommitLag(next int64)
}

// A Worker processes one assigned partition until ctx ends. It returns nil or ctx's error when ctx has ended, an error
// that wraps ErrStop when the partition must not go on (a broken invariant: the process keeps its other partitions and
// raises an alarm), any other error to be started again after a pause.
type Worker func(ctx context.Context, a Assignment) error

// ErrStop marks an error after which a partition must not be worked on without a person.
var ErrStop = errors.New("partition stopped")

// Alarm wraps err with ErrStop.
func Alarm(err error) error { return &alarm{err} }

type alarm struct{ err error }

func (a *alarm) Error() string   { return a.err.Error() }
func (a *alarm) Unwrap() []error { return []error{ErrStop, a.err} }
