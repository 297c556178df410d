package shadow

import (
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/replay"
)

// recallMost bounds how many rows of a state are unpacked at a time.
const recallMost = 10_000

// recall notes what a state says that the replay begins with, as if its entries had been folded here: both sides had the same until
// now.
func (r *Replay) recall(rows replay.Rows) error {
	if len(rows) == 0 {
		return nil
	}
	state := engine.NewState()
	var whole []engine.RowWrite
	for k, value := range rows {
		if k.Table == engine.TablePool {
			whole = append(whole, engine.RowWrite{RowKey: k, Value: value})
		}
	}
	if err := state.LoadPool(r.pool.ID, whole); err != nil {
		return err
	}
	for k, value := range rows {
		if err := r.recallRow(state, engine.RowWrite{RowKey: k, Value: value}); err != nil {
			return err
		}
		if state.Held() > recallMost {
			state.Evict(0)
		}
	}
	return nil
}

// recallRow notes what one row says, on both sides.
func (r *Replay) recallRow(state *engine.State, row engine.RowWrite) error {
	switch row.Table {
	case engine.TableListings, engine.TableStock:
		if err := state.Load(row.RowKey, row.Value); err != nil {
			return err
		}
		offers := state.LastOffers(row.RowKey)
		for i := range offers {
			r.totals.offer(sideReal, &offers[i], r.from, false)
			r.totals.offer(sideShadow, &offers[i], r.from, false)
		}
		if row.Table != engine.TableStock {
			return nil
		}
		var a record.Availability
		if state.Availability(r.pool.ID, row.ID, &a) {
			r.totals.availability(sideReal, &a, r.from)
			r.totals.availability(sideShadow, &a, r.from)
		}
	case engine.TableOrders:
		if err := state.Load(row.RowKey, row.Value); err != nil {
			return err
		}
		var a record.Allocation
		if state.AllocationAt(row.RowKey, &a) {
			r.totals.allocation(sideReal, &a, r.from, false)
			r.totals.allocation(sideShadow, &a, r.from, false)
		}
	}
	return nil
}
