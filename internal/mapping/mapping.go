// Package mapping makes events of the rows of a table, as a map file says: which column is which field, what is the same in every
// row, and how dates and numbers are written. docs/import.md describes the file. It is pure: who reads the table gives it the cells.
package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/document"
	"github.com/shelfwire/shelfwire/internal/record"
)

// A Map says how rows become events.
type Map struct {
	Kind      string   // of event: movement, order, …
	Delimiter rune     // between cells
	Header    []string // the names of the columns; nil: the first row has them
	columns   []column
	values    []value
}

// A column is what one column says of one field.
type column struct {
	name   string
	target target
	words  map[string]string // what a cell stands for; nil: itself
	moment *moment           // how a date is written; nil: as in the contract
	number *number           // how a number is written; nil: as in the contract
}

// A value is a field that is said without a column of its own: a text in which {Column} stands for a cell.
type value struct {
	target target
	parts  []part
}

// A part is a piece of a value: a text, or the cell of a column.
type part struct{ text, column string }

// A target is the field of the event that is said.
type target struct {
	path    string // as in lines[0].sku
	boolean bool   // written without quotes
}

// A ZoneFinder returns a time zone by its name, as time.LoadLocation does.
type ZoneFinder func(name string) (*time.Location, error)

// kinds are the events that rows can be. A mark is not: it speaks of all that was sent before it.
var kinds = []string{"movement", "order", "fulfilment", "outlet", "kit", "listing", "channel", "pool", "decline", "reassign", "refresh"}

// Read reads a map file. All that is wrong is returned, by its place.
func Read(text []byte, zones ZoneFinder) (*Map, []document.Problem) {
	docs, problems := document.Parse(text)
	switch {
	case len(problems) > 0:
		return nil, problems
	case len(docs) != 1 || docs[0].Kind != document.Map:
		return nil, []document.Problem{{Line: 1, Reason: "must be one document with event, columns and values"}}
	}
	r := fileReader{m: &Map{Delimiter: ','}, zones: zones, places: map[string]int{}}
	r.document(docs[0])
	document.Sort(r.problems)
	return r.m, r.problems
}

type fileReader struct {
	m        *Map
	zones    ZoneFinder
	problems []document.Problem
	places   map[string]int // line of every field of the event that is said
}

func (r *fileReader) fail(n *document.Node, field, format string, args ...any) {
	r.problems = append(r.problems, n.Problem(field, fmt.Sprintf(format, args...)))
}

func (r *fileReader) document(doc *document.Node) {
	event := doc.Get("event")
	if event == nil || !slices.Contains(kinds, event.Text) {
		if event == nil {
			event = doc
		}
		r.fail(event, "event", "must be one of %s", strings.Join(kinds, ", "))
		return // every field hangs on it
	}
	r.m.Kind = event.Text
	for i := range doc.Fields {
		f := &doc.Fields[i]
		switch f.Name {
		case "event":
		case "delimiter":
			r.delimiter(f.Value)
		case "header":
			r.header(f.Value)
		case "columns":
			r.columns(f.Value)
		case "values":
			r.values(f.Value)
		default:
			r.problems = append(r.problems, f.Problem(f.Name, "is unknown: a map has event, delimiter, header, columns and values"))
		}
	}
	if len(r.m.columns) == 0 && len(r.problems) == 0 {
		r.fail(doc, "columns", "must name a column")
	}
	if r.m.Header != nil {
		for _, name := range r.m.missing(r.m.Header) {
			r.fail(doc, "header", "has no column %q", name)
		}
	}
}

func (r *fileReader) delimiter(n *document.Node) {
	switch n.Text {
	case "tab", "\t":
		r.m.Delimiter = '\t'
	case ",", ";", "|", ":":
		r.m.Delimiter = rune(n.Text[0])
	default:
		r.fail(n, "delimiter", `must be one of ",", ";", "|", ":" and tab`)
	}
}

func (r *fileReader) header(n *document.Node) {
	if n.Kind != document.List || len(n.Items) == 0 {
		r.fail(n, "header", "must be a list of the columns' names, for a table without a first row that has them")
		return
	}
	for _, item := range n.Items {
		r.m.Header = append(r.m.Header, item.Text)
	}
}

// columns reads {Column: field}, {Column: {field: …, …}} or {Column: [one, another]}.
func (r *fileReader) columns(n *document.Node) {
	if n.Kind != document.Map {
		r.fail(n, "columns", "must be fields: the name of a column and what it says")
		return
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		path := "columns." + f.Name
		specs := []*document.Node{f.Value}
		if f.Value.Kind == document.List {
			specs = f.Value.Items
		}
		for _, spec := range specs {
			if c, ok := r.column(spec, f.Name, path); ok {
				r.m.columns = append(r.m.columns, c)
			}
		}
	}
}

