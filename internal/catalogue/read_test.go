package catalogue_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/shelfwire/shelfwire/internal/catalogue"
	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func read(t *testing.T, text string) []catalogue.Pool {
	t.Helper()
	pools, problems := catalogue.Read([]byte(text))
	if len(problems) > 0 {
		t.Fatalf("Read() = %v, want no problems", problems)
	}
	return pools
}

func TestReadFillsInWhatTheContractSays(t *testing.T) {
	pools := read(t, `
pool: acme
settings: {prefer: priority}
outlets:
  NO: {name: 0012}
kits:
  SET: {components: {HAT: 2, 007: 1}}
channels:
  web: {vendor: shop, outlets: [NO], publish: {quiet: 5s}, policies: [{from: 2026-11-27, to: 2026-12-01 09:30}]}
listings:
  web:
    1e3:
    HAT: {title: "true", channel_ids: {id: 001}, publish_at: 2026-11-27T09:00:00-05:00}
---
pool: other
listings: {}
`)
	want := []string{
		`{"pool":{"pool":"acme","prefer":"priority"}}`,
		`{"outlet":{"pool":"acme","outlet":"NO","name":"0012"}}`,
		`{"kit":{"pool":"acme","sku":"SET","components":[{"sku":"HAT","quantity":2},{"sku":"007","quantity":1}]}}`,
		`{"channel":{"pool":"acme","channel":"web","vendor":"shop","outlets":["NO"],"publish":{"quiet":"5s"},` +
			`"policies":[{"from":"2026-11-27T00:00:00Z","to":"2026-12-01T09:30:00Z"}]}}`,
		`{"listing":{"pool":"acme","channel":"web","sku":"1e3"}}`,
		`{"listing":{"pool":"acme","channel":"web","sku":"HAT","title":"true","channel_ids":{"id":"001"},"publish_at":"2026-11-27T14:00:00Z"}}`,
	}
	if len(pools) != 2 || pools[0].ID != "acme" || pools[1].ID != "other" || len(pools[0].Entries) != len(want) {
		t.Fatalf("Read() = %+v", pools)
	}
	for i, line := range want {
		var e record.Event
		if err := codec.ParseEvent("", []byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if got := pools[0].Entries[i].Event; !reflect.DeepEqual(got, e) {
			t.Errorf("entry %d = %s, want %s", i, codec.AppendEventJSON(nil, &got), codec.AppendEventJSON(nil, &e))
		}
	}
	if s := pools[1].Sections; !s[record.KindListing] || s[record.KindOutlet] {
		t.Errorf("sections of other = %v, want listings only", s)
	}
}

func TestReadNamesEverythingThatIsWrong(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "# empty\n", "line 1: holds nothing: it begins with pool: and the id of a pool"},
		{"a list", "- a\n", "line 1, column 1: must be fields, of which the first is pool: and the id of a pool"},
		{"no pool", "outlets: {}\n", "line 1, column 1: pool must be the id of a pool"},
		{"no YAML", "pool: acme\noutlets: {\n", "line 2: is not YAML: did not find expected node content"},
		{"the same field twice", "pool: a\noutlets:\n  M: {}\n  M: {}\n", "line 4, column 3: outlets.M is given twice: the first is on line 3"},
		{"a pool twice", "pool: a\n---\npool: a\n", "line 3, column 1: pool is that of the document on line 1: a pool has one"},
		{"an unknown section", "pool: a\ncolour: red\n", "line 2, column 1: colour is unknown: a document has pool, settings, outlets, kits, channels and listings"},
		{"a section that is no map", "pool: a\noutlets: [M]\n", "line 2, column 10: outlets must be fields: an id and what belongs to it"},
		{"an id said twice", "pool: a\noutlets:\n  M: {outlet: M}\n", "line 3, column 7: outlets.M.outlet is unknown: it is said by where this stands"},
		{"an id too long", "pool: a\noutlets:\n  " + strings.Repeat("x", 201) + ": {}\n", "must be at most 200 bytes long"},
		{"an alias in itself", "pool: a\noutlets: &o\n  M: *o\n", "names what it is in itself"},
		{"a tag", "pool: a\noutlets:\n  M: {name: !!binary aGk=}\n", "line 3, column 13: outlets.M.name has the tag !!binary, which means nothing here"},
		{"several of one thing", "pool: a\noutlets:\n  M: {name: true, priority: one, safty: 3, safety_stock: -1}\n", `line 3, column 13: outlets.M.name must be a text: put quotes around true, false and null where they are meant as words
line 3, column 29: outlets.M.priority must be a whole number
line 3, column 34: outlets.M.safty is unknown
line 3, column 58: outlets.M.safety_stock must not be negative`},
		{"deep in a list", "pool: a\nchannels:\n  w:\n    outlets: [M, N, M]\n    policies:\n      - {percent: 130}\n      - {from: tomorrow}\n", `line 4, column 21: channels.w.outlets[2] is named twice
line 6, column 19: channels.w.policies[0].percent must be at most 100
line 7, column 16: channels.w.policies[1].from must be a date or a moment, like 2026-11-27 or 2026-11-27T09:00:00-05:00`},
		{"the parts of a kit", "pool: a\nkits:\n  K: {components: {A: 0, B: x}}\n  L: {}\n", `line 3, column 23: kits.K.components.A must be greater than 0
line 3, column 29: kits.K.components.B must be a whole number
line 4, column 3: kits.L.components is required`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := catalogue.Read([]byte(tt.text))
			var got []string
			for _, p := range problems {
				got = append(got, p.Error())
			}
			if all := strings.Join(got, "\n"); all != tt.want && (len(got) != 1 || strings.Contains(tt.want, "line") || !strings.Contains(all, tt.want)) {
				t.Errorf("Read() says\n%s\nwant\n%s", all, tt.want)
			}
		})
	}
}

