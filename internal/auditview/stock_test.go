package auditview_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func TestTheStockTableSaysWhatEveryChannelWasTold(t *testing.T) {
	page := parse(t, get(t, newPage(t, retailer(), auditview.Config{}), "/").Body.String())
	tests := []struct {
		sku  string
		want []string
	}{
		{"BOOT-42-ALT", []string{"BOOT-42-ALT", "50", "0", "50", "0", "51", "2 min ago", "… pending offer 50"}},
		{"CAP-NAVY", []string{"CAP-NAVY", "12", "3", "9", "0", "11", "8 s ago", "? unknown offer 9"}},
		{"COAT-WOOL-L", []string{"COAT-WOOL-L", "19", "4", "15", "0", "19", "15 s ago", "→ attempted offer 15"}},
	}
	for _, tt := range tests {
		if got := page.row(t, tt.sku); !slices.Equal(got[:len(tt.want)], tt.want) {
			t.Errorf("row %s = %q, want %q…", tt.sku, got, tt.want)
		}
	}
	if got := page.row(t, "COAT-WOOL-L"); len(got) != 5+3*3 || got[13] != "not listed" {
		t.Errorf("the row of a SKU that one channel does not list = %q", got)
	}
	locations := page.row(t, "APRON-LINEN")
	if got := locations[8:11]; got[0] != "3 3" || !strings.Contains(got[2], "Laval") || !strings.Contains(got[2], "Montréal") {
		t.Errorf("a channel with two locations = %q", got)
	}
	totals := page.row(t, "500 SKUs in the pool")
	if got := strings.Join(totals, "|"); got != "500 SKUs in the pool|18 422|913|17 509|12|30 listed · 2 failing|60 listed · none failing · orders known until 20 s ago|24 listed · 3 failing · orders known until 2 h ago" {
		t.Errorf("totals = %s", got)
	}
	silent := 0 // one of the two
	for _, attr := range page.Attrs {
		if strings.HasPrefix(attr, "title=nothing is heard of its orders") {
			silent++
		}
	}
	if silent != 1 {
		t.Errorf("%d channels are shown as silent, want the one of which nothing was heard for two hours", silent)
	}
	for _, tag := range []string{"caption", "thead", "tfoot", "h1", "main", "nav"} {
		if page.Tags[tag] != 1 {
			t.Errorf("%d <%s>, want 1", page.Tags[tag], tag)
		}
	}
	if !slices.Contains(page.Attrs, "scope=row") || !slices.Contains(page.Attrs, "scope=colgroup") || !slices.Contains(page.Attrs, "aria-current=page") {
		t.Error("the table's headers have no scope, or the menu does not say where one is")
	}
}

func TestStatesOfAListing(t *testing.T) {
	told := auditview.ToldNow{Quantity: 10, Version: 5, At: ago(time.Minute)}
	offer := func(q, sold, released stock.Quantity) auditview.OfferNow {
		return auditview.OfferNow{Quantity: q, Sold: sold, Released: released, Version: 6, ChangedAt: ago(time.Second), Reason: "in_stock"}
	}
	tests := []struct {
		name   string
		lowers bool
		in     auditview.ChannelStock
		want   string
	}{
		{"the same quantity", false, auditview.ChannelStock{Offer: offer(10, 0, 0), Told: told, State: record.Acknowledged}, "told"},
		{"another quantity", false, auditview.ChannelStock{Offer: offer(9, 0, 0), Told: told, State: record.Acknowledged}, "pending"},
		{"lowered by the channel's own sale, which needs no telling", true, auditview.ChannelStock{Offer: offer(9, 1, 0), Told: told, State: record.Acknowledged}, "told"},
		{"a sale at a channel that does not lower its level", false, auditview.ChannelStock{Offer: offer(9, 1, 0), Told: told, State: record.Acknowledged}, "pending"},
		{"sold there and given back", true, auditview.ChannelStock{Offer: offer(10, 3, 3), Told: told, State: record.Acknowledged}, "told"},
		{"another channel sold as well", true, auditview.ChannelStock{Offer: offer(8, 1, 0), Told: told, State: record.Acknowledged}, "pending"},
		{"offered and never told", false, auditview.ChannelStock{Offer: offer(3, 0, 0)}, "pending"},
		{"never told, but the level that was read is right", true, auditview.ChannelStock{Offer: offer(3, 0, 0), State: record.Observed, Observed: ref(3), ObservedAt: ago(1)}, "in_step"},
		{"read before it was told", false, auditview.ChannelStock{Offer: offer(9, 0, 0), Told: told, State: record.Acknowledged, Observed: ref(9), ObservedAt: ago(time.Hour)}, "pending"},
		{"stopped and never told", false, auditview.ChannelStock{Offer: auditview.OfferNow{Version: 2, Stopped: true, Reason: "not_opted_in"}}, "none"},
		{"nothing at all", false, auditview.ChannelStock{}, "none"},
		{"on its way", false, auditview.ChannelStock{Offer: offer(9, 0, 0), Told: told, State: record.Attempted}, "attempted"},
		{"no answer", false, auditview.ChannelStock{Offer: offer(9, 0, 0), Told: told, State: record.Unknown}, "unknown"},
		{"refused", false, auditview.ChannelStock{Offer: offer(9, 0, 0), Told: told, State: record.CommunicationRejected}, "rejected"},
		{"held", false, auditview.ChannelStock{Offer: offer(9, 0, 0), Told: told, State: record.Held}, "held"},
		{"set aside", false, auditview.ChannelStock{Offer: offer(9, 0, 0), Told: told, State: record.Quarantined}, "quarantined"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Channel = "shop"
			f := &fakeHistory{
				pools: []string{"acme"}, channels: []auditview.ChannelRow{{Channel: "shop", LowersOwnLevel: tt.lowers}},
				stock: []auditview.StockRow{{SKU: "SHIRT", Channels: []auditview.ChannelStock{tt.in}}},
			}
			var got stockAnswer
			if err := json.Unmarshal(get(t, newPage(t, f, auditview.Config{}), "/api/v1/stock").Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if state := got.Items[0].Channels[0].State; state != tt.want {
				t.Errorf("state = %s, want %s", state, tt.want)
			}
		})
	}
}

