package engine

// A rowTable holds rows in memory by id. It is a hash table of our own so that [State.Look] can take the same step of many searches at
// once: a search waits for memory at each of its steps, and Go's map takes them all before the next search begins.
type rowTable[T any, R rowOf[T]] struct {
	slots []rowSlot[T] // a power of two, at most half of them taken
	rows  int
}

// rowOf is what a table is of: pointers to rows that know their ids.
type rowOf[T any] interface {
	*T
	rowID() string
}

// A rowSlot is free where it has no row. A row stands in the first slot that was free, from the one of its hash on.
type rowSlot[T any] struct {
	hash uint64
	row  *T
}

// fewestSlots is the size of a table with few rows.
const fewestSlots = 64

// hashID spreads ids over a table by their whole length, eight bytes at a time. It has no secret: who chooses the ids would slow
// down nobody but themselves.
func hashID[S ~string | ~[]byte](id S) uint64 {
	h, rest := uint64(len(id)), id
	for ; len(rest) > 8; rest = rest[8:] {
		h = mix(h ^ eightBytes(rest))
	}
	if len(id) >= 8 {
		return mix(h ^ eightBytes(id[len(id)-8:])) // some of them for the second time, which is quicker than one by one
	}
	var few uint64
	for i := range len(rest) {
		few = few<<8 | uint64(rest[i])
	}
	return mix(h ^ few)
}

// mix spreads neighbours evenly: it multiplies by 2⁶⁴ divided by the golden ratio (Knuth, TAOCP 6.4).
func mix(h uint64) uint64 {
	h *= 0x9e3779b97f4a7c15
	return h ^ h>>32
}

// eightBytes returns the first eight, which the compiler loads at once. The last of them, in which neighbours differ, is the lowest:
// mix carries differences up.
func eightBytes[S ~string | ~[]byte](s S) uint64 {
	_ = s[7]
	return uint64(s[7]) | uint64(s[6])<<8 | uint64(s[5])<<16 | uint64(s[4])<<24 | uint64(s[3])<<32 | uint64(s[2])<<40 | uint64(s[1])<<48 | uint64(s[0])<<56
}

// find returns the row, nil if there is none.
func (t *rowTable[T, R]) find(id string) *T { return findIn[T, R](t, id) }

// findKey is find by an id that is not a string yet.
func (t *rowTable[T, R]) findKey(id []byte) *T { return findIn[T, R](t, id) }

func findIn[T any, R rowOf[T], S ~string | ~[]byte](t *rowTable[T, R], id S) *T {
	if t.rows == 0 {
		return nil
	}
	hash, mask := hashID(id), uint64(len(t.slots)-1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.row == nil || s.hash == hash && R(s.row).rowID() == string(id) {
			return s.row
		}
	}
}

// first returns the row that stands in the slot of the hash: mostly the one that find would return.
func (t *rowTable[T, R]) first(hash uint64) *T {
	if t.rows == 0 {
		return nil
	}
	return t.slots[hash&uint64(len(t.slots)-1)].row
}

// add puts in a row that is not there.
func (t *rowTable[T, R]) add(row *T) {
	if t.rows++; 2*t.rows > len(t.slots) {
		old := t.slots
		t.slots = make([]rowSlot[T], max(fewestSlots, 2*len(old)))
		for _, o := range old {
			if o.row != nil {
				t.put(o)
			}
		}
	}
	t.put(rowSlot[T]{hashID(R(row).rowID()), row})
}

// put takes the first slot that is free.
func (t *rowTable[T, R]) put(s rowSlot[T]) {
	mask := uint64(len(t.slots) - 1)
	i := s.hash & mask
	for t.slots[i].row != nil {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

// replace puts a row in the place of another of the same id, which is there.
func (t *rowTable[T, R]) replace(old, row *T) {
	mask := uint64(len(t.slots) - 1)
	i := hashID(R(old).rowID()) & mask
	for t.slots[i].row != old {
		i = (i + 1) & mask
	}
	t.slots[i].row = row
}

// keep lets go of the rows that do not stay. Its size stays: whoever lets go of rows does so because others come.
func (t *rowTable[T, R]) keep(stays func(*T) bool) {
	old := t.slots
	*t = rowTable[T, R]{slots: make([]rowSlot[T], len(old))}
	for _, o := range old {
		if o.row != nil && stays(o.row) {
			t.rows++
			t.put(o)
		}
	}
}