func (r *fileReader) column(n *document.Node, name, path string) (c column, ok bool) {
	c.name = name
	field := n
	if n.Kind == document.Map {
		if field = n.Get("field"); field == nil {
			r.fail(n, path, "must name the field that it says")
			return c, false
		}
	}
	if c.target, ok = r.target(field, path); !ok {
		return c, false
	}
	before := len(r.problems)
	for i := range n.Fields { // none where only the field is named
		f := &n.Fields[i]
		at := document.Join(path, f.Name)
		switch f.Name {
		case "field":
		case "words":
			c.words = r.words(f.Value, at)
		case "format":
			c.moment = r.moment(n, f.Value, path)
		case "zone":
			if n.Get("format") == nil {
				r.fail(f.Value, at, "is of no use without format")
			}
		case "decimal", "thousands", "times", "negative":
			if c.number == nil {
				c.number = &number{times: 1}
			}
			r.number(c.number, f, at)
		default:
			r.problems = append(r.problems, f.Problem(at, "is unknown: a column has field, words, format, zone, decimal, thousands, times and negative"))
		}
	}
	if c.number != nil {
		if c.moment != nil {
			r.fail(n, path, "cannot be a date and a number")
		}
		if c.number.decimal == c.number.thousands && c.number.decimal != "" {
			r.fail(n, path, "has the same mark for decimals and thousands")
		}
	}
	return c, len(r.problems) == before
}

func (r *fileReader) words(n *document.Node, path string) map[string]string {
	if n.Kind != document.Map {
		r.fail(n, path, "must be fields: what stands in a cell and what it means")
		return nil
	}
	words := make(map[string]string, len(n.Fields))
	for _, f := range n.Fields {
		words[f.Name] = f.Value.Text
	}
	return words
}

// target reads the name of a field of the event, asking the codec whether there is one and what it takes.
func (r *fileReader) target(n *document.Node, path string) (target, bool) {
	t := target{path: n.Text}
	if n.Kind != document.Text {
		r.fail(n, path, "must name a field of the event %s", r.m.Kind)
		return t, false
	}
	if line, twice := r.places[t.path]; twice {
		r.fail(n, path, "says %s, which line %d says already", t.path, line)
		return t, false
	}
	boolean, ok := r.knows(n, t.path, path)
	if ok {
		t.boolean, r.places[t.path] = boolean, n.Line
	}
	return t, ok
}

// knows reports whether the event has such a field, and whether it is true or false.
func (r *fileReader) knows(n *document.Node, field, path string) (boolean, ok bool) {
	probe := &node{}
	if !probe.put(field, 0) {
		r.fail(n, path, "says %q: a field is named as in ship_to.country or lines[0].sku", field)
		return false, false
	}
	var e record.Event
	err := codec.ParseEvent("", probe.event(nil, r.m.Kind, []cell{{text: "x", given: true}}), &e)
	if wrong, ok := errors.AsType[*codec.FieldError](err); ok {
		switch wrong.Reason {
		case "is unknown", "must be an object", "must be a list", "must be a string":
			r.fail(n, path, "says %s, and the event %s has no such field", field, r.m.Kind)
			return false, false
		case "must be true or false":
			boolean = true
		}
	}
	return boolean, true
}

// values reads {field: text}, where {Column} in the text stands for a cell.
func (r *fileReader) values(n *document.Node) {
	if n.Kind != document.Map {
		r.fail(n, "values", "must be fields: a field of the event and its text")
		return
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		path := document.Join("values", f.Name)
		name := &document.Node{Kind: document.Text, Text: f.Name, Line: f.Line, Column: f.Column}
		t, ok := r.target(name, path)
		if !ok {
			continue
		}
		if f.Value.Kind != document.Text && f.Value.Kind != document.Bool {
			r.fail(f.Value, path, "must be a text")
			continue
		}
		parts, ok := partsOf(f.Value.Text)
		if !ok {
			r.fail(f.Value, path, "has a { without its }: write {{ for one that is meant")
			continue
		}
		r.m.values = append(r.m.values, value{t, parts})
	}
}

// partsOf cuts "erp-{Document}" into its parts.
func partsOf(s string) ([]part, bool) {
	var parts []part
	for s != "" {
		i := strings.IndexByte(s, '{')
		switch {
		case i < 0:
			return append(parts, part{text: s}), true
		case strings.HasPrefix(s[i:], "{{"):
			parts, s = append(parts, part{text: s[:i+1]}), s[i+2:]
		default:
			end := strings.IndexByte(s[i:], '}')
			if end < 0 {
				return nil, false
			}
			parts, s = append(parts, part{text: s[:i]}, part{column: s[i+1 : i+end]}), s[i+end+1:]
		}
	}
	return parts, true
}

// missing returns the columns that the map names and the header does not, each once.
func (m *Map) missing(header []string) []string {
	var missing []string
	need := func(name string) {
		if !slices.Contains(header, name) && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	for i := range m.columns {
		need(m.columns[i].name)
	}
	for i := range m.values {
		for _, p := range m.values[i].parts {
			if p.column != "" {
				need(p.column)
			}
		}
	}
	return missing
}

// cleanName returns a column's name as the map may write it.
func cleanName(s string) string { return strings.TrimSpace(s) }

// quoted shows a cell in a message.
func quoted(s string) string {
	if len(s) > 60 {
		cut := 60
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strconv.Quote(s)
}
