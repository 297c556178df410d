package auditview_test

import (
	"encoding/xml"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/shelfwire/shelfwire/internal/auditview"
)

func newPage(t *testing.T, q auditview.Queries, cfg auditview.Config) http.Handler {
	t.Helper()
	p, err := auditview.New(cfg, auditview.Deps{
		Queries: q, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	return p.Handler()
}

func ask(t *testing.T, h http.Handler, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody))
	return w
}

// get asks and insists on success.
func get(t *testing.T, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := ask(t, h, http.MethodGet, target)
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s = %d: %s", target, w.Code, w.Body)
	}
	return w
}

// A document is what a test wants to know of a page.
type document struct {
	Text  string     // of everything, spaces as single ones
	Rows  [][]string // of every table, the text of its cells
	Links []link
	Tags  map[string]int
	Attrs []string // name=value of all attributes
}

type link struct{ Text, Href string }

// parse reads a page by its elements; one that is not well-formed but for what HTML allows fails the test.
func parse(t *testing.T, page string) document {
	t.Helper()
	d := document{Tags: map[string]int{}}
	in := xml.NewDecoder(strings.NewReader(page))
	in.Strict, in.AutoClose, in.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var text strings.Builder
	anchor, cell := -1, -1
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			d.Tags[token.Name.Local]++
			for _, a := range token.Attr {
				d.Attrs = append(d.Attrs, a.Name.Local+"="+a.Value)
				if token.Name.Local == "a" && a.Name.Local == "href" {
					d.Links = append(d.Links, link{Href: a.Value})
					anchor = text.Len()
				}
			}
			switch token.Name.Local {
			case "tr":
				d.Rows = append(d.Rows, nil)
			case "td", "th":
				cell = text.Len()
			case "div", "p", "dt", "dd", "h1", "h2":
				text.WriteByte(' ')
			}
		case xml.CharData:
			text.Write(token)
		case xml.EndElement:
			switch token.Name.Local {
			case "a":
				d.Links[len(d.Links)-1].Text = squeeze(text.String()[anchor:])
			case "td", "th":
				row := &d.Rows[len(d.Rows)-1]
				*row = append(*row, squeeze(text.String()[cell:]))
				text.WriteByte(' ')
			}
		}
	}
	d.Text = squeeze(text.String())
	return d
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// row returns the first row whose first cell is name.
func (d document) row(t *testing.T, name string) []string {
	t.Helper()
	for _, row := range d.Rows {
		if len(row) > 0 && row[0] == name {
			return row
		}
	}
	t.Fatalf("no row begins with %q among %q", name, d.Rows)
	return nil
}

// href returns where the first link with this text leads, "" where there is none.
func (d document) href(text string) string {
	for _, l := range d.Links {
		if l.Text == text {
			return l.Href
		}
	}
	return ""
}

func TestNewNamesEveryBadSetting(t *testing.T) {
	_, err := auditview.New(auditview.Config{Refresh: time.Millisecond, PageRows: 1001, QueryTimeout: -1}, auditview.Deps{})
	if err == nil {
		t.Fatal("New() took bad settings")
	}
	for _, key := range []string{"refresh", "page_rows", "query_timeout"} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("New() = %v, which does not name %s", err, key)
		}
	}
}

func TestEveryAnswerHasStrictHeaders(t *testing.T) {
	h := newPage(t, retailer(), auditview.Config{})
	for _, target := range []string{"/", "/failures", "/told/acme/partner-hook/SHIRT", "/api/v1/stock", "/nothing", "/api/v1/nothing", "/assets/style.css"} {
		w := ask(t, h, http.MethodGet, target)
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: Content-Security-Policy = %q", target, policy)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers = %v", target, w.Header())
		}
		if strings.Contains(w.Body.String(), "style=") || strings.Contains(w.Body.String(), "onclick=") {
			t.Errorf("%s has inline style or script, which its own policy forbids", target)
		}
	}
}

