package engine

// A memo keeps what was found last in a map whose entries stay what they are: one entry of the journal after the other asks for the
// same pool, origin and source. The zero value is ready.
type memo[K comparable, V any] struct {
	key   K
	found *V
}

func (m *memo[K, V]) find(in map[K]*V, key K) (*V, bool) {
	if m.found != nil && m.key == key {
		return m.found, true
	}
	v, ok := in[key]
	if ok {
		m.key, m.found = key, v
	}
	return v, ok
}
