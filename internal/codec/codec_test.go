package codec_test

import (
	"reflect"
	"testing"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
)

// contractEvents are the examples of the contract, to the letter.
var contractEvents = []string{
	`{"movement":{"pool":"acme","outlet":"MTL","sku":"SHIRT","kind":"receipt","quantity":10,"occurred_at":"2026-11-20T10:00:00Z","event_id":"wms-7781","source":"wms","epoch":1,"sequence":7781,"reason":"PO 4411","counterpart":""}}`,
	`{"order":{"pool":"acme","channel":"shopify-ca","order_id":"1001","status":"open","placed_at":"2026-11-20T10:00:00Z","updated_at":"2026-11-20T10:00:05Z","read_at":"2026-11-20T10:00:06Z","fulfilled_by":"merchant","expires_at":null,"ship_to":{"country":"CA","postal_code":"H2X"},"payment":{"state":"paid","amount":"59.90","currency":"CAD"},"lines":[{"line_id":"1","sku":"SHIRT","item":"","quantity":2,"fulfilled":0,"outlet":"","location":""}]}}`,
	`{"fulfilment":{"pool":"acme","channel":"shopify-ca","order_id":"1001","fulfilment_id":"f1","reported_by":"warehouse","outlet":"MTL","shipped_at":"2026-11-20T12:00:00Z","carrier":"Colissimo","tracking":"6A0123","lines":[{"line_id":"1","quantity":2}]}}`,
	`{"mark":{"pool":"acme","channel":"shopify-ca","orders_until":"2026-11-20T12:00:00Z"}}`,
	`{"outlet":{"pool":"acme","outlet":"MTL","name":"Montréal","priority":1,"sells_online":true,"fulfils_orders":true,"safety_stock":0,"channel_owned":false,"deleted":false}}`,
	`{"kit":{"pool":"acme","sku":"OUTFIT","components":[{"sku":"SHIRT","quantity":1},{"sku":"HAT","quantity":1}],"deleted":false}}`,
	`{"listing":{"pool":"acme","channel":"shopify-ca","sku":"SHIRT","opted_in":true,"tracked":true,"fulfilled_by":"merchant","channel_ids":{"inventory_item_id":"…"},"title":"Chemise","policies":[{"from":"2026-01-01T00:00:00Z","to":null,"buffer":2,"cap":null,"percent":100,"floor":0}],"publish_at":null,"deleted":false}}`,
	`{"channel":{"pool":"acme","channel":"shopify-ca","vendor":"shopify","outlets":["MTL","SHE"],"locations":[{"location":"gid://…","outlets":["MTL","SHE"]}],"account":"","route_orders":true,"default_outlet":"","own_outlet":"","lowers_own_level":true,"deleted":false,"flows":{"stock":true,"orders":true,"shipments_out":true,"shipments_in":false,"payments":false},"count_statuses":{"merchant":["pending","open","cancelled"],"channel":["shipped","cancelled"]},"lowering_statuses":["pending","open","shipped"],"publish":{"quiet":"2s","longest_wait":"10s","low_mark":1,"settle":"30s","visibility_lag":"0s","grace":"60s","correct_drift":true},"policies":[{"from":null,"to":null,"buffer":0,"cap":null,"percent":100,"floor":0}],"when_stopped":"zero"}}`,
	`{"pool":{"pool":"acme","ruleset":1,"prefer":"fewest_outlets","release_on":"cancel","fulfilment_lowers_on_hand":true,"count_window":"6h","single_outlet":true,"split_orders":true,"split_lines":true,"ship_complete":false}}`,
	`{"decline":{"pool":"acme","event_id":"d1","channel":"shopify-ca","order_id":"1001","line_id":"1","outlet":"MTL","quantity":1,"reason":"damaged"}}`,
	`{"reassign":{"pool":"acme","event_id":"r1","channel":"shopify-ca","order_id":"1001","line_id":"1","from":"MTL","to":"LAV","quantity":1}}`,
	`{"refresh":{"pool":"acme","channel":""}}`,
}

func TestTheContractsExamplesReadAndWriteBackAsTheyStand(t *testing.T) {
	for _, line := range contractEvents {
		var e record.Event
		if err := codec.ParseEvent("", []byte(line), &e); err != nil {
			t.Errorf("ParseEvent(%s) = %v", line, err)
			continue
		}
		if got := string(codec.AppendEventJSON(nil, &e)); got != line {
			t.Errorf("AppendEventJSON() =\n%s, want\n%s", got, line)
		}
		var again record.Event
		if err := codec.ParseEvent(codec.ContentTypeProtobuf, codec.AppendEvent(nil, &e), &again); err != nil {
			t.Errorf("ParseEvent(protobuf of %s) = %v", line, err)
		}
		if !reflect.DeepEqual(again, e) {
			t.Errorf("through protobuf: %+v, want %+v", again, e)
		}
	}
}
