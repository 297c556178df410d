package kafka

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A memory is what fetched records are unpacked into. A reader gives back what it has returned at its next Read: memory that is new for
// every fetch has to be cleared and collected, which costs a catching up allocator a tenth of its time. It is safe for concurrent use.
type memory struct {
	records slabs[kgo.Record]
	bytes   slabs[byte]
}

// GetRecords implements [kgo.PoolRecords].
func (m *memory) GetRecords(n int) []kgo.Record { return m.records.get(n) }

// PutRecords implements [kgo.PoolRecords].
func (m *memory) PutRecords(s []kgo.Record) { m.records.put(s) }

// GetDecompressBytes implements [kgo.PoolDecompressBytes]. What it returns may be too small: the client grows it then.
func (m *memory) GetDecompressBytes(compressed []byte, codec kgo.CompressionCodecType) []byte {
	const usual, most = 4, 32 // how many times smaller it was made
	n := usual * len(compressed)
	if codec == kgo.CodecSnappy { // begins with how much is in it, unless Java framed it
		if size, ok := binary.Uvarint(compressed); ok > 0 {
			n = int(min(size, uint64(most*len(compressed))))
		}
	}
	return m.bytes.get(n)
}

// PutDecompressBytes implements [kgo.PoolDecompressBytes].
func (m *memory) PutDecompressBytes(s []byte) { m.bytes.put(s) }

// slabs keeps slices by the power of two that their capacity reaches, so that what is needed takes at most twice its size: a small
// batch that waits in the memory of a large one would not count among the bytes that a reader may hold.
type slabs[T any] [bits.UintSize + 1]sync.Pool

// get returns an empty slice with a capacity of at least n.
func (s *slabs[T]) get(n int) []T {
	class := bits.Len(uint(max(n, 1) - 1))
	if slab, ok := s[class].Get().(*[]T); ok {
		return (*slab)[:0]
	}
	return make([]T, 0, 1<<class)
}

func (s *slabs[T]) put(slab []T) {
	if cap(slab) > 0 {
		s[bits.Len(uint(cap(slab)))-1].Put(&slab)
	}
}
