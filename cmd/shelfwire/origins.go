package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/stream"
)

func originsCommand(sh *app.Shell) *cobra.Command {
	var atEnd bool
	accept := &cobra.Command{
		Use:   "accept TOPIC...",
		Short: "Begin anew with an input topic that was made again",
		Long: `Says that ingest may begin with an input topic as it is now. Ingest stops where a topic was deleted and made again, or where the
broker has forgotten how far it was: every record in a topic that was made again counts, also one that came by the old topic.

Look at what the topic holds before ("shelfwire tail TOPIC --from start"). Of a topic that is still the same nothing counts twice.
Ingest must be stopped.`,
		Example: `  shelfwire origins accept movements
  shelfwire origins accept movements --from-end`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				if !slices.Contains(stream.Inputs(), stream.Topic(name)) {
					var names []string
					for _, t := range stream.Inputs() {
						names = append(names, string(t))
					}
					return app.Usagef("%q is no input topic: they are %s", name, strings.Join(names, ", "))
				}
			}
			return sh.With(cmd.Context(), app.Log, func(inst *app.Installation) error {
				for _, name := range args {
					if err := inst.AcceptOrigin(cmd.Context(), stream.Topic(name), atEnd); err != nil {
						return err
					}
					fmt.Fprintf(sh.Stdout, "%s%s is accepted\n", inst.Config.TopicPrefix, name)
				}
				return nil
			})
		},
	}
	accept.Flags().BoolVar(&atEnd, "from-end", false, "pass over what the topic holds now")
	return app.Group(&cobra.Command{Use: "origins", Short: "Accept an input topic that was made again"}, accept)
}
