package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func rejectionsCommand(sh *app.Shell) *cobra.Command {
	var f rejectionFilter
	list := &cobra.Command{
		Use:   "list",
		Short: "Print what was rejected, when, where it came from and why",
		Long: `Prints a line for each rejection that the topic still holds: when, class, where it came from, pool, reason, key. An event that was
applied all the same is marked "applied". "shelfwire tail rejections" prints the bytes too.`,
		Example: "  shelfwire rejections list --pool acme --class refused",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRejections(cmd.Context(), sh, &f, func(_ *app.Installation, found []rejected) error {
				out := bufio.NewWriter(sh.Stdout)
				for _, r := range found {
					fmt.Fprintln(out, r.line())
				}
				return out.Flush()
			})
		},
	}
	var again bool
	redrive := &cobra.Command{
		Use:   "redrive",
		Short: "Send rejected events again, as they came",
		Long: `Sends the bytes of rejected events again to the topic they came from (movements for those that came over HTTP), once the reason is
mended: a channel was declared, a clock set. Say which: by a filter, or by --key, or --all.

Each is sent once. That it is going to be sent, and that it was, is written to the topic rejections under its key, so a second redrive
passes over it. Where the first was cut short nobody knows whether it was sent: it is named, and sent only with --again. Passed over
are events that were applied all the same, and those of which not all bytes were kept.`,
		Example: `  shelfwire rejections redrive --class refused --since 2026-11-20T10:00:00Z
  shelfwire rejections redrive --key movements/0/4711`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.empty() {
				return app.Usagef("say which rejections are to be sent again: by a filter, --key or --all")
			}
			return withRejections(cmd.Context(), sh, &f, func(inst *app.Installation, found []rejected) error {
				producer, err := inst.Producer(cmd.Context())
				if err != nil {
					return err
				}
				d := redriver{out: producer, now: time.Now, again: again}
				return d.run(cmd.Context(), found, sh)
			})
		},
	}
	for _, cmd := range []*cobra.Command{list, redrive} {
		cmd.Flags().StringVar(&f.pool, "pool", "", "only of this `POOL`")
		cmd.Flags().StringVar(&f.class, "class", "", "only of this `CLASS`: malformed, refused, late, duplicate, …")
		cmd.Flags().StringVar(&f.place, "place", "", "only from this `PLACE`: a topic, or topic/partition, or topic/partition/offset")
		cmd.Flags().StringVar(&f.reason, "reason", "", "only those whose reason or field contains `TEXT`")
		cmd.Flags().StringVar(&f.since, "since", "", "only those rejected at or after `TIME`, like 2026-11-20T10:00:00Z")
		cmd.Flags().StringVar(&f.key, "key", "", "only the one with this `KEY`, as list prints it")
	}
	redrive.Flags().BoolVar(&f.all, "all", false, "every one")
	redrive.Flags().BoolVar(&again, "again", false, "also those of which nobody knows whether they were sent")
	return app.Group(&cobra.Command{Use: "rejections", Short: "What was rejected, and sending it again"}, list, redrive)
}

// A rejectionFilter says which rejections are meant; an empty field is no condition.
type rejectionFilter struct {
	pool, class, place, reason, since, key string
	all                                    bool
	from                                   stock.Instant // since, read
}

func (f *rejectionFilter) empty() bool {
	return !f.all && f.pool == "" && f.class == "" && f.place == "" && f.reason == "" && f.since == "" && f.key == ""
}

func (f *rejectionFilter) read() error {
	if f.since == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, f.since)
	if err != nil {
		return app.Usagef("--since takes a time like 2026-11-20T10:00:00Z, not %q", f.since)
	}
	f.from = stock.InstantOf(t)
	return nil
}

func (f *rejectionFilter) wants(r *rejected) bool {
	at := r.place()
	return (f.pool == "" || r.Pool == f.pool) && (f.class == "" || r.Class == f.class) &&
		(f.place == "" || at == f.place || strings.HasPrefix(at, f.place+"/")) &&
		(f.reason == "" || strings.Contains(r.Reason, f.reason) || strings.Contains(r.Field, f.reason)) &&
		r.RejectedAt >= f.from && (f.key == "" || r.key == f.key)
}

// The classes that redrive writes under the key of a rejection.
const (
	classRedriving = "redriving" // it is going to be sent
	classRedriven  = "redriven"  // it was sent
)

// A rejected is a rejection, and how far it was sent again.
type rejected struct {
	record.Rejection
	key     string
	redrive string // classRedriving, classRedriven or ""
}

func (r *rejected) place() string {
	place := r.Topic + "/" + strconv.Itoa(int(r.Partition)) + "/" + strconv.FormatInt(r.Offset, 10)
	if r.Topic == "http" {
		place = "http"
	}
	return place
}

func (r *rejected) line() string {
	reason := r.Reason
	if r.Field != "" {
		reason = r.Field + ": " + reason
	}
	var notes string
	if r.Applied {
		notes = " (applied)"
	}
	if r.redrive != "" {
		notes += " (" + r.redrive + ")"
	}
	pool := r.Pool
	if pool == "" {
		pool = "-"
	}
	return fmt.Sprintf("%s  %s%s  %s  %s  %s  %s", r.RejectedAt, r.Class, notes, r.place(), pool, reason, r.key)
}

