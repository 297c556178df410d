// Package document reads the YAML that people write: into a tree that knows where everything stands, so that whoever reads it
// further can name line and column of what is wrong. It is the sole reader of YAML but for the settings. It decides nothing.
//
// A scalar is kept as it is written: an id like 0012 or NO is that text, whatever YAML makes of it. Only true, false and null
// are told from texts.
package document

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Problem is what is wrong at one place of a document.
type Problem struct {
	Line, Column int    // from 1; 0: not known
	Field        string // what it concerns, as in channels.web.policies[0].buffer; "" for the document
	Reason       string // a clause without subject: "must be greater than 0"
}

// Error returns the problem as one line, place first.
func (p Problem) Error() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ", column %d", p.Column)
		}
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field)
		b.WriteByte(' ')
	}
	b.WriteString(p.Reason)
	return b.String()
}

// Sort sorts problems by their place.
func Sort(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// A Kind says what a Node is.
type Kind uint8

// The kinds of node.
const (
	Null Kind = iota
	Bool
	Text // any other scalar, numbers and dates too
	List
	Map
)

// A Node is one value of a document. What several aliases name is one Node: nobody may change it.
type Node struct {
	Kind         Kind
	Line, Column int
	Text         string  // of a Text as it is written, "true" or "false" of a Bool
	Items        []*Node // of a List
	Fields       []Field // of a Map, in the order of the document, each name once

	size int // nodes, with all that it holds
}

// A Field is one entry of a Map.
type Field struct {
	Name         string
	Line, Column int // of the name
	Value        *Node
}

// Get returns the value of the named field, nil where there is none.
func (n *Node) Get(name string) *Node {
	for i := range n.Fields {
		if n.Fields[i].Name == name {
			return n.Fields[i].Value
		}
	}
	return nil
}

// Problem returns a problem at the node.
func (n *Node) Problem(field, reason string) Problem {
	return Problem{Line: n.Line, Column: n.Column, Field: field, Reason: reason}
}

// Problem returns a problem at the name of the field.
func (f *Field) Problem(field, reason string) Problem {
	return Problem{Line: f.Line, Column: f.Column, Field: field, Reason: reason}
}

// What a document may unfold to. Aliases make a small file large.
const (
	maxNodes = 20_000_000
	maxDepth = 50
)

// Parse returns the values of the documents in text, which "---" separates; empty ones are left out. Aliases and merge keys are
// followed. Where problems are returned the values are not to be used.
func Parse(text []byte) ([]*Node, []Problem) {
	var roots []*Node
	r := reader{anchored: map[*yaml.Node]*Node{}}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		switch {
		case errors.Is(err, io.EOF):
			return roots, r.problems
		case err != nil:
			return nil, append(r.problems, syntaxProblem(err))
		}
		if len(doc.Content) == 0 {
			continue
		}
		if n := r.node(doc.Content[0], "", 0); n != nil && n.Kind != Null {
			roots = append(roots, n)
		}
	}
}

var lineOf = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntaxProblem takes the line out of the library's error.
func syntaxProblem(err error) Problem {
	m := lineOf.FindStringSubmatch(err.Error())
	if m == nil {
		return Problem{Reason: err.Error()}
	}
	line, _ := strconv.Atoi(m[1]) // 0 where none is named
	return Problem{Line: line, Reason: "is not YAML: " + m[2]}
}

type reader struct {
	problems []Problem
	anchored map[*yaml.Node]*Node // what aliases have named; nil: it is being read, or is wrong
}

func (r *reader) fail(n *yaml.Node, field, reason string) *Node {
	r.problems = append(r.problems, Problem{Line: n.Line, Column: n.Column, Field: field, Reason: reason})
	return nil
}

// node returns what n says, nil after a problem.
func (r *reader) node(n *yaml.Node, path string, depth int) *Node {
	alias := n
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Anchor == "" {
		return r.fresh(n, path, depth)
	}
	known, met := r.anchored[n]
	switch {
	case !met:
		r.anchored[n] = nil
		known = r.fresh(n, path, depth)
		r.anchored[n] = known
	case known == nil && alias != n && len(r.problems) == 0:
		return r.fail(alias, path, "names what it is in itself")
	}
	return known
}

// fresh reads what no alias has named before.
func (r *reader) fresh(n *yaml.Node, path string, depth int) *Node {
	if depth > maxDepth {
		return r.fail(n, path, "lies too deep")
	}
	out := r.read(n, path, depth)
	if out == nil {
		return nil
	}
	out.size = 1
	for _, item := range out.Items {
		out.size += item.size
	}
	for i := range out.Fields {
		out.size += out.Fields[i].Value.size
	}
	if out.size > maxNodes {
		return r.fail(n, path, "is too much: its aliases unfold to more than 20 million values")
	}
	return out
}

func (r *reader) read(n *yaml.Node, path string, depth int) *Node {
	out := &Node{Line: n.Line, Column: n.Column}
	switch n.Kind {
	case yaml.MappingNode:
		out.Kind = Map
		r.fields(out, n, path, depth)
	case yaml.SequenceNode:
		out.Kind = List
		for i, item := range n.Content {
			if v := r.node(item, path+"["+strconv.Itoa(i)+"]", depth+1); v != nil {
				out.Items = append(out.Items, v)
			}
		}
	default:
		out.Text = n.Value
		switch tag := n.ShortTag(); tag {
		case "!!null":
			out.Kind = Null
		case "!!bool":
			out.Kind, out.Text = Bool, strings.ToLower(n.Value)
		case "!!str", "!!int", "!!float", "!!timestamp":
			out.Kind = Text
		default:
			return r.fail(n, path, fmt.Sprintf("has the tag %s, which means nothing here", tag))
		}
	}
	return out
}

// fields reads the entries of a mapping. What a merge key brings counts only where the mapping does not say it itself.
func (r *reader) fields(out *Node, n *yaml.Node, path string, depth int) {
	at := make(map[string]int, len(n.Content)/2)
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			r.fail(key, path, "has a name that is no text")
			continue
		case key.ShortTag() == "!!merge":
			merged = append(merged, value)
			continue
		}
		if first, twice := at[key.Value]; twice {
			r.fail(key, Join(path, key.Value), "is given twice: the first is on line "+strconv.Itoa(out.Fields[first].Line))
			continue
		}
		at[key.Value] = len(out.Fields)
		v := r.node(value, Join(path, key.Value), depth+1)
		if v == nil {
			v = &Node{Line: value.Line, Column: value.Column} // the problem is noted; the name must stay known
		}
		out.Fields = append(out.Fields, Field{Name: key.Value, Line: key.Line, Column: key.Column, Value: v})
	}
	for _, from := range merged {
		for _, m := range r.mergeable(from, path, depth) {
			for _, f := range m.Fields {
				if _, given := at[f.Name]; !given {
					at[f.Name] = len(out.Fields)
					out.Fields = append(out.Fields, f)
				}
			}
		}
	}
}

// mergeable returns the mappings that a merge key names: one, or a list of them.
func (r *reader) mergeable(n *yaml.Node, path string, depth int) []*Node {
	v := r.node(n, path, depth+1)
	switch {
	case v == nil:
		return nil
	case v.Kind == Map:
		return []*Node{v}
	case v.Kind == List && !slices.ContainsFunc(v.Items, func(i *Node) bool { return i.Kind != Map }):
		return v.Items
	}
	r.fail(n, Join(path, "<<"), "must name what holds fields")
	return nil
}

// Join returns the path of a field below path.
func Join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
