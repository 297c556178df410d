package mapping_test

import (
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/mapping"
	"github.com/shelfwire/shelfwire/internal/record"
)

func read(t *testing.T, text string) *mapping.Map {
	t.Helper()
	m, problems := mapping.Read([]byte(text), time.LoadLocation)
	if len(problems) > 0 {
		t.Fatalf("Read() = %v, want no problems", problems)
	}
	return m
}

// event returns the event of one row as JSON, or what was wrong.
func event(t *testing.T, m *mapping.Map, header, row string) string {
	t.Helper()
	table, err := m.Bind(strings.Split(header, ","))
	if err != nil {
		return err.Error()
	}
	var e record.Event
	if err := table.Event(strings.Split(row, ","), &e); err != nil {
		return err.Error()
	}
	return string(codec.AppendEventJSON(nil, &e))
}

// full returns an event as it is written in full.
func full(t *testing.T, line string) string {
	t.Helper()
	var e record.Event
	if err := codec.ParseEvent("", []byte(line), &e); err != nil {
		t.Fatal(err)
	}
	return string(codec.AppendEventJSON(nil, &e))
}

const movements = `
event: movement
columns:
  Store: {field: outlet, words: {"01": MTL, "02": LAV}}
  Article: sku
  Qty: {field: quantity, decimal: ".", negative: {kind: sale}}
  When: {field: occurred_at, format: M/D/YYYY h:mm AM, zone: America/Toronto}
values: {pool: acme, kind: receipt, event_id: "erp-{Doc}", reason: "{{{Doc}"}
`

func TestRowsBecomeEvents(t *testing.T) {
	const header = "Store,Article,Qty,When,Doc"
	tests := []struct{ name, row, want string }{
		{
			"as it is written", "01, SHIRT ,12.00,11/20/2026 8:15 AM,7",
			`{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":12,"occurred_at":"2026-11-20T13:15:00Z","event_id":"erp-7","reason":"{7"}}`,
		},
		{
			"a negative number says another kind", "02,007,-3,7/1/2026 11:05 PM,8",
			`{"movement":{"pool":"acme","outlet":"LAV","sku":"007","kind":"sale","quantity":3,"occurred_at":"2026-07-02T03:05:00Z","event_id":"erp-8","reason":"{8"}}`,
		},
		{
			"more cells, with nothing in them", "01,HAT,1,11/20/2026 8:15 AM,9,,",
			`{"movement":{"pool":"acme","outlet":"MTL","sku":"HAT","kind":"receipt","quantity":1,"occurred_at":"2026-11-20T13:15:00Z","event_id":"erp-9","reason":"{9"}}`,
		},
		{"a part of a unit", "01,HAT,1.5,11/20/2026 8:15 AM,9", `quantity (column Qty) is "1.5", which is no whole number of units`},
		{"several things", "03,HAT,x,20.11.2026,9", `outlet (column Store) is "03", for which there is no word; quantity (column Qty) is "x", no number; occurred_at (column When) is "20.11.2026", not written as M/D/YYYY h:mm AM`},
		{"what the contract does not allow", "01,HAT,0,11/20/2026 8:15 AM,9", `quantity (column Qty) is "0", and must be greater than 0`},
		{"a cell that must say something", "01,,1,11/20/2026 8:15 AM,9", `sku (column Article) is required`},
		{"too few cells", "01,HAT,1", "has 3 cells, but there are 5 columns"},
		{"too many cells", "01,HAT,1,11/20/2026 8:15 AM,9,x", "has 6 cells, but there are only 5 columns: is the delimiter right?"},
	}
	m := read(t, movements)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if strings.HasPrefix(want, "{") {
				want = full(t, want)
			}
			if got := event(t, m, header, tt.row); got != want {
				t.Errorf("Event(%q) = %s\nwant %s", tt.row, got, want)
			}
		})
	}
	if got := event(t, m, "Store,Article,Qty,When", ""); got != "there is no column Doc: there are Store, Article, Qty, When" {
		t.Errorf("without a column = %s", got)
	}
	if got := event(t, m, "Store,Article,Qty,When,Doc, Qty", ""); got != `columns 3 and 6 are both called "Qty"` {
		t.Errorf("with a column twice = %s", got)
	}
}

func TestFieldsThatLieDeeper(t *testing.T) {
	m := read(t, `
event: order
columns:
  Id: order_id
  Country: ship_to.country
  Sku1: lines[0].sku
  Qty1: lines[0].quantity
  Sku2: lines[1].sku
  Qty2: lines[1].quantity
  Changed: {field: updated_at, format: unix}
values: {pool: acme, channel: web, status: open, "lines[0].line_id": "1"}
`)
	want := full(t, `{"order":{"pool":"acme","channel":"web","order_id":"7","status":"open","updated_at":"2026-11-20T10:00:00Z","ship_to":{"country":"CA"},"lines":[{"line_id":"1","sku":"SHIRT","quantity":2}]}}`)
	if got := event(t, m, "Id,Country,Sku1,Qty1,Sku2,Qty2,Changed", "7,CA,SHIRT,2,,,1795168800"); got != want {
		t.Errorf("Event() = %s\nwant %s", got, want)
	}
	m = read(t, `
event: listing
columns: {Sku: sku, Name: title, Online: {field: opted_in, words: {yes: true, no: false}}, Id: channel_ids.item}
values: {pool: acme, channel: web, tracked: false}
`)
	want = full(t, `{"listing":{"pool":"acme","channel":"web","sku":"HAT","title":"true","opted_in":false,"tracked":false,"channel_ids":{"item":"001"}}}`)
	if got := event(t, m, "Sku,Name,Online,Id", "HAT,true,no,001"); got != want {
		t.Errorf("Event() = %s\nwant %s", got, want)
	}
}

