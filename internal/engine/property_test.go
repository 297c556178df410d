package engine_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/engine/enginetest"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/replay"
	"github.com/shelfwire/shelfwire/internal/stock"
	"github.com/shelfwire/shelfwire/internal/stream"
)

var (
	journals  = flag.Int("journals", 400, "how many random journals each property is tried on")
	firstSeed = flag.Uint64("seed", 1, "the seed of the first of them")
)

// eachJournal tries the property on random journals. Of one that fails it leaves out whatever the failure does not need, and
// prints the rest as JSON lines.
func eachJournal(t *testing.T, property func(journal []record.JournalEntry) error) {
	t.Helper()
	property = neverPanics(property)
	for i := range *journals {
		seed := *firstSeed + uint64(i)
		journal := drawJournal(seed, 60)
		err := property(journal)
		if err == nil {
			continue
		}
		journal, err = shortest(journal, err, property)
		t.Fatalf("seed %d: %v\n%s", seed, err, journalLines(journal))
	}
}

// neverPanics makes a panic a failure like any other, so that its journal is shortened too.
func neverPanics(property func([]record.JournalEntry) error) func([]record.JournalEntry) error {
	return func(journal []record.JournalEntry) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return property(journal)
	}
}

// shortest leaves out entries as long as the property still fails.
func shortest(journal []record.JournalEntry, err error, property func([]record.JournalEntry) error) ([]record.JournalEntry, error) {
	journal = slices.Clone(journal)
	for i := range journal {
		journal[i].Origin.Previous = -1 // what is left out would be a gap
	}
	for n := len(journal) / 2; n > 0; n /= 2 {
		for i := 0; i+n <= len(journal); {
			less := slices.Delete(slices.Clone(journal), i, i+n)
			if e := property(less); e != nil {
				journal, err = less, e
				continue
			}
			i += n
		}
	}
	return journal, err
}

// TestModel folds random journals with the engine and with the model and compares everything that was said after every
// entry.
func TestModel(t *testing.T) { eachJournal(t, compareWithModel) }

// TestCuts folds random journals cut at random into batches, with restarts and crashes: rows and outputs are those of the
// fold entry by entry, to the byte.
func TestCuts(t *testing.T) {
	eachJournal(t, func(journal []record.JournalEntry) error {
		want, err := enginetest.Fold(journal, nil)
		if err != nil {
			return err
		}
		r := rand.New(rand.NewPCG(uint64(len(journal)), 1))
		for range 3 {
			var cuts []enginetest.Cut
			got, err := enginetest.Fold(journal, func(int) enginetest.Cut {
				cuts = append(cuts, enginetest.Cut(r.IntN(5)))
				return cuts[len(cuts)-1]
			})
			if err != nil {
				return fmt.Errorf("cuts %v: %w", cuts, err)
			}
			if d := resultsDiffer(want, got); d != "" {
				return fmt.Errorf("cuts %v: %s", cuts, d)
			}
		}
		return nil
	})
}

// TestReplay folds random journals with a replay, in runs that collect rows only and now and then an entry by itself: its rows are those
// of the fold entry by entry, to the byte.
func TestReplay(t *testing.T) {
	eachJournal(t, func(journal []record.JournalEntry) error {
		var whole enginetest.Pipeline
		fold, err := replay.New(0, stream.Position{}, nil)
		if err != nil {
			return err
		}
		r := rand.New(rand.NewPCG(uint64(len(journal)), 1))
		for at := 0; at < len(journal); {
			n := min(1+r.IntN(12), len(journal)-at)
			records := make([]stream.Record, n)
			for i := range records {
				records[i] = stream.Record{Offset: int64(at + i), Value: codec.AppendJournalEntry(nil, &journal[at+i])}
				if _, err := whole.Fold(journal[at+i]); err != nil {
					return err
				}
			}
			if r.IntN(4) == 0 {
				for i := range records {
					if _, err := fold.Say(&records[i]); err != nil {
						return err
					}
				}
			} else if err := fold.Run(records); err != nil {
				return err
			}
			at += n
			if r.IntN(3) > 0 && at < len(journal) {
				continue // looking at the rows ends a run
			}
			if rows := fold.Rows(); !maps.EqualFunc(rows, whole.Rows, bytes.Equal) {
				return fmt.Errorf("after %d entries the rows are\n%q\nwant\n%q", at, rows, whole.Rows)
			}
		}
		return nil
	})
}

// TestDeterminism folds one long journal twenty times: a walk over a map that shows would give other bytes.
func TestDeterminism(t *testing.T) {
	journal := drawJournal(7, 2000)
	for len(journal) < 1000 {
		journal = drawJournal(uint64(len(journal)), 2000)
	}
	cut := func(i int) enginetest.Cut { return enginetest.Cut(i % 3) }
	want, err := enginetest.Fold(journal, cut)
	if err != nil {
		t.Fatal(err)
	}
	for range 19 {
		got, err := enginetest.Fold(journal, cut)
		if err != nil {
			t.Fatal(err)
		}
		if d := resultsDiffer(want, got); d != "" {
			t.Fatal(d)
		}
	}
}

