package auditview_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

// noon is the moment at which the fake history is looked at.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) stock.Instant { return stock.InstantOf(noon.Add(-d)) }

// fakeHistory answers from slices, by the rules of [auditview.Queries].
type fakeHistory struct {
	pools      []string
	channels   []auditview.ChannelRow
	totals     auditview.Totals
	stock      []auditview.StockRow // by SKU
	told       []auditview.ToldRow  // newest first
	offers     []record.Offer       // oldest first
	failures   []auditview.Told
	rejections []record.Rejection
	err        error
}

func (f *fakeHistory) Pools(context.Context) ([]string, error) { return f.pools, f.err }

func (f *fakeHistory) Channels(context.Context, string) ([]auditview.ChannelRow, error) {
	return f.channels, f.err
}

func (f *fakeHistory) LowersOwnLevel(_ context.Context, _, channel string) (bool, error) {
	i := slices.IndexFunc(f.channels, func(c auditview.ChannelRow) bool { return c.Channel == channel })
	return i < 0 || f.channels[i].LowersOwnLevel, f.err
}

func (f *fakeHistory) Totals(context.Context, string) (auditview.Totals, error) {
	return f.totals, f.err
}

func (f *fakeHistory) Stock(_ context.Context, q auditview.StockFilter) ([]auditview.StockRow, error) {
	var rows []auditview.StockRow
	for _, row := range f.stock {
		if row.SKU > q.After && strings.Contains(strings.ToLower(row.SKU), strings.ToLower(q.Search)) && len(rows) < q.Limit {
			rows = append(rows, row)
		}
	}
	return rows, f.err
}

func (f *fakeHistory) Told(_ context.Context, q auditview.ToldFilter) ([]auditview.ToldRow, error) {
	var rows []auditview.ToldRow
	for _, row := range f.told {
		if row.Pool == q.Pool && row.Channel == q.Channel && row.SKU == q.SKU && (q.Before <= 0 || row.Offset < q.Before) && len(rows) < q.Limit {
			rows = append(rows, row)
		}
	}
	return rows, f.err
}

func (f *fakeHistory) Offers(_ context.Context, pool, channel, sku string, limit int) ([]record.Offer, error) {
	var rows []record.Offer
	for _, o := range f.offers {
		if o.Pool == pool && o.Channel == channel && o.SKU == sku {
			rows = append(rows, o)
		}
	}
	return rows[max(0, len(rows)-limit):], f.err
}

func (f *fakeHistory) Failures(_ context.Context, _ string, limit int) ([]auditview.Told, error) {
	return f.failures[:min(limit, len(f.failures))], f.err
}

func (f *fakeHistory) Rejections(_ context.Context, _ string, limit int) ([]record.Rejection, error) {
	return f.rejections[:min(limit, len(f.rejections))], f.err
}

func ref(q stock.Quantity) *stock.Quantity { return &q }

// retailer is a history as a shop would have it: 30 SKUs on three channels, one of which has two locations.
func retailer() *fakeHistory {
	f := &fakeHistory{
		pools: []string{"acme", "acme-eu"},
		channels: []auditview.ChannelRow{
			{Channel: "partner-hook", Vendor: "webhook", Account: "acme/partner-hook", Listings: 30, Failing: 2},
			{Channel: "shop-ca", Vendor: "simulated", Account: "acme/shop-ca", Listings: 60, LowersOwnLevel: true, OrdersUntil: ago(20 * time.Second)},
			{Channel: "shop-fr", Vendor: "simulated", Account: "acme/shop-fr", Listings: 24, Failing: 3, LowersOwnLevel: true, OrdersUntil: ago(2 * time.Hour)},
		},
		totals: auditview.Totals{
			SKUs: 500, OnHand: 18_422, OnOrder: 913, Available: 17_509, Backordered: 12, Listings: 1_412, Failing: 5, Communications: 24_891,
			LastEntry: ago(800 * time.Millisecond), LastCommunication: ago(1200 * time.Millisecond),
		},
	}
	names := []string{"APRON-LINEN", "BELT-BRN-M", "BOOT-42", "CAP-NAVY", "COAT-WOOL-L", "GLOVE-S", "HAT", "JEANS-32-34", "SCARF-RED", "SHIRT"}
	for i := range 30 {
		sku := names[i%10] + []string{"", "-ALT", "-XL"}[i/10]
		f.stock = append(f.stock, stockRow(sku, i))
	}
	slices.SortFunc(f.stock, func(a, b auditview.StockRow) int { return strings.Compare(a.SKU, b.SKU) })
	f.tellShirt()
	f.fail()
	return f
}

