// Package catalogue reads a retailer's outlets, channels, listings, kits and rules from one YAML file, and compares what it says with
// what is in force. docs/catalogue.md describes the file. It is pure: who has what is in force gives it, and sends what differs.
package catalogue

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/document"
	"github.com/shelfwire/shelfwire/internal/record"
)

// A Pool is what a file says of one pool.
type Pool struct {
	ID      string
	Entries []Entry
	// Sections are the kinds of which the file speaks, even if it names none. Only of these anything may be pruned.
	Sections map[record.EventKind]bool
}

// An Entry is one event that a file says, with every default filled in, and where it stands.
type Entry struct {
	Event        record.Event
	Line, Column int
	Field        string // in the file, as in channels.web
}

// Problem returns a problem with the entry as a whole.
func (e *Entry) Problem(reason string) document.Problem {
	return document.Problem{Line: e.Line, Column: e.Column, Field: e.Field, Reason: reason}
}

// The sections of a file, in the order in which they are described.
const (
	poolField     = "pool"
	settingsField = "settings"
	outletsField  = "outlets"
	kitsField     = "kits"
	channelsField = "channels"
	listingsField = "listings"
)

// Read returns what the file says of each pool, in the order of the file. All that is wrong is returned, by its place; what is
// returned beside problems is not to be used.
func Read(text []byte) ([]Pool, []document.Problem) {
	docs, problems := document.Parse(text)
	if len(problems) > 0 {
		return nil, problems
	}
	r := fileReader{}
	if len(docs) == 0 {
		r.problems = append(r.problems, document.Problem{Line: 1, Reason: "holds nothing: it begins with pool: and the id of a pool"})
	}
	lines := map[string]int{}
	for _, doc := range docs {
		p := r.pool(doc)
		if p == nil {
			continue
		}
		if first, twice := lines[p.ID]; twice {
			r.problems = append(r.problems, doc.Problem(poolField, "is that of the document on line "+strconv.Itoa(first)+": a pool has one"))
		}
		lines[p.ID] = doc.Line
		r.pools = append(r.pools, *p)
	}
	document.Sort(r.problems)
	return r.pools, r.problems
}

type fileReader struct {
	pools    []Pool
	problems []document.Problem
}

func (r *fileReader) fail(p document.Problem) { r.problems = append(r.problems, p) }

// pool reads one document, nil where it does not even say of which pool it is.
func (r *fileReader) pool(doc *document.Node) *Pool {
	if doc.Kind != document.Map {
		r.fail(doc.Problem("", "must be fields, of which the first is pool: and the id of a pool"))
		return nil
	}
	id := doc.Get(poolField)
	if id == nil || id.Kind != document.Text || id.Text == "" {
		at := doc
		if id != nil {
			at = id
		}
		r.fail(at.Problem(poolField, "must be the id of a pool"))
		return nil
	}
	p := &Pool{ID: id.Text, Sections: map[record.EventKind]bool{}}
	for i := range doc.Fields {
		f := &doc.Fields[i]
		switch f.Name {
		case poolField:
		case settingsField:
			p.Sections[record.KindPool] = true
			r.entry(p, "pool", settingsField, at(f), f.Value)
		case outletsField:
			p.Sections[record.KindOutlet] = true
			r.each(f.Value, outletsField, func(path string, f *document.Field) {
				r.entry(p, "outlet", path, at(f), f.Value, given{"outlet", f.Name})
			})
		case kitsField:
			p.Sections[record.KindKit] = true
			r.each(f.Value, kitsField, func(path string, f *document.Field) {
				r.entry(p, "kit", path, at(f), f.Value, given{"sku", f.Name})
			})
		case channelsField:
			p.Sections[record.KindChannel] = true
			r.each(f.Value, channelsField, func(path string, f *document.Field) {
				r.entry(p, "channel", path, at(f), f.Value, given{"channel", f.Name})
			})
		case listingsField:
			p.Sections[record.KindListing] = true
			r.each(f.Value, listingsField, func(path string, channel *document.Field) {
				r.each(channel.Value, path, func(path string, f *document.Field) {
					r.entry(p, "listing", path, at(f), f.Value, given{"channel", channel.Name}, given{"sku", f.Name})
				})
			})
		default:
			r.fail(f.Problem(f.Name, "is unknown: a document has pool, settings, outlets, kits, channels and listings"))
		}
	}
	return p
}

