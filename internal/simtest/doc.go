// Package simtest holds the tests of whole pipelines: real processes on real servers, ended at bad moments, whose counts
// are compared with an independent sum of the input; and the publisher on embedded parts, against shops that fail and sell by
// themselves, whose levels are compared with what is right.
package simtest
