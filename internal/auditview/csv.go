package auditview

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func wantsCSV(r *http.Request) (bool, error) {
	switch r.URL.Query().Get("format") {
	case "", "json":
		return false, nil
	case "csv":
		return true, nil
	}
	return false, wrong("format", "format must be json or csv")
}

// The columns of the tables as CSV; adding one at the end is no breaking change.
var (
	stockColumns = []string{
		"sku", "on_hand", "on_order", "available", "backordered", "version", "changed_at", "channel", "location", "state", "failing",
		"told", "told_at", "offer", "offered_at", "reason", "observed", "observed_at",
	}
	toldColumns = []string{
		"pool", "channel", "account", "sku", "location", "offset", "recorded_at", "state", "kind", "quantity", "compare", "expected", "level",
		"offer_version", "sold", "released", "attempt", "idempotency_key", "request_id", "reply_id", "reply_class", "reply", "reason", "command",
		"offered_at", "occurred_at", "attempted_at", "replied_at", "arithmetic", "order_id", "fulfilment_id",
	}
	rejectionColumns = []string{
		"class", "reason", "field", "topic", "partition", "offset", "index", "pool", "version", "ordinal", "rejected_at", "applied", "value", "value_base64",
	}
)

// stockCSV writes one row for each SKU and place it is listed at, one with empty places where it is listed nowhere.
func stockCSV(rows []StockRow, lowers map[string]bool, row func(...any)) {
	for i := range rows {
		s := &rows[i]
		counts := []any{s.SKU, s.OnHand, s.OnOrder, s.Available, s.Backordered, s.Version, s.ChangedAt}
		if len(s.Channels) == 0 {
			row(counts...)
		}
		for j := range s.Channels {
			c := &s.Channels[j]
			var told, offered *stock.Quantity
			if c.Told.Version != 0 {
				told = &c.Told.Quantity
			}
			if c.Offer.Version != 0 {
				offered = &c.Offer.Quantity
			}
			row(append(counts[:len(counts):len(counts)], c.Channel, c.Location, listingState(c, lowers[c.Channel]).Key, c.Failing,
				told, c.Told.At, offered, c.Offer.ChangedAt, c.Offer.Reason, c.Observed, c.ObservedAt)...)
		}
	}
}

func toldCSV(t *Told, arithmetic string, row func(...any)) {
	row(t.Pool, t.Channel, t.Account, t.SKU, t.Location, t.Offset, t.RecordedAt, stateOf(t.State).Key, kindKey(t.Kind), t.Quantity, t.Compare, t.Expected, t.Level,
		t.OfferVersion, t.Sold, t.Released, int64(t.Attempt), t.IdempotencyKey, t.RequestID, t.ReplyID, t.ReplyClass, t.Reply, t.Reason, t.Command,
		t.OfferedAt, t.OccurredAt, t.AttemptedAt, t.RepliedAt, arithmetic, t.OrderID, t.FulfilmentID)
}

// rejectionCSV gives the bytes as text where they are, else as base64.
func rejectionCSV(r *record.Rejection, row func(...any)) {
	value, encoded := string(r.Value), ""
	if !utf8.Valid(r.Value) {
		value, encoded = "", base64.StdEncoding.EncodeToString(r.Value)
	}
	row(r.Class, r.Reason, r.Field, r.Topic, int64(r.Partition), r.Offset, int64(r.Index), r.Pool, r.Version, int64(r.Ordinal), r.RejectedAt, r.Applied, value, encoded)
}

// kindKey is the contract's word for what was asked.
func kindKey(k record.CommunicationKind) string {
	switch k {
	case record.SetLevel:
		return "set_level"
	case record.CompareAndSet:
		return "compare_and_set"
	case record.ReadLevel:
		return "read_level"
	case record.ConfirmShipment:
		return "confirm_shipment"
	}
	return ""
}

// writeCSV answers with a table in the form of RFC 4180. fill calls row once a row; short rows are filled up.
func writeCSV(w http.ResponseWriter, name string, columns []string, fill func(row func(...any))) error {
	var body bytes.Buffer
	out := csv.NewWriter(&body)
	out.UseCRLF = true
	_ = out.Write(columns) // a buffer takes everything; Flush reports what else there could be
	fields := make([]string, len(columns))
	fill(func(values ...any) {
		clear(fields)
		for i, v := range values {
			fields[i] = csvField(v)
		}
		_ = out.Write(fields)
	})
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write the answer as CSV: %w", err)
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	_, _ = w.Write(body.Bytes()) // an error means that the reader has gone
	return nil
}

// csvField writes one value. Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay as
// they are, signs included.
func csvField(v any) string {
	switch v := v.(type) {
	case string:
		if v != "" {
			switch v[0] {
			case '=', '+', '-', '@', '\t', '\r', '\n':
				return "'" + v
			}
		}
		return v
	case stock.Quantity:
		return strconv.FormatInt(int64(v), 10)
	case *stock.Quantity:
		if v == nil {
			return ""
		}
		return strconv.FormatInt(int64(*v), 10)
	case stock.Version:
		return strconv.FormatUint(uint64(v), 10)
	case stock.Instant:
		return v.String()
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	}
	return fmt.Sprint(v)
}
