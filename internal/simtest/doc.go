// Package simtest holds the tests of whole pipelines: real processes on real servers, ended at bad moments, whose counts
// are compared with an independent sum of the input.
package simtest
