package auditview

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Defaults of [Config], and the limits of one answer.
const (
	DefaultRefresh      = 5 * time.Second
	DefaultPageRows     = 50
	DefaultQueryTimeout = 10 * time.Second

	maxRows     = 1000 // most rows of one answer
	defaultRows = 100  // rows of an answer of the API that names no limit
	chartOffers = 500  // offers that the chart of a listing reaches back
)

// Config holds the page's settings; the zero value is good.
type Config struct {
	// Refresh is how often an open page asks again; at least 1 s, 0 for the default, negative for never.
	Refresh time.Duration
	// PageRows is how many rows a table of the page has, 1…1000; 0 for the default.
	PageRows int
	// QueryTimeout bounds what one request may ask of the history; 0 for the default.
	QueryTimeout time.Duration
}

// Validate returns what is wrong with the settings, each named by its key.
func (c Config) Validate() error {
	var errs []error
	if c.Refresh > 0 && c.Refresh < time.Second {
		errs = append(errs, fmt.Errorf("refresh: %v is less than 1s", c.Refresh))
	}
	if c.PageRows < 0 || c.PageRows > maxRows {
		errs = append(errs, fmt.Errorf("page_rows: %d is not within 1…%d", c.PageRows, maxRows))
	}
	if c.QueryTimeout < 0 {
		errs = append(errs, fmt.Errorf("query_timeout: %v is negative", c.QueryTimeout))
	}
	return errors.Join(errs...)
}

// Deps are what the page needs from outside.
type Deps struct {
	Queries Queries
	// NotYet, where set, returns a sentence for the reader that says why nothing may be asked of Queries yet, "" as soon as it may.
	// Until then it is the answer to every page and every question of the API, with status 503.
	NotYet     func() string
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
}

// A Page serves the audit view. It keeps nothing between requests and is safe for concurrent use.
type Page struct {
	cfg       Config
	deps      Deps
	metrics   *metrics
	templates map[string]*template.Template
	assets    map[string]asset
	away      atomic.Bool // the last question to the history failed
}

type asset struct {
	contentType, version string
	body                 []byte
}

//go:embed assets
var files embed.FS

// New returns a page, or what is wrong with its settings.
func New(cfg Config, deps Deps) (*Page, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("settings of the audit page: %w", err)
	}
	cfg.Refresh = cmp.Or(cfg.Refresh, DefaultRefresh)
	cfg.PageRows = cmp.Or(cfg.PageRows, DefaultPageRows)
	cfg.QueryTimeout = cmp.Or(cfg.QueryTimeout, DefaultQueryTimeout)
	m, err := newMetrics(deps.Registerer)
	if err != nil {
		return nil, fmt.Errorf("register the audit page's metrics: %w", err)
	}
	p := &Page{cfg: cfg, deps: deps, metrics: m, templates: map[string]*template.Template{}, assets: map[string]asset{}}
	for name, contentType := range map[string]string{"style.css": "text/css; charset=utf-8", "refresh.js": "text/javascript; charset=utf-8"} {
		body, err := files.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("read the page's %s: %w", name, err)
		}
		sum := sha256.Sum256(body)
		p.assets[name] = asset{contentType: contentType, version: hex.EncodeToString(sum[:6]), body: body}
	}
	for _, name := range []string{"stock", "told", "failures", "problem"} {
		t, err := template.New("layout.html").Funcs(p.functions()).ParseFS(files, "assets/layout.html", "assets/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse the page's template %s: %w", name, err)
		}
		p.templates[name] = t
	}
	return p, nil
}

// Handler serves the pages (/, /told/…, /failures), their style and script (/assets/…) and the API (/api/v1/…). Only GET and
// HEAD are answered. It neither authenticates nor writes: whoever reaches it may read everything.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	page := func(pattern, route string, serve func(http.ResponseWriter, *http.Request) error) {
		mux.Handle(pattern, p.wrap(route, serve, p.pageProblem))
	}
	api := func(pattern, route string, serve func(http.ResponseWriter, *http.Request) error) {
		mux.Handle(pattern, p.wrap(route, serve, p.apiProblem))
	}
	page("/{$}", "stock", p.stockPage)
	page("/told/{pool}/{channel}/{sku}", "told", p.toldPage)
	page("/told", "told", p.toldPage)
	page("/failures", "failures", p.failuresPage)
	page("/assets/{name}", "assets", p.asset)
	page("/", "none", func(http.ResponseWriter, *http.Request) error {
		return &problem{status: http.StatusNotFound, message: "There is no such page."}
	})
	api("/api/v1/stock", "api_stock", p.stockAPI)
	api("/api/v1/told", "api_told", p.toldAPI)
	api("/api/v1/failures", "api_failures", p.failuresAPI)
	api("/api/v1/rejections", "api_rejections", p.rejectionsAPI)
	api("/api/", "none", func(http.ResponseWriter, *http.Request) error {
		return &problem{status: http.StatusNotFound, message: "there is no such resource: see /api/v1/stock, told, failures, rejections"}
	})
	return mux
}

