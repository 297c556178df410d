package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/config"
)

func configCommand(sh *app.Shell) *cobra.Command {
	check := &cobra.Command{
		Use:     "check",
		Short:   "Say what is wrong with the settings",
		Long:    "Reads the settings as every command does and says all that is wrong with them. It connects to nothing.",
		Example: "  shelfwire config check --config shelfwire.yml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, _, err := sh.Load(); err != nil {
				return err
			}
			fmt.Fprintln(sh.Stdout, "the settings are valid")
			return nil
		},
	}
	var reference bool
	show := &cobra.Command{
		Use:   "show",
		Short: "Print the settings in force, secrets hidden",
		Long:  "Prints the settings in force as YAML: the defaults, the file and the environment together. Secrets are hidden.",
		Example: `  shelfwire config show --config shelfwire.yml
  shelfwire config show --reference > shelfwire.yml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if reference {
				fmt.Fprint(sh.Stdout, config.Reference())
				return nil
			}
			cfg, _, err := sh.Load()
			if err != nil {
				return err
			}
			fmt.Fprint(sh.Stdout, cfg.Show())
			return nil
		},
	}
	show.Flags().BoolVar(&reference, "reference", false, "print a documented file with every default instead")
	return app.Group(&cobra.Command{Use: "config", Short: "Check or show the settings"}, check, show)
}