func stockRow(sku string, i int) auditview.StockRow {
	onHand, onOrder := stock.Quantity(i*i%97+3), stock.Quantity(i%6)
	if i == 17 {
		onHand, onOrder = 2, 9
	}
	available := onHand - onOrder
	shown := max(0, available)
	version := stock.VersionAt(0, int64(1000+i))
	changed := ago(time.Duration(i*i+2) * time.Second)
	row := auditview.StockRow{
		SKU: sku, OnHand: onHand, OnOrder: onOrder, Available: available, Backordered: max(0, -available), Version: version, ChangedAt: changed,
	}
	at := func(channel, location string, state record.CommunicationState) auditview.ChannelStock {
		return auditview.ChannelStock{
			Channel: channel, Location: location,
			Offer: auditview.OfferNow{Quantity: shown, Version: version, ChangedAt: changed, Reason: "in_stock"},
			Told:  auditview.ToldNow{Quantity: shown, Version: version, At: changed.Add(2300 * time.Millisecond)},
			State: state, StateAt: changed.Add(2300 * time.Millisecond),
		}
	}
	hook := at("partner-hook", "", record.Acknowledged)
	switch i {
	case 3:
		hook.State, hook.Failing, hook.Told.Quantity = record.Unknown, true, shown+2
	case 4:
		hook.State, hook.Told.Quantity = record.Attempted, shown+4
	case 12:
		hook.Told.Quantity = shown + 1 // pending
	}
	row.Channels = append(row.Channels, hook, at("shop-ca", "Laval", record.Acknowledged), at("shop-ca", "Montréal", record.Observed))
	if i%5 != 4 {
		fr := at("shop-fr", "", record.Acknowledged)
		switch i {
		case 5:
			fr.State, fr.Failing, fr.Told.Quantity = record.CommunicationRejected, true, shown+1
		case 6:
			fr.State, fr.Failing = record.Held, true
		case 7:
			fr.State, fr.Failing, fr.Told = record.Quarantined, true, auditview.ToldNow{}
		case 8:
			fr.Told, fr.State, fr.StateAt = auditview.ToldNow{}, 0, 0
		case 9:
			fr.Told.Quantity, fr.Offer.Sold = shown+2, 2 // its own sales
		}
		row.Channels = append(row.Channels, fr)
	}
	return row
}

// shirtOffer is the offer that the design's example computes, with on hand at Montréal as given.
func shirtOffer(channel string, offset int64, at stock.Instant, montreal stock.Quantity) record.Offer {
	left := max(0, montreal-4)
	return record.Offer{
		Pool: "acme", Channel: channel, Account: "acme/" + channel, SKU: "SHIRT", Version: stock.VersionAt(0, offset), ChangedAt: at,
		Quantity: max(0, left+15-2), Reason: "in_stock", Sold: 4, Released: 1, ChannelIDs: nil,
		Inputs: record.OfferInputs{
			Outlets: []record.OfferOutlet{
				{Outlet: "MTL", OnHand: montreal, Reserved: 3, SafetyStock: 1, Available: left},
				{Outlet: "LAV", OnHand: 15, Available: 15},
			},
			Buffer: 2, Percent: 100,
		},
	}
}

