package publisher_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/shelfwire/shelfwire/internal/dispatch"
	"github.com/shelfwire/shelfwire/internal/publisher"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// What a channel has only taken in is unknown until it cannot land any more; then it is read, and sent again if it never landed. A zero
// waits for nothing.
func TestPendingRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(false, map[string]stock.Quantity{"A": 5, "B": 5})
		b := settledAs(t, m, func(tr *publisher.Traits) {
			tr.Access, tr.KeysLast, tr.Settle = dispatch.Readable, 0, 5*time.Minute
		}, 5)
		sent := len(m.sets())
		m.meetsWith(func(_ int, c call) meets { return meets{pending: c.key != "", forget: c.rows[0].Quantity != 0} })
		b.offer("web", "A", 3, 0, 0)
		pass(time.Minute)
		if got := len(m.sets()) - sent; got != 1 || m.level("A") != 5 {
			t.Fatalf("%d sets, level %d; want one that is only taken in", got, m.level("A"))
		}
		reads := len(m.reads())
		pass(3 * time.Minute)
		if len(m.sets()) != sent+1 || len(m.reads()) != reads {
			t.Errorf("%d sets and %d reads before it is settled, want none", len(m.sets())-sent-1, len(m.reads())-reads)
		}
		b.offer("web", "A", 0, 0, 0)
		pass(2 * time.Second)
		if m.level("A") != 0 {
			t.Errorf("the level is %d two seconds after the sell-out, want 0", m.level("A"))
		}
		pass(30 * time.Minute)
		if b.stage.Pending() != 0 || m.level("A") != 0 {
			t.Errorf("%d pending, level %d, want rest at 0", b.stage.Pending(), m.level("A"))
		}
		b.offer("web", "B", 4, 0, 0) // taken in, and forgotten
		pass(2 * time.Minute)
		if m.level("B") != 5 {
			t.Fatalf("the level of B is %d, want 5: it was forgotten", m.level("B"))
		}
		m.meetsWith(func(_ int, c call) meets { return meets{pending: c.key != ""} })
		for range 10 {
			pass(2 * time.Minute)
			b.mark("web")
		}
		if b.stage.Pending() != 0 || m.level("B") != 4 {
			t.Errorf("%d pending, level of B %d, want rest at 4", b.stage.Pending(), m.level("B"))
		}
	})
}

// A raise after a zero that the channel has only taken in waits until that cannot land any more. Who asks for it is told until when, and
// at once where that is longer than he waits; who waits long enough is answered when it is told.
func TestAPushThatWaitsForAPendingRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMarket(false, map[string]stock.Quantity{"A": 5, "B": 5})
		b := settledAs(t, m, func(tr *publisher.Traits) {
			tr.Access, tr.KeysLast, tr.Settle = dispatch.Readable, 0, 10*time.Minute
		}, 5)
		m.meetsWith(func(_ int, c call) meets { return meets{pending: c.key != ""} })
		sent := stock.InstantOf(time.Now())
		b.offer("web", "A", 0, 0, 0)
		pass(10 * time.Second)
		b.offer("web", "A", 3, 0, 0)
		pass(10 * time.Second)
		m.meetsWith(nil)
		asked := stock.InstantOf(time.Now())
		done := b.ask(record.Command{ID: "short", Channel: "web", Kind: record.CommandPush, SKU: "A", AnswerBy: asked.Add(2 * time.Minute)})
		if done == nil || done.Count != 1 || done.Waiting != 1 || done.Failed != 0 || done.WaitsFor == "" ||
			done.WaitsUntil < sent.Add(10*time.Minute) || done.WaitsUntil > sent.Add(11*time.Minute) {
			t.Errorf("the answer is %+v, want that one waits until ten minutes after %v", done, sent)
		}
		if done := b.ask(record.Command{ID: "long", Channel: "web", Kind: record.CommandPush, SKU: "A", AnswerBy: asked.Add(time.Hour)}); done != nil {
			t.Errorf("who waits for an hour is answered at once: %+v", done)
		}
		for range 10 {
			pass(2 * time.Minute)
			b.mark("web")
		}
		ends := map[string]*record.CommandDone{}
		b.said.mu.Lock()
		for _, c := range b.said.ends {
			ends[c.ID] = c.Done
		}
		b.said.mu.Unlock()
		wantDone(t, ends["long"], record.CommandDone{Count: 1})
		if m.level("A") != 3 {
			t.Errorf("the level is %d in the end, want 3", m.level("A"))
		}
	})
}
