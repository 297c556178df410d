package auditview

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// A listAnswer is what the API answers: its items, and how to go on, null at the end.
type listAnswer[T any] struct {
	Pool  string  `json:"pool,omitempty"`
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

type stockItem struct {
	SKU         string         `json:"sku"`
	OnHand      stock.Quantity `json:"on_hand"`
	OnOrder     stock.Quantity `json:"on_order"`
	Available   stock.Quantity `json:"available"`
	Backordered stock.Quantity `json:"backordered"`
	Version     stock.Version  `json:"version"`
	ChangedAt   moment         `json:"changed_at"`
	Channels    []channelItem  `json:"channels"`
}

type channelItem struct {
	Channel    string          `json:"channel"`
	Location   string          `json:"location"`
	State      string          `json:"state"`
	Failing    bool            `json:"failing"`
	Told       *stock.Quantity `json:"told"`
	ToldAt     moment          `json:"told_at"`
	Offer      *stock.Quantity `json:"offer"`
	OfferedAt  moment          `json:"offered_at"`
	Reason     string          `json:"reason"`
	Observed   *stock.Quantity `json:"observed"`
	ObservedAt moment          `json:"observed_at"`
	LastState  string          `json:"last_state"` // of the newest communication
	LastAt     moment          `json:"last_at"`
}

// A communicationItem is a communication in the words of the contract, in its place, with its offer.
type communicationItem struct {
	Offset        int64           `json:"offset"`
	RecordedAt    moment          `json:"recorded_at"`
	Communication json.RawMessage `json:"communication"`
	Offer         json.RawMessage `json:"offer,omitempty"`
	Arithmetic    string          `json:"arithmetic,omitempty"`
}

// A moment is an instant in JSON: RFC 3339, null for 0.
type moment stock.Instant

// MarshalJSON writes the instant.
func (m moment) MarshalJSON() ([]byte, error) {
	if m == 0 {
		return []byte("null"), nil
	}
	return strconv.AppendQuote(nil, stock.Instant(m).String()), nil
}

func (p *Page) stockAPI(w http.ResponseWriter, r *http.Request) error {
	csv, err := wantsCSV(r)
	if err != nil {
		return err
	}
	a, err := p.stockRows(r.Context(), r, defaultRows)
	if err != nil {
		return err
	}
	lowers := a.lowers()
	if a.next != "" {
		link(w, r, "after", a.next)
	}
	if csv {
		return writeCSV(w, "stock", stockColumns, func(row func(...any)) { stockCSV(a.rows, lowers, row) })
	}
	items := make([]stockItem, 0, len(a.rows))
	for i := range a.rows {
		items = append(items, newStockItem(&a.rows[i], lowers))
	}
	return writeJSON(w, http.StatusOK, listAnswer[stockItem]{Pool: a.filter.Pool, Items: items, Next: optionalText(a.next)})
}

func newStockItem(row *StockRow, lowers map[string]bool) stockItem {
	item := stockItem{
		SKU: row.SKU, OnHand: row.OnHand, OnOrder: row.OnOrder, Available: row.Available, Backordered: row.Backordered,
		Version: row.Version, ChangedAt: moment(row.ChangedAt), Channels: make([]channelItem, 0, len(row.Channels)),
	}
	for i := range row.Channels {
		c := &row.Channels[i]
		ch := channelItem{
			Channel: c.Channel, Location: c.Location, State: listingState(c, lowers[c.Channel]).Key, Failing: c.Failing,
			ToldAt: moment(c.Told.At), OfferedAt: moment(c.Offer.ChangedAt), Reason: c.Offer.Reason,
			Observed: c.Observed, ObservedAt: moment(c.ObservedAt), LastAt: moment(c.StateAt),
		}
		if c.State != 0 {
			ch.LastState = stateOf(c.State).Key
		}
		if c.Told.Version != 0 {
			ch.Told = &c.Told.Quantity
		}
		if c.Offer.Version != 0 {
			ch.Offer = &c.Offer.Quantity
		}
		item.Channels = append(item.Channels, ch)
	}
	return item
}

func (p *Page) toldAPI(w http.ResponseWriter, r *http.Request) error {
	csv, err := wantsCSV(r)
	if err != nil {
		return err
	}
	a, err := p.toldRows(r.Context(), r, defaultRows)
	if err != nil {
		return err
	}
	if len(a.rows) == 0 && a.filter.Before == 0 {
		if _, _, err := p.poolOf(r.Context(), url.Values{"pool": {a.filter.Pool}}); err != nil {
			return err
		}
	}
	next := ""
	if a.next != 0 {
		next = strconv.FormatInt(a.next, 10)
		link(w, r, "before", next)
	}
	if csv {
		return writeCSV(w, "told", toldColumns, func(row func(...any)) {
			for i := range a.rows {
				toldCSV(&a.rows[i].Told, derivation(&a.rows[i].Communication, a.rows[i].Offer), row)
			}
		})
	}
	items := make([]communicationItem, 0, len(a.rows))
	for i := range a.rows {
		item := newCommunicationItem(&a.rows[i].Told)
		item.Arithmetic = derivation(&a.rows[i].Communication, a.rows[i].Offer)
		item.Offer = json.RawMessage("null")
		if a.rows[i].Offer != nil {
			item.Offer = offerJSON(a.rows[i].Offer)
		}
		items = append(items, item)
	}
	return writeJSON(w, http.StatusOK, listAnswer[communicationItem]{Pool: a.filter.Pool, Items: items, Next: optionalText(next)})
}

// offerJSON writes an offer in the words of the contract, without the envelope of its topic.
func offerJSON(o *record.Offer) json.RawMessage {
	envelope := codec.AppendOfferRecordJSON(nil, &record.OfferRecord{Offer: o})
	return bytes.TrimSuffix(bytes.TrimPrefix(envelope, []byte(`{"offer":`)), []byte("}"))
}

func newCommunicationItem(t *Told) communicationItem {
	return communicationItem{
		Offset: t.Offset, RecordedAt: moment(t.RecordedAt), Communication: codec.AppendCommunicationJSON(nil, &t.Communication),
	}
}

func (p *Page) failuresAPI(w http.ResponseWriter, r *http.Request) error {
	csv, err := wantsCSV(r)
	if err != nil {
		return err
	}
	l, _, err := p.limited(r.Context(), r, defaultRows)
	if err != nil {
		return err
	}
	rows, err := p.deps.Queries.Failures(r.Context(), l.pool, l.limit)
	if err != nil {
		return fmt.Errorf("read failures of %q: %w", l.pool, err)
	}
	if csv {
		return writeCSV(w, "failures", toldColumns, func(row func(...any)) {
			for i := range rows {
				toldCSV(&rows[i], "", row)
			}
		})
	}
	items := make([]communicationItem, 0, len(rows))
	for i := range rows {
		items = append(items, newCommunicationItem(&rows[i]))
	}
	return writeJSON(w, http.StatusOK, listAnswer[communicationItem]{Pool: l.pool, Items: items})
}

func (p *Page) rejectionsAPI(w http.ResponseWriter, r *http.Request) error {
	csv, err := wantsCSV(r)
	if err != nil {
		return err
	}
	l, _, err := p.limited(r.Context(), r, defaultRows)
	if err != nil {
		return err
	}
	rows, err := p.deps.Queries.Rejections(r.Context(), l.pool, l.limit)
	if err != nil {
		return fmt.Errorf("read rejections of %q: %w", l.pool, err)
	}
	if csv {
		return writeCSV(w, "rejections", rejectionColumns, func(row func(...any)) {
			for i := range rows {
				rejectionCSV(&rows[i], row)
			}
		})
	}
	items := make([]json.RawMessage, 0, len(rows))
	for i := range rows {
		items = append(items, codec.AppendRejectionJSON(nil, &rows[i]))
	}
	return writeJSON(w, http.StatusOK, listAnswer[json.RawMessage]{Pool: l.pool, Items: items})
}

// link names the next page in a header, for formats that have no place for it, too.
func link(w http.ResponseWriter, r *http.Request, name, value string) {
	q := r.URL.Query()
	q.Set(name, value)
	w.Header().Set("Link", "<"+address(r.URL.EscapedPath(), q)+`>; rel="next"`)
}

func optionalText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the answer as JSON: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // an error means that the reader has gone
	return nil
}

type errorAnswer struct {
	Error string `json:"error"`
	Field string `json:"field,omitempty"`
}

func (p *Page) apiProblem(w http.ResponseWriter, r *http.Request, e *problem) {
	if e.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if err := writeJSON(w, e.status, errorAnswer{Error: e.message, Field: e.field}); err != nil {
		p.deps.Logger.ErrorContext(r.Context(), "error answer not written", "err", err)
	}
}
