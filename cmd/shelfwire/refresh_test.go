package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestRefreshWritesEverythingAgain(t *testing.T) {
	t.Parallel()
	env := quietEnv("SHELFWIRE_DATA=" + filepath.Join(t.TempDir(), "data"))
	stop := startRun(t, env)
	sampleTravels(t, env)
	availability, offers := count(t, env, "availability"), count(t, env, "offers")
	skus := strings.Count(must(t, env, "", "stock", "acme"), "\n") - 1

	stdout := must(t, env, "", "refresh", "acme")
	if !strings.Contains(stdout, "pool acme is being written again") || !strings.Contains(stdout, "shelfwire tail offers --from ") {
		t.Errorf("refresh says %s", stdout)
	}
	eventually(t, "every count is written again", func() bool { return count(t, env, "availability") == availability+skus })
	eventually(t, "the offers are", func() bool { return count(t, env, "offers") > offers })

	offers = count(t, env, "offers")
	if stdout = must(t, env, "", "refresh", "web"); !strings.Contains(stdout, "channel acme/web") {
		t.Errorf("refresh says %s", stdout)
	}
	eventually(t, "the channel's offers are written again", func() bool { return count(t, env, "offers") > offers })
	if again := count(t, env, "availability"); again != availability+skus {
		t.Errorf("counts were written %d times more for a channel's sake", again-availability-skus)
	}
	for name, want := range map[string]string{
		"acne": "no pool is called so, and no pool has a channel", "acne/web": `no pool is called "acne"`, "acme/app": "has no channel",
	} {
		if _, stderr, status := cli(t, env, "", "refresh", name); status != 1 || !strings.Contains(stderr, want) {
			t.Errorf("refresh %s: status %d, %s", name, status, stderr)
		}
	}
	stop()
	offers = count(t, env, "offers")
	must(t, env, "", "refresh", "acme/web") // of an installation that does not run
	if again := count(t, env, "offers"); again <= offers {
		t.Error("nothing was written again by an installation that does not run")
	}
}
