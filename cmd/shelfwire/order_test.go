package main

import (
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/allocation"
	"github.com/shelfwire/shelfwire/internal/engine"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func lacks(line string, n stock.Quantity) record.Lack { return record.Lack{LineID: line, Quantity: n} }

func TestOrdersAreExplained(t *testing.T) {
	const at stock.Instant = 1_795_168_800_000_000
	since := map[stock.Version]stock.Instant{7: at}
	shirt := func(al ...record.LineAllocation) record.AllocationLine {
		l := record.AllocationLine{LineID: "1", SKU: "SHIRT", Ordered: 2, Allocations: al}
		for _, x := range al {
			l.Fulfilled += x.Fulfilled
		}
		return l
	}
	tests := []struct {
		name   string
		a      record.Allocation
		detail engine.OrderDetail
		want   string
	}{
		{
			"one outlet serves all, and has despatched a part",
			record.Allocation{
				State: record.PartiallyShipped, Lines: []record.AllocationLine{shirt(record.LineAllocation{Outlet: "LAV", Quantity: 2, Fulfilled: 1})},
				Decision: record.Decision{Rule: allocation.RuleOneOutlet, Exact: true, Candidates: []record.Candidate{
					{Outlet: "MTL", Lacks: []record.Lack{lacks("1", 1)}}, {Outlet: "LAV"},
				}},
			}, engine.OrderDetail{}, `order 1001 of acme/web: partly shipped

line 1: 2 × SHIRT
  2 from LAV, 1 of them despatched, 1 reserved

why: one outlet had everything that was to be allocated, so it serves all of it
  MTL alone lacked 1 × SHIRT (line 1)
  LAV had everything
`,
		},
		{
			"lines from several outlets",
			record.Allocation{
				State: record.Open, Lines: []record.AllocationLine{
					shirt(record.LineAllocation{Outlet: "MTL", Quantity: 2}),
					{LineID: "2", SKU: "OUTFIT", Ordered: 1, Allocations: []record.LineAllocation{{Outlet: "SHE", Quantity: 1}}},
				},
				Decision: record.Decision{Rule: allocation.RuleWholeLines, Exact: true, Candidates: []record.Candidate{
					{Outlet: "MTL", Lacks: []record.Lack{lacks("2", 1)}}, {Outlet: "SHE", Lacks: []record.Lack{lacks("1", 2)}},
				}},
			}, engine.OrderDetail{Lines: []engine.LineDetail{{LineID: "2", Outlet: "SHE", Kit: []record.Component{{SKU: "HAT", Quantity: 1}, {SKU: "SHOES", Quantity: 2}}}}},
			`order 1001 of acme/web: open

line 1: 2 × SHIRT
  2 from MTL, reserved

line 2: 1 × OUTFIT
  each is a kit of 1 × HAT, 2 × SHOES
  only SHE may serve it: the order names that outlet
  1 from SHE, reserved

why: the order comes from several outlets, but no line is cut: each line comes from one outlet
  MTL alone lacked 1 × OUTFIT (line 2)
  SHE alone lacked 2 × SHIRT (line 1)
  every way to share it out was considered: there is no better one
`,
		},
		{
			"a line is cut, and perhaps not in the best way",
			record.Allocation{
				State: record.Open, Lines: []record.AllocationLine{shirt(record.LineAllocation{Outlet: "LAV", Quantity: 1}, record.LineAllocation{Outlet: "MTL", Quantity: 1})},
				Decision: record.Decision{Rule: allocation.RuleCutLines, Candidates: []record.Candidate{
					{Outlet: "MTL", Lacks: []record.Lack{lacks("1", 1)}}, {Outlet: "LAV", Lacks: []record.Lack{lacks("1", 1)}},
				}},
			}, engine.OrderDetail{}, `order 1001 of acme/web: open

line 1: 2 × SHIRT
  1 from LAV, reserved
  1 from MTL, reserved

why: no outlets could serve every line whole, so a line comes from several outlets; as little as possible was cut
  MTL alone lacked 1 × SHIRT (line 1)
  LAV alone lacked 1 × SHIRT (line 1)
  there were too many ways to share it out to try them all: a better one may exist
`,
		},
		{
			"a part waits",
			record.Allocation{
				State: record.Open, Lines: []record.AllocationLine{{LineID: "1", SKU: "SHIRT", Ordered: 3, Waiting: 2, Allocations: []record.LineAllocation{{Outlet: "MTL", Quantity: 1}}}},
				Decision: record.Decision{Rule: allocation.RuleReduced, Exact: true, Candidates: []record.Candidate{{Outlet: "MTL", Lacks: []record.Lack{lacks("1", 2)}}}},
			}, engine.OrderDetail{Lines: []engine.LineDetail{{LineID: "1", WaitingSince: 7}}}, `order 1001 of acme/web: open

line 1: 3 × SHIRT
  1 from MTL, reserved
  2 waiting for stock, since 2026-11-20 10:00:00 UTC

why: not all of it was to be had as the pool's rules want it: what was is allocated, the rest waits
  MTL alone lacked 2 × SHIRT (line 1)
  whoever waits is served first come, first served, as soon as stock arrives
`,
		},
		{
			"complete or not yet",
			record.Allocation{
				State: record.Open, Lines: []record.AllocationLine{{LineID: "1", SKU: "SHIRT", Ordered: 3, Waiting: 3}},
				Decision: record.Decision{Rule: allocation.RuleWaiting, Exact: true, Candidates: []record.Candidate{{Outlet: "MTL", Lacks: []record.Lack{lacks("1", 1)}}}},
			}, engine.OrderDetail{Lines: []engine.LineDetail{{LineID: "1", WaitingSince: 7}}, Settings: record.Pool{ShipComplete: true, SingleOutlet: true, SplitOrders: true, SplitLines: true}},
			`order 1001 of acme/web: open

line 1: 3 × SHIRT
  3 waiting for stock, since 2026-11-20 10:00:00 UTC

why: nothing could be allocated, so all of it waits for stock
  MTL alone lacked 1 × SHIRT (line 1)
  the pool's rule is that an order is served complete or not yet (ship_complete)
  whoever waits is served first come, first served, as soon as stock arrives
`,
		},
		{
			"the pool's own rules",
			record.Allocation{
				State: record.Open, Lines: []record.AllocationLine{{LineID: "1", SKU: "SHIRT", Ordered: 2, Waiting: 1, Allocations: []record.LineAllocation{{Outlet: "MTL", Quantity: 1}}}},
				Decision: record.Decision{Rule: allocation.RuleReduced, Exact: true, Candidates: []record.Candidate{{Outlet: "MTL", Lacks: []record.Lack{lacks("1", 1)}}}},
			}, engine.OrderDetail{Settings: record.Pool{Prefer: record.PriorityFirst, SplitOrders: true}},
			`order 1001 of acme/web: open

line 1: 2 × SHIRT
  1 from MTL, reserved
  1 waiting for stock

why: not all of it was to be had as the pool's rules want it: what was is allocated, the rest waits
  MTL alone lacked 1 × SHIRT (line 1)
  the pool's rule is that a line comes from one outlet (split_lines is off)
  the pool's rule is that outlets of better priority come before few outlets (prefer: priority)
  whoever waits is served first come, first served, as soon as stock arrives
`,
		},
		{
			"all waits, of an entry that is gone, and nobody may serve it",
			record.Allocation{
				State: record.Open, Lines: []record.AllocationLine{{LineID: "1", SKU: "SHIRT", Ordered: 3, Waiting: 3}},
				Decision: record.Decision{Rule: allocation.RuleWaiting, Exact: true},
			}, engine.OrderDetail{Lines: []engine.LineDetail{{LineID: "1", WaitingSince: 9, Declined: []string{"LAV", "MTL"}}}}, `order 1001 of acme/web: open

line 1: 3 × SHIRT
  declined by LAV, MTL
  3 waiting for stock, since journal entry 8

why: nothing could be allocated, so all of it waits for stock
  no outlet may serve it: none of the channel's outlets fulfils orders, or those that do have declined
  whoever waits is served first come, first served, as soon as stock arrives
`,
		},
		{
			"an item that no listing knows, of a hold",
			record.Allocation{State: record.Pending, Lines: []record.AllocationLine{{LineID: "1", Ordered: 1, Held: true}}, Decision: record.Decision{Rule: allocation.RuleNone, Exact: true}},
			engine.OrderDetail{ExpiresAt: at, Lines: []engine.LineDetail{{LineID: "1", Item: "B00X"}}}, `order 1001 of acme/web: pending
it is held until 2026-11-20 10:00:00 UTC, then its units are given back

line 1: 1 × ?
  held: no listing says which SKU the channel's item "B00X" is; nothing is allocated until one does

why: there was nothing to allocate
`,
		},
		{
			"a hold that is over",
			record.Allocation{State: record.Pending, Lines: []record.AllocationLine{shirt()}, Decision: record.Decision{Rule: "expired", Exact: true}},
			engine.OrderDetail{}, `order 1001 of acme/web: pending

line 1: 2 × SHIRT
  nothing is reserved for it

why: the order was held until its time was over; then its units were given back
`,
		},
		{
			"moved by hand",
			record.Allocation{State: record.Shipped, Lines: []record.AllocationLine{shirt(record.LineAllocation{Outlet: "LAV", Quantity: 2, Fulfilled: 2})}, Decision: record.Decision{Rule: "reassigned", Exact: true}},
			engine.OrderDetail{}, `order 1001 of acme/web: shipped

line 1: 2 × SHIRT
  2 from LAV, despatched

why: somebody moved units to another outlet by hand
`,
		},
		{
			"despatched by the channel",
			record.Allocation{State: record.Shipped, FulfilledBy: record.ByChannel, Lines: []record.AllocationLine{{LineID: "1", SKU: "SHIRT", Ordered: 2, Fulfilled: 2}}},
			engine.OrderDetail{}, `order 1001 of acme/web: shipped
the channel despatches it from its own stock

line 1: 2 × SHIRT
  2 despatched
`,
		},
		{
			"a rule of another version",
			record.Allocation{State: record.Cancelled, Decision: record.Decision{Rule: "by_moonlight", Exact: true}},
			engine.OrderDetail{}, "order 1001 of acme/web: cancelled\n\nwhy: by the rule by_moonlight\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.detail.Settings == (record.Pool{}) {
				tt.detail.Settings = record.Pool{Prefer: record.FewestOutlets, SingleOutlet: true, SplitOrders: true, SplitLines: true}
			}
			tt.a.Pool, tt.a.Channel, tt.a.OrderID = "acme", "web", "1001"
			if got := explainOrder(&tt.a, &tt.detail, since); got != tt.want {
				t.Errorf("explainOrder() =\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// Every rule that package allocation has is put in words.
func TestEveryRuleHasWords(t *testing.T) {
	for _, rule := range []string{
		allocation.RuleOneOutlet, allocation.RuleWholeLines, allocation.RuleCutLines, allocation.RuleReduced, allocation.RuleWaiting, allocation.RuleNone,
	} {
		if ruleWords[rule] == "" {
			t.Errorf("the rule %s has no words", rule)
		}
	}
}

func TestOrderSaysSinceWhenItWaits(t *testing.T) {
	t.Parallel()
	env := quietEnv("SHELFWIRE_DATA=" + t.TempDir())
	startRun(t, env)
	must(t, env, `{"channel":{"pool":"acme","channel":"web","outlets":["MTL"]}}
{"order":{"pool":"acme","channel":"web","order_id":"1","status":"open","updated_at":"`+time.Now().UTC().Format(time.RFC3339)+`","lines":[{"line_id":"1","sku":"SHIRT","quantity":3}]}}
`, "send")
	eventually(t, "the order is folded", func() bool {
		stdout, _, _ := cli(t, env, "", "order", "acme", "web", "1")
		return strings.Contains(stdout, "3 waiting for stock, since 2")
	})
}
