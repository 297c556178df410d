package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLineReader(t *testing.T) {
	long := strings.Repeat("x", maxLineBytes)
	tests := []struct {
		name, in string
		want     []string // number:line, number:! for one too long
	}{
		{"nothing", "", nil},
		{"lines with either end, the last without one", "a\r\nb\n\n  c  ", []string{"1:a", "2:b", "3:", "4:c"}},
		{"a line of exactly the limit", long + "\nb\n", []string{"1:" + long, "2:b"}},
		{"a line one byte too long", long + "x\nb", []string{"1:!", "2:b"}},
		{"a line of many buffers", "a\n" + strings.Repeat("x", 10<<20) + "\nb", []string{"1:a", "2:!", "3:b"}},
		{"a last line that is too long", strings.Repeat("x", 5<<20), []string{"1:!"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.HalfReader(strings.NewReader(tt.in))} {
				var got []string
				lines := newLineReader(in)
				for {
					line, err := lines.next()
					if errors.Is(err, io.EOF) {
						break
					}
					switch {
					case errors.Is(err, errLineTooLong):
						got = append(got, fmt.Sprintf("%d:!", lines.number))
					case err != nil:
						t.Fatal(err)
					default:
						got = append(got, fmt.Sprintf("%d:%s", lines.number, line))
					}
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("lines = %.200q, want %.200q", got, tt.want)
				}
			}
		})
	}
}

func TestLineReaderReportsAReadError(t *testing.T) {
	broken := errors.New("disk gone")
	lines := newLineReader(io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(broken)))
	if line, err := lines.next(); err != nil || string(line) != "a" {
		t.Fatalf("next() = %q, %v", line, err)
	}
	if _, err := lines.next(); !errors.Is(err, broken) {
		t.Errorf("next() = %v, want the reader's error", err)
	}
}