type stockAnswer struct {
	Items []struct {
		SKU      string `json:"sku"`
		Channels []struct {
			State string `json:"state"`
		} `json:"channels"`
	} `json:"items"`
	Next *string `json:"next"`
}

func TestPagesOfTheStockTableFollowOnEachOther(t *testing.T) {
	f := retailer()
	var want []string
	for _, row := range f.stock {
		want = append(want, row.SKU)
	}
	h := newPage(t, f, auditview.Config{PageRows: 7})

	var seen []string
	for target := "/?live=off"; target != ""; {
		page := parse(t, get(t, h, target).Body.String())
		for _, row := range page.Rows {
			if len(row) == 14 && slices.Contains(want, row[0]) {
				seen = append(seen, row[0])
			}
		}
		target = page.href("next page »")
		if target != "" && !strings.Contains(target, "live=off") {
			t.Errorf("the link %s forgets that refreshing is off", target)
		}
	}
	if !slices.Equal(seen, want) {
		t.Errorf("pages show %q, want %q", seen, want)
	}

	seen = nil
	after := ""
	for pages := 0; ; pages++ {
		w := get(t, h, "/api/v1/stock?limit=10&after="+after)
		var got stockAnswer
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for _, item := range got.Items {
			seen = append(seen, item.SKU)
		}
		if got.Next == nil {
			if pages != 2 || w.Header().Get("Link") != "" {
				t.Errorf("ended after %d pages with Link %q", pages+1, w.Header().Get("Link"))
			}
			break
		}
		after = *got.Next
		if wantLink := `</api/v1/stock?after=` + after + `&limit=10>; rel="next"`; w.Header().Get("Link") != wantLink {
			t.Errorf("Link = %s, want %s", w.Header().Get("Link"), wantLink)
		}
	}
	if !slices.Equal(seen, want) {
		t.Errorf("the API gives %q, want %q", seen, want)
	}
}

func TestSearchNarrowsTheTable(t *testing.T) {
	h := newPage(t, retailer(), auditview.Config{})
	page := parse(t, get(t, h, "/?pool=acme&search=+boot+").Body.String())
	var skus []string
	for _, row := range page.Rows {
		if len(row) > 0 && strings.HasPrefix(row[0], "BOOT") {
			skus = append(skus, row[0])
		}
	}
	if !slices.Equal(skus, []string{"BOOT-42", "BOOT-42-ALT", "BOOT-42-XL"}) || strings.Contains(page.Text, "JEANS") {
		t.Errorf("a search for boot shows %q", skus)
	}
	if got := page.href("all SKUs"); got != "/?pool=acme" {
		t.Errorf("the way back leads to %q", got)
	}
	if none := parse(t, get(t, h, "/?search=zzz").Body.String()); !strings.Contains(none.Text, "No SKU of pool acme contains “zzz”.") {
		t.Errorf("a search without a hit says %q", none.Text)
	}
}

