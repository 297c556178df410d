package stream

import "fmt"

// A Position says how much of a journal partition a state has folded. Two equal positions of one partition mean equal
// states, because the fold is deterministic. The zero value is the position of a state that has folded nothing.
type Position struct {
	TopicID     string // of the journal, so that a re-created topic of the same name is noticed
	Generation  uint8  // of the journal
	Offset      int64  // the next entry to fold
	LeaderEpoch int32  // of the last entry folded
	Hash        uint64 // of the value of the last entry folded, by [HashValue]; 0 where there is none
}

// LastGeneration is the last generation of a journal that versions have room for.
const LastGeneration = 31

// FirstOffset returns the offset of the first entry of a journal of the generation. One that was rebased begins at 1, so that nobody
// takes it for a whole journal that may be folded from nothing.
func FirstOffset(generation uint8) int64 {
	if generation == 0 {
		return 0
	}
	return 1
}

// String returns the position in short, for messages.
func (p Position) String() string {
	if p == (Position{}) {
		return "nothing folded"
	}
	return fmt.Sprintf("offset %d of journal %s (generation %d, epoch %d, hash %016x)", p.Offset, p.TopicID, p.Generation, p.LeaderEpoch, p.Hash)
}

// HashValue returns the FNV-1a hash of a record's value. It tells a rewritten log from the one that was read; it is no
// defence against somebody who means harm.
func HashValue(value []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range value {
		h ^= uint64(c)
		h *= 1099511628211
	}
	return h
}