func TestAliasesAndMergeKeysAreFollowed(t *testing.T) {
	pools := read(t, `
pool: acme
outlets:
  A: &shop {safety_stock: 2, sells_online: false}
  B: *shop
  C: {<<: *shop, safety_stock: 5}
`)
	for i, want := range []stock.Quantity{2, 2, 5} {
		o := pools[0].Entries[i].Event.Outlet
		if o.SafetyStock != want || o.SellsOnline {
			t.Errorf("outlet %s = %+v, want safety stock %d and no sales online", o.Outlet, o, want)
		}
	}
}

func TestTheExampleIsRight(t *testing.T) {
	text, err := os.ReadFile("../../examples/acme.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if pools := read(t, string(text)); len(pools) != 1 || len(pools[0].Entries) != 12 {
		t.Errorf("the example has %d pools, want 1 with 12 entries", len(pools))
	}
}

// Whatever an event of the catalogue can say, a file can say too.
func TestAFileSaysEveryEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := catalogueEvent(t)
		if codec.Validate(&want) != nil {
			t.Skip("the contract does not allow it")
		}
		text := yamlOf(t, &want)
		pools, problems := catalogue.Read(text)
		if len(problems) > 0 {
			t.Fatalf("Read() = %v of\n%s", problems, text)
		}
		got := pools[0].Entries[0].Event
		if a, b := codec.AppendEvent(nil, &got), codec.AppendEvent(nil, &want); !bytes.Equal(a, b) {
			t.Fatalf("Read() = %s\nwant   = %s\nof\n%s", codec.AppendEventJSON(nil, &got), codec.AppendEventJSON(nil, &want), text)
		}
	})
}

