package codec_test

import (
	"testing"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
)

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	for _, test := range []struct{ given, full string }{
		{
			`{"outlet":{"pool":"acme","outlet":"MTL"}}`,
			`{"outlet":{"pool":"acme","outlet":"MTL","name":"","priority":0,"sells_online":true,"fulfils_orders":true,"safety_stock":0,"channel_owned":false,"deleted":false}}`,
		},
		{
			`{"listing":{"pool":"acme","channel":"shop","sku":"S","policies":[{}]}}`,
			`{"listing":{"pool":"acme","channel":"shop","sku":"S","opted_in":true,"tracked":true,"fulfilled_by":"merchant","channel_ids":{},"title":"","policies":[{"from":null,"to":null,"buffer":0,"cap":null,"percent":100,"floor":0}],"publish_at":null,"deleted":false}}`,
		},
		{
			`{"channel":{"pool":"acme","channel":"shop"}}`,
			`{"channel":{"pool":"acme","channel":"shop","vendor":"","outlets":[],"locations":[],"account":"","route_orders":true,"default_outlet":"","own_outlet":"","lowers_own_level":true,"deleted":false,"flows":{"stock":true,"orders":true,"shipments_out":true,"shipments_in":false,"payments":false},"count_statuses":{"merchant":["pending","open","cancelled"],"channel":["shipped","cancelled"]},"lowering_statuses":["pending","open","shipped"],"publish":{"quiet":"2s","longest_wait":"10s","low_mark":1,"settle":"30s","visibility_lag":"0s","grace":"60s","correct_drift":true},"policies":[],"when_stopped":"zero"}}`,
		},
		{
			`{"channel":{"pool":"acme","channel":"shop","flows":{"orders":false},"count_statuses":{"channel":[]},"lowering_statuses":[],"publish":{"quiet":"1500ms","low_mark":0}}}`,
			`{"channel":{"pool":"acme","channel":"shop","vendor":"","outlets":[],"locations":[],"account":"","route_orders":true,"default_outlet":"","own_outlet":"","lowers_own_level":true,"deleted":false,"flows":{"stock":true,"orders":false,"shipments_out":true,"shipments_in":false,"payments":false},"count_statuses":{"merchant":["pending","open","cancelled"],"channel":[]},"lowering_statuses":[],"publish":{"quiet":"1500ms","longest_wait":"10s","low_mark":0,"settle":"30s","visibility_lag":"0s","grace":"60s","correct_drift":true},"policies":[],"when_stopped":"zero"}}`,
		},
		{
			`{"pool":{"pool":"acme"}}`,
			`{"pool":{"pool":"acme","ruleset":1,"prefer":"fewest_outlets","release_on":"cancel","fulfilment_lowers_on_hand":true,"count_window":"6h","single_outlet":true,"split_orders":true,"split_lines":true,"ship_complete":false}}`,
		},
		{
			`{"order":{"pool":"acme","channel":"shop","order_id":"1","status":"open","updated_at":"2026-11-20T10:00:05Z","lines":[{"line_id":"1","item":"x","quantity":"2"}]}}`,
			`{"order":{"pool":"acme","channel":"shop","order_id":"1","status":"open","updated_at":"2026-11-20T10:00:05Z","fulfilled_by":"merchant","expires_at":null,"ship_to":{"country":"","postal_code":""},"payment":{"state":"","amount":"","currency":""},"lines":[{"line_id":"1","sku":"","item":"x","quantity":2,"fulfilled":0,"outlet":"","location":""}]}}`,
		},
	} {
		var e, again record.Event
		if err := codec.ParseEvent("", []byte(test.given), &e); err != nil {
			t.Errorf("ParseEvent(%s) = %v", test.given, err)
			continue
		}
		if got := string(codec.AppendEventJSON(nil, &e)); got != test.full {
			t.Errorf("%s reads as\n%s, want\n%s", test.given, got, test.full)
		}
		if err := codec.ParseEvent(codec.ContentTypeProtobuf, codec.AppendEvent(nil, &e), &again); err != nil {
			t.Errorf("ParseEvent(protobuf of %s) = %v", test.given, err)
		} else if got := string(codec.AppendEventJSON(nil, &again)); got != test.full {
			t.Errorf("%s reads through protobuf as\n%s, want\n%s", test.given, got, test.full)
		}
	}
}

