package publisher

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// The kinds of request, which cost differently.
const (
	kindSet = iota
	kindRead
	kindOrders
	kindShipment
	kinds
)

// A budget is what an account may do, which its channels share. It counts requests until the channel has given figures of its own,
// and then in the channel's units.
type budget struct {
	limiter *rate.Limiter
	cost    [kinds]int // of a request of each kind, as the channel said; 0: it has not
}

func newBudget(t Traits) *budget {
	return &budget{limiter: rate.NewLimiter(rate.Limit(t.RequestsPerSecond), max(1, t.Burst))}
}

// need is what must be there for a request. One of a kind that is not known yet may cost as much as any.
func (b *budget) need(kind int) int {
	need := b.cost[kind]
	if need == 0 {
		for _, c := range b.cost {
			need = max(need, c)
		}
	}
	return min(b.limiter.Burst(), max(1, need))
}

// take takes what a request needs, or returns when it will be there.
func (b *budget) take(kind int, now stock.Instant) (at stock.Instant, ok bool) {
	need := b.need(kind)
	if b.limiter.AllowN(now.Time(), need) {
		return 0, true
	}
	missing := float64(need) - b.limiter.TokensAt(now.Time())
	seconds := missing / max(0.001, float64(b.limiter.Limit()))
	return now.Add(max(time.Millisecond, min(maxSleep, time.Duration(seconds*float64(time.Second))))), false
}

// allow takes in what the channel says, which is right when it says it: what left meanwhile is in the next answer.
func (b *budget) allow(kind int, now stock.Instant, a *Allowance) {
	if a == nil || a.PerSecond <= 0 || a.Most < 1 {
		return
	}
	b.cost[kind] = a.Cost
	b.limiter = rate.NewLimiter(rate.Limit(a.PerSecond), a.Most)
	b.limiter.AllowN(now.Time(), a.Most-max(0, min(a.Most, a.Now)))
}
