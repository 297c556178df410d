package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/demo"
)

func demoCommand(sh *app.Shell) *cobra.Command {
	o := demo.Options{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole pipeline with a simulated retailer's day",
		Long: `Runs the whole pipeline on embedded parts with a simulated retailer: four outlets, 500 SKUs, three channels that sell by
themselves: a Shopify shop, which throttles, another that fails and a marketplace that times out now and then. Nothing needs to be installed.

With --for it ends by itself: it waits until every channel has been told, verifies every row, and prints a summary. The same
seed gives the same movements and shoppers' attempts. Without --data everything is thrown away at the end.`,
		Example: `  shelfwire demo
  shelfwire demo --for 30s --report r.json
  shelfwire demo --speed 10 --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.For < 0:
				return app.Usagef("--for %s: a day lasts longer than nothing", o.For)
			case !(o.Speed > 0 && o.Speed <= 1000):
				return app.Usagef("--speed %v is not between 0 and 1000", o.Speed)
			}
			cfg, log, err := sh.Load()
			if err != nil {
				return err
			}
			if cfg.HasServers() {
				return app.Usagef("the demo runs on embedded parts: unset the addresses of servers")
			}
			o.Out = sh.Stdout
			return demo.Run(cmd.Context(), cfg, log, o)
		},
	}
	cmd.Flags().DurationVar(&o.For, "for", 0*time.Second, "how long the day lasts; 0: until it is stopped")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 1, "of the day's movements and shoppers")
	cmd.Flags().Float64Var(&o.Speed, "speed", 1, "how much denser events are (1 is 25 a second)")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:8470", "`ADDRESS` of the audit view")
	cmd.Flags().StringVar(&o.Report, "report", "", "write the summary to `FILE` as JSON")
	return cmd
}
