package publisher_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// ask gives the owner a command and returns what it answered after a while; nil: nothing.
func (b *bench) ask(cmd record.Command) *record.CommandDone {
	b.t.Helper()
	cmd.Pool, cmd.IssuedAt = "acme", stock.InstantOf(time.Now())
	b.commands.appendRaw(codec.AppendCommand(nil, &cmd))
	pass(time.Minute)
	b.said.mu.Lock()
	defer b.said.mu.Unlock()
	var done *record.CommandDone
	for _, c := range b.said.ends {
		if c.ID == cmd.ID {
			if done != nil {
				b.t.Errorf("command %s was answered twice", cmd.ID)
			}
			done = c.Done
		}
	}
	return done
}

func (b *bench) answers(id string) (states []record.CommunicationState) {
	for _, c := range b.said.list() {
		if c.Command == id {
			states = append(states, c.State)
		}
	}
	return states
}

func wantDone(t *testing.T, got *record.CommandDone, want record.CommandDone) {
	t.Helper()
	if got == nil || *got != want {
		t.Errorf("the answer is %+v, want %+v", got, want)
	}
}

// A sync shows what somebody else has changed, and corrects it; to observe only, it changes nothing.
func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		m.put("A", 3)
		wantDone(t, b.ask(record.Command{ID: "look", Channel: "web", Kind: record.CommandSync, ObserveOnly: true}), record.CommandDone{Count: 1, Drifted: 1})
		if m.level("A") != 8 {
			t.Errorf("the level is %d after observing only, want 8", m.level("A"))
		}
		wantDone(t, b.ask(record.Command{ID: "sync", Channel: "web", Kind: record.CommandSync}), record.CommandDone{Count: 1, Drifted: 1})
		if m.level("A") != 5 {
			t.Errorf("the level is %d after a sync, want 5", m.level("A"))
		}
		if got := b.answers("sync"); !slices.Equal(got, []record.CommunicationState{record.Observed, record.Attempted, record.Acknowledged}) {
			t.Errorf("what the sync led to is in states %v, want observed, attempted, acknowledged", got)
		}
		if done := b.ask(record.Command{ID: "else", Channel: "nobody's", Kind: record.CommandSync}); done != nil {
			t.Errorf("a command for another owner's channel was answered: %+v", done)
		}
	})
}

func TestSyncOfABlindChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := settled(t, newMarket(false, map[string]stock.Quantity{"A": 5}), 5)
		if done := b.ask(record.Command{ID: "c", Channel: "web", Kind: record.CommandSync}); done == nil || done.Reason == "" {
			t.Errorf("the answer is %+v, want a reason", done)
		}
	})
}

// What was put aside is taken up again when somebody asks; a push does not wait for the debounce.
func TestRetryAndPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := settled(t, m, 5)
		refuse := func(_ int, c call) meets {
			if c.key != "" {
				return meets{before: &publisher.RequestError{Class: publisher.Refused, Reason: "closed"}}
			}
			return meets{}
		}
		m.meetsWith(refuse)
		b.offer("web", "A", 3, 0, 0)
		pass(time.Minute)
		wantDone(t, b.ask(record.Command{ID: "r1", Channel: "web", Kind: record.CommandRetry}), record.CommandDone{Count: 1, Failed: 1})
		m.meetsWith(nil)
		wantDone(t, b.ask(record.Command{ID: "r2", Channel: "web", Kind: record.CommandRetry, SKU: "A"}), record.CommandDone{Count: 1})
		if m.level("A") != 3 {
			t.Errorf("the level is %d after the retry, want 3", m.level("A"))
		}
		wantDone(t, b.ask(record.Command{ID: "r3", Channel: "web", Kind: record.CommandRetry}), record.CommandDone{})

		b.offer("web", "A", 4, 0, 0)
		pass(time.Second)
		cmd := record.Command{ID: "p", Pool: "acme", Channel: "web", Kind: record.CommandPush}
		b.commands.appendRaw(codec.AppendCommand(nil, &cmd))
		pass(100 * time.Millisecond)
		if m.level("A") != 4 {
			t.Errorf("the level is %d right after the push, want 4 without waiting", m.level("A"))
		}
		pass(time.Minute)
		sets := len(m.sets())
		wantDone(t, b.ask(record.Command{ID: "again", Channel: "web", Kind: record.CommandPush, SKU: "A"}), record.CommandDone{Count: 1})
		if n := len(m.sets()) - sets; n != 1 || m.level("A") != 4 {
			t.Errorf("%d sets to level %d, want one that confirms 4", n, m.level("A"))
		}
	})
}

