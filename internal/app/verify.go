package app

import (
	"context"

	"github.com/shelfwire/shelfwire/internal/verify"
)

// Verify folds the journal again and compares everything with it.
func (inst *Installation) Verify(ctx context.Context, cfg verify.Config) (verify.Report, error) {
	topics, err := inst.TopicReader(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	past, err := inst.History(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	return verify.Run(ctx, cfg, verify.Deps{Log: topics, Store: store, History: past})
}
