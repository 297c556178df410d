package codec

import "github.com/shelfwire/shelfwire/internal/record"

// PlainMovement reports whether the entry is one that is read without its description, and reads it then.
func (d *Decoder) PlainMovement(b []byte, e *record.JournalEntry) bool {
	d.begin(futureUnknown)
	return d.plainMovement(b, e)
}
