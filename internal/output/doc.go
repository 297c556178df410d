// Package output turns what a run of journal entries changed into the messages of the output topics and the rows of the
// store: which key, which partition, which bytes, in which order. The allocator writes them; verify makes them again and
// compares.
//
// It is pure: equal changes give equal bytes.
package output
