package publisher_test

import (
	"testing"

	"github.com/shelfwire/shelfwire/internal/publisher/toldtest"
)

// The told store that the stage's tests use keeps the contract too.
func TestMemory(t *testing.T) {
	toldtest.Run(t, func(*testing.T) toldtest.Harness {
		m := &memory{}
		return toldtest.Harness{Open: func(*testing.T) toldtest.Store { return m }}
	})
}
