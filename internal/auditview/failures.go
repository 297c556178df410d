package auditview

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// maxExcerptRunes bounds how much of a rejected input the page shows; the API has all of it.
const maxExcerptRunes = 300

// A limited request names a pool, or none for all, and how many rows it wants.
type limited struct {
	pool  string
	limit int
}

func (p *Page) limited(ctx context.Context, r *http.Request, instead int) (l limited, pools []string, err error) {
	q := r.URL.Query()
	if err := known(q, "pool", "limit", "live", "format"); err != nil {
		return l, nil, err
	}
	limit, err := number(q, "limit", 1, maxRows, int64(instead))
	if err != nil {
		return l, nil, err
	}
	named, pools, err := p.poolOf(ctx, q)
	if err != nil {
		return l, nil, err
	}
	if q.Get("pool") == "" {
		named = ""
	}
	return limited{pool: named, limit: int(limit)}, pools, nil
}

type failuresView struct {
	Pools            []string
	Pool             string
	LiveOff          bool
	Rows             []failureLine
	Rejections       []rejectionLine
	JSON, CSV        string
	RejectionsJSON   string
	RejectionsCSV    string
	Limit            int
	Full, FullInputs bool // there may be more than is shown
}

type failureLine struct {
	Told
	Word stateWord
	At   stock.Instant
	Kind string
	Path string
}

type rejectionLine struct {
	record.Rejection
	Place, Excerpt string
}

func (p *Page) failuresPage(w http.ResponseWriter, r *http.Request) error {
	l, pools, err := p.limited(r.Context(), r, p.cfg.PageRows)
	if err != nil {
		return err
	}
	failures, err := p.deps.Queries.Failures(r.Context(), l.pool, l.limit)
	if err != nil {
		return fmt.Errorf("read failures of %q: %w", l.pool, err)
	}
	rejections, err := p.deps.Queries.Rejections(r.Context(), l.pool, l.limit)
	if err != nil {
		return fmt.Errorf("read rejections of %q: %w", l.pool, err)
	}
	most := strconv.Itoa(maxRows)
	v := failuresView{
		Pools: pools, Pool: l.pool, LiveOff: !live(r), Limit: l.limit,
		Full: len(failures) == l.limit, FullInputs: len(rejections) == l.limit,
		JSON:           with(r, "/api/v1/failures", "pool", l.pool),
		CSV:            with(r, "/api/v1/failures", "pool", l.pool, "format", "csv", "limit", most),
		RejectionsJSON: with(r, "/api/v1/rejections", "pool", l.pool),
		RejectionsCSV:  with(r, "/api/v1/rejections", "pool", l.pool, "format", "csv", "limit", most),
	}
	for i := range failures {
		t := &failures[i]
		v.Rows = append(v.Rows, failureLine{
			Told: *t, Word: stateOf(t.State), At: momentOf(t), Kind: kindText(t.Kind), Path: toldPath(t.Pool, t.Channel, t.SKU),
		})
	}
	for i := range rejections {
		v.Rejections = append(v.Rejections, rejectionLine{Rejection: rejections[i], Place: placeOf(&rejections[i]), Excerpt: excerpt(rejections[i].Value)})
	}
	return p.render(w, r, http.StatusOK, "failures", frame{Title: "Failures", Here: "failures", Pool: l.pool, View: v})
}

// placeOf says where a rejected input came from.
func placeOf(r *record.Rejection) string {
	switch r.Topic {
	case "http":
		return "HTTP, row " + strconv.Itoa(int(r.Index))
	case "":
		return "—"
	}
	return r.Topic + " " + strconv.Itoa(int(r.Partition)) + ":" + strconv.FormatInt(r.Offset, 10)
}

// excerpt makes the beginning of bytes readable: what does not print is replaced.
func excerpt(value []byte) string {
	var out []rune
	for len(value) > 0 {
		if len(out) == maxExcerptRunes {
			return string(out) + "…"
		}
		c, size := utf8.DecodeRune(value)
		value = value[size:]
		if !unicode.IsPrint(c) {
			c = '·'
		}
		out = append(out, c)
	}
	return string(out)
}

// NewestFailures merges failures that are each sorted newest first, up to limit.
func NewestFailures(limit int, parts ...[]Told) []Told {
	all := slices.Concat(parts...)
	slices.SortStableFunc(all, func(a, b Told) int {
		return cmp.Or(cmp.Compare(b.RecordedAt, a.RecordedAt), cmp.Compare(b.Offset, a.Offset))
	})
	return all[:min(limit, len(all))]
}
