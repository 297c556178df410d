// Package internal_test holds the architecture: which package is in which layer, what each layer may import, and what
// the pure packages must not do. A new package is added to layerOf below; nothing else needs to be said.
package internal_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/shelfwire/shelfwire/"

// A layer says what its packages may import. Arrows go down, never up or sideways: cmd → {stages, adapters, process} →
// pure → std.
type layer int

const (
	unknown layer = iota
	pure          // decides: no I/O, clock, goroutine, log, random; imports pure packages of a lower rank
	stage         // one step of the pipeline: declares the interfaces it needs; imports pure
	adapter       // sole importer of its client library: imports pure, and stages for the types of their interfaces
	process       // puts a process together: imports everything but cmd
	suite         // internal/<package>/<x>test: test support; imports what its package may, and its package
	schema        // schemas/…: what is on the wire and in the tables; imports nothing of ours
)

// layerOf maps every package below internal/ to its layer; a * stands for one element of the path. The suites of a package
// (engine/enginetest, allocator/storetest) need no line.
var layerOf = map[string]layer{
	"stock":      pure,
	"record":     pure,
	"stream":     pure,
	"allocation": pure,
	"offer":      pure,
	"codec":      pure,
	"engine":     pure,
	"dispatch":   pure,
	"output":     pure,
	"packed":     pure,
	"replay":     pure,
	"signature":  pure,
	"document":   pure,
	"catalogue":  pure,
	"mapping":    pure,
	"shadow":     pure,
	"explain":    pure,

	"ingest":    stage,
	"allocator": stage,
	"publisher": stage,
	"history":   stage,
	"auditview": stage,
	"verify":    stage,
	"snapshot":  stage,

	"kafka":        adapter,
	"redisstore":   adapter,
	"chstore":      adapter,
	"litestore":    adapter,
	"channel":      adapter, // what its vendors share, and the only thing they import of each other
	"channel/*":    adapter,
	"channelsim":   adapter, // likewise
	"channelsim/*": adapter,

	"history/historytest": adapter, // what every history store owes to three stages: it imports the three

	"config":     process,
	"daemon":     process,
	"embedded":   process,
	"simserver":  process,
	"simtest":    process,
	"simulation": process,
	"app":        process,
	"demo":       process,
}

// rankOf orders the pure packages: each may import those of a lower rank.
var rankOf = map[string]int{
	"stock": 0, "packed": 0,
	"record": 1,
	"stream": 2, "allocation": 2, "offer": 2, "codec": 2, "signature": 2, "document": 2,
	"engine": 3, "dispatch": 3, "mapping": 3,
	"output":    4,
	"replay":    5,
	"catalogue": 6, "explain": 6,
	"shadow": 7,
}

// wholeNumbers are the pure packages that must not even name a floating-point type.
var wholeNumbers = []string{"stock", "packed", "allocation", "offer", "engine", "dispatch", "catalogue", "mapping", "shadow"}

// ownersOf lists the client libraries and the only packages that may import them outside of tests.
var ownersOf = map[string][]string{
	"github.com/twmb/franz-go":            {"kafka", "embedded"},
	"github.com/redis/go-redis":           {"redisstore"},
	"github.com/alicebob/miniredis":       {"embedded"},
	"github.com/ClickHouse/clickhouse-go": {"chstore"},
	"modernc.org/sqlite":                  {"litestore"},
}

// librariesOf lists what else a layer may import from outside the standard library. The process layer is free.
var librariesOf = map[layer][]string{
	stage:   {"github.com/prometheus/client_golang", "golang.org/x", "github.com/cenkalti/backoff"},
	adapter: {"github.com/prometheus/client_golang", "golang.org/x", "github.com/cenkalti/backoff"},
}

// impureImports are the parts of the standard library that a pure package must do without.
var impureImports = []string{
	"crypto/rand", "database/sql", "io/ioutil", "log", "math/rand", "net", "os", "plugin", "runtime", "syscall", "testing",
}

