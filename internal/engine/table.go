package engine

// A skuTable holds the rows in memory by SKU. It is a hash table of our own so that [State.Look] can take the same step of many
// searches at once: a search waits for memory at each of its steps, and Go's map takes them all before the next search begins.
type skuTable struct {
	slots []skuSlot // a power of two, at most half of them taken
	rows  int
}

// A skuSlot is free where it has no row. A row stands in the first slot that was free, from the one of its hash on.
type skuSlot struct {
	hash uint64
	row  *sku
}

// fewestSlots is the size of a table with few rows.
const fewestSlots = 64

// hashSKU spreads ids over a table by their whole length, eight bytes at a time. It has no secret: who chooses the SKUs would slow
// down nobody but themselves.
func hashSKU(id string) uint64 {
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
func eightBytes(s string) uint64 {
	_ = s[7]
	return uint64(s[7]) | uint64(s[6])<<8 | uint64(s[5])<<16 | uint64(s[4])<<24 | uint64(s[3])<<32 | uint64(s[2])<<40 | uint64(s[1])<<48 | uint64(s[0])<<56
}

// find returns the row, nil if there is none.
func (t *skuTable) find(id string) *sku {
	if t.rows == 0 {
		return nil
	}
	return t.at(hashSKU(id), id)
}

// at is find by the id's hash, in a table that is not empty.
func (t *skuTable) at(hash uint64, id string) *sku {
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.row == nil || s.hash == hash && s.row.id == id {
			return s.row
		}
	}
}

// first returns the row that stands in the slot of the hash: mostly the one that find would return.
func (t *skuTable) first(hash uint64) *sku {
	if t.rows == 0 {
		return nil
	}
	return t.slots[hash&uint64(len(t.slots)-1)].row
}

// add puts in a row that is not there.
func (t *skuTable) add(s *sku) {
	if t.rows++; 2*t.rows > len(t.slots) {
		old := t.slots
		t.slots = make([]skuSlot, max(fewestSlots, 2*len(old)))
		for _, o := range old {
			if o.row != nil {
				t.put(o)
			}
		}
	}
	t.put(skuSlot{hashSKU(s.id), s})
}

// put takes the first slot that is free.
func (t *skuTable) put(s skuSlot) {
	mask := uint64(len(t.slots) - 1)
	i := s.hash & mask
	for t.slots[i].row != nil {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

// keep lets go of the rows that do not stay.
func (t *skuTable) keep(stays func(*sku) bool) {
	old := t.slots
	*t = skuTable{}
	for _, o := range old {
		if o.row != nil && stays(o.row) {
			t.add(o.row)
		}
	}
}