// tellShirt fills in the last hours of one listing: 24 offers, each told, with a timeout that is replayed and a refusal.
func (f *fakeHistory) tellShirt() {
	levels := []stock.Quantity{10, 9, 9, 7, 6, 30, 29, 27, 24, 22, 21, 18, 18, 15, 12, 9, 8, 6, 4, 4, 40, 38, 35, 33}
	offset := int64(5000)
	for i, level := range levels {
		at := ago(time.Duration(len(levels)-i)*9*time.Minute - 40*time.Second)
		offer := shirtOffer("partner-hook", 700+int64(i), at, level)
		f.offers = append(f.offers, offer)
		key := fmt.Sprintf("msg_%05d_SHIRT", 300+i)
		add := func(c record.Communication) {
			offset++
			c.Pool, c.Channel, c.Account, c.SKU = "acme", "partner-hook", "acme/partner-hook", "SHIRT"
			c.Kind, c.IdempotencyKey, c.OfferVersion, c.Quantity = record.SetLevel, key, offer.Version, offer.Quantity
			c.Sold, c.Released, c.OfferedAt, c.OccurredAt = 4, 1, at, at.Add(-300*time.Millisecond)
			if c.AttemptedAt == 0 {
				c.AttemptedAt = at.Add(2 * time.Second)
			}
			if c.RequestID == "" {
				c.RequestID = fmt.Sprintf("req-%d", offset)
			}
			recorded := max(c.AttemptedAt, c.RepliedAt)
			f.told = append(f.told, auditview.ToldRow{Told: auditview.Told{Communication: c, Offset: offset, RecordedAt: recorded}, Offer: &offer})
		}
		reason := "raise"
		if i > 0 && level <= levels[i-1] {
			reason = "decrease"
		}
		sent, replied := at.Add(2*time.Second), at.Add(2*time.Second+time.Duration(80+i*17)*time.Millisecond)
		switch i {
		case 9, 16:
			add(record.Communication{State: record.Attempted, Attempt: 1, Reason: reason})
			add(record.Communication{State: record.Unknown, Attempt: 1, Reason: reason, ReplyClass: "timeout", Reply: "no answer within 10s", RepliedAt: sent.Add(10 * time.Second)})
			again := sent.Add(25 * time.Second)
			add(record.Communication{State: record.Attempted, Attempt: 2, Reason: "replay", AttemptedAt: again})
			add(record.Communication{State: record.Acknowledged, Attempt: 2, Reason: "replay", AttemptedAt: again, RepliedAt: again.Add(120 * time.Millisecond), ReplyClass: "ok", Reply: "204 No Content"})
		case 13:
			add(record.Communication{State: record.Attempted, Attempt: 1, Reason: reason})
			add(record.Communication{State: record.CommunicationRejected, Attempt: 1, Reason: reason, ReplyClass: "refused", Reply: `422 {"error":"sku SHIRT is not published"}`, RepliedAt: replied})
		default:
			add(record.Communication{State: record.Attempted, Attempt: 1, Reason: reason})
			add(record.Communication{State: record.Acknowledged, Attempt: 1, Reason: reason, ReplyClass: "ok", Reply: "204 No Content", RepliedAt: replied})
		}
	}
	slices.Reverse(f.told)
}

func (f *fakeHistory) fail() {
	states := []struct {
		state                record.CommunicationState
		channel, sku         string
		class, reply, reason string
	}{
		{record.Unknown, "partner-hook", "CAP-NAVY", "timeout", "no answer within 10s", "decrease"},
		{record.CommunicationRejected, "shop-fr", "GLOVE-S", "refused", "422 unknown inventory item", "raise"},
		{record.Held, "shop-fr", "HAT", "throttled", "429 retry after 30 s", "decrease"},
		{record.Quarantined, "shop-fr", "JEANS-32-34", "refused", "422 unknown inventory item (third time)", "raise"},
		{record.Unknown, "partner-hook", "BOOT-42-XL", "connection", "connection reset by peer", "sell_out"},
	}
	for i, s := range states {
		at := ago(time.Duration(i*i*37+4) * time.Second)
		f.failures = append(f.failures, auditview.Told{
			Communication: record.Communication{
				Pool: "acme", Channel: s.channel, Account: "acme/" + s.channel, SKU: s.sku, Kind: record.SetLevel, State: s.state, Attempt: int32(i + 1),
				IdempotencyKey: fmt.Sprintf("msg_f%d", i), Quantity: stock.Quantity(i * 3), ReplyClass: s.class, Reply: s.reply, Reason: s.reason,
				AttemptedAt: at.Add(-time.Second), RepliedAt: at,
			},
			Offset: int64(9000 - i), RecordedAt: at,
		})
	}
	f.rejections = []record.Rejection{
		{Class: "malformed", Reason: "quantity: must be > 0", Field: "movement.quantity", Topic: "movements", Partition: 3, Offset: 18_201, Pool: "acme",
			RejectedAt: ago(9 * time.Second), Value: []byte(`{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":-4}}`)},
		{Class: "negative", Reason: "on hand at LAV falls to −2", Topic: "movements", Partition: 1, Offset: 17_330, Pool: "acme", Version: 1442, Applied: true,
			RejectedAt: ago(4 * time.Minute), Value: []byte(`{"movement":{"pool":"acme","outlet":"LAV","sku":"HAT","kind":"sale","quantity":5}}`)},
		{Class: "malformed", Reason: "not UTF-8 at byte 2", Topic: "http", Index: 7, RejectedAt: ago(3 * time.Hour), Value: []byte("{\"\xff\xfe\x00")},
	}
}
