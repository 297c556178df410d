package app_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/app"
)

func command(t *testing.T, s app.Stage, environ []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errOut bytes.Buffer
	env := app.Environment{Environ: environ, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errOut}
	status = app.Execute(t.Context(), app.StageCommand(env, s), args, env)
	return out.String(), errOut.String(), status
}

func TestStageCommands(t *testing.T) {
	wanted := map[app.Stage]string{
		app.Ingest:    "SHELFWIRE_KAFKA_BROKERS",
		app.Allocator: "SHELFWIRE_REDIS_ADDRESSES",
		app.Publisher: "SHELFWIRE_REDIS_ADDRESSES",
		app.Audit:     "SHELFWIRE_CLICKHOUSE_ADDRESSES",
	}
	for _, s := range app.Stages() {
		t.Run(string(s), func(t *testing.T) {
			stdout, _, status := command(t, s, nil, "--help")
			if status != 0 || !strings.Contains(stdout, "SHELFWIRE_KAFKA_BROKERS") || !strings.Contains(stdout, "--config") {
				t.Errorf("--help: status %d, %s", status, stdout)
			}
			_, stderr, status := command(t, s, nil)
			if status != 1 || !strings.Contains(stderr, wanted[s]) || !strings.Contains(stderr, "`shelfwire run` needs none") {
				t.Errorf("without addresses: status %d, %q, want 1 naming %s", status, stderr, wanted[s])
			}
			if _, stderr, status = command(t, s, nil, "twice"); status != 2 || stderr == "" {
				t.Errorf("with an argument: status %d, %q, want 2", status, stderr)
			}
			file := filepath.Join(t.TempDir(), "c.yml")
			if err := os.WriteFile(file, []byte("kafka:\n  borkers: [a:1]\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, stderr, status = command(t, s, nil, "--config", file); status != 1 || !strings.Contains(stderr, ":2: unknown key kafka.borkers") {
				t.Errorf("with a misspelt key: status %d, %q", status, stderr)
			}
		})
	}
}

func TestAMisspeltVariableIsWarnedOf(t *testing.T) {
	_, stderr, _ := command(t, app.Ingest, []string{"SHELFWIRE_KAFKA_BROKER=a:1"})
	if !strings.Contains(stderr, `"name":"SHELFWIRE_KAFKA_BROKER"`) {
		t.Errorf("said %q, want a warning that names the variable", stderr)
	}
}
