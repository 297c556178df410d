package codec_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/codec"
)

func TestABatchYieldsItsRows(t *testing.T) {
	long := `{"x":"` + strings.Repeat("x", codec.MaxEventBytes) + `"}`
	for _, test := range []struct {
		name, body string
		want       []string // index, line, then the value or the error
	}{
		{"nothing", "", nil},
		{"only space", " \r\n\n", nil},
		{"one event", `{"a":1}`, []string{`0 1 {"a":1}`}},
		{"one event over several lines", "\n{\n \"a\": 1\n}\n", []string{"0 2 {\n \"a\": 1\n}"}},
		{"lines", "{\"a\":1}\r\n\n  {\"b\":2}\n", []string{`0 1 {"a":1}`, `1 3 {"b":2}`}},
		{"a bad line spoils no other", "{\"a\":\n{\"b\":2}\nx", []string{`0 1 {"a":`, `1 2 {"b":2}`, `2 3 x`}},
		{"a line without end", "{\"a\":1}\n{\"b\":\"\n{\"c\":3}", []string{`0 1 {"a":1}`, `1 2 {"b":"`, `2 3 {"c":3}`}},
		{"an array", "[ {\"a\":\"[}\"},\n{\"b\":[1,2]} , 3 ]", []string{`0 1 {"a":"[}"}`, `1 2 {"b":[1,2]}`, `2 2 3`}},
		{"an empty array", " [ ] ", nil},
		{"a bad element spoils no other", `[{"a":tru},{"b":2}]`, []string{`0 1 {"a":tru}`, `1 1 {"b":2}`}},
		{"an array that breaks off", "[{\"a\":1},\n{\"b\":", []string{`0 1 {"a":1}`, `1 2 error: is not JSON: the array breaks off`}},
		{"an array with a hole", `[{"a":1},,{"b":2}]`, []string{`0 1 {"a":1}`, `1 1 error: is not JSON: the array breaks off`}},
		{"something after an array", `[{"a":1}] x`, []string{`0 1 {"a":1}`, `1 1 error: is not JSON: something follows the array`}},
		{"a long line", "{\"a\":1}\n" + long + "\n{\"b\":2}", []string{`0 1 {"a":1}`, `1 2 error: is larger than 1 MiB`, `2 3 {"b":2}`}},
		{"a long element", `[` + long + `,{"b":2}]`, []string{`0 1 error: is larger than 1 MiB`, `1 1 {"b":2}`}},
	} {
		var got []string
		for row := range codec.Batch([]byte(test.body)) {
			if row.Err != nil {
				got = append(got, fmt.Sprintf("%d %d error: %v", row.Index, row.Line, row.Err))
				continue
			}
			got = append(got, fmt.Sprintf("%d %d %s", row.Index, row.Line, row.Value))
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: Batch() = %q, want %q", test.name, got, test.want)
		}
	}
}

func TestABatchStopsWhenNoMoreIsWanted(t *testing.T) {
	for _, body := range []string{"{}\n{}\n{}", "[{},{},{}]"} {
		rows := 0
		for range codec.Batch([]byte(body)) {
			rows++
			break
		}
		if rows != 1 {
			t.Errorf("Batch(%q) went on after the first row", body)
		}
	}
}
