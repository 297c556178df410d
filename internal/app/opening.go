package app

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/shelfwire/shelfwire/internal/chstore"
	"github.com/shelfwire/shelfwire/internal/history"
)

// An opening is a history that is there, or that is waited for: the stages before it do not hang on its server, which may be away
// when they start as it may be later.
type opening struct {
	store History // not to be asked before Err is nil
	check func(context.Context) error
	err   atomic.Pointer[error] // what check said last, nil where it found nothing wrong
}

// Check looks whether the history may be used, and notes what it finds.
func (o *opening) Check(ctx context.Context) error {
	err := o.check(ctx)
	if err == nil {
		o.err.Store(nil)
	} else {
		o.err.Store(&err)
	}
	return err
}

// Err returns why the history may not be used yet, nil as soon as it may.
func (o *opening) Err() error {
	if err := o.err.Load(); err != nil {
		return *err
	}
	return nil
}

// notYet says to a reader of the page why there is nothing to see yet, "" where there is. Addresses and users are for the log.
func (o *opening) notYet() string {
	switch err := o.Err(); {
	case err == nil:
		return ""
	case errors.Is(err, history.ErrAway):
		return "The history's server does not answer yet."
	default:
		return "The history's server answers, but what is there cannot be used until somebody puts it right."
	}
}

// opening returns the history, which may have to be waited for where ClickHouse does not answer. What is wrong with it rather than away
// is an error.
func (inst *Installation) opening(ctx context.Context) (*opening, error) {
	if inst.dir != "" {
		h, err := inst.History(ctx)
		return &opening{store: h}, err
	}
	store, err := chstore.New(inst.clickHouse())
	if err != nil {
		return nil, err
	}
	inst.onClose(store.Close)
	o := &opening{store: store, check: store.Check}
	if err := o.Check(ctx); err != nil && (ctx.Err() != nil || !errors.Is(err, history.ErrAway)) {
		return nil, err
	}
	return o, nil
}
