package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A batch is produced when it has this many events or bytes; only one is under way, so that the order of the file is the
// order of the topic whatever fails.
const (
	sendBatchEvents = 2000
	sendBatchBytes  = 4 << 20
)

func sendCommand(sh *app.Shell) *cobra.Command {
	topic := string(stream.Movements)
	cmd := &cobra.Command{
		Use:   "send [FILE]",
		Short: "Send events, one JSON object a line, to a topic",
		Long: `Sends the events of FILE (of the standard input without one, or for "-") to one topic, keyed by pool, so that a
pool's order in the file is its order in the journal. It waits until Kafka has every event.

A line that is no valid event is reported with its number, the field and the reason; the others are sent, and the
status is 1 at the end.`,
		Example: `  shelfwire send examples/sample.ndjson
  zcat orders.ndjson.gz | shelfwire send --topic orders`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !isInput(stream.Topic(topic)) {
				return app.Usagef("events go to movements, orders or catalogue, not to %q", topic)
			}
			in := sh.Stdin
			if len(args) == 1 && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }() // it was only read
				in = f
			}
			return sh.With(cmd.Context(), app.Log, func(inst *app.Installation) error {
				return send(cmd.Context(), sh, inst, in, stream.Topic(topic))
			})
		},
	}
	cmd.Flags().StringVar(&topic, "topic", topic, "movements, orders or catalogue: they differ in how long they are kept")
	return cmd
}

func isInput(t stream.Topic) bool {
	for _, in := range stream.Inputs() {
		if t == in {
			return true
		}
	}
	return false
}

func send(ctx context.Context, sh *app.Shell, inst *app.Installation, in io.Reader, topic stream.Topic) error {
	s, err := openSender(ctx, sh, inst, topic)
	if err != nil {
		return err
	}
	err = s.sendAll(ctx, in)
	s.progress.clear()
	switch {
	case err != nil:
		return fmt.Errorf("after %d events: %w", s.sent, err)
	case s.bad > 0:
		fmt.Fprintf(sh.Stderr, "%d events sent to %s, %d bad lines left out\n", s.sent, topic, s.bad)
		return app.ErrReported
	case s.sent == 0:
		fmt.Fprintln(sh.Stderr, "there was nothing to send: no line holds an event")
	default:
		fmt.Fprintf(sh.Stderr, "%d events sent to %s\n", s.sent, topic)
	}
	return nil
}

// A messageWriter writes messages in order and returns when all are acknowledged.
type messageWriter interface {
	Produce(ctx context.Context, messages []stream.Message) error
}

// A sender turns lines into messages.
type sender struct {
	topic    stream.Topic
	out      messageWriter
	stderr   io.Writer
	progress *progress

	sent  int64 // acknowledged
	bad   int64 // reported
	batch []stream.Message
	arena []byte // what the batch's slices point into
}

// openSender returns a sender to a topic, which must be there.
func openSender(ctx context.Context, sh *app.Shell, inst *app.Installation, topic stream.Topic) (*sender, error) {
	if err := inst.NeedTopic(ctx, topic); err != nil {
		return nil, err
	}
	producer, err := inst.Producer(ctx)
	if err != nil {
		return nil, err
	}
	return &sender{topic: topic, out: producer, stderr: sh.Stderr, progress: newProgress(sh.Stderr, "events")}, nil
}

// sendAll sends every line of in that is an event and reports the others.
func (s *sender) sendAll(ctx context.Context, in io.Reader) error {
	lines := newLineReader(in)
	for {
		line, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return s.flush(ctx)
		case errors.Is(err, errLineTooLong):
			s.report(lines.number, err)
			continue
		case err != nil:
			return fmt.Errorf("read line %d: %w", lines.number+1, err)
		case len(line) == 0:
			continue
		}
		// Parsed anew each time: an event's parts must not survive into the next.
		var event record.Event
		if err := codec.ParseEvent("", line, &event); err != nil {
			s.report(lines.number, err)
			continue
		}
		if event.Mark != nil && s.topic != stream.Orders {
			s.report(lines.number, errors.New("mark: goes to the topic orders only, behind the orders that it covers"))
			continue
		}
		if err := s.add(ctx, event.PoolID(), line); err != nil {
			return err
		}
	}
}

// add copies an event into the batch, and sends the batch before where it is full.
func (s *sender) add(ctx context.Context, pool string, line []byte) error {
	if len(s.batch) == sendBatchEvents || len(s.arena)+len(line) > sendBatchBytes {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	start := len(s.arena)
	s.arena = append(s.arena, pool...)
	middle := len(s.arena)
	s.arena = append(s.arena, line...)
	s.batch = append(s.batch, stream.Message{
		Topic: s.topic, Partition: stream.Any,
		Key: s.arena[start:middle:middle], Value: s.arena[middle:len(s.arena):len(s.arena)],
	})
	return nil
}

// flush writes the batch and waits for every acknowledgement.
func (s *sender) flush(ctx context.Context) error {
	if len(s.batch) == 0 {
		return nil
	}
	if err := s.out.Produce(ctx, s.batch); err != nil {
		return err
	}
	s.sent += int64(len(s.batch))
	s.batch, s.arena = s.batch[:0], s.arena[:0]
	s.progress.show(s.sent, 0)
	return nil
}

func (s *sender) report(line int, err error) {
	s.bad++
	s.progress.clear()
	fmt.Fprintf(s.stderr, "line %d: %v\n", line, err)
}
