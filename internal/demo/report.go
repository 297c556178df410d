package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
	"github.com/shelfwire/shelfwire/internal/verify"
)

// A Report sums up a demonstration, in the form of the public contract.
type Report struct {
	Movements      int            `json:"movements"`
	Orders         int            `json:"orders"`
	Allocations    int            `json:"allocations"`
	Offers         int            `json:"offers"`
	Communications Communications `json:"communications"`
	Rejections     int            `json:"rejections"`
	FaultsInjected int            `json:"faults_injected"`
	Verify         Verified       `json:"verify"`
	Levels         Levels         `json:"levels"`
	LatencyMS      Latencies      `json:"latency_ms"`
	// Calls is what debounce and batches save, by channel.
	Calls map[string]Calls `json:"calls"`
	Seed  uint64           `json:"seed"`
}

// Communications counts what came of telling the channels, a listing each.
type Communications struct {
	Acknowledged int `json:"acknowledged"`
	Rejected     int `json:"rejected"`
	Unknown      int `json:"unknown"`
}

// Calls are the requests that told a channel its levels, every try counted and reads not, beside how often an offer of another quantity
// was made, which would be the calls of a publisher that sends each at once.
type Calls struct {
	Changes int `json:"changes"`
	Calls   int `json:"calls"`
}

// Verified is what verify found.
type Verified struct {
	Rows        int `json:"rows"`
	Differences int `json:"differences"`
}

// Levels says how many of the shops' own levels were held against the newest offers, and how many were another.
type Levels struct {
	Compared  int `json:"compared"`
	Different int `json:"different"`
}

// Latencies are spans in milliseconds.
type Latencies struct {
	MovementToAcknowledged Percentiles `json:"movement_to_acknowledged"`
	// SellOutToAcknowledged is of what led to a zero, which is not debounced.
	SellOutToAcknowledged Percentiles `json:"sell_out_to_acknowledged"`
}

// Percentiles of a span.
type Percentiles struct {
	P50 int64 `json:"p50"`
	P99 int64 `json:"p99"`
}

type listed struct{ channel, sku string }

// percentiles sorts the spans.
func percentiles(spans []time.Duration) (p Percentiles) {
	slices.Sort(spans)
	if n := len(spans); n > 0 {
		p = Percentiles{P50: spans[n/2].Milliseconds(), P99: spans[n*99/100].Milliseconds()}
	}
	return p
}

// A call is one try of a request.
type call struct {
	channel, key string
	attempt      int32
}

type offered struct {
	version  stock.Version
	quantity stock.Quantity
}

// report counts what is in the topics.
func (d *day) report(ctx context.Context, v verify.Report) (Report, error) {
	r := Report{Seed: d.options.Seed, Verify: Verified{v.Rows, v.Differences}, Calls: map[string]Calls{}}
	for _, s := range d.shops {
		r.FaultsInjected += s.shelf.Injected()
	}
	var spans, soldOut []time.Duration
	newest, tries := map[listed]offered{}, map[call]bool{}
	err := d.each(ctx, stream.Journal, func(value []byte) error {
		var e record.JournalEntry
		if err := codec.DecodeJournalEntry(value, &e); err != nil {
			return err
		}
		switch e.Event.Kind() {
		case record.KindMovement:
			r.Movements++
		case record.KindOrder:
			r.Orders++
		}
		return nil
	})
	if err == nil {
		err = d.each(ctx, stream.Allocations, func([]byte) error { r.Allocations++; return nil })
	}
	if err == nil {
		err = d.each(ctx, stream.Rejections, func([]byte) error { r.Rejections++; return nil })
	}
	if err == nil {
		err = d.each(ctx, stream.Offers, func(value []byte) error {
			var o record.OfferRecord
			if err := codec.DecodeOfferRecord(value, &o); err != nil {
				return err
			}
			if o.Offer != nil {
				r.Offers++
				key := listed{o.Offer.Channel, o.Offer.SKU}
				former, known := newest[key]
				if o.Offer.Version <= former.version {
					return nil
				}
				if newest[key] = (offered{o.Offer.Version, o.Offer.Quantity}); !known || former.quantity != o.Offer.Quantity {
					calls := r.Calls[o.Offer.Channel]
					calls.Changes++
					r.Calls[o.Offer.Channel] = calls
				}
			}
			return nil
		})
	}
	if err == nil {
		err = d.each(ctx, stream.Communications, func(value []byte) error {
			var c record.Communication
			if err := codec.DecodeCommunication(value, &c); err != nil {
				return err
			}
			switch c.State {
			case record.Attempted:
				if try := (call{c.Channel, c.IdempotencyKey, c.Attempt}); !tries[try] {
					tries[try] = true
					calls := r.Calls[c.Channel]
					calls.Calls++
					r.Calls[c.Channel] = calls
				}
			case record.Acknowledged:
				r.Communications.Acknowledged++
				if c.OccurredAt != 0 {
					span := c.RepliedAt.Sub(c.OccurredAt)
					if spans = append(spans, span); c.Quantity == 0 {
						soldOut = append(soldOut, span)
					}
				}
			case record.CommunicationRejected:
				r.Communications.Rejected++
			case record.Unknown:
				r.Communications.Unknown++
			}
			return nil
		})
	}
	if err != nil {
		return r, fmt.Errorf("report: %w", err)
	}
	for key, offer := range newest {
		sim := d.shops[key.channel]
		if sim == nil { // of an older demonstration in this directory, whose channels were others
			continue
		}
		level, _ := sim.shelf.Level(sim.places[key.sku])
		r.Levels.Compared++
		if level != offer.quantity {
			r.Levels.Different++
			d.log.WarnContext(ctx, "a shop shows another level", "channel", key.channel, "item", key.sku, "level", level, "offer", offer.quantity)
		}
	}
	r.LatencyMS = Latencies{percentiles(spans), percentiles(soldOut)}
	return r, nil
}