func TestEmptyTablesSayWhatToDo(t *testing.T) {
	h := newPage(t, &fakeHistory{}, auditview.Config{})
	if page := parse(t, get(t, h, "/").Body.String()); !strings.Contains(page.Text, "Nothing yet: send") {
		t.Errorf("without a pool the page says %q", page.Text)
	}
	if got := get(t, h, "/api/v1/stock").Body.String(); got != `{"items":[],"next":null}`+"\n" {
		t.Errorf("without a pool the API says %s", got)
	}
	if page := parse(t, get(t, h, "/failures").Body.String()); strings.Count(page.Text, "None: ") != 2 {
		t.Errorf("without failures the page says %q", page.Text)
	}
	h = newPage(t, &fakeHistory{pools: []string{"acme"}}, auditview.Config{})
	if page := parse(t, get(t, h, "/").Body.String()); !strings.Contains(page.Text, "Nothing is counted in pool acme yet") {
		t.Errorf("without a SKU the page says %q", page.Text)
	}
}

func TestRefreshingCanBeSwitched(t *testing.T) {
	f := retailer()
	on := parse(t, get(t, newPage(t, f, auditview.Config{Refresh: 3 * time.Second}), "/?pool=acme").Body.String())
	if !strings.Contains(on.Text, "refreshes every 3 s") || on.Tags["script"] != 1 || on.Tags["noscript"] != 1 || on.href("stop") != "/?live=off&pool=acme" {
		t.Errorf("a page that refreshes: stop leads to %q, tags %v", on.href("stop"), on.Tags)
	}
	off := parse(t, get(t, newPage(t, f, auditview.Config{Refresh: 3 * time.Second}), on.href("stop")).Body.String())
	if off.Tags["script"] != 0 || off.Tags["noscript"] != 0 || off.href("start") != "/?pool=acme" || off.href("Failures") != "/failures?live=off&pool=acme" {
		t.Errorf("a page that does not: start leads to %q, tags %v", off.href("start"), off.Tags)
	}
	never := parse(t, get(t, newPage(t, f, auditview.Config{Refresh: -1}), "/").Body.String())
	if never.Tags["script"] != 0 || never.href("start") != "" || never.href("stop") != "" {
		t.Error("a page that never refreshes offers to")
	}
}

func TestStockAsJSONAndCSV(t *testing.T) {
	f := &fakeHistory{
		pools: []string{"acme"}, channels: []auditview.ChannelRow{{Channel: "shop"}},
		stock: []auditview.StockRow{
			{SKU: "=HAT", OnHand: -2, OnOrder: 1, Available: -3, Backordered: 3, Version: 7, ChangedAt: ago(time.Minute)},
			{SKU: `SHIRT "blue", L`, OnHand: 5, Available: 5, Version: 8, ChangedAt: ago(1500 * time.Microsecond), Channels: []auditview.ChannelStock{{
				Channel: "shop", Location: "@main", State: record.Acknowledged, StateAt: ago(time.Second),
				Offer: auditview.OfferNow{Quantity: 5, Version: 8, ChangedAt: ago(2 * time.Second), Reason: "in_stock"},
				Told:  auditview.ToldNow{Quantity: 5, Version: 8, At: ago(time.Second)},
			}}},
		},
	}
	h := newPage(t, f, auditview.Config{})
	wantJSON := `{"pool":"acme","items":[` +
		`{"sku":"=HAT","on_hand":-2,"on_order":1,"available":-3,"backordered":3,"version":7,"changed_at":"2026-11-20T11:59:00Z","channels":[]},` +
		`{"sku":"SHIRT \"blue\", L","on_hand":5,"on_order":0,"available":5,"backordered":0,"version":8,"changed_at":"2026-11-20T11:59:59.9985Z","channels":[` +
		`{"channel":"shop","location":"@main","state":"told","failing":false,"told":5,"told_at":"2026-11-20T11:59:59Z","offer":5,"offered_at":"2026-11-20T11:59:58Z",` +
		`"reason":"in_stock","observed":null,"observed_at":null,"last_state":"acknowledged","last_at":"2026-11-20T11:59:59Z"}]}],"next":null}` + "\n"
	w := get(t, h, "/api/v1/stock")
	if got := w.Body.String(); got != wantJSON {
		t.Errorf("JSON =\n%s, want\n%s", got, wantJSON)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %s", got)
	}
	wantCSV := "sku,on_hand,on_order,available,backordered,version,changed_at,channel,location,state,failing,told,told_at,offer,offered_at,reason,observed,observed_at\r\n" +
		"'=HAT,-2,1,-3,3,7,2026-11-20T11:59:00Z,,,,,,,,,,,\r\n" +
		`"SHIRT ""blue"", L",5,0,5,0,8,2026-11-20T11:59:59.9985Z,shop,'@main,told,false,5,2026-11-20T11:59:59Z,5,2026-11-20T11:59:58Z,in_stock,,` + "\r\n"
	w = get(t, h, "/api/v1/stock?format=csv")
	if got := w.Body.String(); got != wantCSV {
		t.Errorf("CSV =\n%s, want\n%s", strconv.Quote(got), strconv.Quote(wantCSV))
	}
	if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="stock.csv"` {
		t.Errorf("Content-Disposition = %s", got)
	}
}
