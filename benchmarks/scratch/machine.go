package scratch

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// Machine says in a line where and when something was measured, and how busy the machine was before, which decides what the seconds
// are worth.
func (p *Place) Machine() string {
	return fmt.Sprintf("%s, %d processors (%s/%s, %s), load average before: %s; shared with Kafka and Redis",
		p.opened.UTC().Format(time.DateOnly), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), p.load)
}

// loadAverage returns that of the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "not known"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