func TestRequestsThatCannotBeAnswered(t *testing.T) {
	h := newPage(t, retailer(), auditview.Config{})
	tests := []struct {
		name, method, target string
		code                 int
		body                 string
	}{
		{"an unknown page", "GET", "/nothing", 404, "There is no such page."},
		{"an unknown resource", "GET", "/api/v1/nothing", 404, `{"error":"there is no such resource: see /api/v1/stock, told, failures, rejections"}`},
		{"an unknown pool", "GET", "/api/v1/stock?pool=x", 404, `{"error":"Nothing is known of a pool \"x\".","field":"pool"}`},
		{"an unknown pool's page", "GET", "/?pool=x", 404, "Nothing is known of a pool"},
		{"an unknown listing's page", "GET", "/told/acme/shop-ca/NONE", 404, "no offer, and nothing told"},
		{"a listing of an unknown pool", "GET", "/api/v1/told?pool=x&channel=c&sku=s", 404, `{"error":"Nothing is known of a pool \"x\".","field":"pool"}`},
		{"a missing id", "GET", "/api/v1/told?pool=acme&sku=SHIRT", 400, `{"error":"channel is missing","field":"channel"}`},
		{"a limit of 0", "GET", "/api/v1/stock?limit=0", 400, `{"error":"limit must be a whole number from 1 to 1000","field":"limit"}`},
		{"a limit too large", "GET", "/api/v1/failures?limit=1001", 400, `{"error":"limit must be a whole number from 1 to 1000","field":"limit"}`},
		{"a limit that is no number", "GET", "/api/v1/rejections?limit=ten", 400, `{"error":"limit must be a whole number from 1 to 1000","field":"limit"}`},
		{"a page limit too large", "GET", "/?limit=9999", 400, "limit must be"},
		{"a format that is none", "GET", "/api/v1/stock?format=xml", 400, `{"error":"format must be json or csv","field":"format"}`},
		{"a misspelt parameter", "GET", "/api/v1/rejections?pol=acme", 400, `{"error":"there is no parameter \"pol\" here: known are pool, limit, live, format","field":"pol"}`},
		{"a search too long", "GET", "/api/v1/stock?search=" + strings.Repeat("x", 201), 400, `{"error":"search is longer than 200 bytes","field":"search"}`},
		{"a POST", "POST", "/api/v1/stock", 405, `{"error":"only GET and HEAD are answered here"}`},
		{"a DELETE of a page", "DELETE", "/", 405, "only GET and HEAD are answered here"},
		{"an unknown asset", "GET", "/assets/layout.html", 404, "There is no such file."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(t, h, tt.method, tt.target)
			if w.Code != tt.code {
				t.Errorf("status = %d, want %d", w.Code, tt.code)
			}
			if got := strings.TrimSpace(w.Body.String()); strings.HasPrefix(tt.body, "{") && got != tt.body || !strings.Contains(got, tt.body) {
				t.Errorf("body = %s, want %s", got, tt.body)
			}
			if tt.code == 405 && w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow = %q", w.Header().Get("Allow"))
			}
		})
	}
}

