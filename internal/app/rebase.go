package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/kafka"
	"github.com/shelfwire/shelfwire/internal/snapshot"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// RebaseOptions say how a state moves to a new journal.
type RebaseOptions struct {
	Path string // the snapshot that the old journal ends with
	To   string // the snapshot that the new one begins with: it is written
	// DeleteJournal deletes the old journal, where it is still there, and makes the new one as configured.
	DeleteJournal bool
	// Complete takes the snapshot to hold everything of an old journal that is not there any more.
	Complete bool
	// Progress, where set, is called now and then with how many of the rows have been written.
	Progress func(done, total int64)
}

// Rebase moves the state to a new journal: of other partitions, or on other brokers. The order is what makes it safe to break off: the
// old journal is deleted only when the snapshot is known to hold all of it, and until the state is written, last of all, the
// allocator finds a journal that is not its state's, and stops.
func (inst *Installation) Rebase(ctx context.Context, o RebaseOptions) (snapshot.Report, error) {
	if inst.dir != "" {
		return snapshot.Report{}, errors.New("an embedded installation keeps its journal: it has one process and nothing to gain from other partitions")
	}
	cluster, err := inst.Cluster(ctx)
	if err != nil {
		return snapshot.Report{}, err
	}
	// Who writes the journal, and who reads it.
	for _, group := range []string{string(Ingest), string(Allocator), historyGroup} {
		n, err := cluster.Members(ctx, group)
		if err != nil {
			return snapshot.Report{}, err
		}
		if n > 0 {
			return snapshot.Report{}, fmt.Errorf("%d of group %s are at work (one that was killed counts for its session's time, ten seconds): stop ingest, allocator and audit first", n, group)
		}
	}
	old, err := snapshot.Open(o.Path)
	if err != nil {
		return snapshot.Report{}, err
	}
	defer old.Close()
	if err := inst.leaveJournal(ctx, old, o); err != nil {
		return snapshot.Report{}, err
	}
	log, err := inst.beginJournal(ctx)
	if err != nil {
		return snapshot.Report{}, err
	}
	return inst.enterJournal(ctx, log, old, o)
}

// leaveJournal deletes the old journal, when it is known that the snapshot holds all of it.
func (inst *Installation) leaveJournal(ctx context.Context, old *snapshot.File, o RebaseOptions) error {
	log, err := inst.snapshotLog(ctx)
	if err != nil {
		return err
	}
	err = old.Whole(ctx, log)
	switch {
	case err == nil && o.DeleteJournal:
		return inst.cluster.DeleteTopic(ctx, stream.Journal)
	case err == nil:
		return errors.New("the snapshot holds the whole journal, which is to be deleted now and made again as configured: say --delete-journal")
	case (errors.Is(err, snapshot.ErrOtherJournal) || errors.Is(err, kafka.ErrNoTopic)) && o.Complete:
		return nil
	case errors.Is(err, snapshot.ErrOtherJournal), errors.Is(err, kafka.ErrNoTopic):
		return fmt.Errorf("%w: nobody can tell whether that went on behind the snapshot. If it was made after ingest had stopped and the allocator had folded the rest, "+
			"or a rebase broke off after it had deleted the old journal, say --complete", err)
	}
	return err
}

// beginJournal makes the new journal where it is missing, and every partition of it begin behind an empty record that is deleted: so
// no partition begins at offset 0, where one would take it for a whole journal, to be folded from nothing.
func (inst *Installation) beginJournal(ctx context.Context) (snapshotLog, error) {
	if _, err := inst.ApplyTopics(ctx); err != nil {
		return snapshotLog{}, err
	}
	log, err := inst.snapshotLog(ctx) // a reader that has never met the old topic
	if err != nil {
		return log, err
	}
	n, err := log.Partitions(ctx, stream.Journal)
	if err != nil {
		return log, err
	}
	producer, err := inst.Producer(ctx)
	if err != nil {
		return log, err
	}
	for id := range n {
		p := stream.Partition{Topic: stream.Journal, ID: id}
		bounds, err := log.Bounds(ctx, p)
		if err != nil {
			return log, err
		}
		if bounds == (stream.Bounds{Start: 1, End: 1}) {
			continue // has begun
		}
		if bounds == (stream.Bounds{}) {
			if err := producer.Produce(ctx, []stream.Message{{Topic: stream.Journal, Partition: id, Key: []byte("rebase")}}); err != nil {
				return log, err
			}
		} else if err := onlyBegun(ctx, log, p, bounds); err != nil {
			return log, err
		}
		if err := log.DeleteBefore(ctx, p, 1); err != nil {
			return log, err
		}
	}
	return log, nil
}

// onlyBegun makes sure that a partition holds nothing but the empty record of a rebase that broke off.
func onlyBegun(ctx context.Context, log snapshotLog, p stream.Partition, bounds stream.Bounds) error {
	if bounds == (stream.Bounds{Start: 0, End: 1}) {
		reader, err := log.Open(ctx, p, 0)
		if err != nil {
			return err
		}
		defer reader.Close()
		records, err := reader.Read(ctx)
		if err != nil {
			return err
		}
		if len(records[0].Value) == 0 {
			return nil
		}
	}
	return fmt.Errorf("partition %d of the new journal holds entries already, from offset %d to %d, but must be new. Stop ingest, delete the topic, run `shelfwire topics apply` "+
		"and `shelfwire origins accept` with every input topic, which counts nothing twice, and rebase then", p.ID, bounds.Start, bounds.End)
}

// enterJournal writes the state for the new journal, to a file and to the store.
func (inst *Installation) enterJournal(ctx context.Context, log snapshotLog, old *snapshot.File, o RebaseOptions) (snapshot.Report, error) {
	topicID, err := log.TopicID(ctx, stream.Journal)
	if err != nil {
		return snapshot.Report{}, err
	}
	n, err := log.Partitions(ctx, stream.Journal)
	if err != nil {
		return snapshot.Report{}, err
	}
	place := func(pool string) int32 { return kafka.PartitionOf([]byte(pool), n) }
	if _, err := snapshot.Rebase(o.Path, o.To, snapshot.NewJournal{TopicID: topicID, Partitions: n, Place: place}); err != nil {
		return snapshot.Report{}, err
	}
	store, err := inst.Store(ctx)
	if err != nil {
		return snapshot.Report{}, err
	}
	for id := n; id < old.Partitions(); id++ { // of the old journal only
		if err := store.Replace(ctx, id, stream.Position{}, func(func(engine.RowWrite) error) error { return nil }); err != nil {
			return snapshot.Report{}, err
		}
	}
	return snapshot.Restore(ctx, snapshot.RestoreConfig{Path: o.To, Progress: o.Progress}, log, store)
}
