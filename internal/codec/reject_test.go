package codec_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// movement returns a movement as JSON with one field replaced, added (a new name) or, with an empty value, taken out.
func movement(name, value string) string {
	fields := [][2]string{
		{"pool", `"acme"`}, {"outlet", `"MTL"`}, {"sku", `"SHIRT"`}, {"kind", `"receipt"`}, {"quantity", `10`},
		{"occurred_at", `"2026-11-20T10:00:00Z"`},
	}
	found := false
	for i := range fields {
		if fields[i][0] == name {
			fields[i][1], found = value, true
		}
	}
	if !found {
		fields = append(fields, [2]string{name, value})
	}
	var members []string
	for _, f := range fields {
		if f[1] != "" {
			members = append(members, fmt.Sprintf("%q:%s", f[0], f[1]))
		}
	}
	return `{"movement":{` + strings.Join(members, ",") + `}}`
}

const goodMovement = `{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":10,"occurred_at":"2026-11-20T10:00:00Z"}}`

func order(lines string) string {
	return `{"order":{"pool":"acme","channel":"shop","order_id":"1","status":"open","updated_at":"2026-11-20T10:00:00Z","lines":[` + lines + `]}}`
}

func TestABadEventIsRefusedWithItsFieldAndReason(t *testing.T) {
	id201 := `"` + strings.Repeat("x", 201) + `"`
	for _, test := range []struct{ name, event, field, reason string }{
		{"empty input", ``, "", "is empty"},
		{"only space", " \r\n", "", "is empty"},
		{"not JSON", `movement`, "", "is not JSON: unexpected 'm' at byte 0"},
		{"a list", `[]`, "", "must be an object"},
		{"cut off", goodMovement[:40], "", "is not JSON: it ends too early at byte 40"},
		{"trailing garbage", goodMovement + `x`, "", "is not JSON: something follows the value at byte 125"},
		{"a second event", goodMovement + goodMovement, "", "is not JSON: something follows the value at byte 125"},
		{"a NUL byte", "{\"movement\x00\":{}}", "", "is not JSON: a control character in a string at byte 10"},
		{"only NUL", "\x00\x00", "", `is not JSON: unexpected '\x00' at byte 0`},
		{"malformed UTF-8", "{\"movement\":{\"pool\":\"a\xffb\"}}", "", "is not UTF-8 at byte 22"},
		{"an overlong encoding", "{\"\xc0\x80\":1}", "", "is not UTF-8 at byte 2"},
		{"half a surrogate pair", movement("pool", `"\ud800"`), "", "is not JSON: half a surrogate pair at byte 27"},
		{"a broken escape", movement("pool", `"\u12g4"`), "", `is not JSON: a broken \u escape at byte 22`},
		{"a comma too many", `{"refresh":{"pool":"a",}}`, "", "is not JSON: unexpected '}' at byte 23"},
		{"a comment", `{"refresh":{} /* */}`, "", "is not JSON: unexpected '/' at byte 14"},
		{"a leading zero", movement("quantity", `010`), "", "is not JSON: unexpected '1' at byte 85"},
		{"deep nesting", strings.Repeat("[", 100_000), "", "is not JSON: nested deeper than 32 at byte 32"},
		{"too large", `{"x":"` + strings.Repeat("x", codec.MaxEventBytes) + `"}`, "", "is larger than 1 MiB"},

		{"no fact", `{}`, "", oneFact},
		{"two facts", `{"refresh":{"pool":"a"},"mark":{"pool":"a","channel":"c","orders_until":"2026-11-20T10:00:00Z"}}`, "", oneFact},
		{"a tick", `{"tick":{"pool":"acme"}}`, "tick", "is written by the pipeline itself"},
		{"an unknown fact", `{"movment":{}}`, "movment", "is unknown"},
		{"a fact in upper case", `{"Movement":{}}`, "Movement", "is unknown"},
		{"a null fact", `{"movement":null}`, "movement", "must be an object"},
		{"an unknown field", movement("colour", `"red"`), "movement.colour", "is unknown"},
		{"an unprintable field", movement("a\nb", `1`), `movement."a\nb"`, "is unknown"},
		{"a duplicate field", `{"movement":{"pool":"a","p\u006fol":"b"}}`, "movement.pool", "is given twice"},
		{"a duplicate fact", `{"refresh":{"pool":"a"},"refresh":{"pool":"a"}}`, "refresh", "is given twice"},

		{"nothing in it", `{"movement":{}}`, "movement.pool", "is required"},
		{"no pool", movement("pool", ``), "movement.pool", "is required"},
		{"an empty outlet", movement("outlet", `""`), "movement.outlet", "is required"},
		{"a null sku", movement("sku", `null`), "movement.sku", "must be a string"},
		{"a number for a sku", movement("sku", `4711`), "movement.sku", "must be a string"},
		{"a long id", movement("sku", id201), "movement.sku", "must be at most 200 bytes long"},
		{"a control character", movement("sku", `"a\u0000b"`), "movement.sku", "must not hold control characters"},
		{"a C1 control character", movement("source", `"a\u0085b"`), "movement.source", "must not hold control characters"},

		{"no kind", movement("kind", ``), "movement.kind", "is required"},
		{
			"an unknown kind", movement("kind", `"receit"`), "movement.kind", "must be one of receipt, production, return, " +
				"transfer_in, sale, shipment, write_off, transfer_out, adjustment, count, transfer",
		},
		{"no quantity", movement("quantity", ``), "movement.quantity", "is required"},
		{"a null quantity", movement("quantity", `null`), "movement.quantity", "must be a whole number"},
		{"a fraction", movement("quantity", `10.0`), "movement.quantity", "must be a whole number, written without fraction and exponent"},
		{"an exponent", movement("quantity", `1e3`), "movement.quantity", "must be a whole number, written without fraction and exponent"},
		{"a fraction in a string", movement("quantity", `"1.5"`), "movement.quantity", "must be a whole number, written without fraction and exponent"},
		{"words for a number", movement("quantity", `"ten"`), "movement.quantity", "must be a whole number"},
		{"an empty number", movement("quantity", `""`), "movement.quantity", "must be a whole number"},
		{"a leading zero in a string", movement("quantity", `"010"`), "movement.quantity", "must be a whole number"},
		{"a plus sign", movement("quantity", `"+1"`), "movement.quantity", "must be a whole number"},
		{"above 64 bits", movement("sequence", `9223372036854775808`), "movement.sequence", "does not fit 64 bits"},
		{"below 64 bits", movement("sequence", `-9223372036854775809`), "movement.sequence", "does not fit 64 bits"},
		{"a negative sequence", movement("sequence", `-1`), "movement.sequence", "must not be negative"},
		{"too many", movement("quantity", `1000000001`), "movement.quantity", "must be within ±1000000000"},
		{"none received", movement("quantity", `0`), "movement.quantity", "must be greater than 0"},
		{"a negative receipt", movement("quantity", `-1`), "movement.quantity", "must be greater than 0"},
		{"an adjustment by nothing", strings.Replace(movement("quantity", `0`), "receipt", "adjustment", 1), "movement.quantity", "must not be 0"},
		{"a negative count", strings.Replace(movement("quantity", `-1`), "receipt", "count", 1), "movement.quantity", "must not be negative"},
		{"a transfer to nowhere", movement("kind", `"transfer"`), "movement.counterpart", "is required for a transfer"},
		{"a transfer to itself", strings.Replace(movement("counterpart", `"MTL"`), "receipt", "transfer", 1), "movement.counterpart", "must differ from outlet"},

		{"no instant", movement("occurred_at", ``), "movement.occurred_at", "is required"},
		{"a null instant", movement("occurred_at", `null`), "movement.occurred_at", notAnInstant},
		{"an empty instant", movement("occurred_at", `""`), "movement.occurred_at", notAnInstant},
		{"no zone", movement("occurred_at", `"2026-11-20T10:00:00"`), "movement.occurred_at", notAnInstant},
		{"no time", movement("occurred_at", `"2026-11-20"`), "movement.occurred_at", notAnInstant},
		{"seconds since 1970", movement("occurred_at", `1795168800`), "movement.occurred_at", notAnInstant},
		{"the 30th of February", movement("occurred_at", `"2026-02-30T10:00:00Z"`), "movement.occurred_at", notAnInstant},
		{"the 25th hour", movement("occurred_at", `"2026-02-20T24:00:00Z"`), "movement.occurred_at", notAnInstant},
		{"a leap second", movement("occurred_at", `"2026-06-30T23:59:60Z"`), "movement.occurred_at", notAnInstant},
		{"an empty fraction", movement("occurred_at", `"2026-06-30T23:59:59.Z"`), "movement.occurred_at", notAnInstant},
		{"a zone of a hundred hours", movement("occurred_at", `"2026-06-30T23:59:59+99:00"`), "movement.occurred_at", notAnInstant},
		{"1970", movement("occurred_at", `"1970-01-01T00:00:00Z"`), "movement.occurred_at", "must lie in the years 2000 to 2100"},
		{"9999", movement("occurred_at", `"9999-12-31T23:59:59Z"`), "movement.occurred_at", "must lie in the years 2000 to 2100"},

		{
			"a line without quantity", order(`{"line_id":"1","sku":"A","quantity":1},{"line_id":"2","sku":"B","quantity":1},{"line_id":"3","sku":"C"}`),
			"order.lines[2].quantity", "is required",
		},
		{"the first fault comes first", order(`{"sku":"A"}`), "order.lines[0].line_id", "is required"},
		{"a line for nothing", order(`{"line_id":"1","quantity":1}`), "order.lines[0].sku", "is required where there is no item"},
		{"a negative line", order(`{"line_id":"1","sku":"A","quantity":-1}`), "order.lines[0].quantity", "must not be negative"},
		{"a line twice", order(`{"line_id":"1","sku":"A","quantity":1},{"line_id":"1","sku":"B","quantity":1}`), "order.lines[1].line_id", "is that of line 0"},
		{"a line that is a string", order(`"1"`), "order.lines[0]", "must be an object"},
		{"lines that are an object", strings.Replace(strings.Replace(order(``), "[", "{", 1), "]", "}", 1), "order.lines", "must be a list"},
		{"an unknown field of a line", order(`{"line_id":"1","sku":"A","quantity":1,"price":2}`), "order.lines[0].price", "is unknown"},
		{
			"a status that only we say", strings.Replace(order(``), `"open"`, `"partially_shipped"`, 1),
			"order.status", "must be one of pending, open, shipped, cancelled, archived",
		},
		{"a fulfilment of nothing", `{"fulfilment":{"pool":"a","channel":"c","order_id":"1","fulfilment_id":"f","shipped_at":"2026-11-20T10:00:00Z"}}`, "fulfilment.lines", "is required"},
		{"a mark without instant", `{"mark":{"pool":"a","channel":"c"}}`, "mark.orders_until", "is required"},
		{"a kit of nothing", `{"kit":{"pool":"a","sku":"K"}}`, "kit.components", "is required"},
		{"half a component", `{"kit":{"pool":"a","sku":"K","components":[{"sku":"A","quantity":"0"}]}}`, "kit.components[0].quantity", "must be greater than 0"},
		{"a reassignment to itself", `{"reassign":{"pool":"a","event_id":"e","channel":"c","order_id":"1","line_id":"1","from":"A","to":"A","quantity":1}}`, "reassign.to", "must differ from from"},
		{"a truth in quotes", `{"outlet":{"pool":"a","outlet":"A","sells_online":"true"}}`, "outlet.sells_online", "must be true or false"},
		{"a null truth", `{"outlet":{"pool":"a","outlet":"A","sells_online":null}}`, "outlet.sells_online", "must be true or false"},
		{"a priority above 32 bits", `{"outlet":{"pool":"a","outlet":"A","priority":2147483648}}`, "outlet.priority", "does not fit 32 bits"},
		{"101 percent", `{"listing":{"pool":"a","channel":"c","sku":"s","policies":[{"percent":101}]}}`, "listing.policies[0].percent", "must be at most 100"},
		{"a negative cap", `{"listing":{"pool":"a","channel":"c","sku":"s","policies":[{"cap":-1}]}}`, "listing.policies[0].cap", "must not be negative"},
		{
			"a policy that ends before it begins", `{"listing":{"pool":"a","channel":"c","sku":"s","policies":[{"from":"2026-11-20T10:00:00Z","to":"2026-11-20T10:00:00Z"}]}}`,
			"listing.policies[0].to", "must be after from",
		},
		{"a number for an id of the channel", `{"listing":{"pool":"a","channel":"c","sku":"s","channel_ids":{"product":1}}}`, "listing.channel_ids.product", "must be a string"},
		{"an id of the channel twice", `{"listing":{"pool":"a","channel":"c","sku":"s","channel_ids":{"x":"1","x":"2"}}}`, "listing.channel_ids.x", "is given twice"},
		{
			"an outlet in two locations", `{"channel":{"pool":"a","channel":"c","outlets":["A","B"],"locations":[{"location":"1","outlets":["A"]},{"location":"2","outlets":["B","A"]}]}}`,
			"channel.locations[1].outlets[1]", `belongs to location "1"`,
		},
		{
			"a location's outlet that is none of the channel's", `{"channel":{"pool":"a","channel":"c","outlets":["A"],"locations":[{"location":"1","outlets":["A","B"]}]}}`,
			"channel.locations[0].outlets[1]", "is none of the channel's outlets: no order could be served from it",
		},
		{"an outlet twice", `{"channel":{"pool":"a","channel":"c","outlets":["A","A"]}}`, "channel.outlets[1]", "is named twice"},
		{"a location twice", `{"channel":{"pool":"a","channel":"c","locations":[{"location":"1"},{"location":"1"}]}}`, "channel.locations[1].location", "is named twice"},
		{"a duration without unit", `{"channel":{"pool":"a","channel":"c","publish":{"quiet":"2"}}}`, "channel.publish.quiet", `must be a duration, like "2s" or "6h"`},
		{"a duration as a number", `{"channel":{"pool":"a","channel":"c","publish":{"quiet":2}}}`, "channel.publish.quiet", `must be a duration, like "2s" or "6h"`},
		{"a negative duration", `{"pool":{"pool":"a","count_window":"-6h"}}`, "pool.count_window", "must not be negative"},
		{"a status twice", `{"channel":{"pool":"a","channel":"c","lowering_statuses":["open","open"]}}`, "channel.lowering_statuses[1]", "is named twice"},
		{"no ruleset", `{"pool":{"pool":"a","ruleset":0}}`, "pool.ruleset", "must be greater than 0"},
	} {
		var e record.Event
		err := codec.ParseEvent("application/json", []byte(test.event), &e)
		got, ok := errors.AsType[*codec.FieldError](err)
		if !ok {
			t.Errorf("%s: ParseEvent() = %v, want %s %s", test.name, err, test.field, test.reason)
			continue
		}
		if got.Field != test.field || got.Reason != test.reason {
			t.Errorf("%s: ParseEvent() = %q %q, want %q %q", test.name, got.Field, got.Reason, test.field, test.reason)
		}
	}
}

