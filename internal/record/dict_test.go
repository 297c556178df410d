package record_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/shelfwire/shelfwire/internal/record"
)

func TestDict(t *testing.T) {
	want := map[string]string{}
	var d record.Dict
	for i, key := range []string{"item", "b", "z", "item", "", "a", "b"} {
		before, was := slices.Clone(d), maps.Clone(want)
		value := string(rune('0' + i))
		want[key] = value
		next := d.With(key, value)
		if !slices.Equal(d, before) || !maps.Equal(d.Map(), was) {
			t.Fatalf("With changed %v to %v", before, d)
		}
		d = next
		if !maps.Equal(d.Map(), want) || !slices.Equal(d, record.DictOf(want)) {
			t.Fatalf("with %q: %v, want %v", key, d, want)
		}
		for k, v := range want {
			if got := d.Get(k); got != v {
				t.Errorf("%q is %q, want %q", k, got, v)
			}
		}
	}
	if got := d.Get("none"); got != "" {
		t.Errorf("a key it does not have is %q", got)
	}
	if d := record.DictOf(map[string]string{}); d != nil {
		t.Errorf("of an empty map: %v, want nil", d)
	}
}
