// Command shelfwire is the tool of a Shelfwire pipeline: it runs all stages in one process, makes topics and tables,
// sends events, reads what the pipeline says, and checks it.
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

// run runs one command and returns its exit status.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := app.Environment{Environ: environ, Stdin: stdin, Stdout: stdout, Stderr: stderr}
	root, sh := app.NewCommand(env, "shelfwire", "Exact stock on every sales channel",
		`Shelfwire keeps the exact counts of every outlet, decides which outlet serves which order, tells every sales
channel what it may sell, and knows afterwards what was told, when, and why.

Exit status: 0 done, 1 failed or a difference found, 2 wrong use.`,
		`  shelfwire run                                      everything in one process, nothing to install
  shelfwire send examples/sample.ndjson              events, one a line
  shelfwire tail availability --from start --until-end
  shelfwire stock acme SHIRT`)
	app.Group(root,
		demoCommand(sh), runCommand(sh), topicsCommand(sh), originsCommand(sh), migrateCommand(sh), configCommand(sh),
		sendCommand(sh), applyCommand(sh), importCommand(sh), tailCommand(sh), stockCommand(sh), orderCommand(sh), toldCommand(sh),
		explainCommand(sh), statusCommand(sh), syncCommand(sh), pushCommand(sh), ordersCommand(sh), failedCommand(sh), matchCommand(sh),
		rejectionsCommand(sh), refreshCommand(sh), verifyCommand(sh), shadowCommand(sh), snapshotCommand(sh), restoreCommand(sh),
		journalCommand(sh), simCommand(sh),
	)
	return app.Execute(ctx, root, args, env)
}
