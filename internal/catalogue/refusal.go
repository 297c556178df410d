package catalogue

import (
	"fmt"

	"github.com/shelfwire/shelfwire/internal/document"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// Refusals returns what the engine would refuse of the changes, so that nothing is sent that would come to nothing: inForce is what
// [engine.State.Catalogue] says of the pool. The engine itself is asked, on a pool that holds no stock.
func Refusals(inForce []record.Event, changes []Change) ([]document.Problem, error) {
	a := asker{state: engine.NewState()}
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

type asker struct {
	state   *engine.State
	changes engine.Changes
	entries int64
}

// ask folds an event and returns why it is refused, "" if it is not.
func (a *asker) ask(e *record.Event) (string, error) {
	entry := record.JournalEntry{Event: *e}
	if err := a.state.LoadNew(&entry); err != nil {
		return "", err
	}
	if err := a.state.Apply(stock.VersionAt(0, a.entries), &entry, &a.changes); err != nil {
		return "", fmt.Errorf("ask the engine: %w", err)
	}
	a.entries++
	defer a.changes.Reset()
	for _, r := range a.changes.Rejections() {
		return r.Reason, nil
	}
	return "", nil
}
