package publisher

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// The told rows of despatches: of a channel how many it has been given, in a row of its own, and each that is open in one of the
// numbered rows, which are used again. How far the partition's notices are taken in stands with the commands' position. A listing's key
// holds a '/' and no ':', so none is equal.
const (
	takenRow         = "shipments"
	shipmentRow      = "shipment:"
	shipmentPosition = "shipments"
)

// maxAside is how many despatches that a channel did not take are kept for another try; of more, the oldest are only in the history.
const maxAside = 1000

// shipments are a channel's despatches.
type shipments struct {
	Taken stock.Version // of the newest notice that was taken in: one that is written again is older

	dirty bool
	open  []*shipment // by version: those to be told, and those put aside
	free  []int       // numbers of rows that hold none
	rows  int         // numbers given out
	busy  bool        // one is under way
}

// A shipment is a despatch that the channel is to be told of.
type shipment struct {
	channel *channel
	row     int
	stored  storedShipment
	notice  record.ShipmentNotice

	at    stock.Instant // it is not told before
	busy  bool
	gone  bool     // it was told, or given up
	asked *running // the command that it answers
}

// A storedShipment is what is kept of one. Without a notice the row is free.
type storedShipment struct {
	Notice   []byte        `json:",omitempty"`
	Tries    int32         `json:",omitempty"`
	Deadline stock.Instant `json:",omitempty"` // of the newest try, while its outcome is unknown
	Aside    string        `json:",omitempty"` // why it is put aside until somebody asks; "": it is not
}

func (s *shipment) key() string {
	return "sw-ship-" + strconv.FormatUint(uint64(s.notice.Version), 36)
}

// openShipments opens the partition's notices where the last owner left them.
func (o *owner) openShipments(ctx context.Context) (stream.Reader, error) {
	p := stream.Partition{Topic: stream.Shipments, ID: o.assignment.Partition().ID}
	id, err := o.stage.deps.Log.TopicID(ctx, p.Topic)
	if err != nil {
		return nil, err
	}
	bounds, err := o.stage.deps.Log.Bounds(ctx, p)
	if err != nil {
		return nil, err
	}
	at := &o.shipments
	if at.TopicID == id && at.Offset < bounds.Start {
		o.stage.deps.Logger.WarnContext(ctx, "despatches were deleted before a channel was told of them", "partition", p.ID, "count", bounds.Start-at.Offset)
	}
	if at.TopicID != id || at.Offset > bounds.End || at.Offset < bounds.Start {
		*at = commandPosition{TopicID: id, Offset: bounds.Start}
	}
	return o.stage.deps.Log.Open(ctx, p, at.Offset)
}

// takeShipments takes in notices.
func (o *owner) takeShipments(ctx context.Context, records []stream.Record) error {
	for i := range records {
		var n record.ShipmentNotice
		if err := codec.DecodeShipmentNotice(records[i].Value, &n); err != nil {
			return stream.Alarm(fmt.Errorf("shipment notice at offset %d does not decode: %w", records[i].Offset, err))
		}
		c := o.channel(n.Pool, n.Channel, n.Account)
		if n.Version <= c.shipments.Taken {
			continue
		}
		c.shipments.Taken, c.shipments.dirty = n.Version, true
		s := &shipment{channel: c, row: c.shipments.number(), notice: n, stored: storedShipment{Notice: codec.AppendShipmentNotice(nil, &n)}}
		c.shipments.open = append(c.shipments.open, s)
		if err := s.save(); err != nil {
			return err
		}
	}
	o.shipments.Offset = records[len(records)-1].Offset + 1
	value, err := json.Marshal(o.shipments)
	if err != nil {
		return err
	}
	o.rows = append(o.rows, ToldRow{Channel: commandsChannel, Listing: shipmentPosition, Value: value})
	return o.save(ctx)
}

// number returns a row that is free.
func (s *shipments) number() int {
	if n := len(s.free); n > 0 {
		row := s.free[n-1]
		s.free = s.free[:n-1]
		return row
	}
	s.rows++
	return s.rows
}

// load takes in a stored row.
func (c *channel) loadShipment(name string, value []byte) error {
	number, err := strconv.Atoi(strings.TrimPrefix(name, shipmentRow))
	s := &shipment{channel: c, row: number}
	if err == nil {
		err = json.Unmarshal(value, &s.stored)
	}
	if err != nil {
		return err
	}
	if c.shipments.rows = max(c.shipments.rows, number); s.stored.Notice == nil {
		c.shipments.free = append(c.shipments.free, number)
		return nil
	}
	if s.stored.Deadline != 0 { // another owner's try, of unknown outcome
		s.at = s.stored.Deadline.Add(c.settings.Settle)
	}
	c.shipments.open = append(c.shipments.open, s)
	return codec.DecodeShipmentNotice(s.stored.Notice, &s.notice)
}