// compareWithModel returns the first thing in which the engine and the model differ, or an invariant that does not hold.
func compareWithModel(journal []record.JournalEntry) error {
	m := newModel()
	var p enginetest.Pipeline
	said := spoken{availability: map[string]record.Availability{}, orders: map[[2]string]record.Allocation{}, offers: map[[3]string]record.Offer{}}
	for i := range journal {
		m.fold(&journal[i])
		out, err := p.Fold(journal[i])
		if err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
		said.add(&out)
		for _, id := range m.forgotten { // whatever was said of it stays said
			if o := m.find(id[0], id[1]); o == nil || !o.seen {
				delete(said.orders, id)
			}
		}
		for _, check := range []func() error{
			func() error { return sameRejections(m, &out) },
			func() error { return said.sameCounts(m) },
			func() error { return said.sameOrders(m) },
			func() error { return said.sameOffers(m) },
			func() error { return said.invariants(m, &out) },
		} {
			if err := check(); err != nil {
				return fmt.Errorf("entry %d: %w", i, err)
			}
		}
	}
	return nil
}

// spoken is the newest that the engine said of everything.
type spoken struct {
	availability map[string]record.Availability
	orders       map[[2]string]record.Allocation
	offers       map[[3]string]record.Offer
}

func (s *spoken) add(out *enginetest.Outputs) {
	for _, a := range out.Availability {
		s.availability[a.SKU] = a
	}
	for _, a := range out.Allocations {
		s.orders[[2]string{a.Channel, a.OrderID}] = a
	}
	for _, o := range out.Offers {
		if o.Offer != nil {
			s.offers[[3]string{o.Offer.Channel, o.Offer.SKU, o.Offer.Location}] = *o.Offer
		}
	}
}

func sameRejections(m *model, out *enginetest.Outputs) error {
	var got []string
	for _, r := range out.Rejections {
		if !r.Applied {
			got = append(got, r.Class)
		}
	}
	if !slices.Equal(got, m.refused) {
		return fmt.Errorf("rejections %v, the model has %v", got, m.refused)
	}
	return nil
}

func (s *spoken) sameCounts(m *model) error {
	for _, sku := range []string{"x", "y", "z", "k"} {
		want := record.Availability{SKU: sku, OnOrder: m.onOrder(sku)}
		for _, outlet := range slices.Sorted(maps.Keys(m.known)) {
			def, declared := m.outlets[outlet]
			l := record.OutletLevel{Outlet: outlet, OnHand: m.onHand(sku, outlet), Reserved: m.reserved(sku, outlet), Undeclared: !declared}
			if !def.ChannelOwned {
				want.OnHand += l.OnHand
				want.Reserved += l.Reserved
			}
			if l.OnHand != 0 || l.Reserved != 0 {
				want.Outlets = append(want.Outlets, l)
			}
		}
		want.Available = want.OnHand - want.OnOrder
		want.Backordered = max(0, want.OnOrder-want.OnHand)
		a := s.availability[sku]
		got := record.Availability{
			SKU: sku, OnHand: a.OnHand, OnOrder: a.OnOrder, Reserved: a.Reserved, Available: a.Available, Backordered: a.Backordered, Outlets: a.Outlets,
		}
		if len(got.Outlets) == 0 {
			got.Outlets = nil
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("availability of %s\n%+v, the model has\n%+v", sku, got, want)
		}
	}
	return nil
}

func (s *spoken) sameOrders(m *model) error {
	seen := 0
	for _, o := range m.orders {
		got, ok := s.orders[[2]string{o.channel, o.id}]
		if ok != o.seen {
			return fmt.Errorf("order %s/%s: said %v, the model has %v", o.channel, o.id, ok, o.seen)
		}
		if !ok {
			continue
		}
		seen++
		var want []record.AllocationLine
		shipped, left := false, false
		for _, l := range o.lines {
			al := record.AllocationLine{LineID: l.id, SKU: l.sku, Ordered: l.ordered, Waiting: l.waiting, Fulfilled: l.fulfilled, Held: l.sku == ""}
			for _, a := range l.allocs {
				al.Allocations = append(al.Allocations, record.LineAllocation{Outlet: a.outlet, Quantity: a.quantity, Fulfilled: a.shipped})
			}
			slices.SortFunc(al.Allocations, func(a, b record.LineAllocation) int { return cmp.Compare(a.Outlet, b.Outlet) })
			want = append(want, al)
			shipped = shipped || l.fulfilled > 0
			left = left || l.waiting > 0 || l.open() > 0
		}
		state := o.status
		if open := state == record.Open || state == record.Pending; open && shipped && left {
			state = record.PartiallyShipped
		} else if open && shipped {
			state = record.Shipped
		}
		if got.State != state || !reflect.DeepEqual(got.Lines, want) {
			return fmt.Errorf("order %s/%s is %d\n%+v, the model has %d\n%+v", o.channel, o.id, got.State, got.Lines, state, want)
		}
	}
	if seen != len(s.orders) {
		return fmt.Errorf("%d orders, the model has %d", len(s.orders), seen)
	}
	return nil
}