// The wire form of the events above with everything left out that may be: what a sender who sets only the required
// fields writes.
func TestWhatIsLeftOutOfProtobufHasItsDefault(t *testing.T) {
	var e record.Event
	wire := []byte("\x4a\x06\x0a\x04acme") // pool { pool: "acme" }
	if err := codec.ParseEvent(codec.ContentTypeProtobuf, wire, &e); err != nil {
		t.Fatal(err)
	}
	want := `{"pool":{"pool":"acme","ruleset":1,"prefer":"fewest_outlets","release_on":"cancel","fulfilment_lowers_on_hand":true,"count_window":"6h","single_outlet":true,"split_orders":true,"split_lines":true,"ship_complete":false}}`
	if got := string(codec.AppendEventJSON(nil, &e)); got != want {
		t.Errorf("reads as\n%s, want\n%s", got, want)
	}
}

func TestRecordsPrintAsTheContractShowsThem(t *testing.T) {
	moment := at("2026-11-20T10:00:00.25Z")
	availability := record.Availability{
		Pool: "acme", SKU: "SHIRT", Version: 812, ChangedAt: moment, OnHand: 25, OnOrder: 3, Reserved: 3, Available: 22,
		Outlets: []record.OutletLevel{{Outlet: "LAV", OnHand: 15, Reserved: 3}, {Outlet: "MTL", OnHand: 10}, {Outlet: "X", OnHand: -1, Undeclared: true}},
		Times:   record.Times{Entry: moment},
	}
	level := stock.Quantity(3)
	for _, test := range []struct {
		topic string
		value []byte
		want  string
	}{
		{
			"availability", codec.AppendAvailability(nil, &availability),
			`{"pool":"acme","sku":"SHIRT","version":812,"changed_at":"2026-11-20T10:00:00.25Z","on_hand":25,"on_order":3,"reserved":3,"available":22,"backordered":0,"outlets":[{"outlet":"LAV","on_hand":15,"reserved":3},{"outlet":"MTL","on_hand":10,"reserved":0},{"outlet":"X","on_hand":-1,"reserved":0,"undeclared":true}]}`,
		},
		{
			"allocations", codec.AppendAllocation(nil, &record.Allocation{
				Pool: "acme", Channel: "shop", OrderID: "1", State: record.PartiallyShipped, Version: 9, ChangedAt: moment, FulfilledBy: record.ByMerchant,
				Lines: []record.AllocationLine{{LineID: "1", SKU: "SHIRT", Ordered: 2, Waiting: 1, Allocations: []record.LineAllocation{{Outlet: "MTL", Quantity: 1}}}},
				Decision: record.Decision{
					Rule: "cut_lines", Exact: true, Candidates: []record.Candidate{{Outlet: "MTL", Lacks: []record.Lack{{LineID: "1", Quantity: 1}}}},
				},
			}),
			`{"pool":"acme","channel":"shop","order_id":"1","state":"partially_shipped","version":9,"changed_at":"2026-11-20T10:00:00.25Z","updated_at":null,"fulfilled_by":"merchant","lines":[{"line_id":"1","sku":"SHIRT","ordered":2,"waiting":1,"fulfilled":0,"allocations":[{"outlet":"MTL","quantity":1,"fulfilled":0}]}],"decision":{"rule":"cut_lines","exact":true,"candidates":[{"outlet":"MTL","lacks":[{"line_id":"1","quantity":1}]}]},"times":{"occurred":null,"origin":null,"entry":null}}`,
		},
		{
			"offers", codec.AppendOfferRecord(nil, &record.OfferRecord{Offer: &record.Offer{
				Pool: "acme", Channel: "shop", Account: "acme/shop", SKU: "SHIRT", Version: 9, ChangedAt: moment, Quantity: 3, Sold: 2, Reason: "in_stock",
				Inputs:     record.OfferInputs{Outlets: []record.OfferOutlet{{Outlet: "MTL", OnHand: 4, Reserved: 1, Available: 3}}, Percent: 100, Cap: &level},
				ChannelIDs: record.Dict{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}},
			}}),
			`{"offer":{"pool":"acme","channel":"shop","account":"acme/shop","sku":"SHIRT","location":"","version":9,"changed_at":"2026-11-20T10:00:00.25Z","quantity":3,"sold":2,"released":0,"reason":"in_stock","inputs":{"outlets":[{"outlet":"MTL","on_hand":4,"reserved":1,"safety_stock":0,"available":3}],"waiting":0,"buffer":0,"percent":100,"cap":3,"floor":0},"channel_ids":{"a":"1","b":"2"},"stopped":false,"times":{"occurred":null,"origin":null,"entry":null}}}`,
		},
		{
			"offers", codec.AppendOfferRecord(nil, &record.OfferRecord{Mark: &record.ChannelMark{Pool: "acme", Channel: "shop", OrdersUntil: moment, Version: 3}}),
			`{"mark":{"pool":"acme","channel":"shop","account":"","orders_until":"2026-11-20T10:00:00.25Z","version":3}}`,
		},
		{
			"communications", codec.AppendCommunication(nil, &record.Communication{
				Pool: "acme", Channel: "shop", SKU: "SHIRT", Kind: record.CompareAndSet, State: record.CommunicationRejected, Attempt: 1, Quantity: 3, Compare: &level,
			}),
			`{"pool":"acme","channel":"shop","account":"","sku":"SHIRT","location":"","kind":"compare_and_set","state":"rejected","attempt":1,"idempotency_key":"","offer_version":0,"quantity":3,"compare":3,"expected":null,"level":null,"sold":0,"released":0,"sequence":0,"request_id":"","reply_id":"","reply_class":"","reply":"","reason":"","command":"","offered_at":null,"occurred_at":null,"attempted_at":null,"replied_at":null}`,
		},
		{
			"shipments", codec.AppendShipmentNotice(nil, &record.ShipmentNotice{Pool: "acme", OrderID: "1", Lines: []record.FulfilmentLine{{LineID: "1", Quantity: 2}}}),
			`{"pool":"acme","channel":"","account":"","order_id":"1","fulfilment_id":"","outlet":"","shipped_at":null,"carrier":"","tracking":"","lines":[{"line_id":"1","quantity":2}],"version":0}`,
		},
		{
			"rejections", codec.AppendRejection(nil, &record.Rejection{Class: "malformed", Reason: "is empty", Topic: "orders", Offset: 7, Value: []byte("{\"a\"\n")}),
			`{"class":"malformed","reason":"is empty","field":"","topic":"orders","partition":0,"offset":7,"index":0,"pool":"","version":0,"ordinal":0,"rejected_at":null,"applied":false,"value":"{\"a\"\n"}`,
		},
		{
			"rejections", codec.AppendRejection(nil, &record.Rejection{Value: []byte{0xff, 0}}),
			`{"class":"","reason":"","field":"","topic":"","partition":0,"offset":0,"index":0,"pool":"","version":0,"ordinal":0,"rejected_at":null,"applied":false,"value_base64":"/wA="}`,
		},
		{
			"commands", codec.AppendCommand(nil, &record.Command{
				ID: "c1", Pool: "acme", Channel: "shop", Kind: record.CommandSync, IssuedAt: moment, Done: &record.CommandDone{Count: 3, Drifted: 1},
			}),
			`{"id":"c1","pool":"acme","channel":"shop","kind":"sync","sku":"","observe_only":false,"since":null,"issued_at":"2026-11-20T10:00:00.25Z","done":{"count":3,"drifted":1,"failed":0,"reason":"","waiting":0}}`,
		},
		{
			"journal", codec.AppendJournalEntry(nil, &record.JournalEntry{
				Event: record.Event{Tick: &record.Tick{Pool: "acme"}}, Origin: record.Origin{Previous: -1}, EntryTime: moment,
			}),
			`{"event":{"tick":{"pool":"acme"}},"origin":{"topic_id":"","topic":"","partition":0,"offset":0,"previous":-1,"time":null},"entry_time":"2026-11-20T10:00:00.25Z"}`,
		},
		{"availability", nil, `null`},
		{"movements", []byte(` {"refresh":{"pool":"acme"}} `), `{"refresh":{"pool":"acme","channel":""}}`},
	} {
		got, err := codec.AppendRecordJSON(nil, test.topic, test.value, "")
		if err != nil || string(got) != test.want {
			t.Errorf("AppendRecordJSON(%s) = %s, %v, want %s", test.topic, got, err, test.want)
		}
	}
	for topic, value := range map[string]string{"movements": "x", "availability": "\xff", "commands": "{}"} {
		if got, err := codec.AppendRecordJSON([]byte("kept"), topic, []byte(value), ""); err == nil || string(got) != "kept" {
			t.Errorf("AppendRecordJSON(%s, %q) = %s, %v, want an error", topic, value, got, err)
		}
	}
}

func TestAProtobufContentTypeMayCarryParameters(t *testing.T) {
	wire := codec.AppendEvent(nil, &record.Event{Refresh: &record.Refresh{Pool: "acme"}})
	for _, contentType := range []string{"application/x-protobuf", "Application/X-Protobuf; proto=shelfwire.v1.Event"} {
		var e record.Event
		if err := codec.ParseEvent(contentType, wire, &e); err != nil {
			t.Errorf("ParseEvent(%q) = %v", contentType, err)
		}
	}
}
