package dispatch_test

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/packed"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A world is one listing with everything around it: a retailer's stock, a channel that sells by itself and tells later, the way
// between them, and the ledger under test.
//
// Its clock counts the polls begun: the rule compares moments with the beginnings of polls only.
type world struct {
	s   dispatch.Settings
	top stock.Quantity // the offer's cap; 0: none
	l   dispatch.Listing
	now stock.Instant

	level, sold, released stock.Quantity // the truth at the channel
	old, oldNet           stock.Quantity // the level and the net sales when the newest poll began: a late read may tell it
	readNet               stock.Quantity // the net sales when the newest read sampled the level
	slipped               stock.Quantity // sold between a read and its set, since the ledger was last sure
	avail                 stock.Quantity // what the retailer has, less what is folded; may be negative
	edited                bool           // the level was changed by hand, and nobody has looked since
	raised                bool           // it was raised by hand: no rule can tell that from a cancel for a while
	facts                 []fact         // on their way to the fold, in order
	req                   *request       // under way, or of unknown outcome
	ghost                 *request       // overtaken by a zero, and may land yet
	pushes                int
	marked                bool   // nothing has happened since a mark
	wrong                 string // what must never happen, and did
}

// A fact is a sale ('s'), a cancel ('c'), an order first seen when it was cancelled ('x') or a mark ('m').
type fact struct {
	kind byte
	at   stock.Instant
}

// A request is a read, a set or a compare-and-set.
type request struct {
	action         dispatch.Action
	sold, released stock.Quantity // of the ledger when it left
	quantity       stock.Quantity // the offer when it left
	readNet        stock.Quantity // the net sales when the level was read that it goes by
	slipped        stock.Quantity // the world's when it left, and what was sold since that read
	landed         bool           // the channel has dealt with its key
	applied        bool
	level          stock.Quantity // what a read saw
	answered       bool           // the answer is on its way back
	unknown        bool           // nobody waits for the answer any more
	abandoned      bool           // and it is not sent again
}

// newWorld returns a world at rest: level, told and offer are q.
func newWorld(s dispatch.Settings, q stock.Quantity) *world {
	w := &world{s: s, level: q, old: q, avail: q, now: 1, l: dispatch.First(1, q, 0, 0)}
	w.l.Lo, w.l.Hi, w.l.Look = q, q, false
	return w
}

// newContact returns a world whose channel was never spoken to: it shows level, the offer is q.
func newContact(s dispatch.Settings, q, level stock.Quantity) *world {
	return &world{s: s, level: level, old: level, avail: q, now: 1, l: dispatch.First(1, q, 0, 0)}
}