func TestHeadIsAnsweredAsGet(t *testing.T) {
	server := httptest.NewServer(newPage(t, retailer(), auditview.Config{}))
	defer server.Close()
	for _, path := range []string{"/", "/failures", "/api/v1/stock", "/api/v1/told?pool=acme&channel=partner-hook&sku=SHIRT&format=csv"} {
		resp, err := server.Client().Head(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusOK || len(body) != 0 {
			t.Errorf("HEAD %s = %d with %d bytes, %v", path, resp.StatusCode, len(body), err)
		}
	}
}

func TestAHistoryThatIsAwayIsSaidAndLoggedOnce(t *testing.T) {
	f := retailer()
	var lines strings.Builder
	p, err := auditview.New(auditview.Config{}, auditview.Deps{
		Queries: f, Now: func() time.Time { return noon }, Logger: slog.New(slog.NewTextHandler(&lines, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	h := p.Handler()
	f.err = errors.New("dial tcp: connection refused")
	for _, target := range []string{"/", "/failures", "/told/acme/partner-hook/SHIRT"} {
		w := ask(t, h, http.MethodGet, target)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "The history is not reachable") {
			t.Errorf("%s = %d %s", target, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), "dial tcp") {
			t.Errorf("%s shows the inner error to the reader", target)
		}
		parse(t, w.Body.String())
	}
	for _, target := range []string{"/api/v1/stock", "/api/v1/told?pool=acme&channel=c&sku=s", "/api/v1/failures", "/api/v1/rejections?format=csv"} {
		w := ask(t, h, http.MethodGet, target)
		if want := `{"error":"The history cannot be reached at the moment."}`; w.Code != http.StatusServiceUnavailable || strings.TrimSpace(w.Body.String()) != want {
			t.Errorf("%s = %d %s", target, w.Code, w.Body)
		}
	}
	f.err = nil
	get(t, h, "/")
	get(t, h, "/")
	if got := strings.Count(lines.String(), "\n"); got != 2 || !strings.Contains(lines.String(), "connection refused") || !strings.Contains(lines.String(), "answers again") {
		t.Errorf("logged %d lines, want one when it went and one when it came back:\n%s", got, lines.String())
	}
}

// Before the history may be asked every request is told so, and nothing is asked.
func TestAHistoryThatMayNotBeAskedYet(t *testing.T) {
	queries := &nobody{} // nil inside: to ask it would panic
	why := "The history's server does not answer yet."
	p, err := auditview.New(auditview.Config{}, auditview.Deps{
		Queries: queries, NotYet: func() string { return why }, Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	h := p.Handler()
	for _, target := range []string{"/", "/failures", "/told/acme/partner-hook/SHIRT", "/api/v1/stock", "/api/v1/rejections?format=csv"} {
		w := ask(t, h, http.MethodGet, target)
		body := html.UnescapeString(w.Body.String())
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(body, why) {
			t.Errorf("%s = %d %v %s, want 503 that says why", target, w.Code, w.Header(), body)
		}
	}
	get(t, h, "/assets/style.css")
	if w := ask(t, h, http.MethodPost, "/"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST / = %d, want 405", w.Code)
	}
	why = ""
	queries.Queries = retailer()
	get(t, h, "/")
	get(t, h, "/api/v1/stock")
}

// nobody is a history that must not be asked before it has been given.
type nobody struct{ auditview.Queries }

func TestRequestsAreCountedByRouteAndCode(t *testing.T) {
	reg := prometheus.NewRegistry()
	p, err := auditview.New(auditview.Config{}, auditview.Deps{
		Queries: retailer(), Now: func() time.Time { return noon }, Logger: slog.New(slog.DiscardHandler), Registerer: reg,
	})
	if err != nil {
		t.Fatal(err)
	}
	h := p.Handler()
	for _, target := range []string{"/", "/", "/?limit=x", "/a/b/c", "/told/acme/partner-hook/SHIRT", "/api/v1/stock"} {
		ask(t, h, http.MethodGet, target)
	}
	figures := get(t, promhttp.HandlerFor(reg, promhttp.HandlerOpts{}), "/metrics").Body.String()
	for _, want := range []string{
		`shelfwire_audit_http_requests_total{code="200",route="api_stock"} 1`,
		`shelfwire_audit_http_requests_total{code="200",route="stock"} 2`,
		`shelfwire_audit_http_requests_total{code="200",route="told"} 1`,
		`shelfwire_audit_http_requests_total{code="400",route="stock"} 1`,
		`shelfwire_audit_http_requests_total{code="404",route="none"} 1`,
		`shelfwire_audit_http_request_duration_seconds_count{route="stock"} 3`,
	} {
		if !strings.Contains(figures, want+"\n") {
			t.Errorf("no figure %s in\n%s", want, figures)
		}
	}
}

func TestAssetsMayBeKeptByTheirVersion(t *testing.T) {
	h := newPage(t, retailer(), auditview.Config{})
	page := parse(t, get(t, h, "/").Body.String())
	i := slices.IndexFunc(page.Attrs, func(a string) bool { return strings.HasPrefix(a, "href=/assets/style.css?v=") })
	if i < 0 {
		t.Fatal("the page names no style")
	}
	w := get(t, h, strings.TrimPrefix(page.Attrs[i], "href="))
	if !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("headers of the style = %v", w.Header())
	}
}
