package publisher

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A request is a batch on its way to a channel: rows to set, or items to read.
type request struct {
	channel   *channel
	connector Connector   // the channel's when the request began: a newer state of the channel may bring another
	source    OrderSource // of a poll: as for connector
	listings  []*listing
	key       string // of a set
	rows      []Row
	items     []Item             // of a read
	counters  []dispatch.Listing // of a read: the ledgers as of when it left
	poll      *poll              // of orders
	fetcher   OrderFetcher       // of one order: as for connector
	fetch     *running           // who asked for it
	target    ShipmentTarget     // of a despatch: as for connector
	shipment  *shipment          // of which it is
	bulk      bool               // it has a slot of its own
	deadline  time.Time
	startedAt stock.Instant
}

// item returns which item the request asks about, or sets, for its i-th listing.
func (r *request) item(i int) Item {
	if r.items != nil {
		return r.items[i]
	}
	return r.rows[i].Item
}

// An answer is what came of a request.
type answer struct {
	request *request
	reply   Reply
	reading Reading
	orders  OrderPage
	shipped Shipped
	err     error
}

// pump starts every request that is due and that its channel's budget allows, and returns when it is to be called again.
func (o *owner) pump(ctx context.Context) (wake stock.Instant, err error) {
	now := o.stage.now()
	wake = now.Add(maxSleep)
	earlier := func(at stock.Instant) {
		if at != 0 && at < wake {
			wake = at
		}
	}
	var starting []*request
	for _, c := range o.channels {
		r, at := c.pollOrders(now)
		if earlier(at); r != nil {
			starting = append(starting, r)
		}
		r, at = c.fetchOrders(now)
		if earlier(at); r != nil {
			starting = append(starting, r)
		}
		r, at, err := c.ship(now)
		if err != nil {
			return 0, err
		}
		if earlier(at); r != nil {
			starting = append(starting, r)
		}
		if c.why() != "" {
			continue
		}
		c.settleOld(now)
		c.giveUp(now)
		c.readAgain(now)
		c.lapse(now)
		earlier(c.ripen(now))
		if c.pausedUntil > now {
			earlier(c.pausedUntil)
		}
		if r, at := c.beginBulk(now); r != nil {
			starting = append(starting, r)
		} else {
			earlier(at)
		}
		for most := c.atOnce(); c.pausedUntil <= now && c.busy < most; {
			// The last one of several is kept for what protects a customer, so that it never waits for a bulk.
			urgent := most > 1 && c.busy == most-1
			if !c.ready(urgent, now, earlier) {
				break
			}
			if at, ok := c.budget.take(c.kindOfNext(urgent, now), now); !ok {
				earlier(at)
				break
			}
			r := c.begin(urgent, now)
			if r == nil {
				break
			}
			starting = append(starting, r)
		}
	}
	if len(starting) == 0 && len(o.dirty) == 0 && len(o.rows) == 0 {
		return wake, nil
	}
	// The fence: whoever lost the partition fails here, before a request leaves.
	if err := o.save(ctx); err != nil {
		return 0, err
	}
	if err := o.say(ctx); err != nil {
		return 0, err
	}
	for _, r := range starting {
		o.requests.Go(func() { o.results <- r.do(ctx) })
	}
	return wake, nil
}

// ready reports whether there is something to send, or, if urgent, something that protects a customer; earlier is told when
// there will be.
func (c *channel) ready(urgent bool, now stock.Instant, earlier func(stock.Instant)) bool {
	switch sets := c.departs(now); {
	case urgent && sets && c.queued(c.queue[:laneDecrease+1]), !urgent && (sets || c.reads()):
		return true
	case !sets:
		earlier(c.leaves) // where it is 0, nothing is waited for
	}
	for _, at := range c.retryAt {
		if at > now {
			earlier(at)
		} else if !urgent {
			return true
		}
	}
	return false
}

// kindOfNext returns what kind of request the next one will be.
func (c *channel) kindOfNext(urgent bool, now stock.Instant) int {
	if urgent || c.departs(now) {
		return kindSet
	}
	for _, at := range c.retryAt {
		if at <= now {
			return kindSet
		}
	}
	return kindRead
}

// queued reports whether a listing stands in one of the first lanes.
func (c *channel) queued(lanes [][]*listing) bool { return c.enough(1, lanes, 0) }

// reads reports whether a listing waits to be read.
func (c *channel) reads() bool { return c.enough(1, c.queue[laneRead:], laneRead) }

