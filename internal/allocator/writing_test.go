package allocator_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// While a batch is committed the next one is produced, and no more than that: of what is said, never more than two batches are not
// committed.
func TestOneBatchIsProducedDuringACommit(t *testing.T) {
	const batches = 6
	r := newRig(t, 1)
	for i := range batches {
		now := stock.Instant(1_700_000_000_000_000 + i)
		r.journal.append(record.JournalEntry{EntryTime: now, Event: record.Event{Movement: &record.Movement{
			Pool: "acme", Outlet: "MTL", SKU: fmt.Sprintf("SKU-%d", i), Kind: stock.Receipt, Quantity: 1, OccurredAt: now,
		}}})
	}
	var mu sync.Mutex
	produced, committed := 0, 0 // guarded by mu
	begun := make(chan struct{}, 2*batches)
	r.topics.fault = func(after bool) error {
		if after {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if produced++; produced > committed+2 {
			t.Errorf("batch %d is produced while %d are committed", produced, committed)
		}
		begun <- struct{}{}
		return nil
	}
	a, stop := r.worker(faultyStore{r.store, func(after bool) error {
		mu.Lock()
		n := committed
		if after {
			committed++
		}
		mu.Unlock()
		if !after && n == 0 { // the first commit goes on when the second batch is under way
			<-begun
			<-begun
		}
		return nil
	}})
	r.await(a, batches)
	if err := stop(); err != nil {
		t.Errorf("Work() = %v", err)
	}
	if produced != batches || committed != batches {
		t.Errorf("%d batches were produced and %d committed, want %d", produced, committed, batches)
	}
}
