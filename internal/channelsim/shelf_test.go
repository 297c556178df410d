package channelsim_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/channelsim"
)

var shirt = channelsim.Place{Item: "SHIRT", Location: "MTL"}

func TestShelfSellsWhatItShows(t *testing.T) {
	s := channelsim.NewShelf("web", 1, channelsim.Faults{})
	now := time.Unix(1_795_000_000, 0)
	if _, ok := s.Sell(shirt, 1, now); ok {
		t.Error("it sold what is not on sale")
	}
	s.List(shirt, 3)
	sale, ok := s.Sell(shirt, 2, now)
	if !ok || sale.OrderID == "" || sale.Quantity != 2 || !sale.At.Equal(now) {
		t.Fatalf("Sell(2) of 3 = %+v, %t", sale, ok)
	}
	if _, ok := s.Sell(shirt, 2, now); ok {
		t.Error("it sold two where it shows one")
	}
	other, _ := s.Sell(shirt, 1, now)
	if other.OrderID == sale.OrderID {
		t.Error("two orders have one id")
	}
	s.Cancel(sale, true)
	s.Cancel(other, false)
	if level, _ := s.Level(shirt); level != 2 || s.Sold(shirt) != 0 {
		t.Errorf("the level is %d and %d are sold, want the 2 that were restocked and none", level, s.Sold(shirt))
	}
	causes := []string{}
	for _, c := range s.Changes() {
		causes = append(causes, c.Cause)
	}
	if want := []string{"hand", "sale", "sale", "restock"}; !slices.Equal(causes, want) {
		t.Errorf("the changes are %v, want %v", causes, want)
	}
}

func TestUpdate(t *testing.T) {
	s := channelsim.NewShelf("web", 1, channelsim.Faults{})
	if _, _, ok := s.Update(shirt, 5, nil, "k"); ok {
		t.Error("it set what is not on sale")
	}
	s.List(shirt, 3)
	level, applied, ok := s.Update(shirt, 5, nil, "k")
	if level != 5 || !applied || !ok {
		t.Errorf("Update() = %d, %t, %t, want 5 applied", level, applied, ok)
	}
	stale := level - 1
	if level, applied, ok := s.Update(shirt, 9, &stale, "k"); level != 5 || applied || !ok {
		t.Errorf("Update() on another level = %d, %t, %t, want 5 and not applied", level, applied, ok)
	}
}

// What the n-th request meets depends on the seed alone, and each fault is counted.
func TestFaultsFollowTheSeed(t *testing.T) {
	faults := channelsim.Faults{Throttle: 100, ErrorBefore: 100, ErrorAfter: 100, TimeoutAfter: 100, CutAfter: 100}
	draw := func(seed uint64) ([]channelsim.Fault, int) {
		s := channelsim.NewShelf("web", seed, faults)
		list := make([]channelsim.Fault, 2000)
		for i := range list {
			list[i], _ = s.Next(time.Unix(int64(i), 0))
		}
		return list, s.Injected()
	}
	first, injected := draw(1)
	if again, _ := draw(1); !slices.Equal(first, again) {
		t.Error("the same seed gives other faults")
	}
	if other, _ := draw(2); slices.Equal(first, other) {
		t.Error("another seed gives the same faults")
	}
	counts := map[channelsim.Fault]int{}
	for _, f := range first {
		counts[f]++
	}
	if injected != 2000-counts[channelsim.None] {
		t.Errorf("Injected() = %d, want %d", injected, 2000-counts[channelsim.None])
	}
	for _, f := range []channelsim.Fault{channelsim.Throttle, channelsim.ErrorBefore, channelsim.ErrorAfter, channelsim.TimeoutAfter, channelsim.CutAfter} {
		if n := counts[f]; n < 120 || n > 280 {
			t.Errorf("fault %d was met %d times in 2000, want about 200", f, n)
		}
	}
}

func TestSeen(t *testing.T) {
	var seen channelsim.Seen
	calls := 0
	handle := func() []byte { calls++; return []byte{byte('0' + calls)} }
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if answer, err := seen.Once("k", []byte("body"), handle); err != nil || string(answer) != "1" {
				t.Errorf("Once() = %q, %v, want the first answer", answer, err)
			}
		})
	}
	wg.Wait()
	if _, err := seen.Once("k", []byte("another body"), handle); err == nil {
		t.Error("a key that came with another body is answered")
	}
	if answer, err := seen.Once("l", []byte("body"), handle); err != nil || string(answer) != "2" {
		t.Errorf("Once() of another key = %q, %v", answer, err)
	}
}

func TestRefuse(t *testing.T) {
	for _, tt := range []struct {
		fault   channelsim.Fault
		refused bool
		status  int
	}{{channelsim.Throttle, true, 429}, {channelsim.ErrorBefore, true, 500}, {channelsim.None, false, 200}, {channelsim.CutAfter, false, 200}} {
		w := httptest.NewRecorder()
		if got := channelsim.Refuse(w, tt.fault, 3*time.Second); got != tt.refused || w.Code != tt.status {
			t.Errorf("Refuse(%d) = %t with status %d, want %t with %d", tt.fault, got, w.Code, tt.refused, tt.status)
		}
		if after := w.Header().Get("Retry-After"); tt.status == http.StatusTooManyRequests && after != "3" {
			t.Errorf("Retry-After is %q, want 3", after)
		}
	}
}
