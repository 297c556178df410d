package stream

import "strings"

// JoinKey joins ids into a record or Redis key with '/', each id percent-encoded where it holds '%', '/', ':', '{',
// '}' or a control character, so that the parts can always be told apart.
func JoinKey(ids ...string) string {
	var space [96]byte
	return string(AppendKey(space[:0], ids...))
}

// AppendKey appends to dst what [JoinKey] returns.
func AppendKey(dst []byte, ids ...string) []byte {
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, '/')
		}
		dst = appendEscaped(dst, id)
	}
	return dst
}

// EscapeID returns id percent-encoded as in [JoinKey].
func EscapeID(id string) string {
	if !needsEscape(id) {
		return id
	}
	return string(appendEscaped(nil, id))
}

// SplitKey undoes [JoinKey]. A malformed escape is kept as it stands.
func SplitKey(key string) []string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = unescape(p)
	}
	return parts
}

const hexDigits = "0123456789ABCDEF"

// escaped says which bytes are escaped: control characters, and what keys are made with. It is asked for every byte of every key
// that is written.
var escaped = func() (set [256]bool) {
	for c := range byte(0x20) {
		set[c] = true
	}
	for _, c := range []byte("%/:{}\x7f") {
		set[c] = true
	}
	return set
}()

func needsEscape(id string) bool {
	for i := range len(id) {
		if escaped[id[i]] {
			return true
		}
	}
	return false
}

func appendEscaped(b []byte, id string) []byte {
	if !needsEscape(id) {
		return append(b, id...)
	}
	for i := range len(id) {
		c := id[i]
		if escaped[c] {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
			continue
		}
		b = append(b, c)
	}
	return b
}

func unescape(part string) string {
	if !strings.Contains(part, "%") {
		return part
	}
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] == '%' && i+2 < len(part) {
			hi, lo := strings.IndexByte(hexDigits, part[i+1]), strings.IndexByte(hexDigits, part[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(part[i])
	}
	return b.String()
}
