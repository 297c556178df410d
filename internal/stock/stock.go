// Package stock holds the smallest words of the domain: quantities, instants, versions and the kinds of
// movement. It owns no state and decides nothing beyond what one movement does to one shelf.
package stock

import "time"

// A Quantity counts whole base units of one SKU. It is negative only where a document says so (an adjustment,
// an on-hand count below what was promised).
type Quantity int64

// MaxQuantity is the largest absolute quantity one event may carry.
const MaxQuantity Quantity = 1_000_000_000

// An Instant is a moment in UTC, in microseconds since 1970-01-01; 0 means "not given". Finer digits of an
// input are cut off. It is an integer so that rows that hold many of them stay small and compare exactly.
type Instant int64

// InstantOf returns the instant of t, cut to the microsecond; the zero time gives 0.
func InstantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMicro())
}

// Time returns i as a UTC time; 0 gives the zero time.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(i)).UTC()
}

// Add returns the instant d later (earlier if d is negative), cut to the microsecond.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d/time.Microsecond) }

// Sub returns the span from earlier to i.
func (i Instant) Sub(earlier Instant) time.Duration {
	return time.Duration(i-earlier) * time.Microsecond
}

// String returns i in RFC 3339 with the digits it has, or "" for 0.
func (i Instant) String() string {
	if i == 0 {
		return ""
	}
	return i.Time().Format(time.RFC3339Nano)
}

// A Version orders everything that one journal says: the generation of the journal (5 bit) above the entry's
// offset + 1 (48 bit). It is never 0 for an entry, so 0 means "nothing yet", and it fits a JSON number (53 bit).
type Version uint64

const versionOffsetBits = 48

// VersionAt returns the version of the entry at offset ≥ 0 of a journal of that generation (0…31).
func VersionAt(generation uint8, offset int64) Version {
	return Version(generation&31)<<versionOffsetBits | Version(offset+1)
}

// Offset returns the journal offset of the entry, or −1 for version 0.
func (v Version) Offset() int64 { return int64(v&(1<<versionOffsetBits-1)) - 1 }

// Generation returns the generation of the journal the entry is in.
func (v Version) Generation() uint8 { return uint8(v >> versionOffsetBits) }
