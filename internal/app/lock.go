package app

import "errors"

const lockName = "lock"

// errLocked is returned where another process runs an installation in the directory.
var errLocked = errors.New("another process uses the directory")
