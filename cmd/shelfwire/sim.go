package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/daemon"
	"github.com/shelfwire/shelfwire/internal/simserver"
)

func simCommand(sh *app.Shell) *cobra.Command {
	listen, faults := "127.0.0.1:8475", ""
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Serve simulated channels",
		Long: `Serves simulated channels, to try a configuration against: shops that check requests as strictly as the real ones, sell by
themselves when told to, and fail as the file says. Each shop is at the address that is printed, and beside it, under /sim/NAME:

  GET  /sim/NAME             its levels, what it has sold, its orders and despatches
  PUT  /sim/NAME/levels      {"item":…,"location":…,"level":5}       a level is set by hand, or an item put on sale
  POST /sim/NAME/orders      {"item":…,"location":…,"quantity":1}    a shopper buys
  POST /sim/NAME/cancels     {"order":…,"restock":true}
  PUT  /sim/NAME/faults      {"error_before":1000}                   parts in a thousand
  PUT  /sim/NAME/script      ["timeout_after"]                       what the next requests meet

The file is YAML: seed, and under shops by name vendor (amazon, shopify, shop, webhook), token, secret, faults,
script, products, sales_per_minute; of amazon also applies_later, lost, feed_takes, feed_fatal, pays_after and orders_end.
examples/faults.yml has one of each.`,
		Example: "  shelfwire sim\n  shelfwire sim --listen 127.0.0.1:8475 --faults examples/faults.yml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var file simserver.File
			if faults != "" {
				text, err := os.ReadFile(faults)
				if err != nil {
					return err
				}
				if file, err = simserver.Parse(text); err != nil {
					return fmt.Errorf("%s: %w", faults, err)
				}
			}
			return serveSim(cmd.Context(), sh, listen, file)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", listen, "serve at `ADDRESS`")
	cmd.Flags().StringVar(&faults, "faults", "", "`FILE` with the shops and what goes wrong in them")
	return cmd
}

func serveSim(ctx context.Context, sh *app.Shell, listen string, file simserver.File) error {
	_, log, err := sh.Load()
	if err != nil {
		return err
	}
	server, err := simserver.New(file)
	if err != nil {
		return err
	}
	l, err := daemon.Listen(ctx, "--listen", listen)
	if err != nil {
		return err
	}
	for _, line := range server.Lines() {
		fmt.Fprintf(sh.Stdout, "http://%s%s\n", l.Addr(), line)
	}
	return daemon.Run(ctx, daemon.HTTP("sim", l, server, log), daemon.Actor{Name: "shoppers", Run: server.Run})
}
