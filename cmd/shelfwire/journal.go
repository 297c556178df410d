package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
)

func journalCommand(sh *app.Shell) *cobra.Command {
	var o app.RebaseOptions
	rebase := &cobra.Command{
		Use:   "rebase OLD NEW",
		Short: "Go on with a new journal: of other partitions, or on other brokers",
		Long: `Moves the state in the snapshot OLD to a new journal. Every pool goes to the partition that the new journal has for it, and the
journal's generation is raised, so that every version from now on is above those so far. The state is written to the snapshot NEW,
which the next "shelfwire snapshot" and "shelfwire verify --snapshot" begin with, and to Redis.

To change the number of partitions: stop ingest, wait until "shelfwire status" shows nothing that the allocator has not folded, stop the
allocator and audit, make a snapshot, set topics.journal_partitions, and rebase with --delete-journal. The old journal is deleted only where
the snapshot holds its last entry. To move to other brokers: the same up to the snapshot, then set their address, run "shelfwire topics
apply", and rebase with --complete.

Where it breaks off, run it again, with --complete if the old journal is gone. A new journal cannot be folded from nothing: keep NEW.
Numbers that were told before cannot be explained from the journal any more; the history keeps them.`,
		Example: `  shelfwire snapshot old.snapshot
  SHELFWIRE_TOPICS_JOURNAL_PARTITIONS=32 shelfwire journal rebase --delete-journal old.snapshot new.snapshot`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Path, o.To = args[0], args[1]
			return sh.With(cmd.Context(), app.Log|app.NewState, func(inst *app.Installation) error {
				shown := newProgress(sh.Stderr, "rows")
				o.Progress = shown.show
				report, err := inst.Rebase(cmd.Context(), o)
				shown.clear()
				if err != nil {
					return err
				}
				fmt.Fprintf(sh.Stdout, "%d rows written\n", report.Rows)
				for id, at := range report.Positions {
					fmt.Fprintf(sh.Stdout, "journal partition %d begins at %v\n", id, at)
				}
				return nil
			})
		},
	}
	rebase.Flags().BoolVar(&o.DeleteJournal, "delete-journal", false, "delete the old journal, which the snapshot holds all of, and make the new one")
	rebase.Flags().BoolVar(&o.Complete, "complete", false, "the old journal is not there any more, and the snapshot holds all of it")
	return app.Group(&cobra.Command{Use: "journal", Short: "Move to a new journal"}, rebase)
}