// enough reports whether n listings stand in lanes of which the first is the one that is given.
func (c *channel) enough(n int, lanes [][]*listing, first int) bool {
	most := 0
	for _, queue := range lanes {
		most += len(queue) // with those that have left it
	}
	if most < n {
		return false
	}
	for i, queue := range lanes {
		for _, l := range queue {
			if l.lane != first+i+1 {
				continue
			}
			if n--; n <= 0 {
				return true
			}
		}
	}
	return false
}

// begin takes the next batch: one of unknown outcome whose time has come, else the front of the lanes. Urgent: only what protects a
// customer.
func (c *channel) begin(urgent bool, now stock.Instant) *request {
	deadline := now.Add(c.traits.Timeout)
	// A zero goes before what it may overtake is sent again; and one request that fails every time must not take every turn.
	if turn := !c.replayed || !c.departs(now) && !c.reads(); !urgent && turn && !c.queued(c.queue[:laneSellOut+1]) {
		if r := c.replay(now, deadline); r != nil {
			c.replayed = true
			return r
		}
	}
	c.replayed = false
	var chosen []*listing
	reading := false
	if c.departs(now) {
		chosen, reading = c.next(laneSellOut, max(1, c.traits.BatchRows), urgent, now)
	} else {
		chosen, reading = c.next(laneRead, max(1, cmp.Or(c.traits.ReadRows, c.traits.BatchRows)), urgent, now)
	}
	if len(chosen) == 0 {
		return nil
	}
	c.busy++
	return c.compose(chosen, reading, now, deadline)
}

// beginBulk takes a bulk, where so many rows wait for one, or returns when one can be begun that does. What is to be set goes first:
// it was read for that.
func (c *channel) beginBulk(now stock.Instant) (r *request, at stock.Instant) {
	bulk := c.traits.Bulk
	if bulk.From < 1 || c.bulk || c.pausedUntil > now || c.failing() {
		return nil, 0
	}
	first, kind := laneDecrease, kindSet
	if !c.enough(bulk.From, c.queue[laneDecrease:laneRead], laneDecrease) {
		if first, kind = laneRead, kindRead; !c.enough(bulk.From, c.queue[laneRead:], laneRead) {
			return nil, 0
		}
	}
	if at, ok := c.budget.take(kind, now); !ok {
		return nil, at
	}
	chosen, reading := c.next(first, bulk.Rows, false, now)
	if len(chosen) == 0 {
		return nil, 0
	}
	c.bulk = true
	r = c.compose(chosen, reading, now, now.Add(bulk.Timeout))
	r.bulk = true
	return r, 0
}

// compose makes a request about the listings: of a set it records the attempts in the ledgers and says them.
func (c *channel) compose(chosen []*listing, reading bool, now, deadline stock.Instant) *request {
	r := &request{channel: c, connector: c.connector, listings: chosen, deadline: deadline.Time(), startedAt: now}
	if reading {
		for _, l := range chosen {
			l.busy = true
			r.items = append(r.items, l.Item)
			before := l.ledger
			before.Sold, before.Released = l.ledger.Counters(c.settings, now)
			r.counters = append(r.counters, before)
		}
		return r
	}
	o := c.owner
	// Rows of one key always have the same order, whoever sends them again.
	slices.SortFunc(chosen, byKey)
	r.key = "sw-" + strconv.Itoa(int(o.assignment.Partition().ID)) + "-" + strconv.FormatInt(int64(now), 36) + "-" +
		strconv.FormatInt(o.sequence, 36) + "-" + strconv.Itoa(o.nextKey())
	var torn []string // requests that a zero leaves
	for _, l := range chosen {
		action := l.decide(now)
		reason := l.reason(action)
		if at := l.ledger.Open; at != nil { // a zero overtakes it: its outcome does not matter any more
			c.leave(at.Key, l)
			torn = append(torn, at.Key)
		}
		l.Attempted = attempted{Item: l.Item, OfferedAt: l.OfferedAt, OccurredAt: l.OccurredAt}
		if expected, ok := l.ledger.Expected(c.settings); ok {
			l.Attempted.Expected = &expected
		}
		l.ledger.Begin(c.settings, action, r.key, now, deadline)
		l.busy, l.confirm, l.first, l.last = true, false, 0, 0
		o.touch(l)
		o.said = append(o.said, l.attempt(record.Attempted, reason))
		at := &o.said[len(o.said)-1]
		at.AttemptedAt = now
		r.rows = append(r.rows, l.row())
	}
	for _, key := range torn { // what was sold out by the same request goes by another
		for _, l := range c.unknown[key] {
			c.schedule(l, now)
		}
	}
	return r
}

