package auditview

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A toldAnswer is a page of what a listing's channel was ever told.
type toldAnswer struct {
	filter ToldFilter
	rows   []ToldRow
	next   int64 // offset to go on below, 0 at the end
}

func (p *Page) toldRows(ctx context.Context, r *http.Request, instead int) (toldAnswer, error) {
	q := r.URL.Query()
	var a toldAnswer
	if err := known(q, "pool", "channel", "sku", "before", "limit", "live", "format"); err != nil {
		return a, err
	}
	var err error
	if a.filter.Pool, a.filter.Channel, a.filter.SKU, err = listingOf(r); err != nil {
		return a, err
	}
	if a.filter.Before, err = number(q, "before", 0, math.MaxInt64, 0); err != nil {
		return a, err
	}
	limit, err := number(q, "limit", 1, maxRows, int64(instead))
	if err != nil {
		return a, err
	}
	a.filter.Limit = int(limit) + 1
	if a.rows, err = p.deps.Queries.Told(ctx, a.filter); err != nil {
		return a, fmt.Errorf("read what %q was told of %q: %w", a.filter.Channel, a.filter.SKU, err)
	}
	if len(a.rows) > int(limit) {
		a.rows = a.rows[:limit]
		a.next = a.rows[limit-1].Offset
	}
	return a, nil
}

type toldView struct {
	Pool, Channel, SKU string
	Rows               []toldLine
	Located            bool // some row names a location
	Newest             []newestOffer
	Charts             []chart
	Back, First, Next  string
	JSON, CSV          string
}

// A newestOffer is the offer in force at a location.
type newestOffer struct {
	*record.Offer
	Arithmetic string
}

// Columns returns how many columns the table has.
func (v toldView) Columns() int {
	if v.Located {
		return 12
	}
	return 11
}

type toldLine struct {
	ToldRow
	Word       stateWord
	At         stock.Instant
	Kind       string
	Arithmetic string // "" where the row above says it
	Latency    string
	Lateness   string
}

func (p *Page) toldPage(w http.ResponseWriter, r *http.Request) error {
	a, err := p.toldRows(r.Context(), r, p.cfg.PageRows)
	if err != nil {
		return err
	}
	f := a.filter
	offers, err := p.deps.Queries.Offers(r.Context(), f.Pool, f.Channel, f.SKU, chartOffers)
	if err != nil {
		return fmt.Errorf("read the offers of %q to %q: %w", f.SKU, f.Channel, err)
	}
	if len(a.rows) == 0 && len(offers) == 0 {
		return missing("sku", "Nothing is known of a listing of %q on channel %q in pool %q: no offer, and nothing told.", f.SKU, f.Channel, f.Pool)
	}
	v := toldView{Pool: f.Pool, Channel: f.Channel, SKU: f.SKU, Rows: toldLines(a.rows)}
	for _, row := range a.rows {
		v.Located = v.Located || row.Location != ""
	}
	v.Newest = newestOffers(offers)
	until := stock.InstantOf(p.deps.Now())
	if f.Before > 0 && len(a.rows) > 0 {
		until = momentOf(&a.rows[0].Told)
	}
	lowers, err := p.deps.Queries.LowersOwnLevel(r.Context(), f.Pool, f.Channel)
	if err != nil {
		return fmt.Errorf("read whether %q lowers its own level: %w", f.Channel, err)
	}
	v.Charts = charts(offers, a.rows, lowers, until)
	path := toldPath(f.Pool, f.Channel, f.SKU)
	limit := r.URL.Query().Get("limit")
	if f.Before > 0 {
		v.First = with(r, path, "limit", limit)
	}
	if a.next != 0 {
		v.Next = with(r, path, "before", strconv.FormatInt(a.next, 10), "limit", limit)
	}
	v.Back = with(r, "/", "pool", f.Pool)
	v.JSON = with(r, "/api/v1/told", "pool", f.Pool, "channel", f.Channel, "sku", f.SKU)
	v.CSV = with(r, "/api/v1/told", "pool", f.Pool, "channel", f.Channel, "sku", f.SKU, "format", "csv", "limit", strconv.Itoa(maxRows))
	return p.render(w, r, http.StatusOK, "told", frame{Title: f.SKU + " on " + f.Channel, Pool: f.Pool, View: v})
}

// toldLines prepares rows for reading. An attempt whose outcome stands on the same page leaves the arithmetic to it.
func toldLines(rows []ToldRow) []toldLine {
	type try struct {
		key     string
		attempt int32
	}
	settled := map[try]bool{}
	lines := make([]toldLine, len(rows))
	for i := range rows {
		c := &rows[i].Communication
		l := toldLine{ToldRow: rows[i], Word: stateOf(c.State), At: momentOf(&rows[i].Told), Kind: kindText(c.Kind)}
		t := try{c.IdempotencyKey, c.Attempt}
		switch {
		case c.State != record.Attempted:
			settled[t] = settled[t] || c.IdempotencyKey != ""
			l.Arithmetic = derivation(c, rows[i].Offer)
		case !settled[t]:
			l.Arithmetic = derivation(c, rows[i].Offer)
		}
		if c.RepliedAt != 0 && c.AttemptedAt != 0 {
			l.Latency = precise(c.RepliedAt.Sub(c.AttemptedAt))
		}
		if c.RepliedAt != 0 && c.OccurredAt != 0 {
			l.Lateness = precise(c.RepliedAt.Sub(c.OccurredAt))
		}
		lines[i] = l
	}
	return lines
}

// momentOf returns when a communication happened: its reply, else its request, else when it was recorded.
func momentOf(t *Told) stock.Instant {
	switch {
	case t.State != record.Attempted && t.RepliedAt != 0:
		return t.RepliedAt
	case t.AttemptedAt != 0:
		return t.AttemptedAt
	}
	return t.RecordedAt
}

// precise writes a short duration with the digits that matter.
func precise(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 2, 64) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return d.Round(time.Second).String()
}

// newestOffers returns the last offer of each location with its arithmetic, in the order of the locations.
func newestOffers(offers []record.Offer) []newestOffer {
	var newest []newestOffer
	for i := range slices.Backward(offers) {
		o := &offers[i]
		if !slices.ContainsFunc(newest, func(n newestOffer) bool { return n.Location == o.Location }) {
			newest = append(newest, newestOffer{Offer: o, Arithmetic: Arithmetic(o)})
		}
	}
	slices.SortFunc(newest, func(a, b newestOffer) int { return strings.Compare(a.Location, b.Location) })
	return newest
}
