package litestore_test

import (
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/history/historytest"
	"github.com/shelfwire/shelfwire/internal/litestore"
)

func TestConformance(t *testing.T) {
	historytest.Run(t, func(t *testing.T) historytest.Store { return open(t, t.TempDir()) })
}

func open(t *testing.T, dir string) *litestore.Store {
	t.Helper()
	s, err := litestore.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestOpenInAbsentDirectory(t *testing.T) {
	_, err := litestore.Open(t.Context(), t.TempDir()+"/absent")
	if err == nil || !strings.Contains(err.Error(), litestore.FileName) {
		t.Errorf("got %v, want an error that names the file", err)
	}
}
