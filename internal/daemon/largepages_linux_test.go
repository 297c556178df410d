package daemon_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/shelfwire/shelfwire/internal/daemon"
)

// A heap that grows after LargePages stands on large pages, and until it grows it takes no memory. It is looked at in a process of its
// own, whose heap has not grown yet.
func TestLargePages(t *testing.T) {
	const inside, grown = "SHELFWIRE_TEST_INSIDE", 256 << 20
	if os.Getenv(inside) != "" {
		daemon.LargePages()
		before := resident(t)
		heap := bytes.Repeat([]byte("x"), grown)
		_, _ = os.Stdout.WriteString("before " + strconv.Itoa(before["Rss"]) + " large " + strconv.Itoa(resident(t)["AnonHugePages"]) + "\n")
		runtime.KeepAlive(heap)
		return
	}
	enabled, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || strings.Contains(string(enabled), "[never]") {
		t.Logf("this kernel gives no large pages (%q, %v): only that nothing breaks is tested", enabled, err)
		daemon.LargePages()
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestLargePages$")
	cmd.Env = append(os.Environ(), inside+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said := regexp.MustCompile(`before (\d+) large (\d+)`).FindStringSubmatch(string(out))
	if said == nil {
		t.Fatalf("it said\n%s", out)
	}
	before, large := number(t, said[1]), number(t, said[2])
	if before > 128<<10 {
		t.Errorf("%d kB are taken before the heap has grown", before)
	}
	if large < grown/2>>10 {
		t.Errorf("%d kB of a heap of %d kB are on large pages", large, grown>>10)
	}
}

// used returns how many bytes of address space the process has.
func used(t *testing.T) int {
	t.Helper()
	said, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	return number(t, strings.Fields(string(said))[0]) * os.Getpagesize()
}

// resident returns what the process has in memory, in kB by kind.
func resident(t *testing.T) map[string]int {
	t.Helper()
	said, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for line := range strings.Lines(string(said)) {
		if kind, kB, ok := strings.Cut(line, ":"); ok && strings.HasSuffix(line, "kB\n") {
			kinds[kind] = number(t, strings.TrimSpace(strings.TrimSuffix(kB, "kB\n")))
		}
	}
	return kinds
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A process that may not have the address space is not ended by asking for it.
func TestLargePagesWithinLimits(t *testing.T) {
	const inside = "SHELFWIRE_TEST_WITHIN"
	if resource := os.Getenv(inside); resource != "" {
		n := number(t, resource)
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(n, &limit); err != nil {
			t.Fatal(err)
		}
		limit.Cur = uint64(used(t)) + 1<<30
		if err := syscall.Setrlimit(n, &limit); err != nil {
			t.Fatal(err)
		}
		daemon.LargePages()
		return
	}
	for _, resource := range []int{syscall.RLIMIT_AS, syscall.RLIMIT_DATA} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLargePagesWithinLimits$")
		cmd.Env = append(os.Environ(), inside+"="+strconv.Itoa(resource))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("resource %d: %v\n%s", resource, err, out)
		}
	}
}
