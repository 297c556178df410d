// Package schemas embeds the executable form of the public contract: the protobuf of the records and the SQL of the
// history. It holds files, and knows no more of them than where one statement ends.
package schemas

import "embed"

// Proto holds the protobuf files, below proto/.
//
//go:embed proto
var Proto embed.FS
