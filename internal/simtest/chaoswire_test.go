//go:build integration && chaos

package simtest_test

import (
	"errors"
	"io"
	"sync/atomic"
)

// A losingWire loses replies: what was asked is done, and who asked is not told.
type losingWire struct {
	wire
	lose *atomic.Int64 // how many replies are still to be lost
}

var errSwallowed = errors.New("the reply is lost")

func (w losingWire) down(client io.Writer, server io.Reader) error {
	return w.wire.down(losingWriter{client, w.lose}, server)
}

type losingWriter struct {
	io.Writer
	lose *atomic.Int64
}

func (w losingWriter) Write(b []byte) (int, error) {
	for left := w.lose.Load(); left > 0; left = w.lose.Load() {
		if !w.lose.CompareAndSwap(left, left-1) {
			continue
		}
		if c, ok := w.Writer.(io.Closer); ok {
			_ = c.Close() // the connection goes with it
		}
		return 0, errSwallowed
	}
	return w.Writer.Write(b)
}
