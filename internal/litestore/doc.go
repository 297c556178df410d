// Package litestore keeps the history of an embedded installation in one SQLite file. It is the only importer of SQLite. It
// answers the page's questions and what `verify` asks; the views for analysts are ClickHouse's.
//
// A batch and its position are one transaction, so that a row can be doubled only by the same record at another offset, which
// its primary key prevents. Beside the columns that are asked for, a row holds the whole record as it came from the log.
package litestore
