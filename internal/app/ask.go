package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// ErrUnanswered says that no owner answered a command in time.
var ErrUnanswered = errors.New("nobody answered in time: is a publisher running, and the channel declared? " +
	"Where the outcome of a request is unknown, it is waited for, at some channels for minutes (--wait). What was asked may still be done")

// Ask gives a command to the owner of its channel, waits until it is done, and returns what the owner says and the communications
// that it led to. It sets ID, IssuedAt and AnswerBy. Everybody who may own the channel is told: only its owner knows its account.
func (inst *Installation) Ask(ctx context.Context, cmd record.Command, patience time.Duration) (record.CommandDone, []record.Communication, error) {
	cluster, err := inst.Cluster(ctx)
	if err != nil {
		return record.CommandDone{}, nil, err
	}
	producer, err := inst.Producer(ctx)
	if err != nil {
		return record.CommandDone{}, nil, err
	}
	before, err := ends(ctx, cluster, stream.Commands, stream.Communications)
	if err != nil {
		return record.CommandDone{}, nil, err
	}
	cmd.ID, cmd.IssuedAt = rand.Text(), stock.InstantOf(time.Now())
	cmd.AnswerBy = cmd.IssuedAt.Add(patience)
	var messages []stream.Message
	value := codec.AppendCommand(nil, &cmd)
	for p := range before {
		if p.Topic == stream.Commands {
			messages = append(messages, stream.Message{
				Topic: p.Topic, Partition: p.ID, Key: []byte(stream.JoinKey(cmd.Pool, cmd.Channel)), Value: value, ContentType: stream.ContentTypeProtobuf,
			})
		}
	}
	if err := producer.Produce(ctx, messages); err != nil {
		return record.CommandDone{}, nil, fmt.Errorf("send the command: %w", err)
	}
	done, err := inst.awaitDone(ctx, cmd.ID, before, patience)
	if err != nil {
		return record.CommandDone{}, nil, err
	}
	// What the owner says of the listings was written before the end was.
	after, err := ends(ctx, cluster, stream.Communications)
	if err != nil {
		return done, nil, err
	}
	said, err := inst.said(ctx, cmd.ID, before, after)
	return done, said, err
}

type counted interface {
	Partitions(ctx context.Context, t stream.Topic) (int32, error)
	Bounds(ctx context.Context, p stream.Partition) (stream.Bounds, error)
}

// ends returns where each partition of the topics ends.
func ends(ctx context.Context, cluster counted, topics ...stream.Topic) (map[stream.Partition]int64, error) {
	out := map[stream.Partition]int64{}
	for _, t := range topics {
		n, err := cluster.Partitions(ctx, t)
		if err != nil {
			return nil, err
		}
		for id := range n {
			p := stream.Partition{Topic: t, ID: id}
			bounds, err := cluster.Bounds(ctx, p)
			if err != nil {
				return nil, err
			}
			out[p] = bounds.End
		}
	}
	return out, nil
}

var errFound = errors.New("found")

// awaitDone reads the commands behind from until one says that the command is done.
func (inst *Installation) awaitDone(ctx context.Context, id string, from map[stream.Partition]int64, patience time.Duration) (record.CommandDone, error) {
	topics, err := inst.TopicReader(ctx)
	if err != nil {
		return record.CommandDone{}, err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, patience, ErrUnanswered)
	defer cancel()
	answers := make(chan record.CommandDone, len(from))
	readers, reading := errgroup.WithContext(waiting)
	for p, at := range from {
		if p.Topic != stream.Commands {
			continue
		}
		readers.Go(func() error {
			reader, err := topics.Open(reading, p, at)
			if err != nil {
				return err
			}
			defer reader.Close()
			for {
				records, err := reader.Read(reading)
				if err != nil {
					return err
				}
				for _, r := range records {
					var c record.Command
					if err := codec.DecodeCommand(r.Value, &c); err == nil && c.ID == id && c.Done != nil {
						answers <- *c.Done
						return errFound
					}
				}
			}
		})
	}
	err = readers.Wait()
	select {
	case done := <-answers:
		return done, nil
	default:
	}
	if cause := context.Cause(waiting); cause != nil {
		return record.CommandDone{}, cause
	}
	return record.CommandDone{}, err
}

// said returns the communications in between that name the command.
func (inst *Installation) said(ctx context.Context, id string, from, to map[stream.Partition]int64) (list []record.Communication, err error) {
	topics, err := inst.TopicReader(ctx)
	if err != nil {
		return nil, err
	}
	for p, end := range to {
		for at := from[p]; at < end; {
			reader, err := topics.Open(ctx, p, at)
			if err != nil {
				return nil, err
			}
			records, err := reader.Read(ctx)
			for _, r := range records {
				at = r.Offset + 1
				var c record.Communication
				if err := codec.DecodeCommunication(r.Value, &c); err == nil && c.Command == id {
					list = append(list, c)
				}
			}
			reader.Close()
			if err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}
