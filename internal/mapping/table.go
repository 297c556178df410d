package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
)

var (
	errNotNumber = errors.New("no number")
	errNotWhole  = errors.New("which is no whole number of units")
)

// A Table makes events of the rows under one header. It belongs to one goroutine.
type Table struct {
	m      *Map
	names  []string       // of the columns
	at     map[string]int // of a column, by name
	root   *node
	leaves []leaf         // the fields that may be said, by index
	cells  []cell         // of the row at hand, by leaf
	byPath map[string]int // of a leaf
	signs  []negative     // what the row's negative numbers say: it counts more than columns and values
	out    []byte
}

// A leaf is a field of the event.
type leaf struct {
	target
	column string // which says it, "" for a value
}

// A cell is what a row says of a leaf.
type cell struct {
	text  string
	given bool
	plain bool // written without quotes
}

// Bind makes a table of the map and the names of the columns. It returns an error that names the columns that are missing, or that
// the header has twice.
func (m *Map) Bind(header []string) (*Table, error) {
	names := make([]string, len(header))
	t := &Table{m: m, names: names, at: map[string]int{}, root: &node{}, byPath: map[string]int{}}
	for i, name := range header {
		names[i] = cleanName(name)
		if first, twice := t.at[names[i]]; twice && names[i] != "" {
			return nil, fmt.Errorf("columns %d and %d are both called %q", first+1, i+1, names[i])
		}
		t.at[names[i]] = i
	}
	if missing := m.missing(names); len(missing) > 0 {
		return nil, fmt.Errorf("there is no column %s: there are %s", strings.Join(missing, ", "), strings.Join(names, ", "))
	}
	for i := range m.columns {
		t.leaf(leaf{m.columns[i].target, m.columns[i].name})
	}
	for i := range m.values {
		t.leaf(leaf{m.values[i].target, ""})
	}
	for i := range m.columns {
		if n := m.columns[i].number; n != nil {
			for _, says := range n.negative {
				if _, known := t.byPath[says.target.path]; !known {
					t.leaf(leaf{says.target, ""})
				}
			}
		}
	}
	t.cells = make([]cell, len(t.leaves))
	for i := range t.leaves {
		if !t.root.put(t.leaves[i].path, i) {
			return nil, fmt.Errorf("the map says %s and a part of it", t.leaves[i].path)
		}
	}
	return t, nil
}

func (t *Table) leaf(l leaf) {
	t.byPath[l.path] = len(t.leaves)
	t.leaves = append(t.leaves, l)
}

// Event makes an event of a row. The error says all that is wrong with the cells, or else what the contract has against the event.
func (t *Table) Event(row []string, e *record.Event) error {
	if len(row) < len(t.names) {
		return fmt.Errorf("has %d cells, but there are %d columns", len(row), len(t.names))
	}
	for _, more := range row[len(t.names):] {
		if strings.TrimSpace(more) != "" {
			return fmt.Errorf("has %d cells, but there are only %d columns: is the delimiter right?", len(row), len(t.names))
		}
	}
	for i, name := range t.names {
		if !utf8.ValidString(row[i]) {
			return fmt.Errorf("has no UTF-8 in the column %s: save the file as UTF-8", name)
		}
	}
	clear(t.cells)
	t.signs = t.signs[:0]
	var problems []error
	for i := range t.m.values {
		t.setValue(&t.m.values[i], row)
	}
	for i := range t.m.columns {
		c := &t.m.columns[i]
		if err := t.setColumn(c, strings.TrimSpace(row[t.at[c.name]])); err != nil {
			problems = append(problems, fmt.Errorf("%s (column %s) %w", c.target.path, c.name, err))
		}
	}
	if len(problems) > 0 {
		return joined(problems)
	}
	for _, says := range t.signs {
		t.cells[t.byPath[says.target.path]] = cell{says.text, true, says.target.boolean}
	}
	t.out = t.root.event(t.out[:0], t.m.Kind, t.cells)
	err := codec.ParseEvent("", t.out, e)
	if wrong, ok := errors.AsType[*codec.FieldError](err); ok {
		return t.explain(wrong)
	}
	return err
}

// setValue sets what the map says of every row. A text that is made of empty cells only is not said.
func (t *Table) setValue(v *value, row []string) {
	var b strings.Builder
	fixed, filled := true, false
	for _, p := range v.parts {
		b.WriteString(p.text)
		if p.column != "" {
			cell := strings.TrimSpace(row[t.at[p.column]])
			fixed, filled = false, filled || cell != ""
			b.WriteString(cell)
		}
	}
	if fixed || filled {
		t.cells[t.byPath[v.target.path]] = cell{b.String(), true, v.target.boolean}
	}
}