const (
	oneFact      = "exactly one of movement, order, fulfilment, mark, outlet, kit, listing, channel, pool, decline, reassign and refresh is required"
	notAnInstant = "must be an instant with a zone, like 2026-11-20T10:00:00Z"
)

func TestWhatIsUnusualAndRightIsTaken(t *testing.T) {
	for _, test := range []struct {
		name, event string
		want        record.Movement
	}{
		{"numbers as strings", movement("sequence", `"9223372036854775807"`), record.Movement{Sequence: 1<<63 - 1}},
		{"a date in 2062", movement("occurred_at", `"2062-01-01T00:00:00Z"`), record.Movement{OccurredAt: at("2062-01-01T00:00:00Z")}},
		{"a zone", movement("occurred_at", `"2026-11-20T10:00:00.5-05:30"`), record.Movement{OccurredAt: at("2026-11-20T15:30:00.5Z")}},
		{"nanoseconds are cut", movement("occurred_at", `"2026-11-20T10:00:00.123456999Z"`), record.Movement{OccurredAt: at("2026-11-20T10:00:00.123456Z")}},
		{"lower case", movement("occurred_at", `"2026-11-20t10:00:00z"`), record.Movement{OccurredAt: at("2026-11-20T10:00:00Z")}},
		{"escapes", movement("sku", `"\u0041\/\ud83d\ude00\u00e9"`), record.Movement{SKU: "A/😀é"}},
		{"an escaped name", `{"\u006dovement"` + goodMovement[len(`{"movement"`):], record.Movement{}},
		{"space", " \n" + strings.NewReplacer(`":`, "\" :\t", `,"`, "\r\n, \"", "}", " }").Replace(goodMovement) + "\n\n", record.Movement{}},
		{"a signed adjustment", strings.Replace(movement("quantity", `-5`), "receipt", "adjustment", 1), record.Movement{Kind: stock.Adjustment, Quantity: -5}},
		{"a count of nothing", strings.Replace(movement("quantity", `0`), "receipt", "count", 1), record.Movement{Kind: stock.Count}},
	} {
		want := record.Movement{Pool: "acme", Outlet: "MTL", SKU: "SHIRT", Kind: stock.Receipt, Quantity: 10, OccurredAt: at("2026-11-20T10:00:00Z")}
		if test.want.SKU != "" {
			want.SKU = test.want.SKU
		}
		if test.want.OccurredAt != 0 {
			want.OccurredAt = test.want.OccurredAt
		}
		if test.want.Kind != 0 {
			want.Kind, want.Quantity = test.want.Kind, test.want.Quantity
		}
		want.Sequence = test.want.Sequence
		var e record.Event
		if err := codec.ParseEvent("", []byte(test.event), &e); err != nil {
			t.Errorf("%s: ParseEvent() = %v", test.name, err)
			continue
		}
		if *e.Movement != want {
			t.Errorf("%s: ParseEvent() = %+v, want %+v", test.name, *e.Movement, want)
		}
	}
}

func at(s string) stock.Instant {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return stock.InstantOf(t)
}
