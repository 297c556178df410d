package document_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shelfwire/shelfwire/internal/document"
)

// shown writes a tree on one line, with the place of every scalar.
func shown(n *document.Node) string {
	switch n.Kind {
	case document.Map:
		parts := make([]string, len(n.Fields))
		for i, f := range n.Fields {
			parts[i] = fmt.Sprintf("%s@%d:%d=%s", f.Name, f.Line, f.Column, shown(f.Value))
		}
		return "{" + strings.Join(parts, " ") + "}"
	case document.List:
		parts := make([]string, len(n.Items))
		for i, item := range n.Items {
			parts[i] = shown(item)
		}
		return "[" + strings.Join(parts, " ") + "]"
	case document.Null:
		return fmt.Sprintf("null@%d:%d", n.Line, n.Column)
	case document.Bool:
		return fmt.Sprintf("bool %s@%d:%d", n.Text, n.Line, n.Column)
	}
	return fmt.Sprintf("%s@%d:%d", n.Text, n.Line, n.Column)
}

func TestParse(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"comments and empty documents", "# a\n---\n---\n", ""},
		{"scalars as they are written", "a: 007\nb: NO\nc: 1e3\nd: True\ne: ~\nf: \"true\"\ng: 2026-01-02\nh:\n",
			"{a@1:1=007@1:4 b@2:1=NO@2:4 c@3:1=1e3@3:4 d@4:1=bool true@4:4 e@5:1=null@5:4 f@6:1=true@6:4 g@7:1=2026-01-02@7:4 h@8:1=null@8:3}"},
		{"lists", "- a\n- [b, {c: d}]\n", "[a@1:3 [b@2:4 {c@2:8=d@2:11}]]"},
		{"two documents", "a: b\n---\nc: d\n", "{a@1:1=b@1:4};{c@3:1=d@3:4}"},
		{"a merge key gives what is not said", "x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n", "{x@1:1={a@1:8=1@1:11 b@1:14=2@1:17} y@2:1={b@2:13=3@2:16 a@1:8=1@1:11}}"},
		{"of two merged the first counts", "x: &x {a: 1}\nz: &z {a: 2, b: 2}\ny: {<<: [*x, *z]}\n", "{x@1:1={a@1:8=1@1:11} z@2:1={a@2:8=2@2:11 b@2:14=2@2:17} y@3:1={a@1:8=1@1:11 b@2:14=2@2:17}}"},
		{"a byte order mark", "\xef\xbb\xbfa: b\n", "{a@1:1=b@1:4}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nodes, problems := document.Parse([]byte(tt.text))
			parts := make([]string, len(nodes))
			for i, n := range nodes {
				parts[i] = shown(n)
			}
			if got := strings.Join(parts, ";"); got != tt.want || len(problems) > 0 {
				t.Errorf("Parse() = %s, %v\nwant %s", got, problems, tt.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for i := 'b'; i < 'k'; i++ {
		bomb += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	tests := []struct{ name, text, want string }{
		{"a name twice", "a: 1\na: 2\n", "line 2, column 1: a is given twice: the first is on line 1"},
		{"a name that is a list", "[a]: 1\n", "line 1, column 1: has a name that is no text"},
		{"a merge of a text", "a: {<<: x}\n", "a.<< must name what holds fields"},
		{"no YAML", "a: [\n", "is not YAML"},
		{"an unknown anchor", "a: *b\n", "is not YAML: unknown anchor"},
		{"an alias in itself", "a: &a\n  - b: *a\n", "line 2, column 8: a[0].b names what it is in itself"},
		{"too deep", strings.Repeat("[", 60) + strings.Repeat("]", 60) + "\n", "lies too deep"},
		{"aliases that unfold without end", bomb, "is too much: its aliases unfold to more than 20 million values"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := document.Parse([]byte(tt.text))
			if len(problems) != 1 || !strings.Contains(problems[0].Error(), tt.want) {
				t.Errorf("Parse() = %v, want one problem with %q", problems, tt.want)
			}
		})
	}
}
