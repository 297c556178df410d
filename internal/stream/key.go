package stream

import "strings"

// JoinKey joins ids into a record or Redis key with '/', each id percent-encoded where it holds '%', '/', ':', '{',
// '}' or a control character, so that the parts can always be told apart.
func JoinKey(ids ...string) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteByte('/')
		}
		writeEscaped(&b, id)
	}
	return b.String()
}

// EscapeID returns id percent-encoded as in [JoinKey].
func EscapeID(id string) string {
	if !needsEscape(id) {
		return id
	}
	var b strings.Builder
	writeEscaped(&b, id)
	return b.String()
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

func escaped(c byte) bool {
	return c == '%' || c == '/' || c == ':' || c == '{' || c == '}' || c < 0x20 || c == 0x7f
}

func needsEscape(id string) bool {
	for i := range len(id) {
		if escaped(id[i]) {
			return true
		}
	}
	return false
}

func writeEscaped(b *strings.Builder, id string) {
	for i := range len(id) {
		c := id[i]
		if escaped(c) {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
			continue
		}
		b.WriteByte(c)
	}
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
