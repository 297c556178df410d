package publisher

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// The lanes of a channel, in the order in which they are served: what protects a customer goes before what pleases a merchant.
const (
	laneSellOut = iota
	laneDecrease
	laneRaise
	laneRead
	lanes
)

// A channel is one channel with its listings, its queues and its budget.
type channel struct {
	owner     *owner
	key       string // stream.JoinKey(pool, channel)
	pool, id  string
	account   string
	state     record.ChannelState
	connector Connector // nil: nothing can be sent, noEndpoint says why
	noRoute   error
	traits    Traits
	settings  dispatch.Settings
	budget    *budget // the account's

	listings  map[string]*listing
	watched   map[*listing]struct{}         // those that a mark may change
	waiting   *dispatch.Timetable[*listing] // due, but not yet ready to be sent
	queue     [lanes][]*listing             // ready to be sent
	leaves    stock.Instant                 // when the decreases and raises that stand in their lanes leave at the latest; 0: none do
	left      stock.Instant                 // when some last left
	spoiled   bool                          // the last call told nothing, and does not count as one
	unknown   map[string][]*listing         // requests of unknown outcome, by idempotency key
	retryAt   map[string]stock.Instant      // when they are to be sent again
	refused   map[string]string             // those of unknown that are not sent again, by key: at retryAt they are given up. The reason blames a row; "": none
	overtaken map[*listing]struct{}         // those with an attempt that a zero overtook
	busy      int                           // requests under way, without the bulk
	bulk      bool                          // a bulk is under way
	replayed  bool                          // the last request begun was a replay
	pending   int                           // listings that are not at rest

	feed      feed
	shipments shipments
	commands  []*running // that are not done

	pausedUntil  stock.Instant // the channel asked for it, or failed
	failures     int           // in a row
	failingSince stock.Instant // when they began; 0: there are none
	held         string        // why every request fails: the address or the credentials; "": they do not
	readBack     stock.Instant // when all levels are to be read back next
}

func newChannel(o *owner, key, pool, id string) *channel {
	return &channel{
		owner: o, key: key, pool: pool, id: id, account: (&record.Channel{Pool: pool, Channel: id}).AccountID(), listings: map[string]*listing{}, watched: map[*listing]struct{}{},
		overtaken: map[*listing]struct{}{}, unknown: map[string][]*listing{}, retryAt: map[string]stock.Instant{},
		waiting: dispatch.NewTimetable(func(l *listing) *dispatch.Slot { return &l.ready }),
		refused: map[string]string{}, noRoute: errors.New("the channel is not declared"),
	}
}

// set takes a newer state of the channel.
func (c *channel) set(s record.ChannelState) {
	lowered, known := c.settings.Lowers, c.state.Version != 0
	c.state = s
	ch := &c.state.Channel
	c.settings.Lowers, c.settings.Settle = ch.LowersOwnLevel, ch.Publish.Settle
	if known && lowered != c.settings.Lowers {
		for _, l := range c.sorted() { // what its bounds mean has changed
			l.ledger.Forget()
			c.owner.touch(l)
		}
	}
	c.connector, c.noRoute = c.owner.stage.deps.Connect(ch)
	if c.connector == nil {
		if c.noRoute == nil {
			c.noRoute = ErrNoEndpoint
		}
		return
	}
	c.traits = c.connector.Traits()
	c.settings.Access, c.settings.Keys, c.settings.ReadLag = c.traits.Access, c.traits.KeysLast, c.traits.ReadLag
	c.settings.Settle = max(c.settings.Settle, c.traits.Settle)
	if c.budget = c.owner.budgets[c.account]; c.budget == nil {
		c.budget = newBudget(c.traits)
		c.owner.budgets[c.account] = c.budget
	}
	if every := c.owner.stage.cfg.ReadBackEvery; every > 0 && c.traits.Access != dispatch.Blind {
		c.readBack = c.owner.stage.now().Add(every)
	}
}

// why says why nothing is sent to the channel.
func (c *channel) why() string {
	switch {
	case c.connector == nil:
		return c.noRoute.Error()
	case !c.state.Channel.Flows.Stock:
		return "the channel's stock flow is off"
	}
	return ""
}

// sorted returns the listings by key, so that nothing hangs on the order of a map.
func (c *channel) sorted() []*listing {
	return slices.SortedFunc(maps.Values(c.listings), byKey)
}

// watch keeps the listing among those that a mark may change, as long as one may.
func (c *channel) watch(l *listing) {
	if l.ledger.Old != nil {
		c.overtaken[l] = struct{}{}
	}
	if l.ledger.Seen != nil || l.ledger.Since != 0 {
		c.watched[l] = struct{}{}
		return
	}
	delete(c.watched, l)
}

// unmarked returns the listings that a mark at until changes, by key.
func (c *channel) unmarked(until stock.Instant) []*listing {
	var found []*listing
	for l := range c.watched {
		if seen := l.ledger.Seen; seen != nil && seen.At < until || l.ledger.Since != 0 && l.ledger.Since < until {
			found = append(found, l)
		}
	}
	slices.SortFunc(found, byKey)
	return found
}