// each calls f with every field of a section; an empty section has none.
func (r *fileReader) each(section *document.Node, path string, f func(path string, f *document.Field)) {
	switch section.Kind {
	case document.Null:
	case document.Map:
		for i := range section.Fields {
			f(document.Join(path, section.Fields[i].Name), &section.Fields[i])
		}
	default:
		r.fail(section.Problem(path, "must be fields: an id and what belongs to it"))
	}
}

// A given is a field of an event that the file says by where something stands.
type given struct{ name, value string }

// A place is where something stands in the file.
type place struct {
	line, column int
	field        string
}

func at(f *document.Field) place { return place{line: f.Line, column: f.Column} }

// entry makes an event of what n says. The codec reads it as it does every event, so that there is one place for what a field may
// hold and what its default is. It stops at the first thing that is wrong; that is taken away and the rest read again, until all
// has been named.
func (r *fileReader) entry(p *Pool, kind, path string, at place, n *document.Node, ids ...given) {
	at.field = path
	w := writer{kind: kind, at: at, ids: append([]given{{"pool", p.ID}}, ids...), left: map[*document.Node]bool{}}
	switch n.Kind {
	case document.Map:
	case document.Null:
		n = &document.Node{Kind: document.Map, Line: n.Line, Column: n.Column}
	default:
		r.fail(n.Problem(path, "must be fields"))
		return
	}
	for i := range n.Fields {
		f := &n.Fields[i]
		if slices.ContainsFunc(w.ids, func(g given) bool { return g.name == f.Name }) {
			r.fail(f.Problem(document.Join(path, f.Name), "is unknown: it is said by where this stands"))
			w.left[f.Value] = true
		}
	}
	e := Entry{Line: at.line, Column: at.column, Field: path}
	for {
		err := codec.ParseEvent("", w.write(n), &e.Event)
		var wrong *codec.FieldError
		if !errors.As(err, &wrong) {
			p.Entries = append(p.Entries, e)
			return
		}
		spot, known := w.spots[wrong.Field]
		if w.leftBelow(wrong.Field) {
			return // it is missing because it, or what it holds, was wrong, which has been said
		}
		if !known {
			where, field := w.nearest(wrong.Field)
			r.fail(document.Problem{Line: where.line, Column: where.column, Field: field, Reason: wrong.Reason})
			return
		}
		where := spot.of
		if spot.value != nil && wrong.Reason != "is unknown" {
			where.line, where.column = spot.value.Line, spot.value.Column
		}
		r.fail(document.Problem{Line: where.line, Column: where.column, Field: where.field, Reason: reason(wrong.Reason)})
		if spot.value == nil {
			return
		}
		w.left[spot.value] = true
	}
}

// reason puts the codec's words as they fit a YAML file.
func reason(s string) string {
	if s == "must be a string" {
		return "must be a text: put quotes around true, false and null where they are meant as words"
	}
	if strings.HasPrefix(s, "must be an instant") {
		return "must be a date or a moment, like 2026-11-27 or 2026-11-27T09:00:00-05:00"
	}
	return s
}

// A spot is where the file says a field of an event.
type spot struct {
	of    place
	value *document.Node // nil: it is said by where something stands
}

// A writer writes what the file says of one thing as a JSON event, and remembers which field stands where.
type writer struct {
	kind  string
	at    place
	ids   []given
	left  map[*document.Node]bool // to be left out
	out   []byte
	spots map[string]spot // by the codec's path of the field
}

func (w *writer) write(n *document.Node) []byte {
	w.out = w.out[:0]
	w.spots = map[string]spot{}
	w.text(`{`, w.kind)
	w.out = append(w.out, ':', '{')
	for i, g := range w.ids {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.text("", g.name)
		w.text(":", g.value)
		w.spots[document.Join(w.kind, g.name)] = spot{of: w.at}
	}
	for i := range n.Fields {
		w.field(&n.Fields[i], w.kind, w.at.field)
	}
	w.out = append(w.out, '}', '}')
	return w.out
}

// field writes a member and the comma before it.
func (w *writer) field(f *document.Field, path, shown string) {
	if w.left[f.Value] {
		w.spots[document.Join(path, f.Name)] = spot{w.placeOf(f, shown), f.Value}
		return
	}
	if w.out[len(w.out)-1] != '{' {
		w.out = append(w.out, ',')
	}
	w.text("", f.Name)
	w.out = append(w.out, ':')
	path, shown = document.Join(path, f.Name), document.Join(shown, f.Name)
	w.spots[path] = spot{place{f.Line, f.Column, shown}, f.Value}
	if w.kind == "kit" && path == "kit.components" && f.Value.Kind == document.Map {
		w.components(f.Value, path, shown)
		return
	}
	w.value(f.Value, path, shown)
}

