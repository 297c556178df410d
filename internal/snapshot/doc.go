// Package snapshot keeps copies of the hot state in files. A copy is made without the store: the previous copy, or nothing, is
// folded forward over the journal. So it also proves the store, and costs the pipeline nothing but reads of the journal.
//
// A copy never holds an entry whose outputs may not have been written: a state that is put back goes on behind the last entry it
// holds, and what that entry had to say would be lost. So it ends where the allocator has committed, at the latest.
//
// Putting a copy back empties what the store has of the journal's partitions, writes the rows, and the position last.
package snapshot
