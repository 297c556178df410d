//go:build !synctests

package simtest_test

import "testing"

const bubbles = false

// inBubble runs a test by the real clock: without its tag synctests, franz-go would stop the clock of a bubble.
func inBubble(t *testing.T, test func(t *testing.T)) { test(t) }