// schedule puts the listing where it now belongs: into a lane, among those that wait for their debounce, or nowhere.
func (c *channel) schedule(l *listing, now stock.Instant) {
	defer c.count(l)
	if c.why() != "" || l.busy || l.Quarantine != "" && !l.again {
		l.lane = 0
		l.ready.Clear()
		return
	}
	since := l.ledger.Since
	action := l.decide(now)
	if l.ledger.Since != since {
		c.owner.touch(l) // it began, or ceased, to wait for a mark
	}
	lane, at := laneRead, now
	switch action.Kind {
	case dispatch.Nothing, dispatch.Wait:
		l.lane = 0
		l.ready.Clear()
		if action.At > now {
			c.waiting.Set(l, action.At)
		}
		if action.Kind == dispatch.Nothing {
			l.first, l.last = 0, 0
		}
		return
	case dispatch.Set, dispatch.CompareAndSet:
		lane = l.laneOf(action)
		publish := &c.state.Channel.Publish
		if l.first != 0 && !l.presses(lane) {
			at = dispatch.Due(l.first, l.last, publish.Quiet, publish.LongestWait)
		}
	}
	if at > now {
		l.lane = 0
		c.waiting.Set(l, at)
		return
	}
	if l.lane == lane+1 {
		return
	}
	l.lane = lane + 1
	l.ready.Clear()
	c.queue[lane] = append(c.queue[lane], l)
	if lane == laneDecrease || lane == laneRaise {
		if by := c.leavesBy(l, lane, now); c.leaves == 0 || by < c.leaves {
			c.leaves = by
		}
	}
}

// leavesBy returns when a listing that enters a lane at now leaves at the latest. What presses goes at once, and what was read for it. The
// others have the rest of a quiet time since the last request for more to join them: so a channel of many changes is called once in that
// time, and one of few at once.
func (c *channel) leavesBy(l *listing, lane int, now stock.Instant) stock.Instant {
	if l.presses(lane) || c.settings.Access == dispatch.Readable {
		return now
	}
	publish := &c.state.Channel.Publish
	by := max(now, c.left.Add(publish.Quiet))
	if l.first != 0 {
		by = min(by, l.first.Add(publish.LongestWait))
	}
	return by
}

// presses reports whether a listing that goes by the lane is debounced by nothing: it is sold out, or nearly.
func (l *listing) presses(lane int) bool {
	return lane == laneSellOut || l.ledger.Quantity <= l.channel.state.Channel.Publish.LowMark
}

// departs reports whether something that stands in the lanes to be set is to leave: it is sold out, its time has come, or it fills a
// request.
func (c *channel) departs(now stock.Instant) bool {
	if c.queued(c.queue[:laneDecrease]) {
		return true
	}
	others := c.queue[laneDecrease:laneRead]
	if !c.enough(1, others, laneDecrease) {
		c.leaves = 0 // all of it has left its lane
		return false
	}
	return c.leaves <= now || c.enough(c.traits.BatchRows, others, laneDecrease)
}

// count keeps the number of listings that are not at rest.
func (c *channel) count(l *listing) {
	restless := l.lane != 0 || l.ready.At() != 0 || l.busy || l.ledger.Open != nil
	if restless == l.restless {
		return
	}
	l.restless = restless
	if restless {
		c.pending++
	} else {
		c.pending--
	}
}

// decide asks the rule, and holds a zero back that is nobody's to send: what it would overtake is under way again.
func (l *listing) decide(now stock.Instant) dispatch.Action {
	action := l.ledger.Decide(l.channel.settings, now)
	if at := l.ledger.Open; at != nil && action.Kind == dispatch.Set && l.channel.unknown[at.Key] == nil {
		return dispatch.Action{}
	}
	if level, ok := l.ledger.Expected(l.channel.settings); ok && l.confirm && action.Kind == dispatch.Nothing && l.ledger.Open == nil &&
		l.channel.settings.Access == dispatch.Comparing && level >= 0 {
		return dispatch.Action{Kind: dispatch.CompareAndSet, Value: level, Base: &level}
	}
	return action
}

func (l *listing) laneOf(a dispatch.Action) int {
	expected, ok := l.ledger.Expected(l.channel.settings)
	switch {
	case a.Value == 0:
		return laneSellOut
	case ok && a.Value < expected:
		return laneDecrease
	}
	return laneRaise
}

// ripen moves the listings whose debounce has ended into their lanes and returns when the next one's will.
func (c *channel) ripen(now stock.Instant) stock.Instant {
	for {
		l, wake, ok := c.waiting.Next(now)
		if !ok {
			return wake
		}
		c.schedule(l, now)
	}
}

