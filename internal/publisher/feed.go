package publisher

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// feedRow is the told row of what is known of a channel's orders. A listing's key holds a '/', so none is equal.
const feedRow = "orders"

// A feed is how far a channel's orders are known. Its exported fields are stored.
type feed struct {
	// Marked is the newest mark's; 0: there has never been one.
	Marked stock.Instant `json:",omitempty"`
	// Polled is until when orders have been read, by our clock; 0: they never were.
	Polled stock.Instant `json:",omitempty"`

	dirty  bool
	poll   *poll         // under way
	next   stock.Instant // when the next begins
	paused stock.Instant // no page is asked for until then
	lapsed stock.Instant // when grace was last looked at
	heard  stock.Instant // when the newest mark came, or this owner began
	silent bool          // nothing is heard of the orders, and that was logged
	// told and before are the orders of this poll and of the last one, by what they said: windows overlap, and what was written once
	// is not written again.
	told, before map[[sha256.Size]byte]struct{}
}

// news reports whether an order was not written yet as it is.
func (f *feed) news(o *record.Order) bool {
	sum := sha256.Sum256(codec.AppendEvent(nil, &record.Event{Order: o}))
	_, old := f.before[sum]
	_, again := f.told[sum]
	if f.told == nil {
		f.told = map[[sha256.Size]byte]struct{}{}
	}
	f.told[sum] = struct{}{}
	return !old && !again
}

func (f feed) pack() ([]byte, error) { return json.Marshal(f) }

func (f *feed) unpack(value []byte) error {
	if err := json.Unmarshal(value, f); err != nil {
		return fmt.Errorf("orders row: %w", err)
	}
	return nil
}

// lapse treats grace as a mark, for a channel that has never had one: of what was sold longer ago than that, all is taken to be
// folded. A channel that had marks and has none any more is waited for: its feed is silent, and its sales are unknown.
func (c *channel) lapse(now stock.Instant) {
	grace := c.state.Channel.Publish.Grace
	if _, polled := c.orderSource(); polled || grace <= 0 || c.feed.Marked != 0 || !c.settings.Lowers || now < c.feed.lapsed.Add(maxSleep) {
		return
	}
	c.feed.lapsed = now
	c.mark(now.Add(-grace), now)
}

// A poll reads the orders that changed in a window of time, a page after the other.
type poll struct {
	began        stock.Instant // the window's end, when that is now
	since, until stock.Instant // the window by the channel's clock, with what it overlaps
	page         string
	busy         bool
	orders       int64
	reads        stock.Instant // when the page under way was asked for
}

// overlap is by how much a window begins before the former one's end: clocks differ, and a channel shows orders late. longest bounds
// a window, because channels let nobody page without end; skew is how far ahead of ours a channel's clock may be.
const (
	overlap = 2 * time.Minute
	longest = 24 * time.Hour
	skew    = time.Minute
)

// visibilityLag is the longest time between the channel lowering a level and showing the order.
func (c *channel) visibilityLag() time.Duration {
	return max(c.state.Channel.Publish.VisibilityLag, c.traits.VisibilityLag)
}

// own makes orders this channel's, with lines that name a SKU where the channel's own name of the item is that.
func (c *channel) own(orders []record.Order) {
	named := map[string]struct{}{} // by what the channel calls them
	if c.traits.ItemsAreSKUs && len(orders) > 0 {
		for _, l := range c.listings {
			named[l.Item.ChannelItem] = struct{}{}
		}
	}
	for i := range orders {
		orders[i].Pool, orders[i].Channel = c.pool, c.id
		for k := range orders[i].Lines {
			l := &orders[i].Lines[k]
			if _, other := named[l.Item]; c.traits.ItemsAreSKUs && l.SKU == "" && !other {
				l.SKU, l.Item = l.Item, ""
			}
		}
	}
}

// orderSource returns the channel's order source, ok false where its orders are not to be polled.
func (c *channel) orderSource() (source OrderSource, ok bool) {
	if c.connector == nil || !c.state.Channel.Flows.Orders {
		return nil, false
	}
	source, ok = c.connector.(OrderSource)
	return source, ok
}

// pollOrders begins to read the next page of orders, if it is time, and returns the request, or when it will be.
func (c *channel) pollOrders(now stock.Instant) (r *request, at stock.Instant) {
	cfg := &c.owner.stage.cfg
	f := &c.feed
	source, ok := c.orderSource()
	if !ok || cfg.PollEvery <= 0 || f.poll != nil && f.poll.busy {
		return nil, 0
	}
	if f.poll == nil && now < f.next {
		return nil, f.next
	}
	if until := max(c.pausedUntil, f.paused); until > now {
		return nil, until
	}
	if at, ok := c.budget.take(kindOrders, now); !ok {
		return nil, at
	}
	if f.poll == nil {
		from := f.Polled
		if from == 0 {
			from = now.Add(-cfg.OrdersBack)
		}
		end := min(now, from.Add(longest))
		f.poll = &poll{began: end, since: from.Add(-overlap - c.visibilityLag()), until: end.Add(skew)}
	}
	f.poll.busy, f.poll.reads = true, now
	return &request{channel: c, source: source, poll: f.poll, deadline: now.Add(c.traits.Timeout).Time(), startedAt: now}, 0
}

