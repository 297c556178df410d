package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
)

func runCommand(sh *app.Shell) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run every stage in one process",
		Long: `Runs every stage in one process, until it is stopped: on the real servers, where their addresses are set, or else on
embedded parts that need nothing installed and keep everything in the directory of --data (` + app.DefaultDir + ` by default).

While ClickHouse does not answer, only the history and the page wait for it: /readyz names them.

Its addresses are printed when it is ready; with embedded parts they are also in DIR/endpoints, where every command with
the same --data finds them. SIGTERM or Ctrl-C stops it cleanly, a second one at once.`,
		Example: `  shelfwire run
  shelfwire run --data /var/lib/shelfwire
  SHELFWIRE_KAFKA_BROKERS=kafka:9092 SHELFWIRE_REDIS_ADDRESSES=redis:6379 SHELFWIRE_CLICKHOUSE_ADDRESSES=ch:9000 shelfwire run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			cfg, log, err := sh.Load()
			if err != nil {
				return err
			}
			inst, err := app.Open(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, inst.Close()) }()
			return inst.Run(cmd.Context(), app.Stages(), app.RunOptions{
				OpsListen: cfg.Run.OpsListen, OpsKey: "run.ops_listen",
				Ready: func(r app.Running) {
					fmt.Fprintf(sh.Stdout, "events    POST %s\npage      %s\nmetrics   %smetrics\n", r.Events, r.Page, r.Ops)
				},
			})
		},
	}
}
