package codec

import (
	"strconv"
	"unicode/utf8"
)

// maxJSONDepth bounds how deep a value may nest; the contract's deepest is 6.
const maxJSONDepth = 32

// A scanner checks that a text is one JSON value (RFC 8259), UTF-8, with whole surrogate pairs.
type scanner struct {
	text   []byte
	at     int
	depth  int
	reason string // the first thing that was wrong
}

// checkJSON returns why text is not one JSON value, "" if it is.
func checkJSON(text []byte) string {
	if !utf8.Valid(text) {
		at := 0
		for {
			r, size := utf8.DecodeRune(text[at:])
			if r == utf8.RuneError && size <= 1 {
				return "is not UTF-8 at byte " + strconv.Itoa(at)
			}
			at += size
		}
	}
	s := scanner{text: text}
	s.space()
	if s.at == len(text) {
		return "is empty"
	}
	if s.value() {
		if s.space(); s.at < len(text) {
			s.fail("something follows the value")
		}
	}
	return s.reason
}

func (s *scanner) fail(what string) bool {
	if s.reason == "" {
		s.reason = "is not JSON: " + what + " at byte " + strconv.Itoa(s.at)
	}
	return false
}

// unexpected fails with what stands here.
func (s *scanner) unexpected() bool {
	if s.at >= len(s.text) {
		return s.fail("it ends too early")
	}
	r, _ := utf8.DecodeRune(s.text[s.at:])
	return s.fail("unexpected " + strconv.QuoteRune(r))
}

func (s *scanner) space() {
	for s.at < len(s.text) && isSpace(s.text[s.at]) {
		s.at++
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\n' || b == '\r' || b == '\t' }

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) value() bool {
	switch b := s.peek(); {
	case b == '{':
		return s.nested('}', s.pair)
	case b == '[':
		return s.nested(']', s.value)
	case b == '"':
		return s.str()
	case b == '-' || isDigit(b):
		return s.number()
	case b == 't':
		return s.literal("true")
	case b == 'f':
		return s.literal("false")
	case b == 'n':
		return s.literal("null")
	}
	return s.unexpected()
}

// nested scans an object or a list, whose items one scans.
func (s *scanner) nested(end byte, one func() bool) bool {
	if s.depth++; s.depth > maxJSONDepth {
		return s.fail("nested deeper than " + strconv.Itoa(maxJSONDepth))
	}
	s.at++
	s.space()
	if s.peek() == end {
		s.at++
		s.depth--
		return true
	}
	for {
		if !one() {
			return false
		}
		s.space()
		switch s.peek() {
		case ',':
			s.at++
			s.space()
		case end:
			s.at++
			s.depth--
			return true
		default:
			return s.unexpected()
		}
	}
}

func (s *scanner) pair() bool {
	if s.peek() != '"' {
		return s.unexpected()
	}
	if !s.str() {
		return false
	}
	s.space()
	if s.peek() != ':' {
		return s.unexpected()
	}
	s.at++
	s.space()
	return s.value()
}

func (s *scanner) literal(word string) bool {
	for i := range len(word) {
		if s.peek() != word[i] {
			return s.unexpected()
		}
		s.at++
	}
	return true
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func (s *scanner) digits() bool {
	if !isDigit(s.peek()) {
		return s.unexpected()
	}
	for isDigit(s.peek()) {
		s.at++
	}
	return true
}

func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if !s.digits() {
		return false
	}
	if s.peek() == '.' {
		s.at++
		if !s.digits() {
			return false
		}
	}
	if b := s.peek(); b == 'e' || b == 'E' {
		s.at++
		if b := s.peek(); b == '+' || b == '-' {
			s.at++
		}
		return s.digits()
	}
	return true
}

func (s *scanner) str() bool {
	for s.at++; s.at < len(s.text); {
		switch b := s.text[s.at]; {
		case b == '"':
			s.at++
			return true
		case b == '\\':
			if !s.escape() {
				return false
			}
		case b < 0x20:
			return s.fail("a control character in a string")
		default:
			s.at++
		}
	}
	return s.unexpected()
}

func (s *scanner) escape() bool {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return true
	case 'u':
		r, ok := hex4(s.text[s.at+1:])
		if !ok {
			return s.fail("a broken \\u escape")
		}
		s.at += 5
		if r < 0xd800 || r > 0xdfff {
			return true
		}
		if r < 0xdc00 && len(s.text) > s.at+2 && s.text[s.at] == '\\' && s.text[s.at+1] == 'u' {
			if low, ok := hex4(s.text[s.at+2:]); ok && low >= 0xdc00 && low <= 0xdfff {
				s.at += 6
				return true
			}
		}
		return s.fail("half a surrogate pair")
	}
	return s.unexpected()
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, d := range b[:4] {
		switch {
		case isDigit(d):
			d -= '0'
		case 'a' <= d && d <= 'f':
			d -= 'a' - 10
		case 'A' <= d && d <= 'F':
			d -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

// skipValue returns how long the value at the beginning of b is, judging by its strings and brackets alone; −1 where it
// does not end. Of a checked text it is exact; of another it finds where a row ends that is wrong inside.
func skipValue(b []byte) int {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := skipString(b[i:])
			if n < 0 {
				return -1
			}
			if i += n - 1; depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case ',', ':', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return i
			}
		}
	}
	if depth > 0 {
		return -1
	}
	return len(b)
}

func skipString(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
}
