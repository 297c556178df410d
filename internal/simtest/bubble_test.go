//go:build synctests

package simtest_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// bubbles says that inBubble's time is fake, so that hours may pass.
const bubbles = true

// inBubble runs a test in a bubble of fake time, in which waiting takes none. It needs franz-go's tag synctests.
func inBubble(t *testing.T, test func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(24 * time.Hour) // the clock begins with the year 2000, before which nothing may have happened
		test(t)
	})
}