// loaded puts what was loaded into its order.
func (s *shipments) loaded() {
	slices.SortFunc(s.open, func(a, b *shipment) int { return int(min(1, max(-1, int64(a.notice.Version)-int64(b.notice.Version)))) })
}

// save puts the despatch among what the next save writes.
func (s *shipment) save() error {
	value, err := json.Marshal(s.stored)
	if err != nil {
		return err
	}
	s.channel.owner.rows = append(s.channel.owner.rows, ToldRow{Channel: s.channel.key, Listing: shipmentRow + strconv.Itoa(s.row), Value: value})
	return nil
}

// drop ends the despatch: its row is free.
func (s *shipment) drop() error {
	of := &s.channel.shipments
	s.gone, s.stored = true, storedShipment{}
	of.open = slices.DeleteFunc(of.open, func(other *shipment) bool { return other == s })
	of.free = append(of.free, s.row)
	return s.save()
}

// waiting returns how many despatches are to be told.
func (s *shipments) waiting() (n int) {
	for _, one := range s.open {
		if one.stored.Aside == "" {
			n++
		}
	}
	return n
}

// communication returns a record about the despatch.
func (s *shipment) communication(state record.CommunicationState, reason string) record.Communication {
	m := record.Communication{
		Pool: s.channel.pool, Channel: s.channel.id, Account: s.channel.account, OrderID: s.notice.OrderID, FulfilmentID: s.notice.FulfilmentID,
		Kind: record.ConfirmShipment, State: state, Attempt: s.stored.Tries, IdempotencyKey: s.key(), RequestID: s.key(),
		OfferVersion: s.notice.Version, OccurredAt: s.notice.ShippedAt, Reason: reason,
	}
	for _, l := range s.notice.Lines {
		m.Quantity += l.Quantity
	}
	if s.asked != nil {
		m.Command = s.asked.ID
	}
	return m
}

// unfit says why a channel cannot be told of the despatch; "": it can.
func (s *shipment) unfit() string {
	switch {
	case s.notice.Carrier == "":
		return "the despatch names no carrier"
	case s.notice.Tracking == "":
		return "the despatch has no tracking number"
	}
	return ""
}

// aside puts the despatch aside, for a person.
func (s *shipment) aside(state record.CommunicationState, reason string) error {
	o := s.channel.owner
	s.stored.Aside = reason
	o.said = append(o.said, s.communication(state, reason))
	o.stage.deps.Logger.Warn("a channel is not told of a despatch", "channel", s.channel.key, "reason", reason)
	if err := s.save(); err != nil {
		return err
	}
	return s.channel.shipments.thin()
}

// takesNone forgets the despatches of a channel that is told of none.
func (c *channel) takesNone() error {
	c.owner.stage.deps.Logger.Info("the channel's vendor takes no despatches: switch its flow shipments_out off", "channel", c.key, "count", len(c.shipments.open))
	for _, s := range slices.Clone(c.shipments.open) {
		if err := s.drop(); err != nil {
			return err
		}
	}
	return nil
}

// ship begins to tell the next despatch, one at a time beside everything else, and returns the request, or when it can.
func (c *channel) ship(now stock.Instant) (r *request, at stock.Instant, err error) {
	of := &c.shipments
	if of.busy || c.connector == nil || len(of.open) == 0 {
		return nil, 0, nil
	}
	target, ok := c.connector.(ShipmentTarget)
	if !ok {
		return nil, 0, c.takesNone()
	}
	for _, s := range slices.Clone(of.open) {
		if s.stored.Aside != "" {
			continue
		}
		if reason := s.unfit(); reason != "" {
			if err := s.aside(record.Held, reason); err != nil {
				return nil, 0, err
			}
			continue
		}
		if until := max(s.at, c.pausedUntil); until > now {
			if at == 0 || until < at {
				at = until
			}
			continue
		}
		if when, ok := c.budget.take(kindShipment, now); !ok {
			return nil, when, nil
		}
		deadline := now.Add(c.traits.Timeout)
		of.busy, s.busy = true, true
		s.stored.Tries, s.stored.Deadline = s.stored.Tries+1, deadline
		said := s.communication(record.Attempted, "")
		said.AttemptedAt = now
		c.owner.said = append(c.owner.said, said)
		return &request{channel: c, target: target, shipment: s, deadline: deadline.Time(), startedAt: now}, 0, s.save()
	}
	return nil, at, nil
}

