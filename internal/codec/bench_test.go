package codec_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/shelfwire/shelfwire/internal/codec"
	"github.com/shelfwire/shelfwire/internal/record"
	"github.com/shelfwire/shelfwire/internal/stock"
	shelfwirev1 "github.com/shelfwire/shelfwire/schemas/gen/shelfwire/v1"
)

const benchTime stock.Instant = 1_795_168_800_123_456

var benchEntry = record.JournalEntry{
	Event: record.Event{Movement: &record.Movement{
		Pool: "acme", Outlet: "MTL", SKU: "SKU-0012345", Kind: stock.Receipt, Quantity: 10, OccurredAt: benchTime,
		Source: "wms", Epoch: 1, Sequence: 7_781_000,
	}},
	Origin: record.Origin{
		TopicID: "0123456789abcdef0123456789abcdef", Topic: "movements", Partition: 3, Offset: 12_345_678,
		Previous: 12_345_670, Time: benchTime,
	},
	EntryTime: benchTime,
}

func BenchmarkDecodeJournalEntry(b *testing.B) {
	bytes := codec.AppendJournalEntry(nil, &benchEntry)
	d := codec.NewDecoder()
	var e record.JournalEntry
	b.SetBytes(int64(len(bytes)))
	b.ReportAllocs()
	for b.Loop() {
		d.Recycle()
		if err := d.JournalEntry(bytes, &e); err != nil {
			b.Fatal(err)
		}
	}
}

// What the generated code takes for the same bytes, to judge the one above by.
func BenchmarkDecodeJournalEntryGenerated(b *testing.B) {
	bytes := codec.AppendJournalEntry(nil, &benchEntry)
	b.SetBytes(int64(len(bytes)))
	b.ReportAllocs()
	for b.Loop() {
		var e shelfwirev1.JournalEntry
		if err := proto.Unmarshal(bytes, &e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJournalEntry(b *testing.B) {
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = codec.AppendJournalEntry(out[:0], &benchEntry)
	}
}

var benchAvailability = record.Availability{
	Pool: "acme", SKU: "SKU-0012345", Version: 12_345_679, ChangedAt: benchTime, OnHand: 25, OnOrder: 3, Reserved: 3, Available: 22,
	Outlets: []record.OutletLevel{{Outlet: "LAV", OnHand: 15, Reserved: 3}, {Outlet: "MTL", OnHand: 10}},
	Times:   record.Times{Occurred: benchTime, Origin: benchTime, Entry: benchTime},
}

func BenchmarkAppendAvailability(b *testing.B) {
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = codec.AppendAvailability(out[:0], &benchAvailability)
	}
}

func BenchmarkAppendAvailabilityJSON(b *testing.B) {
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = codec.AppendAvailabilityJSON(out[:0], &benchAvailability)
	}
}

var benchOffer = record.OfferRecord{Offer: &record.Offer{
	Pool: "acme", Channel: "shopify-ca", Account: "acme/shopify-ca", SKU: "SKU-0012345", Version: 12_345_679,
	ChangedAt: benchTime, Quantity: 20, Sold: 31, Released: 2, Reason: "in_stock",
	Inputs: record.OfferInputs{
		Outlets: []record.OfferOutlet{
			{Outlet: "LAV", OnHand: 15, Reserved: 3, Available: 12}, {Outlet: "MTL", OnHand: 10, Available: 10},
		},
		Buffer: 2, Percent: 100,
	},
	ChannelIDs: record.Dict{{Key: "inventory_item_id", Value: "gid://shopify/InventoryItem/1234567890"}},
	Times:      record.Times{Occurred: benchTime, Origin: benchTime, Entry: benchTime},
}}

func BenchmarkAppendOfferRecord(b *testing.B) {
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = codec.AppendOfferRecord(out[:0], &benchOffer)
	}
}

func BenchmarkDecodeOfferRecord(b *testing.B) {
	bytes := codec.AppendOfferRecord(nil, &benchOffer)
	d := codec.NewDecoder()
	var r record.OfferRecord
	b.ReportAllocs()
	for b.Loop() {
		if err := d.OfferRecord(bytes, &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseEventJSON(b *testing.B) {
	var e record.Event
	line := []byte(contractEvents[0])
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if err := codec.ParseEvent("", line, &e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeEventJSON is BenchmarkParseEventJSON as ingest does it.
func BenchmarkDecodeEventJSON(b *testing.B) {
	var e record.Event
	d := codec.NewDecoder()
	line := []byte(contractEvents[0])
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		d.Recycle()
		if err := d.Event("", line, &e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseEventProtobuf(b *testing.B) {
	e := record.Event{Movement: benchEntry.Event.Movement}
	bytes := codec.AppendEvent(nil, &e)
	b.ReportAllocs()
	for b.Loop() {
		if err := codec.ParseEvent(codec.ContentTypeProtobuf, bytes, &e); err != nil {
			b.Fatal(err)
		}
	}
}
