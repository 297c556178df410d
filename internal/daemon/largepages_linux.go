package daemon

import (
	"bytes"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
)

// mostSpace bounds the address space that LargePages asks for, in bytes.
const mostSpace = 4 << 30

// LargePages has the kernel back the gigabytes into which the heap grows from now on with large pages, where it gives these to whoever
// asks for them (/sys/kernel/mm/transparent_hugepage/enabled says madvise): Go's runtime does not ask. A fold jumps from row to row all
// over its heap, and with pages of 4 KiB the processor mostly looks up where the next one lies.
//
// It takes address space and no memory, at most half as much as the machine has, and only the first call does. Only who has the process
// to himself calls it, before the heap has grown.
func LargePages() { largePages.Do(askForLargePages) }

var largePages sync.Once // a second time the addresses would not be fresh: the runtime would write zeros to all of them

func askForLargePages() {
	size := space()
	if size == 0 {
		return
	}
	// The runtime gives away the lowest free addresses first, so the heap grows into what this leaves behind. Nothing touches it: what is
	// fresh from the kernel is zero already.
	left := make([]byte, size)
	_ = syscall.Madvise(left, syscall.MADV_HUGEPAGE) // a kernel without large pages refuses, and all is as before
	debug.FreeOSMemory()                             // collects it, and has the runtime know that it holds no memory there
}

// space returns how much address space can be had without harm, 0 where nobody knows: to ask for more than one gets ends a Go process.
func space() uint64 {
	if strconv.IntSize < 64 {
		return 0
	}
	for _, resource := range []int{syscall.RLIMIT_AS, syscall.RLIMIT_DATA} { // what is not touched counts in both
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(resource, &limit); err != nil || limit.Cur != math.MaxUint64 {
			return 0
		}
	}
	// 2: the kernel counts address space as memory.
	if overcommit, err := os.ReadFile("/proc/sys/vm/overcommit_memory"); err != nil || bytes.HasPrefix(overcommit, []byte("2")) {
		return 0
	}
	var machine syscall.Sysinfo_t
	if err := syscall.Sysinfo(&machine); err != nil {
		return 0
	}
	memory := uint64(machine.Totalram) * uint64(machine.Unit) //nolint:unconvert // some machines have 32 bits
	return min(mostSpace, memory/2, uint64(max(0, debug.SetMemoryLimit(-1))))
}