// impureCalls are the members of otherwise harmless packages that read the clock or write to the terminal.
var impureCalls = map[string][]string{
	"time": {"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

func TestArchitecture(t *testing.T) {
	root := os.DirFS("..")
	for _, dir := range []string{"internal", "schemas"} {
		if _, err := fs.Stat(root, dir); err != nil {
			t.Fatalf("stat %s: %v", dir, err)
		}
		for _, problem := range check(t, root, dir) {
			t.Error(problem)
		}
	}
}

// Every test that the documents name is there.
func TestDocumentsNameTests(t *testing.T) {
	root := os.DirFS("..")
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := fs.WalkDir(root, "internal", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		src, err := fs.ReadFile(root, name)
		for _, match := range declared.FindAllSubmatch(src, -1) {
			tests[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`")
	for _, document := range []string{"ARCHITECTURE.md", "DECISIONS.md"} {
		text, err := fs.ReadFile(root, document)
		if err != nil {
			t.Fatal(err)
		}
		found := named.FindAllSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("%s names no test", document)
		}
		for _, match := range found {
			if !tests[string(match[1])] {
				t.Errorf("%s names %s, which is not there", document, match[1])
			}
		}
	}
}

// check returns what is wrong with the non-test sources below dir.
func check(t *testing.T, root fs.FS, dir string) []string {
	t.Helper()
	var problems []string
	err := fs.WalkDir(root, dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != dir && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_")):
			return fs.SkipDir
		case d.IsDir(), !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		found, err := checkFile(name, src)
		problems = append(problems, found...)
		return err
	})
	if err != nil {
		t.Fatalf("walk %s: %v", dir, err)
	}
	return problems
}

// checkFile returns what is wrong with one source file, given its path from the root of the module.
func checkFile(name string, src []byte) ([]string, error) {
	pkg := strings.TrimPrefix(path.Dir(name), "internal/")
	l, _ := place(pkg)
	mode := parser.SkipObjectResolution
	if l != pure {
		mode |= parser.ImportsOnly
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, mode)
	if err != nil {
		return nil, err
	}
	var problems []string
	report := func(pos token.Pos, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s: %s", fset.Position(pos), fmt.Sprintf(format, args...)))
	}
	if l == unknown {
		report(file.Package, "package %s is in no layer: add it to layerOf in internal/arch_test.go", pkg)
		return problems, nil
	}
	names := make(map[string]string) // by which the file calls a package → its import path
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if why := forbidden(pkg, imported); why != "" {
			report(spec.Pos(), "%s imports %s: %s", pkg, imported, why)
		}
		switch {
		case spec.Name == nil:
			names[path.Base(imported)] = imported
		case spec.Name.Name == "." && l == pure:
			report(spec.Pos(), "%s imports %s as a dot: a pure package calls things by their full name", pkg, imported)
		default:
			names[spec.Name.Name] = imported
		}
	}
	if l == pure {
		checkPure(pkg, file, names, report)
	}
	return problems, nil
}

// place returns the layer of a package and, for a suite, the package it belongs to.
func place(pkg string) (l layer, parent string) {
	if pkg == "schemas" || strings.HasPrefix(pkg, "schemas/") {
		return schema, ""
	}
	if l := layerOf[pkg]; l != unknown {
		return l, ""
	}
	dir, base := path.Dir(pkg), path.Base(pkg)
	if dir == "." {
		return unknown, ""
	}
	if l := layerOf[dir+"/*"]; l != unknown {
		return l, ""
	}
	if parent, _ := place(dir); parent != unknown && parent != suite && strings.HasSuffix(base, "test") {
		return suite, dir
	}
	return unknown, ""
}

// forbidden returns why pkg must not import imported, or "".
func forbidden(pkg, imported string) string {
	l, parent := place(pkg)
	if l == suite {
		if imported == module+"internal/"+parent || imported == "testing" || within(imported, "pgregory.net/rapid") {
			return ""
		}
		if p, _ := place(parent); p == pure {
			return forbiddenSuiteOfPure(imported)
		}
		return forbidden(parent, imported)
	}
	if ours, ok := strings.CutPrefix(imported, module); ok {
		return forbiddenOurs(pkg, l, ours)
	}
	if std(imported) {
		if l == pure && withinAny(imported, impureImports) {
			return "a pure package does no I/O, takes no time, and draws no random numbers"
		}
		return ""
	}
	for library, owners := range ownersOf {
		if within(imported, library) {
			if !slices.Contains(owners, pkg) {
				return fmt.Sprintf("only %s may", strings.Join(owners, ", "))
			}
			return ""
		}
	}
	switch {
	case l == process, l == schema, withinAny(imported, librariesOf[l]):
		return ""
	case pkg == "codec" && imported == "google.golang.org/protobuf/encoding/protowire",
		pkg == "document" && imported == "go.yaml.in/yaml/v3": // parsers of bytes, without I/O of their own
		return ""
	}
	return "a library that this layer does not use"
}

// forbiddenOurs is forbidden for a package of this module, given from its root.
func forbiddenOurs(pkg string, l layer, ours string) string {
	if within(ours, "schemas") {
		if l == adapter || l == process || l == schema {
			return ""
		}
		return "only adapters, the process layer and tests read schemas/"
	}
	target, ok := strings.CutPrefix(ours, "internal/")
	if !ok {
		return "nothing imports a command or a benchmark"
	}
	to, _ := place(target)
	switch {
	case to == unknown:
		return "it is in no layer: add it to layerOf in internal/arch_test.go"
	case to == suite:
		return "a suite is for tests"
	case l == schema:
		return "schemas/ imports nothing of ours"
	case l == pure && to == pure && rankOf[target] < rankOf[pkg]:
		return ""
	case l == pure:
		return "a pure package imports pure packages of a lower rank"
	case to == pure, l == process, l == adapter && to == stage:
		return ""
	case l == adapter && target == path.Dir(pkg): // a vendor and what the vendors share
		return ""
	case l == stage:
		return "a stage imports pure packages only, and declares the interfaces it needs"
	}
	return "an adapter imports pure packages, and stages for the types of their interfaces"
}

// forbiddenSuiteOfPure is forbidden for the suite of a pure package: it may import every pure package, and do as it likes
// with the standard library.
func forbiddenSuiteOfPure(imported string) string {
	if ours, ok := strings.CutPrefix(imported, module+"internal/"); ok {
		if to, _ := place(ours); to == pure {
			return ""
		}
	} else if std(imported) {
		return ""
	}
	return "the suite of a pure package imports pure packages"
}

// checkPure reports what a pure package must not do: names says by which name the file calls which import.
func checkPure(pkg string, file *ast.File, names map[string]string, report func(token.Pos, string, ...any)) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n.Pos(), "%s starts a goroutine: a pure package has none", pkg)
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(impureCalls[names[x.Name]], n.Sel.Name) {
				report(n.Pos(), "%s uses %s.%s: a pure package gets time as an argument and prints nothing", pkg, names[x.Name], n.Sel.Name)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				report(n.Pos(), "%s calls %s: a pure package prints nothing", pkg, f.Name)
			}
		case *ast.Ident:
			if slices.Contains([]string{"float32", "float64", "complex64", "complex128"}, n.Name) && slices.Contains(wholeNumbers, pkg) {
				report(n.Pos(), "%s uses %s: quantities are whole numbers", pkg, n.Name)
			}
		case *ast.BasicLit:
			if (n.Kind == token.FLOAT || n.Kind == token.IMAG) && slices.Contains(wholeNumbers, pkg) {
				report(n.Pos(), "%s uses %s: quantities are whole numbers", pkg, n.Value)
			}
		}
		return true
	})
}

// std reports whether an import path belongs to the standard library: its first element has no dot.
func std(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// within reports whether an import path is dir or below it.
func within(imported, dir string) bool {
	return imported == dir || strings.HasPrefix(imported, dir+"/")
}

func withinAny(imported string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return within(imported, dir) })
}

func TestEveryPurePackageHasARank(t *testing.T) {
	for pkg, l := range layerOf {
		if _, ok := rankOf[pkg]; ok != (l == pure) {
			t.Errorf("rankOf has %s: %v, want %v", pkg, ok, l == pure)
		}
	}
}

// The check itself, on small sources: what it must catch, and what it must leave alone.
func TestArchitectureCheck(t *testing.T) {
	ours := func(pkg string) string { return `import _ "` + module + pkg + `"` }
	tests := []struct {
		name string
		file string
		body string // after the package clause
		want string // part of the only problem; "" for none
	}{
		{"a package in no layer", "internal/misc/x.go", "", "misc is in no layer"},
		{"a folder in no layer below a known one", "internal/kafka/deep/x.go", "", "kafka/deep is in no layer"},
		{"a channel of any vendor", "internal/channel/shop/x.go", ours("internal/publisher"), ""},
		{"a test is free", "internal/engine/x_test.go", `import _ "os"`, ""},
		{"test data is no package", "internal/engine/testdata/x.go", `import _ "os"`, ""},

		{"a pure package imports downwards", "internal/engine/x.go", ours("internal/stock"), ""},
		{"a pure package imports upwards", "internal/stock/x.go", ours("internal/engine"), "lower rank"},
		{"a pure package imports sideways", "internal/offer/x.go", ours("internal/allocation"), "lower rank"},
		{"a pure package imports a stage", "internal/engine/x.go", ours("internal/ingest"), "lower rank"},
		{"a pure package imports the schemas", "internal/codec/x.go", ours("schemas/gen/shelfwire/v1"), "read schemas/"},
		{"a stage imports a pure package", "internal/ingest/x.go", ours("internal/engine"), ""},
		{"a stage imports a stage", "internal/ingest/x.go", ours("internal/allocator"), "a stage imports pure"},
		{"a stage imports an adapter", "internal/ingest/x.go", ours("internal/kafka"), "a stage imports pure"},
		{"a stage imports the process", "internal/ingest/x.go", ours("internal/config"), "a stage imports pure"},
		{"an adapter imports a stage", "internal/redisstore/x.go", ours("internal/allocator"), ""},
		{"an adapter imports an adapter", "internal/redisstore/x.go", ours("internal/kafka"), "an adapter imports pure"},
		{"an adapter imports the process", "internal/redisstore/x.go", ours("internal/daemon"), "an adapter imports pure"},
		{"an adapter imports the schemas", "internal/chstore/x.go", ours("schemas"), ""},
		{"the process imports everything", "internal/app/x.go", ours("internal/redisstore"), ""},
		{"a package imports a command", "internal/app/x.go", ours("cmd/ingest"), "imports a command"},
		{"a package imports one in no layer", "internal/app/x.go", ours("internal/misc"), "it is in no layer"},
		{"the schemas import us", "schemas/x.go", ours("internal/stock"), "imports nothing of ours"},

		{"a suite imports its package", "internal/engine/enginetest/x.go", ours("internal/engine"), ""},
		{"a suite imports testing", "internal/allocator/storetest/x.go", `import _ "testing"`, ""},
		{"a suite imports an adapter", "internal/allocator/storetest/x.go", ours("internal/redisstore"), "a stage imports pure"},
		{"the suite of a pure package imports an adapter", "internal/engine/enginetest/x.go", ours("internal/kafka"), "imports pure packages"},
		{"a package imports a suite outside of its tests", "internal/app/x.go", ours("internal/allocator/storetest"), "a suite is for tests"},

		{"a client library in its adapter", "internal/kafka/x.go", `import _ "github.com/twmb/franz-go/pkg/kgo"`, ""},
		{"a client library in another adapter", "internal/chstore/x.go", `import _ "github.com/redis/go-redis/v9"`, "only redisstore may"},
		{"a client library in the process", "internal/app/x.go", `import _ "github.com/ClickHouse/clickhouse-go/v2"`, "only chstore may"},
		{"a client library in a stage", "internal/allocator/x.go", `import _ "github.com/twmb/franz-go/pkg/kgo"`, "only kafka, embedded may"},
		{"metrics in a stage", "internal/ingest/x.go", `import _ "github.com/prometheus/client_golang/prometheus"`, ""},
		{"metrics in a pure package", "internal/engine/x.go", `import _ "github.com/prometheus/client_golang/prometheus"`, "does not use"},
		{"protowire in the codec", "internal/codec/x.go", `import _ "google.golang.org/protobuf/encoding/protowire"`, ""},
		{"YAML in the reader of documents", "internal/document/x.go", `import _ "go.yaml.in/yaml/v3"`, ""},
		{"YAML in another pure package", "internal/catalogue/x.go", `import _ "go.yaml.in/yaml/v3"`, "does not use"},
		{"protobuf in the engine", "internal/engine/x.go", `import _ "google.golang.org/protobuf/proto"`, "does not use"},

		{"files in a pure package", "internal/codec/x.go", `import _ "os"`, "does no I/O"},
		{"the network in a pure package", "internal/stock/x.go", `import _ "net/http"`, "does no I/O"},
		{"a log in a pure package", "internal/offer/x.go", `import _ "log/slog"`, "does no I/O"},
		{"random numbers in a pure package", "internal/dispatch/x.go", `import _ "math/rand/v2"`, "random"},
		{"math is not math/rand", "internal/engine/x.go", `import _ "math"`, ""},
		{"the clock", "internal/engine/x.go", "import \"time\"\nvar x = time.Now()", "time.Now"},
		{"the clock under another name", "internal/engine/x.go", "import clock \"time\"\nvar x = clock.Since", "time.Since"},
		{"the clock without a name", "internal/engine/x.go", "import . \"time\"", "as a dot"},
		{"time as an argument", "internal/engine/x.go", "import \"time\"\nfunc f(now time.Time) time.Time { return now.Add(time.Hour) }", ""},
		{"the clock in a stage", "internal/ingest/x.go", "import \"time\"\nvar x = time.Now()", ""},
		{"a goroutine", "internal/dispatch/x.go", "func f() { go f() }", "starts a goroutine"},
		{"a word on the terminal", "internal/offer/x.go", "import \"fmt\"\nfunc f() { fmt.Println() }", "fmt.Println"},
		{"a word on the terminal by the builtin", "internal/offer/x.go", "func f() { println() }", "calls println"},
		{"a string", "internal/offer/x.go", "import \"fmt\"\nvar x = fmt.Sprint(1)", ""},
		{"a floating-point type", "internal/offer/x.go", "var x float64", "uses float64"},
		{"a floating-point number", "internal/stock/x.go", "var x = int64(1e3)", "uses 1e3"},
		{"a floating-point number where they are allowed", "internal/codec/x.go", "var x = 0.5", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{tt.file: {Data: []byte("package x\n" + tt.body + "\n")}}
			got := check(t, root, ".")
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("check() = %q, want nothing", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("check() = %q, want one problem with %q", got, tt.want)
			}
		})
	}
}
