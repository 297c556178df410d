package catalogue

import (
	"fmt"

	"github.com/shelfwire/shelfwire/internal/document"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// Refusals returns what the engine would refuse of the changes, so that nothing is sent that would come to nothing: inForce is what
// [engine.State.Catalogue] says of the pool. The engine itself is asked, on a pool that holds no stock.
func Refusals(inForce []record.Event, changes []Change) ([]document.Problem, error) {
	fold, err := replay.New(0, stream.Position{}, nil)
	if err != nil {
		return nil, err
	}
	a := asker{fold}
	for i := range inForce {
		if asked(&inForce[i]) {
			if _, err := a.ask(&inForce[i]); err != nil {
				return nil, err
			}
		}
	}
	var problems []document.Problem
	for i := range changes {
		c := &changes[i]
		why := engine.Refused(&c.Event)
		if why == "" && asked(&c.Event) {
			var err error
			if why, err = a.ask(&c.Event); err != nil {
				return nil, err
			}
		}
		switch {
		case why == "":
		case c.Entry == nil:
			problems = append(problems, document.Problem{Field: c.Object.String(), Reason: "cannot be deleted: " + why})
		default:
			problems = append(problems, c.Entry.Problem("is refused: "+why))
		}
	}
	return problems, nil
}

// asked reports whether the engine may refuse such an event for what is in force already.
func asked(e *record.Event) bool { return e.Kind() == record.KindKit || e.Kind() == record.KindPool }

type asker struct{ fold *replay.Fold }

// ask folds an event and returns why it is refused, "" if it is not.
func (a *asker) ask(e *record.Event) (why string, err error) {
	err = a.fold.Step(&record.JournalEntry{Event: *e}, func(_ *engine.State, c *engine.Changes) {
		for _, r := range c.Rejections() {
			if why == "" {
				why = r.Reason
			}
		}
	})
	if err != nil {
		return "", fmt.Errorf("ask the engine: %w", err)
	}
	return why, nil
}