// orderFetcher returns the channel's source of single orders, ok false where there is none.
func (c *channel) orderFetcher() (source OrderFetcher, ok bool) {
	if c.connector == nil || !c.state.Channel.Flows.Orders {
		return nil, false
	}
	source, ok = c.connector.(OrderFetcher)
	return source, ok
}

// fetchOrders begins to read the next order that somebody asked for, if there is one, and returns the request, or when it can.
func (c *channel) fetchOrders(now stock.Instant) (r *request, at stock.Instant) {
	for _, asked := range c.commands {
		if asked.Kind != record.CommandFetch || !asked.orderly || asked.begun {
			continue
		}
		source, ok := c.orderFetcher()
		if !ok {
			asked.orderly, asked.done.Reason = false, "the channel's orders cannot be read any more"
			continue
		}
		if c.pausedUntil > now {
			return nil, c.pausedUntil
		}
		if at, ok := c.budget.take(kindRead, now); !ok {
			return nil, at
		}
		asked.begun = true
		return &request{channel: c, fetcher: source, fetch: asked, deadline: now.Add(c.traits.Timeout).Time(), startedAt: now}, 0
	}
	return nil, 0
}

// heardOrder takes in an order that somebody asked for. A failure is theirs to try again.
func (o *owner) heardOrder(ctx context.Context, a answer, now stock.Instant) error {
	c, asked := a.request.channel, a.request.fetch
	asked.orderly = false
	if a.err != nil {
		failed := asRequestError(a.err)
		if failed.Class != Throttled || !failed.Apart {
			c.fail(kindRead, now, failed)
		}
		o.stage.metrics.outcome(c, "orders", failed.Class)
		asked.done.Reason = failed.Error()
		return nil
	}
	c.succeed(kindRead, now, a.orders.Allowance)
	o.stage.metrics.outcome(c, "orders", OK)
	if len(a.orders.Orders) == 0 {
		asked.done.Reason = fmt.Sprintf("the channel has no order %q", asked.OrderID)
		return nil
	}
	c.own(a.orders.Orders)
	messages := make([]stream.Message, 0, len(a.orders.Orders))
	for i := range a.orders.Orders {
		a.orders.Orders[i].ReadAt = a.request.startedAt
		messages = append(messages, c.orderEvent(&record.Event{Order: &a.orders.Orders[i]}))
	}
	if err := o.stage.deps.Outputs.Produce(ctx, messages); err != nil {
		return fmt.Errorf("write order %s of channel %s: %w", asked.OrderID, c.key, err)
	}
	asked.done.Count = 1
	return nil
}

// orderEvent makes a message of an order or a mark, into the partition of all of the channel's.
func (c *channel) orderEvent(e *record.Event) stream.Message {
	return stream.Message{
		Topic: stream.Orders, Partition: stream.Any, Key: []byte(c.pool), Value: codec.AppendEvent(nil, e), ContentType: stream.ContentTypeProtobuf,
	}
}

// heardOrders takes in a page of orders: they are written to the input topic, and after the last page a mark that nothing older is
// missing, in the same partition. What is read twice changes nothing there.
func (o *owner) heardOrders(ctx context.Context, a answer, now stock.Instant) error {
	c, p := a.request.channel, a.request.poll
	f := &c.feed
	p.busy = false
	if a.err != nil {
		failed := asRequestError(a.err)
		if failed.Class == Throttled && failed.Apart {
			f.paused = now.Add(max(failed.RetryAfter, c.backOff(0)))
		} else {
			c.fail(kindOrders, now, failed)
		}
		o.stage.metrics.outcome(c, "orders", failed.Class)
		return nil // the same page again, after the pause
	}
	c.succeed(kindOrders, now, a.orders.Allowance)
	o.stage.metrics.outcome(c, "orders", OK)
	var messages []stream.Message
	add := func(e *record.Event) { messages = append(messages, c.orderEvent(e)) }
	c.own(a.orders.Orders)
	for i := range a.orders.Orders {
		order := &a.orders.Orders[i]
		if !f.news(order) {
			continue
		}
		order.ReadAt = p.reads
		add(&record.Event{Order: order})
	}
	p.orders += int64(len(a.orders.Orders))
	p.page = a.orders.Next
	if p.page == "" {
		add(&record.Event{Mark: &record.Mark{Pool: c.pool, Channel: c.id, OrdersUntil: p.began.Add(-c.visibilityLag())}})
	}
	if len(messages) > 0 {
		if err := o.stage.deps.Outputs.Produce(ctx, messages); err != nil {
			return fmt.Errorf("write %d orders of channel %s: %w", len(a.orders.Orders), c.key, err)
		}
	}
	if p.page != "" {
		return nil
	}
	f.Polled, f.dirty, f.poll = p.began, true, nil
	f.before, f.told = f.told, nil
	if f.next = p.reads.Add(max(o.stage.cfg.PollEvery, c.traits.OrdersEvery)); p.began < p.reads.Add(-time.Minute) { // there is more to be caught up with
		f.next = now
	}
	c.ordersRead(p.orders, f.Polled)
	return nil
}
