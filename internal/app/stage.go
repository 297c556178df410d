package app

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

// The help of each stage's command.
var stageHelp = map[Stage]struct{ short, long string }{
	Ingest: {
		"Check what comes in and put it in one order per pool",
		`Takes events from the topics movements, orders and catalogue and over HTTP (POST /v1/events), checks them, and writes
them to the journal in one order per pool. What is wrong goes to the topic rejections with its reason.`,
	},
	Allocator: {
		"Fold the journal into counts, allocations and offers",
		`Folds the journal into counts per outlet, decides which outlet serves which order, and works out what each channel may
show. The present state is in Redis, what changed goes to the topics availability, allocations, offers and shipments.

It goes on where Redis stands. Where Redis has nothing it folds the whole journal again, and says every few seconds how much is left and
for how long; where the journal is not whole any more it stops and asks for a snapshot: it never counts from zero.`,
	},
	Publisher: {
		"Tell the channels what they may show",
		`Tells each channel the offers of its listings: written down before it is sent, the outcome after, a sale in flight never
given back. What was told is in the topic communications. End points and credentials are in the setting channels.`,
	},
	Audit: {
		"Write the history and serve the audit page",
		`Writes what happened to the history in ClickHouse, and serves the page that answers what was told to which channel,
when, and from which numbers.

It waits for a ClickHouse that does not answer; the page says so meanwhile, and so does /readyz. A schema that is not this program's is
refused.`,
	},
}

// StageCommand returns the root of the program that runs one stage on real servers.
func StageCommand(env Environment, s Stage) *cobra.Command {
	help := stageHelp[s]
	root, sh := NewCommand(env, string(s), help.short,
		help.long+`

Run as many as there are partitions, each with an instance_id of its own. SIGTERM stops it cleanly, a second one at once.`,
		"  "+string(s)+" --config /etc/shelfwire.yml\n  SHELFWIRE_KAFKA_BROKERS=kafka:9092 … "+string(s))
	root.RunE = func(cmd *cobra.Command, _ []string) error { return sh.runStage(cmd.Context(), s) }
	return root
}

func (sh *Shell) runStage(ctx context.Context, s Stage) (err error) {
	cfg, log, err := sh.Load()
	if err != nil {
		return err
	}
	if err := needServers(&cfg, needOf(s)); err != nil {
		return errors.Join(err, errors.New("a stage of its own works on real servers: `shelfwire run` needs none"))
	}
	inst := &Installation{Config: cfg, Log: log}
	defer func() { err = errors.Join(err, inst.Close()) }()
	ops, key := inst.opsListen(s)
	return inst.Run(ctx, []Stage{s}, RunOptions{OpsListen: ops, OpsKey: key})
}

// needOf returns the servers that a stage works on.
func needOf(s Stage) Need {
	switch s {
	case Ingest:
		return Log
	case Allocator, Publisher:
		return Log | State
	default:
		return Log | State | Past
	}
}

// opsListen returns the address of a stage's operational end points, and its setting.
func (inst *Installation) opsListen(s Stage) (address, key string) {
	switch c := inst.Config; s {
	case Ingest:
		return c.Ingest.OpsListen, "ingest.ops_listen"
	case Allocator:
		return c.Allocator.OpsListen, "allocator.ops_listen"
	case Publisher:
		return c.Publisher.OpsListen, "publisher.ops_listen"
	default:
		return c.Audit.OpsListen, "audit.ops_listen"
	}
}
