package litestore_test

import (
	"testing"

	"github.com/shelfwire/shelfwire/internal/litestore"
	"github.com/shelfwire/shelfwire/internal/publisher/toldtest"
)

func TestTold(t *testing.T) {
	toldtest.Run(t, func(t *testing.T) toldtest.Harness {
		dir := t.TempDir()
		return toldtest.Harness{Open: func(t *testing.T) toldtest.Store {
			t.Helper()
			told, err := litestore.OpenTold(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := told.Close(); err != nil {
					t.Error(err)
				}
			})
			return told
		}}
	})
}