// shipment returns what the channel is told, with its own name of the carrier.
func (s *shipment) told() Shipment {
	n := &s.notice
	t := Shipment{OrderID: n.OrderID, ID: n.FulfilmentID, ShippedAt: n.ShippedAt, Carrier: n.Carrier, Tracking: n.Tracking, Lines: n.Lines}
	if name := s.channel.state.Channel.Carriers.Get(n.Carrier); name != "" {
		t.Carrier = name
	}
	return t
}

// heardShipment takes in what a channel says to a despatch. What nobody knows is told again once the try cannot land any more: a target
// takes the same twice. What is refused is put aside, for a person.
func (o *owner) heardShipment(ctx context.Context, a answer, now stock.Instant) error {
	s := a.request.shipment
	c := s.channel
	c.shipments.busy, s.busy = false, false
	said := s.communication(record.Acknowledged, "")
	said.AttemptedAt, said.RepliedAt, said.ReplyClass, said.ReplyID, said.Reply = a.request.startedAt, now, string(OK), a.shipped.ID, a.shipped.Said
	var err error
	if a.err == nil {
		c.succeed(kindShipment, now, a.shipped.Allowance)
		o.stage.metrics.outcome(c, "shipment", OK)
		o.said = append(o.said, said)
		err = s.drop()
	} else {
		failed := asRequestError(a.err)
		o.stage.metrics.outcome(c, "shipment", failed.Class)
		refused := failed.Class == Refused && !failed.WholeChannel
		if apart := failed.Class == Throttled && failed.Apart; !refused && !apart {
			c.fail(kindShipment, now, failed)
		}
		said.State, said.ReplyClass, said.Reply = record.CommunicationRejected, string(failed.Class), failed.Reason
		if failed.Class.unknown() {
			said.State, s.at = record.Unknown, s.stored.Deadline.Add(c.settings.Settle)
		} else {
			s.stored.Deadline, s.at = 0, now.Add(max(failed.RetryAfter, c.backOff(int(s.stored.Tries)-1)))
		}
		if o.said = append(o.said, said); refused {
			err = s.aside(record.Quarantined, failed.Reason)
		} else {
			err = s.save()
		}
	}
	if err != nil {
		return err
	}
	if err := o.say(ctx); err != nil {
		return err
	}
	return o.save(ctx)
}

// thin forgets the oldest of those put aside where there are too many.
func (s *shipments) thin() error {
	if len(s.open)-s.waiting() <= maxAside {
		return nil
	}
	oldest := s.open[slices.IndexFunc(s.open, func(one *shipment) bool { return one.stored.Aside != "" })]
	return oldest.drop()
}

// again takes up what was put aside, for a command.
func (s *shipments) again(r *running) error {
	for _, one := range s.open {
		if one.stored.Aside == "" {
			continue
		}
		one.stored.Aside, one.at, one.asked = "", 0, r
		r.despatches = append(r.despatches, one)
		r.done.Count++
		if err := one.save(); err != nil {
			return err
		}
	}
	return nil
}

// settle ends a command's wait for despatches that are told or put aside again.
func (r *running) settle() {
	r.despatches = slices.DeleteFunc(r.despatches, func(s *shipment) bool {
		if !s.gone && s.stored.Aside == "" {
			return false
		}
		if s.stored.Aside != "" {
			r.done.Failed++
		}
		s.asked = nil
		return true
	})
}

// A Shipment is a despatch as a channel is told of it.
type Shipment struct {
	OrderID, ID       string // the channel's own id of the order, and ours of the despatch
	ShippedAt         stock.Instant
	Carrier, Tracking string // the channel's own name of the carrier
	Lines             []record.FulfilmentLine
}

// Shipped is a channel's answer to a despatch.
type Shipped struct {
	ID        string // the channel's own id of it, "" where it gives none
	Said      string // what there is to know; "": nothing
	Allowance *Allowance
}

// A ShipmentTarget is a connector whose channel can be told of despatches.
type ShipmentTarget interface {
	// Ship tells the channel that something has left. Telling it again under the same key, also in parts that were told before, changes
	// nothing and succeeds, once the former try cannot land any more. Its errors are as those of Set: Refused will not go away by itself.
	Ship(ctx context.Context, key string, s Shipment) (Shipped, error)
}
