package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shelfwire/shelfwire/internal/history"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Status is how far every stage is. It is not of one moment.
type Status struct {
	At      time.Time
	Over    time.Duration // what rates are measured over
	Dir     string        // of an embedded installation, else ""
	Stopped bool          // an embedded installation that does not run: its stages worked for this command only, but for the publisher
	Stages  []StageStatus // in the order of the pipeline
	Past    *PastStatus   // nil where no history is set, or none answers
	Away    error         // why the history does not answer, nil where it does
}

// A StageStatus is how far one stage is.
type StageStatus struct {
	Stage     Stage
	Members   int           // processes at work; one that was killed counts until its group's session has timed out
	Unknown   bool          // how far it is nobody can say, since its positions are in the history: what follows is 0
	Waiting   int64         // records that it has not worked off
	Oldest    stock.Instant // when the oldest of them was written; 0: there is none, or it could not be read in time
	PerSecond float64       // records that it worked off per second; 0 where nothing was measured
	worked    int64         // Σ of its positions
}

// A source is what a stage reads and how far it is in each partition.
type source struct {
	stage Stage
	topic stream.Topic
	at    func(ctx context.Context, partition int32) (int64, error) // nil: nobody can say
}

// Status looks how far every stage is, twice, over apart, since a rate needs two looks; 0: once, and rates are left out. A history that
// does not answer is no error: who looks while it is away wants to know how the others do.
func (inst *Installation) Status(ctx context.Context, over time.Duration) (Status, error) {
	st := Status{Over: over, Dir: inst.dir, Stopped: inst.servers != nil}
	log, err := inst.TopicReader(ctx)
	if err != nil {
		return st, err
	}
	sources, err := inst.sources(ctx, log)
	switch {
	case errors.Is(err, history.ErrAway):
		st.Away = err
	case err != nil:
		return st, err
	}
	began := time.Now()
	before, err := inst.look(ctx, log, sources, false)
	if err != nil {
		return st, err
	}
	if over > 0 {
		timer := time.NewTimer(over)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return st, ctx.Err()
		}
	}
	st.At = time.Now()
	if st.Stages, err = inst.look(ctx, log, sources, true); err != nil {
		return st, err
	}
	if seconds := st.At.Sub(began).Seconds(); over > 0 {
		for i := range st.Stages {
			st.Stages[i].PerSecond = float64(max(0, st.Stages[i].worked-before[i].worked)) / seconds
		}
	}
	if inst.HasHistory() && st.Away == nil {
		st.Past, err = inst.pastStatus(ctx, stock.InstantOf(st.At))
	}
	return st, err
}

// sources returns what the stages read, in the order of the pipeline. The allocator's positions are those in Redis, the publisher's those
// of the told state and the history's its own; ingest has none but its group's. Beside an error that wraps [history.ErrAway] it returns
// them all, those of the history without their positions.
func (inst *Installation) sources(ctx context.Context, log TopicReader) ([]source, error) {
	var sources []source
	for _, t := range stream.Inputs() {
		sources = append(sources, source{Ingest, t, func(ctx context.Context, p int32) (int64, error) {
			committed, err := log.Committed(ctx, string(Ingest), t)
			return committed[p], err
		}})
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return nil, err
	}
	sources = append(sources, source{Allocator, stream.Journal, func(ctx context.Context, p int32) (int64, error) {
		at, err := store.Meta(ctx, p)
		return at.Offset, err
	}})
	told, err := inst.toldPositions(ctx)
	if err != nil {
		return nil, err
	}
	sources = append(sources, source{Publisher, stream.Offers, told.Position})
	if !inst.HasHistory() {
		return sources, nil
	}
	past, err := inst.History(ctx)
	if errors.Is(err, history.ErrAway) {
		for _, t := range history.Topics() {
			sources = append(sources, source{Audit, t, nil})
		}
		return sources, err
	}
	if err != nil {
		return nil, err
	}
	for _, t := range history.Topics() {
		sources = append(sources, source{Audit, t, func(ctx context.Context, p int32) (int64, error) {
			generation := uint8(0)
			if t == stream.Journal {
				at, err := store.Meta(ctx, p)
				if err != nil {
					return 0, err
				}
				generation = at.Generation
			}
			return past.Position(ctx, stream.Partition{Topic: t, ID: p}.OfGeneration(generation))
		}})
	}
	return sources, nil
}

// toldPositions says how far the publisher has taken the offers.
type toldPositions interface {
	Position(ctx context.Context, partition int32) (int64, error)
}

func (inst *Installation) toldPositions(ctx context.Context) (toldPositions, error) {
	if inst.dir != "" {
		return inst.toldFile(ctx)
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return nil, err
	}
	return store.Told(), nil
}

// look returns how far the stages are; whole: with their members, and when what they wait for was written.
func (inst *Installation) look(ctx context.Context, log TopicReader, sources []source, whole bool) ([]StageStatus, error) {
	var stages []StageStatus
	for _, s := range sources {
		if n := len(stages); n == 0 || stages[n-1].Stage != s.stage {
			stages = append(stages, StageStatus{Stage: s.stage})
		}
		st := &stages[len(stages)-1]
		if s.at == nil {
			st.Unknown = true
			continue
		}
		n, err := log.Partitions(ctx, s.topic)
		if err != nil {
			return nil, fmt.Errorf("%w: run `shelfwire topics apply`", err)
		}
		for id := range n {
			p := stream.Partition{Topic: s.topic, ID: id}
			at, err := s.at(ctx, id)
			if err != nil {
				return nil, fmt.Errorf("position of %s in %s/%d: %w", s.stage, s.topic, id, err)
			}
			bounds, err := log.Bounds(ctx, p)
			if err != nil {
				return nil, err
			}
			at = max(at, bounds.Start)
			st.worked += at
			if at >= bounds.End {
				continue
			}
			st.Waiting += bounds.End - at
			if !whole {
				continue
			}
			when, err := writtenAt(ctx, log, p, at)
			if err != nil {
				return nil, err
			}
			if when != 0 && (st.Oldest == 0 || when < st.Oldest) {
				st.Oldest = when
			}
		}
	}
	for i := range stages {
		if !whole {
			break
		}
		var err error
		if stages[i].Members, err = log.Members(ctx, groupOf(stages[i].Stage)); err != nil {
			return nil, err
		}
	}
	return stages, nil
}

// groupOf returns the consumer group of a stage.
func groupOf(s Stage) string {
	if s == Audit {
		return historyGroup
	}
	return string(s)
}

// readPatience is how long one record is waited for: the last offsets of a compacted topic may hold none any more.
const readPatience = 2 * time.Second

// writtenAt returns when the first record from an offset on was written, 0 where none came in time.
func writtenAt(ctx context.Context, log TopicReader, p stream.Partition, from int64) (stock.Instant, error) {
	reader, err := log.Open(ctx, p, from)
	if err != nil {
		return 0, fmt.Errorf("open %s/%d: %w", p.Topic, p.ID, err)
	}
	defer reader.Close()
	waiting, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	records, err := reader.Read(waiting)
	switch {
	case err == nil:
		return records[0].Time, nil
	case ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, stream.ErrOutOfRange)):
		return 0, nil
	}
	return 0, fmt.Errorf("read %s/%d at offset %d: %w", p.Topic, p.ID, from, err)
}
