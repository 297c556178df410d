package main

import (
	"strings"
	"testing"
)

const exampleRows = `{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":12,"occurred_at":"2026-11-20T07:15:00Z","event_id":"erp-A-1","source":"","epoch":0,"sequence":0,"reason":"","counterpart":""}}
{"movement":{"pool":"acme","outlet":"MTL","sku":"HAT","kind":"receipt","quantity":1200,"occurred_at":"2026-11-20T07:20:00Z","event_id":"erp-A-2","source":"","epoch":0,"sequence":0,"reason":"","counterpart":""}}
{"movement":{"pool":"acme","outlet":"LAV","sku":"SHOES; red","kind":"sale","quantity":3,"occurred_at":"2026-11-20T08:00:00Z","event_id":"erp-A-3","source":"","epoch":0,"sequence":0,"reason":"","counterpart":""}}
`

func TestImportOfTheExample(t *testing.T) {
	t.Parallel()
	env := quietEnv("SHELFWIRE_DATA=" + t.TempDir())
	args := []string{"import", "--map", "../../examples/receipts.map.yaml", "../../examples/receipts.csv"}
	expect(t, env, 0, exampleRows, append(args, "--dry-run")...)

	startRun(t, env)
	if _, stderr, status := cli(t, env, "", args...); status != 0 || stderr != "3 events sent to movements\n" {
		t.Fatalf("status %d, %q", status, stderr)
	}
	eventually(t, "the movements are folded", func() bool {
		stdout, _, _ := cli(t, env, "", "stock", "acme", "HAT")
		return strings.Contains(stdout, "MTL 1200/0")
	})
}

func TestImportReportsRowsAndGoesOn(t *testing.T) {
	t.Parallel()
	mapFile := write(t, "map.yaml", "event: kit\ndelimiter: tab\ncolumns: {Kit: sku, Part: \"components[0].sku\", Of: \"components[0].quantity\"}\nvalues: {pool: acme}\n")
	tests := []struct{ name, csv, stdout, stderr string }{
		{"a bad row among good ones", "Kit\tPart\tOf\nA\tB\t1\nC\tD\tx\n\"E\nF\"\tG\t2\nH\tI\t3\n", "A H", `line 3: components[0].quantity (column Of) is "x", and must be a whole number
line 4: sku (column Kit) is "E\nF", and must not hold control characters
2 events, 2 bad rows
`},
		{"a quote where none may be", "Kit\tPart\tOf\nA\"B\tB\t1\nH\tI\t3\n", "H", "line 2: column 2: bare \" in non-quoted-field\n1 events, 1 bad rows\n"},
		{"no UTF-8", "Kit\tPart\tOf\n\xe9\tB\t1\n", "", "line 2: has no UTF-8 in the column Kit: save the file as UTF-8\n0 events, 1 bad rows\n"},
		{"another header", "Kit,Part,Of\n", "", "shelfwire import: there is no column Kit, Part, Of: there are Kit,Part,Of\n"},
		{"UTF-16", "\xff\xfeK\x00", "", "shelfwire import: the file is UTF-16: save it as UTF-8\n"},
		{"nothing", "", "", "shelfwire import: read the names of the columns: EOF\n"},
		{"a quote that is not closed", "Kit\tPart\tOf\nA\tB\t1\n\"C\tD\t1\nE\tF\t1\n", "A", "line 3: a quote is not closed: everything to line 4 was taken for one row\n1 events, 1 bad rows\n"},
		{"a quote that is never closed", "Kit\tPart\tOf\n\"A" + strings.Repeat("x\n", maxRowBytes), "", "shelfwire import: a row is longer than 4 MiB: is a quote not closed?\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr, status := cli(t, quietEnv(), tt.csv, "import", "--map", mapFile, "--dry-run", "-")
			var kits []string
			for line := range strings.Lines(stdout) {
				_, after, _ := strings.Cut(line, `"sku":"`)
				sku, _, _ := strings.Cut(after, `"`)
				kits = append(kits, sku)
			}
			if status != 1 || strings.Join(kits, " ") != tt.stdout || stderr != tt.stderr {
				t.Errorf("status %d, kits %v, stderr\n%swant 1, %s,\n%s", status, kits, stderr, tt.stdout, tt.stderr)
			}
		})
	}
}
