package simserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/shelfwire/shelfwire/internal/channelsim"
)

// A File says what shops there are and what goes wrong in them. Its zero value is one healthy shop of each vendor, without products.
type File struct {
	Seed  uint64          `yaml:"seed"` // of what goes wrong when: the same seed and requests give the same faults
	Shops map[string]Shop `yaml:"shops"`
}

// A Shop is one simulated shop.
type Shop struct {
	Vendor string `yaml:"vendor"` // amazon, shopify, shop, webhook; empty: the shop's name
	Token  string `yaml:"token"`  // of amazon, shopify and shop; empty: "token"
	Secret string `yaml:"secret"` // of webhook, whsec_…; empty: DefaultSecret
	Faults Faults `yaml:"faults"`
	// Script is what the first requests meet, one each: none, throttle, error_before, error_after, timeout_after, cut_after.
	Script []string `yaml:"script"`
	// Points and PointsPerSecond are the size and the refill of a shopify shop's bucket; 0: 2000 and 100.
	Points          float64 `yaml:"points"`
	PointsPerSecond float64 `yaml:"points_per_second"`
	// AppliesLater is how long it may take until an amazon shop applies what it has accepted, Lost how many of a thousand it never does.
	AppliesLater time.Duration `yaml:"applies_later"`
	Lost         int           `yaml:"lost"`
	// FeedTakes is how long an amazon shop takes for a feed, twice; FeedFatal how many of a thousand end half done. PaysAfter is how long
	// its orders are pending, OrdersEnd how long ago what it tells of them ends; 0: two minutes.
	FeedTakes time.Duration `yaml:"feed_takes"`
	FeedFatal int           `yaml:"feed_fatal"`
	PaysAfter time.Duration `yaml:"pays_after"`
	OrdersEnd time.Duration `yaml:"orders_end"`

	Products []Product `yaml:"products"`
	// SalesPerMinute is how many units shoppers try to buy by themselves, one at a time, of what is on sale.
	SalesPerMinute int `yaml:"sales_per_minute"`
}

// Faults say how many of a thousand requests meet each.
type Faults struct {
	Throttle     int           `yaml:"throttle" json:"throttle"`
	ErrorBefore  int           `yaml:"error_before" json:"error_before"`
	ErrorAfter   int           `yaml:"error_after" json:"error_after"`
	TimeoutAfter int           `yaml:"timeout_after" json:"timeout_after"`
	CutAfter     int           `yaml:"cut_after" json:"cut_after"`
	RetryAfter   time.Duration `yaml:"retry_after" json:"retry_after_ns"`
}

// A Product is on sale from the beginning.
type Product struct {
	Item      string `yaml:"item" json:"item"`
	Location  string `yaml:"location" json:"location"`
	Level     int64  `yaml:"level" json:"level"`
	SKU       string `yaml:"sku" json:"sku"`             // of shopify; empty: the item
	Title     string `yaml:"title" json:"title"`         // of shopify and amazon
	Status    string `yaml:"status" json:"status"`       // of shopify; empty: ACTIVE
	Untracked bool   `yaml:"untracked" json:"untracked"` // of shopify
	FBA       bool   `yaml:"fba" json:"fba"`             // of amazon: it ships the item itself
}

// DefaultToken and DefaultSecret are the credentials of shops that are given none.
const (
	DefaultToken  = "token"
	DefaultSecret = "whsec_c2hlbGZ3aXJlLXNpbXVsYXRlZC1zZWNyZXQ="
)

// Parse reads a file. Unknown keys are errors.
func Parse(text []byte) (File, error) {
	var f File
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return f, err
	}
	for name, s := range f.Shops {
		if err := s.Faults.check(); err != nil {
			return f, fmt.Errorf("shops.%s.faults: %w", name, err)
		}
		if s.SalesPerMinute < 0 || s.SalesPerMinute > 60_000 {
			return f, fmt.Errorf("shops.%s.sales_per_minute: %d is not between 0 and 60000", name, s.SalesPerMinute)
		}
		if min(s.AppliesLater, s.FeedTakes, s.PaysAfter, s.OrdersEnd) < 0 || min(s.Lost, s.FeedFatal) < 0 || max(s.Lost, s.FeedFatal) > 1000 {
			return f, fmt.Errorf("shops.%s: applies_later, feed_takes, pays_after, orders_end, lost and feed_fatal must be 0 or more, the last two at most 1000", name)
		}
		if _, err := script(s.Script); err != nil {
			return f, fmt.Errorf("shops.%s.script: %w", name, err)
		}
	}
	return f, nil
}

func (f Faults) check() error {
	all := []int{f.Throttle, f.ErrorBefore, f.ErrorAfter, f.TimeoutAfter, f.CutAfter}
	sum := 0
	for _, n := range all {
		sum += n
	}
	if slices.Min(all) < 0 || sum > 1000 || f.RetryAfter < 0 {
		return errors.New("parts in a thousand must be 0 or more, and 1000 at most together")
	}
	return nil
}

func (f Faults) of() channelsim.Faults {
	return channelsim.Faults{
		Throttle: f.Throttle, ErrorBefore: f.ErrorBefore, ErrorAfter: f.ErrorAfter, TimeoutAfter: f.TimeoutAfter, CutAfter: f.CutAfter,
		RetryAfter: f.RetryAfter,
	}
}

// script reads the names of faults.
func script(names []string) ([]channelsim.Fault, error) {
	known := []string{"none", "throttle", "error_before", "error_after", "timeout_after", "cut_after"}
	list := make([]channelsim.Fault, 0, len(names))
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			return nil, fmt.Errorf("%q is none of %v", name, known)
		}
		list = append(list, channelsim.Fault(i))
	}
	return list, nil
}