// What was put aside ends as told, also where the level is right already: otherwise it would be listed as failed for ever.
func TestRetryConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{})
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.declare("web", nil)
		b.work()
		b.offer("web", "A", 5, 0, 0)
		pass(time.Minute)
		m.put("A", 5) // somebody puts it on sale, at just that level
		wantDone(t, b.ask(record.Command{ID: "r", Channel: "web", Kind: record.CommandRetry}), record.CommandDone{Count: 1})
		wantSaid(t, b, "A", "quarantined", "observed 5", "attempted 5/1", "acknowledged 5/1")
	})
}

// Commands are taken once, also over a restart.
func TestCommandsAreTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(true, map[string]stock.Quantity{"A": 5})
		b := newBench(t, map[string]publisher.Connector{"web": m})
		b.declare("web", nil)
		b.offer("web", "A", 5, 0, 0)
		stop := b.work()
		pass(time.Minute)
		wantDone(t, b.ask(record.Command{ID: "c", Channel: "web", Kind: record.CommandSync}), record.CommandDone{Count: 1})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		reads := len(m.reads())
		b.cfg.ReadBackEvery = 0
		b.work()
		pass(time.Minute)
		if n := len(m.reads()) - reads; n != 0 {
			t.Errorf("%d reads after a restart, want none: the command was taken before", n)
		}
	})
}

// teller is a market that tells its orders, two to a page.
type teller struct {
	*market
	orders  []record.Order
	asked   [][2]stock.Instant
	failing bool
	spent   bool // its plan of orders is
}

func (c *teller) Orders(_ context.Context, since, until stock.Instant, page string) (publisher.OrderPage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spent {
		return publisher.OrderPage{}, &publisher.RequestError{Class: publisher.Throttled, Apart: true, RetryAfter: 3 * time.Minute, Reason: "429"}
	}
	if c.failing {
		return publisher.OrderPage{}, &publisher.RequestError{Class: publisher.ServerError, Reason: "500"}
	}
	if page == "" {
		c.asked = append(c.asked, [2]stock.Instant{since, until})
	}
	var found []record.Order
	for _, o := range c.orders {
		if o.UpdatedAt >= since && o.UpdatedAt < until {
			found = append(found, o)
		}
	}
	start := len(page)
	end := min(len(found), start+2)
	out := publisher.OrderPage{Orders: slices.Clone(found[start:end])}
	if end < len(found) {
		out.Next = "xxxxxxxxxxxxxxxx"[:end]
	}
	return out, nil
}

func (c *teller) spend(all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spent = all
}

func (c *teller) Order(_ context.Context, id string) (found []record.Order, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failing {
		return nil, &publisher.RequestError{Class: publisher.ServerError, Reason: "500"}
	}
	for _, o := range c.orders {
		if o.OrderID == id {
			o.Lines = slices.Clone(o.Lines)
			found = append(found, o)
		}
	}
	return found, nil
}

func (c *teller) place(id string, at stock.Instant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders = append(c.orders, record.Order{
		OrderID: id, Status: record.Open, PlacedAt: at, UpdatedAt: at, FulfilledBy: record.ByMerchant,
		Lines: []record.OrderLine{{LineID: "1", SKU: "A", Quantity: 1}},
	})
}