func withRejections(ctx context.Context, sh *app.Shell, f *rejectionFilter, do func(*app.Installation, []rejected) error) error {
	if err := f.read(); err != nil {
		return err
	}
	return sh.With(ctx, app.Log, func(inst *app.Installation) error {
		if err := inst.NeedTopic(ctx, stream.Rejections); err != nil {
			return err
		}
		topics, err := inst.TopicReader(ctx)
		if err != nil {
			return err
		}
		found, err := readRejections(ctx, topics, f)
		if err != nil {
			return err
		}
		return do(inst, found)
	})
}

// readRejections returns the rejections that the topic holds now, each key once, in the order in which they were first written to
// each partition.
func readRejections(ctx context.Context, source topicReader, f *rejectionFilter) ([]rejected, error) {
	var all []*rejected
	byKey := map[string]*rejected{}
	err := eachUntilEnd(ctx, source, stream.Rejections, func(rec *stream.Record) error {
		r := &rejected{key: string(rec.Key)}
		if err := codec.DecodeRejection(rec.Value, &r.Rejection); err != nil {
			return fmt.Errorf("rejection %s: %w", r.key, err)
		}
		first := byKey[r.key]
		switch {
		case r.Class == classRedriving || r.Class == classRedriven:
			if first != nil {
				first.redrive = r.Class
			}
		case first == nil:
			byKey[r.key], all = r, append(all, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var found []rejected
	for _, r := range all {
		if f.wants(r) {
			found = append(found, *r)
		}
	}
	return found, nil
}

// eachUntilEnd calls do with every record that the topic holds now.
func eachUntilEnd(ctx context.Context, source topicReader, t stream.Topic, do func(*stream.Record) error) error {
	n, err := source.Partitions(ctx, t)
	if err != nil {
		return err
	}
	for id := range n {
		p := stream.Partition{Topic: t, ID: id}
		b, err := source.Bounds(ctx, p)
		if err != nil {
			return err
		}
		if err := readUntil(ctx, source, p, b, do); err != nil {
			return fmt.Errorf("read %s partition %d: %w", t, id, err)
		}
	}
	return nil
}

func readUntil(ctx context.Context, source topicReader, p stream.Partition, b stream.Bounds, do func(*stream.Record) error) error {
	if b.Start >= b.End {
		return nil
	}
	reader, err := source.Open(ctx, p, b.Start)
	if err != nil {
		return err
	}
	defer reader.Close()
	for next := b.Start; next < b.End; {
		records, err := reader.Read(ctx)
		if err != nil {
			return err
		}
		for i := range records {
			if records[i].Offset >= b.End {
				return nil
			}
			if err := do(&records[i]); err != nil {
				return err
			}
			next = records[i].Offset + 1
		}
	}
	return nil
}

// A redriver sends rejected events again. Before an event is sent it is written down that it will be, and afterwards that it was: what is cut
// short in between is of unknown outcome, and left to a person.
type redriver struct {
	out   messageWriter
	now   func() time.Time
	again bool
}

func (d *redriver) run(ctx context.Context, found []rejected, sh *app.Shell) error {
	sent, passed, unknown := 0, 0, 0
	for i := range found {
		r := &found[i]
		switch why := passOver(r); {
		case why != "":
			passed++
			fmt.Fprintf(sh.Stderr, "%s: passed over: %s\n", r.key, why)
			continue
		case r.redrive == classRedriving && !d.again:
			unknown++
			fmt.Fprintf(sh.Stderr, "%s: an earlier redrive was cut short, and nobody knows whether it was sent: look, then --again\n", r.key)
			continue
		}
		for _, m := range []stream.Message{d.note(r, classRedriving), original(r), d.note(r, classRedriven)} {
			if err := d.out.Produce(ctx, []stream.Message{m}); err != nil {
				return errors.Join(fmt.Errorf("redrive %s: %w", r.key, err), fmt.Errorf("%d were sent before it", sent))
			}
		}
		sent++
	}
	fmt.Fprintf(sh.Stdout, "%d sent, %d passed over, %d of unknown outcome\n", sent, passed, unknown)
	if unknown > 0 {
		return app.ErrReported
	}
	return nil
}

// passOver says why a rejection is not sent again, "" if it is.
func passOver(r *rejected) string {
	switch {
	case r.redrive == classRedriven:
		return "it was sent again already"
	case r.Applied:
		return "it was applied all the same"
	case strings.HasSuffix(r.Reason, "bytes are kept)") || len(r.Value) == 0:
		return "not all of its bytes were kept"
	}
	return ""
}

// note is the record that says how far the rejection was sent again. It has no version: the fold does not say it.
func (d *redriver) note(r *rejected, class string) stream.Message {
	n := r.Rejection
	n.Class, n.Reason, n.Field, n.Value, n.Version, n.RejectedAt = class, "was "+r.Class, "", nil, 0, stock.InstantOf(d.now())
	return stream.Message{
		Topic: stream.Rejections, Partition: stream.Any, Key: []byte(r.key), Value: codec.AppendRejection(nil, &n), ContentType: stream.ContentTypeProtobuf,
	}
}

// original is the event as it came.
func original(r *rejected) stream.Message {
	m := stream.Message{Topic: stream.Topic(r.Topic), Partition: stream.Any, Key: []byte(r.Pool), Value: r.Value}
	if !slices.Contains(stream.Inputs(), m.Topic) {
		m.Topic = stream.Movements
	}
	// A rejection does not keep the content type. What the engine refused is our own protobuf, what ingest refused is what came: no
	// protobuf event begins with a brace.
	if r.Version != 0 || r.Value[0] != '{' && !json.Valid(r.Value) {
		m.ContentType = stream.ContentTypeProtobuf
	}
	if r.Topic == string(stream.Orders) {
		m.Partition = r.Partition // a mark holds for the partition of its orders
	}
	return m
}