// yamlOf writes an event as a file: its JSON without the ids, under them.
func yamlOf(t *rapid.T, e *record.Event) []byte {
	var parts map[string]map[string]any
	dec := json.NewDecoder(bytes.NewReader(codec.AppendEventJSON(nil, e)))
	dec.UseNumber()
	if err := dec.Decode(&parts); err != nil {
		t.Fatal(err)
	}
	file := map[string]any{}
	for kind, fields := range parts {
		take := func(name string) string {
			id := fields[name].(string)
			delete(fields, name)
			return id
		}
		file["pool"] = take("pool")
		switch kind {
		case "pool":
			file["settings"] = fields
		case "outlet":
			file["outlets"] = map[string]any{take("outlet"): fields}
		case "channel":
			file["channels"] = map[string]any{take("channel"): fields}
		case "listing":
			file["listings"] = map[string]any{take("channel"): map[string]any{take("sku"): fields}}
		case "kit":
			file["kits"] = map[string]any{take("sku"): fields}
		}
	}
	text, err := yaml.Marshal(numbers(file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// numbers makes YAML's numbers of JSON's, so that they are not written as strings.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		n, _ := v.Int64()
		return n
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	}
	return v
}

// catalogueEvent draws an event of the catalogue with every field filled.
func catalogueEvent(t *rapid.T) record.Event {
	var e record.Event
	kinds := []any{&e.Pool, &e.Outlet, &e.Kit, &e.Channel, &e.Listing}
	v := reflect.ValueOf(rapid.SampledFrom(kinds).Draw(t, "kind")).Elem()
	v.Set(reflect.New(v.Type().Elem()))
	fill(t, v.Elem(), v.Type().Elem().Name())
	return e
}

func fill(t *rapid.T, v reflect.Value, label string) {
	switch x := v.Addr().Interface().(type) {
	case *stock.Instant:
		if rapid.Bool().Draw(t, label+" given") {
			*x = stock.Instant(rapid.Int64Range(946_684_800_000_000, 4_133_980_799_999_999).Draw(t, label))
		}
		return
	case *time.Duration:
		*x = time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, label))
		return
	case *record.Dict:
		*x = record.DictOf(rapid.MapOfN(id(), id(), 0, 3).Draw(t, label))
		return
	case *[]record.OrderStatus:
		all := []record.OrderStatus{record.Pending, record.Open, record.Shipped, record.Cancelled, record.Archived}
		*x = append(*x, rapid.Permutation(all).Draw(t, label)[:rapid.IntRange(0, 5).Draw(t, label+" count")]...)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, label+" given") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), label)
		}
	case reflect.Slice:
		for range rapid.IntRange(0, 3).Draw(t, label+" count") {
			item := reflect.New(v.Type().Elem()).Elem()
			fill(t, item, label)
			v.Set(reflect.Append(v, item))
		}
	case reflect.String:
		v.SetString(id().Draw(t, label))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, label))
	case reflect.Int64:
		v.SetInt(rapid.Int64Range(0, int64(stock.MaxQuantity)).Draw(t, label))
	case reflect.Int32:
		v.SetInt(int64(rapid.Int32Range(0, 100).Draw(t, label)))
	case reflect.Uint8:
		v.SetUint(rapid.Uint64Range(1, 2).Draw(t, label))
	default:
		t.Fatalf("%s: kind %v is not known to this test", label, v.Kind())
	}
}

// id draws ids of which some mean something else to YAML.
func id() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"MTL", "NO", "yes", "true", "null", "~", "007", "1e3", "0x1F", "1_000", "2026-11-27", "<<", "a: b", "- a", "#", "*a", "&a", "Montréal", "😀", " ", "from", "[0]", "a.b"}),
		rapid.StringMatching(`[ -~À-ÿ]{1,12}`),
	)
}

func TestTheDocumentedFileIsRight(t *testing.T) {
	text, err := os.ReadFile("../../docs/catalogue.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "```yaml\n")
	block, _, _ := strings.Cut(after, "```")
	pools := read(t, block)
	var byDefault record.Event
	if err := codec.ParseEvent("", []byte(`{"pool":{"pool":"acme"}}`), &byDefault); err != nil {
		t.Fatal(err)
	}
	if got := pools[0].Entries[0].Event; !reflect.DeepEqual(got, byDefault) {
		t.Errorf("the documented settings are %s, want the defaults", codec.AppendEventJSON(nil, &got))
	}
}

// Names that are the file's own to choose are no fields: a carrier may be called from, and be called a date.
func TestChosenNamesAreNoMoments(t *testing.T) {
	pools, problems := catalogue.Read([]byte(`
pool: acme
channels: {web: {carriers: {from: 2026-11-27}}}
listings: {web: {A: {channel_ids: {to: 2026-11-27}}}}
`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := pools[0].Entries[0].Event.Channel.Carriers.Get("from"); got != "2026-11-27" {
		t.Errorf("the carrier is called %q", got)
	}
	if got := pools[0].Entries[1].Event.Listing.ChannelIDs.Get("to"); got != "2026-11-27" {
		t.Errorf("the item is called %q", got)
	}
}
