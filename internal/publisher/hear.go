package publisher

import (
	"context"
	"errors"
	"slices"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// hear takes in an answer: outcomes to Kafka, then the ledgers to the told store.
func (o *owner) hear(ctx context.Context, a answer) error {
	now := o.stage.now()
	c := a.request.channel
	if a.request.poll != nil {
		if a.request.poll != c.feed.poll {
			return nil // somebody asked for another window meanwhile
		}
		if err := o.heardOrders(ctx, a, now); err != nil {
			return err
		}
		return o.save(ctx)
	}
	if a.request.shipment != nil {
		return o.heardShipment(ctx, a, now)
	}
	if a.request.fetch != nil {
		return o.heardOrder(ctx, a, now)
	}
	if a.request.bulk {
		c.bulk = false
	} else {
		c.busy--
	}
	for _, l := range a.request.listings {
		l.busy = false
	}
	switch {
	case a.request.items != nil:
		c.heardLevels(a, now)
	case a.err != nil:
		c.heardFailure(a, now)
	default:
		c.heardReply(a, now)
	}
	for i, l := range a.request.listings {
		if a.request.item(i) != l.Item { // the listing names another by now
			l.ledger.Forget()
		}
		o.touch(l)
		c.schedule(l, now)
	}
	if err := o.say(ctx); err != nil {
		return err
	}
	return o.save(ctx)
}

func (c *channel) heardLevels(a answer, now stock.Instant) {
	o := c.owner
	if a.err != nil {
		failed := asRequestError(a.err)
		c.fail(kindRead, now, failed)
		o.stage.metrics.outcome(c, "read", failed.Class)
		return
	}
	if failed := a.reading.Failed; failed != nil {
		c.fail(kindRead, now, failed)
	} else {
		c.succeed(kindRead, now, a.reading.Allowance)
	}
	for i, l := range a.request.listings {
		if a.reading.Levels[i].Unread {
			continue
		}
		level := a.reading.Levels[i].Quantity
		if level == nil {
			c.unsellable(l, a.reading.Levels[i].Reason, now)
			continue
		}
		if l.Unsellable {
			l.release()
		}
		l.again = false
		before := &a.request.counters[i]
		said := l.communication(record.Observed, record.ReadLevel, "read_back")
		if expected, ok := before.Expected(c.settings); ok {
			said.Expected = &expected
		}
		if before.Drifted(c.settings, *level) {
			said.Reason = drift
			if l.asked != nil {
				l.asked.done.Drifted++
			}
			if !l.peek {
				l.drifted()
			}
		}
		said.Level, said.AttemptedAt, said.RepliedAt, said.ReplyClass = level, a.request.startedAt, now, string(OK)
		if l.peek {
			l.ledger.Look, l.peek = false, false
		} else {
			l.ledger.Observed(c.settings, *level, before.Sold, before.Released, now)
		}
		o.said = append(o.said, said)
		o.stage.metrics.outcome(c, "read", OK)
	}
}

func (c *channel) heardReply(a answer, now stock.Instant) {
	o := c.owner
	if failed := a.reply.Failed; failed != nil {
		c.fail(kindSet, now, failed)
	} else {
		c.succeed(kindSet, now, a.reply.Allowance)
	}
	c.forget(a.request.key)
	c.told(a.reply.Rows)
	var pending []*listing
	for i, l := range a.request.listings {
		row := a.reply.Rows[i]
		said := l.attempt(record.Acknowledged, "")
		class := OK
		switch row.Outcome {
		case RowApplied:
			l.ledger.Applied(c.settings, now)
			l.most = 0
		case RowStale:
			class, said.State = Stale, record.CommunicationRejected
			l.ledger.Stale(now)
		case RowUnsure:
			class, said.State = Stale, record.Unknown
			l.ledger.GiveUp(c.settings, now)
		case RowPending:
			class, said.State = Pending, record.Unknown
			pending = append(pending, l)
		case RowUnsent:
			class, said.State = Throttled, record.CommunicationRejected
			l.ledger.Refused()
		default:
			class, said.State = Refused, record.CommunicationRejected
			l.ledger.Refused()
			l.quarantine(row.Reason)
		}
		said.Level, said.Reply, said.ReplyClass, said.ReplyID = row.Level, row.Reason, string(class), a.reply.ID
		said.AttemptedAt, said.RepliedAt = a.request.startedAt, now
		o.said = append(o.said, said)
		if row.Outcome == RowRefused {
			o.said = append(o.said, l.communication(record.Quarantined, said.Kind, l.Quarantine))
		}
		o.stage.metrics.outcome(c, "set", class)
		if class == OK && said.OccurredAt != 0 {
			o.stage.metrics.latency.Observe(now.Sub(said.OccurredAt).Seconds())
		}
	}
	if len(pending) > 0 { // settled, and read again, when none of them can land any more; a zero may overtake one
		c.unknown[a.request.key] = pending
		c.settleLater(a.request.key, "")
	}
}

// told takes in whether a call told anything. One that was turned away for a stale row did not: what is read for the next goes at once,
// not a quiet time later, in which the shop sells something else and the next is stale, too. That is done once, not again and again.
func (c *channel) told(rows []RowReply) {
	applied := func(r RowReply) bool { return r.Outcome == RowApplied }
	stale := func(r RowReply) bool { return r.Outcome == RowStale || r.Outcome == RowUnsure }
	if c.spoiled = !c.spoiled && !slices.ContainsFunc(rows, applied) && slices.ContainsFunc(rows, stale); c.spoiled {
		c.left = 0
	}
}

// batchTries is how often a batch of unknown outcome is tried before its rows are sent each by itself: one row that the channel
// fails at must not hold up the others. A single row is tried for ever.
const batchTries = 5

// heardFailure takes in a request that failed as a whole. What nobody knows is sent again, the same bytes under the same key;
// what changed nothing is decided anew. That a second try was turned away says nothing of the first: it stays unknown.
func (c *channel) heardFailure(a answer, now stock.Instant) {
	o := c.owner
	failed := asRequestError(a.err)
	c.fail(kindSet, now, failed)
	state := record.CommunicationRejected
	key, open := a.request.key, a.request.listings[0].ledger.Open
	if again := open.Tries > 1; again || failed.Class.unknown() {
		state = record.Unknown
		c.unknown[key], c.retryAt[key] = a.request.listings, max(c.pausedUntil, now.Add(c.backOff(int(open.Tries)-1)))
		// Where another try is of no use, or only ever spoils the other rows of its batch: wait until none can land any more.
		switch {
		case c.settings.Keys == 0:
			c.dissolve(key, "")
		case again && failed.Class == Refused && !failed.WholeChannel, open.Tries >= batchTries && len(a.request.listings) > 1:
			c.dissolve(key, failed.Reason)
		}
	} else {
		c.forget(key)
	}
	rows := len(a.request.listings)
	for _, l := range a.request.listings {
		said := l.attempt(state, "")
		said.Reply, said.ReplyClass, said.AttemptedAt, said.RepliedAt = failed.Reason, string(failed.Class), a.request.startedAt, now
		o.said = append(o.said, said)
		o.stage.metrics.outcome(c, "set", failed.Class)
		if state == record.Unknown {
			continue
		}
		l.ledger.Refused()
		if failed.Class == Refused && !failed.WholeChannel {
			c.blame(l, rows, said.Kind, failed.Reason)
		}
	}
}

// giveUp settles the requests whose outcome nobody will learn, now that they cannot land any more.
func (c *channel) giveUp(now stock.Instant) {
	for key, reason := range c.refused {
		if c.retryAt[key] > now {
			continue
		}
		batch := c.unknown[key]
		c.forget(key)
		for _, l := range batch {
			l.ledger.GiveUp(c.settings, now)
			if reason != "" {
				c.blame(l, len(batch), record.SetLevel, reason)
			}
			c.owner.touch(l)
			c.schedule(l, now)
		}
	}
}

// blame deals with a listing of a request that was refused as a whole, of so many rows. One bad row spoils a batch: it is halved until
// the one at fault is alone, and put aside.
func (c *channel) blame(l *listing, rows int, kind record.CommunicationKind, reason string) {
	if rows > 1 {
		l.most = (rows + 1) / 2
		return
	}
	l.quarantine(reason)
	c.owner.said = append(c.owner.said, l.communication(record.Quarantined, kind, l.Quarantine))
}

// unsellable puts a listing aside that the channel does not know or would not sell. It is said once, and read again with the others.
func (c *channel) unsellable(l *listing, reason string, now stock.Instant) {
	known := l.Quarantine
	l.quarantine(reason)
	if l.Unsellable = true; known == l.Quarantine {
		return
	}
	said := l.communication(record.Quarantined, record.ReadLevel, l.Quarantine)
	said.RepliedAt = now
	c.owner.said = append(c.owner.said, said)
}

// drift is the reason of an observation that somebody else's change of the level must have led to.
const drift = "drift"

// drifted takes in that somebody else changed the level. It is corrected, if that is the channel's policy.
func (l *listing) drifted() {
	if !l.channel.state.Channel.Publish.CorrectDrift {
		l.quarantine("the level has drifted, and the channel's correct_drift is off")
	}
}

// quarantine puts the listing aside until release.
func (l *listing) quarantine(reason string) {
	if reason == "" {
		reason = "refused"
	}
	l.Quarantine, l.Unsellable, l.again, l.most = reason, false, false, 0
}

// release takes up again a listing that was put aside.
func (l *listing) release() {
	l.confirm = l.confirm || l.Quarantine != ""
	l.Quarantine, l.Unsellable, l.again, l.most = "", false, false, 0
}

// settleOld settles attempts that a zero overtook and that cannot land any more.
func (c *channel) settleOld(now stock.Instant) {
	for l := range c.overtaken {
		if l.ledger.Old == nil {
			delete(c.overtaken, l)
		} else if !l.busy && l.ledger.SettleOld(c.settings, now) {
			delete(c.overtaken, l)
			c.owner.touch(l)
			c.schedule(l, now)
		}
	}
}

// readAgain asks for every listing's level when it is time to.
func (c *channel) readAgain(now stock.Instant) {
	if c.readBack == 0 || now < c.readBack {
		return
	}
	c.readBack = now.Add(c.owner.stage.cfg.ReadBackEvery)
	for _, l := range c.sorted() {
		if l.ledger.Open == nil && !l.busy {
			l.ledger.Look, l.again = true, l.Unsellable // not saved for its own sake: a new owner's reading back begins anew
			c.schedule(l, now)
		}
	}
}

// asRequestError classes any error; one that says nothing is of unknown outcome.
func asRequestError(err error) *RequestError {
	if e, ok := errors.AsType[*RequestError](err); ok {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &RequestError{Class: Timeout, Reason: "no answer in time"}
	}
	return &RequestError{Class: Connection, Reason: err.Error()}
}
