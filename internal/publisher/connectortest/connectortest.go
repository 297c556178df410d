// Package connectortest is what every connector owes the publisher: a suite that is run against its channel, simulated or real.
package connectortest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A Fault is what the channel does to the next request, and to that one only.
type Fault uint8

// The faults.
const (
	Throttle     Fault = iota + 1 // turned away for now, nothing applied; it says how long to wait
	ErrorBefore                   // an error of the server, nothing applied
	ErrorAfter                    // applied, then an error of the server
	CutAfter                      // applied, and the connection is cut
	TimeoutAfter                  // applied, and never answered
)

// A Channel is a channel under test with the connector that speaks to it. Every test has one of its own.
type Channel struct {
	Connector publisher.Connector
	// Stranger is a connector with wrong credentials, Secret a text that is in them and must never be said.
	Stranger publisher.Connector
	Secret   string
	// Put puts an item on sale at a level, Sell lets a shopper buy one unit, Level tells what a customer sees.
	Put   func(publisher.Item, stock.Quantity)
	Sell  func(publisher.Item)
	Level func(publisher.Item) stock.Quantity
	// Name makes of the suite's item one as the catalogue would name it to this channel; nil: as it is.
	Name func(publisher.Item) publisher.Item
	// Most is the greatest level that the channel takes; 0: any of 32 bits.
	Most stock.Quantity
	// Later says that the channel only says that it has taken a row in. In the suite it applies what it has taken in at once.
	Later bool
	// Meet makes the next request meet a fault.
	Meet func(Fault)
}

// patience bounds a request that the channel is to answer, hurry one that it never will.
const (
	patience = 10 * time.Second
	hurry    = 200 * time.Millisecond
)

// Run runs the suite. Each call of start gives a new channel.
func Run(t *testing.T, start func(*testing.T) Channel) {
	for _, tt := range []struct {
		name string
		run  func(*testing.T, Channel)
	}{
		{"traits are usable", traits},
		{"rows are set in their order", sets},
		{"a batch may be as large as its traits say", fullBatch},
		{"a bulk is set row by row, and the one at fault is named", bulk},
		{"an unknown item is refused, the other rows are not", unknownItem},
		{"a set on condition of another level is stale and changes nothing", stale},
		{"levels are read in their order", reads},
		{"the same key has the first answer", sameKey},
		{"a key with another body is refused", otherBody},
		{"throttled: nothing changed, and when to come back", throttled},
		{"faults leave the outcome unknown, and a replay resolves it once", faults},
		{"wrong credentials change nothing and are not told", stranger},
		{"a request ends with its context", ends},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, start(t)) })
	}
}

func (c Channel) item(i int) publisher.Item {
	id := fmt.Sprintf("SKU-%03d", i)
	item := publisher.Item{SKU: id, ChannelItem: id}
	if c.Name != nil {
		return c.Name(item)
	}
	return item
}

// row sets an item from one level to another. A connector that does not compare leaves base alone.
func (c Channel) row(i int, base, value stock.Quantity) publisher.Row {
	r := publisher.Row{Item: c.item(i), Quantity: value, Version: stock.Version(100 + i), At: 1_700_000_000_000_000}
	if c.compares() {
		r.Compare = &base
	}
	return r
}

func (c Channel) compares() bool { return c.Connector.Traits().Access == dispatch.Comparing }

func (c Channel) readable() bool { return c.Connector.Traits().Access != dispatch.Blind }

// keyed reports whether the channel knows idempotency keys. One that does not is never sent a request again.
func (c Channel) keyed() bool { return c.Connector.Traits().KeysLast > 0 }

// applied reports whether a row may have been applied, as far as its answer says.
func (c Channel) applied(r publisher.RowReply) bool {
	return r.Outcome == publisher.RowApplied || c.Later && r.Outcome == publisher.RowPending
}

func (c Channel) set(t *testing.T, key string, rows ...publisher.Row) (publisher.Reply, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return c.Connector.Set(ctx, key, rows)
}

