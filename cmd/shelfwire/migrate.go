package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/chstore"
)

func migrateCommand(sh *app.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Make the ClickHouse database, or bring its schema up to date",
		Long: `Makes the ClickHouse database where it is missing and brings its tables and views to what this version needs. It may be run
again at any time. schemas/clickhouse/roles.sql makes the role of those who only read.`,
		Example: "  SHELFWIRE_CLICKHOUSE_ADDRESSES=clickhouse:9000 shelfwire migrate",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Nothing is needed of an embedded installation, whose stages would be started for it.
			return sh.With(cmd.Context(), 0, func(inst *app.Installation) error {
				bar := newProgress(sh.Stderr, "statements")
				last := ""
				before, err := inst.Migrate(cmd.Context(), func(s chstore.Step) {
					last = s.Migration
					bar.show(int64(s.Done), int64(s.Total))
				})
				bar.clear()
				switch {
				case err != nil:
					return err
				case last == "":
					fmt.Fprintf(sh.Stdout, "the schema of database %s is up to date (%d)\n", inst.Config.ClickHouse.Database, before)
				default:
					fmt.Fprintf(sh.Stdout, "the schema of database %s is now that of %s\n", inst.Config.ClickHouse.Database, last)
				}
				return nil
			})
		},
	}
}