// A problem is a request that cannot be answered, told to who asked. Field names the parameter at fault, "" where none is.
type problem struct {
	status         int
	field, message string
}

func (e *problem) Error() string { return e.message }

// wrap adds to a handler what all have in common: methods, headers, the time limit, figures, and answers to errors. serve
// writes nothing before it knows that it succeeds.
func (p *Page) wrap(route string, serve func(http.ResponseWriter, *http.Request) error, tell func(http.ResponseWriter, *http.Request, *problem)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := p.deps.Now()
		out := &answer{ResponseWriter: w, status: http.StatusOK}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		ctx, cancel := context.WithTimeout(r.Context(), p.cfg.QueryTimeout)
		defer cancel()
		r = r.WithContext(ctx)

		var err error
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			err = &problem{status: http.StatusMethodNotAllowed, message: "only GET and HEAD are answered here"}
		} else if err = p.notYet(route); err == nil {
			err = serve(out, r)
		}
		if err != nil {
			tell(out, r, p.judge(r, err))
		} else if route != "assets" && p.away.CompareAndSwap(true, false) {
			p.deps.Logger.InfoContext(ctx, "history answers again")
		}
		p.metrics.requests.WithLabelValues(route, strconv.Itoa(out.status)).Inc()
		p.metrics.duration.WithLabelValues(route).Observe(p.deps.Now().Sub(began).Seconds())
	})
}

// notYet returns the problem of a request that comes before the history may be asked. A browser gets the style of the page that says so.
func (p *Page) notYet(route string) error {
	if p.deps.NotYet == nil || route == "assets" {
		return nil
	}
	if why := p.deps.NotYet(); why != "" {
		return &problem{status: http.StatusServiceUnavailable, message: why}
	}
	return nil
}

// judge turns an error into what is told. What is no problem of the request is the history's: it is logged once, until the
// history answers again.
func (p *Page) judge(r *http.Request, err error) *problem {
	if told, ok := errors.AsType[*problem](err); ok {
		return told
	}
	// A reader that went away says nothing about the history.
	gone := errors.Is(err, context.Canceled)
	if !gone && p.away.CompareAndSwap(false, true) {
		p.deps.Logger.WarnContext(r.Context(), "history does not answer", "err", err)
	}
	return &problem{status: http.StatusServiceUnavailable, message: "The history cannot be reached at the moment."}
}

// answer remembers the status for the figures.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the writer below.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// A frame is what the layout of every page needs.
type frame struct {
	Title    string
	Here     string // the entry of the menu that is current
	Pool     string // the pool that is looked at, "" for all
	Now      time.Time
	Refresh  int    // seconds between refreshes, 0 for none
	Toggle   string // this page with refreshing switched the other way, "" where it cannot be
	Live     bool   // refreshing is not switched off
	View     any
	Versions map[string]string // of the assets, so that a browser keeps them until they change
}

func (p *Page) render(w http.ResponseWriter, r *http.Request, status int, name string, f frame) error {
	f.Now = p.deps.Now().UTC()
	f.Live = live(r)
	f.Versions = map[string]string{}
	for name, a := range p.assets {
		f.Versions[name] = a.version
	}
	if p.cfg.Refresh > 0 && status == http.StatusOK {
		if f.Live {
			f.Refresh = int(p.cfg.Refresh.Round(time.Second) / time.Second)
		}
		f.Toggle = toggled(r.URL)
	}
	var page bytes.Buffer
	if err := p.templates[name].Execute(&page, f); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // an error means that the reader has gone
	return nil
}

func (p *Page) pageProblem(w http.ResponseWriter, r *http.Request, e *problem) {
	if e.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	f := frame{Title: http.StatusText(e.status), View: problemView{Status: e.status, Message: e.message}}
	if err := p.render(w, r, e.status, "problem", f); err != nil {
		p.deps.Logger.ErrorContext(r.Context(), "audit page not rendered", "err", err)
		http.Error(w, e.message, e.status)
	}
}

type problemView struct {
	Status  int
	Message string
}

// Away says that the history is not reachable, rather than that the request is wrong.
func (v problemView) Away() bool { return v.Status == http.StatusServiceUnavailable }

func (p *Page) asset(w http.ResponseWriter, r *http.Request) error {
	a, ok := p.assets[r.PathValue("name")]
	if !ok {
		return &problem{status: http.StatusNotFound, message: "There is no such file."}
	}
	w.Header().Set("Content-Type", a.contentType)
	if r.URL.Query().Get("v") == a.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.body) // an error means that the reader has gone
	return nil
}