func (c Channel) mustSet(t *testing.T, key string, rows ...publisher.Row) []publisher.RowReply {
	t.Helper()
	reply, err := c.set(t, key, rows...)
	if err != nil {
		t.Fatalf("Set(%s) = %v", key, err)
	}
	if len(reply.Rows) != len(rows) {
		t.Fatalf("Set(%s) answers %d rows, want %d", key, len(reply.Rows), len(rows))
	}
	return reply.Rows
}

func (c Channel) wantLevel(t *testing.T, i int, want stock.Quantity) {
	t.Helper()
	if got := c.Level(c.item(i)); got != want {
		t.Errorf("the level of %s is %d, want %d", c.item(i).SKU, got, want)
	}
}

// wantClass checks that err is a request error of the class, and returns it.
func wantClass(t *testing.T, err error, class publisher.Class) publisher.RequestError {
	t.Helper()
	failed, ok := errors.AsType[*publisher.RequestError](err)
	if !ok || failed.Class != class {
		t.Fatalf("error %v, want a RequestError of class %s", err, class)
	}
	return *failed
}

func traits(t *testing.T, c Channel) {
	tr := c.Connector.Traits()
	if tr.BatchRows < 1 || tr.RequestsPerSecond < 1 || tr.Burst < 1 || tr.Timeout <= 0 {
		t.Errorf("Traits() = %+v", tr)
	}
}

func sets(t *testing.T, c Channel) {
	for i := range 3 {
		c.Put(c.item(i), stock.Quantity(10+i))
	}
	most := c.Most
	if most == 0 {
		most = 1 << 31
	}
	rows := c.mustSet(t, "k1", c.row(2, 12, 7), c.row(0, 10, 0), c.row(1, 11, most))
	for i, r := range rows {
		if !c.applied(r) {
			t.Errorf("row %d = %+v, want applied", i, r)
		}
	}
	c.wantLevel(t, 0, 0)
	c.wantLevel(t, 1, most)
	c.wantLevel(t, 2, 7)
	c.mustSet(t, "k2", c.row(0, 0, 4))
	c.wantLevel(t, 0, 4)
}

func fullBatch(t *testing.T, c Channel) {
	n := c.Connector.Traits().BatchRows
	rows := make([]publisher.Row, n)
	for i := range n {
		c.Put(c.item(i), 1)
		rows[i] = c.row(i, 1, stock.Quantity(i+2))
	}
	c.mustSet(t, "k1", rows...)
	for i := range n {
		c.wantLevel(t, i, stock.Quantity(i+2))
	}
	if !c.readable() {
		return
	}
	items := make([]publisher.Item, n)
	for i := range n {
		items[i] = c.item(i)
	}
	reading, err := c.Connector.Read(t.Context(), items)
	levels := reading.Levels
	if err != nil || len(levels) != n {
		t.Fatalf("Read() of %d items = %d levels, %v", n, len(levels), err)
	}
	for i, l := range levels {
		if l := l.Quantity; l == nil || *l != stock.Quantity(i+2) {
			t.Fatalf("level %d = %v, want %d", i, l, i+2)
		}
	}
}

func bulk(t *testing.T, c Channel) {
	b := c.Connector.Traits().Bulk
	if b.From == 0 {
		return // it has no other way for many rows
	}
	if b.From <= c.Connector.Traits().BatchRows || b.Rows < b.From || b.Timeout <= 0 {
		t.Fatalf("Traits().Bulk = %+v", b)
	}
	const unknown = 7
	rows := make([]publisher.Row, b.From)
	for i := range rows {
		if rows[i] = c.row(i, 1, stock.Quantity(i+2)); i != unknown {
			c.Put(c.item(i), 1)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), b.Timeout)
	defer cancel()
	reply, err := c.Connector.Set(ctx, "k1", rows)
	if err != nil || len(reply.Rows) != len(rows) {
		t.Fatalf("Set() of a bulk = %d rows, %v", len(reply.Rows), err)
	}
	for i, r := range reply.Rows {
		switch {
		case i == unknown:
			if r.Outcome != publisher.RowRefused || r.Reason == "" {
				t.Errorf("the unknown item's row = %+v, want refused with a reason", r)
			}
		case !c.applied(r):
			t.Fatalf("row %d = %+v, want applied", i, r)
		default:
			c.wantLevel(t, i, stock.Quantity(i+2))
		}
	}
}

