package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write writes a file for a command to read.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// expect runs a command that has to end with a status and to print what is wanted.
func expect(t *testing.T, env []string, status int, want string, args ...string) {
	t.Helper()
	stdout, stderr, got := cli(t, env, "", args...)
	if got != status || stdout != want {
		t.Errorf("shelfwire %s: status %d, want %d, printing\n%swant\n%s(stderr: %s)", strings.Join(args, " "), got, status, stdout, want, stderr)
	}
}

func TestApplyMakesItWhatTheFileSays(t *testing.T) {
	t.Parallel()
	env := quietEnv("SHELFWIRE_DATA=" + t.TempDir())
	file := write(t, "acme.yaml", `
pool: acme
outlets: {MTL: {priority: 1}, LAV: {priority: 2}}
channels: {web: {outlets: [MTL, LAV]}}
listings: {web: {SHIRT: , HAT: }}
`)
	fewer := write(t, "fewer.yaml", `
pool: acme
outlets: {MTL: {priority: 1}, LAV: {priority: 3}}
listings: {web: {SHIRT: }}
`)
	stop := startRun(t, env)
	all := `+ acme: outlet LAV
+ acme: outlet MTL
+ acme: channel web
+ acme: listing web HAT
+ acme: listing web SHIRT
`
	expect(t, env, 1, all+"5 differ; nothing was sent\n", "apply", "--dry-run", file)
	expect(t, env, 0, all+"5 changes are in force\n", "apply", file)
	expect(t, env, 0, "nothing differs\n", "apply", file)
	expect(t, env, 0, "nothing differs\n", "apply", "--dry-run", file)

	// The same on an installation that does not run.
	if status := stop(); status != 0 {
		t.Fatalf("run ended with status %d", status)
	}
	less := `- acme: listing web HAT
~ acme: outlet LAV
    priority: 2 → 3
`
	expect(t, env, 1, less+"2 differ; nothing was sent\n", "apply", "--dry-run", "--prune", fewer)
	expect(t, env, 0, less+"2 changes are in force\n", "apply", "--prune", fewer)
	expect(t, env, 0, "nothing differs\n", "apply", "--prune", "--dry-run", fewer)
}

func TestApplySendsNothingOfAWrongFile(t *testing.T) {
	t.Parallel()
	env := quietEnv("SHELFWIRE_DATA=" + t.TempDir())
	file := write(t, "acme.yaml", "pool: acme\noutlets:\n  MTL: {priority: first, safty_stock: 1}\n")
	stdout, stderr, status := cli(t, env, "", "apply", file)
	want := file + ": line 3, column 19: outlets.MTL.priority must be a whole number\n" +
		file + ": line 3, column 26: outlets.MTL.safty_stock is unknown\n" +
		"nothing was sent: " + file + " has 2 errors\n"
	if status != 1 || stdout != "" || stderr != want {
		t.Errorf("status %d, %q, %q; want 1, nothing, %q", status, stdout, stderr, want)
	}

	startRun(t, env)
	file = write(t, "kits.yaml", "pool: acme\noutlets: {MTL: }\nkits:\n  A: {components: {A: 1}}\n")
	_, stderr, status = cli(t, env, "", "apply", file)
	if want := `line 4, column 3: kits.A is refused: kit "A" would be made of itself`; status != 1 || !strings.Contains(stderr, want) {
		t.Errorf("status %d, %q, want 1 and %q", status, stderr, want)
	}
	expect(t, env, 1, "+ acme: outlet MTL\n1 differ; nothing was sent\n", "apply", "--dry-run", write(t, "outlet.yaml", "pool: acme\noutlets: {MTL: }\n"))
}
