package app

import (
	"context"
	"slices"

	"github.com/shelfwire/shelfwire/internal/snapshot"
	"github.com/shelfwire/shelfwire/internal/verify"
)

// Verify folds the journal again and compares everything with it. Where no snapshot is named, the beginning of an embedded
// installation's journal is the older of its own: the journal is cut behind that.
func (inst *Installation) Verify(ctx context.Context, cfg verify.Config) (verify.Report, error) {
	topics, err := inst.TopicReader(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	if files := inst.stateFiles(); cfg.Base == nil {
		for _, path := range slices.Backward(files) {
			if !exists(path) {
				continue
			}
			f, err := snapshot.Open(path)
			if err != nil {
				return verify.Report{}, err
			}
			defer f.Close()
			cfg.Base = f
			break
		}
	}
	past, err := inst.History(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	return verify.Run(ctx, cfg, verify.Deps{Log: topics, Store: store, History: past})
}
