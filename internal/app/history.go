package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/chstore"
	"github.com/shelfwire/shelfwire/internal/daemon"
	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/litestore"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/internal/verify"
)

// A History keeps what happened and answers what the page, the commands and the verification ask of it.
type History interface {
	history.Store
	auditview.Queries
	verify.History
	Close() error
}

// History returns the history: in ClickHouse, or in the data directory of an embedded installation.
func (inst *Installation) History(ctx context.Context) (History, error) {
	if inst.history != nil {
		return inst.history, nil
	}
	h, err := inst.openHistory(ctx)
	if err != nil {
		return nil, err
	}
	inst.history = h
	inst.onClose(h.Close)
	return h, nil
}

// HasHistory reports whether there is a history to ask: real servers may be set without one.
func (inst *Installation) HasHistory() bool {
	return inst.dir != "" || len(inst.Config.ClickHouse.Addresses) > 0
}

func (inst *Installation) openHistory(ctx context.Context) (History, error) {
	if inst.dir != "" {
		return litestore.Open(ctx, inst.dir)
	}
	return chstore.Open(ctx, inst.clickHouse())
}

func (inst *Installation) clickHouse() chstore.Config {
	c := inst.Config.ClickHouse
	return chstore.Config{Addresses: c.Addresses, Database: c.Database, User: c.User, Password: c.Password.Reveal()}
}

// Migrate makes the ClickHouse database where it is missing and brings its schema to this program's. It returns the number of
// the schema before; progress, where set, is called after every statement.
func (inst *Installation) Migrate(ctx context.Context, progress func(chstore.Step)) (before int, err error) {
	if inst.dir != "" {
		return 0, errors.New("an embedded installation needs no migration: its history is made with it")
	}
	if err := needServers(&inst.Config, Past); err != nil {
		return 0, err
	}
	return chstore.Migrate(ctx, inst.clickHouse(), progress)
}

// historyGroup is the consumer group of the history writer, which is a part of the stage Audit; historyStore is what it writes to, as a
// part that may be ready or not.
const (
	historyGroup = "history"
	historyStore = "history store"
)

// addAudit wires the history writer and the page, which wait for the history where its server is away.
func (b *builder) addAudit(ctx context.Context) error {
	past, err := b.inst.opening(ctx)
	if err != nil {
		return err
	}
	if err := b.addHistory(ctx, past); err != nil {
		return err
	}
	return b.addPage(ctx, past)
}

// journal, availability, allocations, offers, shipments, communications, rejections ─▶ history ─▶ ClickHouse
func (b *builder) addHistory(ctx context.Context, past *opening) error {
	topics, err := b.inst.TopicReader(ctx)
	if err != nil {
		return err
	}
	generation, err := b.inst.journalGeneration(ctx)
	if err != nil {
		return err
	}
	stage, err := history.New(history.Config{FlushEvery: b.inst.Config.History.FlushEvery}, history.Deps{
		Log: topics, Store: past.store, Generation: generation, Now: time.Now, Logger: b.log("history"), Registerer: b.registry,
		Waiting: func(waiting bool) { b.ready.Set(historyStore, !waiting) },
	})
	if err != nil {
		return err
	}
	writer := b.group(historyGroup, history.Topics(), stage.Work)
	if past.Err() != nil {
		join := writer.Run
		writer.Run = func(ctx context.Context) error {
			if err := stage.Await(ctx, past.Check); err != nil {
				return err
			}
			return join(ctx)
		}
		b.ready.Set(historyStore, false)
	}
	if b.others {
		b.ready.Spare(historyStore)
		if past.Err() != nil {
			b.ready.Spare(historyGroup)
		}
	}
	b.actors = append(b.actors, writer)
	return nil
}

// A generationOf says which generation a journal partition is of, whose topic has the id and holds offsets from start on.
type generationOf func(ctx context.Context, partition int32, topicID string, start int64) (uint8, error)

// journalGeneration returns what asks the state. Where there is none a journal that begins at offset 0 is of the first, since no other
// does; of another one nobody knows until the state is restored. It returns nil for an embedded installation, which never rebases.
func (inst *Installation) journalGeneration(ctx context.Context) (generationOf, error) {
	if inst.dir != "" {
		return nil, nil
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, partition int32, topicID string, start int64) (uint8, error) {
		at, err := store.Meta(ctx, partition)
		switch {
		case err != nil:
			return 0, fmt.Errorf("ask for the journal's generation: %w", err)
		case at == stream.Position{} && start == stream.FirstOffset(0):
			return 0, nil
		case at.TopicID != topicID:
			return 0, fmt.Errorf("the state of journal partition %d is at %v, but the journal is now %s: its generation is not known until the state is restored", partition, at, topicID)
		}
		return at.Generation, nil
	}, nil
}

// ClickHouse ─▶ page
func (b *builder) addPage(ctx context.Context, past *opening) error {
	log := b.log("audit")
	page, err := auditview.New(auditview.Config{}, auditview.Deps{
		Queries: past.store, NotYet: past.notYet, Now: time.Now, Logger: log, Registerer: b.registry,
	})
	if err != nil {
		return err
	}
	l, err := b.listen(ctx, "audit.listen", b.inst.Config.Audit.Listen)
	if err != nil {
		return err
	}
	b.endpoints.Page = urlOf(l)
	b.actors = append(b.actors, daemon.HTTP("audit http", l, page.Handler(), log))
	return nil
}

// historyCaughtUp reports whether everything that the topics hold is stored.
func (inst *Installation) historyCaughtUp(ctx context.Context) (bool, error) {
	store, err := inst.History(ctx)
	if err != nil {
		return false, err
	}
	for _, t := range history.Topics() {
		behind, err := inst.anyBehind(ctx, t, func(p int32, start int64) (int64, error) {
			at, err := store.Position(ctx, stream.Partition{Topic: t, ID: p})
			return max(at, start), err
		})
		if err != nil || behind {
			return false, err
		}
	}
	return true, nil
}