// setColumn sets what a cell says. An empty one says nothing, unless the words have something for it.
func (t *Table) setColumn(c *column, text string) error {
	if c.words != nil {
		word, ok := c.words[text]
		switch {
		case ok:
			text = word
		case text != "":
			return fmt.Errorf("is %s, for which there is no word", quoted(text))
		}
	}
	if text == "" {
		return nil
	}
	var err error
	switch {
	case c.moment != nil:
		text, err = c.moment.read(text)
	case c.number != nil:
		var negative bool
		if text, negative, err = c.number.read(text); negative && err == nil {
			t.signs = append(t.signs, c.number.negative...)
		}
	}
	t.cells[t.byPath[c.target.path]] = cell{text, true, c.target.boolean}
	return err
}

// explain says which column a field came from.
func (t *Table) explain(wrong *codec.FieldError) error {
	path := strings.TrimPrefix(wrong.Field, t.m.Kind+".")
	if i, ok := t.byPath[path]; ok && t.leaves[i].column != "" {
		if c := t.cells[i]; c.given {
			return fmt.Errorf("%s (column %s) is %s, and %s", path, t.leaves[i].column, quoted(c.text), wrong.Reason)
		}
		return fmt.Errorf("%s (column %s) %s", path, t.leaves[i].column, wrong.Reason)
	}
	return fmt.Errorf("%s %s", path, wrong.Reason)
}

// joined puts several errors on one line.
func joined(problems []error) error {
	if len(problems) == 1 {
		return problems[0]
	}
	texts := make([]string, len(problems))
	for i, err := range problems {
		texts[i] = err.Error()
	}
	return errors.New(strings.Join(texts, "; "))
}

// A node is a part of the event's JSON: an object with members, a list with items, or a leaf.
type node struct {
	name    string
	index   int // in a list
	isList  bool
	isLeaf  bool
	leaf    int
	members []*node // by index in a list, else in the order of the map
}

// put makes the leaf at a path like lines[0].sku, and reports whether there is room for it.
func (n *node) put(path string, leaf int) bool {
	for rest := path; ; {
		name, after, deeper := strings.Cut(rest, ".")
		name, index, listed := strings.Cut(name, "[")
		if name == "" || n.isLeaf {
			return false
		}
		n = n.member(name, -1)
		if listed {
			i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
			if err != nil || i < 0 || i > 999 || !strings.HasSuffix(index, "]") || n.isLeaf || len(n.members) > 0 && !n.isList {
				return false
			}
			n.isList = true
			n = n.member("", i)
		} else if n.isList {
			return false
		}
		if !deeper {
			if n.isLeaf || len(n.members) > 0 {
				return false
			}
			n.isLeaf, n.leaf = true, leaf
			return true
		}
		rest = after
	}
}

// member returns the member of that name, or the item of that index, making one if there is none.
func (n *node) member(name string, index int) *node {
	for _, m := range n.members {
		if m.name == name && m.index == index {
			return m
		}
	}
	m := &node{name: name, index: index}
	n.members = append(n.members, m)
	if n.isList {
		slices.SortFunc(n.members, func(a, b *node) int { return cmp.Compare(a.index, b.index) })
	}
	return m
}

// given reports whether the row says anything of the node.
func (n *node) given(cells []cell) bool {
	if n.isLeaf {
		return cells[n.leaf].given
	}
	return slices.ContainsFunc(n.members, func(m *node) bool { return m.given(cells) })
}

// event appends the event of a row as JSON.
func (n *node) event(b []byte, kind string, cells []cell) []byte {
	b = append(b, '{')
	b = codec.AppendJSONString(b, kind)
	b = append(b, ':')
	return append(n.append(b, cells), '}')
}

// append appends what the row says of the node; items of a list of which it says nothing are left out.
func (n *node) append(b []byte, cells []cell) []byte {
	if n.isLeaf {
		if c := &cells[n.leaf]; c.plain && (c.text == "true" || c.text == "false") {
			return append(b, c.text...)
		}
		return codec.AppendJSONString(b, cells[n.leaf].text)
	}
	open, end := byte('{'), byte('}')
	if n.isList {
		open, end = '[', ']'
	}
	b = append(b, open)
	first := true
	for _, m := range n.members {
		if !m.given(cells) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		if !n.isList {
			b = codec.AppendJSONString(b, m.name)
			b = append(b, ':')
		}
		b = m.append(b, cells)
	}
	return append(b, end)
}
