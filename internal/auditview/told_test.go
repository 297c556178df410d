package auditview_test

import (
	"encoding/csv"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shelfwire/shelfwire/internal/auditview"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func TestAListingShowsEverythingToldWithItsArithmetic(t *testing.T) {
	f := retailer()
	page := parse(t, get(t, newPage(t, f, auditview.Config{PageRows: 1000}), "/told/acme/partner-hook/SHIRT").Body.String())
	var rows [][]string
	for _, row := range page.Rows {
		if strings.HasPrefix(row[0], "2026-11-20 ") {
			rows = append(rows, row)
		}
	}
	if len(rows) != len(f.told) {
		t.Fatalf("%d rows, want one for each of the %d communications", len(rows), len(f.told))
	}
	want := []string{"2026-11-20 11:51:42.471 UTC", "✓ acknowledged", "set", "42", "—", "—", "ok 204 No Content", "1", "471 ms", "decrease", "msg_00323_SHIRT"}
	if !slices.Equal(rows[0], want) {
		t.Errorf("newest row = %q, want %q", rows[0], want)
	}
	for _, want := range []string{
		"MTL 33 on hand − 3 reserved − 1 safety = 29; LAV 15 − 0 − 0 = 15; Σ 44 − waiting 0 − buffer 2 = 42 × 100 % → 42; cap —; floor 0 → 42",
		"written down before the request left; its outcome stands above",
		"timeout no answer within 10s", "refused 422 {\"error\":\"sku SHIRT is not published\"}",
		"42 on offer since 8 min ago (in stock)",
	} {
		if !strings.Contains(page.Text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if !strings.Contains(page.Text, "Step chart of the quantity offered and the quantity told over time; at its end offered 42, told 42.") {
		t.Error("the chart does not say in words what it shows")
	}
	if page.href("« Communicated stock of acme") != "/?pool=acme" {
		t.Errorf("the way back leads to %q", page.href("« Communicated stock of acme"))
	}
}

func TestTheChartHoldsALevelUntilTheNext(t *testing.T) {
	f := retailer()
	page := parse(t, get(t, newPage(t, f, auditview.Config{PageRows: 1000}), "/told/acme/partner-hook/SHIRT").Body.String())
	var paths []string
	for _, a := range page.Attrs {
		if d, ok := strings.CutPrefix(a, "d=M52 "); ok && strings.Contains(d, "V") {
			paths = append(paths, d)
		}
	}
	// 24 offers, of which one was refused and so never told. Told is drawn first, the offer over it.
	if len(paths) != 2 || strings.Count(paths[0], "V") != 23 || strings.Count(paths[1], "V") != 24 {
		t.Fatalf("step lines from the left edge = %q, want one of 23 and one of 24 steps", paths)
	}
	for _, d := range paths {
		if !strings.HasSuffix(d[:strings.LastIndex(d, "V")], "H924") {
			t.Errorf("the line %q does not reach the right edge", d)
		}
	}
	for _, label := range []string{"units", "time (UTC)", "50"} {
		if !strings.Contains(page.Text, label) {
			t.Errorf("the chart has no label %q", label)
		}
	}
}

func TestLevelsAskedForThatAreNotTheOfferAreExplained(t *testing.T) {
	offer := shirtOffer("shop", 9, ago(time.Minute), 10)
	c := record.Communication{
		Pool: "acme", Channel: "shop", SKU: "SHIRT", Kind: record.CompareAndSet, State: record.Acknowledged, Attempt: 1, IdempotencyKey: "k",
		OfferVersion: offer.Version, Quantity: 17, Compare: ref(12), Expected: ref(12), Level: ref(17), Sold: 4, Released: 1,
		AttemptedAt: ago(2 * time.Second), RepliedAt: ago(2*time.Second - 4500*time.Microsecond), OccurredAt: ago(4 * time.Second),
	}
	read := record.Communication{Pool: "acme", Channel: "shop", SKU: "SHIRT", Kind: record.ReadLevel, State: record.Observed, Level: ref(12), OfferVersion: 3, RepliedAt: ago(time.Hour)}
	old := record.Communication{Pool: "acme", Channel: "shop", SKU: "SHIRT", Kind: record.SetLevel, State: record.Held, OfferVersion: 3, RepliedAt: ago(2 * time.Hour)}
	f := &fakeHistory{pools: []string{"acme"}, offers: []record.Offer{offer}, told: []auditview.ToldRow{
		{Told: auditview.Told{Communication: c, Offset: 3}, Offer: &offer}, {Told: auditview.Told{Communication: read, Offset: 2}}, {Told: auditview.Told{Communication: old, Offset: 1}},
	}}
	page := parse(t, get(t, newPage(t, f, auditview.Config{}), "/told/acme/shop/SHIRT").Body.String())
	for _, want := range []string{
		"→ 19; asked for 17, not 19, for the channel's own sales (sold 4, released 1, expected level 12)",
		"a read asks for no quantity", "the offer at version 3 is not in the history (any more)", "4.50 ms",
	} {
		if !strings.Contains(page.Text, want) {
			t.Errorf("the page lacks %q in %s", want, page.Text)
		}
	}
	if !slices.Contains(page.Attrs, "title=2.0 s after the fact behind the offer") {
		t.Error("the page does not say how long after the fact the channel was told")
	}
}

func TestAnOfferThatWasNeverToldHasAPage(t *testing.T) {
	f := retailer()
	f.told = nil
	page := parse(t, get(t, newPage(t, f, auditview.Config{}), "/told/acme/partner-hook/SHIRT").Body.String())
	if !strings.Contains(page.Text, "Nothing was told to partner-hook about SHIRT yet.") || !strings.Contains(page.Text, "42 on offer") {
		t.Errorf("page = %s", page.Text)
	}
}

func TestPagesOfAListingFollowOnEachOther(t *testing.T) {
	f := retailer()
	h := newPage(t, f, auditview.Config{PageRows: 9})
	rows := 0
	for target := "/told/acme/partner-hook/SHIRT"; target != ""; {
		page := parse(t, get(t, h, target).Body.String())
		for _, row := range page.Rows {
			if strings.HasPrefix(row[0], "2026-11-20 ") {
				rows++
			}
		}
		target = page.href("older »")
	}
	if rows != len(f.told) {
		t.Errorf("pages show %d rows, want %d", rows, len(f.told))
	}

	rows = 0
	before := ""
	for {
		var got struct {
			Items []json.RawMessage `json:"items"`
			Next  *string           `json:"next"`
		}
		w := get(t, h, "/api/v1/told?pool=acme&channel=partner-hook&sku=SHIRT&limit=20"+before)
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		rows += len(got.Items)
		if got.Next == nil {
			break
		}
		before = "&before=" + *got.Next
	}
	if rows != len(f.told) {
		t.Errorf("the API gives %d rows, want %d", rows, len(f.told))
	}
}

func TestHostileIDsAreShownAndNeverInterpreted(t *testing.T) {
	ids := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `a/b//c`, `100%`, `%2F%2e`, `..`, `.`, `a b+c&d=e`, `it's "q"`, `?x=1#y`,
		`javascript:alert(1)`, "{{.}}", `é漢😀`, `\`,
	}
	for _, id := range ids {
		t.Run(id, func(t *testing.T) {
			row := stockRow(id, 0)
			for i := range row.Channels {
				row.Channels[i].Channel, row.Channels[i].Location = id, id
			}
			offer := record.Offer{Pool: id, Channel: id, SKU: id, Location: id, Version: 3, Reason: id, ChangedAt: ago(time.Hour), Inputs: record.OfferInputs{
				Outlets: []record.OfferOutlet{{Outlet: id}}, Percent: 100,
			}}
			told := auditview.Told{Offset: 4, Communication: record.Communication{
				Pool: id, Channel: id, SKU: id, Location: id, State: record.CommunicationRejected, Kind: record.SetLevel, IdempotencyKey: id, Reply: id, ReplyClass: id, Reason: id,
				RequestID: id, AttemptedAt: ago(time.Minute), RepliedAt: ago(time.Second),
			}}
			f := &fakeHistory{
				pools: []string{id}, channels: []auditview.ChannelRow{{Channel: id, Vendor: id}}, stock: []auditview.StockRow{row},
				told: []auditview.ToldRow{{Told: told, Offer: &offer}}, offers: []record.Offer{offer}, failures: []auditview.Told{told},
				rejections: []record.Rejection{{Class: id, Reason: id, Field: id, Topic: id, Pool: id, Value: []byte(id)}},
			}
			h := newPage(t, f, auditview.Config{})
			table := parse(t, get(t, h, "/?search="+url.QueryEscape(id)).Body.String())
			failures := parse(t, get(t, h, "/failures").Body.String())
			at := table.href("3")
			if at == "" {
				t.Fatalf("the table does not lead to the listing: %v", table.Links)
			}
			if fromFailures := failures.href(squeeze(id)); fromFailures != at {
				t.Errorf("failures lead to %q, the table to %q", fromFailures, at)
			}
			// A browser resolves the address against the page it is on.
			base := url.URL{Scheme: "http", Host: "audit.example", Path: "/"}
			to, err := base.Parse(at)
			if err != nil || to.Host != base.Host {
				t.Fatalf("%q leads to %v, %v", at, to, err)
			}
			listing := parse(t, get(t, h, to.RequestURI()).Body.String())
			for name, page := range map[string]document{"table": table, "failures": failures, "listing": listing} {
				if page.Tags["img"] > 0 || page.Tags["script"] != 1 {
					t.Errorf("%s: the id has become markup: %v", name, page.Tags)
				}
				if !strings.Contains(page.Text, squeeze(id)) {
					t.Errorf("%s does not show the id: %s", name, page.Text)
				}
				for _, l := range page.Links {
					if !strings.HasPrefix(l.Href, "/") && !strings.HasPrefix(l.Href, "#") {
						t.Errorf("%s: a link leads to %q", name, l.Href)
					}
				}
			}
			api := listing.href("JSON")
			var got struct {
				Items []struct {
					Communication struct {
						SKU string `json:"sku"`
					} `json:"communication"`
				} `json:"items"`
			}
			if err := json.Unmarshal(get(t, h, api).Body.Bytes(), &got); err != nil || len(got.Items) != 1 || got.Items[0].Communication.SKU != id {
				t.Errorf("GET %s = %+v, %v", api, got, err)
			}
		})
	}
}

func TestToldAsJSONAndCSV(t *testing.T) {
	offer := record.Offer{
		Pool: "acme", Channel: "shop", Account: "acme/shop", SKU: "HAT", Version: 8, ChangedAt: ago(time.Minute), Quantity: 5, Reason: "in_stock",
		Inputs: record.OfferInputs{Outlets: []record.OfferOutlet{{Outlet: "MTL", OnHand: 5, Available: 5}}, Percent: 100},
	}
	c := record.Communication{
		Pool: "acme", Channel: "shop", Account: "acme/shop", SKU: "HAT", Kind: record.SetLevel, State: record.Acknowledged, Attempt: 1, IdempotencyKey: "k1",
		OfferVersion: 8, Quantity: 5, ReplyClass: "ok", Reply: "-1, said \"ok\"", Reason: "raise", OfferedAt: ago(time.Minute),
		AttemptedAt: ago(30 * time.Second), RepliedAt: ago(29 * time.Second),
	}
	f := &fakeHistory{pools: []string{"acme"}, told: []auditview.ToldRow{{Told: auditview.Told{Communication: c, Offset: 41, RecordedAt: ago(28 * time.Second)}, Offer: &offer}}}
	h := newPage(t, f, auditview.Config{})
	target := "/api/v1/told?pool=acme&channel=shop&sku=HAT"
	wantJSON := `{"pool":"acme","items":[{"offset":41,"recorded_at":"2026-11-20T11:59:32Z","communication":` +
		`{"pool":"acme","channel":"shop","account":"acme/shop","sku":"HAT","location":"","kind":"set_level","state":"acknowledged","attempt":1,"idempotency_key":"k1",` +
		`"offer_version":8,"quantity":5,"compare":null,"expected":null,"level":null,"sold":0,"released":0,"sequence":0,"request_id":"","reply_id":"","reply_class":"ok",` +
		`"reply":"-1, said \"ok\"","reason":"raise","command":"","offered_at":"2026-11-20T11:59:00Z","occurred_at":null,"attempted_at":"2026-11-20T11:59:30Z","replied_at":"2026-11-20T11:59:31Z"},` +
		`"offer":{"pool":"acme","channel":"shop","account":"acme/shop","sku":"HAT","location":"","version":8,"changed_at":"2026-11-20T11:59:00Z","quantity":5,"sold":0,"released":0,"reason":"in_stock",` +
		`"inputs":{"outlets":[{"outlet":"MTL","on_hand":5,"reserved":0,"safety_stock":0,"available":5}],"waiting":0,"buffer":0,"percent":100,"cap":null,"floor":0},"channel_ids":{},"stopped":false,` +
		`"times":{"occurred":null,"origin":null,"entry":null}},` +
		`"arithmetic":"MTL 5 on hand − 0 reserved − 0 safety = 5; Σ 5 − waiting 0 − buffer 0 = 5 × 100 % → 5; cap —; floor 0 → 5"}],"next":null}` + "\n"
	if got := get(t, h, target).Body.String(); got != wantJSON {
		t.Errorf("JSON =\n%s, want\n%s", got, wantJSON)
	}
	wantCSV := "pool,channel,account,sku,location,offset,recorded_at,state,kind,quantity,compare,expected,level,offer_version,sold,released,attempt,idempotency_key," +
		"request_id,reply_id,reply_class,reply,reason,command,offered_at,occurred_at,attempted_at,replied_at,arithmetic,order_id,fulfilment_id\r\n" +
		"acme,shop,acme/shop,HAT,,41,2026-11-20T11:59:32Z,acknowledged,set_level,5,,,,8,0,0,1,k1,,,ok,\"'-1, said \"\"ok\"\"\",raise,,2026-11-20T11:59:00Z,,2026-11-20T11:59:30Z," +
		"2026-11-20T11:59:31Z,MTL 5 on hand − 0 reserved − 0 safety = 5; Σ 5 − waiting 0 − buffer 0 = 5 × 100 % → 5; cap —; floor 0 → 5,,\r\n"
	if got := get(t, h, target+"&format=csv").Body.String(); got != wantCSV {
		t.Errorf("CSV =\n%s, want\n%s", got, wantCSV)
	}
}

func TestFailuresAndRejections(t *testing.T) {
	h := newPage(t, retailer(), auditview.Config{})
	page := parse(t, get(t, h, "/failures?pool=acme").Body.String())
	for _, want := range []string{
		"? unknown acme partner-hook CAP-NAVY set 0 timeout no answer within 10s 1 decrease",
		"! quarantined acme shop-fr JEANS-32-34 set 9 refused 422 unknown inventory item (third time) 4 raise",
		"malformed movements 3:18201 acme movement.quantity quantity: must be > 0 not applied",
		"negative movements 1:17330 acme on hand at LAV falls to −2 applied, flagged",
		"malformed HTTP, row 7 not UTF-8 at byte 2 not applied",
	} {
		if !strings.Contains(page.Text, want) {
			t.Errorf("the page lacks %q in %s", want, page.Text)
		}
	}
	if got := page.href("JEANS-32-34"); got != "/told/acme/shop-fr/JEANS-32-34" {
		t.Errorf("a failure leads to %q", got)
	}

	var failures, rejections struct {
		Items []map[string]any `json:"items"`
	}
	if err := json.Unmarshal(get(t, h, "/api/v1/failures?limit=2").Body.Bytes(), &failures); err != nil || len(failures.Items) != 2 || failures.Items[0]["offset"] != 9000.0 {
		t.Errorf("failures = %v, %v", failures, err)
	}
	if err := json.Unmarshal(get(t, h, "/api/v1/rejections").Body.Bytes(), &rejections); err != nil || len(rejections.Items) != 3 || rejections.Items[0]["class"] != "malformed" {
		t.Errorf("rejections = %v, %v", rejections, err)
	}
	rows, err := csv.NewReader(get(t, h, "/api/v1/rejections?format=csv").Body).ReadAll()
	if err != nil || len(rows) != 4 {
		t.Fatalf("rejections as CSV = %v, %v", rows, err)
	}
	if got := rows[3][12:]; !slices.Equal(got, []string{"", "eyL//gA="}) {
		t.Errorf("bytes that are no text = %q, want base64", got)
	}
	if rows, err := csv.NewReader(get(t, h, "/api/v1/failures?format=csv&limit=3").Body).ReadAll(); err != nil || len(rows) != 4 {
		t.Errorf("failures as CSV = %v, %v", rows, err)
	}
}

func TestChartsOfLocationsStandApart(t *testing.T) {
	f := &fakeHistory{pools: []string{"acme"}}
	for i, location := range []string{"Laval", "Montréal", "Laval"} {
		f.offers = append(f.offers, record.Offer{
			Pool: "acme", Channel: "shop", SKU: "HAT", Location: location, Version: stock.Version(i + 1), ChangedAt: ago(time.Duration(9-i) * time.Minute),
			Quantity: stock.Quantity(i), Inputs: record.OfferInputs{Percent: 100}, Reason: "in_stock",
		})
	}
	page := parse(t, get(t, newPage(t, f, auditview.Config{}), "/told/acme/shop/HAT").Body.String())
	if page.Tags["figure"] != 2 || !strings.Contains(page.Text, "2 on offer at Laval") || !strings.Contains(page.Text, "1 on offer at Montréal") {
		t.Errorf("%d charts in %s", page.Tags["figure"], page.Text)
	}
}

// TestChartSaysHowLongTooMuchWasTold tells 8, of which 3 are gone after 60 s and told after 72 s.
func TestChartSaysHowLongTooMuchWasTold(t *testing.T) {
	const seconds = time.Second
	for _, test := range []struct {
		name string
		sold stock.Quantity // of the 3, by the channel itself
		keep bool           // the channel leaves its level alone when it sells
		told time.Duration  // when 5 was told, 0: never
		want string
	}{
		{"gone elsewhere", 0, false, 72 * seconds, "told more than it might show for 12.0 s of this time, by up to 3"},
		{"gone elsewhere, never told", 0, false, 0, "told more than it might show for 1m0s of this time, by up to 3"},
		{"sold there", 3, false, 0, "never told more than it might show"},
		{"some sold there", 1, false, 72 * seconds, "told more than it might show for 12.0 s of this time, by up to 2"},
		{"sold there, where the level stays", 3, true, 72 * seconds, "told more than it might show for 12.0 s of this time, by up to 3"},
	} {
		start := 2 * time.Minute
		f := &fakeHistory{pools: []string{"acme"}, channels: []auditview.ChannelRow{{Channel: "shop", LowersOwnLevel: !test.keep}}}
		offer := func(version stock.Version, after time.Duration, quantity, sold stock.Quantity) {
			f.offers = append(f.offers, record.Offer{
				Pool: "acme", Channel: "shop", SKU: "HAT", Version: version, ChangedAt: ago(start - after), Quantity: quantity, Sold: sold,
				Inputs: record.OfferInputs{Percent: 100}, Reason: "in_stock",
			})
		}
		tell := func(version stock.Version, after time.Duration, quantity, sold stock.Quantity) {
			f.told = slices.Insert(f.told, 0, auditview.ToldRow{Told: auditview.Told{Offset: int64(version), Communication: record.Communication{
				Pool: "acme", Channel: "shop", SKU: "HAT", Kind: record.SetLevel, State: record.Acknowledged, OfferVersion: version, Quantity: quantity,
				Sold: sold, AttemptedAt: ago(start - after), RepliedAt: ago(start - after),
			}}})
		}
		offer(1, 0, 8, 0)
		tell(1, seconds, 8, 0)
		offer(2, 60*seconds, 5, test.sold)
		if test.told > 0 {
			tell(2, test.told, 5, test.sold)
		}
		page := parse(t, get(t, newPage(t, f, auditview.Config{}), "/told/acme/shop/HAT").Body.String())
		if !strings.Contains(page.Text, test.want) {
			t.Errorf("%s: %q is not in %s", test.name, test.want, page.Text)
		}
	}
}
