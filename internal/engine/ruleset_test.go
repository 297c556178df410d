package engine_test

import (
	"errors"
	"testing"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/engine/enginetest"
	"github.com/shelfwire/shelfwire/internal/record"
)

// TestUnknownRuleset stops at rules that this program does not have, whether an entry asks for them or the state is under them
// already: a program that guessed would count what nobody else counts.
func TestUnknownRuleset(t *testing.T) {
	newer := record.Pool{Pool: "p", Ruleset: engine.Ruleset + 1, Prefer: record.FewestOutlets, ReleaseOn: record.OnCancel}
	if engine.Refused(&record.Event{Pool: &newer}) == "" {
		t.Error("ingest would take an unknown ruleset")
	}
	var p enginetest.Pipeline
	if _, err := p.Fold(touching(record.Event{Pool: &newer})); !errors.Is(err, engine.ErrUnknownRuleset) {
		t.Errorf("an entry under an unknown ruleset: %v", err)
	}
	p.Rows = enginetest.Rows{
		{Table: engine.TablePool, Pool: "p", ID: "settings"}: codec.AppendEvent(nil, &record.Event{Pool: &newer}),
	}
	if _, err := p.Fold(touching(record.Event{Tick: &record.Tick{Pool: "p"}})); !errors.Is(err, engine.ErrUnknownRuleset) {
		t.Errorf("a state under an unknown ruleset: %v", err)
	}
}