// Orders are read in overlapping windows from where they were read last, a page after the other, and a mark follows the last page.
// While the channel fails, there is no mark and nothing is left out.
func TestOrdersArePolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(48 * time.Hour) // a bubble's time begins with the first moment that an event may have
		c := &teller{market: newMarket(true, map[string]stock.Quantity{"A": 5})}
		b := newBench(t, map[string]publisher.Connector{"web": c})
		b.cfg.PollEvery, b.cfg.OrdersBack = time.Minute, 30*time.Hour
		b.declare("web", func(ch *record.Channel) { ch.Flows.Orders, ch.Publish.VisibilityLag = true, 5*time.Second })
		begin := stock.InstantOf(time.Now())
		for i, id := range []string{"1", "2", "3", "4", "5"} {
			c.place(id, begin.Add(time.Duration(i-29)*time.Hour))
		}
		stop := b.work()
		pass(10 * time.Second)
		events := b.said.events()
		if got := ids(events); !slices.Equal(got, []string{"1", "2", "3", "4", "5", "mark", "mark"}) {
			t.Fatalf("written: %v, want the orders of two windows with a mark after each", got)
		}
		if mark := events[len(events)-1].Mark; mark.OrdersUntil.Sub(begin) > -5*time.Second || mark.OrdersUntil.Sub(begin) < -6*time.Second {
			t.Errorf("the mark is %s after the poll began, want the visibility lag before it", mark.OrdersUntil.Sub(begin))
		}
		c.place("6", stock.InstantOf(time.Now())) // it changed just after the poll
		pass(time.Minute)
		if got := ids(b.said.events()); !slices.Equal(got[7:], []string{"6", "mark"}) {
			t.Errorf("written: %v, want order 6 and a mark", got[7:])
		}
		pass(time.Minute)
		if got := ids(b.said.events()); !slices.Equal(got[9:], []string{"mark"}) {
			t.Errorf("written: %v, want order 6 no more: it has not changed", got[9:])
		}
		c.mu.Lock()
		c.failing = true
		c.mu.Unlock()
		c.place("7", stock.InstantOf(time.Now()))
		pass(2 * time.Hour)
		if got := ids(b.said.events()); len(got) != 10 {
			t.Errorf("written while the channel fails: %v", got[10:])
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		c.failing = false
		c.mu.Unlock()
		b.work() // the next owner goes on from there
		pass(10 * time.Second)
		got := ids(b.said.events())
		if !slices.Contains(got, "7") || got[len(got)-1] != "mark" {
			t.Errorf("written afterwards: %v, want order 7 and a mark", got)
		}
		for i, w := range c.asked[1:] {
			if c.asked[i][1] != 0 && w[0] >= c.asked[i][1] {
				t.Errorf("window %v begins after %v ended: they must overlap", w, c.asked[i])
			}
		}
		// From a date again, when somebody asks.
		wantDone(t, b.ask(record.Command{ID: "o", Channel: "web", Kind: record.CommandOrders, Since: begin.Add(-29*time.Hour - time.Minute)}), record.CommandDone{Count: 7})
		if got := ids(b.said.events()); !slices.Contains(got[len(got)-12:], "1") {
			t.Errorf("written after asking from a date: %v, want order 1 again", got)
		}
	})
}

func (s *said) events() []record.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.feed)
}

func ids(events []record.Event) (list []string) {
	for _, e := range events {
		if e.Mark != nil {
			list = append(list, "mark")
		} else {
			list = append(list, e.Order.OrderID)
		}
	}
	return list
}

// When orders cannot be written, they are read again, and no mark stands before them.
func TestOrdersThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(48 * time.Hour) // a bubble's time begins with the first moment that an event may have
		c := &teller{market: newMarket(true, map[string]stock.Quantity{})}
		b := newBench(t, map[string]publisher.Connector{"web": c})
		b.cfg.PollEvery, b.cfg.OrdersBack = time.Minute, time.Hour
		b.declare("web", func(ch *record.Channel) { ch.Flows.Orders = true })
		c.place("1", stock.InstantOf(time.Now()).Add(-time.Minute))
		b.said.mu.Lock()
		b.said.fault = func() error { return errors.New("kafka is away") }
		b.said.mu.Unlock()
		b.work()
		pass(3 * time.Minute)
		b.said.mu.Lock()
		b.said.fault = nil
		b.said.mu.Unlock()
		pass(time.Minute)
		if got := ids(b.said.events()); len(got) < 2 || got[0] != "1" || got[1] != "mark" {
			t.Errorf("written: %v, want the order and then its mark", got)
		}
	})
}