func unknownItem(t *testing.T, c Channel) {
	c.Put(c.item(0), 5)
	c.Put(c.item(2), 5)
	rows := c.mustSet(t, "k1", c.row(0, 5, 4), c.row(1, 5, 4), c.row(2, 5, 4))
	if rows[1].Outcome != publisher.RowRefused || rows[1].Reason == "" {
		t.Errorf("the unknown item's row = %+v, want refused with a reason", rows[1])
	}
	c.wantBeside(t, 0, rows[0], 5, 4)
	c.wantBeside(t, 2, rows[2], 5, 4)
}

func stale(t *testing.T, c Channel) {
	if !c.compares() {
		return // it compares nothing
	}
	c.Put(c.item(0), 5)
	c.Put(c.item(1), 5)
	c.Sell(c.item(0))
	rows := c.mustSet(t, "k1", c.row(0, 5, 9), c.row(1, 5, 9))
	if rows[0].Outcome != publisher.RowStale && rows[0].Outcome != publisher.RowUnsure {
		t.Errorf("the row on condition of another level = %+v, want stale, or unsure where the channel does not say which was", rows[0])
	}
	c.wantLevel(t, 0, 4)
	c.wantBeside(t, 1, rows[1], 5, 9)
	if rows := c.mustSet(t, "k2", c.row(0, 5, 9)); rows[0].Outcome != publisher.RowStale {
		t.Errorf("the same alone = %+v, want stale", rows[0])
	}
	c.wantLevel(t, 0, 4)
}

// wantBeside checks a row that was sent with another one that is at fault: it is applied, or the channel does not say.
func (c Channel) wantBeside(t *testing.T, i int, row publisher.RowReply, before, after stock.Quantity) {
	t.Helper()
	level := c.Level(c.item(i))
	switch {
	case c.applied(row):
		c.wantLevel(t, i, after)
	case row.Outcome == publisher.RowUnsure:
		if level != before && level != after {
			t.Errorf("the level of %s is %d, want %d or %d", c.item(i).SKU, level, before, after)
		}
	default:
		t.Errorf("the row beside one at fault = %+v, want applied, or unsure where the channel does not say", row)
	}
}

func reads(t *testing.T, c Channel) {
	c.Put(c.item(0), 5)
	c.Put(c.item(2), 0)
	reading, err := c.Connector.Read(t.Context(), []publisher.Item{c.item(2), c.item(1), c.item(0)})
	if !c.readable() {
		wantClass(t, err, publisher.Refused)
		return
	}
	levels := reading.Levels
	if err != nil || len(levels) != 3 {
		t.Fatalf("Read() = %v, %v", levels, err)
	}
	for i, want := range []stock.Quantity{0, -1, 5} {
		if q := levels[i].Quantity; (q == nil) != (want < 0) || q != nil && *q != want {
			t.Errorf("level %d = %+v, want %d (−1: none)", i, levels[i], want)
		}
	}
	if levels[1].Reason == "" {
		t.Error("the item that is not there has no reason")
	}
}