// each calls f with the value of every record that the topic holds now.
func (d *day) each(ctx context.Context, t stream.Topic, f func(value []byte) error) error {
	cluster, err := d.inst.Cluster(ctx)
	if err != nil {
		return err
	}
	reader, err := d.inst.TopicReader(ctx)
	if err != nil {
		return err
	}
	partitions, err := cluster.Partitions(ctx, t)
	if err != nil {
		return err
	}
	for id := range partitions {
		p := stream.Partition{Topic: t, ID: id}
		bounds, err := cluster.Bounds(ctx, p)
		if err != nil {
			return err
		}
		if err := eachIn(ctx, reader, p, bounds, f); err != nil {
			return err
		}
	}
	return nil
}

type opener interface {
	Open(ctx context.Context, p stream.Partition, from int64) (stream.Reader, error)
}

func eachIn(ctx context.Context, log opener, p stream.Partition, b stream.Bounds, f func(value []byte) error) error {
	if b.Start >= b.End {
		return nil
	}
	reader, err := log.Open(ctx, p, b.Start)
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		records, err := reader.Read(ctx)
		if err != nil {
			return err
		}
		for _, rec := range records {
			if rec.Offset >= b.End {
				return nil
			}
			if err := f(rec.Value); err != nil {
				return err
			}
			if rec.Offset == b.End-1 {
				return nil
			}
		}
	}
}

func (r *Report) print(w io.Writer) {
	fmt.Fprintf(w, `
movements       %d
orders          %d
allocations     %d
offers          %d
communications  %d acknowledged, %d rejected, %d unknown
rejections      %d
faults injected %d
verify          %d rows, %d differences
shops' levels   %d compared with the offers, %d different
latency         movement to acknowledged: p50 %d ms, p99 %d ms; of what sold out: p50 %d ms, p99 %d ms
seed            %d
`, r.Movements, r.Orders, r.Allocations, r.Offers, r.Communications.Acknowledged, r.Communications.Rejected, r.Communications.Unknown,
		r.Rejections, r.FaultsInjected, r.Verify.Rows, r.Verify.Differences, r.Levels.Compared, r.Levels.Different,
		r.LatencyMS.MovementToAcknowledged.P50, r.LatencyMS.MovementToAcknowledged.P99,
		r.LatencyMS.SellOutToAcknowledged.P50, r.LatencyMS.SellOutToAcknowledged.P99, r.Seed)
	for _, channel := range slices.Sorted(maps.Keys(r.Calls)) {
		c := r.Calls[channel]
		fmt.Fprintf(w, "calls           %s: %d that set levels for %d changed offers, %.1f times fewer than one a change\n", channel, c.Calls, c.Changes, float64(c.Changes)/float64(max(1, c.Calls)))
	}
}

func (r *Report) write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // a report is for everybody
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
