package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/mapping"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// maxRowBytes bounds a row of a table.
const maxRowBytes = 4 << 20

var errRowTooLong = fmt.Errorf("a row is longer than %d MiB: is a quote not closed?", maxRowBytes>>20)

func importCommand(sh *app.Shell) *cobra.Command {
	var mapFile, topic string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "import --map FILE CSV",
		Short: "Send the rows of a CSV file as events",
		Long: `Makes an event of every row of CSV ("-" for the standard input) as the map in FILE says, and sends them like send does.
docs/import.md describes the map: which column is which field, what is the same in every row, how dates and numbers are written.

A row that is no valid event is reported with its line, the field and the reason; the others are sent, and the status is 1 at
the end. With --dry-run nothing is sent: the events are printed as send takes them.`,
		Example: `  shelfwire import --map examples/receipts.map.yaml --dry-run examples/receipts.csv
  shelfwire import --map examples/receipts.map.yaml examples/receipts.csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case mapFile == "":
				return app.Usagef("--map FILE is missing: it says which column is which field")
			case topic != "" && !isInput(stream.Topic(topic)):
				return app.Usagef("events go to movements, orders or catalogue, not to %q", topic)
			}
			m, err := readMap(sh, mapFile)
			if err != nil {
				return err
			}
			if topic == "" {
				topic = string(topicOf(m.Kind))
			}
			in := sh.Stdin
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }() // it was only read
				in = f
			}
			if dryRun {
				return printRows(cmd.Context(), sh, m, in)
			}
			return sh.With(cmd.Context(), app.Log, func(inst *app.Installation) error {
				return importRows(cmd.Context(), sh, inst, m, in, stream.Topic(topic))
			})
		},
	}
	cmd.Flags().StringVar(&mapFile, "map", "", "what the columns are, as YAML in `FILE`")
	cmd.Flags().StringVar(&topic, "topic", "", "movements, orders or catalogue, instead of what fits the events")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the events, one JSON object a line, and send nothing")
	return cmd
}

func readMap(sh *app.Shell, name string) (*mapping.Map, error) {
	text, err := readFile(sh, name)
	if err != nil {
		return nil, err
	}
	m, problems := mapping.Read(text, time.LoadLocation)
	if len(problems) > 0 {
		reportProblems(sh.Stderr, name, problems)
		return nil, app.ErrReported
	}
	return m, nil
}

// topicOf returns the topic that events of a kind fit.
func topicOf(kind string) stream.Topic {
	switch kind {
	case "movement":
		return stream.Movements
	case "order", "fulfilment", "decline", "reassign":
		return stream.Orders
	}
	return stream.Catalogue
}

func importRows(ctx context.Context, sh *app.Shell, inst *app.Installation, m *mapping.Map, in io.Reader, topic stream.Topic) error {
	s, err := openSender(ctx, sh, inst, topic)
	if err != nil {
		return err
	}
	err = eachRow(m, in, func(e *record.Event, line []byte) error { return s.add(ctx, e.PoolID(), line) }, s.report)
	if err == nil {
		err = s.flush(ctx)
	}
	s.progress.clear()
	switch {
	case err != nil:
		return fmt.Errorf("after %d events: %w", s.sent, err)
	case s.bad > 0:
		fmt.Fprintf(sh.Stderr, "%d events sent to %s, %d bad rows left out\n", s.sent, topic, s.bad)
		return app.ErrReported
	}
	fmt.Fprintf(sh.Stderr, "%d events sent to %s\n", s.sent, topic)
	return nil
}

// printRows prints the events of the rows.
func printRows(ctx context.Context, sh *app.Shell, m *mapping.Map, in io.Reader) error {
	out := bufio.NewWriter(sh.Stdout)
	good, bad := 0, 0
	err := eachRow(m, in, func(_ *record.Event, line []byte) error {
		good++
		_, _ = out.Write(line) // Flush returns what went wrong
		if err := out.WriteByte('\n'); err != nil {
			return err
		}
		return ctx.Err()
	}, func(line int, err error) {
		bad++
		fmt.Fprintf(sh.Stderr, "line %d: %v\n", line, err)
	})
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if bad > 0 {
		fmt.Fprintf(sh.Stderr, "%d events, %d bad rows\n", good, bad)
		return app.ErrReported
	}
	return nil
}

// eachRow calls f with the event of every row, also as JSON, which is valid during the call, and report with the line of every row
// that makes none.
func eachRow(m *mapping.Map, in io.Reader, f func(e *record.Event, line []byte) error, report func(line int, err error)) error {
	bounded := &boundedReader{r: in, left: maxRowBytes}
	unmarked, err := withoutMark(bounded)
	if err != nil {
		return err
	}
	r := csv.NewReader(unmarked)
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = m.Delimiter, -1, true
	header := m.Header
	if header == nil {
		bounded.next()
		first, err := r.Read()
		if err != nil {
			return fmt.Errorf("read the names of the columns: %w", err)
		}
		header = first
	}
	table, err := m.Bind(header)
	if err != nil {
		return err
	}
	var text []byte
	for {
		bounded.next()
		row, err := r.Read()
		var bad *csv.ParseError
		switch {
		case bounded.left == 0:
			return errRowTooLong
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad) && bad.Line > bad.StartLine:
			report(bad.StartLine, fmt.Errorf("a quote is not closed: everything to line %d was taken for one row", bad.Line))
			continue
		case errors.As(err, &bad):
			report(bad.StartLine, fmt.Errorf("column %d: %w", bad.Column, bad.Err))
			continue
		case err != nil:
			return err
		}
		line, _ := r.FieldPos(0)
		var event record.Event
		if err := table.Event(row, &event); err != nil {
			report(line, err)
			continue
		}
		text = codec.AppendEventJSON(text[:0], &event)
		if err := f(&event, text); err != nil {
			return err
		}
	}
}

// withoutMark skips the mark that some programs put before UTF-8, and refuses UTF-16, which has one too.
func withoutMark(in io.Reader) (io.Reader, error) {
	r := bufio.NewReader(in)
	start, err := r.Peek(3)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case bytes.Equal(start, []byte("\xef\xbb\xbf")):
		_, err = r.Discard(3)
		return r, err
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")):
		return nil, errors.New("the file is UTF-16: save it as UTF-8")
	}
	return r, nil
}

// A boundedReader fails when a row takes too much: a quote that is never closed would take in the rest of the file.
type boundedReader struct {
	r    io.Reader
	left int
}

// next begins another row.
func (b *boundedReader) next() { b.left = maxRowBytes }

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p[:min(len(p), b.left)])
	if b.left -= n; b.left == 0 {
		return n, errRowTooLong
	}
	return n, err
}
