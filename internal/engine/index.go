package engine

import (
	"slices"
	"strings"
)

// chunkMost bounds how many ids one chunk of an index holds.
const chunkMost = 512

// A skuIndex lists the SKUs of a pool in order, those that are not in memory included, for edits that concern all of them. It
// keeps them in chunks, so that a new one moves few others.
type skuIndex struct{ chunks [][]string }

// chunk returns the chunk in which the id belongs.
func (x *skuIndex) chunk(id string) int {
	i, found := slices.BinarySearchFunc(x.chunks, id, func(c []string, id string) int { return strings.Compare(c[0], id) })
	if !found && i > 0 {
		i--
	}
	return i
}

func (x *skuIndex) add(id string) {
	if len(x.chunks) == 0 {
		x.chunks = append(x.chunks, []string{id})
		return
	}
	at := x.chunk(id)
	c := x.chunks[at]
	i, found := slices.BinarySearch(c, id)
	if found {
		return
	}
	c = slices.Insert(c, i, id)
	x.chunks[at] = c
	if len(c) > chunkMost {
		half := len(c) / 2
		x.chunks[at] = slices.Clone(c[:half])
		x.chunks = slices.Insert(x.chunks, at+1, slices.Clone(c[half:]))
	}
}

// has reports whether any row of the SKU is stored or is about to be.
func (x *skuIndex) has(id string) bool {
	if len(x.chunks) == 0 {
		return false
	}
	_, found := slices.BinarySearch(x.chunks[x.chunk(id)], id)
	return found
}

// after returns up to n ids above the given one, in order.
func (x *skuIndex) after(id string, n int) []string {
	ids := make([]string, 0, n)
	for at := x.chunk(id); at < len(x.chunks); at++ {
		c := x.chunks[at]
		i := 0
		if len(ids) == 0 {
			var found bool
			if i, found = slices.BinarySearch(c, id); found {
				i++
			}
		}
		take := min(n-len(ids), len(c)-i)
		if ids = append(ids, c[i:i+take]...); len(ids) == n {
			break
		}
	}
	return ids
}
