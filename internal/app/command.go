// Package app puts the stages together with the servers they work on, and holds what all our commands share: flags,
// help, exit status. It decides nothing; it is the one place below cmd that sees every layer.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shelfwire/shelfwire/internal/config"
	"github.com/shelfwire/shelfwire/internal/daemon"
)

// Exit statuses of every command.
const (
	StatusDone   = 0
	StatusFailed = 1 // or found a difference
	StatusUsage  = 2
)

// ErrReported is returned by a command that has said on its own what went wrong: the status is 1, nothing is added.
var ErrReported = errors.New("already reported")

// A usageError is a wrong use of a command.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// Usagef returns an error for a wrong use of a command (status 2).
func Usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// An Environment is what a command sees of the world outside.
type Environment struct {
	Environ        []string // as os.Environ gives it
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// A Shell carries what every command of a program shares: its environment and the flags that choose the settings.
type Shell struct {
	Environment
	file, data string
}

// NewCommand returns the root of a program with the flags --config and --data and help that lists every setting, and the
// shell that its commands load their settings through.
func NewCommand(env Environment, use, short, long, example string) (*cobra.Command, *Shell) {
	sh := &Shell{Environment: env}
	root := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args:          cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.PersistentFlags().StringVar(&sh.file, "config", "", "read settings from `FILE` (YAML)")
	root.PersistentFlags().StringVar(&sh.data, "data", "", "use the embedded installation in `DIR`, running or not")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)

	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		help(cmd, args)
		if cmd == root {
			writeSettings(cmd.OutOrStdout())
			return
		}
		fmt.Fprintf(cmd.OutOrStdout(), "\nEvery setting has a %s… variable: %s --help lists them.\n", config.EnvPrefix, root.Name())
	})
	return root, sh
}

// writeSettings prints the variable of every setting.
func writeSettings(w io.Writer) {
	settings := config.Settings()
	width := 0
	for _, s := range settings {
		width = max(width, len(s.Env))
	}
	fmt.Fprint(w, "\nSettings (defaults, then the file, then these variables; deploy/shelfwire.reference.yml has the defaults):\n")
	for _, s := range settings {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-*s  %s", width, s.Env, s.Help), " "))
	}
}

// Execute runs the command that args name and returns the exit status. What went wrong is printed on Stderr.
func Execute(ctx context.Context, root *cobra.Command, args []string, env Environment) int {
	wrapArgs(root)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return StatusDone
	case errors.Is(err, ErrReported):
		return StatusFailed
	case errors.As(err, &usage):
		fmt.Fprintf(env.Stderr, "%s: %v\n%s\n", cmd.CommandPath(), err, cmd.UseLine())
		return StatusUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintf(env.Stderr, "%s: interrupted\n", cmd.CommandPath())
		return StatusFailed
	default:
		fmt.Fprintf(env.Stderr, "%s: %v\n", cmd.CommandPath(), err)
		return StatusFailed
	}
}

// wrapArgs makes wrong arguments a wrong use, in every command.
func wrapArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return &usageError{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
}

// Group makes cmd a command that only holds others: used by itself it prints its help and is a wrong use.
func Group(cmd *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unknown command %q", args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SetOut(cmd.ErrOrStderr())
		if err := cmd.Help(); err != nil {
			return err
		}
		return Usagef("a command is missing")
	}
	cmd.AddCommand(subs...)
	return cmd
}

// Load reads the settings that the flags, the file and the environment give, and the logger that they ask for. A
// variable that is no setting is warned of.
func (sh *Shell) Load() (config.Config, *slog.Logger, error) {
	cfg, err := config.Load(config.Source{File: sh.file, Environ: sh.Environ, Data: sh.data})
	if err != nil {
		return cfg, nil, err
	}
	level, err := cfg.Level()
	if err != nil {
		return cfg, nil, err
	}
	log := daemon.NewLogger(sh.Stderr, level)
	for _, name := range config.UnknownVariables(sh.Environ) {
		log.Warn("variable is no setting", "name", name)
	}
	return cfg, log, nil
}
