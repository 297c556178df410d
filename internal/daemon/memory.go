package daemon

import (
	"os"
	"runtime/debug"
)

// How much the heap may grow, in percent, before the garbage collector begins again.
const (
	// CollectRarely is for stages on servers of their own. Most of an allocator's heap is the rows that it holds, which are bounded by
	// number: half as much memory again saves it a tenth of the processor's time.
	CollectRarely = 200
	// CollectOften is for a process that has everything in it, on a machine with other uses for memory; it costs a few percent of time.
	CollectOften = 50
)

// CollectAt sets that for the process, unless GOGC says how it is to be. Only who has the process to himself calls it.
func CollectAt(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
