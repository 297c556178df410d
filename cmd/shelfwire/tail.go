package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func tailCommand(sh *app.Shell) *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use:   "tail TOPIC",
		Short: "Print the records of a topic as JSON lines",
		Long: `Prints the records of a topic, one JSON object a line: topic, partition, offset, timestamp, key, value.

Topics: ` + topicList() + `.

With --until-end it stops at what was the end when it began, and prints one partition after the other, so that the same
records always print the same lines in the same order. Without, records are printed as they come, in order per partition,
until it is interrupted.

A record whose value cannot be read is printed with the reason ("error") and its bytes in base64 ("bytes").`,
		Example: `  shelfwire tail availability --until-end
  shelfwire tail communications --from 2026-11-20T10:00:00Z
  shelfwire tail availability --from start --key acme/SHIRT`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topic = stream.Topic(args[0])
			if !slices.Contains(stream.Topics(), o.topic) {
				return app.Usagef("there is no topic %q: the topics are %s", args[0], topicList())
			}
			if err := o.parseFrom(); err != nil {
				return err
			}
			return sh.With(cmd.Context(), app.Log, func(inst *app.Installation) error {
				if err := inst.NeedTopic(cmd.Context(), o.topic); err != nil {
					return err
				}
				source, err := inst.TopicReader(cmd.Context())
				if err != nil {
					return err
				}
				out := bufio.NewWriterSize(sh.Stdout, 64<<10)
				err = tail(cmd.Context(), source, o, out)
				if !o.untilEnd && cmd.Context().Err() != nil && errors.Is(err, context.Canceled) {
					err = nil // an interrupt is how following ends
				}
				return errors.Join(err, out.Flush())
			})
		},
	}
	cmd.Flags().StringVar(&o.from, "from", "",
		"begin at `start|end|TIME`, by default at the end, with --until-end at the start; a TIME like 2026-11-20T10:00:00Z is the record's own timestamp")
	cmd.Flags().BoolVar(&o.untilEnd, "until-end", false, "stop at the present end")
	cmd.Flags().StringVar(&o.key, "key", "", "only records with this `KEY`, as tail prints it")
	return cmd
}

func topicList() string {
	var names []string
	for _, t := range stream.Topics() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}

type tailOptions struct {
	topic    stream.Topic
	from     string
	since    stock.Instant // of a --from TIME, else 0
	untilEnd bool
	key      string
}

func (o *tailOptions) parseFrom() error {
	if o.from == "" {
		if o.from = "end"; o.untilEnd {
			o.from = "start" // from the end to the end there is never anything
		}
	}
	if o.from == "start" || o.from == "end" {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, o.from)
	if err != nil {
		return app.Usagef("--from takes start, end or a time like 2026-11-20T10:00:00Z, not %q", o.from)
	}
	o.since = stock.InstantOf(t)
	return nil
}

// A topicReader reads the partitions of topics.
type topicReader interface {
	Partitions(ctx context.Context, topic stream.Topic) (int32, error)
	Bounds(ctx context.Context, p stream.Partition) (stream.Bounds, error)
	Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error)
}

// tail prints what o asks for on out. Without untilEnd it goes on until ctx ends, and flushes out after every read.
func tail(ctx context.Context, source topicReader, o tailOptions, out *bufio.Writer) error {
	n, err := source.Partitions(ctx, o.topic)
	if err != nil {
		return err
	}
	// All bounds are read before the first record, so that they are of one moment as nearly as can be.
	bounds := make([]stream.Bounds, n)
	for i := range bounds {
		p := stream.Partition{Topic: o.topic, ID: int32(i)}
		if bounds[i], err = source.Bounds(ctx, p); err != nil {
			return fmt.Errorf("bounds of %s partition %d: %w", p.Topic, p.ID, err)
		}
	}
	t := &tailer{source: source, o: o, out: out}
	if o.untilEnd {
		for i, b := range bounds {
			if err := t.partition(ctx, int32(i), b); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i, b := range bounds {
		wg.Go(func() {
			defer cancel()
			errs[i] = t.partition(ctx, int32(i), b)
		})
	}
	wg.Wait()
	for _, err := range errs { // the cause before those that ended because of it
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}

// A tailer prints records; its partitions may be read at the same time.
type tailer struct {
	source topicReader
	o      tailOptions

	mu   sync.Mutex
	out  *bufio.Writer // guarded by mu
	line []byte        // guarded by mu; reused
}

// partition prints one partition, up to b.End with untilEnd.
func (t *tailer) partition(ctx context.Context, id int32, b stream.Bounds) error {
	p := stream.Partition{Topic: t.o.topic, ID: id}
	from := b.Start
	if t.o.from == "end" {
		from = b.End
	}
	if t.o.untilEnd && from >= b.End {
		return nil
	}
	r, err := t.source.Open(ctx, p, from)
	if err != nil {
		return fmt.Errorf("read %s partition %d: %w", p.Topic, id, err)
	}
	defer r.Close()
	for {
		records, err := r.Read(ctx)
		if err != nil {
			return fmt.Errorf("read %s partition %d: %w", p.Topic, id, err)
		}
		done, err := t.print(p, records, b.End)
		if err != nil || done {
			return err
		}
	}
}

// print prints the records that are asked for and reports whether the end is reached.
func (t *tailer) print(p stream.Partition, records []stream.Record, end int64) (done bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range records {
		r := &records[i]
		if t.o.untilEnd && r.Offset >= end {
			return true, nil
		}
		if r.Time >= t.o.since && (t.o.key == "" || string(r.Key) == t.o.key) {
			t.line = appendRecord(t.line[:0], p, r)
			if _, err := t.out.Write(t.line); err != nil {
				return false, err
			}
		}
		if t.o.untilEnd && r.Offset == end-1 {
			return true, nil
		}
	}
	if t.o.untilEnd {
		return false, nil
	}
	return false, t.out.Flush()
}

// appendRecord appends the line of a record.
func appendRecord(dst []byte, p stream.Partition, r *stream.Record) []byte {
	dst = append(dst, `{"topic":`...)
	dst = appendText(dst, string(p.Topic))
	dst = append(dst, `,"partition":`...)
	dst = strconv.AppendInt(dst, int64(p.ID), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, r.Offset, 10)
	dst = append(dst, `,"timestamp":`...)
	dst = appendText(dst, r.Time.String())
	dst = append(dst, `,"key":`...)
	if r.Key == nil {
		dst = append(dst, "null"...)
	} else {
		dst = appendText(dst, string(r.Key))
	}
	dst = append(dst, `,"value":`...)
	with, err := codec.AppendRecordJSON(dst, string(p.Topic), r.Value, r.ContentType)
	if err != nil {
		dst = append(dst, `null,"error":`...)
		dst = appendText(dst, err.Error())
		dst = append(dst, `,"bytes":`...)
		encoded, _ := json.Marshal(r.Value) // a []byte always encodes
		dst = append(dst, encoded...)
	} else {
		dst = with
	}
	return append(dst, '}', '\n')
}

// appendText appends s as a JSON string; bytes that are no UTF-8 become U+FFFD.
func appendText(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes, a bytes.Buffer always takes it
	return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}
