package shopify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What follows reads as much of GraphQL as is spoken to the simulator: one operation with its variables, fields with aliases and
// arguments, inline fragments, directives. Comments, block strings and named fragments are not read.

// An operation is a parsed query or mutation.
type operation struct {
	kind       string // query, mutation
	variables  map[string]string
	directives []directive
	fields     []field
}

// A field is a selected field, or an inline fragment (on: its type).
type field struct {
	alias, name string
	on          string
	args        map[string]any // a variable is a varRef
	directives  []directive
	fields      []field
}

type directive struct {
	name string
	args map[string]any
}

type varRef string

type parser struct {
	tokens []string
	at     int
}

var errSyntax = errors.New("syntax error")

func parse(query string) (operation, error) {
	tokens, err := tokenize(query)
	if err != nil {
		return operation{}, err
	}
	p := &parser{tokens: tokens}
	op, err := p.operation()
	if err == nil && p.at < len(p.tokens) {
		err = fmt.Errorf("%w: %q follows the operation", errSyntax, p.peek())
	}
	return op, err
}

func tokenize(q string) ([]string, error) {
	var tokens []string
	word := func(c byte) bool {
		return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	for i := 0; i < len(q); {
		c := q[i]
		switch {
		case strings.IndexByte(" \t\r\n,", c) >= 0:
			i++
		case strings.HasPrefix(q[i:], "..."):
			tokens, i = append(tokens, "..."), i+3
		case strings.IndexByte("{}()[]:!$@=", c) >= 0:
			tokens, i = append(tokens, q[i:i+1]), i+1
		case c == '"':
			end := i + 1
			for end < len(q) && q[end] != '"' {
				if q[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(q) {
				return nil, fmt.Errorf("%w: a string does not end", errSyntax)
			}
			tokens, i = append(tokens, q[i:end+1]), end+1
		case word(c) || c == '-':
			end := i + 1
			for end < len(q) && word(q[end]) {
				end++
			}
			tokens, i = append(tokens, q[i:end]), end
		default:
			return nil, fmt.Errorf("%w: %q", errSyntax, c)
		}
	}
	return tokens, nil
}

func (p *parser) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

func (p *parser) next() string {
	t := p.peek()
	p.at++
	return t
}

func (p *parser) accept(t string) bool {
	if p.peek() == t {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(t string) error {
	if got := p.next(); got != t {
		return fmt.Errorf("%w: %q instead of %q", errSyntax, got, t)
	}
	return nil
}

func (p *parser) operation() (op operation, err error) {
	op.kind, op.variables = p.next(), map[string]string{}
	if op.kind != "query" && op.kind != "mutation" {
		return op, fmt.Errorf("%w: %q begins no operation", errSyntax, op.kind)
	}
	if p.peek() != "(" && p.peek() != "{" && p.peek() != "@" {
		p.next() // its name
	}
	if p.accept("(") {
		for !p.accept(")") {
			if err := p.expect("$"); err != nil {
				return op, err
			}
			name := p.next()
			if err := p.expect(":"); err != nil {
				return op, err
			}
			if op.variables[name], err = p.typeName(); err != nil {
				return op, err
			}
		}
	}
	if op.directives, err = p.directives(); err != nil {
		return op, err
	}
	op.fields, err = p.selection()
	return op, err
}

// typeName reads a type as it is written: [ID!]!.
func (p *parser) typeName() (string, error) {
	name := ""
	if p.accept("[") {
		inner, err := p.typeName()
		if err != nil {
			return "", err
		}
		if err := p.expect("]"); err != nil {
			return "", err
		}
		name = "[" + inner + "]"
	} else {
		name = p.next()
	}
	if p.accept("!") {
		name += "!"
	}
	return name, nil
}

func (p *parser) selection() ([]field, error) {
	if err := p.expect("{"); err != nil {
		return nil, err
	}
	var fields []field
	for !p.accept("}") {
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func (p *parser) field() (f field, err error) {
	if p.accept("...") {
		if err := p.expect("on"); err != nil {
			return f, err
		}
		f.on = p.next()
		f.fields, err = p.selection()
		return f, err
	}
	f.name = p.next()
	if f.alias = f.name; p.accept(":") {
		f.name = p.next()
	}
	if f.name == "" || strings.ContainsAny(f.name, "{}()[]:!$@=\"") {
		return f, fmt.Errorf("%w: %q is no field", errSyntax, f.name)
	}
	if f.args, err = p.arguments(); err != nil {
		return f, err
	}
	if f.directives, err = p.directives(); err != nil {
		return f, err
	}
	if p.peek() == "{" {
		f.fields, err = p.selection()
	}
	return f, err
}

func (p *parser) arguments() (map[string]any, error) {
	args := map[string]any{}
	if !p.accept("(") {
		return args, nil
	}
	for !p.accept(")") {
		name := p.next()
		if err := p.expect(":"); err != nil {
			return nil, err
		}
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		args[name] = value
	}
	return args, nil
}

func (p *parser) directives() ([]directive, error) {
	var all []directive
	for p.accept("@") {
		d := directive{name: p.next()}
		var err error
		if d.args, err = p.arguments(); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// value reads a variable, a list, a string, a number, a truth value, or an enum's name, which stays a string.
func (p *parser) value() (any, error) {
	switch t := p.next(); {
	case t == "$":
		return varRef(p.next()), nil
	case t == "[":
		list := []any{}
		for !p.accept("]") {
			v, err := p.value()
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case strings.HasPrefix(t, `"`):
		var s string
		err := json.Unmarshal([]byte(t), &s)
		return s, err
	case t == "true" || t == "false":
		return t == "true", nil
	case t == "null":
		return nil, nil
	case t == "" || strings.ContainsAny(t, "{}():!@="):
		return nil, fmt.Errorf("%w: %q is no value", errSyntax, t)
	default:
		if n, err := strconv.ParseInt(t, 10, 64); err == nil {
			return n, nil
		}
		return t, nil
	}
}
