package enginetest

import (
	"fmt"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// A Cut says what happens after an entry of a journal.
type Cut uint8

// What may happen after an entry: the batch goes on; it is committed; it is committed and the next one starts from the rows
// alone; it is lost before its commit and folded again from the rows; it is committed and half of the rows leave memory. The last
// entry is always committed.
const (
	GoOn Cut = iota
	Commit
	Restart
	Crash
	Evict
)

// A Record is the newest output of one key: its version and its bytes as contract JSON.
type Record struct {
	Version stock.Version
	JSON    string
}

// A Result is what a journal came to: the rows, the newest record per topic and key ("offers pool/channel/sku/location"),
// and, as contract JSON per topic ("marks", "shipments", "rejections"), what is not compacted, in the order in which it was
// emitted, without what a crash emitted twice.
type Result struct {
	Rows    Rows
	Newest  map[string]Record
	Emitted map[string][]string
	Resent  int
}

// Fold folds a whole journal into an empty installation. cut, which may be nil, is asked once per entry, in order, what
// happens after it; nil commits every entry alone. The result must not depend on cut: that is what it is for.
func Fold(entries []record.JournalEntry, cut func(i int) Cut) (*Result, error) {
	r := &Result{Newest: map[string]Record{}, Emitted: map[string][]string{}}
	var p Pipeline
	start := 0
	for i := range entries {
		what := Commit
		if cut != nil {
			what = cut(i)
		}
		if what == GoOn && i < len(entries)-1 {
			continue
		}
		batch := entries[start : i+1]
		start = i + 1
		if what == Crash {
			lost, err := p.Crash(batch...)
			if err != nil {
				return nil, err
			}
			if err := r.newest(&lost); err != nil {
				return nil, err
			}
		}
		out, err := p.Fold(batch...)
		if err != nil {
			return nil, err
		}
		if err := r.add(&out); err != nil {
			return nil, err
		}
		switch what {
		case Restart:
			p.Restart()
		case Evict:
			p.state.Evict(p.state.Held() / 2)
		}
	}
	r.Rows = p.Rows
	return r, nil
}

func (r *Result) add(out *Outputs) error {
	r.Resent += out.Resent
	for i := range out.Marks {
		r.emit("marks", codec.AppendOfferRecordJSON(nil, &record.OfferRecord{Mark: &out.Marks[i]}))
	}
	for i := range out.Shipments {
		r.emit("shipments", codec.AppendShipmentNoticeJSON(nil, &out.Shipments[i]))
	}
	for i := range out.Rejections {
		r.emit("rejections", codec.AppendRejectionJSON(nil, &out.Rejections[i]))
	}
	return r.newest(out)
}

func (r *Result) emit(topic string, b []byte) { r.Emitted[topic] = append(r.Emitted[topic], string(b)) }

func (r *Result) newest(out *Outputs) error {
	for i := range out.Availability {
		a := &out.Availability[i]
		if err := r.put("availability", a.Version, codec.AppendAvailabilityJSON(nil, a), a.Pool, a.SKU); err != nil {
			return err
		}
	}
	for i := range out.Allocations {
		a := &out.Allocations[i]
		if err := r.put("allocations", a.Version, codec.AppendAllocationJSON(nil, a), a.Pool, a.Channel, a.OrderID); err != nil {
			return err
		}
	}
	for i := range out.Offers {
		b := codec.AppendOfferRecordJSON(nil, &out.Offers[i])
		var err error
		if o := out.Offers[i].Offer; o != nil {
			err = r.put("offers", o.Version, b, o.Pool, o.Channel, o.SKU, o.Location)
		} else {
			st := out.Offers[i].ChannelState
			err = r.put("offers", st.Version, b, st.Channel.Pool, st.Channel.Channel)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// put keeps the record. A consumer ignores what is not newer, so a version that comes again must bring the same bytes, and
// versions of a key never fall.
func (r *Result) put(topic string, v stock.Version, b []byte, ids ...string) error {
	key := topic + " " + stream.JoinKey(ids...)
	old, ok := r.Newest[key]
	switch {
	case ok && v < old.Version:
		return fmt.Errorf("%s: version %d after %d", key, v, old.Version)
	case ok && v == old.Version && string(b) != old.JSON:
		return fmt.Errorf("%s: version %d has two values:\n%s\n%s", key, v, old.JSON, b)
	}
	r.Newest[key] = Record{Version: v, JSON: string(b)}
	return nil
}
