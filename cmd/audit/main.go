// Command audit runs the history writer and the audit page.
package main

import (
	"context"
	"io"
	"os"

	"github.com/shelfwire/shelfwire/internal/app"
	"github.com/shelfwire/shelfwire/internal/daemon"
)

func main() {
	ctx, stop := daemon.SignalContext(context.Background())
	status := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run runs the stage until ctx ends and returns the exit status.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := app.Environment{Environ: environ, Stdin: stdin, Stdout: stdout, Stderr: stderr}
	return app.Execute(ctx, app.StageCommand(env, app.Audit), args, env)
}
