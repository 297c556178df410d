package stream

import "errors"

var (
	// ErrOutOfRange is returned by a Reader whose next record is gone (retention) or was never there (a log that lost its tail).
	ErrOutOfRange = errors.New("position is outside the log")
	// ErrTooLarge is returned by a producer for a message that the broker refuses for ever because of its size.
	ErrTooLarge = errors.New("record too large for the broker")
	// ErrOtherTopic is returned for a committed offset that counts in another topic of the same name: it was deleted and made again.
	ErrOtherTopic = errors.New("the committed offset is of a topic that is gone")
)
