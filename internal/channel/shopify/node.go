package shopify

import (
	"encoding/json"
	"strings"
)

// UnmarshalJSON reads an item with its levels, whose names are aliases: l0, l1, …
func (n *node) UnmarshalJSON(b []byte) error {
	type plain node
	if err := json.Unmarshal(b, (*plain)(n)); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	n.levels = map[string]*level{}
	for name, value := range all {
		if !strings.HasPrefix(name, "l") {
			continue
		}
		var l *level
		if err := json.Unmarshal(value, &l); err != nil {
			return err
		}
		n.levels[name] = l
	}
	return nil
}