// One order is read when somebody asks for it, and written as those that are polled, without a mark.
func TestAnOrderIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(48 * time.Hour) // a bubble's time begins with the first moment that an event may have
		c := &teller{market: newMarket(true, map[string]stock.Quantity{"A": 5})}
		b := newBench(t, map[string]publisher.Connector{"web": c, "plain": newMarket(true, nil)})
		b.cfg.PollEvery = 0
		b.declare("web", func(ch *record.Channel) { ch.Flows.Orders = true })
		b.declare("plain", func(ch *record.Channel) { ch.Flows.Orders = true })
		c.place("1", stock.InstantOf(time.Now()).Add(-time.Hour))
		b.work()
		pass(time.Second)
		fetch := func(id, channel, order string) *record.CommandDone {
			return b.ask(record.Command{ID: id, Channel: channel, Kind: record.CommandFetch, OrderID: order})
		}
		wantDone(t, fetch("a", "web", "1"), record.CommandDone{Count: 1})
		if got := b.said.events(); len(got) != 1 || got[0].Order == nil || got[0].Order.OrderID != "1" || got[0].Order.Channel != "web" || got[0].Order.ReadAt == 0 {
			t.Errorf("written: %+v, want order 1", got)
		}
		for id, tt := range map[string]struct{ channel, order, reason string }{
			"b": {"web", "2", "no order"}, "c": {"plain", "1", "one by one"},
		} {
			if done := fetch(id, tt.channel, tt.order); done == nil || !strings.Contains(done.Reason, tt.reason) {
				t.Errorf("fetching order %s of %s is answered %+v, want %q", tt.order, tt.channel, done, tt.reason)
			}
		}
		c.mu.Lock()
		c.failing = true
		c.mu.Unlock()
		if done := fetch("d", "web", "1"); done == nil || !strings.Contains(done.Reason, "500") {
			t.Errorf("the answer of a channel that fails is %+v, want its reason", done)
		}
	})
}

// A plan of orders that is spent holds up no push, orders are read as seldom as the channel wants, and marks are as old as it shows them
// late. Lines come by the channel's own name, which is the SKU but where a listing says otherwise.
func TestOrdersApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pass(48 * time.Hour) // a bubble's time begins with the first moment that an event may have
		c := &teller{market: newMarket(true, map[string]stock.Quantity{"A": 5})}
		c.traits.OrdersEvery, c.traits.VisibilityLag, c.traits.ItemsAreSKUs = 4*time.Minute, 3*time.Minute, true
		b := newBench(t, map[string]publisher.Connector{"web": c})
		b.cfg.PollEvery, b.cfg.OrdersBack = 15*time.Second, time.Hour
		b.declare("web", func(ch *record.Channel) { ch.Flows.Orders = true })
		b.offer("web", "A", 5, 0, 0) // whose item is item-A
		at := stock.InstantOf(time.Now()).Add(-time.Minute)
		c.orders = []record.Order{{OrderID: "1", Status: record.Open, PlacedAt: at, UpdatedAt: at, FulfilledBy: record.ByMerchant, Lines: []record.OrderLine{
			{LineID: "1", Item: "item-A", Quantity: 1}, {LineID: "2", Item: "B", Quantity: 1},
		}}}
		begin := stock.InstantOf(time.Now())
		b.work()
		pass(10 * time.Minute)
		events := b.said.events()
		if got := ids(events); !slices.Equal(got, []string{"1", "mark", "mark", "mark"}) {
			t.Fatalf("written in ten minutes: %v, want the order and three marks", got)
		}
		if l := events[0].Order.Lines; l[0].Item != "item-A" || l[0].SKU != "" || l[1].SKU != "B" || l[1].Item != "" {
			t.Errorf("the lines are %+v, want one by its item and one by its SKU", l)
		}
		if late := events[1].Mark.OrdersUntil.Sub(begin); late > -3*time.Minute || late < -4*time.Minute {
			t.Errorf("the mark is %s after the poll, want three minutes before it", late)
		}
		c.spend(true)
		pass(5 * time.Minute)
		b.offer("web", "A", 0, 0, 0)
		pass(2 * time.Second)
		if c.level("A") != 0 {
			t.Errorf("the level is %d while orders are throttled, want 0", c.level("A"))
		}
		if got := ids(b.said.events()); len(got) != 4 {
			t.Errorf("written meanwhile: %v", got[4:])
		}
		c.spend(false)
		pass(10 * time.Minute)
		if got := ids(b.said.events()); len(got) < 5 {
			t.Errorf("nothing was written afterwards")
		}
	})
}
