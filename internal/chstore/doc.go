// Package chstore keeps the history in ClickHouse. It is the only importer of the ClickHouse client. It owns the schema of
// schemas/clickhouse, lands batches exactly once, and answers the page's questions and what `verify` asks.
//
// ClickHouse has no transaction over tables. A batch is a few inserts, each atomic because it is one block of one month of one
// table, and then its position. What is inserted again after a failure is the same row by its sorting key, and mostly not even
// that, because an insert names itself by the offsets it holds. Every question here is one that a doubled row does not change.
package chstore
