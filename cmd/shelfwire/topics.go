package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
)

func topicsCommand(sh *app.Shell) *cobra.Command {
	apply := &cobra.Command{
		Use:   "apply",
		Short: "Make the topics that are missing and check the others",
		Long: `Makes the topics that are missing, with the partitions, copies and retention that the settings say, and checks those
that exist. A topic that differs is named with what to do; it is never changed.`,
		Example: "  SHELFWIRE_KAFKA_BROKERS=kafka:9092 shelfwire topics apply",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return sh.With(cmd.Context(), app.Log, func(inst *app.Installation) error {
				made, err := inst.ApplyTopics(cmd.Context())
				for _, t := range made {
					fmt.Fprintf(sh.Stdout, "made %s%s\n", inst.Config.TopicPrefix, t)
				}
				if err == nil && len(made) == 0 {
					fmt.Fprintln(sh.Stdout, "every topic is there and as it must be")
				}
				return err
			})
		},
	}
	return app.Group(&cobra.Command{Use: "topics", Short: "Make or check the topics"}, apply)
}