// next takes up to n listings from the front of the lanes, from the lane first on, that are to be sent, or, if none is, that are to be
// read. Where only what protects a customer may go, others fill up its batch and make none of their own.
func (c *channel) next(first, n int, urgent bool, now stock.Instant) (chosen []*listing, reading bool) {
	for lane := first; lane < lanes; lane++ {
		if lane == laneRead && len(chosen) > 0 || lane > laneDecrease && urgent && len(chosen) == 0 ||
			lane == laneDecrease && len(chosen) > 0 && c.traits.StaleSpoils {
			break
		}
		queue := c.queue[lane]
		i := 0
		for ; i < len(queue) && len(chosen) < n; i++ {
			l := queue[i]
			if l.lane != lane+1 {
				continue // it left this lane
			}
			if l.most > 0 && l.most <= len(chosen) {
				break
			}
			l.lane = 0
			action := l.decide(now) // again, at the moment of sending
			if want := action.Kind == dispatch.Read; want != (lane == laneRead) || action.Kind <= dispatch.Wait {
				c.schedule(l, now)
				continue
			}
			chosen, reading = append(chosen, l), lane == laneRead
			if lane == laneDecrease || lane == laneRaise {
				if c.left = now; c.spoiled { // it sells so much that a call costs three requests: the next waits four times as long
					c.left = now.Add(3 * c.state.Channel.Publish.Quiet)
				}
			}
			if l.most > 0 && !reading {
				n = min(n, l.most)
			}
		}
		c.queue[lane] = slices.Delete(queue, 0, i)
	}
	if !c.enough(1, c.queue[laneDecrease:laneRead], laneDecrease) {
		c.leaves = 0
	}
	return chosen, reading
}

// succeed and fail keep the channel's pause: doubled with each failure in a row, with jitter, and never shorter than asked for.
// A success ends no pause: it may be of a request that left before the channel asked for one.
func (c *channel) succeed(kind int, now stock.Instant, a *Allowance) {
	if c.failing() {
		c.owner.stage.deps.Logger.Info("the channel answers again", "channel", c.key)
	}
	c.failures, c.failingSince, c.held = 0, 0, ""
	c.budget.allow(kind, now, a)
}

func (c *channel) fail(kind int, now stock.Instant, e *RequestError) {
	pause := max(e.RetryAfter, c.backOff(c.failures))
	c.pausedUntil = max(c.pausedUntil, now.Add(pause))
	c.budget.allow(kind, now, e.Allowance)
	if e.Class == Throttled {
		return // it is there, and says when
	}
	if c.failures == 0 {
		c.failingSince = now
	}
	if c.failures++; c.held == "" && (c.failures == openAfter || e.WholeChannel) {
		c.owner.stage.deps.Logger.Warn("the channel fails, one request at a time tries it again", "channel", c.key, "class", e.Class, "reason", e.Reason)
	}
	if e.WholeChannel {
		c.held = e.Reason
	}
}

// openAfter is after how many failures in a row a channel is given one request at a time, until one succeeds.
const openAfter = 3

// failing reports whether the channel is only tried.
func (c *channel) failing() bool { return c.failures >= openAfter || c.held != "" }

// atOnce returns how many requests the channel may have under way.
func (c *channel) atOnce() int {
	if c.failing() {
		return 1
	}
	return c.owner.stage.cfg.RequestsAtOnce
}

// backOff returns how long to wait after failures in a row before the last.
func (c *channel) backOff(failures int) time.Duration {
	cfg := &c.owner.stage.cfg
	pause := min(cfg.RetryMax, cfg.RetryMin<<min(failures, 16))
	return pause/2 + rand.N(pause/2+1)
}

// silentAfter is how far a channel's orders may be behind before somebody is told: channels that are read seldom are behind by minutes.
const silentAfter = 10 * time.Minute

// listen logs that nothing is heard any more of the channel's orders, and that it is again.
func (c *channel) listen(now stock.Instant) {
	until := c.feed.Marked
	if c.feed.heard == 0 {
		c.feed.heard = now
	}
	// Who begins, or catches up with orders of long ago, is behind and not silent.
	if silent := until != 0 && now > max(until, c.feed.heard).Add(silentAfter) && c.why() == ""; silent != c.feed.silent {
		if c.feed.silent = silent; silent {
			c.owner.stage.deps.Logger.Warn("nothing is heard of the channel's orders, what it sells since is not known", "channel", c.key, "since", until.String())
		} else {
			c.owner.stage.deps.Logger.Info("the channel's orders are heard again", "channel", c.key, "until", until.String())
		}
	}
}

// measure sets the channel's gauges.
func (c *channel) measure(now stock.Instant) {
	c.listen(now)
	oldest := stock.Instant(0)
	for lane, queue := range c.queue[:laneDecrease+1] {
		for _, l := range queue {
			if l.lane == lane+1 && l.first != 0 && (oldest == 0 || l.first < oldest) {
				oldest = l.first
			}
		}
	}
	age := time.Duration(0)
	if oldest != 0 {
		age = now.Sub(oldest)
	}
	c.owner.stage.metrics.channel(c, c.pending, age)
}