func sameKey(t *testing.T, c Channel) {
	if !c.keyed() {
		return
	}
	c.Put(c.item(0), 5)
	first := c.mustSet(t, "k1", c.row(0, 5, 4))
	c.Sell(c.item(0))
	again := c.mustSet(t, "k1", c.row(0, 5, 4))
	if first[0].Outcome != publisher.RowApplied || again[0].Outcome != publisher.RowApplied {
		t.Errorf("outcomes %v and %v, want applied twice", first[0].Outcome, again[0].Outcome)
	}
	c.wantLevel(t, 0, 3) // the sale stands
	if !c.compares() {
		return
	}
	refused := c.mustSet(t, "k2", c.row(0, 5, 4))
	c.Put(c.item(0), 5)
	again = c.mustSet(t, "k2", c.row(0, 5, 4))
	if refused[0].Outcome != publisher.RowStale || again[0].Outcome != publisher.RowStale {
		t.Errorf("outcomes %v and %v, want stale twice: the level fits again, but the key was answered", refused[0].Outcome, again[0].Outcome)
	}
}

func otherBody(t *testing.T, c Channel) {
	if !c.keyed() {
		return
	}
	c.Put(c.item(0), 5)
	c.mustSet(t, "k1", c.row(0, 5, 4))
	_, err := c.set(t, "k1", c.row(0, 4, 3))
	wantClass(t, err, publisher.Refused)
	c.wantLevel(t, 0, 4)
}

func throttled(t *testing.T, c Channel) {
	c.Put(c.item(0), 5)
	c.Meet(Throttle)
	_, err := c.set(t, "k1", c.row(0, 5, 4))
	if failed := wantClass(t, err, publisher.Throttled); failed.RetryAfter <= 0 {
		t.Errorf("RetryAfter = %s, want what the channel asked for", failed.RetryAfter)
	}
	c.wantLevel(t, 0, 5)
	c.mustSet(t, "k1", c.row(0, 5, 4))
	c.wantLevel(t, 0, 4)
}

func faults(t *testing.T, c Channel) {
	for i, tt := range []struct {
		name    string
		fault   Fault
		class   publisher.Class
		applied bool
	}{
		{"an error before", ErrorBefore, publisher.ServerError, false},
		{"an error after", ErrorAfter, publisher.ServerError, true},
		{"a cut connection", CutAfter, publisher.Connection, true},
		{"no answer", TimeoutAfter, publisher.Timeout, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := fmt.Sprintf("fault-%d", i)
			c.Put(c.item(i), 5)
			c.Meet(tt.fault)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if tt.fault == TimeoutAfter {
				ctx, cancel = context.WithTimeout(t.Context(), hurry)
			}
			defer cancel()
			_, err := c.Connector.Set(ctx, key, []publisher.Row{c.row(i, 5, 4)})
			wantClass(t, err, tt.class)
			left := stock.Quantity(5)
			if tt.applied {
				left = 4
			}
			c.wantLevel(t, i, left)
			if !c.keyed() {
				return // it settles by time, and is read
			}
			if tt.applied {
				c.Sell(c.item(i)) // a replay that is applied again would give it back
				left--
			} else {
				left = 4
			}
			if rows := c.mustSet(t, key, c.row(i, 5, 4)); rows[0].Outcome != publisher.RowApplied {
				t.Errorf("the replay = %+v, want applied", rows[0])
			}
			c.wantLevel(t, i, left)
		})
	}
}

func stranger(t *testing.T, c Channel) {
	c.Put(c.item(0), 5)
	_, err := c.Stranger.Set(t.Context(), "k1", []publisher.Row{c.row(0, 5, 4)})
	failed := wantClass(t, err, publisher.Unauthorised)
	if strings.Contains(failed.Error(), c.Secret) {
		t.Errorf("the error tells the secret: %v", &failed)
	}
	c.wantLevel(t, 0, 5)
}

func ends(t *testing.T, c Channel) {
	c.Put(c.item(0), 5)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Connector.Set(ctx, "k1", []publisher.Row{c.row(0, 5, 4)})
	// Throttled, too, says that nothing was sent: one that makes several calls knows which it is at.
	if failed, ok := errors.AsType[*publisher.RequestError](err); !ok || failed.Class != publisher.Throttled {
		wantClass(t, err, publisher.Timeout)
	}
	c.wantLevel(t, 0, 5)
}
