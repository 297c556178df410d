package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/document"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// maxFileBytes bounds a file that is read whole.
const maxFileBytes = 256 << 20

type applyOptions struct {
	prune, dryRun bool
	wait          time.Duration
}

func applyCommand(sh *app.Shell) *cobra.Command {
	o := applyOptions{wait: 30 * time.Second}
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Make outlets, channels, listings, kits and policies what a YAML file says",
		Long: `Compares what FILE ("-" for the standard input) says of a pool with what is in force, shows what differs, sends only that, and
waits until it is in force. A field that the file leaves out has its default. docs/catalogue.md describes the file.

  + comes new    ~ changes    - goes, with --prune

With --prune goes what the file does not name: in the pools that it names, and of its sections (outlets, kits, channels, listings) in
those that it has. A section with nothing in it says that there is none; one that is not there is left alone.

With --dry-run nothing is sent, and the status is 1 where something differs. Where anything in the file is wrong, all of it is named
by line and column, and nothing is sent.`,
		Example: `  shelfwire apply --dry-run acme.yaml
  shelfwire apply --prune acme.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.wait < 0 {
				return app.Usagef("--wait %s: nobody waits for less than nothing", o.wait)
			}
			pools, err := readCatalogue(sh, args[0])
			if err != nil {
				return err
			}
			return sh.With(cmd.Context(), app.Log|app.State, func(inst *app.Installation) error {
				a := applier{sh: sh, inst: inst, pools: pools, file: args[0], applyOptions: o}
				return a.run(cmd.Context())
			})
		},
	}
	cmd.Flags().BoolVar(&o.prune, "prune", false, "delete what the file does not name")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what differs and send nothing; the status is 1 if anything does")
	cmd.Flags().DurationVar(&o.wait, "wait", o.wait, "how long to wait until all is in force; 0: not at all")
	return cmd
}

// readCatalogue reads a catalogue file, and reports all that is wrong with it.
func readCatalogue(sh *app.Shell, name string) ([]catalogue.Pool, error) {
	text, err := readFile(sh, name)
	if err != nil {
		return nil, err
	}
	pools, problems := catalogue.Read(text)
	if len(problems) > 0 {
		reportProblems(sh.Stderr, name, problems)
		return nil, app.ErrReported
	}
	return pools, nil
}

// readFile reads a file, or the standard input for "-".
func readFile(sh *app.Shell, name string) ([]byte, error) {
	in := sh.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxFileBytes>>20)
	}
	return text, nil
}

func reportProblems(w io.Writer, name string, problems []document.Problem) {
	for _, p := range problems {
		fmt.Fprintf(w, "%s: %v\n", name, p)
	}
	fmt.Fprintf(w, "nothing was sent: %s has %d errors\n", name, len(problems))
}

type applier struct {
	applyOptions
	sh    *app.Shell
	inst  *app.Installation
	pools []catalogue.Pool
	file  string
}

func (a *applier) run(ctx context.Context) error {
	changes, problems, err := a.compare(ctx)
	if err != nil {
		return err
	}
	total := 0
	for i := range a.pools {
		writeChanges(a.sh.Stdout, a.pools[i].ID, changes[i])
		total += len(changes[i])
	}
	if len(problems) > 0 {
		reportProblems(a.sh.Stderr, a.file, problems)
		return app.ErrReported
	}
	switch {
	case total == 0:
		fmt.Fprintln(a.sh.Stdout, "nothing differs")
		return nil
	case a.dryRun:
		fmt.Fprintf(a.sh.Stdout, "%d differ; nothing was sent\n", total)
		return app.ErrReported
	}
	if err := a.send(ctx, changes); err != nil {
		return err
	}
	return a.await(ctx, int64(total))
}

// compare returns what differs, pool by pool.
func (a *applier) compare(ctx context.Context) (changes [][]catalogue.Change, refused []document.Problem, err error) {
	for i := range a.pools {
		c, problems, err := a.inst.CompareCatalogue(ctx, &a.pools[i], a.prune)
		if err != nil {
			return nil, nil, err
		}
		changes, refused = append(changes, c), append(refused, problems...)
	}
	return changes, refused, nil
}

// send sends the changes in their order and waits for every acknowledgement.
func (a *applier) send(ctx context.Context, changes [][]catalogue.Change) error {
	s, err := openSender(ctx, a.sh, a.inst, stream.Catalogue)
	if err != nil {
		return err
	}
	var line []byte
	for i := range changes {
		for j := range changes[i] {
			line = codec.AppendEventJSON(line[:0], &changes[i][j].Event)
			if err := s.add(ctx, a.pools[i].ID, line); err != nil {
				return fmt.Errorf("after %d events: %w", s.sent, err)
			}
		}
		for _, channel := range renamed(changes[i]) {
			line = codec.AppendEventJSON(line[:0], &record.Event{Refresh: &record.Refresh{Pool: a.pools[i].ID, Channel: channel}})
			if err := s.add(ctx, a.pools[i].ID, line); err != nil {
				return fmt.Errorf("after %d events: %w", s.sent, err)
			}
		}
	}
	err = s.flush(ctx)
	s.progress.clear()
	if err != nil {
		return fmt.Errorf("after %d events: %w", s.sent, err)
	}
	fmt.Fprintf(a.sh.Stderr, "%d events sent to %s\n", s.sent, stream.Catalogue)
	return nil
}

// renamed returns the channels whose listings get other ids, in order. An id alone changes no offer, so they are to be said again.
func renamed(changes []catalogue.Change) []string {
	channels := map[string]bool{}
	for i := range changes {
		c := &changes[i]
		if c.Event.Listing != nil && slices.ContainsFunc(c.Fields, func(f catalogue.FieldChange) bool { return strings.HasPrefix(f.Field, "channel_ids") }) {
			channels[c.Event.Listing.Channel] = true
		}
	}
	return slices.Sorted(maps.Keys(channels))
}

// The pause between two looks at what is in force begins with the first and doubles up to the last.
const (
	firstLook = 100 * time.Millisecond
	lastLook  = 5 * time.Second
)

// await waits until nothing differs any more.
func (a *applier) await(ctx context.Context, total int64) error {
	if a.wait == 0 {
		fmt.Fprintf(a.sh.Stderr, "not waited for: `shelfwire apply --dry-run %s` says whether all is in force\n", a.file)
		return nil
	}
	if err := a.inst.Fold(ctx); err != nil {
		return fmt.Errorf("fold what was sent: %w", err)
	}
	deadline := time.NewTimer(a.wait)
	defer deadline.Stop()
	progress := newProgress(a.sh.Stderr, "changes in force")
	defer progress.clear()
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		changes, _, err := a.compare(ctx)
		if err != nil {
			return err
		}
		var left int64
		for i := range changes {
			left += int64(len(changes[i]))
		}
		if left == 0 {
			progress.clear()
			fmt.Fprintf(a.sh.Stdout, "%d changes are in force\n", total)
			return nil
		}
		progress.show(max(0, total-left), total)
		next := time.NewTimer(pause)
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return ctx.Err()
		case <-deadline.C:
			next.Stop()
			return fmt.Errorf("sent, but %d of %d changes are not in force after %s: are ingest and allocator running? "+
				"`shelfwire apply --dry-run %s` says what differs, `shelfwire tail rejections --from start --until-end` what was refused",
				left, total, a.wait, a.file)
		}
	}
}

func writeChanges(w io.Writer, pool string, changes []catalogue.Change) {
	for i := range changes {
		c := &changes[i]
		fmt.Fprintf(w, "%s %s: %s\n", [...]string{catalogue.Add: "+", catalogue.Alter: "~", catalogue.Delete: "-"}[c.Verb], pool, c.Object)
		for _, f := range c.Fields {
			fmt.Fprintf(w, "    %s: %s → %s\n", f.Field, orNone(f.Old), orNone(f.New))
		}
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
