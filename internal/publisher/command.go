package publisher

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// commandsChannel and positionRow name the told row of how far the partition's commands are taken in. A channel's key holds a '/', so
// none is equal.
const (
	commandsChannel = "commands"
	positionRow     = "position"
)

// A commandPosition is the next command to take, in the topic with the id.
type commandPosition struct {
	TopicID string
	Offset  int64
}

// A running is a command that the channel's owner is at.
type running struct {
	record.Command
	left    map[*listing]struct{} // listings that are not at rest yet
	done    record.CommandDone
	orderly bool // it waits for orders to be read
	begun   bool // of fetch: its request has left

	despatches []*shipment // that are not told yet
}

// openCommands opens the partition's commands where the last owner left them.
func (o *owner) openCommands(ctx context.Context) (stream.Reader, error) {
	p := stream.Partition{Topic: stream.Commands, ID: o.assignment.Partition().ID}
	id, err := o.stage.deps.Log.TopicID(ctx, p.Topic)
	if err != nil {
		return nil, err
	}
	bounds, err := o.stage.deps.Log.Bounds(ctx, p)
	if err != nil {
		return nil, err
	}
	// A command that nobody can read any more was not done, and whoever asked was told so.
	if o.commands.TopicID != id || o.commands.Offset > bounds.End || o.commands.Offset < bounds.Start {
		o.commands = commandPosition{TopicID: id, Offset: bounds.Start}
	}
	return o.stage.deps.Log.Open(ctx, p, o.commands.Offset)
}

// takeCommands takes in commands. Those for channels that are not this owner's are another's.
func (o *owner) takeCommands(ctx context.Context, records []stream.Record) error {
	now := o.stage.now()
	for i := range records {
		var cmd record.Command
		if err := codec.DecodeCommand(records[i].Value, &cmd); err != nil {
			o.stage.deps.Logger.WarnContext(ctx, "a command does not decode and is left out", "offset", records[i].Offset, "err", err)
			continue
		}
		if c := o.channels[stream.JoinKey(cmd.Pool, cmd.Channel)]; c != nil && cmd.Done == nil && cmd.ID != "" {
			if err := c.command(cmd, now); err != nil {
				return err
			}
		}
	}
	o.commands.Offset = records[len(records)-1].Offset + 1
	value, err := json.Marshal(o.commands)
	if err != nil {
		return err
	}
	o.rows = append(o.rows, ToldRow{Channel: commandsChannel, Listing: positionRow, Value: value})
	if err := o.say(ctx); err != nil {
		return err
	}
	return o.save(ctx)
}

// command begins what was asked.
func (c *channel) command(cmd record.Command, now stock.Instant) error {
	r := &running{Command: cmd, left: map[*listing]struct{}{}}
	refuse := func(reason string) {
		r.done.Reason = reason
		c.commands = append(c.commands, r)
	}
	if why := c.why(); why != "" && cmd.Kind != record.CommandOrders && cmd.Kind != record.CommandFetch {
		refuse(why)
		return nil
	}
	switch cmd.Kind {
	case record.CommandSync:
		if c.settings.Access == dispatch.Blind {
			refuse("the channel tells no levels")
			return nil
		}
	case record.CommandPush, record.CommandRetry:
	case record.CommandOrders:
		if _, ok := c.orderSource(); !ok || c.owner.stage.cfg.PollEvery <= 0 {
			refuse("the channel's orders are not polled")
			return nil
		}
		if c.feed.next = now; cmd.Since != 0 {
			c.feed.Polled, c.feed.dirty, c.feed.poll, c.feed.before, c.feed.told = cmd.Since, true, nil, nil, nil
		}
		r.orderly = true
	case record.CommandFetch:
		if _, ok := c.orderFetcher(); !ok {
			refuse("the channel's orders cannot be read one by one, or its orders flow is off")
			return nil
		}
		r.orderly = true
	default:
		refuse("the owner does not know this kind of command")
		return nil
	}
	c.commands = append(c.commands, r)
	if r.orderly {
		return nil
	}
	if cmd.Kind == record.CommandRetry && cmd.SKU == "" {
		if err := c.shipments.again(r); err != nil {
			return err
		}
	}
	for _, l := range c.sorted() {
		if cmd.SKU != "" && l.Item.SKU != cmd.SKU || cmd.Kind == record.CommandRetry && l.Quarantine == "" {
			continue
		}
		r.left[l] = struct{}{}
		r.done.Count++
		l.begin(r, now)
	}
	return nil
}

