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
	inst.largePages()
	topics, err := inst.TopicReader(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	if cfg.Base == nil {
		base, err := inst.olderState()
		if err != nil {
			return verify.Report{}, err
		}
		if base != nil {
			defer base.Close()
			cfg.Base = base
		}
	}
	past, err := inst.History(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	return verify.Run(ctx, cfg, verify.Deps{Log: topics, Store: store, History: past})
}

// olderState opens the older snapshot of an embedded installation; nil: there is none.
func (inst *Installation) olderState() (*snapshot.File, error) {
	for _, path := range slices.Backward(inst.stateFiles()) {
		if exists(path) {
			return snapshot.Open(path)
		}
	}
	return nil, nil
}
