package snapshot

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// schemas/snapshot.md describes the file.
const (
	magic        = "shelfwire snapshot 1\n"
	tagPartition = 'P'
	tagTable     = 'T'
	tagEnd       = 'E'
)

// ErrDamaged is returned for a file that is no snapshot, or not whole.
var ErrDamaged = errors.New("is no whole snapshot")

// A writer writes the form of a snapshot. Errors are kept until close.
type writer struct {
	out *bufio.Writer
	sum hash.Hash
	b   []byte // scratch
}

func newWriter(w io.Writer, partitions int) *writer {
	x := &writer{sum: sha256.New()}
	x.out = bufio.NewWriterSize(io.MultiWriter(w, x.sum), 1<<20)
	_, _ = x.out.WriteString(magic) // a bufio.Writer keeps its first error
	x.uint(uint64(partitions))
	return x
}

func (x *writer) uint(n uint64) {
	x.b = binary.AppendUvarint(x.b[:0], n)
	_, _ = x.out.Write(x.b)
}

func (x *writer) text(s string) {
	x.uint(uint64(len(s)))
	_, _ = x.out.WriteString(s)
}

func (x *writer) bytes(b []byte) {
	x.uint(uint64(len(b)))
	_, _ = x.out.Write(b)
}

// partition writes one partition. Rows go by table, pool and id, so that equal states give equal files.
func (x *writer) partition(id int32, at stream.Position, rows replay.Rows) {
	_ = x.out.WriteByte(tagPartition)
	x.uint(uint64(id))
	x.text(at.TopicID)
	x.uint(uint64(at.Generation))
	x.uint(uint64(at.Offset))
	x.uint(uint64(uint32(at.LeaderEpoch)))
	x.uint(at.Hash)
	keys := rows.Keys()
	for len(keys) > 0 {
		table, pool := keys[0].Table, keys[0].Pool
		n := slices.IndexFunc(keys, func(k engine.RowKey) bool { return k.Table != table || k.Pool != pool })
		if n < 0 {
			n = len(keys)
		}
		_ = x.out.WriteByte(tagTable)
		x.text(table.String())
		x.text(pool)
		x.uint(uint64(n))
		for _, k := range keys[:n] {
			x.text(k.ID)
			x.bytes(rows[k])
		}
		keys = keys[n:]
	}
}

// close writes the end and the checksum to w, which is what newWriter was given.
func (x *writer) close(w io.Writer) error {
	_ = x.out.WriteByte(tagEnd)
	if err := x.out.Flush(); err != nil {
		return err
	}
	_, err := w.Write(x.sum.Sum(nil))
	return err
}

// A reader reads the form of a snapshot. The first error stays.
type reader struct {
	in  *bufio.Reader
	err error
}

func (x *reader) fail(err error) {
	if x.err == nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		x.err = err
	}
}

func (x *reader) uint(most uint64) uint64 {
	if x.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(x.in)
	if err == nil && n > most {
		err = fmt.Errorf("a number is %d, at most %d was expected", n, most)
	}
	if err != nil {
		x.fail(err)
		return 0
	}
	return n
}

// longest bounds one id or value. The rows are our own; the bound keeps a damaged length from asking for all memory.
const longest = 1 << 28

func (x *reader) bytes() []byte {
	n := x.uint(longest)
	if x.err != nil {
		return nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(x.in, b); err != nil {
		x.fail(err)
	}
	return b
}

func (x *reader) tag() byte {
	if x.err != nil {
		return 0
	}
	b, err := x.in.ReadByte()
	if err != nil {
		x.fail(err)
	}
	return b
}

// head reads the beginning and returns the number of partitions.
func (x *reader) head() int {
	b := make([]byte, len(magic))
	if _, err := io.ReadFull(x.in, b); err != nil {
		x.fail(err)
	} else if string(b) != magic {
		x.fail(errors.New("it does not begin as one of this version"))
	}
	return int(x.uint(math.MaxInt32))
}

// position reads what follows tagPartition.
func (x *reader) position() (id int32, at stream.Position) {
	id = int32(x.uint(math.MaxInt32))
	at.TopicID = string(x.bytes())
	at.Generation = uint8(x.uint(math.MaxUint8))
	at.Offset = int64(x.uint(math.MaxInt64))
	at.LeaderEpoch = int32(uint32(x.uint(math.MaxUint32)))
	at.Hash = x.uint(math.MaxUint64)
	return id, at
}

// table reads what follows tagTable and calls f with every row.
func (x *reader) table(f func(engine.RowWrite) error) {
	name := string(x.bytes())
	pool := string(x.bytes())
	table, ok := engine.ParseTable(name)
	if x.err == nil && !ok {
		x.fail(fmt.Errorf("table %q is not known: was it written by a newer program?", name))
	}
	for n := x.uint(math.MaxInt64); n > 0 && x.err == nil; n-- {
		row := engine.RowWrite{RowKey: engine.RowKey{Table: table, Pool: pool, ID: string(x.bytes())}, Value: x.bytes()}
		if x.err != nil {
			return
		}
		if err := f(row); err != nil {
			x.fail(err)
		}
	}
}
