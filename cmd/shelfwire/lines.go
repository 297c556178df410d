package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLineBytes is the longest line that send takes: what a broker takes with its defaults.
const maxLineBytes = 1 << 20

// errLineTooLong is returned for a line of more than maxLineBytes; the line has been read to its end.
var errLineTooLong = errors.New("the line is longer than 1 MiB")

// A lineReader reads lines and counts them.
type lineReader struct {
	r      *bufio.Reader
	number int // of the line returned last, from 1
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, maxLineBytes+2)}
}

// next returns the next line without its end and without blanks around it, which may leave nothing. The line is valid until the next
// call. After errLineTooLong reading goes on; io.EOF is the end.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if len(line) == 0 && err != nil {
		return nil, err
	}
	l.number++
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, errLineTooLong
	case err != nil && !errors.Is(err, io.EOF): // EOF: a last line without its end
		return nil, err
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) > maxLineBytes {
		return nil, errLineTooLong
	}
	return bytes.TrimSpace(line), nil
}
