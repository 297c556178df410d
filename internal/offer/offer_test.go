package offer_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/shelfwire/shelfwire/internal/offer"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func most(q stock.Quantity) *stock.Quantity { return &q }

func TestQuantity(t *testing.T) {
	whole := record.Policy{Percent: 100}
	for _, tt := range []struct {
		name               string
		available, waiting stock.Quantity
		policy             record.Policy
		want               stock.Quantity
		reason             string
	}{
		{"everything that is there", 10, 0, whole, 10, offer.InStock},
		{"nothing there", 0, 0, whole, 0, offer.SoldOut},
		{"what others wait for is not shown", 10, 4, whole, 6, offer.InStock},
		{"more waits than is there", 3, 5, whole, 0, offer.SoldOut},
		{"a buffer stays out", 10, 0, record.Policy{Percent: 100, Buffer: 3}, 7, offer.InStock},
		{"a buffer larger than what is there", 2, 0, record.Policy{Percent: 100, Buffer: 3}, 0, offer.SoldOut},
		{"a share is rounded down", 7, 0, record.Policy{Percent: 50}, 3, offer.InStock},
		{"a share of one unit is none", 1, 0, record.Policy{Percent: 99}, 0, offer.SoldOut},
		{"no share", 1000, 0, record.Policy{}, 0, offer.SoldOut},
		{"a cap below", 10, 0, record.Policy{Percent: 100, Cap: most(4)}, 4, offer.Capped},
		{"a cap reached is no cap", 4, 0, record.Policy{Percent: 100, Cap: most(4)}, 4, offer.InStock},
		{"a cap of 0 shows nothing", 4, 0, record.Policy{Percent: 100, Cap: most(0)}, 0, offer.Capped},
		{"on the floor", 4, 0, record.Policy{Percent: 100, Floor: 4}, 4, offer.InStock},
		{"below the floor", 3, 0, record.Policy{Percent: 100, Floor: 4}, 0, offer.BelowFloor},
		{"a cap below the floor", 30, 0, record.Policy{Percent: 100, Cap: most(3), Floor: 4}, 0, offer.BelowFloor},
		{"buffer, share and cap in this order", 100, 10, record.Policy{Percent: 50, Buffer: 10, Cap: most(39)}, 39, offer.Capped},
		{"the largest number there is", math.MaxInt64, 0, record.Policy{Percent: 99}, math.MaxInt64/100*99 + 6, offer.InStock},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, reason := offer.Quantity(tt.available, tt.waiting, tt.policy); got != tt.want || reason != tt.reason {
				t.Errorf("Quantity() = %d, %s, want %d, %s", got, reason, tt.want, tt.reason)
			}
		})
	}
}

// TestQuantityAgainstFormula compares with the formula written out in numbers that cannot overflow.
func TestQuantityAgainstFormula(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50_000 {
		scale := []int64{3, 20, 1_000_000_000, math.MaxInt64 / 4}[r.IntN(4)]
		n := func() stock.Quantity { return stock.Quantity(r.Int64N(scale)) }
		p := record.Policy{Buffer: n(), Percent: int32(r.IntN(101)), Floor: n()}
		if r.IntN(2) == 0 {
			p.Cap = most(n())
		}
		available, waiting := n(), n()
		want := big.NewInt(int64(available))
		want.Sub(want, big.NewInt(int64(waiting)))
		want.Sub(want, big.NewInt(int64(p.Buffer)))
		if want.Sign() < 0 {
			want.SetInt64(0)
		}
		want.Mul(want, big.NewInt(int64(p.Percent)))
		want.Quo(want, big.NewInt(100))
		if p.Cap != nil && want.Cmp(big.NewInt(int64(*p.Cap))) > 0 {
			want.SetInt64(int64(*p.Cap))
		}
		if want.Cmp(big.NewInt(int64(p.Floor))) < 0 {
			want.SetInt64(0)
		}
		got, reason := offer.Quantity(available, waiting, p)
		if int64(got) != want.Int64() {
			t.Fatalf("Quantity(%d, %d, %+v) = %d, want %d", available, waiting, p, got, want)
		}
		if empty := reason == offer.SoldOut || reason == offer.BelowFloor; empty && got != 0 || !empty && got == 0 && (p.Cap == nil || *p.Cap != 0) {
			t.Fatalf("Quantity(%d, %d, %+v) = %d, %s", available, waiting, p, got, reason)
		}
	}
}

func TestPolicyAt(t *testing.T) {
	row := func(from, to stock.Instant, buffer stock.Quantity) record.Policy {
		return record.Policy{From: from, To: to, Buffer: buffer, Percent: 100}
	}
	for _, tt := range []struct {
		name             string
		listing, channel []record.Policy
		at               stock.Instant
		buffer           stock.Quantity
	}{
		{"no rows show everything", nil, nil, 100, 0},
		{"the channel's row where the listing has none", nil, []record.Policy{row(0, 0, 1)}, 100, 1},
		{"the listing's row comes before the channel's", []record.Policy{row(0, 0, 2)}, []record.Policy{row(0, 0, 1)}, 100, 2},
		{"the first row that covers the moment", []record.Policy{row(0, 50, 1), row(0, 0, 2), row(0, 0, 3)}, nil, 100, 2},
		{"from is inclusive", []record.Policy{row(100, 200, 2)}, nil, 100, 2},
		{"to is exclusive", []record.Policy{row(50, 100, 2)}, []record.Policy{row(0, 0, 1)}, 100, 1},
		{"a listing whose rows are over falls back to the channel", []record.Policy{row(0, 50, 2)}, []record.Policy{row(60, 0, 1)}, 100, 1},
		{"no row covers the moment", []record.Policy{row(0, 50, 2)}, []record.Policy{row(150, 0, 1)}, 100, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := offer.PolicyAt(tt.listing, tt.channel, tt.at)
			if got.Buffer != tt.buffer || got.Percent != 100 {
				t.Errorf("PolicyAt() = %+v, want buffer %d", got, tt.buffer)
			}
		})
	}
}

func TestStopped(t *testing.T) {
	good := record.Listing{OptedIn: true, Tracked: true, FulfilledBy: record.ByMerchant}
	for _, tt := range []struct {
		name    string
		change  func(l *record.Listing, c *record.Channel)
		because string
	}{
		{"a listing that is offered", func(*record.Listing, *record.Channel) {}, ""},
		{"opted out", func(l *record.Listing, _ *record.Channel) { l.OptedIn = false }, offer.NotOptedIn},
		{"not tracked", func(l *record.Listing, _ *record.Channel) { l.Tracked = false }, offer.Untracked},
		{"deleted, whatever else it is", func(l *record.Listing, _ *record.Channel) { l.Deleted, l.OptedIn = true, false }, offer.Deleted},
		{"a deleted channel", func(_ *record.Listing, c *record.Channel) { c.Deleted = true }, offer.ChannelGone},
		{"fulfilled by the channel", func(l *record.Listing, _ *record.Channel) { l.FulfilledBy = record.ByChannel }, offer.ByChannel},
		{"published later", func(l *record.Listing, _ *record.Channel) { l.PublishAt = 101 }, offer.NotYet},
		{"published at this moment", func(l *record.Listing, _ *record.Channel) { l.PublishAt = 100 }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, c := good, record.Channel{}
			tt.change(&l, &c)
			terms := offer.TermsOf(&l)
			if got := offer.Stopped(&terms, &c, 100); got != tt.because {
				t.Errorf("Stopped() = %q, want %q", got, tt.because)
			}
		})
	}
}
