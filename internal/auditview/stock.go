package auditview

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/shelfwire/shelfwire/internal/stock"
)

// A stockAnswer is one page of the communicated-stock table with what it was asked by.
type stockAnswer struct {
	filter   StockFilter
	pools    []string
	channels []ChannelRow
	rows     []StockRow
	next     string // SKU to go on after, "" at the end
}

// stockRows answers a request for the communicated-stock table. instead is how many rows it has where the request does not say.
func (p *Page) stockRows(ctx context.Context, r *http.Request, instead int) (stockAnswer, error) {
	q := r.URL.Query()
	if err := known(q, "pool", "search", "after", "limit", "live", "format"); err != nil {
		return stockAnswer{}, err
	}
	var a stockAnswer
	var err error
	if a.filter.Search, err = text(q, "search"); err != nil {
		return a, err
	}
	a.filter.Search = strings.TrimSpace(a.filter.Search)
	if a.filter.After, err = text(q, "after"); err != nil {
		return a, err
	}
	limit, err := number(q, "limit", 1, maxRows, int64(instead))
	if err != nil {
		return a, err
	}
	if a.filter.Pool, a.pools, err = p.poolOf(ctx, q); err != nil || a.filter.Pool == "" {
		return a, err
	}
	if a.channels, err = p.deps.Queries.Channels(ctx, a.filter.Pool); err != nil {
		return a, fmt.Errorf("read the channels of %q: %w", a.filter.Pool, err)
	}
	// One row more than is shown says whether there is a next page.
	a.filter.Limit = int(limit) + 1
	if a.rows, err = p.deps.Queries.Stock(ctx, a.filter); err != nil {
		return a, fmt.Errorf("read stock of %q: %w", a.filter.Pool, err)
	}
	if len(a.rows) > int(limit) {
		a.rows = a.rows[:limit]
		a.next = a.rows[limit-1].SKU
	}
	return a, nil
}

// lowers says of every channel whether it lowers its own level.
func (a *stockAnswer) lowers() map[string]bool {
	m := make(map[string]bool, len(a.channels))
	for _, c := range a.channels {
		m[c.Channel] = c.LowersOwnLevel
	}
	return m
}

type stockView struct {
	Pools        []string
	Pool, Search string
	Totals       Totals
	Channels     []ChannelRow
	Rows         []stockLine
	First, Next  string // addresses, "" where there is none
	JSON, CSV    string
	Failures     string
	Clear        string // this pool without a search
	LiveOff      bool
	Legend       []stateWord
}

type stockLine struct {
	StockRow
	Cells []cell // one a channel of the view, in its order
}

// A cell is what one channel was told of one SKU, by location.
type cell struct {
	Path  string
	Items []cellItem
}

type cellItem struct {
	ChannelStock
	Word stateWord
	Note string
}

func (p *Page) stockPage(w http.ResponseWriter, r *http.Request) error {
	a, err := p.stockRows(r.Context(), r, p.cfg.PageRows)
	if err != nil {
		return err
	}
	v := stockView{Pools: a.pools, Pool: a.filter.Pool, Search: a.filter.Search, LiveOff: !live(r), Legend: legend}
	if v.Pool != "" {
		if v.Totals, err = p.deps.Queries.Totals(r.Context(), v.Pool); err != nil {
			return fmt.Errorf("read the totals of %q: %w", v.Pool, err)
		}
	}
	v.Channels = shownChannels(a.channels, a.rows)
	lowers := a.lowers()
	for _, row := range a.rows {
		v.Rows = append(v.Rows, stockLine{StockRow: row, Cells: cellsOf(v.Pool, &row, v.Channels, lowers)})
	}
	limit := r.URL.Query().Get("limit")
	if a.filter.After != "" {
		v.First = with(r, "/", "pool", v.Pool, "search", v.Search, "limit", limit)
	}
	if a.next != "" {
		v.Next = with(r, "/", "pool", v.Pool, "search", v.Search, "limit", limit, "after", a.next)
	}
	v.JSON = with(r, "/api/v1/stock", "pool", v.Pool, "search", v.Search)
	v.CSV = with(r, "/api/v1/stock", "pool", v.Pool, "search", v.Search, "format", "csv", "limit", fmt.Sprint(maxRows))
	v.Clear = with(r, "/", "pool", v.Pool)
	v.Failures = with(r, "/failures", "pool", v.Pool)
	return p.render(w, r, http.StatusOK, "stock", frame{Title: "Communicated stock", Here: "stock", Pool: v.Pool, View: v})
}

// shownChannels returns the channels that have a column: those that are not deleted, and those that a row still speaks of.
func shownChannels(channels []ChannelRow, rows []StockRow) []ChannelRow {
	spoken := map[string]bool{}
	for i := range rows {
		for j := range rows[i].Channels {
			spoken[rows[i].Channels[j].Channel] = true
		}
	}
	var shown []ChannelRow
	for _, c := range channels {
		if !c.Deleted || spoken[c.Channel] {
			shown = append(shown, c)
		}
		delete(spoken, c.Channel)
	}
	for channel := range spoken { // offered or told before the channel's own state is stored
		shown = append(shown, ChannelRow{Channel: channel})
	}
	slices.SortFunc(shown, func(a, b ChannelRow) int { return strings.Compare(a.Channel, b.Channel) })
	return shown
}

func cellsOf(pool string, row *StockRow, channels []ChannelRow, lowers map[string]bool) []cell {
	cells := make([]cell, len(channels))
	for i, c := range channels {
		for j := range row.Channels {
			s := &row.Channels[j]
			if s.Channel != c.Channel {
				continue
			}
			cells[i].Path = toldPath(pool, c.Channel, row.SKU)
			cells[i].Items = append(cells[i].Items, cellItem{ChannelStock: *s, Word: listingState(s, lowers[c.Channel]), Note: noteOf(s, lowers[c.Channel])})
		}
	}
	return cells
}

// noteOf says what the state alone does not.
func noteOf(c *ChannelStock, lowers bool) string {
	var notes []string
	if c.Offer.Version != 0 {
		notes = append(notes, "offer "+quantity(c.Offer.Quantity)+" since "+utc(c.Offer.ChangedAt)+" ("+reasonText(c.Offer.Reason)+")")
	}
	if c.Told.Version != 0 {
		notes = append(notes, "told "+quantity(c.Told.Quantity)+" at "+utc(c.Told.At))
		if sold := c.Told.Quantity - c.Level(lowers); sold != 0 {
			notes = append(notes, "net sold there since: "+quantity(sold))
		}
	}
	if c.Observed != nil {
		notes = append(notes, "read "+quantity(*c.Observed)+" at "+utc(c.ObservedAt))
	}
	if c.StateAt != 0 {
		notes = append(notes, "last word "+stateOf(c.State).Label+" at "+utc(c.StateAt))
	}
	return strings.Join(notes, " · ")
}

// Differs says that the offer is another number than what was told last.
func (i cellItem) Differs() bool {
	return i.Offer.Version != 0 && (i.Word == statePending || i.Word != stateTold && i.Word != stateInStep && i.Offer.Quantity != i.Told.Quantity)
}

// Quantity returns what the channel acknowledged last, nil where it never did.
func (i cellItem) Quantity() *stock.Quantity {
	if i.Told.Version == 0 {
		return nil
	}
	return &i.Told.Quantity
}