func TestReadNamesEverythingThatIsWrong(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no event", "columns: {A: sku}\n", "line 1, column 1: event must be one of movement"},
		{"a mark", "event: mark\n", "line 1, column 8: event must be one of movement"},
		{"an unknown section", "event: kit\ncolour: x\n", "line 2, column 1: colour is unknown"},
		{"no such field", "event: movement\ncolumns: {A: skew}\n", "line 2, column 14: columns.A says skew, and the event movement has no such field"},
		{"an object", "event: order\ncolumns: {A: ship_to}\n", "line 2, column 14: columns.A says ship_to, and the event order has no such field"},
		{"a field twice", "event: movement\ncolumns: {A: sku, B: sku}\n", "line 2, column 22: columns.B says sku, which line 2 says already"},
		{"a date without a zone", "event: movement\ncolumns: {A: {field: occurred_at, format: YYYY-MM-DD}}\n", "has no Z: zone must say what is meant"},
		{"an unknown zone", "event: movement\ncolumns: {A: {field: occurred_at, format: YYYY-MM-DD, zone: Mars}}\n", "columns.A.zone must be a time zone"},
		{"no date", "event: movement\ncolumns: {A: {field: occurred_at, format: yesterday, zone: UTC}}\n", "columns.A.format must be made of YYYY"},
		{"one mark for both", "event: movement\ncolumns: {A: {field: quantity, decimal: \",\", thousands: \",\"}}\n", "has the same mark for decimals and thousands"},
		{"a negative of nothing", "event: movement\ncolumns: {A: {field: quantity, negative: {kinds: sale}}}\n", "says kinds, and the event movement has no such field"},
		{"an open brace", "event: movement\ncolumns: {A: sku}\nvalues: {reason: \"{A\"}\n", "line 3, column 18: values.reason has a { without its }"},
		{"a header without a column", "event: movement\nheader: [A]\ncolumns: {B: sku}\n", `header has no column "B"`},
		{"no columns", "event: movement\n", "columns must name a column"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := mapping.Read([]byte(tt.text), time.LoadLocation)
			if len(problems) != 1 || !strings.Contains(problems[0].Error(), tt.want) {
				t.Errorf("Read() = %v, want one problem with %q", problems, tt.want)
			}
		})
	}
}

// A number is read as arbitrary arithmetic reads it.
func TestNumbers(t *testing.T) {
	m := read(t, "event: movement\ncolumns: {N: {field: quantity, decimal: \",\", thousands: \".\", times: 100}}\n"+
		"values: {pool: a, outlet: o, sku: s, kind: adjustment, occurred_at: 2026-01-01T00:00:00Z}\n")
	table, err := m.Bind([]string{"N"})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.Int64Range(1, 9_999_999).Draw(t, "hundredths")
		if rapid.Bool().Draw(t, "negative") {
			units = -units
		}
		text := strings.ReplaceAll(big.NewRat(units, 100).FloatString(2), ".", ",")
		if whole, fraction, _ := strings.Cut(text, ","); len(strings.TrimPrefix(whole, "-")) > 3 {
			text = whole[:len(whole)-3] + "." + whole[len(whole)-3:] + "," + fraction
		}
		if units < 0 {
			text = rapid.SampledFrom([]string{text, text[1:] + "-", "(" + text[1:] + ")", "−" + text[1:]}).Draw(t, "text")
		}
		var e record.Event
		if err := table.Event([]string{text}, &e); err != nil || int64(e.Movement.Quantity) != units {
			t.Fatalf("Event(%q) = %v, %v, want %d", text, e.Movement, err, units)
		}
	})
	for _, bad := range []string{"1,001", "1e3", "--1", "1,2,3", "", ",", "9999999999999", "٣"} {
		var e record.Event
		if err := table.Event([]string{bad}, &e); err == nil {
			t.Errorf("Event(%q) = %d, want an error", bad, e.Movement.Quantity)
		}
	}
}

func TestTheDocumentedMapIsRight(t *testing.T) {
	text, err := os.ReadFile("../../docs/import.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "```yaml\n")
	block, _, _ := strings.Cut(after, "```")
	block = strings.Replace(block, "header: [Date, Store, Qty]", "header: [Date, Store, Qty, Article, Document]", 1)
	m := read(t, block)
	want := full(t, `{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":1250,"occurred_at":"2026-11-20T07:15:00Z","event_id":"D1-SHIRT","reason":"D1","source":"D1"}}`)
	table, err := m.Bind(m.Header)
	if err != nil {
		t.Fatal(err)
	}
	var e record.Event
	if err := table.Event([]string{"20.11.2026 08:15", "01", "12,5", "SHIRT", "D1"}, &e); err != nil {
		t.Fatal(err)
	}
	if got := string(codec.AppendEventJSON(nil, &e)); got != want {
		t.Errorf("Event() = %s\nwant %s", got, want)
	}
}
