package app

import (
	"context"

	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/document"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
)

// CompareCatalogue returns what is to be sent so that what is in force in a pool becomes what a file says of it, and what the engine
// would refuse of that. What is in force is not of one moment: what is folded meanwhile may be seen or not.
func (inst *Installation) CompareCatalogue(ctx context.Context, p *catalogue.Pool, prune bool) ([]catalogue.Change, []document.Problem, error) {
	state, store, partition, err := inst.loadPool(ctx, p.ID)
	if err != nil {
		return nil, nil, err
	}
	c := catalogue.Compare(p, prune)
	inForce := state.Catalogue(p.ID)
	for i := range inForce {
		c.InForce(&inForce[i])
	}
	if p.Sections[record.KindListing] {
		err := store.EachListings(ctx, partition, p.ID, func(row engine.RowWrite) error {
			listings, err := engine.Listings(row)
			for _, l := range listings {
				c.InForce(&record.Event{Listing: l})
			}
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	changes := c.Changes()
	refusals, err := catalogue.Refusals(inForce, changes)
	return changes, refusals, err
}

// Fold lets what was sent be folded where nobody else does it: in an embedded installation that does not run but for this command.
// Elsewhere it does nothing.
func (inst *Installation) Fold(ctx context.Context) error {
	if inst.servers == nil {
		return nil
	}
	return inst.catchUp(ctx)
}