func (s *spoken) sameOffers(m *model) error {
	for key, want := range m.told {
		got, ok := s.offers[key]
		if !ok {
			return fmt.Errorf("offer %v was never made, the model has %+v", key, want)
		}
		if left := want.stopped && !got.Stopped; left { // a channel that is left as it is hears nothing of the stop
			want.stopped = false
		}
		if have := (mTold{mCounters{got.Sold, got.Released}, got.Quantity, got.Stopped}); have != want {
			return fmt.Errorf("offer %v is %+v, the model has %+v", key, have, want)
		}
	}
	for key, o := range s.offers {
		if _, ok := m.told[key]; !ok {
			return fmt.Errorf("offer %v = %+v, the model has none", key, o)
		}
	}
	return nil
}

// invariants checks what DESIGN §5 calls always true, on the outputs alone.
func (s *spoken) invariants(m *model, out *enginetest.Outputs) error {
	type shelf struct{ sku, outlet string }
	open, onOrder := map[shelf]stock.Quantity{}, map[string]stock.Quantity{}
	for key, o := range s.orders {
		for _, l := range o.Lines {
			units := l.Waiting
			for _, a := range l.Allocations {
				left := a.Quantity - a.Fulfilled
				units += left
				for sku, n := range m.find(key[0], key[1]).line(l.LineID).parts { // the record does not tell what a kit was made of
					open[shelf{sku, a.Outlet}] += left * n
				}
				if left < 0 || a.Fulfilled < 0 {
					return fmt.Errorf("order %v line %s: %+v", key, l.LineID, a)
				}
			}
			for sku, n := range m.find(key[0], key[1]).line(l.LineID).parts {
				onOrder[sku] += units * n
			}
			// Cancelled units are what is neither open nor fulfilled; there are none in a live order of a merchant.
			live := (o.State == record.Open || o.State == record.PartiallyShipped) && o.FulfilledBy == record.ByMerchant
			if l.Held {
				if units != 0 || l.Fulfilled != 0 {
					return fmt.Errorf("order %v line %s is held: %+v", key, l.LineID, l)
				}
				continue
			}
			if most := max(0, l.Ordered-l.Fulfilled); units > most || live && units != most {
				return fmt.Errorf("order %v line %s: %d allocated and waiting of %d ordered less %d fulfilled", key, l.LineID, units, l.Ordered, l.Fulfilled)
			}
		}
	}
	for sku, a := range s.availability {
		if a.OnOrder != onOrder[sku] {
			return fmt.Errorf("%s: %d on order, the orders say %d", sku, a.OnOrder, onOrder[sku])
		}
		for _, l := range a.Outlets {
			at := shelf{sku, l.Outlet}
			if l.Reserved != open[at] {
				return fmt.Errorf("%v: %d reserved, the orders say %d", at, l.Reserved, open[at])
			}
			if l.Reserved > max(0, l.OnHand) {
				return fmt.Errorf("%v: promised %d of %d on hand", at, l.Reserved, l.OnHand)
			}
			delete(open, at)
		}
	}
	for at, units := range open {
		if units != 0 {
			return fmt.Errorf("%v: the orders have %d reserved, availability nothing", at, units)
		}
	}
	for _, o := range out.Offers {
		if o.Offer != nil {
			if err := offerAddsUp(o.Offer); err != nil {
				return err
			}
		}
	}
	return nil
}

// offerAddsUp works the offer out from the numbers that it carries.
func offerAddsUp(o *record.Offer) error {
	q := -o.Inputs.Waiting - o.Inputs.Buffer
	for _, part := range o.Inputs.Outlets {
		if part.Available != max(0, part.OnHand-part.Reserved-part.SafetyStock) {
			return fmt.Errorf("offer of %s on %s: %+v", o.SKU, o.Channel, part)
		}
		q += part.Available
	}
	q = max(0, q) * stock.Quantity(o.Inputs.Percent) / 100
	if o.Inputs.Cap != nil {
		q = min(q, *o.Inputs.Cap)
	}
	if q < o.Inputs.Floor || o.Stopped {
		q = 0
	}
	if o.Quantity != q || o.Sold < o.Released || o.Released < 0 {
		return fmt.Errorf("offer of %s on %s does not add up to %d: %+v", o.SKU, o.Channel, q, o)
	}
	return nil
}
