package allocator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/output"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A run is some entries of the journal, decoded. It belongs to one goroutine at a time, and its entries are valid until it is
// filled again.
type run struct {
	decoder *codec.Decoder
	records []record.JournalEntry
	entries []output.Entry
	end     stream.Position // after the last entry
}

// reading reads and decodes runs until ctx ends or an error comes up. records were read already.
func (x *session) reading(ctx context.Context, o opening) error {
	records, next := o.records, o.stored.Offset
	for {
		for len(records) > 0 {
			var r *run
			select {
			case r = <-x.decodable:
			case <-ctx.Done():
				return ctx.Err()
			}
			n := min(len(records), x.stage.cfg.BatchEntries)
			if err := r.decode(records[:n], o, x.stage.cfg.MaxClockSkew); err != nil {
				return stream.Alarm(err)
			}
			records, next = records[n:], r.end.Offset
			select {
			case x.decoded <- r:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		var err error
		records, err = x.reader.Read(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, stream.ErrOutOfRange):
			return stream.Alarm(fmt.Errorf("the journal's entry %d, the next to fold, is gone: it fell out of retention, or the journal lost its tail: %w", next, err))
		default:
			return fmt.Errorf("read the journal at offset %d: %w", next, err)
		}
	}
}

// decode fills the run and makes the runtime's checks. Ingest wrote the journal, so what does not decode was written by a newer
// program or by a stranger: it must not be guessed.
func (r *run) decode(records []stream.Record, o opening, maxSkew time.Duration) error {
	if cap(r.records) < len(records) {
		r.records = make([]record.JournalEntry, len(records))
	}
	r.records, r.entries = r.records[:len(records)], r.entries[:0]
	// The engine keeps strings of entries only, so the movements of the run before may be written over.
	r.decoder.Recycle()
	clock := now()
	for i := range records {
		e := &r.records[i]
		if err := r.decoder.JournalEntry(records[i].Value, e); err != nil {
			return fmt.Errorf("read entry %d: %w", records[i].Offset, err)
		}
		if e.EntryTime > clock.Add(maxSkew) {
			return fmt.Errorf("entry %d was journalled at %v, which is more than %v ahead of this machine's clock (%v): set the clock of the ingest machine, or of this one, and start again",
				records[i].Offset, e.EntryTime, maxSkew, clock)
		}
		r.entries = append(r.entries, output.Entry{Version: stock.VersionAt(o.stored.Generation, records[i].Offset), JournalEntry: e})
	}
	last := records[len(records)-1]
	r.end = stream.Position{
		TopicID: o.topicID, Generation: o.stored.Generation, Offset: last.Offset + 1,
		LeaderEpoch: last.LeaderEpoch, Hash: stream.HashValue(last.Value),
	}
	return nil
}
