package engine

import (
	"fmt"

	"github.com/shelfwire/shelfwire/internal/allocation"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

// Order rows are by far the most: each is kept for 60 days after it was closed. So they leave out what is 0 or empty, tell
// moments by how far they are from the order's own, and rules by number.

// ruleByNumber names the rules that rows hold by number: the numbers never change, new rules go to the end.
func ruleByNumber(n uint64) (rule string, known bool) {
	rules := [...]string{
		"", allocation.RuleNone, allocation.RuleOneOutlet, allocation.RuleWholeLines, allocation.RuleCutLines, allocation.RuleReduced,
		allocation.RuleWaiting, ruleExpired, ruleReassigned,
	}
	if n >= uint64(len(rules)) {
		return "", false
	}
	return rules[n], true
}

// rule writes the number of a rule, which is one of those above.
func (p *packer) rule(rule string) {
	for n := uint64(0); ; n++ {
		switch r, known := ruleByNumber(n); {
		case !known:
			panic("engine: a decision by rule " + rule + ", which has no number") // a rule was added and not numbered: any test finds it
		case r == rule:
			p.uint(n)
			return
		}
	}
}

func (u *unpacker) rule() string {
	rule, known := ruleByNumber(u.uint())
	if !known {
		u.fail()
	}
	return rule
}

func (o *order) pack(p *packer) {
	p.b = append(p.b, rowLayout)
	candidates := o.decision.Candidates
	p.flags(
		o.early, o.counted, o.readAt != 0, o.placedAt != 0, o.expiresAt != 0, o.decision.Exact, len(o.fulfilments) > 0, len(candidates) > 0,
	)
	p.uint(uint64(o.version))
	p.uint(uint64(o.status))
	p.uint(uint64(o.fulfilledBy))
	p.instant(o.updatedAt)
	p.instant(o.last - o.updatedAt)
	for _, at := range [...]stock.Instant{o.readAt, o.placedAt, o.expiresAt} {
		if at != 0 {
			p.instant(at - o.updatedAt)
		}
	}
	p.uint(uint64(len(o.lines)))
	for i := range o.lines {
		o.lines[i].pack(p)
	}
	p.rule(o.decision.Rule)
	if len(candidates) > 0 {
		p.uint(uint64(len(candidates)))
	}
	for _, c := range candidates {
		p.text(c.Outlet)
		p.uint(uint64(len(c.Lacks)))
		for _, l := range c.Lacks {
			p.text(l.LineID)
			p.qty(l.Quantity)
		}
	}
	if len(o.fulfilments) > 0 {
		p.uint(uint64(len(o.fulfilments)))
	}
	for _, f := range o.fulfilments {
		p.text(f.id)
		if f.early == nil {
			p.text("")
			continue
		}
		p.text(string(codec.AppendEvent(nil, &record.Event{Fulfilment: f.early})))
	}
}

func (p *pool) loadOrder(key RowKey, value []byte) error {
	ids := stream.SplitKey(key.ID)
	u := unpacker{b: value}
	u.layout()
	if len(ids) != 2 || OrderID(ids[0], ids[1]) != key.ID {
		u.fail()
		return u.done(key)
	}
	o := &order{key: key.ID, channel: ids[0], id: ids[1]}
	f := u.flags()
	var read, placed, expires, exact, fulfilments, candidates bool
	for _, flag := range [...]*bool{&o.early, &o.counted, &read, &placed, &expires, &exact, &fulfilments, &candidates} {
		*flag = f.next()
	}
	o.version, o.status, o.fulfilledBy = stock.Version(u.uint()), record.OrderStatus(u.uint()), record.Fulfiller(u.uint())
	o.updatedAt = u.instant()
	o.last = o.updatedAt + u.instant()
	if read {
		o.readAt = o.updatedAt + u.instant()
	}
	if placed {
		o.placedAt = o.updatedAt + u.instant()
	}
	if expires {
		o.expiresAt = o.updatedAt + u.instant()
	}
	for range u.count() {
		var l line
		l.read(&u, p, o.channel)
		for _, al := range l.allocations {
			u.bad = u.bad || al.open() != 0 && p.outlets[al.outlet] == nil
		}
		o.lines = append(o.lines, l)
	}
	o.decision.Rule, o.decision.Exact = u.rule(), exact
	if candidates {
		for range u.count() {
			c := record.Candidate{Outlet: u.text()}
			for range u.count() {
				c.Lacks = append(c.Lacks, record.Lack{LineID: u.text(), Quantity: u.qty()})
			}
			o.decision.Candidates = append(o.decision.Candidates, c)
		}
	}
	if fulfilments {
		for range u.count() {
			f := fulfilment{id: u.text()}
			if early := u.bytes(); len(early) > 0 {
				var e record.Event
				if err := codec.DecodeEvent(early, &e); err != nil || e.Fulfilment == nil {
					return fmt.Errorf("order row %q in pool %q: %w", key.ID, key.Pool, ErrInvariant)
				}
				f.early = e.Fulfilment
			}
			o.fulfilments = append(o.fulfilments, f)
		}
	}
	if err := u.done(key); err != nil {
		return err
	}
	p.orders.add(o)
	return nil
}

// pack writes the line; the flags are in the order of how often they are set.
func (l *line) pack(p *packer) {
	since := l.since
	if l.sku != "" && l.waiting == 0 && l.promised() == 0 {
		since = 0 // nobody waits, or can lose what was promised
	}
	p.flags(
		l.sku != "", l.ordered != 0, l.fulfilled != 0, l.sold != 0, l.byWarehouse != 0, len(l.allocations) > 0, l.byChannel != 0,
		since != 0, l.waiting != 0, l.released != 0, l.byReports != 0, l.at.location != "", l.item() != "", l.outlet() != "",
		len(l.declined()) > 0, len(l.kit()) > 0,
	)
	p.text(l.id)
	for _, s := range [...]string{l.sku, l.at.location, l.item(), l.outlet()} {
		if s != "" {
			p.text(s)
		}
	}
	for _, q := range [...]stock.Quantity{l.ordered, l.fulfilled, l.sold, l.byWarehouse, l.byChannel, l.waiting, l.released, l.byReports} {
		if q != 0 {
			p.qty(q)
		}
	}
	if since != 0 {
		p.uint(uint64(since))
	}
	if len(l.declined()) > 0 {
		p.texts(l.declined())
	}
	if len(l.kit()) > 0 {
		p.parts(l.kit())
	}
	if len(l.allocations) > 0 {
		p.uint(uint64(len(l.allocations)))
	}
	for _, al := range l.allocations {
		p.text(al.outlet)
		p.qty(al.quantity)
		p.qty(al.fulfilled)
	}
}

func (l *line) read(u *unpacker, p *pool, channel string) {
	f := u.flags()
	var sku, ordered, fulfilled, sold, byWarehouse, allocations, byChannel, since, waits, released, byReports, location, item, outlet, declined, kit bool
	for _, flag := range [...]*bool{
		&sku, &ordered, &fulfilled, &sold, &byWarehouse, &allocations, &byChannel, &since, &waits, &released, &byReports, &location, &item, &outlet,
		&declined, &kit,
	} {
		*flag = f.next()
	}
	l.id = u.text()
	text := func(there bool, s *string) {
		if there {
			*s = u.text()
		}
	}
	text(sku, &l.sku)
	var at string
	text(location, &at)
	l.at = p.spot(channel, at)
	if item || outlet || declined || kit {
		l.special = &special{}
		text(item, &l.special.item)
		text(outlet, &l.special.outlet)
	}
	qty := func(there bool, q *stock.Quantity) {
		if there {
			*q = u.qty()
		}
	}
	qty(ordered, &l.ordered)
	qty(fulfilled, &l.fulfilled)
	qty(sold, &l.sold)
	qty(byWarehouse, &l.byWarehouse)
	qty(byChannel, &l.byChannel)
	qty(waits, &l.waiting)
	qty(released, &l.released)
	qty(byReports, &l.byReports)
	if since {
		l.since = stock.Version(u.uint())
	}
	if declined {
		l.special.declined = u.texts()
	}
	if kit {
		l.special.kit = u.parts()
	}
	if allocations {
		for range u.count() {
			l.allocations = append(l.allocations, allocated{outlet: u.text(), quantity: u.qty(), fulfilled: u.qty()})
		}
	}
}