// begin makes a listing do what was asked: it is read, or told without waiting for its debounce.
func (l *listing) begin(r *running, now stock.Instant) {
	l.asked = r
	if r.Kind == record.CommandSync {
		l.again = true
	} else if l.Quarantine != "" {
		l.release()
		l.channel.owner.touch(l)
	}
	l.peek, l.confirm = r.ObserveOnly, l.confirm || r.Kind == record.CommandPush
	l.ledger.Look = true
	l.first, l.last = 0, 0
	l.channel.schedule(l, now)
}

// settled reports whether nothing is to be done about the listing any more, or nothing can be until a mark.
func (l *listing) settled() bool {
	waits := l.channel.settings.Access == dispatch.Blind
	return !l.busy && l.lane == 0 && l.ready.At() == 0 && l.ledger.Open == nil && (waits || !l.ledger.Look || l.Quarantine != "" && !l.again)
}

// waits returns until when nothing can be done about the listing, and why; 0: something can, or nobody knows how long.
func (l *listing) waits() (until stock.Instant, why string) {
	if l.busy || l.lane != 0 {
		return 0, ""
	}
	if at := l.ledger.Open; at != nil {
		if _, given := l.channel.refused[at.Key]; given {
			return l.channel.retryAt[at.Key], "what was sent at " + at.Sent.String() + " may still take effect, and is read then"
		}
		return 0, ""
	}
	return l.ready.At(), "the channel may still tell a level of before what it was last sent"
}

// answerWaiting gives up those of the command's listings that wait, where all that are left do, and for longer than the answer is waited
// for: whoever asks learns that, instead of nothing. They are told all the same.
func (r *running) answerWaiting() {
	if r.AnswerBy == 0 {
		return
	}
	var last stock.Instant
	var why string
	for l := range r.left {
		until, what := l.waits()
		if until < r.AnswerBy {
			return
		}
		if until > last {
			last, why = until, what
		}
	}
	for l := range r.left {
		r.leave(l)
		r.done.Waiting++
	}
	r.done.WaitsUntil, r.done.WaitsFor = last, why
}

// leave ends what the command has to do with a listing.
func (r *running) leave(l *listing) {
	delete(r.left, l)
	if l.asked == r {
		l.asked, l.peek = nil, false
	}
}

// ordersRead ends the commands that waited for orders up to until, count of which were read.
func (c *channel) ordersRead(count int64, until stock.Instant) {
	for _, r := range c.commands {
		if r.orderly && r.Kind == record.CommandOrders {
			r.done.Count += count
			r.orderly = r.IssuedAt > until
		}
	}
}

// finish writes the ends of the commands whose listings are settled.
func (o *owner) finish(ctx context.Context) error {
	var messages []stream.Message
	for _, c := range o.channels {
		kept := c.commands[:0]
		for _, r := range c.commands {
			for l := range r.left {
				if !l.settled() {
					continue
				}
				if r.leave(l); l.Quarantine != "" {
					r.done.Failed++
				}
			}
			if r.settle(); len(r.left) > 0 && len(r.despatches) == 0 {
				r.answerWaiting()
			}
			if len(r.left) > 0 || len(r.despatches) > 0 || r.orderly {
				kept = append(kept, r)
				continue
			}
			end := r.Command
			end.Done = &r.done
			messages = append(messages, stream.Message{
				Topic: stream.Commands, Partition: o.assignment.Partition().ID, Key: []byte(c.account), Value: codec.AppendCommand(nil, &end),
				ContentType: stream.ContentTypeProtobuf,
			})
		}
		clear(c.commands[len(kept):])
		c.commands = kept
	}
	if len(messages) == 0 {
		return nil
	}
	if err := o.stage.deps.Outputs.Produce(ctx, messages); err != nil {
		return fmt.Errorf("write the ends of %d commands: %w", len(messages), err)
	}
	return nil
}
