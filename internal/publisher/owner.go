package publisher

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// An owner is one partition in the hands of this process. Everything in it belongs to the goroutine of run; requests run in
// goroutines of their own and hand their answers to results.
type owner struct {
	stage      *Stage
	assignment stream.Assignment
	sequence   int64
	position   ToldPosition
	channels   map[string]*channel
	budgets    map[string]*budget // by account, whose limits its channels share
	dirty      []*listing         // changed since the last save
	dirtyState []*channel
	said       []record.Communication // to be written
	rows       []ToldRow              // further ones that the next save writes
	commands   commandPosition
	shipments  commandPosition // likewise, of notices
	results    chan answer
	requests   sync.WaitGroup
	keys       int           // requests numbered so far
	counted    int           // what this owner has added to the stage's pending
	measured   stock.Instant // when the gauges were set
	decoder    *codec.Decoder
}

func newOwner(s *Stage, a stream.Assignment, sequence int64, p ToldPosition) *owner {
	return &owner{
		stage: s, assignment: a, sequence: sequence, position: p, channels: map[string]*channel{}, budgets: map[string]*budget{},
		results: make(chan answer), decoder: codec.NewDecoder(),
	}
}

// end waits for the requests under way, whose context has ended.
func (o *owner) end() {
	done := make(chan struct{})
	go func() { o.requests.Wait(); close(done) }()
	for {
		select {
		case <-o.results: // nobody may hear it any more: it is unknown
		case <-done:
			o.stage.pending.Add(int64(-o.counted))
			o.stage.metrics.forget(o.channels)
			return
		}
	}
}

// maxSleep bounds how long the owner looks at nothing, so that gauges stay fresh.
const maxSleep = time.Second

// A pump reads records for one goroutine: what it gives belongs to the reader, which must not go on before it was taken in.
type pump struct {
	given chan []stream.Record
	taken chan struct{}
}

// read gives records until ctx ends, or ends it.
func (p pump) read(ctx context.Context, reader stream.Reader, cancel context.CancelCauseFunc) {
	for {
		records, err := reader.Read(ctx)
		if err != nil {
			cancel(err)
			return
		}
		if !hand(ctx, p.given, records) {
			return
		}
		if _, ok := receive(ctx, p.taken); !ok {
			return
		}
	}
}

