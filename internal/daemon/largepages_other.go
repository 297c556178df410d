//go:build !linux

package daemon

// LargePages does nothing here: it is for Linux.
func LargePages() {}