func (w *writer) placeOf(f *document.Field, shown string) place {
	return place{f.Line, f.Column, document.Join(shown, f.Name)}
}

// components writes {SHIRT: 1, HAT: 1} as the list that an event has.
func (w *writer) components(n *document.Node, path, shown string) {
	w.out = append(w.out, '[')
	written := 0
	for i := range n.Fields {
		f := &n.Fields[i]
		if w.left[f.Value] {
			w.spots[path+"."+f.Name] = spot{w.placeOf(f, shown), f.Value}
			continue
		}
		if written > 0 {
			w.out = append(w.out, ',')
		}
		item := path + "[" + strconv.Itoa(written) + "]"
		written++
		w.text(`{"sku":`, f.Name)
		w.spots[item+".sku"] = spot{of: w.placeOf(f, shown)}
		w.spots[item+".quantity"] = spot{w.placeOf(f, shown), f.Value}
		w.out = append(w.out, `,"quantity":`...)
		w.value(f.Value, item+".quantity", document.Join(shown, f.Name))
		w.out = append(w.out, '}')
	}
	w.out = append(w.out, ']')
}

func (w *writer) value(n *document.Node, path, shown string) {
	switch n.Kind {
	case document.Null:
		w.out = append(w.out, "null"...)
	case document.Bool:
		w.out = append(w.out, n.Text...)
	case document.Text:
		// A number may come as a string too, so texts need not be told from numbers here.
		if isMoment(path) {
			w.text("", instant(n.Text))
			return
		}
		w.text("", n.Text)
	case document.List:
		w.out = append(w.out, '[')
		written := 0 // the codec counts what it is given
		for i, item := range n.Items {
			if w.left[item] {
				w.spots[path+".left["+strconv.Itoa(i)+"]"] = spot{value: item} // no field of the codec's
				continue
			}
			if written > 0 {
				w.out = append(w.out, ',')
			}
			below, shown := path+"["+strconv.Itoa(written)+"]", shown+"["+strconv.Itoa(i)+"]"
			w.spots[below] = spot{place{item.Line, item.Column, shown}, item}
			w.value(item, below, shown)
			written++
		}
		w.out = append(w.out, ']')
	case document.Map:
		w.out = append(w.out, '{')
		for i := range n.Fields {
			w.field(&n.Fields[i], path, shown)
		}
		w.out = append(w.out, '}')
	}
}

// leftBelow reports whether the field, or one that it holds, was left out.
func (w *writer) leftBelow(path string) bool {
	for p, s := range w.spots {
		if w.left[s.value] && (p == path || strings.HasPrefix(p, path) && (p[len(path)] == '.' || p[len(path)] == '[')) {
			return true
		}
	}
	return false
}

// nearest returns the place of the thing that holds a field that is not in the file, and the field as the file would call it.
func (w *writer) nearest(path string) (place, string) {
	rest := ""
	for p := path; ; {
		i := strings.LastIndexByte(p, '.')
		if i < 0 {
			break
		}
		rest, p = p[i:]+rest, p[:i]
		if s, ok := w.spots[p]; ok {
			return s.of, s.of.field + rest
		}
	}
	return w.at, w.at.field + strings.TrimPrefix(path, w.kind)
}

// text appends before and a JSON string.
func (w *writer) text(before, s string) {
	w.out = append(w.out, before...)
	w.out = codec.AppendJSONString(w.out, s)
}

// isMoment reports whether the field is one of time. What a channel calls something by may have the name of one.
func isMoment(path string) bool {
	name := path[strings.LastIndexByte(path, '.')+1:]
	return (name == "from" || name == "to" || name == "publish_at") && !strings.Contains(path, ".channel_ids.") && !strings.Contains(path, ".carriers.")
}

// instant completes a date, or a moment without a zone, as UTC. What is neither is left for the codec to refuse.
func instant(s string) string {
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format(time.RFC3339Nano)
		}
	}
	if t, err := time.Parse("2006-01-02 15:04:05Z07:00", s); err == nil {
		return t.Format(time.RFC3339Nano)
	}
	return s
}