func hand[T any](ctx context.Context, to chan T, v T) bool {
	select {
	case to <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

func receive[T any](ctx context.Context, from chan T) (v T, ok bool) {
	select {
	case v = <-from:
		return v, true
	case <-ctx.Done():
		return v, false
	}
}

func (o *owner) run(ctx context.Context, reader, commands, notices stream.Reader, healthy func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	offers := pump{make(chan []stream.Record), make(chan struct{})}
	asked := pump{make(chan []stream.Record), make(chan struct{})}
	despatched := pump{make(chan []stream.Record), make(chan struct{})}
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel(nil)
	reading.Go(func() { offers.read(ctx, reader, cancel) })
	reading.Go(func() { asked.read(ctx, commands, cancel) })
	reading.Go(func() { despatched.read(ctx, notices, cancel) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var err error
		select {
		case records := <-offers.given:
			if err = o.take(ctx, records); err == nil {
				hand(ctx, offers.taken, struct{}{})
			}
		case records := <-asked.given:
			if err = o.takeCommands(ctx, records); err == nil {
				hand(ctx, asked.taken, struct{}{})
			}
		case records := <-despatched.given:
			if err = o.takeShipments(ctx, records); err == nil {
				hand(ctx, despatched.taken, struct{}{})
			}
		case a := <-o.results:
			err = o.hear(ctx, a)
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		wake, err := o.pump(ctx)
		if err != nil {
			return err
		}
		if err := o.finish(ctx); err != nil {
			return err
		}
		o.measure()
		healthy()
		timer.Reset(min(maxSleep, max(time.Millisecond, wake.Sub(o.stage.now()))))
	}
}

// take takes in offers, marks and channel states in the order they were written, and saves what they changed with the position.
func (o *owner) take(ctx context.Context, records []stream.Record) error {
	now := o.stage.now()
	for i := range records {
		var r record.OfferRecord
		if err := o.decoder.OfferRecord(records[i].Value, &r); err != nil {
			return stream.Alarm(fmt.Errorf("offer at offset %d does not decode: %w", records[i].Offset, err))
		}
		switch {
		case r.ChannelState != nil:
			o.setChannel(r.ChannelState, now)
		case r.Offer != nil:
			o.offer(r.Offer, now)
		case r.Mark != nil:
			o.mark(r.Mark, now)
		}
	}
	o.position.Offset = records[len(records)-1].Offset + 1
	if err := o.say(ctx); err != nil {
		return err
	}
	if err := o.save(ctx); err != nil {
		return err
	}
	o.assignment.CommitLag(o.position.Offset)
	return nil
}

// channel returns the channel, making it known if it is not.
func (o *owner) channel(pool, id, account string) *channel {
	key := stream.JoinKey(pool, id)
	c, ok := o.channels[key]
	if !ok {
		c = newChannel(o, key, pool, id)
		o.channels[key] = c
	}
	if account != "" {
		c.account = account
	}
	return c
}

func (o *owner) setChannel(s *record.ChannelState, now stock.Instant) {
	c := o.channel(s.Channel.Pool, s.Channel.Channel, s.Channel.AccountID())
	if s.Version <= c.state.Version {
		return
	}
	c.set(*s)
	o.dirtyState = append(o.dirtyState, c)
	for _, l := range c.sorted() {
		c.schedule(l, now)
	}
}

func (o *owner) offer(f *record.Offer, now stock.Instant) {
	c := o.channel(f.Pool, f.Channel, f.Account)
	key := stream.JoinKey(f.SKU, f.Location)
	l, ok := c.listings[key]
	if ok && f.Version <= l.ledger.Version {
		return // an older version that was written late, or the same one again
	}
	if !ok {
		l = newListing(c, key, f)
		c.listings[key] = l
	} else {
		l.offer(f, now)
	}
	l.changed(now)
	if c.connector == nil || !c.state.Channel.Flows.Stock {
		o.said = append(o.said, l.communication(record.Held, record.SetLevel, c.why()))
	}
	o.touch(l)
	c.schedule(l, now)
}

func (o *owner) mark(m *record.ChannelMark, now stock.Instant) {
	c := o.channel(m.Pool, m.Channel, m.Account)
	if m.OrdersUntil > c.feed.Marked {
		c.feed.Marked, c.feed.heard, c.feed.dirty = m.OrdersUntil, now, true
	}
	c.mark(m.OrdersUntil, now)
}

// mark takes in that every order of the channel that changed before until is folded.
func (c *channel) mark(until, now stock.Instant) {
	o := c.owner
	for _, l := range c.unmarked(until) {
		said := l.communication(record.Observed, record.ReadLevel, drift)
		if seen := l.ledger.Seen; seen != nil {
			level := seen.Level
			said.Level, said.RepliedAt, said.ReplyClass = &level, seen.At, string(OK)
		}
		if l.ledger.Mark(until) {
			o.said = append(o.said, said)
			l.drifted()
		}
		o.touch(l)
		c.schedule(l, now)
	}
}

// touch puts the listing among what the next save writes.
func (o *owner) touch(l *listing) {
	if !l.dirty {
		l.dirty = true
		o.dirty = append(o.dirty, l)
	}
	l.channel.watch(l)
}

// save writes everything that changed, with the position, if the partition is still ours.
func (o *owner) save(ctx context.Context) error {
	rows := make([]ToldRow, 0, len(o.dirty)+len(o.dirtyState))
	for _, c := range o.dirtyState {
		rows = append(rows, ToldRow{Channel: c.key, Value: codec.AppendOfferRecord(nil, &record.OfferRecord{ChannelState: &c.state})})
	}
	for _, l := range o.dirty {
		l.dirty = false
		rows = append(rows, ToldRow{Channel: l.channel.key, Listing: l.key, Value: l.stored()})
	}
	rows, o.rows = append(rows, o.rows...), o.rows[:0]
	for _, c := range o.channels {
		if c.feed.dirty {
			c.feed.dirty = false
			value, err := c.feed.pack()
			if err != nil {
				return err
			}
			rows = append(rows, ToldRow{Channel: c.key, Listing: feedRow, Value: value})
		}
		if c.shipments.dirty {
			c.shipments.dirty = false
			value, err := json.Marshal(c.shipments)
			if err != nil {
				return err
			}
			rows = append(rows, ToldRow{Channel: c.key, Listing: takenRow, Value: value})
		}
	}
	o.dirty, o.dirtyState = o.dirty[:0], o.dirtyState[:0]
	if err := o.stage.deps.Told.Save(ctx, o.assignment.Partition().ID, o.sequence, o.position, rows); err != nil {
		return fmt.Errorf("save %d told rows: %w", len(rows), err)
	}
	o.sequence++
	return nil
}

// load puts the stored rows into memory. Open attempts are of unknown outcome and will be sent again under their keys.
func (o *owner) load(rows []ToldRow) error {
	slices.SortFunc(rows, func(a, b ToldRow) int { return len(a.Listing) - len(b.Listing) }) // channels first
	now := o.stage.now()
	for _, r := range rows {
		if r.Channel == commandsChannel {
			position := &o.commands
			if r.Listing == shipmentPosition {
				position = &o.shipments
			}
			if err := json.Unmarshal(r.Value, position); err != nil {
				return fmt.Errorf("told row of the position in %s does not decode: %w", r.Listing, err)
			}
			continue
		}
		c, ok := o.channels[r.Channel]
		if !ok {
			ids := stream.SplitKey(r.Channel)
			if len(ids) != 2 {
				return fmt.Errorf("told row of channel %q: that is no key of a channel", r.Channel)
			}
			c = o.channel(ids[0], ids[1], "")
		}
		if r.Listing == "" {
			var rec record.OfferRecord
			if err := codec.DecodeOfferRecord(r.Value, &rec); err != nil || rec.ChannelState == nil {
				return fmt.Errorf("told row of channel %s does not decode: %w", r.Channel, err)
			}
			c.account = rec.ChannelState.Channel.AccountID()
			c.set(*rec.ChannelState)
			continue
		}
		if r.Listing == feedRow {
			if err := c.feed.unpack(r.Value); err != nil {
				return fmt.Errorf("told row of channel %s does not decode: %w", r.Channel, err)
			}
			continue
		}
		if r.Listing == takenRow || strings.HasPrefix(r.Listing, shipmentRow) {
			err := error(nil)
			if r.Listing == takenRow {
				err = json.Unmarshal(r.Value, &c.shipments)
			} else {
				err = c.loadShipment(r.Listing, r.Value)
			}
			if err != nil {
				return fmt.Errorf("told row %s of channel %s does not decode: %w", r.Listing, r.Channel, err)
			}
			continue
		}
		l := &listing{channel: c, key: r.Listing}
		if err := l.restore(r.Value); err != nil {
			return fmt.Errorf("told row %s of channel %s does not decode: %w", r.Listing, r.Channel, err)
		}
		c.listings[r.Listing] = l
		c.watch(l)
		if at := l.ledger.Open; at != nil {
			c.unknown[at.Key] = append(c.unknown[at.Key], l)
			c.retryAt[at.Key] = now
		}
	}
	for _, c := range o.channels {
		c.shipments.loaded()
		for _, l := range c.listings { // a batch that a zero has left is not whole any more
			if old := l.ledger.Old; old != nil && len(c.unknown[old.Key]) > 0 {
				c.dissolve(old.Key, "")
			}
		}
		for _, batch := range c.unknown { // in the order in which the request had them
			slices.SortFunc(batch, byKey)
		}
		for _, l := range c.sorted() {
			c.schedule(l, now)
		}
	}
	return nil
}

// say writes the communications that were collected.
func (o *owner) say(ctx context.Context) error {
	if len(o.said) == 0 {
		return nil
	}
	messages := make([]stream.Message, len(o.said))
	for i := range o.said {
		c := &o.said[i]
		c.Sequence = o.sequence
		messages[i] = stream.Message{
			Topic: stream.Communications, Partition: stream.Any, Key: []byte(c.Account), Value: codec.AppendCommunication(nil, c),
			ContentType: stream.ContentTypeProtobuf,
		}
	}
	err := o.stage.deps.Outputs.Produce(ctx, messages)
	if err != nil {
		return fmt.Errorf("write %d communications: %w", len(messages), err)
	}
	o.said = o.said[:0]
	return nil
}

// measure brings the stage's pending count up to date, and once a second the gauges.
func (o *owner) measure() {
	pending := 0
	for _, c := range o.channels {
		if pending += c.pending; c.connector != nil {
			pending += c.shipments.waiting()
		}
	}
	o.stage.pending.Add(int64(pending - o.counted))
	o.counted = pending
	now := o.stage.now()
	if now < o.measured.Add(maxSleep) && now >= o.measured {
		return
	}
	o.measured = now
	for _, c := range o.channels {
		c.measure(now)
	}
}
