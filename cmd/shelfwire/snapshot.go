package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/snapshot"
)

func snapshotCommand(sh *app.Shell) *cobra.Command {
	var previous string
	cmd := &cobra.Command{
		Use:   "snapshot FILE",
		Short: "Copy the hot state into a file, folded from the journal",
		Long: `Writes the counts, allocations and offers of every pool into FILE, without reading Redis: the previous snapshot is folded
forward over the journal, up to where the allocator has got. Where FILE exists it is the previous snapshot, and is replaced
when the new one is whole; without a previous one the journal must still begin with its first entry.

Keep the journal for longer than two snapshots, and a snapshot somewhere else than Redis. "shelfwire verify --snapshot FILE"
compares Redis with it.`,
		Example: `  shelfwire snapshot /backup/shelfwire.snapshot
  shelfwire snapshot --from monday.snapshot tuesday.snapshot`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return sh.With(cmd.Context(), app.Log, func(inst *app.Installation) error {
				shown := newProgress(sh.Stderr, "entries")
				report, err := inst.Snapshot(cmd.Context(), snapshot.Config{Path: args[0], Previous: previous, Progress: shown.show})
				shown.clear()
				if err != nil {
					return err
				}
				fmt.Fprintf(sh.Stdout, "%d rows after %d more entries\n", report.Rows, report.Entries)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&previous, "from", "", "fold the snapshot in `FILE` forward")
	return cmd
}

func restoreCommand(sh *app.Shell) *cobra.Command {
	var o app.RestoreOptions
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a snapshot back into Redis",
		Long: `Empties what Redis holds of the journal's partitions and writes the snapshot's rows, the position last. Then the allocator folds
on from there by itself, so any snapshot will do that the journal still reaches back to. Nothing is touched where the snapshot is not
whole, or does not fit the journal.

Stop the allocator first. One that runs all the same waits until the restore is over; one that has stopped its partitions with an
alarm must be started again. With --data the installation's own snapshot is replaced.`,
		Example: "  shelfwire restore /backup/shelfwire.snapshot",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Path = args[0]
			return sh.With(cmd.Context(), app.Log|app.NewState, func(inst *app.Installation) error {
				shown := newProgress(sh.Stderr, "rows")
				o.Progress = shown.show
				report, err := inst.Restore(cmd.Context(), o)
				shown.clear()
				if err != nil {
					return err
				}
				fmt.Fprintf(sh.Stdout, "%d rows written\n", report.Rows)
				for id, at := range report.Positions {
					fmt.Fprintf(sh.Stdout, "journal partition %d goes on from %v\n", id, at)
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&o.WhileRunning, "while-running", false, "though an allocator is at work")
	cmd.Flags().BoolVar(&o.OtherJournal, "other-journal", false, "though the journal has another id: it is a copy, entry by entry")
	return cmd
}
