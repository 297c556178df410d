package engine

import (
	"fmt"
	"time"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// An originKey is one input partition. Its topic's id, not its name, makes it: a re-created topic counts anew.
type originKey struct {
	topicID   string
	partition int32
}

// An originMark is the greatest offset of the origin that the pool has folded.
type originMark struct {
	offset int64
	dirty  bool
}

// pass moves the pool's mark of the entry's origin and reports whether the entry is new. One that is not above the mark was
// sent again by an ingest that crashed between its acks and its commit, and changes nothing at all.
func (p *pool) pass(o *record.Origin, c *Changes) (bool, error) {
	if o.TopicID == "" {
		return true, nil
	}
	key := originKey{o.TopicID, o.Partition}
	m, ok := p.lastOrigin.find(p.origins, key)
	if !ok {
		m = &originMark{offset: -1}
	}
	if o.Offset <= m.offset {
		c.Resent++
		return false, nil
	}
	if o.Previous > m.offset {
		return false, fmt.Errorf("pool %q: %s/%d offset %d follows offset %d, which never arrived (the last was %d): %w",
			p.id, o.Topic, o.Partition, o.Offset, o.Previous, m.offset, ErrGap)
	}
	if !ok {
		p.origins[key] = m
	}
	m.offset = o.Offset
	if !m.dirty {
		m.dirty = true
		c.origins = append(c.origins, originChange{p, key})
	}
	return true, nil
}

// sourceWindow is how many sequence numbers below the greatest one a source may still send late.
const sourceWindow = 4096

// A sourceMark remembers which of the last sourceWindow sequence numbers of a source's epoch have been seen: bit
// sequence mod sourceWindow is set for each number in (high − sourceWindow, high] that was.
type sourceMark struct {
	epoch, high int64
	seen        [sourceWindow / 64]uint64
	dirty       bool
}

func (m *sourceMark) has(sequence int64) bool {
	i := uint64(sequence) % sourceWindow
	return m.seen[i/64]&(1<<(i%64)) != 0
}

func (m *sourceMark) put(sequence int64, v uint64) {
	i := uint64(sequence) % sourceWindow
	m.seen[i/64] = m.seen[i/64]&^(1<<(i%64)) | v<<(i%64)
}

// accept takes the number if it is new, else says why not: class "duplicate", or "late" for what fell below the window, of
// which nobody can say whether it was seen.
func (m *sourceMark) accept(epoch, sequence int64) (class, reason string) {
	switch {
	case epoch < m.epoch:
		return classLate, fmt.Sprintf("epoch %d is over: the source is at epoch %d", epoch, m.epoch)
	case epoch > m.epoch:
		*m = sourceMark{epoch: epoch, high: sequence, dirty: m.dirty}
		m.put(sequence, 1)
		return "", ""
	case sequence > m.high:
		if uint64(sequence)-uint64(m.high) >= sourceWindow { // the difference may not fit an int64
			m.seen = [sourceWindow / 64]uint64{}
		} else {
			for s := m.high + 1; s < sequence; s++ {
				m.put(s, 0)
			}
		}
		m.high = sequence
		m.put(sequence, 1)
		return "", ""
	case sequence <= m.high-sourceWindow:
		return classLate, fmt.Sprintf("sequence %d is more than %d below the source's newest, %d", sequence, sourceWindow, m.high)
	case m.has(sequence):
		return classDuplicate, fmt.Sprintf("sequence %d of epoch %d was seen before", sequence, epoch)
	}
	m.put(sequence, 1)
	return "", ""
}

// appendTo packs the mark. Most sources send in order, so words that are full are only counted.
func (m *sourceMark) appendTo(p *packer) {
	var full uint64
	for i, w := range m.seen {
		if w == ^uint64(0) {
			full |= 1 << i
		}
	}
	p.int(m.epoch)
	p.int(m.high)
	p.uint(full)
	for _, w := range m.seen {
		if w != ^uint64(0) {
			p.uint(w)
		}
	}
}

func (m *sourceMark) read(u *unpacker) {
	m.epoch, m.high = u.int(), u.int()
	full := u.uint()
	for i := range m.seen {
		if full&(1<<i) != 0 {
			m.seen[i] = ^uint64(0)
			continue
		}
		m.seen[i] = u.uint()
	}
}

// How long an event id is remembered, in journal time, and how many at most.
const (
	seenFor  = 24 * time.Hour
	seenMost = 1_000_000
	// seenDrop bounds how many ids one entry forgets: more than one, so that the window shrinks back after a burst.
	seenDrop = 16
)

// A seenWindow remembers event ids in the order they came.
type seenWindow struct {
	ids   map[string]struct{}
	queue []seenID // [head:] is alive
	head  int
}

type seenID struct {
	id      string
	at      stock.Instant
	version stock.Version
}

func newSeenWindow() seenWindow { return seenWindow{ids: map[string]struct{}{}} }

func (w *seenWindow) size() int { return len(w.queue) - w.head }

// forget drops ids that fell out of the window, at most seenDrop of them.
func (w *seenWindow) forget(p *pool, now stock.Instant, c *Changes) {
	for range seenDrop {
		if w.head == len(w.queue) {
			return
		}
		oldest := w.queue[w.head]
		if w.size() <= seenMost && now.Sub(oldest.at) < seenFor {
			return
		}
		delete(w.ids, oldest.id)
		c.seen = append(c.seen, seenChange{pool: p, id: oldest.id, gone: true})
		w.head++
		if w.head > 1024 && w.head*2 > len(w.queue) {
			w.queue = append(w.queue[:0], w.queue[w.head:]...)
			w.head = 0
		}
	}
}

func (w *seenWindow) add(id seenID) {
	w.ids[id.id] = struct{}{}
	w.queue = append(w.queue, id)
}

// fresh reports whether the movement is new to its sender's own account, and records a rejection where it is not.
func (p *pool) fresh(v stock.Version, m *record.Movement, c *Changes) bool {
	if m.Source != "" && (m.Epoch != 0 || m.Sequence != 0) {
		mark, ok := p.lastSource.find(p.sources, m.Source)
		if !ok {
			// Numbers just below the first one seen may still come late, and are new then.
			mark = &sourceMark{epoch: m.Epoch, high: m.Sequence - 1}
			p.sources[m.Source] = mark
		}
		if class, reason := mark.accept(m.Epoch, m.Sequence); class != "" {
			c.reject(v, p.id, class, "sequence", reason)
			return false
		}
		if !mark.dirty {
			mark.dirty = true
			c.sources = append(c.sources, sourceChange{p, m.Source, mark})
		}
		return true
	}
	if m.EventID == "" {
		return true
	}
	id := stream.JoinKey(m.Source, m.EventID)
	if _, ok := p.seen.ids[id]; ok {
		c.reject(v, p.id, classDuplicate, "event_id", fmt.Sprintf("event_id %q was seen before", m.EventID))
		return false
	}
	p.remember(id, v, c)
	return true
}

// remember puts an event id into the window.
func (p *pool) remember(id string, v stock.Version, c *Changes) {
	p.seen.add(seenID{id: id, at: p.clock, version: v})
	c.seen = append(c.seen, seenChange{pool: p, id: id, at: p.clock, version: v})
}
