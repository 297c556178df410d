package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/snapshot"
	"github.com/shelfwire/shelfwire/internal/verify"
)

func verifyCommand(sh *app.Shell) *cobra.Command {
	var pool, base string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Fold the journal again and compare Redis, the topics and the history with it",
		Long: `Folds the journal again from its first entry and compares what comes out with what is there: every row in Redis, every
record of the output topics, and the newest rows of the history. It only reads, and may run beside a pipeline at work.

Where the journal's first entries are gone it begins with a snapshot: the one of --snapshot, or an embedded installation's own.

The status is 1 where something differs. Each difference is a line (the first 100 are printed).`,
		Example: `  shelfwire verify
  shelfwire verify --pool acme --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sh.With(cmd.Context(), app.Log|app.State|app.Past, func(inst *app.Installation) error {
				return runVerify(cmd.Context(), sh, inst, pool, base, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&pool, "pool", "", "only this `POOL`")
	cmd.Flags().StringVar(&base, "snapshot", "", "begin with the snapshot in `FILE`")
	cmd.Flags().BoolVar(&asJSON, "json", false, `print {"rows":…,"differences":…}`)
	return cmd
}

func runVerify(ctx context.Context, sh *app.Shell, inst *app.Installation, pool, base string, asJSON bool) error {
	cfg := verify.Config{Pool: pool}
	if base != "" {
		f, err := snapshot.Open(base)
		if err != nil {
			return err
		}
		defer f.Close()
		cfg.Base = f
	}
	shown := map[string]*progress{}
	var last *progress
	cfg.Progress = func(p verify.Progress) {
		if shown[p.Step] == nil {
			shown[p.Step] = newProgress(sh.Stderr, p.Step)
		}
		last = shown[p.Step]
		last.show(p.Done, p.Total)
	}
	report, err := inst.Verify(ctx, cfg)
	if last != nil {
		last.clear()
	}
	if err != nil {
		return err
	}
	for _, note := range report.Notes {
		fmt.Fprintln(sh.Stderr, note)
	}
	for _, d := range report.Details {
		fmt.Fprintln(sh.Stderr, d)
	}
	if n := report.Differences - len(report.Details); n > 0 {
		fmt.Fprintf(sh.Stderr, "and %d more\n", n)
	}
	if asJSON {
		fmt.Fprintf(sh.Stdout, `{"rows":%d,"differences":%d}`+"\n", report.Rows, report.Differences)
	} else {
		fmt.Fprintf(sh.Stdout, "%d rows compared, %d differences\n", report.Rows, report.Differences)
	}
	if report.Differences > 0 {
		return app.ErrReported
	}
	return nil
}