// nextKey numbers the requests of one sequence.
func (o *owner) nextKey() int {
	o.keys++
	return o.keys
}

// reason says in a word why the action is taken.
func (l *listing) reason(a dispatch.Action) string {
	expected, ok := l.ledger.Expected(l.channel.settings)
	switch {
	case ok && a.Value == expected:
		return "confirm"
	case a.Value == 0:
		return "sell_out"
	case !ok:
		return "level_unknown"
	case a.Value < expected:
		return "decrease"
	}
	return "raise"
}

// replay takes a request of unknown outcome whose time has come.
func (c *channel) replay(now, deadline stock.Instant) *request {
	keys := make([]string, 0, len(c.retryAt))
	for key, at := range c.retryAt {
		if _, never := c.refused[key]; at > now || never {
			continue
		}
		if !c.unknown[key][0].ledger.MayRetry(c.settings, deadline) {
			c.dissolve(key, "")
			for _, l := range c.unknown[key] {
				c.schedule(l, now)
			}
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil
	}
	key := slices.Min(keys)
	delete(c.retryAt, key)
	r := &request{channel: c, connector: c.connector, listings: c.unknown[key], key: key, deadline: deadline.Time(), startedAt: now}
	c.busy++
	for _, l := range r.listings {
		l.ledger.Retry(deadline)
		// It may stand in a lane for a zero that was to overtake: now that a try is under way it may not.
		l.busy, l.lane = true, 0
		l.ready.Clear()
		c.owner.touch(l)
		said := l.attempt(record.Attempted, "replay")
		said.AttemptedAt = now
		c.owner.said = append(c.owner.said, said)
		r.rows = append(r.rows, l.row())
	}
	return r
}

// leave takes a listing out of a request of unknown outcome that its zero overtakes. What is left of it is not what was sent, so it
// is not sent again: what is sold out in it goes by a request of its own.
func (c *channel) leave(key string, l *listing) {
	c.unknown[key] = slices.DeleteFunc(slices.Clone(c.unknown[key]), func(o *listing) bool { return o == l })
	if len(c.unknown[key]) == 0 {
		c.forget(key)
		return
	}
	c.dissolve(key, "")
}

// dissolve ends the tries of a request of unknown outcome, as settleLater does, and lets what is sold out in it be told anew.
func (c *channel) dissolve(key, reason string) {
	c.settleLater(key, reason)
	for _, l := range c.unknown[key] {
		l.ledger.Open.Abandoned = true
	}
}

// settleLater lets the rows of a request of unknown outcome be settled when no try of it can land any more. The reason blames a row; "":
// none.
func (c *channel) settleLater(key, reason string) {
	at := stock.Instant(0)
	for _, l := range c.unknown[key] {
		at = max(at, l.ledger.Open.Deadline.Add(c.settings.Settle))
	}
	if _, ok := c.refused[key]; !ok {
		c.refused[key], c.retryAt[key] = reason, at
	}
}

func (c *channel) forget(key string) {
	delete(c.unknown, key)
	delete(c.retryAt, key)
	delete(c.refused, key)
}

// do sends the request. Whoever wakes after the deadline does not send.
func (r *request) do(ctx context.Context) answer {
	ctx, cancel := context.WithDeadline(ctx, r.deadline)
	defer cancel()
	if ctx.Err() != nil {
		return answer{request: r, err: &RequestError{Class: Timeout, Reason: "the deadline passed before it was sent"}}
	}
	a := answer{request: r}
	if r.poll != nil {
		a.orders, a.err = r.source.Orders(ctx, r.poll.since, r.poll.until, r.poll.page)
		return a
	}
	if r.shipment != nil {
		a.shipped, a.err = r.target.Ship(ctx, r.shipment.key(), r.shipment.told())
		return a
	}
	if r.fetch != nil {
		a.orders.Orders, a.err = r.fetcher.Order(ctx, r.fetch.OrderID)
		return a
	}
	if r.items != nil {
		a.reading, a.err = r.connector.Read(ctx, r.items)
		if n := len(a.reading.Levels); a.err == nil && n != len(r.items) {
			a.err = fmt.Errorf("%d levels for %d items", n, len(r.items))
		}
		return a
	}
	a.reply, a.err = r.connector.Set(ctx, r.key, r.rows)
	if a.err == nil && len(a.reply.Rows) != len(r.rows) {
		a.err = fmt.Errorf("%d replies for %d rows", len(a.reply.Rows), len(r.rows))
	}
	return a
}
