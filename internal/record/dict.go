package record

import (
	"slices"
	"strings"
)

// A Dict maps strings to strings: pairs in the order of their keys, each key once. Unlike a map it is small, and always read in one
// order. It is not changed once made.
type Dict []Pair

// A Pair is an entry of a dict.
type Pair struct{ Key, Value string }

// DictOf returns a dict with the entries of m, nil where there are none.
func DictOf(m map[string]string) Dict {
	if len(m) == 0 {
		return nil
	}
	d := make(Dict, 0, len(m))
	for k, v := range m {
		d = append(d, Pair{k, v})
	}
	slices.SortFunc(d, func(a, b Pair) int { return strings.Compare(a.Key, b.Key) })
	return d
}

// Map returns a map with the entries of d.
func (d Dict) Map() map[string]string {
	m := make(map[string]string, len(d))
	for _, p := range d {
		m[p.Key] = p.Value
	}
	return m
}

// Get returns the value of the key, "" where it has none.
func (d Dict) Get(key string) string {
	if i, ok := d.find(key); ok {
		return d[i].Value
	}
	return ""
}

// With returns a dict that has the value for the key, and is otherwise as d.
func (d Dict) With(key, value string) Dict {
	i, ok := d.find(key)
	if ok {
		d = slices.Clone(d)
		d[i].Value = value
		return d
	}
	return slices.Insert(slices.Clip(d), i, Pair{key, value})
}

func (d Dict) find(key string) (i int, ok bool) {
	return slices.BinarySearchFunc(d, key, func(p Pair, key string) int { return strings.Compare(p.Key, key) })
}