func (w *world) clone() *world {
	c := *w
	c.facts = slices.Clone(w.facts)
	c.req, c.ghost = copied(w.req), copied(w.ghost)
	c.l.Earlier = slices.Clone(w.l.Earlier)
	c.l.Seen, c.l.Open, c.l.Old = copied(w.l.Seen), copied(w.l.Open), copied(w.l.Old)
	return &c
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func (w *world) net() stock.Quantity { return w.sold - w.released }

func (w *world) offered() stock.Quantity {
	q := max(0, w.avail)
	if w.top > 0 {
		q = min(q, w.top)
	}
	if q < w.l.Floor {
		return 0
	}
	return q
}

// setFloor lets nothing but zero be shown instead of less than n.
func (w *world) setFloor(n stock.Quantity) {
	w.l.Floor = n
	w.offer(w.l.Sold, w.l.Released)
}

func floored(w *world) *world {
	w.setFloor(2)
	return w
}

func (w *world) offer(sold, released stock.Quantity) {
	w.marked = false
	w.l.Offer(w.s, w.now, 1, w.offered(), sold, released)
}

// What happens to the retailer is folded at once; what happens at the channel is on its way for a while.

func (w *world) move(n stock.Quantity) {
	w.avail += n
	w.offer(w.l.Sold, w.l.Released)
}

func (w *world) sell() bool {
	if w.level <= 0 {
		return false
	}
	if w.s.Lowers {
		w.level--
	}
	w.sold++
	w.facts = append(w.facts, fact{kind: 's'})
	w.marked = false
	return true
}

func (w *world) cancel(restock bool) bool {
	if w.net() <= 0 {
		return false
	}
	w.released++
	if restock && w.s.Lowers {
		w.level++
	}
	w.facts = append(w.facts, fact{kind: 'c'})
	w.marked = false
	return true
}

// cancelUnseen cancels an order that was not polled yet: it will first be seen cancelled.
func (w *world) cancelUnseen(restock bool) bool {
	last, open := -1, 0 // the newest sale since the newest poll; sales on their way that no cancel on its way is of
	for i, f := range w.facts {
		switch f.kind {
		case 's':
			last, open = i, open+1
		case 'c':
			open--
		case 'm':
			last = -1
		}
	}
	if last < 0 || open <= 0 {
		return false
	}
	w.cancel(restock)
	w.facts[last].kind, w.facts = 'x', w.facts[:len(w.facts)-1]
	return true
}

// edit is a merchant's hand on the channel's own level.
func (w *world) edit(n stock.Quantity) {
	w.level += n
	w.edited, w.raised = true, w.raised || n > 0
	w.marked = false
}

func (w *world) poll() {
	w.now++
	w.old, w.oldNet = w.level, w.net()
	w.facts = append(w.facts, fact{'m', w.now})
}

// fold takes in the next fact on its way.
func (w *world) fold() bool {
	if len(w.facts) == 0 {
		return false
	}
	f := w.facts[0]
	w.facts = w.facts[1:]
	switch f.kind {
	case 's':
		w.avail--
		w.offer(w.l.Sold+1, w.l.Released)
	case 'c':
		w.avail++
		w.offer(w.l.Sold, w.l.Released+1)
	case 'x':
		w.offer(w.l.Sold+1, w.l.Released+1)
	case 'm':
		w.marked = w.marked || len(w.facts) == 0
		w.l.Mark(f.at)
	}
	return true
}

func (w *world) decide() dispatch.Action { return w.l.Decide(w.s, w.now) }

func acts(a dispatch.Action) bool { return a.Kind > dispatch.Wait }

// send begins the request that the ledger wants.
func (w *world) send() bool {
	a := w.decide()
	if !acts(a) || w.req != nil && !w.req.unknown {
		return false
	}
	r := &request{action: a, quantity: w.l.Quantity, readNet: w.readNet}
	if r.sold, r.released = w.l.Sold, w.l.Released; a.Kind == dispatch.Read {
		r.sold, r.released = w.l.Counters(w.s, w.now)
	}
	if !w.l.Loose && w.l.Open == nil && w.l.Old == nil {
		w.slipped = 0
	}
	r.slipped = w.slipped
	if w.l.Open != nil {
		if w.ghost != nil {
			w.wrong = "two requests overtaken at once"
		}
		w.ghost = w.req
	}
	w.req = r
	w.marked = false
	if a.Kind == dispatch.Read {
		return true
	}
	w.pushes++
	w.l.Begin(w.s, a, "key", w.now, w.now)
	return true
}

// apply is what the channel does with a request. Under a key that it knows it does nothing.
func (w *world) apply(r *request) {
	if r.landed {
		return
	}
	r.landed, w.marked = true, false
	if v := r.action.Value; r.action.Kind != dispatch.Read && v > 0 && v < w.l.Floor {
		w.wrong = fmt.Sprintf("%d is sent, which is below the floor", v)
	}
	switch r.action.Kind {
	case dispatch.Read:
		r.level, w.readNet = w.level, w.net()
	case dispatch.Set:
		// What is sold between a read and its set comes back, and nothing else does.
		if r.action.Base != nil && w.s.Lowers {
			slips := max(0, w.net()-r.readNet)
			w.slipped, r.slipped = w.slipped+slips, r.slipped+slips
			unfolded := w.net() - (r.sold - r.released)
			if right := max(0, r.quantity-unfolded); r.action.Value > right+r.slipped && !w.raised {
				w.wrong = fmt.Sprintf("set of %d that was read to %d, %d is right and %d slipped through", *r.action.Base, r.action.Value, right, r.slipped)
			}
		}
		w.level, r.applied = r.action.Value, true
	case dispatch.CompareAndSet:
		if w.level != *r.action.Base {
			return
		}
		unfolded := w.net() - (r.sold - r.released)
		if !w.s.Lowers {
			unfolded = 0
		}
		if right := max(0, r.quantity-unfolded); r.action.Value > right && !w.raised {
			w.wrong = fmt.Sprintf("compare-and-set %d→%d, %d is right", *r.action.Base, r.action.Value, right)
		}
		w.level, r.applied = r.action.Value, true
	}
}

// land and reply bring the request to the channel, and its answer back.

func (w *world) land() bool {
	if w.req == nil || w.req.answered || w.req.unknown {
		return false
	}
	w.apply(w.req)
	w.req.answered = true
	return true
}

func (w *world) reply() bool {
	r := w.req
	if r == nil || !r.answered || r.unknown {
		return false
	}
	w.req, w.marked = nil, false
	switch {
	case r.action.Kind == dispatch.Read:
		w.l.Observed(w.s, r.level, r.sold, r.released, w.now)
	case r.applied:
		w.l.Applied(w.s, w.now)
	default:
		w.l.Stale(w.now)
	}
	return true
}

// lose leaves the outcome unknown, whether the request has landed or not. A read that is lost changes nothing.
func (w *world) lose() bool {
	if w.req == nil || w.req.unknown {
		return false
	}
	if w.req.action.Kind == dispatch.Read {
		w.req = nil
		return true
	}
	w.req.unknown, w.req.answered = true, false
	return true
}

// restart loses everything but what is stored.
func (w *world) restart() bool {
	row := packed.Write(1)
	w.l.Pack(row, 7)
	w.l = dispatch.Listing{}
	back := packed.Read(row.Bytes(), 1)
	if w.l.Pack(back, 7); back.Done() != nil {
		w.wrong = back.Done().Error()
	}
	w.lose()
	if w.req != nil && w.req.abandoned {
		w.l.Open.Abandoned = true
	}
	return true
}

// abandon ends the tries of a set of unknown outcome: its request lost another row to a zero, or its channel knows no keys.
func (w *world) abandon() bool {
	if w.req == nil || !w.req.unknown || w.req.abandoned || w.s.Access == dispatch.Comparing {
		return false
	}
	w.req.abandoned, w.l.Open.Abandoned = true, true
	return true
}

// replay sends the request of unknown outcome again, under its key.
func (w *world) replay() bool {
	if w.req == nil || !w.req.unknown || w.req.abandoned || !w.l.MayRetry(w.s, w.now) {
		return false
	}
	w.req.unknown = false
	w.l.Retry(w.now)
	return true
}

// late lands a try of the request of unknown outcome.
func (w *world) late() bool {
	if w.req == nil || !w.req.unknown || w.req.landed {
		return false
	}
	w.apply(w.req)
	return true
}

// giveUp settles the request of unknown outcome, which cannot land any more.
func (w *world) giveUp() bool {
	if w.req == nil || !w.req.unknown {
		return false
	}
	w.req = nil
	w.l.GiveUp(w.s, w.now)
	return true
}

// resign gives up what is not sent twice.
func (w *world) resign() bool {
	return (w.s.Keys == 0 || w.req != nil && w.req.abandoned) && w.giveUp()
}

// landLate makes a read tell the level of some time ago, where the channel may.
func (w *world) landLate() bool {
	r := w.req
	if w.s.ReadLag == 0 || r == nil || r.action.Kind != dispatch.Read || r.answered {
		return false
	}
	r.level, r.landed, r.answered, w.readNet = w.old, true, true, w.oldNet
	return true
}

// haunt lands the request that a zero overtook, settle says that it cannot land any more.

func (w *world) haunt() bool {
	if w.ghost == nil || w.ghost.landed {
		return false
	}
	w.apply(w.ghost)
	return true
}

func (w *world) settle() bool {
	if reading := w.req != nil && w.req.action.Kind == dispatch.Read; w.ghost == nil || reading || !w.l.SettleOld(w.s, w.now) {
		return false
	}
	w.ghost, w.marked = nil, false
	return true
}

// quiet lets everything under way end and nothing new happen, with a poll whenever nothing else is to be done. It returns how
// many pushes that took, and what is wrong then.
func (w *world) quiet() (pushes int, wrong string) {
	before := w.pushes
	for range w.facts {
		w.fold()
	}
	w.marked = false // marks of polls that began earlier prove nothing about what is under way now
	for range 200 {
		switch {
		case w.wrong != "":
			return 0, w.wrong
		case w.replay(), w.resign(), w.land(), w.reply(), w.fold():
		case w.send(): // as long as something may land, time goes on, and nothing is to be sent for ever
		case w.settle():
		case w.marked:
			if right := w.offered(); w.level != right && (right > 0 || w.level > 0) && !w.edited {
				return 0, fmt.Sprintf("at rest at %d, %d is right", w.level, right)
			}
			return w.pushes - before, ""
		default:
			w.poll()
		}
	}
	return 0, "it does not come to rest"
}

// readBack reads the level, as the schedule asks, and lets things come to rest.
func (w *world) readBack() (pushes int, wrong string) {
	w.l.Look, w.edited = true, false
	return w.quiet()
}

// state encodes everything that the future depends on.
func (w *world) state() string {
	b := make([]byte, 0, 96)
	add := func(v ...stock.Quantity) {
		for _, n := range v {
			b = binary.AppendVarint(b, int64(n))
		}
	}
	flags := func(v ...bool) {
		n := stock.Quantity(0)
		for i, f := range v {
			if f {
				n |= 1 << i
			}
		}
		add(n)
	}
	l := &w.l
	add(w.level, w.sold, w.released, w.avail, stock.Quantity(w.now), l.Quantity, l.Sold, l.Released, l.Lo, l.Hi, stock.Quantity(l.Since))
	flags(l.Fresh != 0, l.Open != nil && l.Open.Base != nil, l.Old != nil && l.Old.Base != nil)
	flags(w.edited, w.raised, w.marked, l.Loose, l.Look, l.MarkPassed, l.Seen != nil, l.Open != nil, l.Old != nil, w.req != nil, w.ghost != nil)
	if o := l.Seen; o != nil {
		add(o.Level, o.Sold, o.Released, stock.Quantity(o.At))
	}
	if w.s.Access == dispatch.Readable {
		add(w.readNet, w.slipped)
	}
	if w.s.ReadLag > 0 {
		add(w.old, w.oldNet, stock.Quantity(l.Handled))
		for _, e := range l.Earlier {
			add(e.Sold, e.Released, stock.Quantity(e.Until))
		}
	}
	for _, at := range []*dispatch.Attempt{l.Open, l.Old} {
		if at != nil {
			add(at.Value, at.Sold, at.Released, min(2, stock.Quantity(at.Tries)))
		}
	}
	for _, r := range []*request{w.req, w.ghost} {
		if r != nil {
			base := stock.Quantity(-1 << 20)
			if r.action.Base != nil {
				base = *r.action.Base
			}
			add(r.readNet, r.slipped, stock.Quantity(r.action.Kind), r.action.Value, base, r.sold, r.released, r.quantity, r.level)
			flags(r.landed, r.applied, r.answered, r.unknown, r.abandoned)
		}
	}
	for _, f := range w.facts {
		add(stock.Quantity(f.kind), stock.Quantity(f.at))
	}
	return string(b)
}
